/* patrol.c - see patrol.h */
#include "diag/patrol.h"

#include "base/lock.h"
#include "diag/patrol_pages.h"

enum {
    OWN_HEAPS = 4,   /* of the first so many each has a way of its own */
    ALL_EVERY = 4,   /* of so many steps one is on the way through all */
    SEVERAL_FOR = 64 /* so many steps of one heap in a row: there are no others */
};

/* A way through the blocks; its lock guards it, and the heap locks come after that. */
struct way {
    struct pw_lock lock;
    struct pw_validate_cursor cursor;
    uint64_t rounds;
};

PW_WRITTEN_IN_FORK static struct way all, own[OWN_HEAPS];
static _Atomic uint32_t last_heap, several_left, turn;

/* The way for a thread of `heap`. What races for these counters decides who goes where, and no more. */
static struct way *choose(uint32_t heap)
{
    uint32_t left = atomic_load_explicit(&several_left, memory_order_relaxed);
    if (atomic_load_explicit(&last_heap, memory_order_relaxed) != heap) {
        atomic_store_explicit(&last_heap, heap, memory_order_relaxed);
        left = SEVERAL_FOR + 1;
    }
    if (left == 0 || heap >= OWN_HEAPS)
        return &all;
    atomic_store_explicit(&several_left, left - 1, memory_order_relaxed);
    uint32_t now = atomic_load_explicit(&turn, memory_order_relaxed);
    atomic_store_explicit(&turn, now + 1, memory_order_relaxed);
    return now % ALL_EVERY == 0 ? &all : &own[heap];
}

bool pw_patrol_step(const struct pw_image *image, uint32_t heap, bool by_pages, struct pw_fault *fault)
{
    struct way *way = by_pages ? &all : choose(heap);
    if (!pw_lock_try(&way->lock))
        return false;
    way->cursor.only_heap = way == &all ? 0 : heap + 1;
    bool found = (by_pages && pw_patrol_pages_step(image, fault)) ||
                 pw_validate_step(image, &way->cursor, PW_PATROL_BLOCKS, PW_PATROL_BYTES, fault);
    if (way->cursor.is_done) {
        way->cursor = (struct pw_validate_cursor){.region = 0};
        way->rounds++;
    }
    pw_lock_release(&way->lock);
    return found;
}

uint64_t pw_patrol_rounds(void)
{
    return all.rounds;
}

void pw_patrol_after_fork(void)
{
    pw_lock_reset(&all.lock);
    for (size_t i = 0; i < OWN_HEAPS; i++)
        pw_lock_reset(&own[i].lock);
    pw_patrol_pages_after_fork();
}
