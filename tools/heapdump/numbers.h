/*
 * numbers.h - number keys as they come: 0, 1, 2 … The number is the index of an array that the caller has; so
 * that is dense, in the order of arrival, and may be sorted, while this is the only hash table.
 */
#ifndef PW_HEAPDUMP_NUMBERS_H
#define PW_HEAPDUMP_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

/* All zero: empty. */
struct numbers {
    struct number *slots; /* open addressing */
    size_t capacity;      /* a power of two */
    uint32_t count;
};

/* The number of `key`, which gets the next one, `count`, if it has none. */
uint32_t numbers_take(struct numbers *numbers, uint64_t key);
void numbers_free(struct numbers *numbers);

/*
 * A key for bytes: equal for equal ones, and different for different ones but by a chance of 1 in 2^64. `before` is
 * that of what comes before them; HASH_NOTHING: nothing does. (FNV-1a.)
 */
#define HASH_NOTHING 0xCBF29CE484222325u
uint64_t hash_bytes(uint64_t before, const void *data, size_t bytes);

#endif
