/*
 * guarded.h - blocks of the guard pool: at level guard all up to 16 KiB, at full the first of each
 * site and samples, at fast samples (guard/policy.h says which).
 *
 * They are the program's blocks like others: with a header, a requested size, evidence, and states;
 * QUARANTINED from the free on, until their address is used again.
 */
#ifndef PW_FRONT_GUARDED_H
#define PW_FRONT_GUARDED_H

#include "front/state.h"
#include "guard/policy.h"
#include "trace/depot.h"

/* True when some blocks are to be guarded. Set once, at start-up. */
extern bool pw_guards_are_on __attribute__((visibility("hidden")));
/* Each allocation is to be looked at, for one that is watched or whose site is in the hints. */
extern bool pw_guards_look_at_each __attribute__((visibility("hidden")));
extern struct pw_guard_policy pw_guards __attribute__((visibility("hidden")));
extern __thread struct pw_guard_turn pw_guard_turn __attribute__((visibility("hidden")));
/* Decide by the options; before the first block, and again when an option changed. */
void pw_guarded_start(void);

/* At full: the heap has so many LIVE bytes; the memory for guarded blocks follows it. */
void pw_guarded_follow(uint64_t live_bytes);

/*
 * A guarded block of `heap` if this allocation is to have one (the thread is entered; it is its next
 * allocation, `stack` its stack or 0); NULL: it is not, or there is none to be had.
 */
void *pw_guarded_acquire(struct pw_cache *cache, struct pw_heap *heap, size_t size, size_t align,
                         uint32_t stack, const struct pw_call *call);
/*
 * Is it plain that the thread's next allocation gets no guard? True counts towards its next sample; after false ask
 * pw_guarded_acquire.
 */
PW_INLINE bool pw_guarded_passes(const struct pw_cache *cache, size_t size, uint32_t stack)
{
    uint64_t serial = pw_guard_serial(cache->thread, cache->allocations + 1);
    return !pw_guards_look_at_each &&
           pw_guard_policy_passes(&pw_guards, pw_depot_site(stack), &pw_guard_turn, serial, size);
}

/* Check and claim a LIVE guarded block, take its pages away, keep its address out of use. */
void pw_guarded_release(struct pw_cache *cache, struct pw_block block, uint64_t word,
                        const struct pw_call *call);
/* Make it `size` bytes where it is, if it would lie there as a new one too. */
bool pw_guarded_resize(struct pw_block block, size_t size);

/* The same as release in two halves, for who may not take locks (reentry.c). False: not claimed. */
bool pw_guarded_claim(struct pw_block block, uint64_t word, const struct pw_call *call);
void pw_guarded_settle(struct pw_block block);

/* A heap is about to be given back, with all of its regions: what its guarded blocks take of the budget is free. */
void pw_guarded_forget(struct pw_heap *heap);

/* Damage was found in a block: others from where it was allocated are to be guarded. */
void pw_guarded_accuse(const struct pw_block_info *block);

PW_INLINE bool pw_is_guarded(struct pw_block block)
{
    return atomic_load_explicit(&block.region->kind, memory_order_relaxed) == PW_REGION_GUARD;
}

#endif
