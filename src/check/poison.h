/*
 * poison.h - the fill of freed memory, and verifying that nobody wrote to it.
 *
 * At fast the first 64 bytes of a small block are poisoned, of one that is shorter all of it but its tail,
 * which stays; at full all of it but the tail, up to root.free_fill_max.
 */
#ifndef PW_CHECK_POISON_H
#define PW_CHECK_POISON_H

#include "image/pattern.h"
#include "image/seal.h"

/* Bytes that are poisoned of a small block of `bytes`. */
PW_INLINE uint64_t pw_poison_bytes(uint64_t bytes)
{
    uint64_t body = bytes - PW_TAIL_BYTES;
    return body < pw_root.free_fill_max ? body : pw_root.free_fill_max;
}

/* Poison the first line of a block; `at` is of its size. */
PW_INLINE void pw_poison_places(uint64_t start, struct pw_line_places at)
{
    uint64_t word = pw_root.free_fill_word;
    pw_vector fill = {word, word};
    *(pw_vector *)start = fill;
    *(pw_vector *)(start + at.second) = fill;
    *(pw_vector *)(start + at.third) = fill;
    *(pw_vector *)(start + at.last) = fill;
}

PW_INLINE bool pw_poison_places_hold(uint64_t start, struct pw_line_places at)
{
    uint64_t word = pw_root.free_fill_word;
    pw_vector fill = {word, word};
    pw_vector bad = (*(const pw_vector *)start ^ fill) | (*(const pw_vector *)(start + at.second) ^ fill) |
                    (*(const pw_vector *)(start + at.third) ^ fill) |
                    (*(const pw_vector *)(start + at.last) ^ fill);
    return (bad[0] | bad[1]) == 0;
}

/* The same for a block of `bytes`, at least 32. */
PW_INLINE void pw_poison_line(uint64_t start, uint64_t bytes)
{
    pw_poison_places(start, pw_line_places_of(bytes));
}

PW_INLINE bool pw_poison_line_holds(uint64_t start, uint64_t bytes)
{
    return pw_poison_places_hold(start, pw_line_places_of(bytes));
}

PW_INLINE void pw_poison_write(uint64_t start, uint64_t bytes)
{
    __builtin_memset((void *)start, (int)(uint8_t)pw_root.free_fill, bytes);
}

/* The last vector overlaps the one before it: the fill is one byte over and over. */
PW_INLINE bool pw_poison_holds(uint64_t start, uint64_t bytes)
{
    uint64_t word = pw_root.free_fill_word;
    if (pw_unlikely(bytes < 16))
        return pw_pattern_holds((const void *)start, bytes, word);
    pw_vector fill = {word, word};
    uint64_t at = start, last = start + bytes - 16;
    pw_vector bad = *(const pw_vector *)last ^ fill;
    for (; at + 48 < last; at += 64)
        bad |= (*(const pw_vector *)at ^ fill) | (*(const pw_vector *)(at + 16) ^ fill) |
               (*(const pw_vector *)(at + 32) ^ fill) | (*(const pw_vector *)(at + 48) ^ fill);
    for (; at < last; at += 16)
        bad |= *(const pw_vector *)at ^ fill;
    return (bad[0] | bad[1]) == 0;
}

PW_INLINE bool pw_zero_holds(uint64_t start, uint64_t bytes)
{
    return pw_pattern_holds((const void *)start, bytes, 0);
}

/* The hook of the heap for level fast: a block that was used before becomes CACHED. */
void pw_poison_taken(uint64_t start, uint64_t bytes, bool is_zeroed);
/* A block of memory that held others: as if it had been freed. For fast and full. */
void pw_poison_renewed(uint64_t start, uint64_t bytes);
/* The same as pw_poison_taken for full where freed blocks are not filled whole: a piece cut from one may hold anything. */
void pw_poison_taken_part(uint64_t start, uint64_t bytes, bool is_zeroed);
/* The hook of the heap for level fast: does a page run that is POISONED still start with its line? */
bool pw_poison_is_intact(uint64_t start);
/* The hook of the heap for fast and full: the same of a small block, and as much of it as is looked at before it is used. */
bool pw_poison_is_untouched(uint64_t start, uint64_t bytes, bool is_zeroed);

#endif
