/*
 * page_runs.c - see page_runs.h
 *
 * Bins: see pw_page_bin. The links of a run lie in the evidence of its second page (a run has at
 * least two), for 64-bit references.
 */
#include "heap/page_runs.h"

#include "base/bitmap.h"
#include "heap/spare_pages.h"
#include "os/memory.h"

enum { MAX_PROBES = 64, MAX_KIND_PROBES = 128, MOAT_PAGES = 16 };

static struct pw_page_links *links_of(struct pw_block run)
{
    return (struct pw_page_links *)pw_region_evidence(run.region, run.granule + 1);
}

static uint64_t reference_of(struct pw_block run)
{
    return (uint64_t)pw_region_index(run.region) << 32 | run.granule;
}

static struct pw_block run_of(uint64_t reference)
{
    return (struct pw_block){pw_region_at((uint32_t)(reference >> 32)), (uint32_t)reference};
}

static uint8_t flags_of(struct pw_block run)
{
    return pw_header_fields(pw_block_header(run)).flags;
}

static uint64_t dirty_pages_of(struct pw_block run)
{
    return (flags_of(run) & PW_HEAP_ZEROED) != 0 ? 0 : pw_runs_data_pages(run);
}

void pw_runs_add(struct pw_heap *heap, struct pw_block run)
{
    ENSURE(pw_heap_is_held(heap));
    uint32_t bin = pw_page_bin(pw_block_header(run)->size);
    struct pw_page_links *links = links_of(run);
    links->previous = 0;
    links->next = heap->image.page_bins[bin];
    heap->image.page_bins[bin] = reference_of(run);
    if (links->next != 0)
        links_of(run_of(links->next))->previous = reference_of(run);
    pw_bit_set(heap->image.page_bitmap, bin);
    heap->dirty_pages += dirty_pages_of(run);
}

void pw_runs_remove(struct pw_heap *heap, struct pw_block run)
{
    ENSURE(pw_heap_is_held(heap));
    uint32_t bin = pw_page_bin(pw_block_header(run)->size);
    struct pw_page_links *links = links_of(run);
    heap->dirty_pages -= dirty_pages_of(run);
    if (links->next != 0)
        links_of(run_of(links->next))->previous = links->previous;
    if (links->previous != 0) {
        links_of(run_of(links->previous))->next = links->next;
        return;
    }
    ENSURE(heap->image.page_bins[bin] == reference_of(run));
    heap->image.page_bins[bin] = links->next;
    if (links->next == 0)
        pw_bit_clear(heap->image.page_bitmap, bin);
}

struct pw_block pw_runs_find(struct pw_heap *heap, uint32_t pages)
{
    size_t bin = pw_page_bin(pages);
    for (;; bin++) {
        bin = pw_bit_next(heap->image.page_bitmap, PW_PAGE_BINS, bin);
        if (bin == PW_BITMAP_NONE)
            return (struct pw_block){NULL, 0};
        uint64_t reference = heap->image.page_bins[bin];
        for (int probes = 0; reference != 0 && probes < MAX_PROBES; probes++) {
            if (pw_block_header(run_of(reference))->size >= pages)
                return run_of(reference);
            reference = links_of(run_of(reference))->next;
        }
    }
}

struct pw_block pw_runs_find_kind(struct pw_heap *heap, uint32_t pages, bool is_zeroed)
{
    int probes = 0;
    if (!is_zeroed && heap->dirty_pages < pages - 1)
        return (struct pw_block){NULL, 0};
    for (size_t bin = pw_page_bin(pages); probes < MAX_KIND_PROBES; bin++) {
        bin = pw_bit_next(heap->image.page_bitmap, PW_PAGE_BINS, bin);
        if (bin == PW_BITMAP_NONE)
            break;
        uint64_t reference = heap->image.page_bins[bin];
        for (; reference != 0 && probes < MAX_KIND_PROBES; probes++) {
            struct pw_block run = run_of(reference);
            if (pw_block_header(run)->size >= pages && (dirty_pages_of(run) == 0) == is_zeroed)
                return run;
            reference = links_of(run)->next;
        }
    }
    return (struct pw_block){NULL, 0};
}

static void set_previous(struct pw_block block, uint32_t pages)
{
    if (block.region != NULL)
        atomic_store_explicit(&pw_block_header(block)->prev, pages, memory_order_relaxed);
}

static bool is_free(struct pw_block run)
{
    return run.region != NULL && pw_header_is_sealed(run.region, run.granule) &&
           pw_header_fields(pw_block_header(run)).state == PW_STATE_FREE;
}

