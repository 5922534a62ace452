/*
 * region.h - regions: large aligned pieces of address space, cut into granules, with their tables
 * out of band between guard pages.
 *
 * The table of regions (struct pw_region in image/layout.h) is guarded by the region lock, which is
 * the innermost lock of the library but for the kernel's: it may be taken with a heap lock held.
 * A region's `kind` is stored last when it is made and cleared first when it goes.
 */
#ifndef PW_HEAP_REGION_H
#define PW_HEAP_REGION_H

#include "heap/page_map.h"

/* Map the tables that all regions share, the page map too. False: no memory. */
bool pw_regions_init(void);

/*
 * Zeroed memory for what every process touches, kept for good: close to those tables while there is room, so that a fork
 * has less to copy, else wherever pw_os_map finds some. NULL: no memory. Any thread, after pw_regions_init.
 */
void *pw_regions_map_beside(size_t bytes);

/* A new region of `granules` granules of 1 << shift bytes (a whole number of slots) for a heap; NULL: no memory. */
struct pw_region *pw_region_create(uint32_t heap, enum pw_region_kind kind, uint64_t granules,
                                   uint32_t shift);
/* Of slabs and guarded blocks: make the last page a guard, as what lies before it comes into use. */
void pw_region_guard_end(struct pw_region *region);
/* Of slabs: the first part has pages of the usual size only, and the rest, as it comes into use, huge ones where there are. */
enum { PW_SMALL_PAGES_BYTES = 4 << 20 };
void pw_region_prefer_huge_pages(struct pw_region *region);
/* Give a region back, all of its blocks with it. */
void pw_region_destroy(struct pw_region *region);

/*
 * The region lock. Signals are blocked while it is held: a handler that allocates wants it too, for
 * its own heaps have regions in the same table (front/reentry.c). Returns the mask for release.
 */
uint64_t pw_regions_acquire(void);
void pw_regions_release(uint64_t mask);

PW_INLINE uint32_t pw_region_index(const struct pw_region *region)
{
    return (uint32_t)(region - (const struct pw_region *)pw_root.regions);
}

PW_INLINE struct pw_region *pw_region_at(uint32_t index)
{
    return (struct pw_region *)pw_root.regions + index;
}

/* Is it one of that heap's, and of that kind? It may have gone, or become another's, since it was found. Under that heap's lock. */
PW_INLINE bool pw_region_is(const struct pw_region *region, uint32_t heap, enum pw_region_kind kind)
{
    return region->heap == heap && atomic_load_explicit(&region->kind, memory_order_acquire) == kind;
}

PW_INLINE struct pw_header *pw_region_header(const struct pw_region *region, uint32_t granule)
{
    return (struct pw_header *)region->headers + granule;
}

PW_INLINE struct pw_span *pw_region_span(const struct pw_region *region, uint32_t span)
{
    return (struct pw_span *)region->spans + span;
}

PW_INLINE struct pw_places *pw_region_places(const struct pw_region *region)
{
    return (struct pw_places *)pw_places_address(region);
}

/* Slab regions: the shape of the span that a granule lies in, and the place in the tables of its block. */
PW_INLINE uint64_t pw_region_shape(const struct pw_region *region, uint32_t granule)
{
    return atomic_load_explicit(&pw_region_span(region, pw_span_of(granule))->shape, memory_order_relaxed);
}

PW_INLINE uint32_t pw_region_slot(const struct pw_region *region, uint32_t granule)
{
    uint64_t shape = pw_region_shape(region, granule);
    return pw_span_slot(pw_region_span(region, pw_span_of(granule)), pw_granule_index(shape, granule));
}

/* Of any region: where the header's word and the evidence of the block at `granule` are, and its size in granules. */
PW_INLINE _Atomic uint64_t *pw_region_word(const struct pw_region *region, uint32_t granule)
{
    if (region->shift == PW_SLAB_SHIFT)
        return (_Atomic uint64_t *)region->headers + pw_region_slot(region, granule);
    return &pw_region_header(region, granule)->word;
}

