/*
 * zone.h - red zones of small and mapped blocks: writing and checking them where they lie.
 *
 * At fast the zone is the 16 bytes after the last requested one and the tail of the block (its last
 * 16 bytes, which are there in every state); at full it is everything between. What lies before a
 * block is its predecessor's tail. Zones are shared by neighbours: who dresses a block may write bytes of its zone
 * while the owner of the next one looks at them. They hold the pattern already, which is always the same for an
 * address; what does not hold (the block before was freed and poisoned meanwhile) is looked at again with the heap's
 * lock held (front/found/found.c).
 */
#ifndef PW_CHECK_ZONE_H
#define PW_CHECK_ZONE_H

#include "image/pattern.h"
#include "image/seal.h"

/* Write the 16 bytes after `end_of_data`. */
PW_INLINE void pw_zone_write_near(uint64_t end_of_data)
{
    uint64_t word = pw_zone_word(pw_root.zone_pattern, end_of_data);
    pw_store64((void *)end_of_data, word);
    pw_store64((void *)(end_of_data + 8), word);
}

/* The 16 bytes from `start` on hold the pattern. */
PW_INLINE_RACES bool pw_zone_near_holds(uint64_t start)
{
    uint64_t word = pw_zone_word(pw_root.zone_pattern, start);
    return ((pw_load64((const void *)start) ^ word) | (pw_load64((const void *)(start + 8)) ^ word)) == 0;
}

/* The tail before `end` (16-byte aligned) holds the pattern. */
PW_INLINE_RACES bool pw_zone_tail_holds(uint64_t end)
{
    uint64_t word = pw_root.zone_pattern;
    return ((pw_load64((const void *)(end - 16)) ^ word) | (pw_load64((const void *)(end - 8)) ^ word)) == 0;
}

/* Everything from `start` to `end`, at least 16 bytes, becomes zone. */
PW_INLINE void pw_zone_write_all(uint64_t start, uint64_t end)
{
    pw_zone_write(pw_root.zone_pattern, start, end - start);
}

/* The same for ranges of any length: before a guard page there may be none, or a few bytes. */
PW_INLINE void pw_zone_write_any(uint64_t start, uint64_t end)
{
    if (end - start >= sizeof(uint64_t)) {
        pw_zone_write_all(start, end);
        return;
    }
    for (; start < end; start++)
        *(uint8_t *)start = pw_zone_byte(pw_root.zone_pattern, start);
}

/* Of any length. */
PW_INLINE_RACES bool pw_zone_all_holds(uint64_t start, uint64_t end)
{
    return pw_zone_holds(pw_root.zone_pattern, (const void *)start, start, end - start);
}

/*
 * The same for the slack of a small block: at least 16 bytes, and `end` a multiple of 16. In vectors from
 * the end, which are all equal; what they leave at the start is within its 16 bytes.
 */
PW_INLINE void pw_zone_write_slack(uint64_t start, uint64_t end)
{
    pw_vector pattern = {pw_root.zone_pattern, pw_root.zone_pattern};
    for (uint64_t at = end - 16; at > start; at -= 16)
        *(pw_vector *)at = pattern;
    pw_zone_write_near(start);
}

PW_INLINE_RACES bool pw_zone_slack_holds(uint64_t start, uint64_t end)
{
    return pw_zone_slack_matches(pw_root.zone_pattern, start, end);
}

/* The hooks of the heap (heap/heap.h). */
void pw_zone_cut(uint64_t end);
void pw_zone_joined(uint64_t end, bool is_zeroed);

#endif
