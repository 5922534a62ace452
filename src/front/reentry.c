/*
 * reentry.c - allocation where the thread's cache can't be used: in a signal handler or an unwinder
 * that interrupts the allocator, before a thread has a cache and after it gave it back.
 *
 * Who comes here may have interrupted itself while it held any one lock of the library. So: blocks
 * come from two heaps that only this file takes from, whichever lock is to be had (the interrupted
 * holder can hold one of them at most, others let go soon); all signals are blocked meanwhile, so
 * that it is not interrupted in turn. What is freed is claimed and put aside without any lock.
 */
#include "front/hot.h"
#include "trace/depot.h"

#include <pthread.h>
#include <signal.h>

enum { PUT_ASIDE = 1024 };
/* Blocks claimed by a free, CACHED, that wait for somebody who may take locks. */
static _Atomic(void *) put_aside[PUT_ASIDE];
static _Atomic uint32_t put_aside_count;

/* A heap whose lock we now hold. */
static struct pw_heap *acquire_any(void)
{
    for (uint32_t turn = 0;; turn++) {
        struct pw_heap *heap = &pw_heaps[pw_shared_heaps + turn % PW_REENTRY_HEAPS];
        if (pw_heap_try_acquire(heap)) {
            pw_heap_release(heap);
            return heap;
        }
        pw_pause();
    }
}

void *pw_reentry_acquire(size_t size, size_t align, bool zero, const struct pw_call *call)
{
    sigset_t all, old;
    if (size > PTRDIFF_MAX || !atomic_load_explicit(&pw_is_ready, memory_order_acquire))
        return NULL;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    uint32_t stack = pw_root.level >= PW_LEVEL_FULL ? pw_depot_put(&call->pc, 1) : 0;
    void *block = pw_take_from(acquire_any(), size, align, zero, PW_MAX_THREADS, 0, stack, call);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
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
        pw_heap_free(block);
    }
}

void pw_reentry_release(void *pointer, const struct pw_call *call)
{
    if (pw_claim(pointer, call))
        put_block_aside(pointer);
}
