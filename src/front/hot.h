/*
 * hot.h - malloc and free of a small block, level by level. `level` is a constant wherever these
 * are inlined, so each level has code of its own and pays only for what it checks.
 *
 * The order of the steps is the protocol that walkers rely on (image/diagnose.c): patterns are
 * complete before a block becomes CACHED or LIVE, and it is PENDING while they change.
 */
#ifndef PW_FRONT_HOT_H
#define PW_FRONT_HOT_H

#include "check/poison.h"
#include "check/zone.h"
#include "front/state.h"

/* A block being handed over: where it is and what its header says. */
struct pw_handle {
    uint64_t address;
    _Atomic uint64_t *header; /* its word; NULL: no block */
    uint64_t word;
    uint64_t bytes; /* zone included */
    uint32_t size;  /* in granules, as the seal has it */
    uint32_t block_class;
};

/* Which way the thread with that cache may take; NULL: it has none. */
PW_INLINE enum pw_quick pw_way(const struct pw_cache *cache)
{
    return pw_likely(cache != NULL) ? (enum pw_quick)cache->open : PW_QUICK_NONE;
}

/* Bytes that `size` bytes take with their zone. `size` is at most PTRDIFF_MAX. */
PW_INLINE uint64_t pw_bytes_for(size_t size, enum pw_level level)
{
    uint64_t zone = 0;
    if (level == PW_LEVEL_FAST)
        zone = pw_root.zone_min_bytes;
    else if (level >= PW_LEVEL_FULL)
        zone = pw_zone_bytes(&pw_root, size);
    return size + zone;
}

/* The same as pw_handle_find where entry is that of slabs. */
PW_INLINE void pw_handle_find_slab(struct pw_handle *handle, uint64_t entry)
{
    struct pw_span *span = pw_entry_span(entry, handle->address);
    uint64_t shape = atomic_load_explicit(&span->shape, memory_order_relaxed);
    handle->header = pw_entry_word(entry, handle->address, shape);
    handle->bytes = pw_shape_bytes(shape);
    handle->size = (uint32_t)handle->bytes >> PW_SLAB_SHIFT;
    handle->block_class = PW_GRANULE_SIZES + 1u + span->slab_class;
    handle->word = atomic_load_explicit(handle->header, memory_order_acquire);
}

/* Look up whose header a block at handle->address would have, and what it says; entry is not 0. */
PW_INLINE void pw_handle_find(struct pw_handle *handle, uint64_t entry)
{
    if (pw_likely(pw_entry_is_slab(entry))) {
        pw_handle_find_slab(handle, entry);
        return;
    }
    struct pw_header *header = pw_entry_header(entry, handle->address);
    handle->header = &header->word;
    handle->size = header->size;
    handle->bytes = (uint64_t)header->size << (entry & PW_ENTRY_SHIFT_MASK);
    handle->block_class = header->size;
    handle->word = atomic_load_explicit(handle->header, memory_order_acquire);
}

/* The header of a small block that was CACHED by us. */
PW_INLINE struct pw_handle pw_handle_of(void *block)
{
    struct pw_handle handle = {.address = (uint64_t)block};
    pw_handle_find(&handle, pw_page_map_entry(handle.address));
    return handle;
}

/* Fetch a block's first and last bytes. Of any address; nothing is read there. */
PW_INLINE void pw_fetch_ends(uint64_t address, uint64_t bytes)
{
    __builtin_prefetch((void *)address, 1);
    __builtin_prefetch((void *)(address + bytes - 1), 1);
}

/*
 * Fetch what the work on the block at `address` will touch: its first and last bytes, its header and
 * evidence; the block's bytes. Of any address; nothing is read at the address, and of others than slabs nothing is done (0).
 */
PW_INLINE uint64_t pw_handle_fetch(uint64_t address)
{
    uint64_t entry = pw_page_map_entry(address);
    if (pw_unlikely(!pw_entry_is_slab(entry)))
        return 0;
    uint64_t shape = atomic_load_explicit(&pw_entry_span(entry, address)->shape, memory_order_relaxed);
    _Atomic uint64_t *word = pw_entry_word(entry, address, shape);
    __builtin_prefetch((uint64_t *)word, 1);
    uint64_t bytes = pw_shape_bytes(shape);
    pw_fetch_ends(address, bytes);
    __builtin_prefetch(pw_entry_evidence(entry, word), 1);
    return bytes;
}

PW_INLINE bool pw_handle_is_sealed(const struct pw_handle *handle)
{
    return pw_word_is_sealed(pw_root.seal_key, handle->address, handle->word, handle->size);
}

PW_INLINE void pw_handle_set(const struct pw_handle *handle, uint32_t state, uint32_t flags,
                             uint32_t slack)
{
    atomic_store_explicit(handle->header,
                          pw_word_make(pw_root.seal_key, handle->address, state, flags, slack,
                                       handle->size),
                          memory_order_release);
}

/* Its evidence; entry is that of its address. */
PW_INLINE struct pw_evidence *pw_handle_evidence(const struct pw_handle *handle, uint64_t entry)
{
    if (pw_likely(pw_entry_is_slab(entry)))
        return pw_entry_evidence(entry, handle->header);
    const struct pw_region *region = pw_entry_region(entry);
    uint64_t place = ((uint64_t)handle->header - region->headers) / sizeof(struct pw_header);
    return (struct pw_evidence *)region->evidence + place;
}

