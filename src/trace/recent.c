/* recent.c - see recent.h */
#include "trace/recent.h"

struct pw_recent_set pw_recent_sets[1 << PW_RECENT_BITS];
PW_WRITTEN_EARLY _Atomic uint32_t pw_recent_mask = (1 << PW_RECENT_FIRST_BITS) - 1;

/* The set of a hash; where it is full and they are few, they become all, and it is another one. */
static struct pw_recent_set *set_with_room(uint64_t hash)
{
    struct pw_recent_set *set = pw_recent_set_of(hash);
    if (atomic_load_explicit(&set->ways[PW_RECENT_WAYS - 1].id, memory_order_relaxed) != 0)
        atomic_store_explicit(&pw_recent_mask, (1 << PW_RECENT_BITS) - 1, memory_order_relaxed);
    return pw_recent_set_of(hash);
}

PW_NOINLINE void pw_recent_keep(uint64_t hash, uint32_t id)
{
    struct pw_recent *ways = set_with_room(hash)->ways;
    for (size_t i = PW_RECENT_WAYS - 1; i > 0; i--) {
        uint64_t moved = atomic_load_explicit(&ways[i - 1].id, memory_order_relaxed);
        uint64_t check = atomic_load_explicit(&ways[i - 1].check, memory_order_relaxed);
        atomic_store_explicit(&ways[i].id, moved, memory_order_relaxed);
        atomic_store_explicit(&ways[i].check, check, memory_order_relaxed);
    }
    atomic_store_explicit(&ways[0].id, id, memory_order_relaxed);
    atomic_store_explicit(&ways[0].check, hash ^ id, memory_order_relaxed);
}
