/*
 * reentry.c - allocation where the thread's cache can't be used: in a signal handler or an unwinder
 * that interrupts the allocator, before a thread has a cache and after it gave it back.
 *
 * Who comes here may have interrupted itself while it held any one lock of the library, but for
 * those that are only held with signals blocked: the region lock, and that of the heap that only this
 * file takes from. What is freed is claimed and put aside without any lock.
 */
#include "front/guarded/guarded.h"
#include "front/hot.h"
#include "os/process.h"
#include "trace/depot.h"

enum { PUT_ASIDE = 1024 };
/* Blocks claimed by a free, CACHED, that wait for somebody who may take locks. */
static _Atomic(void *) put_aside[PUT_ASIDE];
static _Atomic uint32_t put_aside_count;

void *pw_reentry_acquire(size_t size, size_t align, bool zero, const struct pw_call *call)
{
    if (size > PTRDIFF_MAX || !atomic_load_explicit(&pw_is_ready, memory_order_acquire))
        return NULL;
    uint64_t mask = pw_os_block_signals();
    uint32_t stack = pw_root.level >= PW_LEVEL_FULL ? pw_depot_put(&call->pc, 1) : 0;
    void *block = pw_take_from(&pw_heaps[pw_shared_heaps], size, align, zero, PW_MAX_THREADS, 0, stack, call);
    pw_os_restore_signals(mask);
    return block;
}

static void put_block_aside(void *block)
{
    for (uint32_t i = 0; i < PUT_ASIDE; i++) {
        void *expected = NULL;
        if (atomic_load_explicit(&put_aside[i], memory_order_relaxed) == NULL &&
            atomic_compare_exchange_strong(&put_aside[i], &expected, block)) {
            atomic_fetch_add(&put_aside_count, 1);
            return;
        }
    }
    /* No room: the block stays out of use. Only a thread that never allocates normally gets here. */
}

void pw_reentry_settle(void)
{
    if (atomic_load_explicit(&put_aside_count, memory_order_relaxed) == 0)
        return;
    for (uint32_t i = 0; i < PUT_ASIDE; i++) {
        void *block = atomic_exchange(&put_aside[i], NULL);
        if (block == NULL)
            continue;
        atomic_fetch_sub(&put_aside_count, 1);
        struct pw_block place = pw_heap_find((uint64_t)block);
        if (pw_is_guarded(place))
            pw_guarded_settle(place);
        else
            pw_heap_free(block);
    }
}

void pw_reentry_release(void *pointer, const struct pw_call *call)
{
    if (pw_claim(pointer, call))
        put_block_aside(pointer);
}
