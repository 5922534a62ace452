/*
 * span_rules.c - what must hold of a span beside its blocks: its seal, its bitmap of FREE blocks, and the
 * list that it is in. As in bins.c, a damaged link has two ends, and is told at one.
 */
#include "base/bitmap.h"
#include "image/spans.h"

/* The lists of a heap. */
struct lists {
    const struct pw_image *image;
    const struct pw_heap_image *heap;
    uint32_t heap_index;
};

static uint64_t shape_of(const struct pw_span *span)
{
    return atomic_load_explicit(&span->shape, memory_order_relaxed);
}

/* The span that a reference names, and whether its entry is sound; false: there is no such span. */
static bool span_at(const struct lists *lists, uint32_t reference, struct pw_span *span, bool *is_sound)
{
    struct pw_region region;
    uint32_t number = reference & (PW_SPANS - 1);
    if (!pw_image_region(lists->image, reference >> PW_SPAN_REF_BITS, &region) ||
        region.kind != PW_REGION_SLABS || region.heap != lists->heap_index || number == 0 ||
        number >= pw_span_of(region.limit))
        return false;
    struct pw_span scratch;
    const struct pw_span *seen =
        lists->image->view(lists->image->context, region.spans + (uint64_t)number * sizeof scratch,
                           sizeof scratch, &scratch);
    if (seen == NULL)
        return false;
    struct pw_span as_is = *seen;
    *is_sound = pw_image_span(lists->image, &region, number, span);
    if (!*is_sound) {
        span->next = as_is.next;
        span->previous = as_is.previous;
    }
    return true;
}

/* The list that a span belongs to, as PW_SLAB_CLASSES counts them; PW_SLAB_CLASSES + 1: none. */
static uint32_t list_of(const struct pw_span *span)
{
    uint64_t shape = shape_of(span);
    if (shape == 0)
        return PW_SLAB_CLASSES;
    bool has_room = span->free > 0 || span->fresh < pw_shape_count(shape);
    return has_room ? span->slab_class : PW_SLAB_CLASSES + 1;
}

static uint32_t head_of(const struct lists *lists, uint32_t which)
{
    if (which > PW_SLAB_CLASSES)
        return 0;
    return which == PW_SLAB_CLASSES ? lists->heap->empty_spans : lists->heap->spans[which];
}

/* One that names a span with a damaged entry passes: that is told of the entry. */
static bool head_is_sound(const struct lists *lists, uint32_t which)
{
    struct pw_span span;
    bool is_sound;
    uint32_t head = head_of(lists, which);
    if (head == 0)
        return true;
    return span_at(lists, head, &span, &is_sound) && (!is_sound || list_of(&span) == which);
}

static bool is_led_to(const struct lists *lists, uint32_t me, const struct pw_span *span)
{
    struct pw_span previous;
    bool is_sound;
    uint32_t which = list_of(span);
    if (span->previous == 0)
        return head_of(lists, which) == me || !head_is_sound(lists, which);
    return span_at(lists, span->previous, &previous, &is_sound) && previous.next == me;
}

static bool leads_back(const struct lists *lists, uint32_t me, const struct pw_span *span)
{
    struct pw_span next;
    bool is_sound;
    return span->next == 0 || (span_at(lists, span->next, &next, &is_sound) && next.previous == me);
}

static bool is_told_by_previous(const struct lists *lists, const struct pw_span *span)
{
    struct pw_span previous;
    bool is_sound;
    return span_at(lists, span->previous, &previous, &is_sound) &&
           (!is_sound || !leads_back(lists, span->previous, &previous));
}

static bool is_told_by_next(const struct lists *lists, const struct pw_span *span)
{
    struct pw_span next;
    bool is_sound;
    return span_at(lists, span->next, &next, &is_sound) &&
           (!is_sound || !is_led_to(lists, span->next, &next));
}

static const char *broken_link(const struct lists *lists, uint32_t me, const struct pw_span *span)
{
    if (list_of(span) > PW_SLAB_CLASSES)
        return span->next == 0 && span->previous == 0 ? NULL : "a span without room is in a list";
    if (!is_led_to(lists, me, span) && !is_told_by_previous(lists, span))
        return "the span before it in its list does not lead to it";
    if (!leads_back(lists, me, span) && !is_told_by_next(lists, span))
        return "the span after it in its list does not lead back";
    return NULL;
}

/* FREE blocks by their headers; of one with a damaged header the bitmap is believed. */
static uint32_t count_free(const struct pw_image *image, const struct pw_region *region, uint32_t number,
                           const struct pw_span *span, const uint64_t *bits)
{
    uint32_t count = 0;
    for (uint32_t index = 0; index < span->fresh; index++) {
        struct pw_header_copy header;
        uint32_t granule = pw_span_granule(number, shape_of(span), index);
        if (pw_image_header(image, region, granule, &header) && header.is_sealed)
            count += header.state == PW_STATE_FREE;
        else
            count += pw_bit_test(bits, index);
    }
    return count;
}

static const char *broken_bits(const struct pw_image *image, const struct pw_region *region,
                               uint32_t number, const struct pw_span *span)
{
    enum { WORDS = PW_SPAN_BLOCKS / 64 };
    uint64_t scratch[WORDS];
    const uint64_t *bits =
        image->view(image->context, region->free_bits + (uint64_t)number * sizeof scratch,
                    sizeof scratch, scratch);
    uint32_t count = 0;
    if (bits == NULL)
        return NULL;
    for (uint32_t w = 0; w < WORDS; w++)
        count += pw_bits_count(bits[w]);
    if (count != span->free && count_free(image, region, number, span, bits) != span->free)
        return "a span's count of free blocks is wrong";
    if (span->fresh < PW_SPAN_BLOCKS &&
        pw_bit_next(bits, PW_SPAN_BLOCKS, span->fresh) != PW_BITMAP_NONE)
        return "the bitmap of free blocks names one that was never handed out";
    return NULL;
}

const char *pw_spans_broken_rule(const struct pw_image *image, const struct pw_region *region,
                                 uint32_t index, uint32_t number)
{
    struct pw_span span;
    struct pw_heap_image *scratch = PW_IMAGE_SCRATCH(image, sizeof *scratch);
    struct lists lists = {image, pw_image_heap(image, region->heap, scratch), region->heap};
    if (!pw_image_span(image, region, number, &span))
        return "the entry of a span of small blocks does not fit its check";
    uint16_t places;
    if (pw_spans_places(image, region, number, &places) && places != atomic_load_explicit(&span.places, memory_order_relaxed))
        return "the table of places names others than the span does";
    const char *rule = broken_bits(image, region, number, &span);
    if (rule == NULL && lists.heap != NULL)
        rule = broken_link(&lists, index << PW_SPAN_REF_BITS | number, &span);
    return rule;
}

const char *pw_spans_broken_head(const struct pw_image *image, const struct pw_heap_image *heap,
                                 uint32_t heap_index, uint32_t which)
{
    struct lists lists = {image, heap, heap_index};
    return head_is_sound(&lists, which) ? NULL : "the head of a list of spans is no span with room of its size";
}
