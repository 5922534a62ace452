/* span.c - see span.h */
#include "heap/span.h"

#include "heap/places.h"
#include "heap/span_pages.h"
#include "os/memory.h"
#include "os/process.h"

enum {
    MOST_PATIENCE = 4,
    MOST_PROBES = 8,
    PURGED_AT_ONCE = 2,    /* of those that have no size and are not given back, with the lock held */
    HUGE_PAGE_SPANS = 32,  /* are 2 MiB */
    PLACES_AT_ONCE = 128,  /* lots of the tables that are given back, or they stay: 192 KiB */
};

/* One of the first spans of no size that finds places for `count` blocks, in no list any more; region NULL: none does. */
static struct pw_span_place used_place(struct pw_heap *heap, uint32_t count)
{
    uint32_t at = heap->image.empty_spans;
    for (uint32_t probes = 0; at != 0 && probes < MOST_PROBES; probes++) {
        struct pw_span_place place = pw_span_of_reference(at);
        at = place.span->next;
        if (!pw_places_take(place, count))
            continue;
        if (place.span->hidden != 0 && !pw_os_unguard((void *)pw_span_memory(place), PW_SPAN_BYTES)) {
            pw_places_give(place, count);
            pw_span_reseal(place);
            continue;
        }
        place.span->hidden = 0;
        pw_span_leave(&heap->image.empty_spans, place);
        heap->dirty_spans -= place.span->flags & PW_SPAN_DIRTY;
        heap->spans_returned += (place.span->flags & PW_SPAN_DIRTY) == 0;
        return place;
    }
    return (struct pw_span_place){NULL, 0, NULL};
}

/* The first span of a new region; region NULL: no memory. */
static struct pw_span_place first_place(struct pw_heap *heap, uint32_t count)
{
    struct pw_region *region = pw_region_create(heap->index, PW_REGION_SLABS, PW_SLOT_BYTES >> PW_SLAB_SHIFT,
                                                PW_SLAB_SHIFT);
    if (region == NULL)
        return (struct pw_span_place){NULL, 0, NULL};
    heap->regions++;
    heap->image.slab_region = pw_region_index(region);
    struct pw_span_place place = pw_span_at(region, 1);
    ENSURE(pw_places_take(place, count));
    return place;
}

/* A span that had no size yet; region NULL: no memory. */
static struct pw_span_place fresh_place(struct pw_heap *heap, uint32_t count)
{
    struct pw_region *region = pw_region_at(heap->image.slab_region);
    uint32_t number = pw_span_of(region->limit);
    if (heap->image.slab_region == 0 || number >= PW_SPANS - 1 || !pw_places_take(pw_span_at(region, number), count))
        return first_place(heap, count);
    region->limit += PW_SPAN_GRANULES;
    if (number == PW_SPANS - HUGE_PAGE_SPANS)
        pw_region_guard_end(region);
    if (number == PW_SMALL_PAGES_BYTES >> PW_SPAN_SHIFT)
        pw_region_prefer_huge_pages(region);
    if ((number + 1) % HUGE_PAGE_SPANS == 0 && number + 1 < PW_SPANS - 1)
        heap->populate = region->base + ((uint64_t)(number + 1) << PW_SPAN_SHIFT);
    return pw_span_at(region, number);
}

struct pw_span_place pw_span_open(struct pw_heap *heap, uint32_t slab_class)
{
    uint64_t shape = pw_shape_of(pw_class_bytes[PW_GRANULE_SIZES + 1 + slab_class]);
    struct pw_span_place place = used_place(heap, pw_shape_count(shape));
    if (place.region == NULL)
        place = fresh_place(heap, pw_shape_count(shape));
    if (place.region == NULL)
        return place;
    place.span->fresh = place.span->free = 0;
    place.span->slab_class = (uint16_t)slab_class;
    atomic_store_explicit(&place.span->shape, shape, memory_order_release);
    pw_span_reseal(place);
    pw_span_join(&heap->image.spans[slab_class], place);
    heap->spans_in_use++;
    if ((place.span->flags & PW_SPAN_DIRTY) == 0)
        pw_heap_count_fresh(heap, PW_SPAN_BYTES);
    return place;
}

uint64_t pw_span_purge(struct pw_heap *heap, struct pw_span_place place)
{
    bool is_dirty = (place.span->flags & PW_SPAN_DIRTY) != 0, is_hidden = place.span->hidden != 0;
    if (!is_dirty || (!is_hidden && !pw_os_purge((void *)pw_span_memory(place), PW_SPAN_BYTES)))
        return 0;
    pw_places_purge(place.region, PLACES_AT_ONCE);
    pw_places_purge_fixed(place);
    place.span->flags = 0;
    pw_span_reseal(place);
    heap->dirty_spans--;
    heap->spans_purged++;
    return PW_SPAN_BYTES;
}

/* Purge up to `most` empty spans until no more than `keep` are dirty: the first of the list are the next to be used. */
static uint64_t purge_some(struct pw_heap *heap, uint32_t keep, uint32_t most)
{
    uint64_t given = 0;
    uint32_t kept = 0;
    for (uint32_t at = heap->image.empty_spans;
         at != 0 && heap->dirty_spans > keep && given < most * (uint64_t)PW_SPAN_BYTES;) {
        struct pw_span_place place = pw_span_of_reference(at);
        at = place.span->next;
        if (kept < keep)
            kept += place.span->flags & PW_SPAN_DIRTY;
        else
            given += pw_span_purge(heap, place);
    }
    return given;
}

