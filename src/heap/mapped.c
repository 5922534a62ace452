/* mapped.c - see mapped.h */
#include "heap/mapped.h"

#include "heap/page_runs.h"
#include "heap/spare_pages.h"
#include "os/memory.h"
#include "os/process.h"

enum {
    FIRST_REGION_SLOTS = 2,     /* 64 MiB of address space, doubled with every further one … */
    LARGEST_REGION_SLOTS = 32,  /* … up to 1 GiB */
    DIRTY_LEAST_PAGES = 512,    /* free but not given back: where memory is short less than usual, down to 2 MiB … */
    DIRTY_FREE_SHARE_SHIFT = 5, /* … as a 32nd of it, or … */
    DIRTY_LIVE_SHARE_SHIFT = 1, /* … half of what is live, if that is more */
    RUNS_AT_ONCE = 256,         /* that are looked at with the lock held */
    WASTE_SHIFT = 3,            /* a run that is longer by at most an eighth is taken whole */
};

/* A new page region with room for `pages`, as one FREE, ZEROED run; region NULL: no memory. */
static struct pw_block new_page_region(struct pw_heap *heap, uint64_t pages)
{
    uint64_t needed = PW_ALIGN_UP((pages + 2) << PW_PAGE_SHIFT, PW_SLOT_BYTES) >> PW_SLOT_SHIFT;
    uint64_t slots = heap->page_region_slots == 0 ? FIRST_REGION_SLOTS : heap->page_region_slots;
    struct pw_region *region = NULL;
    if (needed > LARGEST_REGION_SLOTS && !pw_os_has_room(pages << PW_PAGE_SHIFT))
        return (struct pw_block){NULL, 0};
    /* Where address space is short (ulimit -v), as little as will do. */
    for (uint64_t attempt = slots > needed ? slots : needed;; attempt = needed) {
        region = pw_region_create(heap->index, PW_REGION_PAGES,
                                  attempt << (PW_SLOT_SHIFT - PW_PAGE_SHIFT), PW_PAGE_SHIFT);
        if (region != NULL || attempt == needed)
            break;
    }
    if (region == NULL)
        return (struct pw_block){NULL, 0};
    heap->regions++;
    heap->page_region_slots =
        (uint32_t)(slots * 2 > LARGEST_REGION_SLOTS ? LARGEST_REGION_SLOTS : slots * 2);
    struct pw_block run = {region, region->first};
    pw_header_write(region, run.granule, PW_STATE_FREE, PW_HEAP_ZEROED | PW_HEAP_MAPPED, 0,
                    region->limit - region->first);
    pw_region_mark_start(region, run.granule);
    pw_runs_add(heap, run);
    return run;
}

/* Blocks of more pages lose them when they are freed; a plain word, written once before there is a second thread. */
static uint64_t keeps_most_pages = UINT64_MAX;

void pw_mapped_keep(uint64_t most_bytes)
{
    keeps_most_pages = most_bytes >> PW_PAGE_SHIFT;
}

/* A moat costs a system call, and another when its pages are used: the first blocks have one, and then one in some. */
enum { MOATS_AT_ONCE = 256, MOAT_EVERY = 16 };
static bool has_moats;

static bool is_moat_due(struct pw_heap *heap)
{
    uint32_t cuts = heap->cuts++;
    return has_moats && (cuts < MOATS_AT_ONCE || cuts % MOAT_EVERY == 0);
}

void pw_mapped_have_moats(bool wants)
{
    has_moats = wants;
}

/*
 * Pages that were used before fresh ones: to touch a page for the first time costs as much as a thousand
 * instructions, and memory. But not for a block that will give them back.
 */
static struct pw_block find_run(struct pw_heap *heap, uint64_t pages)
{
    bool wants_zeroed = pages - 1 > keeps_most_pages;
    struct pw_block run = pw_runs_find_kind(heap, (uint32_t)pages, wants_zeroed);
    if (run.region == NULL && (wants_zeroed || heap->dirty_pages >= pages) && pw_runs_merge_recent(heap))
        run = pw_runs_find_kind(heap, (uint32_t)pages, wants_zeroed);
    if (run.region == NULL)
        run = pw_runs_find(heap, (uint32_t)pages);
    if (run.region == NULL && pw_runs_merge_all(heap))
        run = pw_runs_find(heap, (uint32_t)pages);
    if (run.region == NULL)
        run = new_page_region(heap, pages);
    return run;
}

