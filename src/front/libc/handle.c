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
#define LOCK_CALL(name, type)                                                                      \
    int pw_checked_##name(type *lock)                                                              \
    {                                                                                              \
        PW_CHECKED(name, pw_check_write(&site, (const void *)(uintptr_t)lock, sizeof(type)));      \
        return pw_libc.name(lock);                                                                 \
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
LOCK_CALL(pthread_spin_lock, pthread_spinlock_t)
LOCK_CALL(pthread_spin_trylock, pthread_spinlock_t)
LOCK_CALL(pthread_spin_unlock, pthread_spinlock_t)
LOCK_CALL(sem_wait, sem_t)
LOCK_CALL(sem_trywait, sem_t)
LOCK_CALL(sem_post, sem_t)
LOCK_CALL(sem_destroy, sem_t)

int pw_checked_sem_timedwait(sem_t *semaphore, const struct timespec *until)
{
    PW_CHECKED(sem_timedwait, pw_check_write(&site, semaphore, sizeof *semaphore));
    return pw_libc.sem_timedwait(semaphore, until);
}

static void check_wait(const struct pw_site *site, const pthread_cond_t *condition, const pthread_mutex_t *lock)
{
    pw_check_write(site, condition, sizeof *condition);
    pw_check_write(site, lock, sizeof *lock);
}

int pw_checked_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *lock)
{
    PW_CHECKED(pthread_cond_wait, check_wait(&site, condition, lock));
    return pw_libc.pthread_cond_wait(condition, lock);
}

int pw_checked_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *lock, const struct timespec *until)
{
    PW_CHECKED(pthread_cond_timedwait, check_wait(&site, condition, lock));
    return pw_libc.pthread_cond_timedwait(condition, lock, until);
}

/* What is in a DIR is libc's own business; its descriptor comes first. */
static void check_folder(const struct pw_site *site, const DIR *folder)
{
    pw_check_read(site, folder, sizeof(int));
}

struct dirent *pw_checked_readdir(DIR *folder)
{
    PW_CHECKED(readdir, check_folder(&site, folder));
    return pw_libc.readdir(folder);
}

struct dirent64 *pw_checked_readdir64(DIR *folder)
{
    PW_CHECKED(readdir, check_folder(&site, folder));
    return pw_libc.readdir64(folder);
}

void pw_checked_rewinddir(DIR *folder)
{
    PW_CHECKED(rewinddir, check_folder(&site, folder));
    pw_libc.rewinddir(folder);
}

int pw_checked_closedir(DIR *folder)
{
    PW_CHECKED(closedir, check_folder(&site, folder));
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
