/*
 * phases.c - a program that works with blocks of one size, then of another, and so on: what it is done with
 * must not hold memory. Freed in random order, a few at the end of each phase still in the caches.
 */
#include "common.h"

#include <sys/resource.h>

enum { PHASES = 14, PHASE_BYTES = 8 << 20, MOST_BLOCKS = PHASE_BYTES / 96 };

static void *blocks[MOST_BLOCKS];

static uint64_t state = 7;

static void phase(size_t size)
{
    size_t count = PHASE_BYTES / size;
    for (size_t i = 0; i < count; i++) {
        blocks[i] = malloc(size);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], 1, size);
    }
    for (size_t i = count; i > 0; i--) {
        size_t which = next_random(&state) % i;
        free(blocks[which]);
        blocks[which] = blocks[i - 1];
    }
}

static void peak(void)
{
    struct rusage usage;
    for (size_t i = 0; i < PHASES; i++)
        phase(96 + i * 144);
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    const char *level = getenv("PWHEAP_CHECK");
    if (level != NULL && strncmp(level, "guard", 5) == 0)
        usage.ru_maxrss = 0; /* a page for each block, within a budget of its own */
    if (usage.ru_maxrss > PHASE_BYTES * 8 >> 10)
        (void)fprintf(stderr, "%ld KiB at most\n", usage.ru_maxrss);
    CHECK(usage.ru_maxrss <= PHASE_BYTES * 8 >> 10);
    (void)printf("it took no more than eight times a phase\n");
}

int main(int argc, char **argv)
{
    static const struct mode modes[] = {{"peak", peak}};
    return RUN_MODE(argc, argv, modes);
}
