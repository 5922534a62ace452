/* whole.c - what is done to all heaps or to all of a heap at once: list, trim, instances, fork. */
#include "heap/heap.h"

#include "heap/mapped.h"
#include "heap/page_runs.h"
#include "heap/slab.h"
#include "heap/small_pages.h"
#include "heap/spare_pages.h"
#include "os/memory.h"

/* The region with the lowest base above `after`, or NULL. */
static struct pw_region *next_region(uint64_t after)
{
    struct pw_region *best = NULL;
    uint32_t count = atomic_load_explicit(&pw_root.region_count, memory_order_acquire);
    for (uint32_t i = 1; i < count; i++) {
        struct pw_region *region = pw_region_at(i);
        if (atomic_load_explicit(&region->kind, memory_order_acquire) != PW_REGION_NONE &&
            region->base > after && (best == NULL || region->base < best->base))
            best = region;
    }
    return best;
}

static bool list_region(struct pw_region *region, bool (*visit)(void *, struct pw_block), void *context)
{
    struct pw_heap *heap = &pw_heaps[region->heap];
    bool go_on = true;
    pw_heap_acquire(heap);
    /* It may have gone, or become another heap's, before the lock was ours. */
    if (atomic_load_explicit(&region->kind, memory_order_acquire) != PW_REGION_NONE &&
        region->heap == heap->index) {
        struct pw_block block = pw_block_first(region);
        while (go_on && block.region != NULL) {
            struct pw_block next = pw_block_after(block);
            go_on = visit(context, block);
            block = next;
        }
    }
    pw_heap_release(heap);
    return go_on;
}

void pw_heap_list(bool (*visit)(void *context, struct pw_block block), void *context)
{
    struct pw_region *region = next_region(0);
    while (region != NULL) {
        uint64_t base = region->base;
        if (!list_region(region, visit, context))
            return;
        region = next_region(base);
    }
}

static uint64_t trim_small_region(struct pw_heap *heap, struct pw_region *region)
{
    uint64_t given = 0;
    struct pw_block block = {region, region->first};
    while (block.region != NULL) {
        struct pw_block next = pw_block_next(block);
        struct pw_fields fields = pw_header_fields(pw_block_header(block));
        if (fields.state == PW_STATE_FREE && (fields.flags & PW_HEAP_ZEROED) == 0)
            given += pw_small_purge(heap, block, UINT64_MAX);
        block = next;
    }
    return given;
}

/* The sum of what `visit` says of each region that a heap has, with the lock of its heap. */
static uint64_t sum_over_regions(uint64_t (*visit)(struct pw_heap *heap, struct pw_region *region))
{
    uint64_t sum = 0;
    uint32_t count = atomic_load_explicit(&pw_root.region_count, memory_order_acquire);
    for (uint32_t i = 1; i < count; i++) {
        struct pw_region *region = pw_region_at(i);
        struct pw_heap *heap = &pw_heaps[region->heap];
        pw_heap_acquire(heap);
        if (region->heap == heap->index)
            sum += visit(heap, region);
        pw_heap_release(heap);
    }
    return sum;
}

static uint64_t trim_region(struct pw_heap *heap, struct pw_region *region)
{
    switch (atomic_load_explicit(&region->kind, memory_order_acquire)) {
    case PW_REGION_SMALL:
        return trim_small_region(heap, region);
    case PW_REGION_SLABS:
        return pw_slab_trim(heap, region);
    default:
        return 0;
    }
}

uint64_t pw_heap_trim(void)
{
    uint64_t given = sum_over_regions(trim_region);
    for (uint32_t i = 0; i < PW_MAX_HEAPS; i++) {
        if (pw_heaps[i].regions == 0)
            continue;
        pw_heap_acquire(&pw_heaps[i]);
        given += pw_mapped_trim(&pw_heaps[i]);
        pw_heap_release(&pw_heaps[i]);
    }
    return given;
}

/* FREE, and of pages none that somebody wrote to: that is still to be told. */
static bool is_idle(struct pw_block block)
{
    return pw_header_is_sealed(block.region, block.granule) &&
           pw_header_fields(pw_block_header(block)).state == PW_STATE_FREE &&
           (block.region->shift != PW_PAGE_SHIFT || pw_runs_is_intact(block));
}

/* Take the blocks of a region of granules or pages out of their bins if all are idle; false: they are not. */
static bool abandon_blocks(struct pw_heap *heap, struct pw_region *region)
{
    struct pw_block first = {region, region->first};
    for (struct pw_block block = first; block.region != NULL; block = pw_block_next(block))
        if (!is_idle(block))
            return false;
    for (struct pw_block block = first; block.region != NULL; block = pw_block_next(block)) {
        if (region->shift == PW_PAGE_SHIFT)
            pw_runs_remove(heap, block);
        else
            pw_heap_remove_from_free_list(heap, block);
    }
    return true;
}

