/*
 * random.h - splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
 * For keys, seeds and sampling; not cryptographic.
 */
#ifndef PW_BASE_RANDOM_H
#define PW_BASE_RANDOM_H

#include "base/base.h"

/* The next of the sequence whose state is at `state`; any state is a good one. */
PW_INLINE uint64_t pw_random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

#endif
