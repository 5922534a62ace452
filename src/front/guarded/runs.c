/*
 * runs.c - see runs.h
 *
 * Pages are hidden under the heap's lock, for walkers hold it while they look at canaries. A pool
 * belongs to each heap, those of the program's own included.
 */
#include "front/guarded/runs.h"

#include "check/poison.h"
#include "front/guarded/guarded.h"
#include "os/memory.h"
#include "os/process.h"

/* Hidden at once when a region's fresh pages come into reach: a short-lived process pays for each. */
enum { HIDE_PAGES = 64, PATIENCE = 4096 };
/* Of limited address space, what one region may take: at most this share. */
enum { LIMIT_SHARE = 16 };

/* Those of the shared heaps lie with what else a child of fork writes (order.ld). */
static struct pw_guard_pool shared_pools[PW_MOST_SHARED_HEAPS], pools[PW_MAX_HEAPS];

static struct pw_guard_pool *pool_of(const struct pw_heap *heap)
{
    return heap->index < PW_MOST_SHARED_HEAPS ? &shared_pools[heap->index] : &pools[heap->index];
}

static bool hide_next(struct pw_guard_pool *pool)
{
    struct pw_region *region = pool->region;
    uint32_t pages = region->granules - 1 - pool->hidden;
    if (pages > HIDE_PAGES)
        pages = HIDE_PAGES;
    if (!pw_os_hide((void *)pw_region_address(region, pool->hidden), (uint64_t)pages << PW_PAGE_SHIFT, false))
        return false;
    pool->hidden += pages;
    if (pool->hidden == region->granules - 1)
        pw_region_guard_end(region);
    return true;
}

/* The pages between what was hidden so far and the run that was just cut are to be hidden as well. */
static bool hide_fresh(struct pw_guard_pool *pool)
{
    while (pool->hidden < pool->region->limit)
        if (!hide_next(pool))
            return false;
    return true;
}

/*
 * Address space that is not to be had is not asked for at each request; and where it is limited, the
 * program's own wishes come first.
 */
static bool add_region(struct pw_guard_pool *pool, struct pw_heap *heap)
{
    if (pool->patience != 0) {
        pool->patience--;
        return false;
    }
    uint64_t least = PW_SLOT_BYTES >> PW_PAGE_SHIFT, pages = pw_guard_pool_next_pages(pool);
    while (pages >= least && !pw_os_has_address_space(pages * LIMIT_SHARE << PW_PAGE_SHIFT))
        pages /= 2;
    for (; pages >= least; pages /= 2) {
        struct pw_region *region =
            pw_region_create(heap->index, PW_REGION_GUARD, pages, PW_PAGE_SHIFT);
        if (region == NULL)
            continue;
        pw_guard_pool_add(pool, region);
        heap->regions++;
        return true;
    }
    pool->patience = PATIENCE;
    return false;
}

/* A hidden run whose header says PENDING; region NULL: none. The heap's lock is held. */
static struct pw_block take_locked(struct pw_heap *heap, struct pw_guard_place place, uint32_t flags)
{
    struct pw_guard_pool *pool = pool_of(heap);
    struct pw_guard_run run =
        pw_guard_pool_reuse(pool, place.pages, pw_options()->guard_quarantine_blocks);
    if (run.region == NULL)
        run = pw_guard_pool_cut(pool, place.pages);
    if (run.region == NULL && add_region(pool, heap))
        run = pw_guard_pool_cut(pool, place.pages);
    if (run.region == NULL)
        run = pw_guard_pool_reuse(pool, place.pages, 0);
    struct pw_block block = {run.region, run.granule};
    if (run.region != NULL)
        pw_guarded_set_header(block, PW_STATE_PENDING, flags, place.offset);
    if (run.region != NULL && run.region == pool->region && !hide_fresh(pool)) {
        pw_guarded_set_header(block, PW_STATE_RETIRED, flags, place.offset);
        pw_guards_are_on = false; /* the system gives no guards */
        return (struct pw_block){NULL, 0};
    }
    return block;
}

