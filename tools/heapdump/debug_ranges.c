/* debug_ranges.c - see debug_ranges.h */
#include "debug_ranges.h"

#include "bytes.h"

#include <stdlib.h>

void debug_ranges_add(struct debug_ranges *table, Dwarf_Die *die)
{
    struct debug_range range = {.die = dwarf_dieoffset(die)};
    Dwarf_Addr base;
    for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &range.low, &range.high)) > 0;) {
        if (range.low >= range.high)
            continue;
        if (table->count == table->capacity) {
            table->capacity = table->capacity * 2 + 64;
            table->ranges = heapdump_grow(table->ranges, table->capacity, sizeof *table->ranges);
        }
        table->ranges[table->count++] = range;
    }
}

static int compare(const void *left, const void *right)
{
    const struct debug_range *a = left;
    const struct debug_range *b = right;
    return (a->low > b->low) - (a->low < b->low);
}

void debug_ranges_sort(struct debug_ranges *table)
{
    if (table->count > 1)
        qsort(table->ranges, table->count, sizeof *table->ranges, compare);
}

const struct debug_range *debug_ranges_find(const struct debug_ranges *table, Dwarf_Addr address)
{
    size_t low = 0;
    size_t high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->ranges[middle].low <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && address < table->ranges[low - 1].high ? &table->ranges[low - 1] : NULL;
}

void debug_ranges_free(struct debug_ranges *table)
{
    free(table->ranges);
    *table = (struct debug_ranges){0};
}
