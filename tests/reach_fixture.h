/* reach_fixture.h - memory for what the tests of reach.h and roots.h look at, and how it is read. */
#ifndef PW_TESTS_REACH_FIXTURE_H
#define PW_TESTS_REACH_FIXTURE_H

#include "image/reach.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { MOST_TAKEN = 4096, MOST_BLOCKS = 64, ARENA_BYTES = 1 << 20 };
static struct {
    void *address;
    size_t bytes;
} taken[MOST_TAKEN];
static size_t taken_count;

/* Mapped, for most of it is never touched. */
static inline void *take(size_t bytes)
{
    void *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (taken_count == MOST_TAKEN || address == MAP_FAILED)
        return NULL;
    (void)madvise(address, bytes, MADV_NOHUGEPAGE); /* to be zeroed for the one word that is used */
    taken[taken_count].address = address;
    taken[taken_count++].bytes = bytes;
    return address;
}

static inline void give_back(void)
{
    while (taken_count > 0) {
        taken_count--;
        (void)munmap(taken[taken_count].address, taken[taken_count].bytes);
    }
}

static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1DULL;
}

/* The page that can't be read; 0: all can. */
static uint64_t unreadable;

static inline const void *view(void *context, uint64_t address, uint64_t bytes, void *scratch)
{
    (void)context;
    if (unreadable != 0 && address < unreadable + PW_PAGE_BYTES && address + bytes > unreadable)
        return NULL;
    return memcpy(scratch, (const void *)address, bytes);
}

#endif
