/*
 * depot.h - every distinct stack once, for good, as a 32-bit id (image/layout.h: struct pw_stack).
 *
 * Lock-free; never allocates from the heap; errno untouched; async-signal-safe; nothing to do after
 * fork(). After Scudo's and LLVM's StackDepot.
 */
#ifndef PW_TRACE_DEPOT_H
#define PW_TRACE_DEPOT_H

#include "image/layout.h"

/* Map the table of chunks. False: no memory; ids are then all 0. */
bool pw_depot_init(void);
/* The depot's frozen half. NULL before pw_depot_init. */
extern struct pw_depot_image *pw_depot_image __attribute__((visibility("hidden")));
/* Where the stack of an id lies. Only for ids that pw_depot_put gave. */
PW_INLINE struct pw_stack *pw_depot_stack(uint32_t id)
{
    uint64_t chunk = atomic_load_explicit(&pw_depot_image->chunks[id >> PW_DEPOT_CHUNK_UNITS_SHIFT],
                                          memory_order_relaxed);
    uint64_t offset = id & ((1u << PW_DEPOT_CHUNK_UNITS_SHIFT) - 1);
    return (struct pw_stack *)(chunk + offset * sizeof(uint64_t));
}
/*
 * The hash of a trace, from its outermost frame on: a polynomial over mixed frames (R. M. Karp, M. O. Rabin, "Efficient
 * randomized pattern-matching algorithms", 1987), modulo 2^64. Each step adds one frame; and from the sums of a trace
 * and of its outer end that of its inner frames alone follows, so the frames of a window needn't be looked at.
 */
#define PW_DEPOT_HASH_BASE 0x9E3779B97F4A7C15u
#define PW_DEPOT_HASH_MIX 0xC2B2AE3D27D4EB4Fu
PW_INLINE uint64_t pw_depot_hash_add(uint64_t sum, uint64_t frame)
{
    uint64_t mixed = frame * PW_DEPOT_HASH_MIX;
    return sum * PW_DEPOT_HASH_BASE + (mixed ^ mixed >> 32);
}

/*
 * The hash of the `count` inner frames (at most PW_MAX_FRAMES) of a trace whose sum is `sum`, and that of what lies
 * beyond them `beyond` (0: nothing). After pw_depot_init.
 */
extern uint64_t pw_depot_hash_powers[PW_MAX_FRAMES + 1] __attribute__((visibility("hidden")));
PW_INLINE uint64_t pw_depot_hash_of(uint64_t sum, uint64_t beyond, size_t count)
{
    uint64_t inner = sum - beyond * pw_depot_hash_powers[count] + count;
    inner = (inner ^ inner >> 31) * PW_DEPOT_HASH_MIX;
    return inner ^ inner >> 32;
}

/*
 * The id of a known trace of `count` frames with that hash, or 0. The hash's 64 bits stand for the frames, which are
 * not looked at: of a million stacks in one program some two are taken for another once in 40 million programs.
 */
uint32_t pw_depot_find(uint64_t hash, size_t count);
/*
 * The same, if it was added right after trace `id` (not 0, one that this file gave). What a program does again in the
 * same order it finds side by side in memory, where the way by the hash is two cache misses.
 */
uint32_t pw_depot_find_next(uint32_t id, uint64_t hash, size_t count);
/*
 * The id of a trace, new or known; 0: `count` is 0, there is no memory, or the depot is full (a
 * trace that is known keeps its id even then). More than PW_MAX_FRAMES frames are cut.
 */
uint32_t pw_depot_put(const uint64_t *frames, size_t count);
/* A frame of a known trace, and by that those outside of it. */
struct pw_depot_place {
    uint32_t id; /* 0: none */
    uint32_t index;
};
/* Has the trace at least `count` frames from that place on? */
bool pw_depot_place_has(struct pw_depot_place place, size_t count);
/*
 * The same for a trace whose frames from the `own`th on (1 to count - 1) are those at that place, which has them: if it
 * is new, only the others are stored. Who recurses has ever new traces, and each differs from one before by a frame or two.
 */
uint32_t pw_depot_put_before(const uint64_t *frames, size_t count, size_t own, struct pw_depot_place rest);
/* The trace of an id, at most `max` frames; the count, 0 for 0 and for any id that is none. */
size_t pw_depot_get(uint32_t id, uint64_t *frames, size_t max);
/*
 * The word that the guard pool keeps of a stack as a place that allocates (struct pw_stack.site); NULL for
 * id 0. Only for ids that pw_depot_put gave.
 */
PW_INLINE _Atomic uint32_t *pw_depot_site(uint32_t id)
{
    return id == 0 || pw_depot_image == NULL ? NULL : &pw_depot_stack(id)->site;
}
/* Bytes of address space taken so far. */
size_t pw_depot_bytes(void);

#endif
