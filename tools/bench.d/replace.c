/*
 * replace - 100,000 live blocks of 16 to 2,048 bytes; a random one is freed and another size
 * allocated in its place, over and over. No locality: what an allocator touches beside the block
 * itself, it touches cold.
 */
#include "load.h"

enum { LIVE = 100000, ROUNDS = 2000000, SIZE_LOW = 16, SIZE_HIGH = 2048 };

static void *blocks[LIVE];

int main(void)
{
    uint64_t random = 5, bytes = 0;
    for (unsigned i = 0; i < LIVE; i++)
        blocks[i] = block_new(random_log_size(&random, SIZE_LOW, SIZE_HIGH), i);
    for (unsigned round = 0; round < ROUNDS; round++) {
        void **slot = &blocks[random_below(&random, LIVE)];
        bytes += block_end(*slot);
        *slot = block_new(random_log_size(&random, SIZE_LOW, SIZE_HIGH), round);
    }
    for (unsigned i = 0; i < LIVE; i++)
        bytes += block_end(blocks[i]);
    return load_done("replace", bytes);
}
