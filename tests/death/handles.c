/* handles.c - mutexes, condition variables, semaphores, directories and streams that libc's functions are given after they are freed. */
#include "bugs.h"

#include <dirent.h>
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>

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
