/* room.c - how many bytes from an address on are the program's. See room.h. */
#include "front/libc/room.h"

/* Requested bytes of a LIVE block that starts at `start`; false: somebody is changing them. */
static bool requested_bytes(struct pw_block block, uint64_t word, uint64_t start, uint64_t *requested)
{
    *requested = pw_block_requested(block, word);
    return block.region->shift != PW_PAGE_SHIFT ||
           pw_block_extension(block)->check == pw_extension_check(pw_root.seal_key, start, *requested);
}

/* In a block that is not LIVE: nothing, unless it is changing hands or out of service. */
static uint64_t room_in_dead(uint32_t state)
{
    return state == PW_STATE_PENDING || state == PW_STATE_RETIRED ? PW_ROOM_ANY : 0;
}

/* -- Blocks of no slab: to find one takes two searches in bitmaps, so a thread knows those that it met last. */

/* Small ones are found by one part of the address, others by another, so that a long one does not turn all others out. */
enum { KNOWN_SMALL_SHIFT = 14, KNOWN_BIG_SHIFT = 20 };

static struct pw_known_block *known_small(struct pw_cache *cache, uint64_t address)
{
    return &cache->known[address >> KNOWN_SMALL_SHIFT & (PW_KNOWN_BLOCKS / 2 - 1)];
}

static struct pw_known_block *known_big(struct pw_cache *cache, uint64_t address)
{
    return &cache->known[PW_KNOWN_BLOCKS / 2 + (address >> KNOWN_BIG_SHIFT & (PW_KNOWN_BLOCKS / 2 - 1))];
}

/*
 * The room from `address` on, if that is in the block that is known here and it still is what it was, else 0. While its
 * slot of the address space has the same entry, the tables that its header is in are there.
 */
PW_INLINE_RACES uint64_t room_in_known(const struct pw_known_block *known, uint64_t entry, uint64_t address)
{
    uint64_t inside = address - known->start;
    bool is_known = inside < known->bytes && known->entry == entry &&
                    atomic_load_explicit(known->word_at, memory_order_acquire) == known->word &&
                    __atomic_load_n(known->bytes_at, __ATOMIC_RELAXED) == known->bytes;
    return is_known ? known->bytes - inside : 0;
}

/* A signal handler finds nothing known while `bytes` is 0, and notes nothing while the thread does. */
static void know(struct pw_block block, uint64_t word, uint64_t start, uint64_t bytes, uint64_t address)
{
    struct pw_cache *cache = pw_self;
    if (bytes == 0 || block.region->shift == PW_SLAB_SHIFT || !pw_enter(cache))
        return;
    bool is_small = bytes < (uint64_t)1 << (KNOWN_BIG_SHIFT - 2);
    struct pw_known_block *known = is_small ? known_small(cache, address) : known_big(cache, address);
    known->bytes = 0;
    atomic_signal_fence(memory_order_seq_cst);
    known->entry = pw_page_map_entry(address);
    known->start = start;
    known->word = word;
    known->word_at = pw_region_word(block.region, block.granule);
    known->bytes_at =
        block.region->shift == PW_PAGE_SHIFT ? &pw_block_extension(block)->requested : &known->bytes;
    atomic_signal_fence(memory_order_seq_cst);
    known->bytes = bytes;
    pw_leave(cache);
}

static uint64_t room_elsewhere(uint64_t address)
{
    struct pw_block block = pw_heap_find(address);
    if (block.region == NULL)
        return 0; /* what is before the first block of a region or behind the last is nobody's */
    uint64_t word =
        atomic_load_explicit(pw_region_word(block.region, block.granule), memory_order_acquire);
    struct pw_fields fields = pw_word_fields(word);
    uint64_t start = pw_region_start(block.region, block.granule, fields.flags, fields.slack), requested;
    if (!pw_word_is_sealed(pw_root.seal_key, start, word, pw_region_size(block.region, block.granule)))
        return PW_ROOM_ANY;
    if (fields.state != PW_STATE_LIVE)
        return room_in_dead(fields.state);
    if (!requested_bytes(block, word, start, &requested))
        return PW_ROOM_ANY;
    if (address < start || address - start >= requested)
        return 0;
    know(block, word, start, requested, address);
    return requested - (address - start);
}

uint64_t pw_room_in_no_slab(uint64_t entry, uint64_t address)
{
    struct pw_cache *cache = pw_self;
    if (pw_likely(cache != NULL)) {
        uint64_t room = room_in_known(known_big(cache, address), entry, address);
        if (room == 0)
            room = room_in_known(known_small(cache, address), entry, address);
        if (pw_likely(room != 0))
            return room;
    }
    return room_elsewhere(address);
}

uint64_t pw_room_in_heap(uint64_t address)
{
    uint64_t entry = pw_page_map_entry(address);
    if (!pw_entry_is_slab(entry))
        return pw_room_in_no_slab(entry, address);
    struct pw_seat seat = pw_seat_of(entry, address);
    bool is_sound =
        pw_seat_has(&seat, 1) && pw_word_is_sealed(pw_root.seal_key, address - seat.inside, seat.word, seat.size);
    return pw_likely(is_sound) ? seat.data - seat.inside : room_elsewhere(address);
}

bool pw_fits_in_slab(uint64_t entry, uint64_t address, uint64_t bytes)
{
    return pw_fits_in_seat(entry, address, bytes);
}
