/* places.c - see places.h */
#include "heap/places.h"

#include "base/bitmap.h"
#include "os/memory.h"

static uint32_t lots_of(uint32_t count)
{
    return (count + (1u << PW_PLACES_SHIFT) - 1) >> PW_PLACES_SHIFT;
}

/* The first of the first `lots` that are free side by side, but for lot 0; 0: there are none. */
static uint32_t find_free(const struct pw_places *places, uint32_t lots)
{
    size_t start = 1;
    while ((start = pw_bit_next_clear(places->taken, PW_PLACES_LOTS, start)) != PW_BITMAP_NONE) {
        size_t end = pw_bit_next(places->taken, PW_PLACES_LOTS, start);
        if (end == PW_BITMAP_NONE)
            end = PW_PLACES_LOTS;
        if (end - start >= lots)
            return (uint32_t)start;
        start = end;
    }
    return 0;
}

static void set_places(struct pw_span_place place, uint32_t lot)
{
    pw_region_places(place.region)->of_span[place.number] = (uint16_t)lot;
    atomic_store_explicit(&place.span->places, (uint16_t)lot, memory_order_relaxed);
}

bool pw_places_take(struct pw_span_place place, uint32_t count)
{
    struct pw_places *places = pw_region_places(place.region);
    uint32_t lots = lots_of(count), first = pw_places_are_fixed() ? pw_places_fixed(place.number) : find_free(places, lots);
    if (first == 0)
        return false;
    for (uint32_t lot = first; lot < first + lots; lot++)
        pw_bit_set(places->taken, lot);
    if (places->end < first + lots)
        places->end = first + lots;
    set_places(place, first);
    return true;
}

void pw_places_give(struct pw_span_place place, uint32_t count)
{
    struct pw_places *places = pw_region_places(place.region);
    uint32_t first = pw_span_slot(place.span, 0) >> PW_PLACES_SHIFT, lots = lots_of(count);
    for (uint32_t lot = first; lot < first + lots && lot < PW_PLACES_LOTS; lot++)
        pw_bit_clear(places->taken, lot);
    set_places(place, 0);
}

/* A table's whole pages of these lots, of which the last is the last that was used. */
static void purge_lots(uint64_t table, uint64_t place_bytes, uint32_t first, uint32_t end)
{
    uint64_t lot_bytes = place_bytes << PW_PLACES_SHIFT;
    uint64_t from = PW_ALIGN_UP(table + first * lot_bytes, (uint64_t)PW_PAGE_BYTES);
    uint64_t to = PW_ALIGN_UP(table + end * lot_bytes, (uint64_t)PW_PAGE_BYTES);
    if (from < to)
        (void)pw_os_purge((void *)from, to - from);
}

void pw_places_purge(struct pw_region *region, uint32_t least)
{
    struct pw_places *places = pw_region_places(region);
    if (places->end == 0 || pw_places_are_fixed())
        return;
    size_t last = pw_bit_previous(places->taken, places->end - 1);
    uint32_t first = last == PW_BITMAP_NONE ? 0 : (uint32_t)last + 1;
    if (places->end - first < least)
        return;
    purge_lots(region->headers, sizeof(uint64_t), first, places->end);
    if (pw_root.level >= PW_LEVEL_FULL)
        purge_lots(region->evidence, sizeof(struct pw_evidence), first, places->end);
    places->end = first;
}

void pw_places_purge_fixed(struct pw_span_place place)
{
    uint32_t first = pw_places_fixed(place.number);
    if (pw_places_are_fixed())
        purge_lots(place.region->headers, sizeof(uint64_t), first, first + lots_of(PW_SPAN_BLOCKS));
}