/* Make the last of a run's first `pages` a guard: one that nothing stays of when it is taken off, whatever the page was. */
static bool guard_last(struct pw_block run, uint32_t pages)
{
    void *page = (void *)pw_region_address(run.region, run.granule + pages - 1);
    bool may_be_closed = is_free(run) && (flags_of(run) & PW_HEAP_MOAT) != 0;
    bool is_open = !may_be_closed || pw_spare_pages_open(page, PW_PAGE_BYTES);
    return is_open && pw_os_guard(page, PW_PAGE_BYTES);
}

void pw_runs_cut(struct pw_heap *heap, struct pw_block run, uint32_t pages, bool wants_guard)
{
    struct pw_header *header = pw_block_header(run);
    struct pw_fields fields = pw_header_fields(header);
    struct pw_block rest = {run.region, run.granule + pages};
    uint32_t rest_pages = header->size - pages;
    ENSURE(rest_pages >= PW_RUN_MIN_PAGES);
    set_previous(pw_block_next(run), rest_pages);
    /* Of what was LIVE nothing is known to be zero; the end's guard goes with the rest. */
    uint32_t zeroed = fields.state == PW_STATE_FREE ? fields.flags & (PW_HEAP_ZEROED | PW_HEAP_MOAT) : 0;
    pw_header_write(rest.region, rest.granule, PW_STATE_FREE,
                    zeroed | (fields.flags & PW_HEAP_GUARDED) | PW_HEAP_MAPPED, 0, rest_pages);
    set_previous(rest, pages);
    pw_region_mark_start(rest.region, rest.granule);
    uint32_t flags = fields.flags & ~PW_HEAP_GUARDED;
    if (wants_guard && guard_last(run, pages))
        flags |= PW_HEAP_GUARDED;
    pw_header_write(run.region, run.granule, fields.state, flags, fields.slack, pages);
    pw_runs_add(heap, rest);
}

static void set_flags(struct pw_block run, uint32_t flags)
{
    struct pw_fields fields = pw_header_fields(pw_block_header(run));
    pw_header_write(run.region, run.granule, fields.state, flags, fields.slack, pw_block_header(run)->size);
}

void pw_runs_dig_moat(struct pw_block run)
{
    uint64_t pages = pw_runs_data_pages(run);
    if ((flags_of(run) & PW_HEAP_ZEROED) != 0 &&
        pw_os_mark((void *)pw_block_address(run), (pages < MOAT_PAGES ? pages : MOAT_PAGES) << PW_PAGE_SHIFT))
        set_flags(run, flags_of(run) | PW_HEAP_MOAT);
}

bool pw_runs_fill_moat(struct pw_block run)
{
    if ((flags_of(run) & PW_HEAP_MOAT) == 0)
        return true;
    if (!pw_spare_pages_open((void *)pw_block_address(run), (uint64_t)pw_runs_data_pages(run) << PW_PAGE_SHIFT))
        return false;
    set_flags(run, flags_of(run) & ~PW_HEAP_MOAT);
    return true;
}

bool pw_runs_join(struct pw_block left, struct pw_block right)
{
    struct pw_header *header = pw_block_header(left);
    struct pw_fields fields = pw_header_fields(header);
    uint32_t pages = header->size + pw_block_header(right)->size;
    if ((fields.flags & PW_HEAP_GUARDED) != 0 &&
        !pw_os_unguard((void *)(pw_block_address(right) - PW_PAGE_BYTES), PW_PAGE_BYTES))
        return false;
    uint32_t flags = fields.flags & ~(PW_HEAP_GUARDED | PW_HEAP_ZEROED);
    flags |= flags_of(right) & (PW_HEAP_GUARDED | (fields.flags & PW_HEAP_ZEROED));
    if (fields.state == PW_STATE_FREE)
        flags |= flags_of(right) & PW_HEAP_MOAT;
    pw_region_clear_start(right.region, right.granule);
    pw_header_write(left.region, left.granule, fields.state, flags, fields.slack, pages);
    set_previous(pw_block_next(left), pages);
    return true;
}

bool pw_runs_is_intact(struct pw_block run)
{
    return (flags_of(run) & PW_HEAP_POISONED) == 0 || pw_heap_hooks.is_intact == NULL ||
           pw_heap_hooks.is_intact(pw_block_address(run));
}

/* Merge two FREE runs, the second behind the first. False: they stay two, for one can't be said to be intact. */
static bool merge_pair(struct pw_heap *heap, struct pw_block left, struct pw_block right)
{
    if (!pw_runs_is_intact(right))
        return false; /* found when it is used again */
    pw_runs_remove(heap, left);
    pw_runs_remove(heap, right);
    bool joined = pw_runs_join(left, right);
    if (!joined)
        pw_runs_add(heap, right);
    pw_runs_add(heap, left);
    return joined;
}

