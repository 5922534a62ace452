/* after_free.c - uses of blocks that were freed. */
#include "bugs.h"

#include <malloc.h>

/* A block of its own size, freed. */
static char *freed(size_t size)
{
    kept[0] = malloc(size); // BEFORE
    char *block = malloc(size); // ALLOC
    kept[1] = malloc(size); // AFTER
    fill(block, size);
    free(block); // FREE
    return block;
}

/* The write may be right: then it goes to a block that is not freed. */
static char *freed_or_not(size_t size, bool wrong)
{
    char *block = freed(size);
    return wrong ? block : (kept[2] = malloc(size));
}

BUG(written_then_used_again)
{
    char *block = freed_or_not(200, wrong);
    block[8] = 'X';
    for (int i = 0; i < 1000; i++)
        free(malloc(200)); // HERE
    _Exit(0);
}

BUG(written_then_leaves_quarantine)
{
    char *block = freed_or_not(200, wrong);
    block[8] = 'X';
    for (int i = 0; i < 30000; i++)
        free(malloc(1000)); // HERE
    _Exit(0);
}

BUG(written_then_exit)
{
    char *block = freed_or_not(200, wrong);
    memcpy(block + 16, "Hello", 6);
    exit(0);
}

BUG(written_far_then_exit)
{
    char *block = freed_or_not(200, wrong);
    block[150] = 'X';
    exit(0);
}

BUG(written_at_its_end_then_exit)
{
    char *block = freed_or_not(200, wrong);
    block[199] = 'X';
    exit(0);
}

BUG(written_to_mapped_then_exit)
{
    char *block = freed_or_not(20000, wrong);
    block[8] = 'X';
    exit(0);
}

BUG(written_far_to_mapped_then_exit)
{
    char *block = freed_or_not(20000, wrong);
    block[15000] = 'X';
    exit(0);
}

BUG(written_to_mapped_then_used_again)
{
    char *block = freed_or_not(20000, wrong);
    block[8] = 'X';
    for (int i = 0; i < 100; i++)
        free(malloc(20000)); // HERE
    _Exit(0);
}

BUG(written_to_mapped_then_leaves_quarantine)
{
    char *block = freed_or_not(20000, wrong);
    block[15000] = 'X';
    for (int i = 0; i < 500; i++)
        free(malloc(9000)); // HERE
    _Exit(0);
}

BUG(written_to_large)
{
    char *block = freed_or_not(1000000, wrong);
    block[500000] = 'X'; // HERE
    _Exit(0);
}

BUG(read_of_large)
{
    char *block = freed_or_not(1000000, wrong);
    (void)*(volatile char *)(block + 500000); // HERE
    _Exit(0);
}

BUG(written_after_many_others)
{
    char *block = freed_or_not(200, wrong);
    churn(100000, 40);
    block[8] = 'X';
    exit(0);
}

/* Nobody's but the heap's, in a span that is about to lose its size and memory. */
BUG(written_then_its_span_is_empty)
{
    char *block = freed_or_not(200, wrong);
    free(kept[0]);
    malloc_trim(0);
    block[8] = 'X';
    free(kept[1]);
    malloc_trim(0);
    exit(0);
}

/* Its span has no size then, and gets another. */
BUG(written_between_two_sizes)
{
    enum { SMALL = 30000, LARGE = 3000 };
    static char *blocks[SMALL];
    for (int i = 0; i < SMALL; i++)
        blocks[i] = malloc(200);
    for (int i = 0; i < SMALL; i++)
        free(blocks[i]);
    if (wrong)
        memcpy(blocks[SMALL / 2], "Hello", 6);
    for (int i = 0; i < LARGE; i++)
        blocks[i] = malloc(3000); // HERE
    _Exit(0);
}

BUG(patrol_finds_freed)
{
    char *block = freed_or_not(200, wrong);
    block[8] = 'X';
    for (int i = 0; i < 3000; i++)
        free(malloc(40)); // HERE
    _Exit(0);
}

/* What is read of a freed block is poison: nobody can tell that it was read. */
BUG(read_only)
{
    char *block = freed_or_not(200, wrong);
    volatile char seen = block[100];
    (void)seen;
    churn(1000, 200);
}

BUG(freed_by_another_thread)
{
    pthread_t thread;
    char *block = malloc(200); // ALLOC
    pthread_create(&thread, NULL, (void *(*)(void *))free, block);
    pthread_join(thread, NULL);
    if (wrong)
        block[8] = 'X';
    exit(0);
}

BUG(copied_out_of_moved)
{
    char to[4], *block = fill(malloc(100), 100); // ALLOC
    char *moved = realloc(block, 1 << 20); // MOVE
    memcpy(to, wrong ? block : moved, sizeof to); // HERE
    free(moved);
}

/* Blocks all around are freed, and so few are in use that the pages between them are given back. */
static char *freed_with_its_page(bool wrong)
{
    enum { COUNT = 3000, KEPT = 100 };
    static char *blocks[COUNT];
    for (int i = 0; i < COUNT; i++)
        blocks[i] = fill(malloc(200), 200); // ALLOC
    for (int i = 0; i < COUNT; i++)
        if (i % KEPT != 0)
            free(blocks[i]); // FREE
    malloc_trim(0);
    return wrong ? blocks[15 * KEPT + KEPT / 2] : blocks[15 * KEPT];
}

BUG(written_to_page_given_back)
{
    char *block = freed_with_its_page(wrong);
    block[8] = 'X'; // HERE
    exit(0);
}

BUG(read_of_page_given_back)
{
    char *block = freed_with_its_page(wrong);
    (void)*(volatile short *)(block + 100); // HERE
    exit(0);
}

BUG(copied_from_page_given_back)
{
    char to[4], *block = freed_with_its_page(wrong);
    memcpy(to, block + 4, sizeof to); // HERE
    exit(0);
}

BUG(page_given_back_is_used_again)
{
    char *block = freed_with_its_page(false);
    for (int i = 0; i < 20000; i++)
        fill(malloc(200), 200);
    if (wrong)
        free(block + 8); // HERE
    exit(0);
}