static bool is_abandoned(struct pw_heap *heap, struct pw_region *region)
{
    switch (atomic_load_explicit(&region->kind, memory_order_acquire)) {
    case PW_REGION_SLABS:
        return pw_slab_abandon(heap, region);
    case PW_REGION_SMALL:
    case PW_REGION_PAGES:
        return abandon_blocks(heap, region);
    default:
        return false; /* none any more, or guarded blocks, which are never given up */
    }
}

static uint64_t give_region_back(struct pw_heap *heap, struct pw_region *region)
{
    if (!is_abandoned(heap, region))
        return 0;
    uint64_t given = ((uint64_t)region->granules << region->shift) + region->mapping_bytes;
    pw_region_destroy(region);
    heap->regions--;
    return given;
}

uint64_t pw_heap_give_regions_back(void)
{
    uint64_t given = 0;
    for (uint32_t i = 0; i < PW_MAX_HEAPS; i++) {
        pw_heap_acquire(&pw_heaps[i]);
        given += pw_spare_pages_drop(&pw_heaps[i]);
        pw_heap_release(&pw_heaps[i]);
    }
    return given + sum_over_regions(give_region_back);
}

struct pw_heap *pw_heap_open(void)
{
    struct pw_heap *found = NULL;
    uint64_t mask = pw_regions_acquire();
    for (uint32_t i = 0; i < PW_MAX_HEAPS && found == NULL; i++) {
        if (pw_heap_gates[i].in_use)
            continue;
        found = &pw_heaps[i];
        found->index = i;
        pw_heap_gates[i].in_use = true;
    }
    pw_regions_release(mask);
    return found;
}

void pw_heap_close(struct pw_heap *heap)
{
    pw_heap_acquire(heap);
    uint32_t count = atomic_load_explicit(&pw_root.region_count, memory_order_acquire);
    for (uint32_t i = 1; i < count; i++) {
        struct pw_region *region = pw_region_at(i);
        if (atomic_load_explicit(&region->kind, memory_order_acquire) != PW_REGION_NONE &&
            region->heap == heap->index)
            pw_region_destroy(region);
    }
    heap->image = (struct pw_heap_image){.flags = 0};
    heap->dirty_pages = heap->live_pages = heap->dirty_small_bytes = 0;
    heap->purges_small = false;
    __builtin_memset(heap->recent, 0, sizeof heap->recent);
    heap->spans_in_use = heap->dirty_spans = 0;
    heap->spans_purged = heap->spans_returned = heap->spans_patience = 0;
    heap->pages_at = heap->pages_hidden = heap->pages_returned = heap->pages_patience = heap->pages_skipped = 0;
    heap->regions = heap->page_region_slots = 0;
    pw_heap_release(heap);
    uint64_t mask = pw_regions_acquire();
    pw_heap_gates[heap->index].in_use = false;
    pw_regions_release(mask);
}

bool pw_heap_try_acquire_all(void)
{
    for (uint32_t i = 0; i < PW_MAX_HEAPS; i++) {
        if (pw_heap_try_acquire(&pw_heaps[i]))
            continue;
        while (i > 0)
            pw_heap_release(&pw_heaps[--i]);
        return false;
    }
    return true;
}

void pw_heap_release_all(void)
{
    for (uint32_t i = PW_MAX_HEAPS; i > 0; i--)
        pw_heap_release(&pw_heaps[i - 1]);
}

/* Of the forking thread, which holds the region lock meanwhile. */
PW_WRITTEN_IN_FORK static uint64_t fork_mask;

/*
 * What blocks signals comes last: a handler may wait for it that has interrupted the holder of any of
 * the others, and that one would not let go before.
 */
void pw_heap_before_fork(void)
{
    for (uint32_t i = 0; i < PW_MAX_HEAPS; i++)
        if (!pw_heap_gates[i].blocks_signals)
            pw_heap_acquire(&pw_heaps[i]);
    for (uint32_t i = 0; i < PW_MAX_HEAPS; i++)
        if (pw_heap_gates[i].blocks_signals)
            pw_heap_acquire(&pw_heaps[i]);
    fork_mask = pw_regions_acquire();
}

void pw_heap_after_fork(bool is_child)
{
    (void)is_child; /* the words are plain memory: the child's copies are held by it, and released alike */
    pw_regions_release(fork_mask);
    for (uint32_t i = PW_MAX_HEAPS; i > 0; i--)
        pw_heap_release(&pw_heaps[i - 1]);
}