/* Cut the front of a run in no bin off so that it starts on a multiple of align; the aligned rest. */
static struct pw_block cut_front(struct pw_heap *heap, struct pw_block run, uint64_t align)
{
    uint64_t address = pw_block_address(run);
    uint64_t front = (PW_ALIGN_UP(address, align) - address) >> PW_PAGE_SHIFT;
    if (front != 0 && front < PW_RUN_MIN_PAGES)
        front += align >> PW_PAGE_SHIFT;
    if (front == 0)
        return run;
    pw_runs_cut(heap, run, (uint32_t)front, true);
    struct pw_block aligned = pw_block_next(run);
    ENSURE(aligned.region != NULL); /* what was just cut off */
    pw_runs_add(heap, run);
    pw_runs_remove(heap, aligned);
    return aligned;
}

/*
 * Cut what is not needed off a run in no bin, see to its guard, and make it a CACHED block. `waste` pages too
 * many are better than a cut. False: its pages can't be had.
 */
static bool make_block(struct pw_heap *heap, struct pw_block run, uint32_t pages, uint32_t waste)
{
    uint32_t spare = pw_block_header(run)->size - pages;
    bool is_guarded = (pw_header_fields(pw_block_header(run)).flags & PW_HEAP_GUARDED) != 0;
    bool is_cut = spare >= PW_RUN_MIN_PAGES && (spare > waste || !is_guarded);
    if (is_cut)
        pw_runs_cut(heap, run, pages, true);
    if (!pw_runs_fill_moat(run)) {
        pw_runs_add(heap, run);
        return false;
    }
    if (is_cut && is_moat_due(heap))
        pw_runs_dig_moat(pw_block_next(run));
    struct pw_header *header = pw_block_header(run);
    uint32_t flags = pw_header_fields(header).flags | PW_HEAP_MAPPED;
    if ((flags & PW_HEAP_GUARDED) == 0) {
        uint64_t last = pw_block_end(run) - PW_PAGE_BYTES;
        if (pw_os_guard((void *)last, PW_PAGE_BYTES))
            flags |= PW_HEAP_GUARDED;
    }
    heap->live_pages += header->size;
    if ((flags & PW_HEAP_ZEROED) != 0)
        pw_heap_count_fresh(heap, (uint64_t)header->size << PW_PAGE_SHIFT);
    pw_header_write(run.region, run.granule, PW_STATE_CACHED, flags, 0, header->size);
    return true;
}

/* Pages of a block of so many bytes, its guard included. */
static uint64_t pages_of(uint64_t bytes)
{
    uint64_t pages = (PW_ALIGN_UP(bytes, PW_PAGE_BYTES) >> PW_PAGE_SHIFT) + 1;
    return pages < PW_RUN_MIN_PAGES ? PW_RUN_MIN_PAGES : pages;
}

/* A block from the front of a run that was found, as make_block makes it; NULL: there is no run, or no block to be had. */
static void *take_block(struct pw_heap *heap, struct pw_block run, uint64_t pages, uint64_t align, uint64_t waste)
{
    if (run.region == NULL)
        return NULL;
    pw_runs_remove(heap, run);
    if (align > PW_PAGE_BYTES)
        run = cut_front(heap, run, align);
    return make_block(heap, run, (uint32_t)pages, (uint32_t)waste) ? (void *)pw_block_address(run) : NULL;
}

void *pw_heap_map_memory(struct pw_heap *heap, uint64_t bytes, uint64_t align)
{
    uint64_t pages = pages_of(bytes);
    uint64_t room = pages + (align > PW_PAGE_BYTES ? 2 * (align >> PW_PAGE_SHIFT) : 0);
    if (bytes > PTRDIFF_MAX || align > PTRDIFF_MAX || room > UINT32_MAX / 2)
        return NULL;
    pw_heap_acquire(heap);
    void *block = take_block(heap, find_run(heap, room), pages, align, pages >> WASTE_SHIFT);
    pw_heap_release(heap);
    return block;
}

