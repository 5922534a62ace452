/* small_pages.c - see small_pages.h */
#include "heap/small_pages.h"

#include "heap/bins.h"
#include "os/memory.h"
#include "os/process.h"

enum {
    PIECE_BYTES = 256 << 10, /* verified and given back at once, for the lock is held */
    MOST_PROBES = 32,
};

/* Whole blocks are filled when they are freed, and pieces merge: so all of a FREE block is, at such a level. */
static bool is_untouched(uint64_t start, uint64_t end)
{
    uint64_t step = PW_HEAP_LARGE_ALLOC_THRESHOLD; /* so much is filled of a block at least */
    for (uint64_t at = start; pw_heap_hooks.fills_whole && at < end; at += step) {
        uint64_t bytes = end - at < step ? end - at : step;
        if (!pw_heap_hooks.is_untouched(at, bytes + PW_TAIL_BYTES, false))
            return false;
    }
    return true;
}

/* They are cut out so that the poison around them stays verifiable; cutting after the purge writes their tail. */
uint64_t pw_small_purge(struct pw_heap *heap, struct pw_block block, uint64_t most)
{
    uint64_t start = PW_ALIGN_UP(pw_block_address(block), PW_PAGE_BYTES);
    uint64_t end = PW_ALIGN_DOWN(pw_block_end(block) - PW_TAIL_BYTES, PW_PAGE_BYTES);
    if (end > start && end - start > most)
        end = start + most;
    if (end <= start || end - start < PW_HEAP_LARGE_ALLOC_THRESHOLD || !is_untouched(start, end) ||
        !pw_os_purge((void *)start, end - start))
        return 0;
    uint32_t front = (uint32_t)((start - pw_block_address(block)) >> PW_GRANULE_SHIFT);
    uint32_t length = (uint32_t)((end - start) >> PW_GRANULE_SHIFT);
    struct pw_block middle = {block.region, block.granule + front};
    pw_heap_remove_from_free_list(heap, block);
    if (front > 0) {
        pw_heap_block_split(heap, block, front);
        pw_heap_add_to_free_list(heap, block);
        pw_heap_remove_from_free_list(heap, middle);
    }
    pw_heap_block_split(heap, middle, length);
    pw_header_write(middle.region, middle.granule, PW_STATE_FREE, PW_HEAP_ZEROED, 0, length);
    pw_heap_add_to_free_list(heap, pw_heap_block_merge(heap, middle));
    return end - start;
}

void pw_small_purge_if_due(struct pw_heap *heap)
{
    uint64_t limit = pw_heap_limits.dirty_small_bytes;
    if (heap->dirty_small_bytes <= (heap->purges_small ? limit / 2 : limit)) {
        heap->purges_small = false;
        return;
    }
    uint64_t now = heap->purges_small ? 0 : pw_os_time_ns();
    if (!heap->purges_small && heap->dirty_small_bytes <= pw_heap_limits.overdue_small_bytes &&
        now - heap->small_purged_at_ns < pw_heap_limits.purge_interval_ns)
        return;
    if (!heap->purges_small)
        heap->small_purged_at_ns = now;
    heap->purges_small = true;
    struct pw_block block = pw_bins_largest(heap);
    for (uint32_t probes = 0; block.region != NULL && probes < MOST_PROBES; probes++) {
        struct pw_block next = pw_bins_next(block);
        bool is_zeroed = (pw_header_fields(pw_block_header(block)).flags & PW_HEAP_ZEROED) != 0;
        if (!is_zeroed && pw_small_purge(heap, block, PIECE_BYTES) > 0)
            return;
        block = next;
    }
}
