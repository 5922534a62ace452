/*
 * pattern.h - the two patterns that damage shows in: the zone pattern (red zones) and the fill of
 * freed memory (poison). Byte i of a zone is byte (address of it % 8) of root.zone_pattern, so a zone
 * may be written in pieces that overlap. Poison is one byte, repeated.
 */
#ifndef PW_IMAGE_PATTERN_H
#define PW_IMAGE_PATTERN_H

#include "image/layout.h"

typedef uint64_t pw_word_unaligned __attribute__((aligned(1), may_alias));
/* 16 bytes at once; compiled to whatever the machine has. */
typedef uint64_t pw_vector __attribute__((vector_size(16), aligned(1), may_alias));

PW_INLINE uint64_t pw_load64(const void *p)
{
    return *(const pw_word_unaligned *)p;
}

PW_INLINE void pw_store64(void *p, uint64_t value)
{
    *(pw_word_unaligned *)p = value;
}

/* The zone pattern as a word loaded from `address` has it. */
PW_INLINE uint64_t pw_zone_word(uint64_t pattern, uint64_t address)
{
    unsigned shift = (unsigned)(address % 8) * 8;
    return shift == 0 ? pattern : pattern >> shift | pattern << (64 - shift);
}

PW_INLINE uint8_t pw_zone_byte(uint64_t pattern, uint64_t address)
{
    return (uint8_t)(pattern >> (address % 8 * 8));
}

/* True when `bytes` at p are `word` over and over; the first byte is the word's lowest. */
PW_INLINE bool pw_pattern_holds(const void *p, uint64_t bytes, uint64_t word)
{
    const char *at = p;
    pw_vector wanted = {word, word};
    pw_vector bad = {0, 0};
    for (; bytes >= 64; at += 64, bytes -= 64)
        bad |= (*(const pw_vector *)at ^ wanted) | (*(const pw_vector *)(at + 16) ^ wanted) |
               (*(const pw_vector *)(at + 32) ^ wanted) | (*(const pw_vector *)(at + 48) ^ wanted);
    for (; bytes >= 16; at += 16, bytes -= 16)
        bad |= *(const pw_vector *)at ^ wanted;
    uint64_t left = bad[0] | bad[1];
    if (bytes >= 8) {
        left |= pw_load64(at) ^ word;
        at += 8;
        bytes -= 8;
    }
    for (uint64_t i = 0; i < bytes; i++)
        left |= (uint8_t)at[i] ^ (uint8_t)(word >> (i * 8));
    return left == 0;
}

/* True when the zone pattern lies in [start, start + bytes), read at p (a copy or the place itself). */
PW_INLINE bool pw_zone_holds(uint64_t pattern, const void *p, uint64_t start, uint64_t bytes)
{
    return pw_pattern_holds(p, bytes, pw_zone_word(pattern, start));
}

/* 16 bytes of zone, as they lie at `address`. */
PW_INLINE pw_vector pw_zone_vector(uint64_t pattern, uint64_t address)
{
    uint64_t word = pw_zone_word(pattern, address);
    return (pw_vector){word, word};
}

/*
 * The same of the slack of a small block: at least 16 bytes, and `end` a multiple of 16. In vectors from the end, which
 * are all `wanted`, the zone at any multiple of 8; what they leave at the start is within its 16 bytes, `first`.
 */
PW_INLINE_RACES bool pw_zone_slack_matches(pw_vector first, pw_vector wanted, uint64_t start, uint64_t end)
{
    pw_vector bad = *(const pw_vector *)start ^ first;
    for (uint64_t at = end - 16; at > start; at -= 16)
        bad |= *(const pw_vector *)at ^ wanted;
    return (bad[0] | bad[1]) == 0;
}

/* The poison byte as a word. */
PW_INLINE uint64_t pw_fill_word(uint32_t fill)
{
    return (uint64_t)(uint8_t)fill * 0x0101010101010101u;
}

/* What freed memory is filled with from now on. */
PW_INLINE void pw_fill_set(struct pw_root *root, uint8_t fill)
{
    root->free_fill = fill;
    root->free_fill_word = pw_fill_word(fill);
}

/*
 * The four vectors that together cover what is poisoned of a block of `bytes` at fast, 16 to PW_LINE_BYTES: they begin
 * at its start and at these places after it.
 */
struct pw_line_places {
    uint16_t second;
    uint16_t third;
    uint16_t last;
};

PW_INLINE struct pw_line_places pw_line_places_of(uint64_t bytes)
{
    uint64_t filled = bytes >= PW_LINE_BYTES + PW_TAIL_BYTES ? PW_LINE_BYTES : bytes - PW_TAIL_BYTES;
    return (struct pw_line_places){.second = (uint16_t)(filled / 4 & ~(uint64_t)15),
                                   .third = (uint16_t)(filled / 2 & ~(uint64_t)15),
                                   .last = (uint16_t)(filled - 16)};
}

/* Write the zone pattern to [start, start + bytes), at least 16. */
PW_INLINE void pw_zone_write(uint64_t pattern, uint64_t start, uint64_t bytes)
{
    uint64_t word = pw_zone_word(pattern, start);
    uint64_t end = start + bytes;
    uint64_t at = start;
    for (; at + 8 <= end; at += 8)
        pw_store64((void *)at, word);
    pw_store64((void *)(end - 8), pw_zone_word(pattern, end - 8));
}

#endif
