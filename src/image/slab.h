/*
 * slab.h - where the blocks of a slab region are: arithmetic over struct pw_span, the same for the heap
 * and for a reader of an image.
 */
#ifndef PW_IMAGE_SLAB_H
#define PW_IMAGE_SLAB_H

#include "image/seal.h"

/* A span's shape taken apart. */
PW_INLINE uint32_t pw_shape_bytes(uint64_t shape)
{
    return (uint32_t)(shape >> 32) & 0xffff;
}

PW_INLINE uint32_t pw_shape_count(uint64_t shape)
{
    return (uint32_t)(shape >> 48);
}

/*
 * The index of the block that holds `offset` of its span, by a multiplication: exact from the first
 * block on. In the front zone, or of a damaged shape, the result is some index of the tables.
 */
PW_INLINE uint32_t pw_shape_index(uint64_t shape, uint32_t offset)
{
    uint64_t from_first = offset - PW_SPAN_FRONT_BYTES;
    return (uint32_t)(from_first * (uint32_t)shape >> 32) & (PW_SPAN_BLOCKS - 1);
}

/* The same for a block of such a span, which is known to be one. */
PW_INLINE uint64_t pw_shape_index_of_block(uint64_t shape, uint64_t block)
{
    return ((block & (PW_SPAN_BYTES - 1)) - PW_SPAN_FRONT_BYTES) * (uint32_t)shape >> 32;
}

PW_INLINE uint64_t pw_shape_of(uint32_t bytes)
{
    uint64_t reciprocal = (((uint64_t)1 << 32) + bytes - 1) / bytes;
    uint64_t count = (PW_SPAN_BYTES - PW_SPAN_FRONT_BYTES) / bytes;
    return reciprocal | (uint64_t)bytes << 32 | count << 48;
}

/* True for a shape that pw_shape_of makes of a size that slabs have. */
PW_INLINE bool pw_shape_is_sane(uint64_t shape)
{
    uint32_t bytes = pw_shape_bytes(shape);
    return bytes >= PW_SLAB_MIN_BYTES && bytes <= PW_SLAB_MAX_BYTES &&
           bytes % (1u << PW_SLAB_SHIFT) == 0 && shape == pw_shape_of(bytes);
}

/* The check of a span whose memory starts at `address`. */
PW_INLINE uint32_t pw_span_seal(uint64_t key, uint64_t address, const struct pw_span *span)
{
    uint64_t shape = atomic_load_explicit(&span->shape, memory_order_relaxed);
    uint32_t places = atomic_load_explicit(&span->places, memory_order_relaxed);
    uint32_t rest = ((uint32_t)span->slab_class << 8 | span->flags) ^ places << 16;
    return pw_seal(key ^ shape, address, rest, (uint32_t)span->hidden << 16 | span->fresh);
}

/* A bit for each page of their span that the bytes from `start` to `end` lie in, as in pw_span.hidden. */
PW_INLINE uint32_t pw_span_pages(uint64_t start, uint64_t end)
{
    uint32_t first = (uint32_t)(start >> PW_PAGE_SHIFT) % PW_SPAN_PAGES;
    uint32_t last = (uint32_t)((end - 1) >> PW_PAGE_SHIFT) % PW_SPAN_PAGES;
    return (2u << last) - (1u << first);
}

/* The number of the span that holds a granule of a slab region, and the granule of its first block. */
PW_INLINE uint32_t pw_span_of(uint32_t granule)
{
    return granule / PW_SPAN_GRANULES;
}

PW_INLINE uint32_t pw_span_first(uint32_t span)
{
    return span * PW_SPAN_GRANULES + (PW_SPAN_FRONT_BYTES >> PW_SLAB_SHIFT);
}

/* The granule of block `index` of a span. */
PW_INLINE uint32_t pw_span_granule(uint32_t span, uint64_t shape, uint32_t index)
{
    return pw_span_first(span) + index * (pw_shape_bytes(shape) >> PW_SLAB_SHIFT);
}

/* The index of the block that holds a granule of a span of this shape. */
PW_INLINE uint32_t pw_granule_index(uint64_t shape, uint32_t granule)
{
    return pw_shape_index(shape, granule % PW_SPAN_GRANULES << PW_SLAB_SHIFT);
}

/* Where the table of places of a slab region (struct pw_places) is, in the process that it is of. */
PW_INLINE uint64_t pw_places_address(const struct pw_region *region)
{
    return region->spans - sizeof(struct pw_places);
}

/* Below full a span has always the same places, from this lot on. */
PW_INLINE uint32_t pw_places_fixed(uint32_t number)
{
    return number << (PW_SPAN_BLOCKS_SHIFT - PW_PLACES_SHIFT);
}

PW_INLINE bool pw_places_are_fixed(void)
{
    return pw_root.level < PW_LEVEL_FULL;
}

/* The place of a block in the tables of its region; some place for any span and index. */
PW_INLINE uint32_t pw_span_slot(const struct pw_span *span, uint32_t index)
{
    uint32_t places = atomic_load_explicit(&span->places, memory_order_relaxed) & (PW_PLACES_LOTS - 1);
    return (places << PW_PLACES_SHIFT) + index;
}

#endif
