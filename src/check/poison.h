/*
 * poison.h - the fill of freed memory, and verifying that nobody wrote to it.
 *
 * At fast the first 64 bytes of a small block are poisoned (48 of a 64-byte block: its tail stays), at
 * full all of it but the tail, up to root.free_fill_max.
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

/* Poison the first line of a block of at least 64 bytes. */
PW_INLINE void pw_poison_line(uint64_t start, uint64_t bytes)
{
    uint64_t word = pw_fill_word(pw_root.free_fill);
    pw_vector fill = {word, word};
    pw_vector *at = (pw_vector *)start;
    at[0] = fill;
    at[1] = fill;
    at[2] = fill;
    if (bytes > 64)
        at[3] = fill;
}

PW_INLINE bool pw_poison_line_holds(uint64_t start, uint64_t bytes)
{
    uint64_t word = pw_fill_word(pw_root.free_fill);
    pw_vector fill = {word, word};
    const pw_vector *at = (const pw_vector *)start;
    pw_vector bad = (at[0] ^ fill) | (at[1] ^ fill) | (at[2] ^ fill);
    if (bytes > 64)
        bad |= at[3] ^ fill;
    return (bad[0] | bad[1]) == 0;
}

PW_INLINE void pw_poison_write(uint64_t start, uint64_t bytes)
{
    __builtin_memset((void *)start, (int)(uint8_t)pw_root.free_fill, bytes);
}

PW_INLINE bool pw_poison_holds(uint64_t start, uint64_t bytes)
{
    return pw_pattern_holds((const void *)start, bytes, pw_fill_word(pw_root.free_fill));
}

PW_INLINE bool pw_zero_holds(uint64_t start, uint64_t bytes)
{
    return pw_pattern_holds((const void *)start, bytes, 0);
}

/* The hook of the heap for level fast: a block that was used before becomes CACHED. */
void pw_poison_taken(uint64_t start, uint64_t bytes, bool is_zeroed);
/* The same for full where freed blocks are not filled whole: a piece cut from one may hold anything. */
void pw_poison_taken_part(uint64_t start, uint64_t bytes, bool is_zeroed);

#endif
