/*
 * pairs - nanoseconds of processor time for malloc and free of one block in a loop, for each size
 * given as an argument. One line a size: "BYTES NANOSECONDS", the best of some slices.
 */
#include "load.h"

enum { SLICES = 7 };
static const double slice_seconds = 0.02;

/* The first and the last byte are written, so that a page that isn't there costs what it costs. */
static void pair_loop(size_t size, unsigned long count)
{
    for (unsigned long i = 0; i < count; i++) {
        volatile unsigned char *block = load_malloc(size);
        block[0] = (unsigned char)i;
        block[size - 1] = (unsigned char)i;
        free((void *)block);
    }
}

static double pair_seconds(size_t size, unsigned long count)
{
    double start = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
    pair_loop(size, count);
    return clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
}

/*
 * As many pairs as take a slice, but at least one: valgrind and its like take a while for each. Twice in a row, for a
 * machine that is busy takes time off at any moment.
 */
static unsigned long pair_count(size_t size)
{
    unsigned long count = 1;
    while (pair_seconds(size, count) < slice_seconds || pair_seconds(size, count) < slice_seconds)
        count *= 2;
    return count;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        size_t size = strtoul(argv[i], NULL, 10);
        unsigned long count = pair_count(size);
        double best = pair_seconds(size, count);
        for (unsigned slice = 1; slice < SLICES; slice++) {
            double seconds = pair_seconds(size, count);
            best = seconds < best ? seconds : best;
        }
        printf("%zu %.2f\n", size, best / (double)count * 1e9);
    }
    return 0;
}