/* Mark a block in `state` PENDING. */
PW_INLINE void pw_handle_mark(const struct pw_handle *handle, uint32_t state)
{
    atomic_store_explicit(handle->header, pw_word_pending(handle->word, state), memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
}

/* A small block that nobody has becomes CACHED. */
PW_INLINE void pw_recycle(struct pw_cache *cache, const struct pw_handle *handle)
{
    pw_handle_set(handle, PW_STATE_CACHED, 0, pw_word_fields(handle->word).slack);
    if (pw_unlikely(!pw_cache_push(cache, handle->block_class, (void *)handle->address)))
        pw_overflow(cache, handle->block_class, (void *)handle->address);
}

/* Is what lies in a CACHED block as it was left? */
PW_INLINE bool pw_cached_is_intact(const struct pw_handle *handle, enum pw_level level)
{
    struct pw_fields fields = pw_word_fields(handle->word);
    if (!pw_handle_is_sealed(handle) || fields.state != PW_STATE_CACHED)
        return false;
    /* What the block behind did to it is written over by a new zone. */
    if (level >= PW_LEVEL_FULL && !pw_zone_tail_holds(handle->address + handle->bytes))
        return false;
    if ((fields.flags & PW_HEAP_ZEROED) != 0)
        return level < PW_LEVEL_FULL || pw_zero_holds(handle->address, handle->bytes - PW_TAIL_BYTES);
    if (level == PW_LEVEL_FAST)
        return pw_poison_line_holds(handle->address, handle->bytes);
    return pw_poison_holds(handle->address, pw_poison_bytes(handle->bytes));
}

/* Make a CACHED block that has been looked at LIVE. */
PW_INLINE void pw_dress(const struct pw_handle *handle, size_t size, bool zero, uint32_t flags,
                        enum pw_level level)
{
    uint64_t end_of_data = handle->address + size;
    if (level >= PW_LEVEL_FAST)
        pw_handle_mark(handle, PW_STATE_CACHED);
    if (zero && (pw_word_fields(handle->word).flags & PW_HEAP_ZEROED) == 0)
        __builtin_memset((void *)handle->address, 0, size);
    if (level == PW_LEVEL_FAST)
        pw_zone_write_near(end_of_data);
    else if (level >= PW_LEVEL_FULL)
        pw_zone_write_slack(end_of_data, handle->address + handle->bytes);
    pw_handle_set(handle, PW_STATE_LIVE, flags, (uint32_t)(handle->bytes - size));
}

/*
 * The flags that tell how a block goes back when no alignment is named, to one of `family`: a plain delete does not give back
 * what an aligned new made.
 */
PW_INLINE uint32_t pw_plain_flags(enum pw_family family)
{
    bool is_new = family == PW_FAMILY_NEW || family == PW_FAMILY_NEW_ARRAY;
    return is_new ? PW_HEAP_FAMILY_MASK | PW_HEAP_ALIGNED : PW_HEAP_FAMILY_MASK;
}

/* Does a block with these flags go back as one of `family`? */
PW_INLINE bool pw_goes_back_plainly(uint32_t flags, enum pw_family family)
{
    return (flags & pw_plain_flags(family)) == (uint32_t)family << PW_HEAP_FAMILY_SHIFT;
}

/* The same of a block with this word, and is it LIVE? In one comparison. */
PW_INLINE bool pw_word_goes_back_plainly(uint64_t word, enum pw_family family)
{
    uint32_t mask = pw_meta(0xff, pw_plain_flags(family), 0);
    return ((uint32_t)(word >> 32) & mask) == pw_meta(PW_STATE_LIVE, (uint32_t)family << PW_HEAP_FAMILY_SHIFT, 0);
}

/* The gate of free and its like: the sealed, LIVE block that starts at `pointer`, or header NULL. */
PW_INLINE struct pw_handle pw_gate(const void *pointer, uint64_t *entry)
{
    struct pw_handle handle = {.address = (uint64_t)pointer};
    *entry = pw_page_map_entry(handle.address);
    if (pw_unlikely(*entry == 0))
        return handle;
    pw_handle_find(&handle, *entry);
    /* The seal takes in the address, so an interior pointer does not pass. */
    if (pw_unlikely((uint8_t)(handle.word >> 32) != PW_STATE_LIVE || !pw_handle_is_sealed(&handle)))
        handle.header = NULL;
    return handle;
}

/* Is it the entry of another heap's slabs? */
PW_INLINE bool pw_is_foreign(const struct pw_cache *cache, uint64_t entry)
{
    return pw_entry_is_slab(entry) && !pw_entry_has_low(entry, cache->own_slabs);
}

/* Put a block into the thread's ring at levels off and fast; `entry` is that of its address. False: it is full. */
PW_INLINE bool pw_put(struct pw_cache *cache, const struct pw_handle *handle, uint64_t entry, enum pw_level level)
{
    return level == PW_LEVEL_OFF && pw_is_foreign(cache, entry)
               ? pw_cache_push_foreign(cache, handle->block_class, (void *)handle->address)
               : pw_cache_push(cache, handle->block_class, (void *)handle->address);
}

/* Give back a small LIVE block at levels off and fast; `entry` is that of its address. */
PW_INLINE void pw_small_release(struct pw_cache *cache, struct pw_handle *handle, uint64_t entry,
                                const struct pw_call *call, enum pw_level level)
{
    struct pw_fields fields = pw_word_fields(handle->word);
    uint64_t end = handle->address + handle->bytes;
    if (level == PW_LEVEL_FAST) {
        bool is_fine = pw_zones_near_hold(handle->address, end - fields.slack, end);
        if (pw_unlikely(!is_fine) && pw_found_in_block(handle->address, call))
            return;
        pw_handle_mark(handle, PW_STATE_LIVE);
        pw_poison_line(handle->address, handle->bytes);
    }
    cache->frees++;
    pw_handle_set(handle, PW_STATE_CACHED, 0, fields.slack);
    if (pw_unlikely(!pw_put(cache, handle, entry, level)))
        pw_overflow(cache, handle->block_class, (void *)handle->address);
}

#endif
