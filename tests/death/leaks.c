/* leaks.c - blocks that are lost. The right twin frees them, or keeps them. */
#include "bugs.h"

size_t pwheap_leak_check(void) __attribute__((weak));
_Bool pwheap_ignore(const void *pointer) __attribute__((weak));

static void scrub(void)
{
    volatile char over[16384];
    for (size_t i = 0; i < sizeof over; i++)
        over[i] = 0;
}

/* Without a frame that keeps it. */
static __attribute__((noinline)) void lose_three(bool wrong)
{
    for (int i = 0; i < 3; i++) {
        void *block = malloc(100); // ALLOC
        if (!wrong)
            free(block);
    }
}

BUG(forgotten)
{
    lose_three(wrong);
    scrub();
}

static __attribute__((noinline)) void lose_tail(bool wrong)
{
    void **head = malloc(200); // ALLOC HEAD
    void **tail = malloc(300); // ALLOC TAIL
    tail[0] = malloc(30); // ALLOC LEAF
    head[0] = wrong ? NULL : tail;
    kept[0] = head;
}

BUG(lost_tail)
{
    lose_tail(wrong);
    scrub();
}

static __attribute__((noinline)) void lose_ring(bool wrong)
{
    void **one = malloc(40); // ALLOC ONE
    void **two = malloc(40); // ALLOC ONE
    one[0] = two;
    two[0] = one;
    kept[0] = wrong ? NULL : one;
}

BUG(lost_ring)
{
    lose_ring(wrong);
    scrub();
}

/* Asked for while it runs; what is told does not end it. */
BUG(asked)
{
    lose_three(wrong);
    scrub();
    for (size_t left = pwheap_leak_check(); left > 0 && left < 4; left = 4)
        kept[1] = malloc(1);
}

static __attribute__((noinline)) void overwrite(bool wrong)
{
    kept[2] = malloc(50); // ALLOC
    if (!wrong)
        free(kept[2]);
    kept[2] = malloc(50);
}

BUG(overwritten_pointer)
{
    overwrite(wrong);
    scrub();
}

static __attribute__((noinline)) void lose_copy(bool wrong)
{
    char *copy = strdup("what strdup allocates"); // ALLOC
    if (!wrong)
        free(copy);
}

BUG(forgotten_copy)
{
    lose_copy(wrong);
    scrub();
}
