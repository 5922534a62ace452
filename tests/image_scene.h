/*
 * image_scene.h - a heap with a block in every state, and corruptions planted into it: for the tests of image/.
 * Include after cmocka.h.
 */
#ifndef PW_TESTS_IMAGE_SCENE_H
#define PW_TESTS_IMAGE_SCENE_H

#include "heap_fixture.h"

/* ---- a heap with a block in every state ---- */

enum { SCENE_BLOCKS = 40 };
static const uint64_t small_sizes[] = {24, 100, 0, 50, 96, 200, 130, 200, 1, 200, 5000, 4000, 10, 33, 40, 300, 7};
static struct {
    uint8_t *small[PW_ARRAY_SIZE(small_sizes)]; /* neighbours, in this order, from the region's first block */
    uint8_t *mapped[6];
    uint8_t *other_heap[2];
    uint8_t *rest;              /* of the region: FREE, ZEROED, never used */
    struct pw_block all[SCENE_BLOCKS]; /* every block there is */
    uint32_t count;
} scene;
/* Who is who among scene.small and scene.mapped. */
enum { FIRST_LIVE, QUARANTINED_100, LIVE_0, CACHED_50, LIVE_96, FREE_A, LIVE_130, FREE_B, LIVE_1, FREE_C,
       QUARANTINED_5000, LIVE_4000, LIVE_10, CACHED_ZEROED, RETIRED_40, CACHED_300, LIVE_7 };
enum { MAPPED_20000, RUN_A, MAPPED_50000, RUN_B, MAPPED_QUARANTINED, MAPPED_17000 };

static inline bool note_block(void *context, struct pw_block block)
{
    (void)context;
    assert_true(scene.count < SCENE_BLOCKS);
    scene.all[scene.count++] = block;
    return true;
}

static inline void write_evidence(const void *address, uint32_t n)
{
    struct pw_block block = block_at(address);
    *pw_region_evidence(block.region, block.granule) = (struct pw_evidence){
        .alloc_stack = 100 + n, .free_stack = 20 + n, .alloc_thread = 3, .free_thread = 4, .number = 300 + n};
}

static inline void set_the_scene(enum pw_level level)
{
    static const uint64_t mapped_sizes[] = {20000, 30000, 50000, 30000, 40000, 17000};
    start_heaps(level);
    for (uint32_t i = 0; i < PW_ARRAY_SIZE(small_sizes); i++) {
        if (i == CACHED_ZEROED)
            assert_int_equal(pw_heap_take(&pw_heaps[0], 3, 1, (void **)&scene.small[i]), 1);
        else
            scene.small[i] = new_block(&pw_heaps[0], small_sizes[i]);
        write_evidence(scene.small[i], i);
        if (fields_of(scene.small[i]).state == PW_STATE_LIVE)
            memset(scene.small[i], 0x42, small_sizes[i]);
    }
    for (uint32_t i = 0; i < PW_ARRAY_SIZE(mapped_sizes); i++) {
        scene.mapped[i] = new_block(&pw_heaps[0], mapped_sizes[i]);
        memset(scene.mapped[i], 0x42, mapped_sizes[i]);
    }
    make_dead(scene.small[QUARANTINED_100], PW_STATE_QUARANTINED);
    make_dead(scene.small[QUARANTINED_5000], PW_STATE_QUARANTINED);
    make_dead(scene.small[CACHED_50], PW_STATE_CACHED);
    make_dead(scene.small[CACHED_300], PW_STATE_CACHED);
    make_dead(scene.small[RETIRED_40], PW_STATE_RETIRED);
    make_dead(scene.mapped[MAPPED_QUARANTINED], PW_STATE_QUARANTINED);
    drop_block(scene.small[FREE_A]);
    drop_block(scene.small[FREE_B]);
    drop_block(scene.small[FREE_C]);
    drop_block(scene.mapped[RUN_A]);
    drop_block(scene.mapped[RUN_B]);
    scene.other_heap[0] = new_block(&pw_heaps[1], 1234);
    scene.other_heap[1] = new_block(&pw_heaps[1], 123456);
    struct pw_block last = block_at(scene.small[LIVE_7]);
    scene.rest = (uint8_t *)pw_block_end(last);
    scene.count = 0;
    pw_heap_list(note_block, NULL);
}

