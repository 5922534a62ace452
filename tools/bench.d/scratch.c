/*
 * scratch - false sharing. The main thread allocates one small object for each thread, so that they
 * may share a cache line. Each thread frees its object and goes on with small ones of its own,
 * writing each many times: where the allocator gives two threads parts of one line, they fight for
 * it. (The idea is that of Hoard's cache-scratch.)
 */
#include "load.h"

enum { THREADS = 2, ROUNDS = 600000, WRITES = 600, SIZE = 8 };

struct task {
    volatile unsigned char *object;
    uint64_t result;
};

static void *scratch(void *argument)
{
    struct task *task = argument;
    free((void *)task->object);
    for (unsigned round = 0; round < ROUNDS; round++) {
        volatile unsigned char *object = load_malloc(SIZE);
        for (unsigned i = 0; i < SIZE; i++)
            object[i] = (unsigned char)round;
        for (unsigned i = 0; i < WRITES; i++)
            object[i % SIZE]++;
        task->result += object[round % SIZE];
        free((void *)object);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    static struct {
        struct task task;
        char apart[128]; /* the tasks themselves must not share a line */
    } tasks[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        tasks[i].task.object = load_malloc(SIZE);
    for (unsigned i = 0; i < THREADS; i++)
        thread_start(&threads[i], scratch, &tasks[i].task);
    uint64_t result = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        result += tasks[i].task.result;
    }
    return load_done("scratch", result);
}
