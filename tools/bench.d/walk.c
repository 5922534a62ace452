/*
 * walk - how fast pwheap_validate() walks a heap. Linked with -lpwheap.
 *
 *   walk [BLOCKS]          blocks of 8 to 40 bytes, 10 million unless told; every fourth one freed
 *
 * Prints, in processor time: "blocks", "seconds" and "blocks_per_second" for a walk of these;
 * "poison_bytes", "poison_seconds" and "poison_per_second" for what a walk takes more when much freed
 * memory is in quarantine (0 where there is none); and "read_per_second", what one thread reads.
 */
#include "load.h"
#include <pwheap/pwheap.h>

enum { REPEATS = 5 };

/* The best of some walks. */
static double validate_seconds(void)
{
    double best = 1e300;
    for (unsigned i = 0; i < REPEATS; i++) {
        double start = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
        if (pwheap_validate() != 0)
            load_fail("pwheap_validate found damage");
        double seconds = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
        best = seconds < best ? seconds : best;
    }
    return best;
}

static size_t stats_blocks(struct pwheap_statistics *stats)
{
    pwheap_stats(stats);
    return stats->live_blocks + stats->cached_blocks + stats->quarantined_blocks + stats->free_blocks;
}

static void measure_blocks(size_t count)
{
    void **blocks = load_malloc(count * sizeof(void *));
    uint64_t random = 3;
    for (size_t i = 0; i < count; i++)
        blocks[i] = block_new(8 + random_below(&random, 33), i);
    for (size_t i = 0; i < count; i += 4) {
        block_end(blocks[i]);
        blocks[i] = NULL;
    }
    struct pwheap_statistics stats;
    size_t walked = stats_blocks(&stats);
    double seconds = validate_seconds();
    printf("blocks %zu\nseconds %.4f\nblocks_per_second %.0f\n", walked, seconds, (double)walked / seconds);
    for (size_t i = 0; i < count; i++)
        if (blocks[i] != NULL)
            block_end(blocks[i]);
    free(blocks);
}

/* A walk of live blocks, and one with freed ones among them: the difference is the reading of poison. */
static void measure_poison(void)
{
    enum { LIVE = 30000, FREED = LIVE / 4, SIZE = 15000 };
    static void *lasting[LIVE], *freed[FREED];
    for (size_t i = 0; i < LIVE; i++)
        lasting[i] = block_new(SIZE, i);
    struct pwheap_statistics before, after;
    pwheap_stats(&before);
    double live_seconds = validate_seconds();
    for (size_t i = 0; i < FREED; i++)
        freed[i] = block_new(SIZE, i);
    for (size_t i = 0; i < FREED; i++)
        block_end(freed[i]);
    double freed_seconds = validate_seconds();
    pwheap_stats(&after);
    double bytes = after.quarantined_bytes > before.quarantined_bytes
                       ? (double)(after.quarantined_bytes - before.quarantined_bytes)
                       : 0;
    double seconds = freed_seconds > live_seconds ? freed_seconds - live_seconds : 0;
    printf("poison_bytes %.0f\npoison_seconds %.5f\npoison_per_second %.0f\n", bytes, seconds,
           seconds > 0 ? bytes / seconds : 0);
    for (size_t i = 0; i < LIVE; i++)
        block_end(lasting[i]);
}

/* memchr for a byte that isn't there: glibc's vector code, as fast as one thread reads. */
static void measure_reading(void)
{
    size_t size = (size_t)512 << 20;
    unsigned char *bytes = load_malloc(size);
    memset(bytes, 1, size);
    double best = 1e300;
    for (unsigned i = 0; i < REPEATS; i++) {
        double start = clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
        if (memchr(bytes, 2 + (int)i, size) != NULL)
            load_fail("a byte that was never written");
        double seconds = clock_seconds(CLOCK_PROCESS_CPUTIME_ID) - start;
        best = seconds < best ? seconds : best;
    }
    printf("read_per_second %.0f\n", (double)size / best);
    free(bytes);
}

int main(int argc, char **argv)
{
    measure_poison(); /* first: the others leave freed blocks */
    measure_blocks(argc > 1 ? strtoul(argv[1], NULL, 10) : 10000000);
    measure_reading();
    return 0;
}
