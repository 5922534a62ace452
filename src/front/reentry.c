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

static void *take(struct pw_heap *heap, size_t size, size_t align, bool zero,
                  const struct pw_call *call)
{
    enum pw_level level = (enum pw_level)pw_root.level;
    uint64_t granules = pw_granules_for(size, level);
    if (granules > PW_HEAP_NUM_BINS || align > PW_HEAP_LARGE_ALLOC_THRESHOLD)
        return pw_big_acquire(heap, size, align, zero, 0, 0, 0, call);
    void *block = NULL;
    if (align > PW_HEAP_ALIGNMENT)
        block = pw_heap_take_aligned(heap, (uint32_t)granules, align);
    else
        (void)pw_heap_take(heap, (uint32_t)granules, 1, &block);
    if (block == NULL)
        return NULL;
    struct pw_handle handle = pw_handle_of(block);
    uint32_t flags = (uint32_t)call->family << PW_HEAP_FAMILY_SHIFT;
    if (align > 1)
        flags |= PW_HEAP_ALIGNED;
    if (level >= PW_LEVEL_FULL) {
        struct pw_block place = pw_block_at(pw_page_map_entry(handle.address), handle.address);
        *pw_region_evidence(place.region, place.granule) = (struct pw_evidence){
            .alloc_stack = pw_depot_put(&call->pc, 1), .alloc_thread = PW_MAX_THREADS};
        pw_dress(&handle, size, zero, flags, PW_LEVEL_FULL);
    } else if (level == PW_LEVEL_FAST) {
        pw_dress(&handle, size, zero, flags, PW_LEVEL_FAST);
    } else {
        pw_dress(&handle, size, zero, flags, PW_LEVEL_OFF);
    }
    return block;
}

void *pw_reentry_acquire(size_t size, size_t align, bool zero, const struct pw_call *call)
{
    sigset_t all, old;
    if (size > PTRDIFF_MAX || !atomic_load_explicit(&pw_is_ready, memory_order_acquire))
        return NULL;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    void *block = take(acquire_any(), size, align, zero, call);
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

static bool patterns_hold(const struct pw_handle *handle, uint64_t size)
{
    uint64_t zone = handle->address + size;
    if (pw_root.level == PW_LEVEL_OFF)
        return true;
    return pw_zone_near_holds(zone);
}

void pw_reentry_release(void *pointer, const struct pw_call *call)
{
    uint64_t entry;
    struct pw_handle handle = pw_gate(pointer, &entry);
    if (handle.header == NULL) {
        pw_found_bad_pointer(pointer, call);
        return;
    }
    struct pw_block block = pw_block_at(entry, handle.address);
    bool is_mapped = block.region->shift == PW_PAGE_SHIFT;
    if (!patterns_hold(&handle, pw_block_requested(block, handle.word))) {
        pw_found_in_block(handle.address, call);
        return;
    }
    uint64_t expected = handle.word;
    if (!atomic_compare_exchange_strong_explicit(&handle.header->word, &expected,
                                                 pw_word_pending(expected, PW_STATE_LIVE),
                                                 memory_order_acq_rel, memory_order_acquire)) {
        pw_found_bad_pointer(pointer, call);
        return;
    }
    if (!is_mapped && pw_root.level >= PW_LEVEL_FAST)
        pw_poison_write(handle.address, pw_poison_bytes(handle.bytes));
    uint32_t flags = pw_word_fields(handle.word).flags;
    pw_handle_set(&handle, PW_STATE_CACHED,
                  is_mapped ? flags & (PW_HEAP_MAPPED | PW_HEAP_GUARDED) : 0,
                  pw_word_fields(handle.word).slack);
    put_block_aside(pointer);
}
