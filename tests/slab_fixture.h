/* slab_fixture.h - what the tests of slabs share. */
#ifndef PW_TESTS_SLAB_FIXTURE_H
#define PW_TESTS_SLAB_FIXTURE_H

#include "heap_fixture.h"

enum { KIB = 1024, MOST = PW_SPAN_BLOCKS, FIRST_CLASS = PW_GRANULE_SIZES + 1 };

static struct pw_heap *const heap = &pw_heaps[0];
static const enum pw_level levels[] = {PW_LEVEL_OFF, PW_LEVEL_FAST, PW_LEVEL_FULL};

static inline uint32_t count_of(uint32_t block_class)
{
    return pw_shape_count(pw_shape_of(pw_class_bytes[block_class]));
}

static inline void *take_one(uint32_t block_class)
{
    void *block = NULL;
    assert_int_equal(pw_slab_take(heap, block_class, 1, &block), 1);
    return block;
}

/* `count` blocks, each LIVE with as much as its level leaves room for; how many there were. */
static inline uint32_t take_live(uint32_t block_class, uint32_t count, void **out)
{
    uint32_t taken = 0, got;
    do {
        got = pw_slab_take(heap, block_class, count - taken, out + taken);
        taken += got;
    } while (got > 0 && taken < count);
    for (uint32_t i = 0; i < taken; i++)
        make_live(out[i], pw_class_bytes[block_class] - pw_root.zone_min_bytes);
    return taken;
}

static inline void drop_all(void **blocks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        drop_block(blocks[i]);
}

static inline struct pw_span *span_of(const void *block)
{
    struct pw_block at = block_at(block);
    return pw_region_span(at.region, pw_span_of(at.granule));
}

static inline int stop(void **state)
{
    (void)state;
    stop_heaps();
    return 0;
}

#endif
