/*
 * recent.h - the stacks that were wanted lately, by their hash: one cache line, where the depot's table takes three or
 * four and then the stack's own, most of them out of the processor's caches.
 *
 * Shared by all threads, lock-free, async-signal-safe, and never wrong: an entry is two words, the id and the hash xor the
 * id, so that halves of two entries stand for neither. What is not here is not said to be unknown.
 */
#ifndef PW_TRACE_RECENT_H
#define PW_TRACE_RECENT_H

#include "base/base.h"

#include <stdatomic.h>

enum {
    PW_RECENT_BITS = 11,      /* of sets: 128 KiB */
    PW_RECENT_FIRST_BITS = 5, /* of those in use at first: half a page, so that a process of few stacks touches no more */
    PW_RECENT_WAYS = 4,
};

struct pw_recent {
    _Atomic uint64_t id; /* 0: not in use */
    _Atomic uint64_t check;
};

/* The last one that was kept is the first. */
struct pw_recent_set {
    _Alignas(64) struct pw_recent ways[PW_RECENT_WAYS];
};
_Static_assert(sizeof(struct pw_recent_set) == 64, "a cache line");

extern struct pw_recent_set pw_recent_sets[1 << PW_RECENT_BITS] __attribute__((visibility("hidden")));
/* Of the sets in use: all but one of their number. It widens once, where one would be full; what is elsewhere then is forgotten. */
extern _Atomic uint32_t pw_recent_mask __attribute__((visibility("hidden")));

PW_INLINE struct pw_recent_set *pw_recent_set_of(uint64_t hash)
{
    uint32_t mask = atomic_load_explicit(&pw_recent_mask, memory_order_relaxed);
    return &pw_recent_sets[hash >> (64 - PW_RECENT_BITS) & mask];
}

/* The id that was kept of that hash last, as far as it is remembered; 0: it is not. */
PW_INLINE uint32_t pw_recent_find(uint64_t hash)
{
    const struct pw_recent_set *set = pw_recent_set_of(hash);
    for (size_t i = 0; i < PW_RECENT_WAYS; i++) {
        uint64_t id = atomic_load_explicit(&set->ways[i].id, memory_order_relaxed);
        uint64_t check = atomic_load_explicit(&set->ways[i].check, memory_order_relaxed);
        if ((check ^ id) == hash && id != 0)
            return (uint32_t)id;
    }
    return 0;
}

/* Before the first one is kept: else its page is read first, which is a fault, and then written, which is another. */
PW_INLINE void pw_recent_touch(void)
{
    (void)atomic_fetch_or_explicit(&pw_recent_sets[0].ways[0].id, 0, memory_order_relaxed);
}

/* Remember it, in the place of what was kept longest ago. `id` is not 0. */
void pw_recent_keep(uint64_t hash, uint32_t id);

#endif
