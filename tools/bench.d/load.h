/*
 * load.h - what every load of the benchmark shares: a seeded random source, stamped blocks, one way
 * to fail and one to end.
 *
 * A load does a fixed amount of work, the same on every allocator and in every run; prints one line
 * that depends on the work and not on addresses, time or the order of threads (the driver compares
 * it with glibc's); and exits 1 when a block did not keep what was written into it.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGE_BYTES ((size_t)4096)

/* xorshift64*: good enough to choose sizes and slots, and cheaper than any malloc. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545F4914F6CDD1DULL;
}

/* 0 .. limit - 1, for limits below 2^32. */
static inline size_t random_below(uint64_t *state, size_t limit)
{
    return (size_t)(((random_next(state) >> 32) * (uint64_t)limit) >> 32);
}

/* low .. high, small values more likely: the same weight for each power of two. */
static inline size_t random_log_size(uint64_t *state, size_t low, size_t high)
{
    unsigned powers = 0;
    while (low << (powers + 1) <= high)
        powers++;
    size_t base = low << random_below(state, powers + 1);
    size_t size = base + random_below(state, base);
    return size < high ? size : high;
}

__attribute__((noreturn, cold)) static inline void load_fail(const char *why)
{
    fprintf(stderr, "benchmark load: %s\n", why);
    exit(1);
}

static inline void *load_malloc(size_t size)
{
    void *block = malloc(size);
    if (block == NULL)
        load_fail("malloc returned NULL");
    return block;
}

/*
 * A block that knows its size and its number: the first 8 bytes hold both (blocks of 8 bytes and
 * more), the last byte holds the number's low byte. `seed` must fit 32 bits.
 */
static inline void block_stamp(void *block, size_t size, uint64_t seed)
{
    uint64_t word = (uint64_t)size << 32 | (uint32_t)seed;
    memcpy(block, &word, sizeof(word));
    if (size > sizeof(word))
        ((volatile unsigned char *)block)[size - 1] = (unsigned char)seed;
}

/* Check the stamp; returns the block's size. */
static inline size_t block_check(const void *block)
{
    uint64_t word;
    memcpy(&word, block, sizeof(word));
    size_t size = (size_t)(word >> 32);
    if (size < sizeof(word) ||
        (size > sizeof(word) && ((const volatile unsigned char *)block)[size - 1] != (unsigned char)word))
        load_fail("a block lost its contents");
    return size;
}

static inline void *block_new(size_t size, uint64_t seed)
{
    void *block = load_malloc(size);
    block_stamp(block, size, seed);
    return block;
}

/* Check and free; returns the block's size. */
static inline size_t block_end(void *block)
{
    size_t size = block_check(block);
    free(block);
    return size;
}

static inline void thread_start(pthread_t *thread, void *(*run)(void *), void *argument)
{
    if (pthread_create(thread, NULL, run, argument) != 0)
        load_fail("pthread_create failed");
}

static inline double clock_seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* The line that ends a load. */
static inline int load_done(const char *name, uint64_t result)
{
    printf("%s %016llx\n", name, (unsigned long long)result);
    return 0;
}

#endif
