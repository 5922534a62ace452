/* sizes.c - sizes and alignments that can't be. The right twin asks for what can. */
#include "bugs.h"

#include <errno.h>
#include <malloc.h>
#include <unistd.h>

/* When nothing is reported, the answer is NULL and errno as glibc has it. */
static void expect(void *block, bool wrong, int number)
{
    static const char words[] = "another answer than glibc's\n";
    if (wrong ? block != NULL || errno != number : block == NULL)
        (void)write(STDERR_FILENO, words, sizeof words - 1);
    free(block);
}

BUG(calloc_overflow)
{
    expect(calloc(wrong ? SIZE_MAX / 4 : 4, 8), wrong, ENOMEM); // HERE
}

BUG(malloc_too_big)
{
    expect(malloc(wrong ? (size_t)-8 : 8), wrong, ENOMEM); // HERE
}

BUG(realloc_too_big)
{
    void *block = malloc(20); // ALLOC
    void *moved = realloc(block, wrong ? (size_t)PTRDIFF_MAX + 1 : 30); // HERE
    expect(moved, wrong, ENOMEM);
    if (wrong)
        free(block);
}

BUG(over_the_limit)
{
    expect(malloc(wrong ? 3 << 20 : 1 << 20), wrong, ENOMEM); // HERE
}

BUG(odd_alignment)
{
    void *block = NULL;
    errno = posix_memalign(&block, wrong ? 24 : 32, 100); // HERE
    expect(block, wrong, EINVAL);
}

BUG(huge_alignment)
{
    expect(memalign(wrong ? SIZE_MAX / 2 + 2 : 4096, 100), wrong, EINVAL); // HERE
}
