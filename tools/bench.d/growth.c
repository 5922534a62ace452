/*
 * growth - what a malloc, a free, the walk and the memory of one block cost beside N others.
 *
 *   growth N      N live blocks of 16 to 64 bytes, freed in the order they were made
 *
 * Prints one line: N, nanoseconds of processor time for a malloc and for a free, nanoseconds a block for
 * pwheap_validate() of them (0 where there is none), and bytes of memory a block beyond what was asked for.
 */
#include "load.h"

#include <unistd.h>

/* Of pwheap, if that is preloaded. */
extern size_t pwheap_validate(void) __attribute__((weak));

enum { LEAST_BLOCKS = 2000000 };

/* Blocks are linked through their first word, so that no table of them is needed. */
struct node {
    struct node *next;
};

static size_t size_of(size_t number)
{
    return 16 + number * 16 % 64;
}

static double resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*u %lu", &pages) != 1)
        load_fail("no /proc/self/statm");
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static struct node *make_all(size_t count)
{
    struct node *first = NULL, **last = &first;
    for (size_t i = 0; i < count; i++) {
        *last = load_malloc(size_of(i));
        last = &(*last)->next;
    }
    *last = NULL;
    return first;
}

static void free_all(struct node *node)
{
    while (node != NULL) {
        struct node *next = node->next;
        free(node);
        node = next;
    }
}

static double now(void)
{
    return clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

/* Of one, so often that the clock's steps don't count. */
static double walk_seconds(void)
{
    double start = now();
    unsigned walks = 0;
    if (pwheap_validate == NULL)
        return 0;
    for (; walks == 0 || now() - start < 0.2; walks++)
        if (pwheap_validate() != 0)
            load_fail("pwheap_validate found damage");
    return (now() - start) / walks;
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0, asked = 0;
    if (count == 0)
        load_fail("growth N");
    size_t rounds = count < LEAST_BLOCKS ? LEAST_BLOCKS / count : 1;
    double before = resident_bytes(), memory = 0, making = 0, freeing = 0, walking = 0;
    for (size_t i = 0; i < 4; i++)
        asked += size_of(i);
    for (size_t round = 0; round < rounds; round++) {
        double start = now();
        struct node *first = make_all(count);
        making += now() - start;
        if (round == 0) {
            memory = resident_bytes() - before;
            walking = walk_seconds();
        }
        start = now();
        free_all(first);
        freeing += now() - start;
    }
    double blocks = (double)count, made = blocks * (double)rounds;
    printf("%zu %.2f %.2f %.2f %.2f\n", count, making / made * 1e9, freeing / made * 1e9, walking / blocks * 1e9,
           memory / blocks - (double)asked / 4);
    return 0;
}
