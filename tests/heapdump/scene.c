/*
 * scene.c - a program with a heap to look into: makes blocks of every state, says what it has by its own
 * pwheap_walk, and waits.
 *
 *   scene [damage] [stop|spin|abort|busy] [blocks]
 *
 * busy: its threads go on allocating and freeing.
 *
 * Prints, with no use of the heap: "STATE BLOCKS BYTES TAKEN" a line for each state, "string ADDRESS",
 * "holder ADDRESS" (whose first word is the string's address), "ready".
 */
#include "pwheap/pwheap.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#pragma weak pwheap_walk

enum { STATES = 8, THREADS = 3, THREAD_BLOCKS = 100 };

struct count {
    size_t blocks, bytes, taken;
};

static struct count counts[STATES];
static char **kept;
static pthread_barrier_t barrier;
static bool is_busy;

static void say(const char *format, ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (write(STDOUT_FILENO, line, (size_t)length) != length)
        _exit(99);
}

static bool add(void *context, const struct pwheap_block *block)
{
    (void)context;
    struct count *count = &counts[(unsigned)block->state % STATES];
    count->blocks++;
    count->bytes += block->size;
    count->taken += block->block_size;
    return true;
}

__attribute__((noinline)) static char *make_block(size_t size)
{
    char *block = malloc(size);
    if (block == NULL)
        _exit(98);
    memset(block, 'm', size);
    return block;
}

static void *run_thread(void *argument)
{
    char *blocks[THREAD_BLOCKS];
    size_t seed = (size_t)(uintptr_t)argument;
    for (size_t i = 0; i < THREAD_BLOCKS; i++)
        blocks[i] = make_block(i * seed % 3000 + 1);
    for (size_t i = 0; i < THREAD_BLOCKS; i += 3) {
        free(blocks[i]);
        blocks[i] = NULL;
    }
    pthread_barrier_wait(&barrier);
    for (size_t i = 0;; i++) {
        if (!is_busy)
            pause();
        free(blocks[i % THREAD_BLOCKS / 3 * 3]);
        blocks[i % THREAD_BLOCKS / 3 * 3] = make_block(i * seed % 9000 + 1);
    }
    return NULL;
}

static void make_blocks(size_t count)
{
    kept = calloc(count, sizeof *kept);
    for (size_t i = 0; i < count; i++)
        kept[i] = make_block(i * 37 % 700 + 1);
    for (size_t i = 0; i < count; i += 4) {
        free(kept[i]);
        kept[i] = NULL;
    }
    kept[0] = make_block(200000);
    free(make_block(300000));
}

static void tell(void)
{
    static const char *const names[STATES] = {"none", "free",        "cached", "pending",
                                              "live", "quarantined", "retired"};
    if (pwheap_walk == NULL) /* neither preloaded nor linked */
        _exit(97);
    pwheap_walk(add, NULL);
    for (size_t i = 1; i <= PWHEAP_STATE_RETIRED; i++)
        say("%s %zu %zu %zu\n", names[i], counts[i].blocks, counts[i].bytes, counts[i].taken);
}

static bool is_asked(int argc, char **argv, const char *word)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], word) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 && atoi(argv[argc - 1]) > 7 ? (size_t)atoi(argv[argc - 1]) : 500;
    pthread_t thread;
    is_busy = is_asked(argc, argv, "busy");
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    for (size_t i = 1; i <= THREADS; i++)
        pthread_create(&thread, NULL, run_thread, (void *)(uintptr_t)(i * 17));
    pthread_barrier_wait(&barrier);
    make_blocks(count);
    char *string = make_block(64), **holder = (char **)(void *)make_block(32);
    strcpy(string, "the needle in the heap");
    holder[0] = string;
    if (is_asked(argc, argv, "damage")) {
        char *volatile overrun = make_block(40), *volatile freed = make_block(333);
        overrun[40] = '!';
        free(freed);
        freed[5] = '?';
    }
    tell();
    say("string %p\nholder %p\nready\n", (void *)string, (void *)holder);
    if (is_asked(argc, argv, "abort"))
        abort();
    if (is_asked(argc, argv, "stop"))
        raise(SIGSTOP);
    volatile unsigned turns = 0; /* a loop without any effect may be left out */
    while (is_asked(argc, argv, "spin"))
        turns++;
    for (;;)
        pause();
}
