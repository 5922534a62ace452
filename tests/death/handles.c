/* handles.c - mutexes, condition variables, semaphores, directories and streams that libc's functions are given after they are freed. */
#include "bugs.h"

#include <dirent.h>
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <threads.h>
#include <time.h>

struct queue {
    long length;
    pthread_mutex_t mutex;
    pthread_rwlock_t table;
};

static struct queue *queue_new(void)
{
    struct queue *queue = calloc(1, sizeof *queue); // ALLOC
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_rwlock_init(&queue->table, NULL);
    return queue;
}

/* The clean twin takes every lock in every way. */
BUG(locks_a_freed_mutex)
{
    struct queue *queue = queue_new();
    if (wrong)
        free(queue); // FREE
    pthread_mutex_lock(&queue->mutex); // HERE
    if (pthread_mutex_trylock(&queue->mutex) == 0 || pthread_mutex_unlock(&queue->mutex) != 0 ||
        pthread_mutex_trylock(&queue->mutex) != 0 || pthread_mutex_unlock(&queue->mutex) != 0 ||
        pthread_mutex_destroy(&queue->mutex) != 0)
        exit(1);
    free(queue);
}

BUG(unlocks_a_freed_mutex)
{
    struct queue *queue = queue_new();
    pthread_mutex_lock(&queue->mutex);
    if (wrong)
        free(queue); // FREE
    pthread_mutex_unlock(&queue->mutex); // HERE
    if (!wrong)
        free(queue);
}

/* What is there is waited for without end. */
BUG(waits_for_a_freed_table)
{
    struct queue *queue = queue_new();
    if (wrong)
        free(queue); // FREE
    pthread_rwlock_rdlock(&queue->table); // HERE
    if (pthread_rwlock_tryrdlock(&queue->table) != 0 || pthread_rwlock_trywrlock(&queue->table) == 0 ||
        pthread_rwlock_unlock(&queue->table) != 0 || pthread_rwlock_unlock(&queue->table) != 0 ||
        pthread_rwlock_wrlock(&queue->table) != 0 || pthread_rwlock_unlock(&queue->table) != 0 ||
        pthread_rwlock_destroy(&queue->table) != 0)
        exit(1);
    free(queue);
}

struct mailbox {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    sem_t letters;
    pthread_barrier_t all;
    pthread_spinlock_t spin;
};

static struct mailbox *mailbox_new(void)
{
    struct mailbox *box = calloc(1, sizeof *box); // ALLOC
    pthread_mutex_init(&box->mutex, NULL);
    pthread_cond_init(&box->filled, NULL);
    sem_init(&box->letters, 0, 1);
    pthread_barrier_init(&box->all, NULL, 1);
    pthread_spin_init(&box->spin, 0);
    return box;
}

/* Without a check it waits without end. The clean twin takes every way. */
BUG(signals_a_freed_condition)
{
    static const struct timespec past = {0, 0};
    struct mailbox *box = mailbox_new();
    if (wrong)
        free(box); // FREE
    pthread_cond_signal(&box->filled); // HERE
    if (pthread_cond_broadcast(&box->filled) != 0 || pthread_mutex_lock(&box->mutex) != 0 ||
        pthread_cond_timedwait(&box->filled, &box->mutex, &past) != ETIMEDOUT ||
        pthread_mutex_unlock(&box->mutex) != 0 || pthread_cond_destroy(&box->filled) != 0 ||
        pthread_spin_lock(&box->spin) != 0 || pthread_spin_trylock(&box->spin) != EBUSY ||
        pthread_spin_unlock(&box->spin) != 0 || pthread_barrier_wait(&box->all) != PTHREAD_BARRIER_SERIAL_THREAD)
        exit(1);
    free(box);
}

BUG(waits_with_a_freed_mutex)
{
    static const struct timespec past = {0, 0};
    struct mailbox *box = mailbox_new();
    pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
    pthread_mutex_lock(&box->mutex);
    if (wrong)
        free(box); // FREE
    pthread_cond_timedwait(&filled, &box->mutex, &past); // HERE
    if (!wrong)
        free(box);
}

BUG(posts_to_a_freed_semaphore)
{
    static const struct timespec past = {0, 0};
    struct mailbox *box = mailbox_new();
    if (wrong)
        free(box); // FREE
    sem_post(&box->letters); // HERE
    if (sem_wait(&box->letters) != 0 || sem_trywait(&box->letters) != 0 ||
        sem_timedwait(&box->letters, &past) == 0 || sem_destroy(&box->letters) != 0)
        exit(1);
    free(box);
}

