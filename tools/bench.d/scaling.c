/*
 * scaling - throughput of two threads over that of one: each does the same work on blocks of its
 * own, alone and then beside the other. Prints "scaling RATIO SECONDS_OF_ONE"; 2 is perfect. Wall
 * time, the best of many short rounds each, so that a busy machine spoils it only if it is always busy.
 */
#include "load.h"

enum { SLOTS = 2000, WARM_UP = 20000, STEPS = 200000, ROUNDS = 40 };

/* The threads start together, and the clock runs from there to the last one's end. */
static pthread_barrier_t start_line;

struct worker {
    pthread_t thread;
    double start, end;
    uint64_t result;
};

static void steps(void **slots, uint64_t *random, uint64_t *result, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        void **slot = &slots[random_below(random, SLOTS)];
        *result += block_end(*slot);
        *slot = block_new(random_log_size(random, 16, 1024), i);
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    uint64_t random = 7, result = 0;
    void *slots[SLOTS];
    for (unsigned i = 0; i < SLOTS; i++)
        slots[i] = block_new(64, i);
    steps(slots, &random, &result, WARM_UP);
    pthread_barrier_wait(&start_line);
    worker->start = clock_seconds(CLOCK_MONOTONIC);
    steps(slots, &random, &result, STEPS);
    worker->end = clock_seconds(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < SLOTS; i++)
        result += block_end(slots[i]);
    worker->result = result;
    return NULL;
}

static double round_seconds(unsigned threads)
{
    static struct {
        struct worker worker;
        char apart[128];
    } workers[2];
    pthread_barrier_init(&start_line, NULL, threads);
    for (unsigned i = 0; i < threads; i++)
        thread_start(&workers[i].worker.thread, work, &workers[i].worker);
    double start = 1e300, end = 0;
    for (unsigned i = 0; i < threads; i++) {
        struct worker *worker = &workers[i].worker;
        pthread_join(worker->thread, NULL);
        start = worker->start < start ? worker->start : start;
        end = worker->end > end ? worker->end : end;
    }
    if (threads == 2 && workers[0].worker.result != workers[1].worker.result)
        load_fail("the threads' results differ");
    pthread_barrier_destroy(&start_line);
    return end - start;
}

int main(void)
{
    double one = round_seconds(1), two = round_seconds(2);
    for (unsigned round = 1; round < ROUNDS; round++) {
        double seconds = round_seconds(1);
        one = seconds < one ? seconds : one;
        seconds = round_seconds(2);
        two = seconds < two ? seconds : two;
    }
    printf("scaling %.3f %.4f\n", 2 * one / two, one);
    return 0;
}
