/* lock.c - the slow halves of lock.h */
#include "base/lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SPINS = 100 };

void pw_lock_wait(struct pw_lock *lock)
{
    for (int i = 0; i < SPINS; i++) {
        if (!pw_lock_is_held(lock) && pw_lock_try(lock))
            return;
        pw_pause();
    }
    int saved_errno = errno;
    while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) != 0)
        (void)syscall(SYS_futex, &lock->word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
    errno = saved_errno;
}

void pw_lock_wake(struct pw_lock *lock)
{
    int saved_errno = errno;
    (void)syscall(SYS_futex, &lock->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = saved_errno;
}
