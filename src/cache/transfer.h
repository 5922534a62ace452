/*
 * transfer.h - the transfer cache (tcmalloc's word): batches of CACHED blocks on their way from the
 * threads that free to those that allocate, a stack for every heap and block size. A block stays in its
 * heap's: those of one span would come into the hands of several threads, and their headers share cache
 * lines. A batch moves by copying its addresses; the blocks themselves, their headers and the heaps are not touched. It is bounded
 * in bytes a size; what does not fit goes back to the heaps.
 *
 * Those of a heap are guarded by LOCKS locks, by size modulo LOCKS; nothing else is taken with one held.
 */
#ifndef PW_CACHE_TRANSFER_H
#define PW_CACHE_TRANSFER_H

#include "base/base.h"

/* Heaps that have stacks: those with the lowest indices, which threads share. */
enum { PW_TRANSFER_HEAPS = 4 };

/* `map` gives zeroed pages; `most` bytes of a size may be kept. False: no memory; then nothing is ever kept. */
bool pw_transfer_init(uint32_t most, void *(*map)(size_t bytes));
/* Keep up to `count` blocks of a class of a heap; how many were (the first of them). */
uint32_t pw_transfer_put(uint32_t heap, uint32_t block_class, void *const *blocks, uint32_t count);
/* Take up to `want`; how many. */
uint32_t pw_transfer_take(uint32_t heap, uint32_t block_class, void **blocks, uint32_t want);

void pw_transfer_before_fork(void);
void pw_transfer_after_fork(void);

#endif
