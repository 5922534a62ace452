/*
 * handle.c - what a call is given that is no range but a thing: a mutex, a condition variable, a semaphore, a directory, a
 * stream. One that has been freed shows no damage by itself, for a mutex of poison is refused (EINVAL) or waited for without
 * end, and who signals a condition variable of poison waits too. See libc.h.
 */
#include "front/libc/libc.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>

/* A spin lock is volatile. */
#define LOCK_CHECKED(name, lock)                                                                   \
    PW_CHECKED(name, pw_check_write(&site, (const void *)(uintptr_t)(lock), sizeof *(lock)))

#define LOCK_CALL(name, type)                                                                      \
    int pw_checked_##name(type *lock)                                                              \
    {                                                                                              \
        LOCK_CHECKED(name, lock);                                                                  \
        return pw_libc.name(lock);                                                                 \
    }
/* C11's have no answer. */
#define DESTROY_CALL(name, type)                                                                   \
    void pw_checked_##name(type *lock)                                                             \
    {                                                                                              \
        LOCK_CHECKED(name, lock);                                                                  \
        pw_libc.name(lock);                                                                        \
    }
#define UNTIL_CALL(name, type)                                                                     \
    int pw_checked_##name(type *lock, const struct timespec *until)                                \
    {                                                                                              \
        LOCK_CHECKED(name, lock);                                                                  \
        return pw_libc.name(lock, until);                                                          \
    }
#define CLOCK_CALL(name, type)                                                                     \
    int pw_checked_##name(type *lock, clockid_t clock, const struct timespec *until)               \
    {                                                                                              \
        LOCK_CHECKED(name, lock);                                                                  \
        return pw_libc.name(lock, clock, until);                                                   \
    }

LOCK_CALL(pthread_mutex_lock, pthread_mutex_t)
LOCK_CALL(pthread_mutex_trylock, pthread_mutex_t)
LOCK_CALL(pthread_mutex_unlock, pthread_mutex_t)
LOCK_CALL(pthread_mutex_destroy, pthread_mutex_t)
LOCK_CALL(pthread_rwlock_rdlock, pthread_rwlock_t)
LOCK_CALL(pthread_rwlock_tryrdlock, pthread_rwlock_t)
LOCK_CALL(pthread_rwlock_wrlock, pthread_rwlock_t)
LOCK_CALL(pthread_rwlock_trywrlock, pthread_rwlock_t)
LOCK_CALL(pthread_rwlock_unlock, pthread_rwlock_t)
LOCK_CALL(pthread_rwlock_destroy, pthread_rwlock_t)
LOCK_CALL(pthread_cond_signal, pthread_cond_t)
LOCK_CALL(pthread_cond_broadcast, pthread_cond_t)
LOCK_CALL(pthread_cond_destroy, pthread_cond_t)
LOCK_CALL(pthread_barrier_wait, pthread_barrier_t)
LOCK_CALL(pthread_barrier_destroy, pthread_barrier_t)
LOCK_CALL(pthread_spin_lock, pthread_spinlock_t)
LOCK_CALL(pthread_spin_trylock, pthread_spinlock_t)
LOCK_CALL(pthread_spin_unlock, pthread_spinlock_t)
LOCK_CALL(sem_wait, sem_t)
LOCK_CALL(sem_trywait, sem_t)
LOCK_CALL(sem_post, sem_t)
LOCK_CALL(sem_destroy, sem_t)
LOCK_CALL(mtx_lock, mtx_t)
LOCK_CALL(mtx_trylock, mtx_t)
LOCK_CALL(mtx_unlock, mtx_t)
LOCK_CALL(cnd_signal, cnd_t)
LOCK_CALL(cnd_broadcast, cnd_t)
DESTROY_CALL(mtx_destroy, mtx_t)
DESTROY_CALL(cnd_destroy, cnd_t)
UNTIL_CALL(pthread_mutex_timedlock, pthread_mutex_t)
UNTIL_CALL(pthread_rwlock_timedrdlock, pthread_rwlock_t)
UNTIL_CALL(pthread_rwlock_timedwrlock, pthread_rwlock_t)
UNTIL_CALL(sem_timedwait, sem_t)
UNTIL_CALL(mtx_timedlock, mtx_t)
CLOCK_CALL(pthread_mutex_clocklock, pthread_mutex_t)
CLOCK_CALL(pthread_rwlock_clockrdlock, pthread_rwlock_t)
CLOCK_CALL(pthread_rwlock_clockwrlock, pthread_rwlock_t)
CLOCK_CALL(sem_clockwait, sem_t)

#define WAIT_CHECKED(name)                                                                         \
    PW_CHECKED(name, pw_check_write(&site, condition, sizeof *condition); pw_check_write(&site, lock, sizeof *lock))

int pw_checked_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *lock)
{
    WAIT_CHECKED(pthread_cond_wait);
    return pw_libc.pthread_cond_wait(condition, lock);
}

int pw_checked_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *lock, const struct timespec *until)
{
    WAIT_CHECKED(pthread_cond_timedwait);
    return pw_libc.pthread_cond_timedwait(condition, lock, until);
}

int pw_checked_pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *lock, clockid_t clock,
                                      const struct timespec *until)
{
    WAIT_CHECKED(pthread_cond_clockwait);
    return pw_libc.pthread_cond_clockwait(condition, lock, clock, until);
}

int pw_checked_cnd_wait(cnd_t *condition, mtx_t *lock)
{
    WAIT_CHECKED(cnd_wait);
    return pw_libc.cnd_wait(condition, lock);
}

int pw_checked_cnd_timedwait(cnd_t *condition, mtx_t *lock, const struct timespec *until)
{
    WAIT_CHECKED(cnd_timedwait);
    return pw_libc.cnd_timedwait(condition, lock, until);
}

/*
 * What is in a DIR is libc's own business; its descriptor comes first. Its lock is in the bytes that are poisoned at fast, and
 * is waited for without end, so it is looked at there as well.
 */
#define FOLDER_CHECKED(name)                                                                       \
    PW_CHECKED_IF(pw_libc_checks_from(PW_LIBC_FOLDERS), name, PW_CALLER_PC, PW_CALLER_FRAME,       \
                  pw_check_read(&site, folder, sizeof(int)))

struct dirent *pw_checked_readdir(DIR *folder)
{
    FOLDER_CHECKED(readdir);
    return pw_libc.readdir(folder);
}

struct dirent64 *pw_checked_readdir64(DIR *folder)
{
    FOLDER_CHECKED(readdir);
    return pw_libc.readdir64(folder);
}

void pw_checked_rewinddir(DIR *folder)
{
    FOLDER_CHECKED(rewinddir);
    pw_libc.rewinddir(folder);
}

long pw_checked_telldir(DIR *folder)
{
    FOLDER_CHECKED(telldir);
    return pw_libc.telldir(folder);
}

void pw_checked_seekdir(DIR *folder, long place)
{
    FOLDER_CHECKED(seekdir);
    pw_libc.seekdir(folder, place);
}

int pw_checked_closedir(DIR *folder)
{
    FOLDER_CHECKED(closedir);
    return pw_libc.closedir(folder);
}

int pw_checked_fclose(FILE *stream)
{
    PW_CHECKED(fclose, pw_check_stream(&site, stream));
    return pw_libc.fclose(stream);
}

int pw_checked_fflush(FILE *stream)
{
    PW_CHECKED(fflush, pw_check_stream(&site, stream));
    return pw_libc.fflush(stream);
}
