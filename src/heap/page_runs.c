/*
 * page_runs.c - see page_runs.h
 *
 * Bins: see pw_page_bin. The links of a run lie in the evidence of its second page (a run has at
 * least two), for 64-bit references.
 */
#include "heap/page_runs.h"

#include "base/bitmap.h"
#include "os/memory.h"

enum { MAX_PROBES = 64 };

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

static void set_previous(struct pw_block block, uint32_t pages)
{
    if (block.region != NULL)
        atomic_store_explicit(&pw_block_header(block)->prev, pages, memory_order_relaxed);
}

/* Make the run's last page a guard. */
static bool guard_last(struct pw_block run, uint32_t pages)
{
    return pw_os_guard((void *)pw_region_address(run.region, run.granule + pages - 1), PW_PAGE_BYTES);
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
    uint32_t zeroed = fields.state == PW_STATE_FREE ? fields.flags & PW_HEAP_ZEROED : 0;
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
    pw_region_clear_start(right.region, right.granule);
    pw_header_write(left.region, left.granule, fields.state, flags, fields.slack, pages);
    set_previous(pw_block_next(left), pages);
    return true;
}

static bool is_free(struct pw_block run)
{
    return run.region != NULL && pw_header_is_sealed(run.region, run.granule) &&
           pw_header_fields(pw_block_header(run)).state == PW_STATE_FREE;
}

/* Merge all that is FREE behind `run`, itself FREE, into it. */
static bool merge_following(struct pw_heap *heap, struct pw_block run)
{
    bool merged = false;
    struct pw_block next = pw_block_next(run);
    while (is_free(next)) {
        pw_runs_remove(heap, run);
        pw_runs_remove(heap, next);
        bool joined = pw_runs_join(run, next);
        pw_runs_add(heap, run);
        if (!joined) {
            pw_runs_add(heap, next);
            return merged;
        }
        merged = true;
        next = pw_block_next(run);
    }
    return merged;
}

bool pw_runs_merge_all(struct pw_heap *heap)
{
    bool merged = false;
    uint32_t count = atomic_load_explicit(&pw_root.region_count, memory_order_acquire);
    for (uint32_t i = 1; i < count; i++) {
        struct pw_region *region = pw_region_at(i);
        if (region->heap != heap->index ||
            atomic_load_explicit(&region->kind, memory_order_acquire) != PW_REGION_PAGES)
            continue;
        struct pw_block run = {region, region->first};
        for (; run.region != NULL; run = pw_block_next(run))
            if (is_free(run))
                merged |= merge_following(heap, run);
    }
    return merged;
}

uint64_t pw_runs_purge(struct pw_heap *heap, struct pw_block run)
{
    uint8_t flags = flags_of(run);
    uint64_t bytes = (uint64_t)pw_runs_data_pages(run) << PW_PAGE_SHIFT;
    if ((flags & PW_HEAP_ZEROED) != 0)
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
