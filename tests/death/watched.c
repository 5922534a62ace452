/* watched.c - damage whose store is seen by a hardware breakpoint (option watch). */
#include "bugs.h"

static char *tenth(void)
{
    for (int i = 1; i < 10; i++)
        kept[i] = malloc(40);
    return malloc(40); // ALLOC
}

static void store(char *byte)
{
    *byte = 'X'; // HERE
}

BUG(watched_overflow)
{
    char *block = tenth();
    store(block + 39 + wrong);
    free(block); // FREE
}

BUG(watched_underflow)
{
    char *block = tenth();
    store(block - wrong);
    free(block); // FREE
}

BUG(watched_use_after_free)
{
    char *block = tenth();
    if (!wrong)
        store(block + 5);
    free(block); // FREE
    if (wrong)
        store(block + 5);
}

static void *store_there(void *byte)
{
    free(malloc(1));
    store(byte);
    return NULL;
}

BUG(watched_in_another_thread)
{
    pthread_t thread;
    char *block = tenth();
    pthread_create(&thread, NULL, store_there, block + 39 + wrong);
    pthread_join(thread, NULL);
    free(block);
}

BUG(watched_block_never_comes)
{
    char *block = tenth();
    block[39 + wrong] = 'X';
    free(block); // HERE
}

BUG(watched_odd_size)
{
    char *block = malloc(41); // ALLOC
    store(block + 40 + wrong);
    free(block);
}

BUG(watched_mapped)
{
    char *block = malloc(50001); // ALLOC
    store(block + 50000 + wrong);
    free(block);
}

static char *in_class(void) __asm__("_ZN4shop8in_classEi");
static char *in_class(void)
{
    return malloc(24); // ALLOC
}

BUG(watched_method)
{
    char *first = in_class(), *second = in_class();
    store(second - wrong);
    free(first);
    free(second);
}
