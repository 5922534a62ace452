/*
 * inject.c - counts the memory calls that can fail, and fails those that a test chose.
 *
 * Call number c, counted from 1, fails when c == fail_at, or when c > fail_at and every divides the
 * distance. fail_at == 0: none fails. The words are separate: a test sets them while no other
 * thread maps memory.
 */
#include "os/inject.h"
#include "os/memory.h"

#include <stdatomic.h>

static _Atomic uint64_t calls;
static _Atomic uint64_t fail_at;
static _Atomic uint64_t fail_every;

bool pw_os_call_fails(void)
{
    uint64_t call = atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed) + 1;
    uint64_t at = atomic_load_explicit(&fail_at, memory_order_relaxed);
    if (pw_likely(at == 0) || call < at)
        return false;
    uint64_t every = atomic_load_explicit(&fail_every, memory_order_relaxed);
    return call == at || (every != 0 && (call - at) % every == 0);
}

void pw_os_fail_next(uint64_t n, uint64_t every)
{
    uint64_t now = atomic_load_explicit(&calls, memory_order_relaxed);
    atomic_store_explicit(&fail_every, every, memory_order_relaxed);
    atomic_store_explicit(&fail_at, n == 0 ? 0 : now + n, memory_order_relaxed);
}

uint64_t pw_os_memory_calls(void)
{
    return atomic_load_explicit(&calls, memory_order_relaxed);
}
