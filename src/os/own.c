/*
 * own.c - a list of what the library has mapped for itself, so that a search for pointers passes
 * over it: a thread's cache still holds the addresses of blocks that it handed out long ago.
 *
 * Lock-free. An entry is claimed by its start and counts once its end is set; one that is missing
 * (the table is full, or the caller is between the two steps) costs a search its sharpness, no more.
 */
#include "os/memory.h"

enum { OWN_RANGES = 16384 };

static struct pw_os_range ranges[OWN_RANGES];
static _Atomic uint32_t hint;        /* where a free entry is likely */
static _Atomic uint32_t range_count; /* entries at and above it were never used */

static void note_used(uint32_t index)
{
    uint32_t count = atomic_load_explicit(&range_count, memory_order_relaxed);
    while (count <= index &&
           !atomic_compare_exchange_weak_explicit(&range_count, &count, index + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

void pw_os_own(const void *address, size_t bytes)
{
    uint32_t start = atomic_load_explicit(&hint, memory_order_relaxed);
    for (uint32_t i = 0; i < OWN_RANGES; i++) {
        uint32_t index = (start + i) % OWN_RANGES;
        uint64_t nobody = 0;
        if (atomic_load_explicit(&ranges[index].start, memory_order_relaxed) != 0 ||
            !atomic_compare_exchange_strong(&ranges[index].start, &nobody, (uint64_t)address))
            continue;
        atomic_store(&ranges[index].end, (uint64_t)address + bytes);
        note_used(index);
        atomic_store_explicit(&hint, index + 1, memory_order_relaxed);
        return;
    }
}

void pw_os_disown(const void *address)
{
    uint32_t count = atomic_load_explicit(&range_count, memory_order_relaxed);
    for (uint32_t i = count; i-- > 0;) {
        if (atomic_load_explicit(&ranges[i].start, memory_order_relaxed) != (uint64_t)address)
            continue;
        atomic_store(&ranges[i].end, 0);
        atomic_store(&ranges[i].start, 0);
        atomic_store_explicit(&hint, i, memory_order_relaxed);
        return;
    }
}

const struct pw_os_range *pw_os_own_ranges(uint32_t *capacity)
{
    *capacity = OWN_RANGES;
    return ranges;
}