PW_INLINE struct pw_evidence *pw_region_evidence(const struct pw_region *region, uint32_t granule)
{
    uint32_t slot = region->shift == PW_SLAB_SHIFT ? pw_region_slot(region, granule) : granule;
    return (struct pw_evidence *)region->evidence + slot;
}

PW_INLINE uint32_t pw_region_size(const struct pw_region *region, uint32_t granule)
{
    if (region->shift == PW_SLAB_SHIFT)
        return pw_shape_bytes(pw_region_shape(region, granule)) >> PW_SLAB_SHIFT;
    return pw_region_header(region, granule)->size;
}

PW_INLINE uint64_t pw_region_address(const struct pw_region *region, uint32_t granule)
{
    return region->base + ((uint64_t)granule << region->shift);
}

PW_INLINE uint32_t pw_region_granule(const struct pw_region *region, uint64_t address)
{
    return (uint32_t)((address - region->base) >> region->shift);
}

/* Write a block's header: fields, size and seal; not of slabs. Only for who owns the block (see layout.h). */
PW_INLINE void pw_header_write(const struct pw_region *region, uint32_t granule, uint32_t state,
                               uint32_t flags, uint32_t slack, uint32_t size)
{
    struct pw_header *header = pw_region_header(region, granule);
    if (header->size != size) /* a change of state leaves it: walkers may be reading it, with the heap's lock */
        header->size = size;
    uint64_t address = pw_region_address(region, granule) + pw_start_offset(flags, slack);
    uint64_t word = pw_word_make(pw_root.seal_key, address, state, flags, slack, size);
    atomic_store_explicit(&header->word, word, memory_order_release);
}

/* The address of the first byte of a block with these fields. */
PW_INLINE uint64_t pw_region_start(const struct pw_region *region, uint32_t granule, uint32_t flags,
                                   uint32_t slack)
{
    uint64_t address = pw_region_address(region, granule);
    return region->shift == PW_PAGE_SHIFT ? address + pw_start_offset(flags, slack) : address;
}

/* The same for any region, where the block's size stays. */
PW_INLINE void pw_region_set(const struct pw_region *region, uint32_t granule, uint32_t state,
                             uint32_t flags, uint32_t slack)
{
    uint64_t word = pw_word_make(pw_root.seal_key, pw_region_start(region, granule, flags, slack),
                                 state, flags, slack, pw_region_size(region, granule));
    atomic_store_explicit(pw_region_word(region, granule), word, memory_order_release);
}

PW_INLINE struct pw_fields pw_region_fields(const struct pw_region *region, uint32_t granule)
{
    return pw_word_fields(atomic_load_explicit(pw_region_word(region, granule), memory_order_acquire));
}

PW_INLINE struct pw_fields pw_header_fields(const struct pw_header *header)
{
    return pw_word_fields(atomic_load_explicit(&header->word, memory_order_acquire));
}

/* True when the header of (region, granule) carries the right seal. */
PW_INLINE bool pw_header_is_sealed(const struct pw_region *region, uint32_t granule)
{
    uint64_t word = atomic_load_explicit(pw_region_word(region, granule), memory_order_acquire);
    struct pw_fields fields = pw_word_fields(word);
    return pw_word_is_sealed(pw_root.seal_key,
                             pw_region_start(region, granule, fields.flags, fields.slack), word,
                             pw_region_size(region, granule));
}

/* Not of slabs: mark that a block starts at `granule`, or that none does any more (its header becomes void). */
void pw_region_mark_start(struct pw_region *region, uint32_t granule);
void pw_region_clear_start(struct pw_region *region, uint32_t granule);

/* The granule at which the block that holds `granule` starts; 0: none (before the first block, or between slabs' blocks). */
uint32_t pw_region_find_start(const struct pw_region *region, uint32_t granule);

#endif
