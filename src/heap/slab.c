/* slab.c - see slab.h */
#include "heap/span.h"

#include "base/bitmap.h"
#include "heap/places.h"
#include "heap/span_pages.h"
#include "os/memory.h"

enum {
    KEPT_FREE_BYTES = PW_SPAN_BYTES, /* of each size: what is used next is not hidden */
    SPANS_AT_ONCE = 4096,            /* so many are looked at in one go, … */
    HIDDEN_AT_ONCE = 16 << 20,       /* … or until so many bytes are hidden, … */
    SPANS_A_TURN = 4,                /* … and so many before others may have the lock: some 50 us */
    MOST_PATIENCE = 4,
};

/*
 * FREE blocks become CACHED. One whose header is damaged stays out, for the validator to tell. *is_refused: pages of some can't be
 * had; these stay FREE.
 */
static uint32_t take_free(struct pw_heap *heap, struct pw_span_place place, uint32_t want, void **out, bool *is_refused)
{
    uint64_t *bits = pw_span_free_bits(place), shape = pw_span_shape(place);
    uint32_t count = 0;
    for (uint32_t w = 0; w < PW_SPAN_BLOCKS / 64 && place.span->free > 0 && count < want; w++) {
        for (uint64_t left = bits[w]; left != 0 && count < want; left &= left - 1) {
            uint32_t index = w * 64 + (uint32_t)__builtin_ctzll(left);
            uint64_t word = pw_span_word(place, index), bytes = (uint64_t)(want - count) * pw_shape_bytes(shape);
            bool is_sound = pw_span_word_is(place, shape, index, word, PW_STATE_FREE);
            if (pw_unlikely(place.span->hidden != 0) && is_sound && !pw_span_show_pages(heap, place, index, bytes)) {
                *is_refused = true;
                continue;
            }
            bits[w] &= ~(left & -left);
            place.span->free = (uint16_t)(place.span->free - (place.span->free > 0));
            if (!is_sound)
                continue;
            struct pw_fields fields = pw_word_fields(pw_span_word(place, index));
            pw_span_set_word(place, shape, index, PW_STATE_CACHED, fields.flags, fields.slack);
            out[count++] = (void *)pw_span_block(place, shape, index);
        }
    }
    return count;
}

/* Blocks that were never handed out become CACHED. */
static uint32_t take_fresh(struct pw_span_place place, uint32_t want, void **out)
{
    uint64_t shape = pw_span_shape(place);
    uint32_t left = pw_shape_count(shape) - place.span->fresh, bytes = pw_shape_bytes(shape);
    uint32_t count = left < want ? left : want;
    bool is_dirty = (place.span->flags & PW_SPAN_DIRTY) != 0, is_filled = (place.span->flags & PW_SPAN_FILLED) != 0;
    if (count == 0)
        return 0;
    if (pw_heap_hooks.cut != NULL && place.span->fresh == 0)
        pw_heap_hooks.cut(pw_span_block(place, shape, 0)); /* the front zone */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = place.span->fresh + i;
        uint64_t address = pw_span_block(place, shape, index);
        if (is_dirty && !is_filled && pw_heap_hooks.renewed != NULL)
            pw_heap_hooks.renewed(address, bytes);
        if (pw_heap_hooks.cut != NULL)
            pw_heap_hooks.cut(address + bytes);
        pw_span_set_word(place, shape, index, PW_STATE_CACHED, is_dirty ? 0 : PW_HEAP_ZEROED,
                 is_dirty ? PW_SLACK_NEVER_HAD : 0);
        out[i] = (void *)address;
    }
    place.span->fresh = (uint16_t)(place.span->fresh + count);
    pw_span_reseal(place);
    return count;
}

static bool has_room(struct pw_span_place place)
{
    return place.span->free > 0 || place.span->fresh < pw_shape_count(pw_span_shape(place));
}

static bool is_listed(const uint32_t *head, struct pw_span_place place)
{
    return place.span->previous != 0 || *head == pw_span_reference(place);
}

uint32_t pw_slab_take(struct pw_heap *heap, uint32_t block_class, uint32_t want, void **out)
{
    uint32_t slab_class = block_class - PW_GRANULE_SIZES - 1, count = 0;
    uint32_t *head = &heap->image.spans[slab_class];
    pw_heap_acquire(heap);
    while (count < want) {
        struct pw_span_place place;
        if (*head != 0)
            place = pw_span_of_reference(*head);
        else if (count > 0)
            break;
        else
            place = pw_span_open(heap, slab_class);
        if (place.region == NULL)
            break;
        uint32_t before = count;
        bool is_refused = false;
        if (pw_span_is_sound(place)) {
            count += take_free(heap, place, want - count, out + count, &is_refused);
            count += take_fresh(place, want - count, out + count);
        }
        /* One that is damaged hands out nothing; the validator tells of it. */
        if (!has_room(place) || (count == before && !is_refused))
            pw_span_leave(head, place);
        /* Another comes before it in the list: it is tried again after that. */
        if (is_refused && (count > 0 || pw_span_open(heap, slab_class).region == NULL))
            break;
    }
    uint64_t ahead = heap->populate;
    heap->populate = 0;
    pw_heap_release(heap);
    if (pw_unlikely(ahead != 0))
        (void)pw_os_populate((void *)ahead, PW_PAGE_BYTES);
    return count;
}

