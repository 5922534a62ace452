/* slab_walk.c - from block to block within a span, and through a region, be it of slabs or not. See heap.h. */
#include "heap/slab.h"

struct pw_block pw_slab_next(struct pw_block block)
{
    uint64_t shape = pw_region_shape(block.region, block.granule);
    uint32_t index = pw_granule_index(shape, block.granule) + 1;
    struct pw_block next = {block.region, pw_span_granule(pw_span_of(block.granule), shape, index)};
    if (index >= pw_shape_count(shape) ||
        atomic_load_explicit(pw_region_word(next.region, next.granule), memory_order_acquire) == 0)
        return (struct pw_block){NULL, 0};
    return next;
}

struct pw_block pw_slab_previous(struct pw_block block)
{
    uint64_t shape = pw_region_shape(block.region, block.granule);
    uint32_t index = pw_granule_index(shape, block.granule);
    if (index == 0)
        return (struct pw_block){NULL, 0};
    return (struct pw_block){block.region, pw_span_granule(pw_span_of(block.granule), shape, index - 1)};
}

/* The first block of the first span from `number` on that has one. */
static struct pw_block first_block_from(struct pw_region *region, uint32_t number)
{
    for (; number < pw_span_of(region->limit); number++)
        if (pw_region_span(region, number)->fresh > 0 && pw_region_shape(region, pw_span_first(number)) != 0)
            return (struct pw_block){region, pw_span_first(number)};
    return (struct pw_block){NULL, 0};
}

struct pw_block pw_block_first(struct pw_region *region)
{
    return region->shift == PW_SLAB_SHIFT ? first_block_from(region, 1)
                                          : (struct pw_block){region, region->first};
}

struct pw_block pw_block_after(struct pw_block block)
{
    struct pw_block next = pw_block_next(block);
    if (next.region == NULL && block.region->shift == PW_SLAB_SHIFT)
        return first_block_from(block.region, pw_span_of(block.granule) + 1);
    return next;
}
