/*
 * quick.h - the usual case of malloc, free and realloc at levels off and fast: a small block, the thread's own
 * cache, nothing wrong. No call is made, so no register is saved; anything else gives up before it
 * has changed anything, and the long way (pw_allocate, pw_release_slowly) does it all again and says
 * what is wrong. The steps are those of hot.h, in the same order.
 */
#ifndef PW_FRONT_QUICK_H
#define PW_FRONT_QUICK_H

#include "front/hot.h"

/* The largest size that a slab's block has room for at fast. */
extern uint64_t pw_fast_most __attribute__((visibility("hidden")));

PW_INLINE uint64_t pw_quick_most(enum pw_level level)
{
    return level == PW_LEVEL_OFF ? PW_SLAB_MAX_BYTES : pw_fast_most;
}

/* The ring of the size class of `bytes`. */
PW_INLINE struct pw_ring *pw_ring_for(struct pw_cache *cache, uint64_t bytes)
{
    return cache->rings + (uint64_t)pw_class_for(bytes) - 1;
}

/* pw_page_map_entry of a block that is ours. */
PW_INLINE uint64_t pw_quick_entry(uint64_t address)
{
    return atomic_load_explicit(&pw_page_map[address >> PW_SLOT_SHIFT], memory_order_relaxed);
}

/* Where the header of the block at `address` of a ring of slabs' blocks is, at `level`; what it says is not read. */
PW_INLINE struct pw_handle pw_quick_handle(const struct pw_ring *ring, uint64_t address, enum pw_level level)
{
    struct pw_handle handle = {.address = address, .bytes = ring->bytes};
    uint64_t entry = pw_quick_entry(address);
    handle.size = ring->bytes >> PW_SLAB_SHIFT;
    handle.header = level < PW_LEVEL_FULL ? pw_entry_word_fixed(entry, address, ring->reciprocal)
                                          : pw_entry_word_of_block(entry, address, ring->reciprocal);
    return handle;
}

/* A block of `size` bytes for a thread whose cache is open for that way, or NULL: take the long way. */
PW_INLINE void *pw_quick_acquire_at(struct pw_cache *cache, size_t size, bool zero,
                                    enum pw_family family, enum pw_level level)
{
    if (pw_unlikely(size > pw_quick_most(level)))
        return NULL;
    /* Read now and not before: a signal handler may have used the ring. */
    pw_cache_enter(cache);
    struct pw_ring *ring = pw_ring_for(cache, pw_bytes_for(size, level));
    uint32_t count = ring->count;
    if (pw_unlikely(count <= (level == PW_LEVEL_OFF ? ring->foreign : ring->keep))) {
        pw_leave(cache);
        return NULL;
    }
    uint32_t place = level == PW_LEVEL_OFF ? (ring->head + count - 1) & ring->mask : ring->head;
    struct pw_handle handle = pw_quick_handle(ring, (uint64_t)(&cache->places[ring->first])[place], level);
    bool is_fine = true;
    /* At off only calloc has to know what it says, and to wait for its line. */
    if (level == PW_LEVEL_FAST || zero)
        handle.word = atomic_load_explicit(handle.header, memory_order_relaxed);
    if (level == PW_LEVEL_FAST) {
        struct pw_fields fields = pw_word_fields(handle.word);
        is_fine = fields.state == PW_STATE_CACHED &&
                  ((fields.flags & PW_HEAP_ZEROED) != 0 ||
                   pw_poison_places_hold(handle.address, ring->line));
    }
    if (pw_likely(is_fine)) {
        if (level != PW_LEVEL_OFF)
            ring->head = (place + 1) & ring->mask;
        ring->count = count - 1;
        cache->allocations++;
        pw_dress(&handle, size, zero, (uint32_t)family << PW_HEAP_FAMILY_SHIFT, level);
    }
    pw_leave(cache);
    if (handle.address == 0)
        __builtin_unreachable(); /* spares the caller a look */
    return pw_likely(is_fine) ? (void *)handle.address : NULL;
}

/* A block of `size` bytes for the thread with that cache (NULL: none), or NULL: take the long way. */
PW_INLINE void *pw_quick_acquire(struct pw_cache *cache, size_t size, bool zero, enum pw_family family)
{
    enum pw_quick way = pw_way(cache);
    if (pw_likely(way == PW_QUICK_FAST))
        return pw_quick_acquire_at(cache, size, zero, family, PW_LEVEL_FAST);
    if (way == PW_QUICK_OFF)
        return pw_quick_acquire_at(cache, size, zero, family, PW_LEVEL_OFF);
    return NULL;
}

/*
 * Is there a LIVE block of a slab at handle->address that goes back as one of `family`, and is it as `level` has it? Which;
 * `entry` is that of its address, and a slab's.
 */