static void keep_locked(struct pw_heap *heap, struct pw_block block)
{
    struct pw_fields fields = pw_header_fields(pw_block_header(block));
    pw_guarded_set_header(block, PW_STATE_QUARANTINED, fields.flags, fields.slack);
    pw_guard_pool_keep(pool_of(heap), (struct pw_guard_run){block.region, block.granule},
                       pw_guarded_data_pages(block));
}

struct pw_block pw_guarded_take_run(struct pw_heap *heap, struct pw_guard_place place, uint32_t flags,
                                    bool is_shown)
{
    pw_heap_acquire(heap);
    struct pw_block block = take_locked(heap, place, flags);
    pw_heap_release(heap);
    uint64_t bytes = (uint64_t)place.pages << PW_PAGE_SHIFT;
    /* A page is filled at once: the zones around the block do so as a rule, by a fault that costs more. */
    if (block.region == NULL || !is_shown ||
        pw_os_show((void *)pw_block_address(block), bytes, place.pages == 1))
        return block;
    pw_heap_acquire(heap);
    keep_locked(heap, block);
    pw_heap_release(heap);
    return (struct pw_block){NULL, 0};
}

void pw_guarded_prepare(struct pw_heap *heap)
{
    struct pw_guard_pool *pool = pool_of(heap);
    pw_heap_acquire(heap);
    if (pw_guards_are_on && pool->region == NULL && add_region(pool, heap))
        (void)hide_next(pool); /* where it fails it is tried again, and the guards are off then */
    pw_heap_release(heap);
}

void pw_guarded_keep_run(struct pw_block block, uint64_t size)
{
    struct pw_heap *heap = &pw_heaps[block.region->heap];
    uint64_t bytes = (uint64_t)pw_guarded_data_pages(block) << PW_PAGE_SHIFT;
    pw_heap_acquire(heap);
    if (size == 0 || pw_os_hide((void *)pw_block_address(block), bytes, true)) {
        keep_locked(heap, block);
    } else {
        /* Can't be hidden: filled to where its pages end, as far as any level looks at it, and never used again. */
        struct pw_fields fields = pw_header_fields(pw_block_header(block));
        uint64_t start = pw_block_start(block);
        pw_poison_write(start, pw_block_address(block) + bytes - start);
        pw_guarded_set_header(block, PW_STATE_QUARANTINED, (fields.flags & ~PW_HEAP_ZEROED) | PW_HEAP_POISONED, fields.slack);
    }
    pw_heap_release(heap);
}

static void drop_region(const struct pw_region *region, uint64_t *blocks, uint64_t *pages)
{
    struct pw_block block = {(struct pw_region *)(uintptr_t)region, region->first};
    for (; block.region != NULL; block = pw_block_next(block)) {
        if (!pw_header_is_sealed(block.region, block.granule) ||
            pw_header_fields(pw_block_header(block)).state != PW_STATE_LIVE)
            continue;
        uint64_t data = pw_guarded_data_pages(block);
        /* Where mprotect made the guards, what is shown is counted. */
        (void)pw_os_hide((void *)pw_block_address(block), data << PW_PAGE_SHIFT, true);
        *pages += data;
        ++*blocks;
    }
}

uint64_t pw_guarded_drop_runs(struct pw_heap *heap, uint64_t *pages)
{
    uint64_t blocks = 0;
    pw_heap_acquire(heap);
    uint32_t count = atomic_load_explicit(&pw_root.region_count, memory_order_acquire);
    for (uint32_t i = 1; i < count && pool_of(heap)->region != NULL; i++) {
        struct pw_region *region = pw_region_at(i);
        if (pw_region_is(region, heap->index, PW_REGION_GUARD))
            drop_region(region, &blocks, pages);
    }
    *pool_of(heap) = (struct pw_guard_pool){.region = NULL};
    pw_heap_release(heap);
    return blocks;
}
