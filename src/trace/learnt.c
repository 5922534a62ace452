/* learnt.c - see learnt.h */
#include "trace/learnt.h"

#include "os/memory.h"
#include "trace/rules.h"

/* Shared; the next place to be used, and the addresses: 0 where one is about to be written, or its writer ended before. */
struct page {
    _Atomic uint64_t used;
    _Atomic uint64_t pcs[PW_LEARNT_PLACES];
};
_Static_assert(sizeof(struct page) == 4096, "one page");

PW_WRITTEN_IN_FORK static _Atomic(struct page *) page; /* NULL: not yet */
PW_WRITTEN_IN_FORK static _Atomic uint32_t forks;      /* before there was one */
PW_WRITTEN_IN_FORK static _Atomic uint32_t taken;      /* so many of its places were seen to */
PW_WRITTEN_IN_FORK static bool is_child;

static uint32_t used_places(const struct page *shared)
{
    uint64_t used = atomic_load_explicit(&shared->used, memory_order_acquire);
    return used < PW_LEARNT_PLACES ? (uint32_t)used : PW_LEARNT_PLACES;
}

void pw_learnt_before_fork(void)
{
    struct page *shared = atomic_load_explicit(&page, memory_order_acquire);
    if (shared == NULL) {
        if (atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed) == PW_LEARNT_FORKS - 1)
            atomic_store_explicit(&page, pw_os_map_shared(sizeof *shared), memory_order_release);
        return;
    }
    uint32_t end = used_places(shared);
    for (uint32_t i = atomic_load_explicit(&taken, memory_order_relaxed); i < end; i++) {
        uint64_t pc = atomic_load_explicit(&shared->pcs[i], memory_order_relaxed);
        if (pc != 0)
            (void)pw_rules_find(pc);
    }
    atomic_store_explicit(&taken, end, memory_order_relaxed);
}

void pw_learnt_after_fork(void)
{
    is_child = true;
}

void pw_learnt_tell(uint64_t pc)
{
    struct page *shared = atomic_load_explicit(&page, memory_order_relaxed);
    if (!is_child || shared == NULL || used_places(shared) == PW_LEARNT_PLACES)
        return;
    uint64_t place = atomic_fetch_add_explicit(&shared->used, 1, memory_order_acq_rel);
    if (place < PW_LEARNT_PLACES)
        atomic_store_explicit(&shared->pcs[place], pc, memory_order_relaxed);
}