static inline uint64_t end_of(const uint8_t *block)
{
    return (uint64_t)block + room_of(block);
}

/* ---- planting ---- */

struct expected {
    enum pw_kind kind;
    uint64_t address, block;
    enum pw_relation relation;
    uint64_t offset;
};

static inline bool is_as_expected(const struct pw_fault *fault, const struct expected *expected)
{
    return fault->kind == expected->kind && fault->address == expected->address &&
           fault->block.address == expected->block && fault->relation == expected->relation &&
           fault->offset == expected->offset && fault->block.known &&
           (fault->kind == PW_KIND_HEADER) == (fault->broken_rule != NULL);
}

/* The validator finds exactly these, in whatever order. */
static inline void assert_found(const struct expected *expected, uint64_t count, const char *what, uint64_t which)
{
    struct findings *findings = validate();
    bool is_right = findings->count == count;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t times = 0;
        for (uint64_t k = 0; k < findings->count && k < MOST_FAULTS; k++)
            times += is_as_expected(&findings->faults[k], &expected[i]);
        if (times == 1)
            continue;
        is_right = false;
        print_error("expected once, found %llu times: %s at 0x%llx, block 0x%llx, relation %d, offset %llu\n",
                    (unsigned long long)times, pw_kind_name(expected[i].kind),
                    (unsigned long long)expected[i].address, (unsigned long long)expected[i].block,
                    (int)expected[i].relation, (unsigned long long)expected[i].offset);
    }
    if (is_right)
        return;
    print_findings(findings);
    fail_msg("%s %llu: %llu faults, not %llu", what, (unsigned long long)which,
             (unsigned long long)findings->count, (unsigned long long)count);
}

static inline struct expected header_fault(uint64_t block)
{
    return (struct expected){PW_KIND_HEADER, block, block, PW_RELATION_INSIDE, 0};
}

static inline struct expected overflow(const uint8_t *block, uint64_t size, uint64_t at)
{
    return (struct expected){PW_KIND_OVERFLOW, at, (uint64_t)block, PW_RELATION_AFTER,
                             at - ((uint64_t)block + size)};
}

static inline struct expected underflow(const uint8_t *block, uint64_t at)
{
    return (struct expected){PW_KIND_UNDERFLOW, at, (uint64_t)block, PW_RELATION_BEFORE, (uint64_t)block - at};
}

static inline struct expected use_after_free(const uint8_t *block, uint64_t at)
{
    return (struct expected){PW_KIND_USE_AFTER_FREE, at, (uint64_t)block, PW_RELATION_INSIDE,
                             at - (uint64_t)block};
}

/* Of memory that nobody had yet: the overflow of the LIVE block before it, where that ends within a page. */
static inline struct expected in_dead(const uint8_t *block, uint64_t at)
{
    int before = block == scene.small[CACHED_ZEROED] ? LIVE_10 : LIVE_7;
    bool is_fresh = block == scene.small[CACHED_ZEROED] || block == scene.rest;
    uint64_t end = (uint64_t)scene.small[before] + small_sizes[before];
    return is_fresh && at - end <= PW_PAGE_BYTES ? overflow(scene.small[before], small_sizes[before], at)
                                                 : use_after_free(block, at);
}

/* Change one byte, expect, change it back. */
static inline void assert_byte_found(uint64_t at, uint8_t flip, const struct expected *expected, const char *what)
{
    uint8_t *byte = (uint8_t *)at;
    *byte ^= flip;
    assert_found(expected, expected != NULL, what, at);
    *byte ^= flip;
}

static inline void assert_byte_ignored(uint64_t at, const char *what)
{
    assert_byte_found(at, 0x20, NULL, what);
}

/* Blocks by the bitmap of starts, which is intact. */
static inline bool count_walked(void *context, const struct pw_block_info *block)
{
    assert_true(block->known);
    ++*(uint64_t *)context;
    return true;
}

#endif
