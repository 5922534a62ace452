/*
 * lock.h - a mutex in one word, after "Futexes Are Tricky" (Ulrich Drepper, 2011), mutex 2.
 *
 * Not recursive, never allocates, leaves errno alone. A waiter spins a little, then sleeps in the
 * kernel. The lock order of the whole library stands in docs/internals.md.
 * After fork() the child may pw_lock_reset() what the forking thread held.
 */
#ifndef PW_BASE_LOCK_H
#define PW_BASE_LOCK_H

#include "base/base.h"

#include <stdatomic.h>

/* 0: free, 1: held, 2: held and perhaps waited for. */
struct pw_lock {
    _Atomic uint32_t word;
};

/* Tell the processor that this is a spin loop. */
PW_INLINE void pw_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void pw_lock_wait(struct pw_lock *lock);
void pw_lock_wake(struct pw_lock *lock);

PW_INLINE bool pw_lock_try(struct pw_lock *lock)
{
    uint32_t expected = 0;
    return atomic_compare_exchange_strong_explicit(&lock->word, &expected, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

PW_INLINE void pw_lock_acquire(struct pw_lock *lock)
{
    if (pw_unlikely(!pw_lock_try(lock)))
        pw_lock_wait(lock);
}

PW_INLINE void pw_lock_release(struct pw_lock *lock)
{
    if (pw_unlikely(atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2))
        pw_lock_wake(lock);
}

PW_INLINE bool pw_lock_is_held(struct pw_lock *lock)
{
    return atomic_load_explicit(&lock->word, memory_order_relaxed) != 0;
}

PW_INLINE void pw_lock_reset(struct pw_lock *lock)
{
    atomic_store_explicit(&lock->word, 0, memory_order_release);
}

#endif