/* The clean twin waits in every way that ends at a time. */
BUG(waits_a_while_for_a_freed_mutex)
{
    static const struct timespec past = {0, 0};
    struct queue *queue = queue_new();
    if (wrong)
        free(queue); // FREE
    pthread_mutex_timedlock(&queue->mutex, &past); // HERE
    if (pthread_mutex_clocklock(&queue->mutex, CLOCK_MONOTONIC, &past) != ETIMEDOUT ||
        pthread_rwlock_timedrdlock(&queue->table, &past) != 0 ||
        pthread_rwlock_clockrdlock(&queue->table, CLOCK_MONOTONIC, &past) != 0 ||
        pthread_rwlock_timedwrlock(&queue->table, &past) == 0 ||
        pthread_rwlock_clockwrlock(&queue->table, CLOCK_MONOTONIC, &past) == 0)
        exit(1);
    free(queue);
}

BUG(waits_a_while_for_a_freed_condition)
{
    static const struct timespec past = {0, 0};
    struct mailbox *box = mailbox_new();
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    if (wrong)
        free(box); // FREE
    pthread_cond_clockwait(&box->filled, &mutex, CLOCK_MONOTONIC, &past); // HERE
    if (sem_clockwait(&box->letters, CLOCK_MONOTONIC, &past) != 0 ||
        sem_clockwait(&box->letters, CLOCK_MONOTONIC, &past) == 0 || pthread_barrier_destroy(&box->all) != 0)
        exit(1);
    free(box);
}

struct standard {
    mtx_t mutex;
    cnd_t filled;
};

static struct standard *standard_new(void)
{
    struct standard *standard = calloc(1, sizeof *standard); // ALLOC
    mtx_init(&standard->mutex, mtx_timed);
    cnd_init(&standard->filled);
    return standard;
}

/* C11's have functions of their own, which do not come by those of POSIX. */
BUG(locks_a_freed_mutex_of_c11)
{
    static const struct timespec past = {0, 0};
    struct standard *standard = standard_new();
    if (wrong)
        free(standard); // FREE
    mtx_lock(&standard->mutex); // HERE
    if (mtx_trylock(&standard->mutex) != thrd_busy || mtx_timedlock(&standard->mutex, &past) != thrd_timedout ||
        mtx_unlock(&standard->mutex) != thrd_success)
        exit(1);
    mtx_destroy(&standard->mutex);
    free(standard);
}

BUG(destroys_a_freed_mutex_of_c11)
{
    struct standard *standard = standard_new();
    mtx_destroy(&standard->mutex);
    if (wrong)
        free(standard); // FREE
    if (wrong)
        mtx_destroy(&standard->mutex); // HERE
    else
        free(standard);
}

BUG(signals_a_freed_condition_of_c11)
{
    static const struct timespec past = {0, 0};
    struct standard *standard = standard_new();
    if (wrong)
        free(standard); // FREE
    cnd_signal(&standard->filled); // HERE
    if (cnd_broadcast(&standard->filled) != thrd_success || mtx_lock(&standard->mutex) != thrd_success ||
        cnd_timedwait(&standard->filled, &standard->mutex, &past) != thrd_timedout)
        exit(1);
    cnd_destroy(&standard->filled);
    free(standard);
}

BUG(waits_with_a_freed_mutex_of_c11)
{
    static const struct timespec past = {0, 0};
    struct standard *standard = standard_new();
    cnd_t filled;
    cnd_init(&filled);
    mtx_lock(&standard->mutex);
    if (wrong)
        free(standard); // FREE
    cnd_timedwait(&filled, &standard->mutex, &past); // HERE
    if (!wrong)
        free(standard);
}

/* Its lock is waited for without end. */
BUG(seeks_in_a_closed_folder)
{
    DIR *folder = opendir("/"); // ALLOC
    long start = telldir(folder);
    if (wrong)
        closedir(folder); // FREE
    seekdir(folder, start); // HERE
    closedir(folder);
}

BUG(reads_a_closed_folder)
{
    DIR *folder = opendir("/"); // ALLOC
    kept[0] = readdir(folder);
    kept[1] = readdir64(folder);
    rewinddir(folder);
    if (wrong)
        closedir(folder); // FREE
    if (readdir(folder) == NULL) // HERE
        exit(1);
    closedir(folder);
}

BUG(closes_a_folder_twice)
{
    DIR *folder = opendir("/"); // ALLOC
    closedir(folder); // FREE
    if (wrong)
        closedir(folder); // HERE
}

BUG(closes_a_stream_twice)
{
    FILE *file = fopen("/dev/zero", "r"); // ALLOC
    if (fflush(NULL) != 0 || fflush(stdout) != 0)
        exit(1);
    fclose(file); // FREE
    if (wrong)
        fclose(file); // HERE
}

BUG(reads_a_closed_stream)
{
    char line[4];
    FILE *file = fopen("/dev/zero", "r"); // ALLOC
    if (wrong)
        fclose(file); // FREE
    fgets(line, sizeof line, file); // HERE
    fclose(file);
}

BUG(prints_to_a_closed_stream)
{
    FILE *file = fopen("/dev/null", "w"); // ALLOC
    if (wrong)
        fclose(file); // FREE
    fprintf(file, "%d", 1); // HERE
    fclose(file);
}
