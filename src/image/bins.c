/*
 * bins.c - the free lists against the blocks: every FREE block is in the list of its size, and every
 * list has only such blocks.
 *
 * A damaged link has two ends, and both look wrong; it is reported at one: by the block whose own
 * link it is, as far as the rest of the list can tell. References of small blocks and of runs of
 * pages are handled alike, as 64 bits (struct pw_page_links).
 */
#include "image/image.h"

#include "base/bitmap.h"
#include "image/pattern.h"
#include "image/spans.h"

/* The free lists of one kind of region of one heap. */
struct lists {
    const struct pw_image *image;
    const struct pw_heap_image *heap;
    uint32_t heap_index;
    enum pw_region_kind kind;
    const struct pw_region *near; /* where most links lead, and its index; or NULL */
    uint32_t near_index;
};

static uint64_t reference_to(enum pw_region_kind kind, uint32_t index, uint32_t granule)
{
    return kind == PW_REGION_SMALL ? index << PW_REF_GRANULE_BITS | granule
                                   : (uint64_t)index << 32 | granule;
}

/* The region and granule that a reference names, if there is such a place; else NULL. */
static const struct pw_region *place_of(const struct lists *lists, uint64_t reference,
                                        struct pw_region *scratch, uint32_t *granule)
{
    bool is_small = lists->kind == PW_REGION_SMALL;
    uint64_t index = is_small ? reference >> PW_REF_GRANULE_BITS : reference >> 32;
    *granule = is_small ? (uint32_t)reference & ((1u << PW_REF_GRANULE_BITS) - 1) : (uint32_t)reference;
    const struct pw_region *region = scratch;
    if (lists->near != NULL && index == lists->near_index)
        region = lists->near;
    else if (index >= PW_MAX_REGIONS || !pw_image_region(lists->image, (uint32_t)index, scratch))
        return NULL;
    bool is_place = region->kind == lists->kind && region->heap == lists->heap_index &&
                    *granule >= region->first && *granule < region->limit;
    return is_place ? region : NULL;
}

static bool links_of(const struct lists *lists, uint64_t reference, struct pw_page_links *links)
{
    struct pw_region region_scratch;
    uint32_t granule;
    const struct pw_region *region = place_of(lists, reference, &region_scratch, &granule);
    if (region == NULL)
        return false;
    uint64_t slot = granule + (lists->kind == PW_REGION_PAGES);
    struct pw_page_links scratch;
    const void *seen = lists->image->view(
        lists->image->context, region->evidence + slot * sizeof scratch, sizeof scratch, &scratch);
    if (seen == NULL)
        return false;
    const struct pw_free_links *small = seen;
    if (lists->kind == PW_REGION_SMALL)
        *links = (struct pw_page_links){small->next, small->previous};
    else
        *links = *(const struct pw_page_links *)seen;
    return true;
}

static uint32_t bin_of(enum pw_region_kind kind, uint32_t size)
{
    return kind == PW_REGION_PAGES ? pw_page_bin(size) : pw_small_bin((uint64_t)size << PW_GRANULE_SHIFT);
}

static uint64_t head_of(const struct lists *lists, uint32_t bin)
{
    return lists->kind == PW_REGION_SMALL ? lists->heap->bins[bin] : lists->heap->page_bins[bin];
}

static bool has_bit(const struct lists *lists, uint32_t bin)
{
    bool is_small = lists->kind == PW_REGION_SMALL;
    return pw_bit_test(is_small ? lists->heap->bin_bitmap : lists->heap->page_bitmap, bin);
}

/* The header of the FREE block that a reference names; false: there is none. */
static bool free_block(const struct lists *lists, uint64_t reference, struct pw_header_copy *header)
{
    struct pw_region scratch;
    uint32_t granule;
    const struct pw_region *region = place_of(lists, reference, &scratch, &granule);
    return region != NULL && pw_image_header(lists->image, region, granule, header) &&
           header->is_sealed && header->state == PW_STATE_FREE;
}

/* A head is sound when it names a FREE block of its bin, or one with a damaged header, reported as that. */
static bool head_is_sound(const struct lists *lists, uint32_t bin)
{
    struct pw_region scratch;
    struct pw_header_copy header;
    uint32_t granule;
    uint64_t head = head_of(lists, bin);
    if (free_block(lists, head, &header))
        return bin_of(lists->kind, header.size) == bin;
    const struct pw_region *region = place_of(lists, head, &scratch, &granule);
    return region != NULL && pw_image_header(lists->image, region, granule, &header) &&
           !header.is_sealed && pw_image_next_start(lists->image, region, granule) == granule;
}

/* What comes before a FREE block in its list leads to it. A head that is not sound is reported as that. */
static bool is_led_to(const struct lists *lists, uint64_t me, uint32_t size, uint64_t previous)
{
    struct pw_page_links links;
    uint32_t bin = bin_of(lists->kind, size);
    if (previous == 0)
        return head_of(lists, bin) == me || !head_is_sound(lists, bin);
    return links_of(lists, previous, &links) && links.next == me;
}

/* A block's `next` is 0 or leads back to it. */
static bool leads_back(const struct lists *lists, uint64_t me, uint64_t next)
{
    struct pw_page_links links;
    return next == 0 || (links_of(lists, next, &links) && links.previous == me);
}

/* The FREE block `previous` does not lead to its next either: it is the one to be reported. */
static bool is_told_by_previous(const struct lists *lists, uint64_t previous)
{
    struct pw_header_copy header;
    struct pw_page_links links;
    return free_block(lists, previous, &header) && links_of(lists, previous, &links) &&
           !leads_back(lists, previous, links.next);
}

