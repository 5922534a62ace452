/*
 * poison.h - the fill of freed memory, and verifying that nobody wrote to it.
 *
 * At fast the first 64 bytes of a small block are poisoned, of one that is shorter all of it but its tail,
 * which stays; at full all of it but the tail, up to root.free_fill_max.
 */
#ifndef PW_CHECK_POISON_H
#define PW_CHECK_POISON_H

#include "base/vector.h"
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

/*
 * Fill, and look at, a range of at least one vector. Up to 128 bytes these are the same steps for all lengths: vectors
 * from its start on and back from its end, which may overlap. Which sizes come one after another nobody can foretell, and
 * a branch that the processor guessed wrongly costs as much as a hundred instructions.
 */
enum { PW_POISON_ENDS_BYTES = 64, PW_POISON_ENDS = PW_POISON_ENDS_BYTES / PW_WIDE_BYTES, PW_POISON_WRITE_BYTES = 1024 };

/* How far from either end vector `i` of that end lies, in a range whose last vector begins at `last`. */
PW_INLINE uint64_t pw_poison_step(uint64_t i, uint64_t last)
{
    return i * PW_WIDE_BYTES < last ? i * PW_WIDE_BYTES : last;
}

PW_INLINE void pw_poison_write(uint64_t start, uint64_t bytes)
{
    if (pw_unlikely(bytes < PW_WIDE_BYTES || bytes > PW_POISON_WRITE_BYTES)) {
        __builtin_memset((void *)start, (int)(uint8_t)pw_root.free_fill, bytes);
        return;
    }
    pw_wide fill = pw_wide_of(pw_root.free_fill_word);
    uint64_t last = bytes - PW_WIDE_BYTES, end = start + last;
#pragma GCC unroll 4
    for (uint64_t i = 0; i < PW_POISON_ENDS; i++) {
        *(pw_wide *)(start + pw_poison_step(i, last)) = fill;
        *(pw_wide *)(end - pw_poison_step(i, last)) = fill;
    }
    for (uint64_t at = start + PW_POISON_ENDS_BYTES; at + PW_POISON_ENDS_BYTES - PW_WIDE_BYTES < end;
         at += PW_POISON_ENDS_BYTES)
#pragma GCC unroll 4
        for (uint64_t i = 0; i < PW_POISON_ENDS; i++)
            *(pw_wide *)(at + i * PW_WIDE_BYTES) = fill;
}

PW_INLINE bool pw_poison_holds(uint64_t start, uint64_t bytes)
{
    if (pw_unlikely(bytes < PW_WIDE_BYTES))
        return pw_pattern_holds((const void *)start, bytes, pw_root.free_fill_word);
    pw_wide fill = pw_wide_of(pw_root.free_fill_word), bad = {0};
    uint64_t last = bytes - PW_WIDE_BYTES, end = start + last;
#pragma GCC unroll 4
    for (uint64_t i = 0; i < PW_POISON_ENDS; i++)
        bad |= (*(const pw_wide *)(start + pw_poison_step(i, last)) ^ fill) |
               (*(const pw_wide *)(end - pw_poison_step(i, last)) ^ fill);
    for (uint64_t at = start + PW_POISON_ENDS_BYTES; at + PW_POISON_ENDS_BYTES - PW_WIDE_BYTES < end;
         at += PW_POISON_ENDS_BYTES)
#pragma GCC unroll 4
        for (uint64_t i = 0; i < PW_POISON_ENDS; i++)
            bad |= *(const pw_wide *)(at + i * PW_WIDE_BYTES) ^ fill;
    return pw_wide_is_zero(bad);
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
