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

/*
 * Where the vectors lie that cover a range of at least 16 bytes, of whatever length up to 128: these and 0 from its
 * start, and back from its last 16 bytes. So they are the same steps for all of these lengths: which sizes come one after
 * another nobody can foretell, and a branch that the processor guessed wrongly costs as much as a hundred instructions.
 */
struct pw_poison_steps {
    uint64_t first, second, third, last;
};
enum { PW_POISON_STEPS_BYTES = 64, PW_POISON_WRITE_BYTES = 1024 };

PW_INLINE struct pw_poison_steps pw_poison_steps_of(uint64_t bytes)
{
    uint64_t last = bytes - 16;
    return (struct pw_poison_steps){.first = last < 16 ? last : 16,
                                    .second = last < 32 ? last : 32,
                                    .third = last < 48 ? last : 48,
                                    .last = last};
}

PW_INLINE void pw_poison_write(uint64_t start, uint64_t bytes)
{
    if (pw_unlikely(bytes < 16 || bytes > PW_POISON_WRITE_BYTES)) {
        __builtin_memset((void *)start, (int)(uint8_t)pw_root.free_fill, bytes);
        return;
    }
    uint64_t word = pw_root.free_fill_word;
    pw_vector fill = {word, word};
    struct pw_poison_steps at = pw_poison_steps_of(bytes);
    uint64_t end = start + at.last;
    *(pw_vector *)start = fill;
    *(pw_vector *)(start + at.first) = fill;
    *(pw_vector *)(start + at.second) = fill;
    *(pw_vector *)(start + at.third) = fill;
    for (uint64_t middle = start + PW_POISON_STEPS_BYTES; middle + 48 < end; middle += 64) {
        *(pw_vector *)middle = fill;
        *(pw_vector *)(middle + 16) = fill;
        *(pw_vector *)(middle + 32) = fill;
        *(pw_vector *)(middle + 48) = fill;
    }
    *(pw_vector *)(end - at.third) = fill;
    *(pw_vector *)(end - at.second) = fill;
    *(pw_vector *)(end - at.first) = fill;
    *(pw_vector *)end = fill;
}

PW_INLINE bool pw_poison_holds(uint64_t start, uint64_t bytes)
{
    uint64_t word = pw_root.free_fill_word;
    if (pw_unlikely(bytes < 16))
        return pw_pattern_holds((const void *)start, bytes, word);
    pw_vector fill = {word, word};
    struct pw_poison_steps at = pw_poison_steps_of(bytes);
    uint64_t end = start + at.last;
    pw_vector bad = (*(const pw_vector *)start ^ fill) | (*(const pw_vector *)(start + at.first) ^ fill) |
                    (*(const pw_vector *)(start + at.second) ^ fill) |
                    (*(const pw_vector *)(start + at.third) ^ fill) |
                    (*(const pw_vector *)(end - at.third) ^ fill) |
                    (*(const pw_vector *)(end - at.second) ^ fill) |
                    (*(const pw_vector *)(end - at.first) ^ fill) | (*(const pw_vector *)end ^ fill);
    for (uint64_t middle = start + PW_POISON_STEPS_BYTES; middle + 48 < end; middle += 64)
        bad |= (*(const pw_vector *)middle ^ fill) | (*(const pw_vector *)(middle + 16) ^ fill) |
               (*(const pw_vector *)(middle + 32) ^ fill) | (*(const pw_vector *)(middle + 48) ^ fill);
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