void *pw_heap_map_exactly(struct pw_heap *heap, uint64_t bytes)
{
    uint64_t pages = pages_of(bytes);
    if (bytes > PTRDIFF_MAX || pages > UINT32_MAX / 2)
        return NULL;
    pw_heap_acquire(heap);
    struct pw_block run = find_run(heap, pages);
    /* A single page can't be cut off. */
    if (run.region != NULL && pw_block_header(run)->size - pages == PW_RUN_MIN_PAGES - 1)
        run = find_run(heap, pages + PW_RUN_MIN_PAGES);
    void *block = take_block(heap, run, pages, PW_PAGE_BYTES, 0);
    pw_heap_release(heap);
    return block;
}

/* Let others have the heap for a moment. The run at or before where we were; region NULL: the region went. */
static struct pw_block make_way(struct pw_heap *heap, struct pw_block run)
{
    pw_heap_release(heap);
    pw_heap_acquire(heap);
    if (!pw_region_is(run.region, heap->index, PW_REGION_PAGES))
        return (struct pw_block){NULL, 0};
    uint32_t granule = pw_region_find_start(run.region, run.granule);
    return granule == 0 ? (struct pw_block){NULL, 0} : (struct pw_block){run.region, granule};
}

/* Purge FREE runs until no more than `keep_pages` are dirty. The lock of the heap is given up now and then. */
static uint64_t purge_some(struct pw_heap *heap, uint64_t keep_pages)
{
    uint64_t given = 0;
    uint32_t looked_at = 0;
    uint32_t count = atomic_load_explicit(&pw_root.region_count, memory_order_acquire);
    for (uint32_t i = 1; i < count && heap->dirty_pages > keep_pages; i++) {
        struct pw_region *region = pw_region_at(i);
        if (!pw_region_is(region, heap->index, PW_REGION_PAGES))
            continue;
        struct pw_block run = {region, region->first};
        while (run.region != NULL && heap->dirty_pages > keep_pages) {
            if (pw_header_fields(pw_block_header(run)).state == PW_STATE_FREE)
                given += pw_runs_purge(heap, run);
            if (++looked_at % RUNS_AT_ONCE == 0)
                run = make_way(heap, run);
            run = run.region == NULL ? run : pw_block_next(run);
        }
    }
    return given;
}

void pw_mapped_plan(uint64_t available_bytes)
{
    uint64_t limit = available_bytes >> PW_PAGE_SHIFT >> DIRTY_FREE_SHARE_SHIFT;
    if (limit < DIRTY_LEAST_PAGES)
        limit = DIRTY_LEAST_PAGES;
    if (pw_heap_limits.dirty_pages > limit)
        pw_heap_limits.dirty_pages = limit;
    if (pw_heap_limits.overdue_pages > 2 * limit)
        pw_heap_limits.overdue_pages = 2 * limit;
}

static void purge_if_due(struct pw_heap *heap)
{
    uint64_t limit = heap->live_pages >> DIRTY_LIVE_SHARE_SHIFT;
    if (limit < pw_heap_limits.dirty_pages)
        limit = pw_heap_limits.dirty_pages;
    if (heap->dirty_pages <= limit)
        return;
    /* A program that churns through big blocks pays seldom. */
    uint64_t now = pw_os_time_ns(), overdue = limit * 2 > pw_heap_limits.overdue_pages ? limit * 2 : pw_heap_limits.overdue_pages;
    if (heap->dirty_pages <= overdue && now - heap->purged_at_ns < pw_heap_limits.purge_interval_ns)
        return;
    heap->purged_at_ns = now;
    (void)purge_some(heap, limit / 2);
}

/* A region of more than the usual size goes back to the system as soon as it is empty, and nobody wrote to what is free. */
static bool gave_region_back(struct pw_heap *heap, struct pw_block run)
{
    struct pw_region *region = run.region;
    uint64_t usual = (uint64_t)LARGEST_REGION_SLOTS << (PW_SLOT_SHIFT - PW_PAGE_SHIFT);
    if (region->granules <= usual)
        return false;
    struct pw_block whole = {region, region->first};
    if (!pw_runs_merge_empty(heap, region) || !pw_runs_is_intact(whole))
        return false;
    pw_runs_remove(heap, whole);
    pw_region_destroy(region);
    heap->regions--;
    return true;
}

