/*
 * snapshot.c - a program to take snapshots of: two threads that sleep, blocks of every kind, a secret in
 * a block, one on the stack, one in a global. It tells what its own walk counts, and then
 *
 *   call PATH  calls pwheap_dump; prints what it returned, and errno
 *   wait       waits for SIGTERM, or a line on stdin
 *   damage     writes behind a block, and frees it
 *   goes_on    the same for several blocks, each from a line of its own, and ends with 0
 *   fault      follows a pointer in freed memory
 *   handler    has a handler of its own for SIGUSR2, which it is sent
 *   ignore     ignores it
 */
#include "common.h"

#include "pwheap/pwheap.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

enum { BLOCKS = 3000, THREADS = 2 };

#pragma weak pwheap_dump
#pragma weak pwheap_walk

static char secret_of_globals[32];
static void *keep[BLOCKS];

static _Atomic int sleepers[THREADS];
static _Atomic int sleeper_count;

static void *sleeper(void *context)
{
    sleepers[atomic_fetch_add(&sleeper_count, 1)] = (int)syscall(SYS_gettid);
    sigset_t all;
    CHECK(sigfillset(&all) == 0 && pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
    for (int i = 0; i < 50; i++)
        keep[i] = malloc(40);
    CHECK(pthread_barrier_wait(context) <= 0);
    for (;;)
        (void)pause();
    return NULL;
}

/* Until the kernel tells that it is in pause(): then it can tell where, too. */
static void wait_until_it_sleeps(int thread)
{
    char path[64], line[8], expected[8];
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/syscall", thread);
    int length = snprintf(expected, sizeof expected, "%d ", (int)SYS_pause);
    do {
        int fd = open(path, O_RDONLY);
        CHECK(fd >= 0);
        (void)!read(fd, line, sizeof line);
        (void)close(fd);
        (void)sched_yield();
    } while (memcmp(line, expected, (size_t)length) != 0);
}

struct count {
    size_t blocks, bytes;
};

static bool count_live(void *context, const struct pwheap_block *block)
{
    struct count *count = context;
    count->blocks += block->state == PWHEAP_STATE_LIVE;
    count->bytes += block->state == PWHEAP_STATE_LIVE ? block->size : 0;
    return true;
}

static void make_blocks(void)
{
    static pthread_barrier_t barrier;
    pthread_t threads[THREADS];
    CHECK(pthread_barrier_init(&barrier, NULL, THREADS + 1) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, sleeper, &barrier) == 0);
    for (size_t i = 100; i < BLOCKS; i++) {
        keep[i] = malloc(i * 7 % 900);
        CHECK(keep[i] != NULL);
        if (i % 3 == 0)
            free(keep[i]);
    }
    keep[0] = malloc(MIB);
    memset(keep[0], 1, MIB);
    strcpy(malloc(100), "secret-of-the-heap");
    strcpy(secret_of_globals, "secret-of-the-globals");
    CHECK(pthread_barrier_wait(&barrier) <= 0);
    for (int i = 0; i < THREADS; i++)
        wait_until_it_sleeps(sleepers[i]);
}

/* Printed without stdio, whose buffer would be a block more. */
static void tell_count(void)
{
    struct count count = {0, 0};
    (void)pwheap_walk(count_live, &count);
    (void)dprintf(1, "%d: live %zu blocks %zu bytes\n", (int)getpid(), count.blocks, count.bytes);
}

static void call(const char *path)
{
    int answer = pwheap_dump(path);
    int error = errno;
    (void)dprintf(1, "dump %d", answer);
    (void)dprintf(1, answer == 0 ? "\n" : " errno %d\n", error);
}

static volatile sig_atomic_t handled;

static void on_signal(int number)
{
    handled += number == SIGUSR2;
}

static void send(void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler}, now;
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    CHECK(sigaction(SIGUSR2, NULL, &now) == 0 && now.sa_handler == handler && now.sa_flags == 0);
    CHECK(raise(SIGUSR2) == 0);
    (void)dprintf(1, "handled %d\n", (int)handled);
}

static void damage(void)
{
    char *block = malloc(24);
    block[24] = 1;
    free(block);
}

static void damage_again(void)
{
    char *block = malloc(25);
    block[25] = 1;
    free(block);
}

static void fault(void)
{
    char ***block = malloc(64);
    free(block);
    **block[0] = 1;
}

static void wait_for_word(void)
{
    char line[16];
    while (read(0, line, sizeof line) < 0 && errno == EINTR)
        ;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    char secret_of_the_stack[32];
    strcpy(secret_of_the_stack, "secret-of-the-stack");
    __asm__ volatile("" : : "r"(secret_of_the_stack) : "memory");
    make_blocks();
    tell_count();
    if (strcmp(mode, "call") == 0)
        call(argc > 2 ? argv[2] : NULL);
    else if (strcmp(mode, "wait") == 0)
        wait_for_word();
    else if (strcmp(mode, "damage") == 0)
        damage();
    else if (strcmp(mode, "goes_on") == 0)
        damage(), damage_again();
    else if (strcmp(mode, "fault") == 0)
        fault();
    else if (strcmp(mode, "handler") == 0)
        send(on_signal);
    else if (strcmp(mode, "ignore") == 0)
        send(SIG_IGN);
    __asm__ volatile("" : : "r"(secret_of_the_stack) : "memory");
    _exit(0);
}