/* Merge all that is FREE behind `run`, itself FREE, into it. */
static bool merge_following(struct pw_heap *heap, struct pw_block run)
{
    bool merged = false;
    for (struct pw_block next = pw_block_next(run); is_free(next); next = pw_block_next(run)) {
        if (!merge_pair(heap, run, next))
            return merged;
        merged = true;
    }
    return merged;
}

static bool merge_region(struct pw_heap *heap, struct pw_region *region)
{
    bool merged = false;
    struct pw_block run = {region, region->first};
    for (; run.region != NULL; run = pw_block_next(run))
        if (is_free(run))
            merged |= merge_following(heap, run);
    return merged;
}

bool pw_runs_merge_all(struct pw_heap *heap)
{
    bool merged = false;
    uint32_t count = atomic_load_explicit(&pw_root.region_count, memory_order_acquire);
    for (uint32_t i = 1; i < count; i++) {
        struct pw_region *region = pw_region_at(i);
        if (pw_region_is(region, heap->index, PW_REGION_PAGES))
            merged |= merge_region(heap, region);
    }
    return merged;
}

bool pw_runs_merge_empty(struct pw_heap *heap, struct pw_region *region)
{
    struct pw_block run = {region, region->first};
    while (is_free(run))
        run = pw_block_next(run);
    if (run.region != NULL)
        return false;
    (void)merge_region(heap, region);
    return pw_block_header((struct pw_block){region, region->first})->size == region->limit - region->first;
}

static bool is_recent(const struct pw_heap *heap, uint64_t reference)
{
    for (uint32_t i = 0; i < PW_RECENT_RUNS; i++)
        if (heap->recent[i] == reference)
            return true;
    return false;
}

/* May `run` merge with `other`, of the same kind? One that is ZEROED is worth more than one that isn't. */
static bool may_merge(const struct pw_heap *heap, struct pw_block run, struct pw_block other)
{
    return is_free(other) && ((flags_of(run) ^ flags_of(other)) & PW_HEAP_ZEROED) == 0 &&
           !is_recent(heap, reference_of(other));
}

/* What was noted as freed, and may be in use or merged since. */
static bool merge_around(struct pw_heap *heap, uint64_t reference)
{
    struct pw_block run = run_of(reference);
    if (!pw_region_is(run.region, heap->index, PW_REGION_PAGES) ||
        run.granule < run.region->first || run.granule >= run.region->limit ||
        !pw_bit_test((const uint64_t *)run.region->starts, run.granule) || !is_free(run))
        return false;
    bool merged = false;
    struct pw_block next = pw_block_next(run);
    if (may_merge(heap, run, next))
        merged = merge_pair(heap, run, next);
    struct pw_block before = pw_block_previous(run);
    if (before.region != NULL && may_merge(heap, run, before))
        merged |= merge_pair(heap, before, run);
    return merged;
}

void pw_runs_freed(struct pw_heap *heap, struct pw_block run)
{
    uint64_t *place = &heap->recent[heap->recent_at++ % PW_RECENT_RUNS];
    uint64_t reference = *place;
    *place = reference_of(run);
    if (reference != 0 && reference != *place)
        (void)merge_around(heap, reference);
}

bool pw_runs_merge_recent(struct pw_heap *heap)
{
    bool merged = false;
    for (uint32_t i = 0; i < PW_RECENT_RUNS; i++) {
        uint64_t reference = heap->recent[(heap->recent_at + i) % PW_RECENT_RUNS];
        heap->recent[(heap->recent_at + i) % PW_RECENT_RUNS] = 0;
        if (reference != 0)
            merged |= merge_around(heap, reference);
    }
    return merged;
}

uint64_t pw_runs_purge(struct pw_heap *heap, struct pw_block run)
{
    uint8_t flags = flags_of(run);
    uint64_t bytes = (uint64_t)pw_runs_data_pages(run) << PW_PAGE_SHIFT;
    if ((flags & PW_HEAP_ZEROED) != 0 || !pw_runs_is_intact(run))
        return 0;
    pw_runs_remove(heap, run);
    /* In no bin and not FREE it is nobody else's. The system call may take milliseconds. */
    pw_header_write(run.region, run.granule, PW_STATE_CACHED, flags & ~PW_HEAP_POISONED, 0,
                    pw_block_header(run)->size);
    pw_heap_release(heap);
    bool is_purged = pw_os_purge((void *)pw_block_address(run), bytes);
    pw_heap_acquire(heap);
    if (is_purged)
        flags = (uint8_t)((flags & ~PW_HEAP_POISONED) | PW_HEAP_ZEROED);
    pw_header_write(run.region, run.granule, PW_STATE_FREE, flags, 0, pw_block_header(run)->size);
    pw_runs_add(heap, run);
    return is_purged ? bytes : 0;
}
