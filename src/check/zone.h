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

/* root.zone_pattern three times: 16 bytes of zone, wherever they begin, are here as well. */
extern uint64_t pw_zone_table[3] __attribute__((visibility("hidden")));
/* Set the pattern, there and in the root. */
void pw_zone_set(uint64_t pattern);

/* The 16 bytes of zone that lie at `address`. */
PW_INLINE pw_vector pw_zone_at(uint64_t address)
{
    return *(const pw_vector *)((const char *)pw_zone_table + address % sizeof(uint64_t));
}

/* Write the 16 bytes after `end_of_data`. */
PW_INLINE void pw_zone_write_near(uint64_t end_of_data)
{
    *(pw_vector *)end_of_data = pw_zone_at(end_of_data);
}

/* The 16 bytes from `start` on hold the pattern. */
PW_INLINE_RACES bool pw_zone_near_holds(uint64_t start)
{
    pw_vector bad = *(const pw_vector *)start ^ pw_zone_at(start);
    return (bad[0] | bad[1]) == 0;
}

/* The tail before `end` (16-byte aligned) holds the pattern. */
PW_INLINE_RACES bool pw_zone_tail_holds(uint64_t end)
{
    uint64_t word = pw_root.zone_pattern;
    return ((pw_load64((const void *)(end - 16)) ^ word) | (pw_load64((const void *)(end - 8)) ^ word)) == 0;
}

/* Of a block at fast, in one: the 16 bytes behind its data, its tail and that of the block before it. */
PW_INLINE_RACES bool pw_zones_near_hold(uint64_t address, uint64_t end_of_data, uint64_t end)
{
    pw_vector tail = pw_zone_at(0);
    pw_vector bad = (*(const pw_vector *)end_of_data ^ pw_zone_at(end_of_data)) |
                    (*(const pw_vector *)(address - PW_TAIL_BYTES) ^ tail) | (*(const pw_vector *)(end - PW_TAIL_BYTES) ^ tail);
    return (bad[0] | bad[1]) == 0;
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
    pw_vector pattern = pw_zone_at(0);
    for (uint64_t at = end - 16; at > start; at -= 16)
        *(pw_vector *)at = pattern;
    pw_zone_write_near(start);
}

PW_INLINE_RACES bool pw_zone_slack_holds(uint64_t start, uint64_t end)
{
    return pw_zone_slack_matches(pw_zone_at(start), pw_zone_at(0), start, end);
}

/* The hooks of the heap (heap/heap.h). */
void pw_zone_cut(uint64_t end);
void pw_zone_joined(uint64_t end, bool is_zeroed);
bool pw_zone_has_tail(uint64_t end);

#endif
