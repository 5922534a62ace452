/*
 * bitmap.h - bits in 64-bit words, and a two-level bitmap that finds the set bit at or before an
 * index in a bounded number of steps.
 *
 * Bit i is bit i % 64 of words[i / 64]. In the two-level form bit w of `summary` is set exactly
 * when words[w] != 0.
 */
#ifndef PW_BASE_BITMAP_H
#define PW_BASE_BITMAP_H

#include "base/base.h"

#define PW_BITMAP_NONE SIZE_MAX
#define PW_BITMAP_WORDS(bits) (((bits) + 63) / 64)

PW_INLINE void pw_bit_set(uint64_t *words, size_t index)
{
    words[index / 64] |= (uint64_t)1 << (index % 64);
}

PW_INLINE void pw_bit_clear(uint64_t *words, size_t index)
{
    words[index / 64] &= ~((uint64_t)1 << (index % 64));
}

PW_INLINE bool pw_bit_test(const uint64_t *words, size_t index)
{
    return (words[index / 64] >> (index % 64)) & 1;
}

/*
 * How many are set. Without what each child of fork would touch a page for: the compiler's builtin is a call into its library
 * where the processor may lack the instruction, and several words at once take constants from memory.
 */
PW_INLINE uint32_t pw_bits_count(uint64_t word)
{
    __asm__("" : "+r"(word));
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    return (uint32_t)(((word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu) * 0x0101010101010101u >> 56);
}

/* The first bit at or after `from` and below `bits` that is set once the words are flipped by `flip`, or PW_BITMAP_NONE. */
PW_INLINE size_t pw_bit_next_flipped(const uint64_t *words, size_t bits, size_t from, uint64_t flip)
{
    if (from >= bits)
        return PW_BITMAP_NONE;
    size_t word = from / 64;
    uint64_t rest = (words[word] ^ flip) & (~(uint64_t)0 << (from % 64));
    while (rest == 0) {
        if (++word >= PW_BITMAP_WORDS(bits))
            return PW_BITMAP_NONE;
        rest = words[word] ^ flip;
    }
    size_t found = word * 64 + (size_t)__builtin_ctzll(rest);
    return found < bits ? found : PW_BITMAP_NONE;
}

/* The first set bit at or after `from` and below `bits`, or PW_BITMAP_NONE. */
PW_INLINE size_t pw_bit_next(const uint64_t *words, size_t bits, size_t from)
{
    return pw_bit_next_flipped(words, bits, from, 0);
}

/* The same of the first clear one. */
PW_INLINE size_t pw_bit_next_clear(const uint64_t *words, size_t bits, size_t from)
{
    return pw_bit_next_flipped(words, bits, from, ~(uint64_t)0);
}

/* The last set bit at or before `from`, or PW_BITMAP_NONE. */
PW_INLINE size_t pw_bit_previous(const uint64_t *words, size_t from)
{
    size_t word = from / 64;
    uint64_t rest = words[word] & (~(uint64_t)0 >> (63 - from % 64));
    while (rest == 0) {
        if (word == 0)
            return PW_BITMAP_NONE;
        rest = words[--word];
    }
    return word * 64 + 63 - (size_t)__builtin_clzll(rest);
}

PW_INLINE void pw_bit2_set(uint64_t *words, uint64_t *summary, size_t index)
{
    pw_bit_set(words, index);
    pw_bit_set(summary, index / 64);
}

PW_INLINE void pw_bit2_clear(uint64_t *words, uint64_t *summary, size_t index)
{
    pw_bit_clear(words, index);
    if (words[index / 64] == 0)
        pw_bit_clear(summary, index / 64);
}

/* As pw_bit_previous, through the summary: at most one word of it for every 4096 bits. */
PW_INLINE size_t pw_bit2_previous(const uint64_t *words, const uint64_t *summary, size_t from)
{
    uint64_t here = words[from / 64] & (~(uint64_t)0 >> (63 - from % 64));
    if (here != 0)
        return from / 64 * 64 + 63 - (size_t)__builtin_clzll(here);
    if (from < 64)
        return PW_BITMAP_NONE;
    size_t word = pw_bit_previous(summary, from / 64 - 1);
    if (word == PW_BITMAP_NONE || words[word] == 0)
        return PW_BITMAP_NONE;
    return word * 64 + 63 - (size_t)__builtin_clzll(words[word]);
}

#endif
