/* numbers.c - see numbers.h */
#include "numbers.h"

#include "bytes.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 };

struct number {
    uint64_t key;
    uint32_t number; /* + 1; 0: free */
};

/* Where the key is, or would be. */
static struct number *slot_of(const struct numbers *numbers, uint64_t key)
{
    /* Of the product the high bits hang on all of the key; keys may differ in their high bits alone. */
    uint64_t product = key * 0x9E3779B97F4A7C15u;
    size_t mask = numbers->capacity - 1, at = (size_t)(product ^ product >> 32) & mask;
    while (numbers->slots[at].number != 0 && numbers->slots[at].key != key)
        at = (at + 1) & mask;
    return &numbers->slots[at];
}

static void grow(struct numbers *numbers)
{
    struct numbers old = *numbers;
    numbers->capacity = old.capacity == 0 ? FIRST_CAPACITY : old.capacity * 2;
    numbers->slots = heapdump_grow(NULL, numbers->capacity, sizeof *numbers->slots);
    memset(numbers->slots, 0, numbers->capacity * sizeof *numbers->slots);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].number != 0)
            *slot_of(numbers, old.slots[i].key) = old.slots[i];
    free(old.slots);
}

uint32_t numbers_take(struct numbers *numbers, uint64_t key)
{
    if (numbers->count >= numbers->capacity / 2)
        grow(numbers);
    struct number *slot = slot_of(numbers, key);
    if (slot->number == 0)
        *slot = (struct number){key, ++numbers->count};
    return slot->number - 1;
}

void numbers_free(struct numbers *numbers)
{
    free(numbers->slots);
    *numbers = (struct numbers){0};
}

uint64_t hash_bytes(uint64_t before, const void *data, size_t bytes)
{
    const uint8_t *byte = data;
    for (size_t i = 0; i < bytes; i++)
        before = (before ^ byte[i]) * 0x100000001B3u;
    return before;
}
