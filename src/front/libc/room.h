/*
 * room.h - how many bytes from an address on are the program's: what each checked call asks of the ranges that it is
 * given. No lock, no call out. The address of a LIVE block finds that block's header whatever other threads do.
 */
#ifndef PW_FRONT_ROOM_H
#define PW_FRONT_ROOM_H

#include "front/state.h"

#define PW_ROOM_ANY UINT64_MAX

/* As pw_room for an address of the heap's. */
uint64_t pw_room_in_heap(uint64_t address);
/* The same for one that is in no slab; entry: pw_page_map_entry(address), not 0. */
uint64_t pw_room_in_no_slab(uint64_t entry, uint64_t address);

/*
 * How many bytes from `address` on are the program's, in the block that holds it: 0 in a freed block or
 * beyond what was requested; PW_ROOM_ANY where there is no heap, or a header that can't be trusted.
 */
PW_INLINE uint64_t pw_room(const void *address)
{
    uint64_t entry = pw_page_map_entry((uint64_t)address);
    return pw_likely(entry == 0) ? PW_ROOM_ANY : pw_room_in_heap((uint64_t)address);
}

/* A place in a slab, where all is arithmetic. */
struct pw_seat {
    uint64_t word;   /* of the block that holds it */
    uint64_t inside; /* bytes from its start; no less than `data` also in the zone before a span's first block */
    uint64_t data;   /* its requested bytes */
    uint32_t size;   /* in granules */
};

PW_INLINE struct pw_seat pw_seat_of(uint64_t entry, uint64_t address)
{
    uint64_t shape = atomic_load_explicit(&pw_entry_span(entry, address)->shape, memory_order_relaxed);
    uint32_t offset = (uint32_t)address & (PW_SPAN_BYTES - 1), bytes = pw_shape_bytes(shape);
    struct pw_seat seat = {.word = atomic_load_explicit(pw_entry_word(entry, address, shape), memory_order_acquire)};
    seat.inside = (uint64_t)offset - PW_SPAN_FRONT_BYTES - pw_shape_index(shape, offset) * bytes;
    seat.data = bytes - pw_word_fields(seat.word).slack;
    seat.size = bytes >> PW_SLAB_SHIFT;
    return seat;
}

/* Is the block LIVE, and so many `bytes` from the place on its own? Behind the last that was handed out the words are 0. */
PW_INLINE bool pw_seat_has(const struct pw_seat *seat, uint64_t bytes)
{
    return pw_word_fields(seat->word).state == PW_STATE_LIVE && bytes <= seat->data && seat->inside <= seat->data - bytes;
}

/*
 * Is it plain that the `bytes` from `address` on, of a slab, are of a LIVE block? Its seal is not looked at: who reports
 * does, and who gives the block back. entry: pw_page_map_entry(address).
 */
PW_INLINE bool pw_fits_in_seat(uint64_t entry, uint64_t address, uint64_t bytes)
{
    struct pw_seat seat = pw_seat_of(entry, address);
    return pw_seat_has(&seat, bytes);
}

/* The same, not inlined. */
bool pw_fits_in_slab(uint64_t entry, uint64_t address, uint64_t bytes);

/* Is it plain that the `bytes` from `address` on are in no heap, or as above? Inlined, for what is called most. */
PW_INLINE bool pw_fits_plainly(const void *address, uint64_t bytes)
{
    uint64_t entry = pw_page_map_entry((uint64_t)address);
    return entry == 0 || (pw_likely(pw_entry_is_slab(entry)) && pw_fits_in_seat(entry, (uint64_t)address, bytes));
}

#endif
