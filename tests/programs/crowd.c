/*
 * crowd.c - 16 threads that allocate and free blocks of many sizes, keep 10,000 each, and then wait; "ready" when all do.
 */
#include "common.h"

enum { THREADS = 16, KEPT = 10000, STEPS = 100000 };

static _Atomic int done;

static void *work(void *argument)
{
    static char *kept[THREADS][KEPT];
    uint32_t random = (uint32_t)(uintptr_t)argument, number = random;
    for (int i = 0; i < STEPS; i++) {
        random = random * 1664525 + 1013904223;
        char **place = &kept[number][i < KEPT ? (uint32_t)i : (random >> 8) % KEPT];
        free(*place);
        *place = malloc(8 + (random >> 16) % 500);
        CHECK(*place != NULL);
        **place = 'k';
    }
    atomic_fetch_add(&done, 1);
    for (;;)
        (void)pause();
}

int main(void)
{
    pthread_t thread;
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&thread, NULL, work, (void *)i) == 0);
    while (atomic_load(&done) < THREADS)
        (void)usleep(1000);
    (void)printf("ready\n");
    (void)fflush(stdout);
    for (;;)
        (void)pause();
}
