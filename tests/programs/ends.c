/*
 * ends.c HOW - a program that ends in a way of its choice, for `heapdump COMMAND -- PROGRAM`: three threads hold a block
 * each on their stacks alone, a block of 333 bytes is lost, and "output" is written to stdout.
 */
#include "common.h"

#include <signal.h>

enum { THREADS = 3, LOST_BYTES = 333, STATUS = 7 };

static _Atomic int started, goes_on = 1;
static char *volatile kept;

static void *hold(void *unused)
{
    char *volatile block = malloc(1234);
    CHECK(block != NULL);
    memset(block, 'x', 1234);
    atomic_fetch_add(&started, 1);
    while (atomic_load(&goes_on) != 0)
        (void)usleep(1000);
    free(block);
    return unused;
}

static __attribute__((noinline)) void lose(void)
{
    char *volatile block = malloc(LOST_BYTES);
    CHECK(block != NULL);
    memset(block, 'l', LOST_BYTES);
    block = NULL;
}

static __attribute__((noinline)) void scrub(void)
{
    volatile char over[32 * KIB];
    for (size_t i = 0; i < sizeof over; i++)
        over[i] = 0;
}

static void end(const char *how, char **argv)
{
    if (strcmp(how, "abort") == 0)
        abort();
    if (strcmp(how, "kill") == 0)
        (void)raise(SIGKILL);
    if (strcmp(how, "fault") == 0)
        *(volatile char *)16 = 1;
    if (strcmp(how, "damage") == 0) {
        kept[100] = 1;
        free(kept);
    }
    if (strcmp(how, "thread") == 0) { /* the first thread ends before the others, one of which is the last */
        atomic_store(&goes_on, 0);
        pthread_exit(NULL);
    }
    if (strcmp(how, "exec") == 0) {
        (void)execl("/proc/self/exe", argv[0], "exit", (char *)NULL);
        abort();
    }
    while (strcmp(how, "wait") == 0)
        (void)pause();
    exit(STATUS);
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, hold, NULL) == 0);
    while (atomic_load(&started) < THREADS)
        (void)sched_yield();
    kept = malloc(100);
    CHECK(kept != NULL);
    strcpy(kept, "needle at the end");
    lose();
    scrub();
    (void)printf("output of %d\n", (int)getpid());
    (void)fflush(stdout);
    end(argc > 1 ? argv[1] : "exit", argv);
}
