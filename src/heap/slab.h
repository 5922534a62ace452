/*
 * slab.h - slabs: blocks of up to PW_SLAB_MAX_BYTES, from spans of 64 KiB that each hold one size.
 *
 * A span has blocks of one size side by side; those below its `fresh` have been handed out before. A
 * refill takes FREE ones of one span by its bitmap, then fresh ones, in one run. A span with
 * nothing but FREE blocks, all as they were left, loses its size, waits in the list of empty spans for any
 * other, and its memory goes back to the system when there is too much of that. Nothing is merged or cut.
 *
 * Invariants, under the heap's lock: a bit of free_bits is set exactly where the block is FREE, and
 * span->free counts them; a span of a size is in the list of its size exactly when it has FREE or
 * fresh blocks; header words from `fresh` on are 0.
 *
 * FREE blocks keep what lies in them, poison and zone, and what their headers say but the state: so
 * they are verified when they are used again, like those that never left the cache.
 */
#ifndef PW_HEAP_SLAB_H
#define PW_HEAP_SLAB_H

#include "heap/heap.h"

/*
 * Classes number the block sizes: 1 to PW_GRANULE_SIZES are blocks of so many granules, the
 * rest slabs. The steps between slabs' sizes are 16 bytes up to 512, 32 up to 1 KiB, then what
 * divides a span well, in multiples of 64.
 */
#define PW_SLAB_SIZES 83u
#define PW_GRANULE_SIZES ((uint32_t)(PW_HEAP_LARGE_ALLOC_THRESHOLD >> PW_GRANULE_SHIFT))
#define PW_CLASSES (PW_GRANULE_SIZES + PW_SLAB_SIZES)
#define PW_CLASS_UNITS ((uint32_t)PW_HEAP_LARGE_ALLOC_THRESHOLD / 16)
/* The class of i * 16 bytes, for i up to PW_CLASS_UNITS, and the bytes of a class's blocks. */
extern uint16_t pw_class_table[] __attribute__((visibility("hidden")));
extern uint16_t pw_class_bytes[] __attribute__((visibility("hidden")));

/* The class of blocks of `bytes`, zone included; at most PW_HEAP_LARGE_ALLOC_THRESHOLD. */
PW_INLINE uint32_t pw_class_for(uint64_t bytes)
{
    return pw_class_table[(bytes + 15) / 16];
}

/* Every slab block lies on a multiple of this: alignof(max_align_t). */
#define PW_SLAB_ALIGNMENT 16u

/* The granules that `bytes` take, at least one. */
PW_INLINE uint32_t pw_granules_of(uint64_t bytes)
{
    uint64_t granules = (bytes + PW_GRANULE_BYTES - 1) >> PW_GRANULE_SHIFT;
    return granules == 0 ? 1 : (uint32_t)granules;
}

PW_INLINE bool pw_class_is_slab(uint32_t block_class)
{
    return block_class > PW_GRANULE_SIZES;
}

/* The smallest class for `bytes` whose slabs' blocks all lie on multiples of `align` (at most 64). */
uint32_t pw_class_aligned(uint64_t bytes, uint64_t align);

void pw_slab_init(void);

/* As pw_heap_take, for a class of slabs. */
uint32_t pw_slab_take(struct pw_heap *heap, uint32_t block_class, uint32_t want, void **out);
/* Make a CACHED block at `address` in `region` FREE. The lock is held. */
void pw_slab_give(struct pw_heap *heap, struct pw_region *region, uint64_t address);
/*
 * The heap wants more memory: hide pages inside its spans that no block in use lies in (span_pages.h), but for those that are used next,
 * and if it is not too soon after the last time. Takes the lock.
 */
void pw_slab_hide_pages(struct pw_heap *heap);
/* Give the memory of spans without a block in use back; bytes. The lock is held. */
uint64_t pw_slab_trim(struct pw_heap *heap, struct pw_region *region);
/*
 * Take the spans of a region out of the heap's lists if none has a block in use, so that the region can be
 * given back; false: one has, and nothing was done. The lock is held.
 */
bool pw_slab_abandon(struct pw_heap *heap, struct pw_region *region);

#endif
