/*
 * sh6 - batches of mostly small blocks, freed batch by batch, some in the order of allocation, some
 * in reverse, some every other one first; a few old batches stay. The sizes are weighted as in the
 * classic SmartHeap benchmark: half at most 64 bytes, few near 1,000.
 */
#include "load.h"

enum { ROUNDS = 15000, BATCH = 1000, KEPT = 12 };

static void *batches[KEPT][BATCH];

static size_t next_size(uint64_t *random)
{
    static const unsigned short limits[] = {16, 32, 48, 64, 96, 128, 256, 1000};
    size_t limit = limits[random_below(random, sizeof(limits) / sizeof(limits[0]))];
    return 8 + random_below(random, limit - 7);
}

static uint64_t batch_free(void **batch, unsigned how)
{
    uint64_t bytes = 0;
    switch (how % 3) {
    case 0:
        for (unsigned i = 0; i < BATCH; i++)
            bytes += block_end(batch[i]);
        break;
    case 1:
        for (unsigned i = BATCH; i-- > 0;)
            bytes += block_end(batch[i]);
        break;
    default:
        for (unsigned start = 0; start < 2; start++)
            for (unsigned i = start; i < BATCH; i += 2)
                bytes += block_end(batch[i]);
    }
    return bytes;
}

int main(void)
{
    uint64_t random = 66, bytes = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        void **batch = batches[random_below(&random, KEPT)];
        if (batch[0] != NULL)
            bytes += batch_free(batch, round);
        for (unsigned i = 0; i < BATCH; i++)
            batch[i] = block_new(next_size(&random), i);
    }
    for (unsigned i = 0; i < KEPT; i++)
        if (batches[i][0] != NULL)
            bytes += batch_free(batches[i], i);
    return load_done("sh6", bytes);
}
