/*
 * debug_ranges.h - a sorted table: from an address to the DIE (a unit, a function) whose code is there.
 * Where two claim an address, one of them is found.
 */
#ifndef PW_HEAPDUMP_DEBUG_RANGES_H
#define PW_HEAPDUMP_DEBUG_RANGES_H

#include "base/base.h"

#include <elfutils/libdw.h>

/* [low, high) is code of the DIE at this offset. */
struct debug_range {
    Dwarf_Addr low;
    Dwarf_Addr high;
    Dwarf_Off die;
};

struct debug_ranges {
    struct debug_range *ranges;
    size_t count;
    size_t capacity;
};

/* Add where the code of `die` lies; nothing if it has none. */
void debug_ranges_add(struct debug_ranges *table, Dwarf_Die *die);
/* After the last addition, before the first search. */
void debug_ranges_sort(struct debug_ranges *table);
/* NULL: no one's. */
const struct debug_range *debug_ranges_find(const struct debug_ranges *table, Dwarf_Addr address);
void debug_ranges_free(struct debug_ranges *table);

#endif