PW_INLINE bool pw_quick_gate(struct pw_handle *handle, uint64_t entry, enum pw_family family, enum pw_level level)
{
    pw_handle_find_slab(handle, entry);
    struct pw_fields fields = pw_word_fields(handle->word);
    bool is_ours = level != PW_LEVEL_OFF
                       ? pw_word_goes_back_plainly(handle->word, family)
                       : fields.state == PW_STATE_LIVE && (fields.flags & PW_HEAP_FAMILY_MASK) !=
                                                              PW_FAMILY_INSTANCE << PW_HEAP_FAMILY_SHIFT;
    if (pw_unlikely(!is_ours || !pw_handle_is_sealed(handle)))
        return false;
    uint64_t end = handle->address + handle->bytes;
    return level == PW_LEVEL_OFF || pw_zones_near_hold(handle->address, end - fields.slack, end);
}

/* Is that an entry of slabs whose blocks go into a thread's rings on the short way? At off only those of its own heap do. */
PW_INLINE bool pw_quick_takes(const struct pw_cache *cache, uint64_t entry, enum pw_level level)
{
    return level == PW_LEVEL_OFF ? pw_entry_has_low(entry, cache->own_slabs) : pw_entry_is_slab(entry);
}

/* What was asked for of a block of a slab. */
PW_INLINE uint64_t pw_quick_requested(const struct pw_handle *handle)
{
    return handle->bytes - pw_word_fields(handle->word).slack;
}

/* Put a block that passed the gate into its ring, as another heap's or not; false: it is full. */
PW_INLINE bool pw_quick_put(struct pw_cache *cache, const struct pw_handle *handle, enum pw_level level, bool is_foreign)
{
    struct pw_ring *ring = &cache->rings[handle->block_class - 1];
    pw_cache_enter(cache);
    if (pw_unlikely(ring->count > ring->mask)) {
        pw_leave(cache);
        return false;
    }
    if (level == PW_LEVEL_FAST) {
        pw_handle_mark(handle, PW_STATE_LIVE);
        pw_poison_places(handle->address, ring->line);
    }
    cache->frees++;
    pw_handle_set(handle, PW_STATE_CACHED, 0, pw_word_fields(handle->word).slack);
    if (is_foreign)
        (void)pw_cache_push_foreign(cache, handle->block_class, (void *)handle->address);
    else
        pw_cache_append(cache, ring, (void *)handle->address);
    pw_leave(cache);
    return true;
}

PW_INLINE bool pw_quick_release_at(struct pw_cache *cache, void *pointer, enum pw_family family,
                                   size_t size, enum pw_level level)
{
    struct pw_handle handle = {.address = (uint64_t)pointer};
    uint64_t entry = pw_page_map_entry(handle.address);
    if (pw_unlikely(!pw_quick_takes(cache, entry, level) || !pw_quick_gate(&handle, entry, family, level)))
        return false;
    if (pw_unlikely(size != SIZE_MAX && size != pw_quick_requested(&handle)))
        return false;
    return pw_quick_put(cache, &handle, level, false);
}

/* The same for blocks of other heaps at off, which wait at the old end of a ring to go home. */
bool pw_quick_release_foreign(struct pw_cache *cache, void *pointer, size_t size);

/* Give back `pointer` (of `size` bytes, or SIZE_MAX: whatever); false: take the long way. */
PW_INLINE bool pw_quick_release(struct pw_cache *cache, void *pointer, enum pw_family family, size_t size)
{
    enum pw_quick way = pw_way(cache);
    if (pw_likely(way == PW_QUICK_FAST))
        return pw_quick_release_at(cache, pointer, family, size, PW_LEVEL_FAST);
    if (way == PW_QUICK_OFF)
        return pw_quick_release_at(cache, pointer, family, size, PW_LEVEL_OFF);
    return false;
}

/*
 * Does a block that passed the gate stay where it is when it gets `size` bytes? Then it has. `size` has room in a slab's block.
 */
PW_INLINE bool pw_quick_resize_at(struct pw_cache *cache, const struct pw_handle *handle, size_t size, enum pw_level level)
{
    if (pw_class_for(pw_bytes_for(size, level)) != handle->block_class)
        return false;
    pw_cache_enter(cache);
    if (level == PW_LEVEL_FAST) {
        pw_handle_mark(handle, PW_STATE_LIVE);
        pw_zone_write_near(handle->address + size);
    }
    pw_handle_set(handle, PW_STATE_LIVE, pw_word_fields(handle->word).flags, (uint32_t)(handle->bytes - size));
    pw_leave(cache);
    return true;
}

#endif