/* A program that goes from size to size wants back what was just purged; it is purged less and less often. */
static void end_purge(struct pw_heap *heap, uint64_t now)
{
    bool was_too_soon = heap->spans_returned * 2 > heap->spans_purged;
    if (was_too_soon && heap->spans_patience < MOST_PATIENCE)
        heap->spans_patience++;
    else if (!was_too_soon && heap->spans_patience > 0)
        heap->spans_patience--;
    heap->spans_returned = heap->spans_purged = 0;
    heap->spans_purged_at_ns = now;
}

void pw_span_purge_if_due(struct pw_heap *heap)
{
    uint32_t limit = heap->spans_in_use >> pw_heap_limits.dirty_spans_shift;
    if (limit < pw_heap_limits.dirty_spans)
        limit = pw_heap_limits.dirty_spans;
    if (heap->dirty_spans <= limit)
        return;
    uint64_t now = pw_os_time_ns();
    uint32_t overdue = limit * 2 > pw_heap_limits.overdue_spans ? limit * 2 : pw_heap_limits.overdue_spans;
    if (heap->dirty_spans <= overdue && now - heap->spans_purged_at_ns < pw_heap_limits.purge_interval_ns << heap->spans_patience)
        return;
    /* A few at a time, for the lock is held. */
    (void)purge_some(heap, limit / 2, PURGED_AT_ONCE);
    if (heap->dirty_spans <= limit)
        end_purge(heap, now);
}

/*
 * Fill what the span's blocks leave of it: then all of it is as a freed block is. The next size finds its blocks filled, and
 * what is written to them meanwhile, while there is no block to look at, is found and not filled over. False: not all is.
 */
static bool fill(struct pw_span_place place)
{
    uint64_t shape = pw_span_shape(place), end = pw_span_memory(place) + PW_SPAN_BYTES;
    uint64_t end_of_blocks = pw_span_block(place, shape, pw_shape_count(shape));
    bool was_filled = (place.span->flags & PW_SPAN_FILLED) != 0;
    if (!pw_heap_hooks.fills_whole || (!was_filled && place.span->fresh < pw_shape_count(shape)))
        return false;
    for (uint32_t i = 0; i < place.span->fresh; i++)
        if ((pw_word_fields(pw_span_word(place, i)).flags & PW_HEAP_ZEROED) != 0)
            pw_heap_hooks.renewed(pw_span_block(place, shape, i), pw_shape_bytes(shape));
    for (uint32_t i = 0; i <= place.span->fresh; i++)
        pw_heap_hooks.joined(pw_span_block(place, shape, i), false);
    if (!was_filled && end_of_blocks < end) {
        pw_heap_hooks.renewed(end_of_blocks, end - end_of_blocks);
        pw_heap_hooks.joined(end, false);
    }
    return true;
}

/* Some pages are hidden: then all of them are to be, or none, and what they held is gone. False: neither can be had. */
static bool hide_all_pages(struct pw_span_place place)
{
    void *memory = (void *)pw_span_memory(place);
    bool is_done = pw_os_mark(memory, PW_SPAN_BYTES);
    if (is_done || pw_os_unguard(memory, PW_SPAN_BYTES))
        place.span->hidden = is_done ? (1u << PW_SPAN_PAGES) - 1 : 0;
    return is_done || place.span->hidden == 0;
}

void pw_span_close(struct pw_heap *heap, struct pw_span_place place)
{
    uint32_t blocks = place.span->fresh, slot = pw_span_slot(place.span, 0);
    bool had_hidden = place.span->hidden != 0;
    if (had_hidden && !hide_all_pages(place))
        return;
    bool is_filled = !had_hidden && fill(place);
    pw_span_leave(&heap->image.spans[place.span->slab_class], place);
    uint32_t count = pw_shape_count(pw_span_shape(place));
    atomic_store_explicit(&place.span->shape, 0, memory_order_relaxed);
    __builtin_memset((uint64_t *)place.region->headers + slot, 0, blocks * sizeof(uint64_t));
    __builtin_memset(pw_span_free_bits(place), 0, PW_SPAN_BLOCKS / 8);
    if (pw_root.level >= PW_LEVEL_FULL)
        __builtin_memset((struct pw_evidence *)place.region->evidence + slot, 0,
                         blocks * sizeof(struct pw_evidence));
    pw_places_give(place, count);
    place.span->fresh = place.span->free = place.span->slab_class = 0;
    place.span->flags = PW_SPAN_DIRTY | (is_filled ? PW_SPAN_FILLED : 0);
    pw_span_reseal(place);
    pw_span_join(&heap->image.empty_spans, place);
    heap->spans_in_use--;
    heap->dirty_spans++;
    if (had_hidden)
        (void)pw_span_purge(heap, place);
}

bool pw_span_may_close(struct pw_span_place place)
{
    uint64_t shape = pw_span_shape(place);
    for (uint32_t i = 0; pw_heap_hooks.is_untouched != NULL && i < place.span->fresh; i++) {
        uint64_t word = pw_span_word(place, i);
        if (!pw_span_word_is(place, shape, i, word, PW_STATE_FREE) ||
            !pw_span_block_is_untouched(place, shape, i, pw_word_fields(word).flags))
            return false;
    }
    return true;
}
