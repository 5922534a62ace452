/*
 * seal.h - packing a header's word, and the keyed seal that makes a damaged one show.
 *
 * seal = high half of ((state, flags, slack, size) xor key xor address * K1) * K2: multiplication by
 * an odd constant is a bijection, so every single flipped bit of any part changes it. It is there
 * against accidents, not against an attacker who can read the key.
 */
#ifndef PW_IMAGE_SEAL_H
#define PW_IMAGE_SEAL_H

#include "image/layout.h"

/* This process's root. Exported as PW_ROOT_SYMBOL. */
extern struct pw_root pw_root __attribute__((visibility("hidden")));

/* A header taken apart. */
struct pw_fields {
    uint8_t state; /* enum pw_state */
    uint8_t flags; /* PW_HEAP_… */
    uint16_t slack;
};

PW_INLINE uint32_t pw_seal(uint64_t key, uint64_t address, uint32_t meta, uint32_t size)
{
    uint64_t mixed = (((uint64_t)meta << 32 | size) ^ key) ^ (address * 0x9E3779B97F4A7C15u);
    return (uint32_t)((mixed * 0xD6E8FEB86659FD93u) >> 32);
}

PW_INLINE uint32_t pw_meta(uint32_t state, uint32_t flags, uint32_t slack)
{
    return state | flags << 8 | slack << 16;
}

PW_INLINE struct pw_fields pw_word_fields(uint64_t word)
{
    return (struct pw_fields){.state = (uint8_t)(word >> 32),
                              .flags = (uint8_t)(word >> 40),
                              .slack = (uint16_t)(word >> 48)};
}

/*
 * How far behind the start of its first granule a block starts. PW_HEAP_RIGHT is never set in small
 * regions.
 */
PW_INLINE uint32_t pw_start_offset(uint32_t flags, uint32_t slack)
{
    return (flags & PW_HEAP_RIGHT) != 0 ? slack & (uint32_t)(PW_PAGE_BYTES - 1) : 0;
}

/* The word of a header with these fields; `address` is that of the block's first byte. */
PW_INLINE uint64_t pw_word_make(uint64_t key, uint64_t address, uint32_t state, uint32_t flags,
                                uint32_t slack, uint32_t size)
{
    uint32_t meta = pw_meta(state, flags, slack);
    return (uint64_t)meta << 32 | (PW_HEAP_HEADER_MAGIC ^ pw_seal(key, address, meta, size));
}

PW_INLINE bool pw_word_is_sealed(uint64_t key, uint64_t address, uint64_t word, uint32_t size)
{
    uint32_t expected = PW_HEAP_HEADER_MAGIC ^ pw_seal(key, address, (uint32_t)(word >> 32), size);
    return (uint32_t)word == expected;
}

/*
 * Who hands a block over marks it first: only the state byte of the word becomes PENDING, the seal
 * stays that of the state before, so that the mark costs one exclusive or.
 */
PW_INLINE uint64_t pw_word_pending(uint64_t word, uint32_t state)
{
    return word ^ (uint64_t)(state ^ PW_STATE_PENDING) << 32;
}

/* True when a word is sealed, or PENDING from any of the states that a block is handed over from. */
PW_INLINE bool pw_word_is_sound(uint64_t key, uint64_t address, uint64_t word, uint32_t size)
{
    if (pw_word_is_sealed(key, address, word, size))
        return true;
    if ((uint8_t)(word >> 32) != PW_STATE_PENDING)
        return false;
    return pw_word_is_sealed(key, address, pw_word_pending(word, PW_STATE_CACHED), size) ||
           pw_word_is_sealed(key, address, pw_word_pending(word, PW_STATE_LIVE), size) ||
           pw_word_is_sealed(key, address, pw_word_pending(word, PW_STATE_QUARANTINED), size);
}

/* The check of a mapped block's requested size. */
PW_INLINE uint64_t pw_extension_check(uint64_t key, uint64_t address, uint64_t requested)
{
    return ((requested ^ key) * 0xD6E8FEB86659FD93u) ^ address;
}

/* Of never-used memory only the first page is verified: reading all of it would make it resident. */
enum { PW_ZEROED_CHECK_BYTES = PW_PAGE_BYTES };

/* How much from its start on a freed small block of `bytes` is filled, unless it is ZEROED. */
PW_INLINE uint64_t pw_filled_bytes(const struct pw_root *root, uint64_t bytes)
{
    uint64_t most = root->level == PW_LEVEL_FAST ? PW_LINE_BYTES : root->free_fill_max;
    return bytes - PW_TAIL_BYTES < most ? bytes - PW_TAIL_BYTES : most;
}

/* The smallest red zone of a block of `requested` bytes; root says how it grows. */
PW_INLINE uint64_t pw_zone_bytes(const struct pw_root *root, uint64_t requested)
{
    uint64_t zone = root->zone_min_bytes;
    if (root->zone_shift != 0) {
        uint64_t grown = requested >> root->zone_shift;
        if (grown > root->zone_max_bytes)
            grown = root->zone_max_bytes;
        if (grown > zone)
            zone = grown;
    }
    return zone;
}

#endif
