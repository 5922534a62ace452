/*
 * page_runs.h - the free runs of pages of a heap: their bins, cutting and merging. Inside heap only;
 * everything needs the heap's lock.
 */
#ifndef PW_HEAP_PAGE_RUNS_H
#define PW_HEAP_PAGE_RUNS_H

#include "heap/heap.h"

/* A run is at least this long: a page of data and its guard. */
#define PW_RUN_MIN_PAGES 2u

void pw_runs_add(struct pw_heap *heap, struct pw_block run);
void pw_runs_remove(struct pw_heap *heap, struct pw_block run);
/* A FREE run of at least `pages`, still in its bin, the closest fit first; region NULL: none. */
struct pw_block pw_runs_find(struct pw_heap *heap, uint32_t pages);
/* The same among those that are ZEROED, or among those that are not. It does not look at all of many. */
struct pw_block pw_runs_find_kind(struct pw_heap *heap, uint32_t pages, bool is_zeroed);

/*
 * Cut a run or block that is in no bin to `pages`, its new last page a guard when `wants_guard`;
 * the rest (at least PW_RUN_MIN_PAGES) becomes a FREE run in its bin.
 */
void pw_runs_cut(struct pw_heap *heap, struct pw_block run, uint32_t pages, bool wants_guard);
/*
 * A run was freed and is in its bin. It stays as it is while it is among the last PW_RECENT_RUNS of its heap, for
 * the next block of its size, and so that a second free finds it; then it merges with its neighbours.
 */
void pw_runs_freed(struct pw_heap *heap, struct pw_block run);
/* Merge the last PW_RECENT_RUNS too; true if there was any to merge. */
bool pw_runs_merge_recent(struct pw_heap *heap);
/* Merge every FREE run of the heap with its FREE neighbours; true if there was any. */
bool pw_runs_merge_all(struct pw_heap *heap);
/* Merge those of a region if nothing else is in it; true: it is one FREE run, in its bin. */
bool pw_runs_merge_empty(struct pw_heap *heap, struct pw_region *region);
/*
 * Where blocks end at their guard, at full: a fresh FREE run behind a block that was just cut off has guards on its
 * first pages as well, by markers, so that a store that jumps over the block's guard is seen. Before pages of a run
 * are used, they are taken off; false: they can't be.
 */
void pw_runs_dig_moat(struct pw_block run);
bool pw_runs_fill_moat(struct pw_block run);
/* Merge a run in no bin with the run that follows it (in no bin either). False: not possible. */
bool pw_runs_join(struct pw_block left, struct pw_block right);
/*
 * Is a FREE run, where it is POISONED, as it was filled? One that is not keeps its bytes, for whoever uses it again,
 * or looks at everything, to tell: here the lock is held.
 */
bool pw_runs_is_intact(struct pw_block run);
/* Give the pages of a FREE run back, if it is intact, without the heap's lock meanwhile; it is ZEROED then. Returns bytes. */
uint64_t pw_runs_purge(struct pw_heap *heap, struct pw_block run);

/* Pages of a run that may hold data: all, less a guard. */
PW_INLINE uint32_t pw_runs_data_pages(struct pw_block run)
{
    struct pw_fields fields = pw_header_fields(pw_block_header(run));
    return pw_block_header(run)->size - ((fields.flags & PW_HEAP_GUARDED) != 0);
}

#endif
