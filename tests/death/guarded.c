/* guarded.c - accesses that run into a guard page: found at the instruction that makes them. */
#include "bugs.h"

static volatile char sink;

static char *text_of(size_t size)
{
    char *block = malloc(size); // ALLOC
    memset(block, 'a', size);
    return block;
}

BUG(read_past_the_end)
{
    char *block = text_of(32);
    for (size_t i = 0; i < 32 + (size_t)wrong; i++)
        sink = block[i]; // HERE
}

BUG(written_far_behind)
{
    char *block = text_of(32);
    block[wrong ? 32 + 100000 : 0] = 'X'; // HERE
}

BUG(written_past_the_end)
{
    int *block = (int *)text_of(48);
    for (int i = 0; i < 12 + wrong; i++)
        ((volatile int *)block)[i] = i; // HERE
}

BUG(read_past_an_odd_end)
{
    char *block = text_of(21);
    sink = block[20 + wrong]; // HERE
}

BUG(written_into_the_slack)
{
    char *block = text_of(21);
    block[20 + wrong] = 'X';
    free(block); // HERE
}

BUG(written_before_right_aligned)
{
    char *block = text_of(32);
    block[-(ptrdiff_t)wrong] = 'X';
    free(block); // HERE
}

BUG(read_before_the_start)
{
    char *block = text_of(32);
    sink = block[-(ptrdiff_t)wrong]; // HERE
}

BUG(read_before_the_first_and_others)
{
    (void)text_of(32);
    char *block = text_of(32);
    sink = block[-4 * (ptrdiff_t)wrong]; // HERE
}

BUG(written_behind_left_aligned)
{
    char *block = text_of(32);
    block[31 + wrong] = 'X';
    free(block); // HERE
}

BUG(read_after_its_free)
{
    char *block = text_of(40);
    if (wrong)
        free(block); // FREE
    sink = block[3]; // HERE
}

BUG(written_long_after_its_free)
{
    char *block = text_of(40);
    if (wrong)
        free(block); // FREE
    for (int i = 0; i < 100000; i++)
        free(malloc(40));
    *(volatile int *)(block + 8) = 1; // HERE
}

BUG(read_after_its_size)
{
    volatile char *block = malloc(wrong ? 0 : 1); // ALLOC
    sink = block[0]; // HERE
}

BUG(read_past_two_pages)
{
    char *block = text_of(8000);
    sink = block[7999 + wrong]; // HERE
}

BUG(freed_twice_guarded)
{
    char *block = text_of(40);
    free(block); // FREE
    if (wrong)
        free(block); // HERE
}

BUG(freed_before_its_start)
{
    char *block = text_of(40);
    free(block - 16 * wrong); // HERE
}

BUG(written_after_realloc_moved_it)
{
    char *block = text_of(40);
    char *moved = realloc(block, 4000); // FREE
    char *used = wrong ? block : moved;
    *(volatile char *)(used + 1) = 'X'; // HERE
}
