/*
 * workers.c - threads in lock-step (workers.h). `turn` of a worker is the token: the caller sets it to GO,
 * the worker to DONE, and each waits for the other's value; so nothing else needs a lock.
 */
#include "workers.h"

#include "harness.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { IDLE, GO, DONE };

struct worker {
    _Atomic uint32_t turn;
    pthread_t thread;
    bool is_there, is_over;
    void (*step)(void *context);
    void *context;
};

static struct worker workers[WORKERS + 1];

static void give(struct worker *worker, uint32_t turn)
{
    atomic_store(&worker->turn, turn);
    (void)syscall(SYS_futex, &worker->turn, FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0);
}

static void wait_for(struct worker *worker, uint32_t turn)
{
    for (uint32_t now; (now = atomic_load(&worker->turn)) != turn;)
        (void)syscall(SYS_futex, &worker->turn, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    for (;;) {
        wait_for(worker, GO);
        if (worker->is_over)
            return NULL;
        worker->step(worker->context);
        give(worker, DONE);
    }
}

void worker_run(unsigned number, void (*step)(void *context), void *context)
{
    struct worker *worker = &workers[number];
    if (number == 0) {
        step(context);
        return;
    }
    if (!worker->is_there) {
        worker->turn = IDLE;
        worker->is_over = false;
        FUZZ_CHECK(pthread_create(&worker->thread, NULL, work, worker) == 0, "there is no thread to be had");
        worker->is_there = true;
    }
    worker->step = step;
    worker->context = context;
    give(worker, GO);
    wait_for(worker, DONE);
}

void worker_end(unsigned number)
{
    struct worker *worker = &workers[number];
    if (number == 0 || !worker->is_there)
        return;
    worker->is_over = true;
    give(worker, GO);
    (void)pthread_join(worker->thread, NULL);
    worker->is_there = false;
}
