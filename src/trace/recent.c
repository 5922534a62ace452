/* recent.c - see recent.h */
#include "trace/recent.h"

struct pw_recent_set pw_recent_sets[1 << PW_RECENT_BITS];

PW_NOINLINE void pw_recent_keep(uint64_t hash, uint32_t id)
{
    struct pw_recent *ways = pw_recent_set_of(hash)->ways;
    for (size_t i = PW_RECENT_WAYS - 1; i > 0; i--) {
        uint64_t moved = atomic_load_explicit(&ways[i - 1].id, memory_order_relaxed);
        uint64_t check = atomic_load_explicit(&ways[i - 1].check, memory_order_relaxed);
        atomic_store_explicit(&ways[i].id, moved, memory_order_relaxed);
        atomic_store_explicit(&ways[i].check, check, memory_order_relaxed);
    }
    atomic_store_explicit(&ways[0].id, id, memory_order_relaxed);
    atomic_store_explicit(&ways[0].check, hash ^ id, memory_order_relaxed);
}
