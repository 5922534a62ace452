/*
 * zeroed - calloc: small blocks in masses, buffers of some pages, and now and then a big one of
 * which little is used. All must be zero, and is written before it goes back.
 */
#include "load.h"

enum { SLOTS = 4000, ROUNDS = 4000000 };

static unsigned char *slots[SLOTS];

static size_t next_size(uint64_t *random, unsigned round)
{
    if (round % 4096 == 0)
        return ((size_t)256 << 10) + random_below(random, (size_t)1 << 20);
    if (round % 64 == 0)
        return PAGE_BYTES + random_below(random, 4 * PAGE_BYTES);
    return random_log_size(random, 16, 1024);
}

/* Every byte of a small block, one in each page of a big one. */
static void zero_check(const unsigned char *block, size_t size)
{
    size_t step = size > 8 * PAGE_BYTES ? PAGE_BYTES : 16;
    unsigned char bits = block[size - 1];
    for (size_t i = 0; i < size; i += step)
        bits |= block[i];
    if (bits != 0)
        load_fail("calloc's block is not zero");
}

int main(void)
{
    uint64_t random = 8, bytes = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t slot = random_below(&random, SLOTS);
        size_t size = next_size(&random, round);
        if (slots[slot] != NULL)
            bytes += block_end(slots[slot]);
        slots[slot] = calloc(1, size);
        if (slots[slot] == NULL)
            load_fail("calloc returned NULL");
        zero_check(slots[slot], size);
        if (size <= 4 * PAGE_BYTES)
            memset(slots[slot], 0x5a, size);
        block_stamp(slots[slot], size, round);
    }
    for (unsigned i = 0; i < SLOTS; i++)
        if (slots[i] != NULL)
            bytes += block_end(slots[i]);
    return load_done("zeroed", bytes);
}
