/* hooks.c - what the heap's cutting and joining does to zones and poison (heap/heap.h). */
#include "check/poison.h"
#include "check/zone.h"

PW_WRITTEN_EARLY uint64_t pw_zone_table[3];

void pw_zone_set(uint64_t pattern)
{
    pw_root.zone_pattern = pattern;
    for (size_t i = 0; i < PW_ARRAY_SIZE(pw_zone_table); i++)
        pw_zone_table[i] = pattern;
}

void pw_zone_cut(uint64_t end)
{
    uint64_t *tail = (uint64_t *)(end - PW_TAIL_BYTES);
    tail[0] = tail[1] = pw_root.zone_pattern;
}

void pw_zone_joined(uint64_t end, bool is_zeroed)
{
    uint64_t *tail = (uint64_t *)(end - PW_TAIL_BYTES);
    tail[0] = tail[1] = is_zeroed ? 0 : pw_root.free_fill_word;
}

bool pw_zone_has_tail(uint64_t end)
{
    return pw_zone_tail_holds(end);
}

void pw_poison_taken(uint64_t start, uint64_t bytes, bool is_zeroed)
{
    if (!is_zeroed)
        pw_poison_line(start, bytes);
}

void pw_poison_taken_part(uint64_t start, uint64_t bytes, bool is_zeroed)
{
    if (!is_zeroed)
        pw_poison_write(start, pw_poison_bytes(bytes));
}

void pw_poison_renewed(uint64_t start, uint64_t bytes)
{
    if (pw_root.level == PW_LEVEL_FAST)
        pw_poison_line(start, bytes);
    else
        pw_poison_write(start, pw_poison_bytes(bytes));
}

bool pw_poison_is_intact(uint64_t start)
{
    return pw_poison_line_holds(start, PW_PAGE_BYTES);
}

bool pw_poison_is_untouched(uint64_t start, uint64_t bytes, bool is_zeroed)
{
    if (pw_root.level == PW_LEVEL_FAST)
        return is_zeroed || pw_poison_line_holds(start, bytes);
    return is_zeroed ? pw_zero_holds(start, bytes - PW_TAIL_BYTES)
                     : pw_poison_holds(start, pw_poison_bytes(bytes));
}