/* What `next`, a FREE block, names before it does not lead to it: it is the one to be reported. */
static bool is_told_by_next(const struct lists *lists, uint64_t next)
{
    struct pw_header_copy header;
    struct pw_page_links links;
    return free_block(lists, next, &header) && links_of(lists, next, &links) &&
           !is_led_to(lists, next, header.size, links.previous);
}

const char *pw_bins_broken_link(const struct pw_image *image, const struct pw_region *region,
                                uint32_t index, uint32_t granule, uint32_t size)
{
    struct pw_heap_image *scratch = PW_IMAGE_SCRATCH(image, sizeof *scratch);
    struct lists lists = {.image = image,
                          .heap = pw_image_heap(image, region->heap, scratch),
                          .heap_index = region->heap,
                          .kind = region->kind,
                          .near = region,
                          .near_index = index};
    struct pw_page_links own;
    uint64_t me = reference_to(region->kind, index, granule);
    if (lists.heap == NULL || !links_of(&lists, me, &own))
        return NULL;
    uint32_t bin = bin_of(lists.kind, size);
    if (head_of(&lists, bin) == me && !has_bit(&lists, bin))
        return "it is free, and the bitmap of bins says that there is none of its size";
    if (!is_led_to(&lists, me, size, own.previous) && !is_told_by_previous(&lists, own.previous))
        return "it is free, and the block before it in its bin does not lead to it";
    if (!leads_back(&lists, me, own.next) && !is_told_by_next(&lists, own.next))
        return "it is free, and the block after it in its bin does not lead back";
    return NULL;
}

static const char *broken_head(const struct lists *lists, uint32_t bin)
{
    if (head_of(lists, bin) == 0)
        return has_bit(lists, bin) ? "the bitmap of bins says that a bin has blocks, and it has none" : NULL;
    return head_is_sound(lists, bin) ? NULL : "the head of a bin is no free block of its size";
}

enum { BINS_AT_ONCE = 64 };
_Static_assert(PW_HEAP_NUM_BINS % BINS_AT_ONCE == 0 && PW_PAGE_BINS % BINS_AT_ONCE == 0, "a word of a bitmap");

/* Have the bins from `place` on, of either kind, no block and no bit? As most of them, in a process that ends. */
static bool are_empty(const struct pw_heap_image *heap, uint32_t place)
{
    if (place < PW_HEAP_NUM_BINS)
        return heap->bin_bitmap[place / BINS_AT_ONCE] == 0 &&
               pw_pattern_holds(&heap->bins[place], BINS_AT_ONCE * sizeof heap->bins[0], 0);
    place -= PW_HEAP_NUM_BINS;
    return heap->page_bitmap[place / BINS_AT_ONCE] == 0 &&
           pw_pattern_holds(&heap->page_bins[place], BINS_AT_ONCE * sizeof heap->page_bins[0], 0);
}

/* The first place from this one on that may have something: most have nothing. */
static uint32_t skip_empty(const struct pw_heap_image *heap, uint32_t place)
{
    enum { BINS = PW_HEAP_NUM_BINS + PW_PAGE_BINS };
    while (place < BINS && place % BINS_AT_ONCE == 0 && are_empty(heap, place))
        place += BINS_AT_ONCE;
    while (place >= BINS && place < BINS + PW_SLAB_CLASSES && heap->spans[place - BINS] == 0)
        place++;
    return place;
}

static void tell_head(struct pw_fault *fault, const char *rule, uint64_t address)
{
    fault->kind = PW_KIND_HEADER;
    fault->broken_rule = rule;
    fault->is_certain = true;
    fault->address = address;
}

bool pw_bins_check_heads(const struct pw_image *image, uint32_t heap, uint32_t *bin,
                         struct pw_fault *fault)
{
    struct pw_heap_image *scratch = PW_IMAGE_SCRATCH(image, sizeof *scratch);
    struct lists lists = {.image = image, .heap = pw_image_heap(image, heap, scratch), .heap_index = heap};
    uint64_t address = image->root->heaps + (uint64_t)heap * image->root->heap_stride;
    while (lists.heap != NULL && (*bin = skip_empty(lists.heap, *bin)) < PW_HEADS_A_HEAP) {
        uint32_t place = (*bin)++;
        if (place >= PW_HEAP_NUM_BINS + PW_PAGE_BINS) {
            uint32_t which_span = place - PW_HEAP_NUM_BINS - PW_PAGE_BINS;
            const char *span_rule = pw_spans_broken_head(image, lists.heap, heap, which_span);
            if (span_rule == NULL)
                continue;
            tell_head(fault, span_rule, address + offsetof(struct pw_heap_image, spans) + which_span * 4);
            return true;
        }
        bool is_small = place < PW_HEAP_NUM_BINS;
        lists.kind = is_small ? PW_REGION_SMALL : PW_REGION_PAGES;
        uint32_t which = is_small ? place : place - PW_HEAP_NUM_BINS;
        const char *rule = broken_head(&lists, which);
        if (rule == NULL)
            continue;
        tell_head(fault, rule, address + (is_small ? offsetof(struct pw_heap_image, bins) + which * 4
                                                   : offsetof(struct pw_heap_image, page_bins) + which * 8));
        return true;
    }
    *bin = PW_HEADS_A_HEAP;
    return false;
}