static void unmap_as(void *address, uint32_t more_flags)
{
    struct pw_block run = pw_block_at(pw_page_map_entry((uint64_t)address), (uint64_t)address);
    struct pw_heap *heap = &pw_heaps[run.region->heap];
    pw_heap_acquire(heap);
    struct pw_header *header = pw_block_header(run);
    uint32_t flags = pw_header_fields(header).flags;
    heap->live_pages -= header->size;
    pw_header_write(run.region, run.granule, PW_STATE_FREE,
                    (flags & (PW_HEAP_GUARDED | PW_HEAP_ZEROED | PW_HEAP_MAPPED | PW_HEAP_POISONED)) | more_flags,
                    0, header->size);
    pw_runs_add(heap, run);
    if (!gave_region_back(heap, run)) {
        pw_runs_freed(heap, run);
        purge_if_due(heap);
    }
    pw_heap_release(heap);
}

void pw_heap_unmap_memory(void *address)
{
    unmap_as(address, 0);
}

void pw_heap_unmap_closed(void *address)
{
    unmap_as(address, PW_HEAP_MOAT);
}

bool pw_mapped_grow(struct pw_block block, uint64_t bytes)
{
    struct pw_heap *heap = &pw_heaps[block.region->heap];
    uint64_t pages = (PW_ALIGN_UP(bytes, PW_PAGE_BYTES) >> PW_PAGE_SHIFT) + 1;
    bool grown = false;
    pw_heap_acquire(heap);
    struct pw_block next = pw_block_next(block);
    uint32_t old_pages = pw_block_header(block)->size;
    if (pages <= old_pages) {
        pw_heap_release(heap);
        return true;
    }
    if (next.region != NULL && pw_header_is_sealed(next.region, next.granule) &&
        pw_header_fields(pw_block_header(next)).state == PW_STATE_FREE && pw_runs_is_intact(next) &&
        (uint64_t)old_pages + pw_block_header(next)->size >= pages) {
        uint32_t missing = (uint32_t)(pages - old_pages);
        if (missing < PW_RUN_MIN_PAGES)
            missing = PW_RUN_MIN_PAGES; /* the least that can be cut off */
        pw_runs_remove(heap, next);
        if (pw_block_header(next)->size >= missing + PW_RUN_MIN_PAGES)
            pw_runs_cut(heap, next, missing, true);
        grown = pw_runs_fill_moat(next) && pw_runs_join(block, next);
        if (!grown)
            pw_runs_add(heap, next);
        heap->live_pages += pw_block_header(block)->size - old_pages;
    }
    struct pw_fields fields = pw_header_fields(pw_block_header(block));
    if (grown && (fields.flags & PW_HEAP_GUARDED) == 0 &&
        pw_os_guard((void *)(pw_block_end(block) - PW_PAGE_BYTES), PW_PAGE_BYTES))
        pw_header_write(block.region, block.granule, fields.state, fields.flags | PW_HEAP_GUARDED,
                        fields.slack, pw_block_header(block)->size);
    pw_heap_release(heap);
    return grown;
}

void pw_mapped_shrink(struct pw_block block, uint64_t bytes)
{
    struct pw_heap *heap = &pw_heaps[block.region->heap];
    uint64_t pages = (PW_ALIGN_UP(bytes, PW_PAGE_BYTES) >> PW_PAGE_SHIFT) + 1;
    pw_heap_acquire(heap);
    uint32_t old_pages = pw_block_header(block)->size;
    if (pages >= PW_RUN_MIN_PAGES && old_pages >= pages + PW_RUN_MIN_PAGES) {
        pw_runs_cut(heap, block, (uint32_t)pages, true);
        heap->live_pages -= old_pages - pages;
    }
    pw_heap_release(heap);
}

uint64_t pw_mapped_trim(struct pw_heap *heap)
{
    uint64_t given = purge_some(heap, 0) + pw_spare_pages_drop(heap);
    (void)pw_runs_merge_all(heap);
    return given;
}
