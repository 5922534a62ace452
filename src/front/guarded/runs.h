/*
 * runs.h - the pages of guarded blocks: where they come from, shown and hidden (guard/pool.h
 * says how they lie). Between guarded.c and the pool; takes the heap's lock.
 */
#ifndef PW_FRONT_GUARDED_RUNS_H
#define PW_FRONT_GUARDED_RUNS_H

#include "front/state.h"
#include "guard/place.h"

/*
 * A run for a block that lies so; its header says PENDING and `flags`, and its data is shown if it
 * `is_shown`. Region NULL: there is none to be had.
 */
struct pw_block pw_guarded_take_run(struct pw_heap *heap, struct pw_guard_place place, uint32_t flags,
                                    bool is_shown);
/* Hide the run of a block of `size` bytes that was claimed: QUARANTINED, its address out of use. */
void pw_guarded_keep_run(struct pw_block block, uint64_t size);

/* Have its first pages hidden, before there is a block to guard: for who is about to fork, whose children would each do so. */
void pw_guarded_prepare(struct pw_heap *heap);

/* All runs of a heap that is given back: how many were LIVE, and in *pages their pages of data. */
uint64_t pw_guarded_drop_runs(struct pw_heap *heap, uint64_t *pages);

PW_INLINE uint32_t pw_guarded_data_pages(struct pw_block block)
{
    return pw_block_header(block)->size - 1;
}

PW_INLINE void pw_guarded_set_header(struct pw_block block, uint32_t state, uint32_t flags, uint32_t slack)
{
    pw_header_write(block.region, block.granule, state, flags, slack, pw_block_header(block)->size);
}

#endif
