/* underflow.c - writes before the start of a block. */
#include "bugs.h"

static char *between(size_t size)
{
    kept[0] = malloc(size); // BEFORE
    char *block = malloc(size); // ALLOC
    kept[1] = malloc(size); // AFTER
    return fill(block, size);
}

BUG(byte_before)
{
    char *block = between(200);
    block[wrong ? -1 : 0] = 'X';
    free(block); // HERE
}

BUG(four_bytes_before)
{
    int *block = (int *)between(200);
    block[wrong ? -1 : 0] = 77;
    free(block); // HERE
}

BUG(before_found_by_neighbour)
{
    char *block = between(200);
    kept[2] = block;
    block[wrong ? -1 : 0] = 'X';
    free(kept[0]); // HERE
}

/* Who is given the block before gets a new zone in the place of the damaged one. */
BUG(before_found_when_it_is_used_again)
{
    char *block = between(200);
    free(kept[0]); // FREE
    block[wrong ? -1 : 0] = 'X';
    for (int i = 0; i < 1000; i++)
        kept[3] = malloc(200); // HERE
    free(block); // LATER
}

BUG(before_found_at_exit)
{
    char *block = between(200);
    kept[2] = block;
    block[wrong ? -1 : 0] = 'X';
    exit(0);
}

/* The block before was damaged earlier, and is out of service: what lies before ours is zone all the same. */
BUG(before_behind_retired)
{
    char *block = between(200), *before = kept[0];
    before[wrong ? 200 : 199] = 'X';
    free(before); // FIRST
    block[wrong ? -1 : 0] = 'X';
    free(block); // HERE
}

/* A new region begins when the first is used up: what lies before its first block is nobody's tail. */
BUG(before_first_of_region)
{
    enum { SLOT_SHIFT = 25, BYTES = 12000 };
    char *first = malloc(BYTES), *block = first;
    for (int i = 0; i < 5000 && (uintptr_t)block >> SLOT_SHIFT == (uintptr_t)first >> SLOT_SHIFT; i++)
        block = malloc(BYTES); // ALLOC
    block[wrong ? -1 : 0] = 'X';
    free(block); // HERE
}

/* What lies before the first block of a span of small blocks is nobody's tail either. */
BUG(before_first_of_span)
{
    char *block = malloc(1000);
    for (int i = 0; i < 5000 && (uintptr_t)block % 65536 > 64; i++)
        block = malloc(1000); // ALLOC
    block[wrong ? -1 : 0] = 'X';
    free(block); // HERE
}

BUG(before_mapped)
{
    char *block = malloc(50000); // ALLOC
    block[wrong ? -1 : 0] = 'X'; // HERE
    free(block); // LATER
}

BUG(before_mapped_beside_another)
{
    char *first = malloc(50000), *second = malloc(50000); // ALLOC
    char *block = first > second ? first : second;
    block[wrong ? -1 : 0] = 'X'; // HERE
    exit(0); // LATER
}
