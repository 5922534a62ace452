/*
 * mixed - the life times and sizes of a real program, as in alloc-test: few slots are used often and
 * most seldom (a Pareto-like choice), sizes follow powers of two up to 16 KiB with small ones
 * most common, and every block is written whole when it is made and read whole when it goes.
 */
#include "load.h"

enum { SLOTS = 1 << 15, ROUNDS = 12000000, SIZE_MAX_POWER = 14 };

static void *slots[SLOTS];

/* Each power of two below 2^15 as likely as the next: the low slots get almost everything. */
static size_t next_slot(uint64_t *random)
{
    size_t span = (size_t)1 << (1 + random_below(random, 15));
    return random_below(random, span);
}

/* The chance halves from power to power above 32 bytes. */
static size_t next_size(uint64_t *random)
{
    unsigned power = 4 + (unsigned)__builtin_ctzll(random_next(random) >> 8 | 1ULL << 40) % 11;
    if (power >= SIZE_MAX_POWER)
        power = SIZE_MAX_POWER - 1;
    size_t base = (size_t)1 << power;
    return base + random_below(random, base);
}

static uint64_t block_sum(const void *block, size_t size)
{
    uint64_t sum = 0;
    for (size_t offset = 8; offset + 8 <= size; offset += 8) {
        uint64_t word;
        memcpy(&word, (const char *)block + offset, sizeof(word));
        sum += word;
    }
    return sum;
}

int main(void)
{
    uint64_t random = 31, result = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        void **slot = &slots[next_slot(&random)];
        if (*slot != NULL) {
            size_t size = block_check(*slot);
            result += block_sum(*slot, size) ^ size;
            free(*slot);
            *slot = NULL;
        } else {
            size_t size = next_size(&random);
            *slot = load_malloc(size);
            memset(*slot, (int)(round & 0x7f), size);
            block_stamp(*slot, size, round);
        }
    }
    for (unsigned i = 0; i < SLOTS; i++)
        if (slots[i] != NULL)
            result += block_end(slots[i]);
    return load_done("mixed", result);
}
