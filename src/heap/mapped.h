/*
 * mapped.h - MAPPED blocks: those above PW_HEAP_LARGE_ALLOC_THRESHOLD, on pages of their own.
 *
 * They lie in page regions, whose granule is a page; so they are in the page map, in the table and
 * in every walk like the others. The last page of each is a guard (HEAP_GUARDED says whether the
 * system could give one), the one before a block is its predecessor's. Freed runs are kept with
 * their guard for reuse, in bins by pages; what is beyond a limit is given back to the system.
 * Runs merge late: when as many others were freed since, when a request finds none that fits, and on
 * trim. Pages that were used before are taken before fresh ones.
 */
#ifndef PW_HEAP_MAPPED_H
#define PW_HEAP_MAPPED_H

#include "heap/heap.h"

/*
 * A CACHED block with room for `bytes` before its guard page, on a multiple of `align` (a power of
 * two); NULL: no memory. Takes the heap's lock. Its extension is written by pw_mapped_set_requested.
 */
void *pw_heap_map_memory(struct pw_heap *heap, uint64_t bytes, uint64_t align);
/* The same, its guard page as close behind the `bytes` as pages are, as a rule; NULL: no memory, or too dear. */
void *pw_heap_map_exactly(struct pw_heap *heap, uint64_t bytes);
/* Give a MAPPED block that is CACHED back for reuse, or to the system. Takes its heap's lock. */
void pw_heap_unmap_memory(void *block);
/* The same of a ZEROED one that faults on access: it is opened when its pages are used again. */
void pw_heap_unmap_closed(void *block);

/* Grow a LIVE block in place so that it has room for `bytes`, if the run after it is free. Takes the lock. */
bool pw_mapped_grow(struct pw_block block, uint64_t bytes);
/* Give the pages of a LIVE block that are not needed for `bytes` back. Takes the lock. */
void pw_mapped_shrink(struct pw_block block, uint64_t bytes);

/* Keep less than usual where there is little: what the process may have. Once, at start-up. */
void pw_mapped_plan(uint64_t available_bytes);

/* Blocks of more than so many bytes will lose their pages when they are freed. Once, at start-up. */
void pw_mapped_keep(uint64_t most_bytes);
/* Blocks end at their guard: have more guards behind the last one (page_runs.h). Once, at start-up. */
void pw_mapped_have_moats(bool wants);

/* Merge and purge all free runs of a heap; bytes given back. The lock is held. */
uint64_t pw_mapped_trim(struct pw_heap *heap);

PW_INLINE struct pw_extension *pw_block_extension(struct pw_block block)
{
    return (struct pw_extension *)(pw_block_header(block) + 1);
}

/* Note the requested size of a MAPPED block, sealed. */
PW_INLINE void pw_mapped_set_requested(struct pw_block block, uint64_t requested)
{
    struct pw_extension *extension = pw_block_extension(block);
    uint64_t check = pw_extension_check(pw_root.seal_key, pw_block_start(block), requested);
    __atomic_store_n(&extension->requested, requested, __ATOMIC_RELAXED); /* walkers may be looking */
    __atomic_store_n(&extension->check, check, __ATOMIC_RELAXED);
}

/* Bytes from the start of a MAPPED block's first page to its guard page. */
PW_INLINE uint64_t pw_mapped_capacity(struct pw_block block)
{
    return ((uint64_t)pw_block_header(block)->size - 1) << PW_PAGE_SHIFT;
}

#endif
