/*
 * big - churn of big blocks: 48 slots, each time a random one gets a new block of 16 KiB to 4 MiB.
 * The first and last bytes of every block are written, and every page of each sixteenth one.
 */
#include "load.h"

enum { SLOTS = 48, ROUNDS = 90000, TOUCH_EVERY = 16 };
#define SIZE_LOW ((size_t)16 << 10)
#define SIZE_HIGH ((size_t)4 << 20)

static void *slots[SLOTS];

static void touch_pages(unsigned char *block, size_t size, unsigned char value)
{
    for (size_t offset = PAGE_BYTES; offset < size; offset += PAGE_BYTES)
        ((volatile unsigned char *)block)[offset - 1] = value;
}

int main(void)
{
    uint64_t random = 99, bytes = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        void **slot = &slots[random_below(&random, SLOTS)];
        if (*slot != NULL)
            bytes += block_end(*slot);
        size_t size = random_log_size(&random, SIZE_LOW, SIZE_HIGH);
        *slot = load_malloc(size);
        if (round % TOUCH_EVERY == 0)
            touch_pages(*slot, size, (unsigned char)round);
        block_stamp(*slot, size, round);
    }
    for (unsigned i = 0; i < SLOTS; i++)
        if (slots[i] != NULL)
            bytes += block_end(slots[i]);
    return load_done("big", bytes);
}