void pw_slab_give(struct pw_heap *heap, struct pw_region *region, uint64_t address)
{
    uint32_t granule = pw_region_granule(region, address);
    struct pw_span_place place = pw_span_at(region, pw_span_of(granule));
    uint64_t shape = pw_span_shape(place);
    uint32_t index = pw_granule_index(shape, granule);
    if (!pw_span_is_sound(place))
        return;
    struct pw_fields fields = pw_word_fields(pw_span_word(place, index));
    pw_span_set_word(place, shape, index, PW_STATE_FREE, fields.flags & PW_HEAP_ZEROED, fields.slack);
    pw_bit_set(pw_span_free_bits(place), index);
    place.span->free++;
    uint32_t *head = &heap->image.spans[place.span->slab_class];
    if (!is_listed(head, place))
        pw_span_join(head, place);
    /* One span of each size stays, empty or not. */
    bool is_only_one = *head == pw_span_reference(place) && place.span->next == 0;
    if (place.span->free == place.span->fresh && !is_only_one && pw_span_may_close(place)) {
        pw_span_close(heap, place);
        pw_span_purge_if_due(heap);
    }
}

/* A program that takes what was hidden at once again: it is done less and less often. */
static bool is_too_soon(struct pw_heap *heap)
{
    if (++heap->pages_skipped < 1u << heap->pages_patience)
        return true;
    bool was = heap->pages_returned * 2 > heap->pages_hidden;
    if (was && heap->pages_patience < MOST_PATIENCE)
        heap->pages_patience++;
    else if (!was && heap->pages_patience > 0)
        heap->pages_patience--;
    heap->pages_skipped = heap->pages_returned = heap->pages_hidden = 0;
    return false;
}

/* What is hidden must be what it was when it is shown. */
static bool may_hide(void)
{
    return pw_heap_limits.hides_pages && pw_heap_hooks.fills_whole && pw_os_marks();
}

struct hiding {
    uint64_t bytes; /* that are hidden */
    uint32_t spans; /* that were looked at */
    bool is_over;   /* more can't be, or need not be now */
};

/* Let others have the heap for a moment. The span of that size that is next; 0: none, or it has gone from the list. */
static uint32_t make_way(struct pw_heap *heap, uint32_t slab_class, uint32_t next)
{
    pw_heap_release(heap);
    pw_heap_acquire(heap);
    if (next == 0 || !pw_region_is(pw_region_at(next >> PW_SPAN_REF_BITS), heap->index, PW_REGION_SLABS))
        return 0;
    struct pw_span_place place = pw_span_of_reference(next);
    bool is_there = pw_span_shape(place) != 0 && place.span->slab_class == slab_class &&
                    is_listed(&heap->image.spans[slab_class], place);
    return is_there ? next : 0;
}

/* In the spans of a size; those that are used first are the first of their list. */
static void hide_in_list(struct pw_heap *heap, uint32_t slab_class, struct hiding *hiding)
{
    uint64_t kept = 0;
    uint32_t at = heap->image.spans[slab_class];
    for (uint32_t seen = 1; at != 0 && !hiding->is_over; seen++) {
        struct pw_span_place place = pw_span_of_reference(at);
        at = place.span->next;
        if (kept < KEPT_FREE_BYTES)
            kept += place.span->free * (uint64_t)pw_shape_bytes(pw_span_shape(place));
        else
            hiding->is_over = !pw_span_hide_pages(place, &hiding->bytes) || hiding->bytes >= HIDDEN_AT_ONCE ||
                              ++hiding->spans >= SPANS_AT_ONCE;
        if (at == 0 || seen % SPANS_A_TURN == 0)
            at = make_way(heap, slab_class, at);
    }
}

void pw_slab_hide_pages(struct pw_heap *heap)
{
    struct hiding hiding = {.bytes = 0};
    if (!may_hide())
        return;
    pw_heap_acquire(heap);
    hiding.is_over = is_too_soon(heap);
    for (uint32_t i = 0; i < PW_SLAB_SIZES && !hiding.is_over; i++) {
        heap->pages_at = (heap->pages_at + 1) % PW_SLAB_SIZES;
        hide_in_list(heap, heap->pages_at, &hiding);
    }
    heap->pages_hidden += (uint32_t)(hiding.bytes / PW_PAGE_BYTES);
    pw_heap_release(heap);
}

uint64_t pw_slab_trim(struct pw_heap *heap, struct pw_region *region)
{
    uint64_t given = 0;
    bool hides = may_hide();
    for (uint32_t number = 1; number < pw_span_of(region->limit); number++) {
        struct pw_span_place place = pw_span_at(region, number);
        if (!pw_span_is_sound(place))
            continue;
        if (pw_span_shape(place) != 0 && place.span->free == place.span->fresh && pw_span_may_close(place))
            pw_span_close(heap, place);
        if (pw_span_shape(place) == 0)
            given += pw_span_purge(heap, place);
        else if (hides)
            (void)pw_span_hide_pages(place, &given);
    }
    pw_places_purge(region, 1);
    return given;
}

/* Can the span go? Of a damaged one nothing is known. */
static bool is_idle(struct pw_span_place place)
{
    return pw_span_is_sound(place) && place.span->free == place.span->fresh && pw_span_may_close(place);
}

bool pw_slab_abandon(struct pw_heap *heap, struct pw_region *region)
{
    uint32_t end = pw_span_of(region->limit);
    for (uint32_t number = 1; number < end; number++)
        if (!is_idle(pw_span_at(region, number)))
            return false;
    for (uint32_t number = 1; number < end; number++) {
        struct pw_span_place place = pw_span_at(region, number);
        if (pw_span_shape(place) != 0) {
            pw_span_leave(&heap->image.spans[place.span->slab_class], place);
            heap->spans_in_use--;
        } else {
            pw_span_leave(&heap->image.empty_spans, place);
            heap->dirty_spans -= place.span->flags & PW_SPAN_DIRTY;
        }
    }
    if (heap->image.slab_region == pw_region_index(region))
        heap->image.slab_region = 0;
    return true;
}
