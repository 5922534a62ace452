/*
 * image_test.c - looking at a heap (image/image.h): the frozen structures, walk, inspection, and that the
 * validator finds every planted corruption, that one only, and calls it by its name.
 */
#include "cache/cache.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "child.h"
#include "heap_fixture.h"

/* ---- the frozen image ---- */

extern struct pw_root pwheap_image_root;

struct frozen {
    const char *what;
    uint64_t is, was;
};
#define SIZE(type, bytes) {"sizeof " #type, sizeof(struct type), bytes}
#define PLACE(type, member, offset) {#type "." #member, offsetof(struct type, member), offset}
#define VALUE(name, value) {#name, (uint64_t)(name), value}

static const struct frozen image_of_version_4[] = {
    VALUE(PW_IMAGE_VERSION, 4),
    SIZE(pw_header, 16), PLACE(pw_header, word, 0), PLACE(pw_header, size, 8), PLACE(pw_header, prev, 12),
    SIZE(pw_extension, 16), PLACE(pw_extension, requested, 0), PLACE(pw_extension, check, 8),
    SIZE(pw_evidence, 16), PLACE(pw_evidence, alloc_stack, 0), PLACE(pw_evidence, free_stack, 4),
    PLACE(pw_evidence, alloc_thread, 8), PLACE(pw_evidence, free_thread, 10), PLACE(pw_evidence, number, 12),
    SIZE(pw_free_links, 16), PLACE(pw_free_links, next, 8), PLACE(pw_free_links, previous, 12),
    SIZE(pw_page_links, 16), PLACE(pw_page_links, next, 0), PLACE(pw_page_links, previous, 8),
    SIZE(pw_region, 96), PLACE(pw_region, base, 0), PLACE(pw_region, headers, 8),
    PLACE(pw_region, evidence, 16), PLACE(pw_region, starts, 24), PLACE(pw_region, summary, 32),
    PLACE(pw_region, mapping, 40), PLACE(pw_region, mapping_bytes, 48), PLACE(pw_region, granules, 56),
    PLACE(pw_region, first, 60), PLACE(pw_region, limit, 64), PLACE(pw_region, shift, 68),
    PLACE(pw_region, heap, 72), PLACE(pw_region, kind, 76), PLACE(pw_region, spans, 80),
    PLACE(pw_region, free_bits, 88),
    SIZE(pw_span, 32), PLACE(pw_span, shape, 0), PLACE(pw_span, check, 8), PLACE(pw_span, fresh, 12),
    PLACE(pw_span, free, 14), PLACE(pw_span, slab_class, 16), PLACE(pw_span, flags, 18),
    PLACE(pw_span, next, 20), PLACE(pw_span, previous, 24),
    SIZE(pw_heap_image, 3688), PLACE(pw_heap_image, bin_bitmap, 0), PLACE(pw_heap_image, bins, 32),
    PLACE(pw_heap_image, page_bitmap, 1056), PLACE(pw_heap_image, page_bins, 1088),
    PLACE(pw_heap_image, spans, 3136), PLACE(pw_heap_image, empty_spans, 3648),
    PLACE(pw_heap_image, slab_region, 3652), PLACE(pw_heap_image, flags, 3656),
    PLACE(pw_heap_image, reserved, 3664),
    SIZE(pw_thread_image, 56), PLACE(pw_thread_image, tid, 0), PLACE(pw_thread_image, alive, 4),
    PLACE(pw_thread_image, name, 8), PLACE(pw_thread_image, allocations, 24),
    PLACE(pw_thread_image, frees, 32),
    SIZE(pw_module, 312), PLACE(pw_module, start, 0), PLACE(pw_module, end, 8), PLACE(pw_module, bias, 16),
    PLACE(pw_module, build_id_len, 24), PLACE(pw_module, unloaded, 28), PLACE(pw_module, build_id, 32),
    PLACE(pw_module, path, 56),
    SIZE(pw_stack, 16), PLACE(pw_stack, hash, 0), PLACE(pw_stack, count, 8), PLACE(pw_stack, own, 9), PLACE(pw_stack, skip, 10),
    PLACE(pw_stack, is_known, 11), PLACE(pw_stack, site, 12), PLACE(pw_stack, frames, 16),
    SIZE(pw_depot_image, 32776), PLACE(pw_depot_image, chunks, 0), PLACE(pw_depot_image, used, 32768),
    SIZE(pw_root, 200), PLACE(pw_root, magic, 0), PLACE(pw_root, version, 8), PLACE(pw_root, bytes, 12),
    PLACE(pw_root, level, 16), PLACE(pw_root, pid, 20), PLACE(pw_root, seal_key, 24),
    PLACE(pw_root, zone_pattern, 32), PLACE(pw_root, zone_min_bytes, 40), PLACE(pw_root, zone_shift, 44),
    PLACE(pw_root, zone_max_bytes, 48), PLACE(pw_root, free_fill, 52), PLACE(pw_root, free_fill_max, 56),
    PLACE(pw_root, regions, 64), PLACE(pw_root, heaps, 72), PLACE(pw_root, threads, 80),
    PLACE(pw_root, modules, 88), PLACE(pw_root, depot, 96), PLACE(pw_root, page_map, 104),
    PLACE(pw_root, region_count, 112), PLACE(pw_root, heap_count, 116), PLACE(pw_root, heap_stride, 120),
    PLACE(pw_root, thread_count, 124), PLACE(pw_root, module_count, 128), PLACE(pw_root, ready, 132),
    VALUE(PW_STATE_FREE, 0x02), VALUE(PW_STATE_CACHED, 0x04), VALUE(PW_STATE_PENDING, 0x09),
    VALUE(PW_STATE_LIVE, 0x11), VALUE(PW_STATE_QUARANTINED, 0x20), VALUE(PW_STATE_RETIRED, 0x40),
    VALUE(PW_HEAP_MAPPED, 0x01), VALUE(PW_HEAP_GUARDED, 0x02), VALUE(PW_HEAP_MOAT, 0x10), VALUE(PW_HEAP_ZEROED, 0x04),
    VALUE(PW_HEAP_ALIGNED, 0x08), VALUE(PW_HEAP_FAMILY_MASK, 0x30), VALUE(PW_HEAP_RIGHT, 0x40),
    VALUE(PW_HEAP_POISONED, 0x80), VALUE(PW_HEAP_HEADER_MAGIC, 0xDEADBEEF),
    VALUE(PW_FAMILY_MALLOC, 0), VALUE(PW_FAMILY_NEW, 1), VALUE(PW_FAMILY_NEW_ARRAY, 2),
    VALUE(PW_FAMILY_INSTANCE, 3),
    VALUE(PW_REGION_SMALL, 1), VALUE(PW_REGION_PAGES, 2), VALUE(PW_REGION_GUARD, 3), VALUE(PW_REGION_SLABS, 4), VALUE(PW_SLOT_SHIFT, 25),
    VALUE(PW_SLAB_SHIFT, 4), VALUE(PW_SPAN_SHIFT, 16), VALUE(PW_SPAN_BLOCKS_SHIFT, 11),
    VALUE(PW_SPAN_FRONT_BYTES, 64), VALUE(PW_SPAN_REF_BITS, 9), VALUE(PW_SPAN_DIRTY, 1),
    VALUE(PW_GRANULE_SHIFT, 8), VALUE(PW_REF_GRANULE_BITS, 17), VALUE(PW_TAIL_BYTES, 16), VALUE(PW_MAX_REGIONS, 8192),
    VALUE(PW_MAX_FRAMES, 64), VALUE(PW_DEPOT_CHUNK_SHIFT, 22),
};

static void the_image_of_version_4_has_its_bytes_where_readers_look_for_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < PW_ARRAY_SIZE(image_of_version_4); i++)
        CHECK(image_of_version_4[i].is == image_of_version_4[i].was, "%s is %llu, not %llu",
              image_of_version_4[i].what, (unsigned long long)image_of_version_4[i].is,
              (unsigned long long)image_of_version_4[i].was);
    assert_memory_equal(pw_root.magic, "PWHEAP\n", 8);
    assert_ptr_equal(&pwheap_image_root, &pw_root);
    assert_int_equal(pw_root.version, 4);
    assert_int_equal(pw_root.bytes, 200);
}

static void every_kind_state_family_and_operation_has_its_name(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < PW_KIND_COUNT; kind++)
        for (unsigned other = 0; other < kind; other++)
            assert_string_not_equal(pw_kind_name(kind), pw_kind_name(other));
    for (unsigned operation = 0; operation < PW_OP_COUNT; operation++)
        for (unsigned other = 0; other < operation; other++)
            assert_string_not_equal(pw_operation_name(operation), pw_operation_name(other));
    assert_string_equal(pw_kind_name(PW_KIND_OVERFLOW), "heap-buffer-overflow");
    assert_string_equal(pw_kind_name(PW_KIND_HEADER), "header-corruption");
    assert_string_equal(pw_kind_name(PW_KIND_COUNT), "none");
    assert_string_equal(pw_state_name(PW_STATE_QUARANTINED), "quarantined");
    assert_string_equal(pw_family_name(PW_FAMILY_NEW_ARRAY), "new[]");
    assert_string_equal(pw_family_release_name(PW_FAMILY_NEW), "operator delete");
    assert_string_equal(pw_operation_name(PW_OP_COUNT), "nothing");
    unsigned known = 0;
    for (unsigned byte = 0; byte < 256; byte++)
        known += strcmp(pw_state_name(byte), "damaged") != 0;
    assert_int_equal(known, 6);
}

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

static bool note_block(void *context, struct pw_block block)
{
    (void)context;
    assert_true(scene.count < SCENE_BLOCKS);
    scene.all[scene.count++] = block;
    return true;
}

static void write_evidence(const void *address, uint32_t n)
{
    struct pw_block block = block_at(address);
    *pw_region_evidence(block.region, block.granule) = (struct pw_evidence){
        .alloc_stack = 100 + n, .free_stack = 20 + n, .alloc_thread = 3, .free_thread = 4, .number = 300 + n};
}

static void set_the_scene(enum pw_level level)
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

static uint64_t end_of(const uint8_t *block)
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

static bool is_as_expected(const struct pw_fault *fault, const struct expected *expected)
{
    return fault->kind == expected->kind && fault->address == expected->address &&
           fault->block.address == expected->block && fault->relation == expected->relation &&
           fault->offset == expected->offset && fault->block.known &&
           (fault->kind == PW_KIND_HEADER) == (fault->broken_rule != NULL);
}

/* The validator finds exactly these, in whatever order. */
static void assert_found(const struct expected *expected, uint64_t count, const char *what, uint64_t which)
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

static struct expected header_fault(uint64_t block)
{
    return (struct expected){PW_KIND_HEADER, block, block, PW_RELATION_INSIDE, 0};
}

static struct expected overflow(const uint8_t *block, uint64_t size, uint64_t at)
{
    return (struct expected){PW_KIND_OVERFLOW, at, (uint64_t)block, PW_RELATION_AFTER,
                             at - ((uint64_t)block + size)};
}

static struct expected underflow(const uint8_t *block, uint64_t at)
{
    return (struct expected){PW_KIND_UNDERFLOW, at, (uint64_t)block, PW_RELATION_BEFORE, (uint64_t)block - at};
}

static struct expected use_after_free(const uint8_t *block, uint64_t at)
{
    return (struct expected){PW_KIND_USE_AFTER_FREE, at, (uint64_t)block, PW_RELATION_INSIDE,
                             at - (uint64_t)block};
}

/* Of memory that nobody had yet: the overflow of the LIVE block before it, where that ends within a page. */
static struct expected in_dead(const uint8_t *block, uint64_t at)
{
    int before = block == scene.small[CACHED_ZEROED] ? LIVE_10 : LIVE_7;
    bool is_fresh = block == scene.small[CACHED_ZEROED] || block == scene.rest;
    uint64_t end = (uint64_t)scene.small[before] + small_sizes[before];
    return is_fresh && at - end <= PW_PAGE_BYTES ? overflow(scene.small[before], small_sizes[before], at)
                                                 : use_after_free(block, at);
}

/* Change one byte, expect, change it back. */
static void assert_byte_found(uint64_t at, uint8_t flip, const struct expected *expected, const char *what)
{
    uint8_t *byte = (uint8_t *)at;
    *byte ^= flip;
    assert_found(expected, expected != NULL, what, at);
    *byte ^= flip;
}

static void assert_byte_ignored(uint64_t at, const char *what)
{
    assert_byte_found(at, 0x20, NULL, what);
}

/* ---- nothing wrong ---- */

static void in_a_healthy_heap_nothing_is_found_at_any_level(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        assert_nothing_found("in the scene");
        check_shape(&pw_heaps[0]);
        check_shape(&pw_heaps[1]);
    }
}

static void small_steps_come_to_the_same_end_as_one_large_one(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_image image = pw_image_self();
    /* One damaged block among others, found in whatever portions. */
    ((uint8_t *)header_of(scene.small[LIVE_96]))[0] ^= 1;
    for (uint64_t blocks = 1; blocks < 50; blocks += 1 + blocks / 4)
        for (uint64_t bytes = 1; bytes < 1000000; bytes *= 9) {
            struct pw_validate_cursor cursor = {.region = 0};
            uint32_t steps = 0, faults = 0;
            while (!cursor.is_done && steps++ < 1000) {
                struct pw_fault fault = {.kind = PW_KIND_NONE};
                if (pw_validate_step(&image, &cursor, blocks, bytes, &fault)) {
                    assert_int_equal(fault.kind, PW_KIND_HEADER);
                    assert_int_equal(fault.address, (uint64_t)scene.small[LIVE_96]);
                    faults++;
                }
            }
            CHECK(cursor.is_done && faults == 1, "%u blocks, %u bytes a step: %u faults in %u steps",
                  (unsigned)blocks, (unsigned)bytes, faults, steps);
        }
}

/* The fill of freed memory is an option; what is not filled may hold anything. */
static void validate_with_fill_of(enum pw_level level, uint64_t most)
{
    start_heaps_with(level, pw_hooks_of(level, most >= PW_HEAP_LARGE_ALLOC_THRESHOLD));
    pw_root.free_fill_max = most;
    void *blocks[64], *kept[64];
    uint64_t random = most + 1;
    for (uint32_t i = 0; i < 64; i++) {
        uint64_t size = 1 + pw_random_next(&random) % (i % 2 == 0 ? 200 : 4000);
        blocks[i] = new_block(&pw_heaps[0], size);
        memset(blocks[i], 0x42, size);
        kept[i] = i % 8 == 0 ? new_block(&pw_heaps[0], 1) : NULL;
    }
    for (uint32_t i = 0; i < 64; i++)
        make_dead(blocks[i], i % 3 == 0 ? PW_STATE_QUARANTINED : PW_STATE_CACHED);
    assert_nothing_found("with blocks that were freed");
    for (uint32_t i = 0; i < 64; i++) {
        set_state(blocks[i], PW_STATE_CACHED, 0, 0);
        pw_heap_give(&blocks[i], 1);
    }
    assert_nothing_found("with free blocks");
    for (uint32_t i = 0; i < 64; i++) {
        assert_int_equal(pw_heap_take(&pw_heaps[0], 1 + (uint32_t)(pw_random_next(&random) % 20), 1, &blocks[i]), 1);
        if (i % 2 == 0)
            make_live(blocks[i], 1);
    }
    assert_nothing_found("with free blocks that were cut");
    (void)kept;
}

static void whatever_part_of_freed_memory_is_filled_nothing_is_found(void **state)
{
    (void)state;
    static const uint64_t most[] = {0, 1, 48, 64, 100, 1000, 4096, UINT64_MAX};
    for (size_t i = 0; i < PW_ARRAY_SIZE(most); i++)
        for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
            validate_with_fill_of(level, most[i]);
        }
}

/* ---- headers ---- */

static void flip_header(struct pw_block block, size_t from, size_t to, const char *what)
{
    for (size_t byte = from; byte < to; byte++)
        for (unsigned bit = 0; bit < 8; bit++) {
            struct expected expected = header_fault(pw_block_address(block));
            assert_byte_found((uint64_t)pw_block_header(block) + byte, (uint8_t)(1u << bit), &expected, what);
        }
}

static void every_flipped_bit_of_a_headers_word_and_size_is_found_once_in_its_block(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        for (uint32_t i = 0; i < scene.count; i++)
            flip_header(scene.all[i], 0, 12, "a header's word or size");
        assert_nothing_found("in the end");
    }
}

static void every_flipped_bit_of_a_headers_prev_is_found_once_in_its_block(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    for (uint32_t i = 0; i < scene.count; i++)
        flip_header(scene.all[i], 12, 16, "a header's prev");
    assert_nothing_found("in the end");
}

static void the_rule_that_a_header_breaks_is_said_in_words(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_header *header = header_of(scene.small[LIVE_96]);
    header->size ^= 1;
    assert_non_null(strstr(validate()->faults[0].broken_rule, "seal"));
    header->size ^= 1;
    header->prev ^= 1;
    assert_non_null(strstr(validate()->faults[0].broken_rule, "before it"));
    header->prev ^= 1;
    header_of(scene.small[FIRST_LIVE])->prev = 1;
    assert_non_null(strstr(validate()->faults[0].broken_rule, "first block"));
    header_of(scene.small[FIRST_LIVE])->prev = 0;
    uint64_t word = header->word;
    header->word = pw_word_make(pw_root.seal_key, (uint64_t)scene.small[LIVE_96], 0x55, 0, 0, header->size);
    assert_non_null(strstr(validate()->faults[0].broken_rule, "state"));
    header->word = word;
    assert_nothing_found("in the end");
}

static void every_flipped_bit_of_a_requested_size_or_its_check_is_found(void **state)
{
    (void)state;
    static const int live[] = {MAPPED_20000, MAPPED_50000, MAPPED_17000};
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        for (size_t i = 0; i < PW_ARRAY_SIZE(live); i++) {
            uint8_t *block = scene.mapped[live[i]];
            struct expected expected = header_fault((uint64_t)block);
            uint64_t place = (uint64_t)pw_block_extension(block_at(block));
            for (unsigned bit = 0; bit < 128; bit++)
                assert_byte_found(place + bit / 8, (uint8_t)(1u << bit % 8), &expected, "an extension");
        }
    }
}

static void every_wrong_bit_of_the_starts_is_found_in_the_block_that_it_is_about(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FAST);
    for (uint32_t i = 0; i < scene.count; i++) {
        struct pw_block block = scene.all[i];
        uint32_t size = pw_block_header(block)->size;
        struct expected expected = header_fault(pw_block_address(block));
        for (uint32_t k = 0; k < size; k += k < 70 ? 1 : 1 + size / 50) {
            uint32_t granule = block.granule + k;
            assert_byte_found(block.region->starts + granule / 8, (uint8_t)(1u << granule % 8), &expected,
                              k == 0 ? "the bit of a block's start" : "a bit inside a block");
        }
    }
}

static void a_missing_start_is_found_also_where_a_step_of_the_validator_ends(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    enum { COUNT = 2000 };
    static uint8_t *blocks[COUNT];
    for (uint32_t i = 0; i < COUNT; i++)
        blocks[i] = new_block(&pw_heaps[0], 10);
    for (uint32_t i = 0; i < COUNT; i += i > 500 && i < 530 ? 1 : 37) {
        struct pw_block block = block_at(blocks[i]);
        struct expected expected = header_fault((uint64_t)blocks[i]);
        assert_byte_found(block.region->starts + block.granule / 8, (uint8_t)(1u << block.granule % 8),
                          &expected, "the start of block");
    }
}

static void a_wrong_bit_of_the_summary_of_starts_is_found(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FAST);
    for (uint32_t i = 0; i < scene.count; i++) {
        struct pw_block block = scene.all[i];
        uint32_t word = block.granule / 64;
        uint8_t *byte = (uint8_t *)block.region->summary + word / 8;
        *byte ^= (uint8_t)(1u << word % 8);
        struct findings *findings = validate();
        CHECK(findings->count == 1 && findings->faults[0].kind == PW_KIND_HEADER &&
                  findings->faults[0].block.region == pw_region_index(block.region) &&
                  findings->faults[0].block.granule / 64 == word,
              "the summary's bit of block %u: %u faults", i, (unsigned)findings->count);
        *byte ^= (uint8_t)(1u << word % 8);
    }
    /* Bits for words that no block starts in. */
    struct pw_block rest = block_at(scene.rest);
    struct expected expected = header_fault((uint64_t)scene.rest);
    for (uint32_t word = rest.granule / 64 + 1; word < rest.region->limit / 64; word += 37)
        assert_byte_found(rest.region->summary + word / 8, (uint8_t)(1u << word % 8), &expected,
                          "a bit of the summary inside a block");
}

/* ---- bins ---- */

/* At least one fault, each a header's and about one of the (up to four) blocks given. */
static void assert_found_among(const uint64_t *blocks, uint32_t count, uint64_t most, const char *what,
                               uint64_t which)
{
    struct findings *findings = validate();
    bool is_right = findings->count >= 1 && findings->count <= most;
    for (uint64_t i = 0; i < findings->count && i < MOST_FAULTS; i++) {
        bool is_known = false;
        for (uint32_t k = 0; k < count; k++)
            is_known |= findings->faults[i].block.address == blocks[k];
        is_right &= is_known && findings->faults[i].kind == PW_KIND_HEADER;
    }
    if (is_right)
        return;
    print_findings(findings);
    fail_msg("%s %llu: %llu faults", what, (unsigned long long)which, (unsigned long long)findings->count);
}

static void every_flipped_bit_of_a_bins_links_is_found_once_at_one_end_of_the_link(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    /* FREE_C is the newest of the three, then B, then A. */
    uint64_t in_bin[] = {(uint64_t)scene.small[FREE_A], (uint64_t)scene.small[FREE_B],
                         (uint64_t)scene.small[FREE_C]};
    for (int i = 0; i < 3; i++) {
        struct pw_block block = block_at((void *)in_bin[i]);
        uint8_t *links = (uint8_t *)pw_region_evidence(block.region, block.granule);
        for (unsigned bit = 64; bit < 128; bit++) {
            links[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_found_among(in_bin, 3, 1, "bit of a bin's link", bit);
            links[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    assert_nothing_found("in the end");
}

/* One fault, about the head of a bin at `place`, which is no block; or the block that should be there. */
static void assert_head_found(const void *place, const uint8_t *block, const char *what, uint64_t which)
{
    struct findings *findings = validate();
    const struct pw_fault *fault = &findings->faults[0];
    bool is_at_head = fault->address == (uint64_t)place && !fault->block.known;
    bool is_at_block = block != NULL && fault->address == (uint64_t)block;
    if (findings->count == 1 && fault->kind == PW_KIND_HEADER && fault->broken_rule != NULL &&
        (is_at_head || is_at_block))
        return;
    print_findings(findings);
    fail_msg("%s %llu: %llu faults", what, (unsigned long long)which, (unsigned long long)findings->count);
}

static void every_flipped_bit_of_a_bins_head_is_found(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_heap_image *image = &pw_heaps[0].image;
    uint32_t bin = header_of(scene.small[FREE_C])->size - 1;
    for (unsigned bit = 0; bit < 32; bit++) {
        image->bins[bin] ^= 1u << bit;
        assert_head_found(&image->bins[bin], scene.small[FREE_C], "bit of a bin's head", bit);
        image->bins[bin] ^= 1u << bit;
        image->bins[255] ^= 1u << bit;
        assert_head_found(&image->bins[255], scene.rest, "bit of the last bin's head", bit);
        image->bins[255] ^= 1u << bit;
    }
    image->bin_bitmap[bin / 64] ^= (uint64_t)1 << bin % 64;
    assert_head_found(&image->bins[bin], scene.small[FREE_C], "the bit of bin", bin);
    image->bin_bitmap[bin / 64] ^= (uint64_t)1 << bin % 64;
    assert_nothing_found("in the end");
}

/* An empty bin that claims to have blocks makes the next allocation follow a wild link. */
static void an_empty_bin_that_claims_blocks_is_found(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_heap_image *image = &pw_heaps[0].image;
    for (uint32_t bin = 0; bin < PW_HEAP_NUM_BINS; bin++) {
        if (image->bins[bin] != 0)
            continue;
        image->bin_bitmap[bin / 64] ^= (uint64_t)1 << bin % 64;
        assert_head_found(&image->bins[bin], NULL, "a bit without blocks, bin", bin);
        image->bins[bin] = 1u << PW_REF_GRANULE_BITS | block_at(scene.small[LIVE_96]).granule;
        assert_head_found(&image->bins[bin], NULL, "a LIVE block as the head of bin", bin);
        image->bin_bitmap[bin / 64] ^= (uint64_t)1 << bin % 64;
        assert_head_found(&image->bins[bin], NULL, "a head without its bit, bin", bin);
        image->bins[bin] = 0;
    }
    for (uint32_t bin = 0; bin < PW_PAGE_BINS; bin++) {
        if (image->page_bins[bin] != 0)
            continue;
        image->page_bitmap[bin / 64] ^= (uint64_t)1 << bin % 64;
        assert_head_found(&image->page_bins[bin], NULL, "a bit without runs, bin", bin);
        image->page_bitmap[bin / 64] ^= (uint64_t)1 << bin % 64;
    }
    assert_nothing_found("in the end");
}

static void every_flipped_bit_of_the_links_of_free_runs_is_found(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    uint64_t in_bin[] = {(uint64_t)scene.mapped[RUN_A], (uint64_t)scene.mapped[RUN_B]};
    for (int i = 0; i < 2; i++) {
        struct pw_block run = block_at((void *)in_bin[i]);
        uint8_t *links = (uint8_t *)pw_region_evidence(run.region, run.granule + 1);
        for (unsigned bit = 0; bit < 128; bit++) {
            links[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_found_among(in_bin, 2, 1, "bit of a run's link", bit);
            links[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    struct pw_heap_image *image = &pw_heaps[0].image;
    uint32_t bin = 0;
    while (image->page_bins[bin] == 0)
        bin++;
    for (unsigned bit = 0; bit < 64; bit++) {
        image->page_bins[bin] ^= (uint64_t)1 << bit;
        assert_head_found(&image->page_bins[bin], scene.mapped[RUN_B], "bit of a page bin's head", bit);
        image->page_bins[bin] ^= (uint64_t)1 << bit;
    }
    image->page_bitmap[bin / 64] ^= (uint64_t)1 << bin % 64;
    assert_head_found(&image->page_bins[bin], scene.mapped[RUN_B], "the bit of page bin", bin);
    image->page_bitmap[bin / 64] ^= (uint64_t)1 << bin % 64;
    assert_nothing_found("in the end");
}

/* ---- zones, tails, poison ---- */

static bool is_live(const uint8_t *block)
{
    struct pw_block found = pw_heap_find((uint64_t)block);
    return found.region != NULL && pw_block_address(found) == (uint64_t)block &&
           fields_of(block).state == PW_STATE_LIVE;
}

/* What a damaged byte of [start, end), all that is behind `block`, is, at any level: damage nearer to the next block is its underflow. */
static struct expected zone_fault(const uint8_t *block, uint64_t size, uint64_t start, uint64_t end, uint64_t at)
{
    const uint8_t *next = (const uint8_t *)end;
    bool reaches_next = !is_mapped(block) && end == end_of(block) && is_live(next);
    if (reaches_next && end - 1 - at < at - start)
        return underflow(next, at);
    return overflow(block, size, at);
}

static void damage_zone(const uint8_t *block, uint64_t size)
{
    uint64_t start = (uint64_t)block + size, end = end_of(block);
    bool is_fast = pw_root.level == PW_LEVEL_FAST;
    for (uint64_t at = start; at < end; at += at - start < 100 || end - at < 40 ? 1 : 1 + (end - start) / 40) {
        bool is_near = !is_fast || at < start + 16, is_tail = at >= end - 16 && !is_mapped(block);
        if (!is_near && !is_tail) {
            assert_byte_ignored(at, "a byte of the slack at fast");
            continue;
        }
        struct expected expected = zone_fault(block, size, start, end, at);
        assert_byte_found(at, (uint8_t)(1u << at % 8), &expected, "a byte of a zone, 0x");
    }
}

static void every_damaged_byte_of_a_live_blocks_zone_is_found_and_told_from_the_next_ones(void **state)
{
    (void)state;
    static const int live[] = {FIRST_LIVE, LIVE_0, LIVE_96, LIVE_130, LIVE_1, LIVE_4000, LIVE_10, LIVE_7};
    static const int mapped[][2] = {{MAPPED_20000, 20000}, {MAPPED_50000, 50000}, {MAPPED_17000, 17000}};
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        for (size_t i = 0; i < PW_ARRAY_SIZE(live); i++)
            damage_zone(scene.small[live[i]], small_sizes[live[i]]);
        for (size_t i = 0; i < PW_ARRAY_SIZE(mapped); i++)
            damage_zone(scene.mapped[mapped[i][0]], (uint64_t)mapped[i][1]);
        assert_nothing_found("in the end");
    }
}

static void damage_poison(const uint8_t *block, uint64_t filled);

/* Of a large alignment; those of the guard pool have no page, and are not looked at. */
static void every_damaged_byte_of_an_empty_block_on_pages_of_its_own_is_found(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        start_heaps(level);
        uint8_t *block = pw_heap_map_memory(&pw_heaps[0], 32, 32768);
        make_live(block, 0);
        damage_zone(block, 0);
        make_dead(block, PW_STATE_QUARANTINED);
        damage_poison(block, level == PW_LEVEL_FAST ? 64 : UINT64_MAX);
        assert_nothing_found("in the end");
    }
}

static void data_of_live_blocks_is_nobodys_business(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        for (uint64_t i = 0; i < 4000; i += 57)
            assert_byte_ignored((uint64_t)scene.small[LIVE_4000] + i, "a byte of data");
        assert_byte_ignored((uint64_t)scene.mapped[MAPPED_20000] + 19999, "the last byte of data");
        assert_byte_ignored((uint64_t)scene.small[RETIRED_40], "a byte of a retired block");
    }
    set_the_scene(PW_LEVEL_OFF);
    memset(scene.small[QUARANTINED_5000], 1, 5000);
    memset(scene.small[FREE_A], 1, 128);
    memset(scene.small[LIVE_1] + 1, 1, 63);
    assert_nothing_found("at off, where there are no patterns");
}

static void every_damaged_byte_of_a_tail_is_the_next_blocks_underflow_or_a_write_to_nobodys(void **state)
{
    (void)state;
    static const int dead[] = {QUARANTINED_100, CACHED_50, FREE_A, FREE_B, FREE_C, QUARANTINED_5000,
                               CACHED_ZEROED, CACHED_300, RETIRED_40};
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        for (size_t i = 0; i < PW_ARRAY_SIZE(dead); i++) {
            const uint8_t *block = scene.small[dead[i]];
            const uint8_t *next = (const uint8_t *)end_of(block);
            for (uint64_t at = end_of(block) - 16; at < end_of(block); at++) {
                struct expected expected = is_live(next) ? underflow(next, at) : in_dead(block, at);
                assert_byte_found(at, (uint8_t)(1u << at % 8), &expected, "a byte of a tail, 0x");
            }
        }
    }
}

/* Every byte of [block, block + filled) is looked at, the others up to the tail are not. */
static void damage_poison(const uint8_t *block, uint64_t filled)
{
    uint64_t start = (uint64_t)block, end = end_of(block) - (is_mapped(block) ? 0 : 16);
    for (uint64_t at = start; at < end; at += at - start < 130 ? 1 : 1 + (end - start) / 60) {
        struct expected expected = in_dead(block, at);
        if (at - start < filled)
            assert_byte_found(at, (uint8_t)(1u << at % 8), &expected, "a byte of poison, 0x");
        else
            assert_byte_ignored(at, "a byte that is not poison, 0x");
    }
}

static void every_damaged_byte_of_freed_memory_is_found_as_far_as_the_level_poisons_it(void **state)
{
    (void)state;
    static const int dead[] = {QUARANTINED_100, CACHED_50, QUARANTINED_5000, CACHED_300};
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        uint64_t filled = level == PW_LEVEL_FAST ? 64 : UINT64_MAX;
        for (size_t i = 0; i < PW_ARRAY_SIZE(dead); i++)
            damage_poison(scene.small[dead[i]], filled);
        damage_poison(scene.small[FREE_A], level == PW_LEVEL_FAST ? 0 : UINT64_MAX);
        damage_poison(scene.small[FREE_C], level == PW_LEVEL_FAST ? 0 : UINT64_MAX);
        damage_poison(scene.small[CACHED_ZEROED], UINT64_MAX);
        damage_poison(scene.rest, PW_PAGE_BYTES);
        damage_poison(scene.mapped[MAPPED_QUARANTINED], filled);
        assert_nothing_found("in the end");
    }
}

static void every_damaged_byte_of_a_front_zone_is_the_first_blocks_underflow(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        const uint8_t *first[] = {scene.small[FIRST_LIVE], scene.other_heap[0]};
        for (int i = 0; i < 2; i++)
            for (uint64_t back = 1; back <= 16; back++) {
                struct expected expected = underflow(first[i], (uint64_t)first[i] - back);
                assert_byte_found((uint64_t)first[i] - back, 0x81, &expected, "a byte of a front zone, 0x");
            }
    }
}

static void check_picture(const struct pw_damage *damage, uint64_t at, uint64_t length)
{
    assert_int_equal(damage->start, at);
    assert_true(damage->length <= length && damage->damaged <= damage->length && damage->damaged > 0);
    assert_int_equal(damage->window % 16, 0);
    assert_true(damage->window_bytes > 0 && damage->window_bytes <= PW_DAMAGE_WINDOW);
    assert_true(damage->window <= at && at < damage->window + damage->window_bytes);
    uint64_t differing = 0;
    for (uint32_t i = 0; i < damage->window_bytes; i++) {
        assert_int_equal(damage->found[i], ((uint8_t *)damage->window)[i]);
        if (damage->is_known[i] && damage->found[i] != damage->expected[i]) {
            if (differing++ == 0)
                assert_int_equal(damage->window + i, at);
        }
    }
    assert_true(differing > 0 && differing <= damage->damaged);
}

static void the_picture_of_a_damage_shows_it_with_what_was_expected(void **state)
{
    (void)state;
    static const int places[] = {LIVE_4000, LIVE_0, QUARANTINED_5000, CACHED_300, FREE_A};
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        for (size_t i = 0; i < PW_ARRAY_SIZE(places); i++)
            for (uint64_t length = 1; length <= 48; length++) {
                uint8_t *block = scene.small[places[i]];
                bool live = is_live(block);
                if (!live && level == PW_LEVEL_FAST && places[i] == FREE_A)
                    continue;
                uint8_t *at = block + (live ? small_sizes[places[i]] : length % 16);
                uint64_t room = end_of(block) - (uint64_t)at;
                uint64_t bytes = length < room ? length : room;
                uint8_t saved[64];
                memcpy(saved, at, bytes);
                memset(at, 0x41, bytes);
                struct findings *findings = validate();
                CHECK(findings->count >= 1, "%u bytes", (unsigned)bytes);
                check_picture(&findings->faults[0].damage, (uint64_t)at, bytes);
                if (level == PW_LEVEL_FULL)
                    assert_int_equal(findings->faults[0].damage.damaged, bytes);
                memcpy(at, saved, bytes);
            }
        uint8_t *mapped = scene.mapped[MAPPED_20000] + 20000;
        mapped[0] ^= 1;
        check_picture(&validate()->faults[0].damage, (uint64_t)mapped, 1);
        mapped[0] ^= 1;
        uint8_t *front = scene.small[FIRST_LIVE] - 16;
        front[0] ^= 1;
        check_picture(&validate()->faults[0].damage, (uint64_t)front, 1);
        front[0] ^= 1;
    }
}

static void assert_followed(uint64_t value, const uint8_t *block, uint32_t state, uint64_t size)
{
    uint64_t *word = (uint64_t *)scene.small[QUARANTINED_100] + 1, saved = *word;
    *word = value;
    struct pw_pointee pointee = validate()->faults[0].damage.pointee;
    *word = saved;
    assert_int_equal(pointee.known, block != NULL);
    assert_int_equal(pointee.address, (uint64_t)block);
    assert_int_equal(pointee.state, block != NULL ? state : 0);
    assert_int_equal(pointee.size, size);
}

static void an_address_that_was_written_is_followed_to_its_block(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        const uint8_t *live = scene.small[LIVE_4000], *quarantined = scene.small[QUARANTINED_5000];
        assert_followed((uint64_t)live, live, PW_STATE_LIVE, 4000);
        assert_followed((uint64_t)live + 3999, live, PW_STATE_LIVE, 4000);
        assert_followed((uint64_t)quarantined + 8, quarantined, PW_STATE_QUARANTINED, 5000);
        assert_followed((uint64_t)scene.mapped[MAPPED_20000], scene.mapped[MAPPED_20000], PW_STATE_LIVE, 20000);
        assert_followed((uint64_t)&scene, NULL, 0, 0);
        assert_followed(7, NULL, 0, 0);
    }
}

/* ---- many at once ---- */

struct plant {
    uint64_t at;
    uint8_t flip;
    struct expected expected;
};

/* One corruption of every sort, each in a block whose neighbours have none that could hide it. */
static uint32_t all_sorts(struct plant *plants)
{
    uint32_t count = 0;
    uint8_t **small = scene.small, **mapped = scene.mapped;
    uint64_t at = (uint64_t)small[FIRST_LIVE] - 3;
    plants[count++] = (struct plant){at, 0x10, underflow(small[FIRST_LIVE], at)};
    at = (uint64_t)small[QUARANTINED_100] + 20;
    plants[count++] = (struct plant){at, 0x10, use_after_free(small[QUARANTINED_100], at)};
    plants[count++] = (struct plant){(uint64_t)header_of(small[LIVE_0]), 1, header_fault((uint64_t)small[LIVE_0])};
    at = (uint64_t)small[LIVE_96] + 96;
    plants[count++] = (struct plant){at, 1, overflow(small[LIVE_96], 96, at)};
    plants[count++] = (struct plant){(uint64_t)header_of(small[FREE_A]) + 5, 1, header_fault((uint64_t)small[FREE_A])};
    plants[count++] = (struct plant){(uint64_t)header_of(small[FREE_B]) + 8, 4, header_fault((uint64_t)small[FREE_B])};
    at = end_of(small[LIVE_4000]) - 1;
    plants[count++] = (struct plant){at, 1, underflow(small[LIVE_10], at)};
    struct pw_block last = block_at(small[LIVE_7]);
    plants[count++] = (struct plant){last.region->starts + last.granule / 8, (uint8_t)(1u << last.granule % 8),
                                     header_fault((uint64_t)small[LIVE_7])};
    at = end_of(small[CACHED_50]) - 2;
    plants[count++] = (struct plant){at, 1, underflow(small[LIVE_96], at)};
    plants[count++] = (struct plant){(uint64_t)pw_block_extension(block_at(mapped[MAPPED_50000])), 1,
                                     header_fault((uint64_t)mapped[MAPPED_50000])};
    at = (uint64_t)mapped[MAPPED_20000] + 20000 + 15;
    plants[count++] = (struct plant){at, 1, overflow(mapped[MAPPED_20000], 20000, at)};
    at = (uint64_t)mapped[MAPPED_QUARANTINED] + 63;
    plants[count++] = (struct plant){at, 1, use_after_free(mapped[MAPPED_QUARANTINED], at)};
    plants[count++] = (struct plant){(uint64_t)header_of(mapped[RUN_B]) + 12, 1, header_fault((uint64_t)mapped[RUN_B])};
    at = (uint64_t)scene.other_heap[1] + 123456;
    plants[count++] = (struct plant){at, 0xff, overflow(scene.other_heap[1], 123456, at)};
    return count;
}

static void flip_chosen(const struct plant *plants, uint32_t count, uint64_t chosen)
{
    for (uint32_t i = 0; i < count; i++)
        if ((chosen >> i & 1) != 0)
            *(uint8_t *)plants[i].at ^= plants[i].flip;
}

static void corruptions_of_any_sorts_at_once_are_all_found_and_no_other(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        struct plant plants[32];
        set_the_scene(level);
        uint32_t count = all_sorts(plants);
        uint64_t random = 21, everything = ((uint64_t)1 << count) - 1;
        for (int round = 0; round < 600; round++) {
            uint64_t chosen = round == 0 ? everything : pw_random_next(&random) & everything;
            struct expected expected[32];
            uint32_t expected_count = 0;
            for (uint32_t i = 0; i < count; i++)
                if ((chosen >> i & 1) != 0)
                    expected[expected_count++] = plants[i].expected;
            flip_chosen(plants, count, chosen);
            assert_found(expected, expected_count, "corruptions", chosen);
            flip_chosen(plants, count, chosen);
        }
        assert_nothing_found("in the end");
    }
}

/* Blocks by the bitmap of starts, which is intact. */
static bool count_walked(void *context, const struct pw_block_info *block)
{
    assert_true(block->known);
    ++*(uint64_t *)context;
    return true;
}

static void fifty_random_corruptions_of_the_headers_neither_stop_nor_hide_anything(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_region *region = block_at(scene.small[0]).region;
    uint32_t used = pw_region_granule(region, (uint64_t)scene.rest) + 1 - region->first;
    struct pw_header *headers = pw_region_header(region, region->first);
    struct pw_header *saved = malloc(used * sizeof *saved);
    memcpy(saved, headers, used * sizeof *saved);
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint64_t random = seed;
        bool is_hit[SCENE_BLOCKS] = {false};
        for (int i = 0; i < 50; i++) {
            uint64_t r = pw_random_next(&random);
            /* Half of them aim at the header of a block, the others at any. */
            uint32_t slot = (uint32_t)(r >> 8) % used;
            uint32_t which = (uint32_t)(r >> 40) % scene.count;
            if (r % 2 == 0 && scene.all[which].region == region)
                slot = scene.all[which].granule - region->first;
            ((uint8_t *)&headers[slot])[r >> 4 & 15] ^= (uint8_t)(1 + (r >> 56) % 255);
        }
        uint64_t hit = 0;
        /* Two bytes of a word may be changed so that they fit: one in 255 where both are the highest of their fields. */
        bool is_sealed_by_chance = false;
        for (uint32_t i = 0; i < scene.count; i++) {
            if (scene.all[i].region != region)
                continue;
            uint32_t slot = scene.all[i].granule - region->first;
            /* A state that was changed to PENDING can't be told from a block that changes hands. */
            bool is_sound = pw_word_is_sound(pw_root.seal_key, pw_block_address(scene.all[i]),
                                             headers[slot].word, headers[slot].size);
            is_hit[i] = !is_sound || headers[slot].prev != saved[slot].prev;
            is_sealed_by_chance |= is_sound && pw_header_fields(&headers[slot]).slack != pw_header_fields(&saved[slot]).slack;
            hit += is_hit[i];
        }
        struct findings *findings = validate();
        for (uint32_t i = 0; i < scene.count; i++) {
            uint64_t times = 0;
            for (uint64_t k = 0; k < findings->count; k++)
                times += findings->faults[k].kind == PW_KIND_HEADER &&
                         findings->faults[k].address == pw_block_address(scene.all[i]);
            CHECK(times == is_hit[i], "seed %u: block %u found %u times", (unsigned)seed, i, (unsigned)times);
        }
        if (findings->count != hit)
            print_findings(findings);
        /* Of a slack that is believed the zone is looked for where it is not. */
        CHECK(findings->count == hit || (is_sealed_by_chance && findings->count > hit), "seed %u: %u faults for %u blocks", (unsigned)seed,
              (unsigned)findings->count, (unsigned)hit);
        uint64_t walked = 0;
        struct pw_image image = pw_image_self();
        (void)pw_image_walk(&image, count_walked, &walked);
        CHECK(walked == scene.count, "seed %u: %u blocks of %u walked", (unsigned)seed, (unsigned)walked, scene.count);
        memcpy(headers, saved, used * sizeof *saved);
    }
    free(saved);
    assert_nothing_found("in the end");
}

static void look_at_everything(uint64_t *random)
{
    struct pw_image image = pw_image_self();
    uint64_t walked = 0;
    (void)validate();
    (void)pw_image_walk(&image, count_walked, &walked);
    for (int i = 0; i < 50; i++) {
        struct pw_block block = scene.all[pw_random_next(random) % scene.count];
        uint64_t address = pw_block_address(block) + pw_random_next(random) % 8192;
        struct pw_fault fault = {.kind = PW_KIND_NONE};
        pw_diagnose_free(&image, address, &fault);
        fault = (struct pw_fault){.kind = PW_KIND_NONE};
        pw_diagnose_address(&image, address, &fault);
        (void)pw_heap_find(address);
    }
}

static void random_corruption_of_every_table_ends_in_words_and_nothing_else(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_region *small = block_at(scene.small[0]).region, *pages = block_at(scene.mapped[0]).region;
    enum { PART = 4096 };
    /* The parts of the tables that are in use. */
    const uint64_t parts[] = {(uint64_t)pw_region_header(small, small->first),
                              (uint64_t)pw_region_evidence(small, small->first),
                              small->starts,
                              small->summary,
                              (uint64_t)pw_region_header(pages, pages->first),
                              (uint64_t)pw_region_evidence(pages, pages->first),
                              pages->starts,
                              pages->summary,
                              (uint64_t)&pw_heaps[0].image};
    enum { PARTS = 9 };
    _Static_assert(PW_ARRAY_SIZE(parts) == PARTS, "all of them");
    static uint8_t saved[PARTS][PART];
    uint64_t sizes[PARTS];
    for (uint32_t i = 0; i < PARTS; i++) {
        sizes[i] = i == 3 || i == 7 ? 64 : i == PARTS - 1 ? sizeof pw_heaps[0].image : PART;
        memcpy(saved[i], (void *)parts[i], sizes[i]);
    }
    for (uint64_t seed = 1; seed <= 400; seed++) {
        uint64_t random = seed;
        uint64_t hits = 1 + pw_random_next(&random) % 60;
        for (uint64_t i = 0; i < hits; i++) {
            uint64_t r = pw_random_next(&random);
            uint32_t part = (uint32_t)(r % PARTS);
            ((uint8_t *)parts[part])[(r >> 8) % sizes[part]] = (uint8_t)(r >> 56);
        }
        look_at_everything(&random);
        for (uint32_t i = 0; i < PARTS; i++)
            memcpy((void *)parts[i], saved[i], sizes[i]);
    }
    assert_nothing_found("in the end");
}

/* ---- images from outside ---- */

struct foreign {
    uint64_t random, one_in; /* so many reads fail */
    uint64_t hidden_start, hidden_end;
};

/* As from another process: what lies there is nobody's object, so sanitizers have no say. */
__attribute__((no_sanitize("address"))) static void copy_raw(uint8_t *to, const volatile uint8_t *from,
                                                              uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i++)
        to[i] = from[i];
}

static const void *view_with_holes(void *context, uint64_t address, uint64_t bytes, void *scratch)
{
    struct foreign *foreign = context;
    ENSURE(bytes <= PW_VIEW_MAX);
    if (foreign->one_in != 0 && pw_random_next(&foreign->random) % foreign->one_in == 0)
        return NULL;
    if (address < foreign->hidden_end && address + bytes > foreign->hidden_start)
        return NULL;
    if (!pw_os_is_readable((void *)address, bytes))
        return NULL;
    copy_raw(scratch, (void *)address, bytes);
    return scratch;
}

static bool ignore_walked(void *context, const struct pw_block_info *block)
{
    (void)context;
    (void)block;
    return true;
}

static void ignore_fault(void *context, const struct pw_fault *fault)
{
    (void)context;
    (void)fault;
}

static int look_from_outside(void *context)
{
    struct pw_image image = {.root = &pw_root, .view = view_with_holes, .context = context};
    (void)alarm(5);
    (void)pw_validate_all(&image, ignore_fault, NULL);
    (void)pw_image_walk(&image, ignore_walked, NULL);
    for (int i = 0; i < 17; i++) {
        struct pw_fault fault = {.kind = PW_KIND_NONE};
        pw_diagnose_free(&image, (uint64_t)scene.small[i] + 8, &fault);
        pw_diagnose_address(&image, (uint64_t)scene.small[i] + 8, &fault);
    }
    return 0;
}

static void an_image_read_from_outside_is_as_healthy_as_from_inside(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct foreign foreign = {.one_in = 0};
    struct pw_image image = {.root = &pw_root, .view = view_with_holes, .context = &foreign};
    struct findings *findings = validate();
    assert_int_equal(pw_validate_all(&image, note_fault, findings), 0);
    uint64_t walked = 0;
    assert_int_equal(pw_image_walk(&image, count_walked, &walked), scene.count);
}

static void an_image_with_holes_is_looked_at_to_its_end(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_region *region = block_at(scene.small[0]).region, *pages = block_at(scene.mapped[0]).region;
    struct pw_header *headers = header_of(scene.small[LIVE_96]);
    const struct foreign holes[] = {
        {.hidden_start = (uint64_t)headers, .hidden_end = (uint64_t)headers + 16},
        {.hidden_start = region->headers, .hidden_end = region->headers + 0x10000},
        {.hidden_start = region->evidence, .hidden_end = region->evidence + 0x10000},
        {.hidden_start = region->starts, .hidden_end = region->starts + 8},
        {.hidden_start = region->starts, .hidden_end = region->starts + 0x10000},
        {.hidden_start = region->base, .hidden_end = region->base + PW_SLOT_BYTES},
        {.hidden_start = pages->headers, .hidden_end = pages->headers + 0x10000},
        {.hidden_start = pages->base, .hidden_end = pages->base + PW_SLOT_BYTES},
        {.hidden_start = pw_root.regions, .hidden_end = pw_root.regions + 0x10000},
        {.hidden_start = pw_root.heaps, .hidden_end = pw_root.heaps + 0x10000},
        {.hidden_start = 0, .hidden_end = UINT64_MAX},
    };
    for (size_t i = 0; i < PW_ARRAY_SIZE(holes); i++) {
        struct foreign foreign = holes[i];
        CHECK(in_child(look_from_outside, &foreign) == 0, "hole %u", (unsigned)i);
    }
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct foreign foreign = {.random = seed, .one_in = 2 + seed * 5};
        CHECK(in_child(look_from_outside, &foreign) == 0, "seed %u", (unsigned)seed);
    }
}

static int look_at_a_lying_root(void *context)
{
    struct foreign foreign = {.one_in = 0};
    struct pw_image image = {.root = context, .view = view_with_holes, .context = &foreign};
    (void)alarm(5);
    (void)pw_validate_all(&image, ignore_fault, NULL);
    (void)pw_image_walk(&image, ignore_walked, NULL);
    (void)pw_image_find_region(&image, (uint64_t)scene.small[0]);
    return 0;
}

static void a_root_or_region_table_that_lies_does_no_harm(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_region *regions = (struct pw_region *)pw_root.regions;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        uint64_t random = seed;
        struct pw_root lying = pw_root;
        struct pw_region saved[8];
        memcpy(saved, regions, sizeof saved);
        uint8_t *bytes = seed % 2 == 0 ? (uint8_t *)&lying + 16 : (uint8_t *)&regions[1];
        uint64_t size = seed % 2 == 0 ? sizeof lying - 16 : 2 * sizeof *regions;
        for (int i = 0; i < 1 + (int)(seed % 5); i++)
            bytes[pw_random_next(&random) % size] = (uint8_t)pw_random_next(&random);
        int ended = in_child(look_at_a_lying_root, &lying);
        memcpy(regions, saved, sizeof saved);
        CHECK(ended == 0, "seed %u: %d", (unsigned)seed, ended);
    }
}

/* ---- walk ---- */

struct walk {
    uint64_t visited, last, stop_after;
};

static bool compare_walked(void *context, const struct pw_block_info *info)
{
    struct walk *walk = context;
    struct pw_block block = scene.all[walk->visited];
    assert_int_equal(info->address, pw_block_address(block));
    assert_true(info->address > walk->last);
    walk->last = info->address;
    assert_int_equal(info->block_size, pw_block_end(block) - pw_block_address(block));
    assert_int_equal(info->state, pw_header_fields(pw_block_header(block)).state);
    assert_int_equal(info->region, pw_region_index(block.region));
    assert_int_equal(info->heap, block.region->heap);
    assert_true(info->known && info->sealed);
    return ++walk->visited != walk->stop_after;
}

static void a_walk_visits_every_block_once_in_address_order_as_the_list_does(void **state)
{
    (void)state;
    struct pw_image image = pw_image_self();
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        struct walk walk = {.visited = 0};
        assert_int_equal(pw_image_walk(&image, compare_walked, &walk), scene.count);
        assert_int_equal(walk.visited, scene.count);
        for (uint64_t stop = 1; stop < scene.count; stop++) {
            walk = (struct walk){.stop_after = stop};
            assert_int_equal(pw_image_walk(&image, compare_walked, &walk), stop);
        }
    }
}

static void a_walk_is_over_every_region_of_every_heap(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    struct pw_image image = pw_image_self();
    uint64_t walked = 0;
    assert_int_equal(pw_image_walk(&image, count_walked, &walked), 0);
    for (uint32_t i = 0; i < 3000; i++)
        (void)pw_heap_alloc(&pw_heaps[i % TEST_HEAPS], i % 50 == 0 ? 100000 : 16000);
    uint64_t blocks = 0;
    for (uint32_t i = 0; i < TEST_HEAPS; i++)
        blocks += check_shape(&pw_heaps[i]).blocks;
    assert_true(blocks > 3000);
    assert_int_equal(pw_image_walk(&image, count_walked, &walked), blocks);
    assert_int_equal(walked, blocks);
}

/* ---- inspection ---- */

static struct pw_block_info inspect(const void *address)
{
    struct pw_image image = pw_image_self();
    struct pw_block_info info;
    assert_true(pw_inspect_address(&image, (uint64_t)address, &info));
    return info;
}

static void a_block_is_known_by_its_size_state_and_family(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        for (uint32_t i = 0; i < PW_ARRAY_SIZE(small_sizes); i++) {
            struct pw_block_info info = inspect(scene.small[i]);
            if (info.state == PW_STATE_LIVE)
                assert_int_equal(info.size, small_sizes[i]);
            assert_true(info.size <= info.block_size);
            assert_int_equal(info.address, (uint64_t)scene.small[i]);
            assert_int_equal(info.has_evidence, level == PW_LEVEL_FULL);
            if (level < PW_LEVEL_FULL || info.state == PW_STATE_FREE)
                continue;
            assert_int_equal(info.alloc_stack, 100 + i);
            if (info.state == PW_STATE_LIVE) /* its alignment is there instead */
                assert_true(info.free_stack == 0 && info.alignment == (uint64_t)1 << (20 + i));
            else
                assert_true(info.free_stack == 20 + i && info.alignment == 0);
            assert_int_equal(info.alloc_thread, 3);
            assert_int_equal(info.free_thread, 4);
            assert_int_equal(info.number, 300 + i);
        }
        assert_int_equal(inspect(scene.small[FREE_B]).state, PW_STATE_FREE);
        if (level == PW_LEVEL_FULL)
            assert_int_equal(inspect(scene.small[FREE_B]).free_stack, 20 + FREE_B);
        assert_int_equal(inspect(scene.mapped[MAPPED_20000]).size, 20000);
        assert_int_equal(inspect(scene.mapped[MAPPED_20000]).flags & PW_HEAP_MAPPED, PW_HEAP_MAPPED);
        assert_int_equal(inspect(scene.other_heap[1]).size, 123456);
        assert_int_equal(inspect(scene.other_heap[1]).heap, 1);
        for (enum pw_family family = PW_FAMILY_MALLOC; family <= PW_FAMILY_NEW_ARRAY; family++) {
            set_state(scene.small[LIVE_96], PW_STATE_LIVE, (uint32_t)family << PW_HEAP_FAMILY_SHIFT,
                      fields_of(scene.small[LIVE_96]).slack);
            assert_int_equal(inspect(scene.small[LIVE_96]).family, family);
        }
    }
}

static void any_address_finds_the_same_block_in_the_image_as_in_the_heap(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_image image = pw_image_self();
    uint64_t random = 31;
    for (int i = 0; i < 200000; i++) {
        uint64_t r = pw_random_next(&random);
        struct pw_region *region = scene.all[r % scene.count].region;
        uint64_t bytes = (uint64_t)region->granules << region->shift;
        uint64_t span = r >> 60 == 0 ? bytes + 2 * PW_PAGE_BYTES : region->shift == PW_GRANULE_SHIFT ? 30000 : 400000;
        uint64_t address = region->base - PW_PAGE_BYTES + (r >> 8) % span;
        struct pw_block block = pw_heap_find(address);
        struct pw_block_info info;
        bool is_found = pw_inspect_address(&image, address, &info);
        CHECK(is_found == (block.region != NULL), "0x%llx", (unsigned long long)address);
        if (is_found) {
            assert_int_equal(info.address, pw_block_address(block));
            assert_true(info.address <= address && address < info.address + info.block_size);
        }
    }
}

static void the_neighbours_are_the_blocks_beside_it_and_none_at_the_ends(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_image image = pw_image_self();
    for (uint32_t i = 0; i < scene.count; i++) {
        struct pw_block_info info = inspect((void *)pw_block_address(scene.all[i])), before, after;
        pw_inspect_neighbours(&image, &info, &before, &after);
        bool has_before = i > 0 && scene.all[i - 1].region == scene.all[i].region;
        bool has_after = i + 1 < scene.count && scene.all[i + 1].region == scene.all[i].region;
        assert_int_equal(before.known, has_before);
        assert_int_equal(after.known, has_after);
        if (has_before)
            assert_int_equal(before.address, pw_block_address(scene.all[i - 1]));
        if (has_after)
            assert_int_equal(after.address, pw_block_address(scene.all[i + 1]));
    }
}

/* ---- verdicts on pointers ---- */

static struct pw_fault verdict_on_free(uint64_t address)
{
    struct pw_image image = pw_image_self();
    struct pw_fault fault = {.kind = PW_KIND_NONE};
    pw_diagnose_free(&image, address, &fault);
    assert_int_equal(fault.address, address);
    return fault;
}

static void assert_verdict(struct pw_fault fault, enum pw_kind kind, const uint8_t *block,
                           enum pw_relation relation, uint64_t offset, bool is_certain)
{
    CHECK(fault.kind == kind, "0x%llx: %s, not %s", (unsigned long long)fault.address,
          pw_kind_name(fault.kind), pw_kind_name(kind));
    CHECK(fault.block.address == (uint64_t)block, "0x%llx", (unsigned long long)fault.address);
    CHECK(fault.relation == relation && fault.offset == offset, "0x%llx: relation %d, offset %llu",
          (unsigned long long)fault.address, (int)fault.relation, (unsigned long long)fault.offset);
    assert_int_equal(fault.is_certain, is_certain);
}

static void a_bad_free_is_told_by_what_the_pointer_points_to(void **state)
{
    (void)state;
    int local;
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        uint8_t *live = scene.small[LIVE_4000], *free_block = scene.small[FREE_B];
        uint64_t p = (uint64_t)live;
        assert_int_equal(verdict_on_free(p).kind, PW_KIND_NONE);
        assert_verdict(verdict_on_free(p + 1), PW_KIND_INTERIOR_FREE, live, PW_RELATION_INSIDE, 1, true);
        assert_verdict(verdict_on_free(p + 64), PW_KIND_INTERIOR_FREE, live, PW_RELATION_INSIDE, 64, true);
        assert_verdict(verdict_on_free(p + 3999), PW_KIND_INTERIOR_FREE, live, PW_RELATION_INSIDE, 3999, true);
        assert_verdict(verdict_on_free(p + 4000), PW_KIND_INTERIOR_FREE, live, PW_RELATION_AFTER, 0, true);
        assert_verdict(verdict_on_free(p + 4007), PW_KIND_INTERIOR_FREE, live, PW_RELATION_AFTER, 7, true);
        static const int dead[] = {QUARANTINED_100, CACHED_50, FREE_B, CACHED_300, RETIRED_40};
        for (size_t i = 0; i < PW_ARRAY_SIZE(dead); i++)
            assert_verdict(verdict_on_free((uint64_t)scene.small[dead[i]]), PW_KIND_DOUBLE_FREE,
                           scene.small[dead[i]], PW_RELATION_INSIDE, 0, true);
        assert_verdict(verdict_on_free((uint64_t)scene.mapped[MAPPED_QUARANTINED]), PW_KIND_DOUBLE_FREE,
                       scene.mapped[MAPPED_QUARANTINED], PW_RELATION_INSIDE, 0, true);
        assert_verdict(verdict_on_free((uint64_t)scene.mapped[MAPPED_50000] + 4096), PW_KIND_INTERIOR_FREE,
                       scene.mapped[MAPPED_50000], PW_RELATION_INSIDE, 4096, true);
        /* A block that was merged may have started there: probably a double free. */
        assert_verdict(verdict_on_free((uint64_t)free_block + 64), PW_KIND_DOUBLE_FREE, free_block,
                       PW_RELATION_INSIDE, 64, false);
        assert_verdict(verdict_on_free((uint64_t)free_block + 72), PW_KIND_INTERIOR_FREE, free_block,
                       PW_RELATION_INSIDE, 72, true);
        static const uint64_t nowhere[] = {1, 16, 0x7fffffffffff, 0x800000000000, 0xffff800000000000, UINT64_MAX};
        for (size_t i = 0; i < PW_ARRAY_SIZE(nowhere); i++)
            assert_verdict(verdict_on_free(nowhere[i]), PW_KIND_BAD_FREE, NULL, PW_RELATION_NONE, 0, true);
        assert_verdict(verdict_on_free((uint64_t)&local), PW_KIND_BAD_FREE, NULL, PW_RELATION_NONE, 0, true);
        assert_null(verdict_on_free((uint64_t)&local).place);
        struct pw_fault edge = verdict_on_free(block_at(live).region->base + 8);
        assert_int_equal(edge.kind, PW_KIND_BAD_FREE);
        assert_string_equal(edge.place, "the edge of a heap region");
        header_of(live)->word ^= 2;
        assert_int_equal(verdict_on_free(p).kind, PW_KIND_HEADER);
        header_of(live)->word ^= 2;
    }
}

static void an_access_is_told_by_the_block_that_it_was_most_likely_meant_for(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_image image = pw_image_self();
    uint8_t *live = scene.small[LIVE_4000], *next = scene.small[LIVE_10];
    uint8_t *big = scene.mapped[MAPPED_20000];
    uint64_t guard = end_of(big);
    const struct {
        uint64_t address;
        enum pw_kind kind;
        uint8_t *block;
        enum pw_relation relation;
        uint64_t offset;
    } cases[] = {
        {(uint64_t)live, PW_KIND_NONE, live, PW_RELATION_INSIDE, 0},
        {(uint64_t)live + 3999, PW_KIND_NONE, live, PW_RELATION_INSIDE, 3999},
        {(uint64_t)live + 4000, PW_KIND_OVERFLOW, live, PW_RELATION_AFTER, 0},
        {(uint64_t)live + 4016, PW_KIND_OVERFLOW, live, PW_RELATION_AFTER, 16},
        {(uint64_t)next - 1, PW_KIND_UNDERFLOW, next, PW_RELATION_BEFORE, 1},
        {(uint64_t)next - 16, PW_KIND_UNDERFLOW, next, PW_RELATION_BEFORE, 16},
        {(uint64_t)scene.small[QUARANTINED_100] + 5, PW_KIND_USE_AFTER_FREE, scene.small[QUARANTINED_100],
         PW_RELATION_INSIDE, 5},
        {(uint64_t)scene.small[FREE_A], PW_KIND_USE_AFTER_FREE, scene.small[FREE_A], PW_RELATION_INSIDE, 0},
        {guard, PW_KIND_OVERFLOW, big, PW_RELATION_AFTER, guard - ((uint64_t)big + 20000)},
        {guard + 4095, PW_KIND_OVERFLOW, big, PW_RELATION_AFTER, guard + 4095 - ((uint64_t)big + 20000)},
        {1, PW_KIND_NONE, NULL, PW_RELATION_NONE, 0},
        {(uint64_t)&image, PW_KIND_NONE, NULL, PW_RELATION_NONE, 0},
    };
    for (size_t i = 0; i < PW_ARRAY_SIZE(cases); i++) {
        struct pw_fault fault = {.kind = PW_KIND_NONE};
        pw_diagnose_address(&image, cases[i].address, &fault);
        assert_verdict(fault, cases[i].kind, cases[i].block, cases[i].relation, cases[i].offset, true);
    }
}

/* ---- while others work ---- */

/* Another thread, as the validator sees it: at look number `at_look` it mends a byte or takes the block. */
struct other_thread {
    uint8_t *byte;
    uint8_t flip;
    unsigned at_look, looks;
    void *taken; /* becomes PENDING; NULL: the byte is mended */
};

static bool look_at_other_thread(void *context, unsigned attempt)
{
    struct other_thread *other = context;
    other->looks++;
    if (attempt != other->at_look)
        return true;
    if (other->taken != NULL)
        set_state(other->taken, PW_STATE_PENDING, fields_of(other->taken).flags, fields_of(other->taken).slack);
    else
        *other->byte ^= other->flip;
    return true;
}

static uint64_t faults_beside(struct other_thread *other)
{
    static struct findings findings;
    struct pw_image image = pw_image_self();
    image.look_again = look_at_other_thread;
    image.context = other;
    findings.count = 0;
    *other->byte ^= other->flip;
    (void)pw_validate_all(&image, note_fault, &findings);
    return findings.count;
}

/* A fresh scene with a byte to be damaged in a zone, poison or an extension of *block. */
static struct other_thread scene_with_other(enum pw_level level, int place, uint8_t **block)
{
    set_the_scene(level);
    *block = place == 0   ? scene.small[LIVE_96]
             : place == 1 ? scene.small[QUARANTINED_5000]
             : place == 2 ? scene.small[CACHED_300]
                          : scene.mapped[MAPPED_50000];
    uint8_t *extension = (uint8_t *)pw_block_extension(block_at(scene.mapped[MAPPED_50000]));
    uint8_t *bytes[] = {*block + 97, *block + 5, *block + 48, *block + 50003, extension + 8};
    return (struct other_thread){.byte = bytes[place], .flip = 0x10};
}

static void what_another_thread_is_about_to_do_is_waited_for_and_damage_is_not(void **state)
{
    (void)state;
    enum { PLACES = 5, LOOKS = 4 };
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++)
        for (int place = 0; place < PLACES; place++) {
            uint8_t *block;
            for (unsigned at_look = 0; at_look < LOOKS; at_look++)
                for (int is_taken = 0; is_taken < 2; is_taken++) {
                    struct other_thread other = scene_with_other(level, place, &block);
                    other.at_look = at_look;
                    other.taken = is_taken ? block : NULL;
                    CHECK(faults_beside(&other) == 0, "level %u, place %d, look %u", (unsigned)level, place,
                          at_look);
                    assert_int_equal(other.looks, at_look + 1);
                }
            struct other_thread none = scene_with_other(level, place, &block);
            none.at_look = UINT32_MAX;
            CHECK(faults_beside(&none) == 1, "level %u, place %d", (unsigned)level, place);
            CHECK(none.looks > LOOKS && none.looks < 1000, "%u looks", none.looks);
        }
}

static void a_block_that_changes_hands_is_not_looked_into(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        static const int changing[] = {LIVE_96, QUARANTINED_5000, CACHED_300, CACHED_ZEROED};
        for (size_t i = 0; i < PW_ARRAY_SIZE(changing); i++) {
            mark_pending(scene.small[changing[i]]);
            memset(scene.small[changing[i]], 0x77, 112);
        }
        mark_pending(scene.mapped[MAPPED_20000]);
        memset(scene.mapped[MAPPED_20000], 0x77, 20100);
        pw_block_extension(block_at(scene.mapped[MAPPED_20000]))->requested = 20100;
        mark_pending(scene.mapped[MAPPED_QUARANTINED]);
        memset(scene.mapped[MAPPED_QUARANTINED], 0x77, 100);
        assert_nothing_found("with blocks that change hands");
    }
}

enum { WORKERS = 2, STEPS = 40000, HELD = 200 };
static _Atomic uint32_t workers_left;

static void give_back(struct pw_cache *cache, void *block)
{
    if (is_mapped(block)) {
        drop_block(block);
        return;
    }
    uint32_t granules = header_of(block)->size;
    make_dead(block, PW_STATE_QUARANTINED);
    set_state(block, PW_STATE_CACHED, 0, fields_of(block).slack);
    if (!pw_cache_push(cache, granules, block)) {
        pw_cache_drain(cache, granules, NULL);
        ENSURE(pw_cache_push(cache, granules, block));
    }
}

static void *take_one(struct pw_cache *cache, uint64_t size)
{
    uint64_t needed = size + pw_zone_bytes(&pw_root, size);
    if (needed > PW_HEAP_LARGE_ALLOC_THRESHOLD)
        return new_block(cache->heap, size);
    uint32_t granules = pw_granules_of(needed);
    void *block;
    while ((block = pw_cache_pop(cache, granules, true)) == NULL)
        ENSURE(pw_cache_refill(cache, granules));
    make_live(block, size);
    return block;
}

static void *work(void *context)
{
    uint64_t random = (uint64_t)context;
    void *held[HELD] = {NULL};
    struct pw_cache *cache = pw_cache_open((uint16_t)(uintptr_t)context, NULL, &pw_heaps[random % 2]);
    ENSURE(cache != NULL);
    for (int step = 0; step < STEPS; step++) {
        uint64_t r = pw_random_next(&random);
        uint64_t size = r % 128 == 0 ? 17000 + (r >> 8) % 60000 : r % 8 == 0 ? (r >> 8) % 9000 : (r >> 8) % 300;
        void **place = &held[(r >> 40) % HELD];
        if (*place != NULL && is_mapped(*place) && r % 3 != 0) {
            /* As realloc does it in place, again and again. */
            for (uint64_t i = 0; i < 50; i++)
                make_live(*place, room_of(*place) - 2048 - 8 * i);
            continue;
        }
        if (*place != NULL)
            give_back(cache, *place);
        *place = take_one(cache, size);
        memset(*place, (int)(r >> 32), size);
    }
    for (int i = 0; i < HELD; i++)
        if (held[i] != NULL)
            give_back(cache, held[i]);
    pw_cache_close(cache);
    workers_left--;
    return NULL;
}

static void while_threads_allocate_and_free_nothing_is_found_and_walks_are_whole(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        static struct findings findings;
        struct pw_image image = locked_image();
        pthread_t threads[WORKERS];
        start_heaps(level);
        assert_true(pw_cache_init(level, pw_os_map));
        workers_left = WORKERS;
        for (uintptr_t i = 0; i < WORKERS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(i + 51)), 0);
        uint64_t rounds = 0, walked = 0;
        findings.count = 0;
        do {
            (void)pw_validate_all(&image, note_fault, &findings);
            (void)pw_image_walk(&image, count_walked, &walked);
            rounds++;
        } while (workers_left > 0 && findings.count == 0);
        for (int i = 0; i < WORKERS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        pw_cache_flush_transfer(NULL);
        print_findings(&findings);
        CHECK(findings.count == 0, "level %u: %u faults in %u rounds", (unsigned)level,
              (unsigned)findings.count, (unsigned)rounds);
        assert_true(walked > 0);
        assert_nothing_found("after the threads ended");
        for (uint32_t i = 0; i < WORKERS; i++) {
            struct shape shape = check_shape(&pw_heaps[i]);
            assert_int_equal(shape.live_pages, 0);
            assert_int_equal(shape.free_small + shape.free_runs, shape.blocks);
        }
    }
}

static void a_heap_is_held_while_its_lock_is_and_no_other_is(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    struct pw_image image = pw_image_self();
    assert_false(pw_image_heap_is_held(&image, 1));
    pw_lock_acquire(&pw_heap_gates[1].lock);
    assert_true(pw_image_heap_is_held(&image, 1));
    assert_false(pw_image_heap_is_held(&image, 0));
    assert_false(pw_image_heap_is_held(&image, PW_MAX_HEAPS));
    pw_lock_release(&pw_heap_gates[1].lock);
    assert_false(pw_image_heap_is_held(&image, 1));
    stop_heaps();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_image_of_version_4_has_its_bytes_where_readers_look_for_them),
        cmocka_unit_test(every_kind_state_family_and_operation_has_its_name),
        cmocka_unit_test(in_a_healthy_heap_nothing_is_found_at_any_level),
        cmocka_unit_test(small_steps_come_to_the_same_end_as_one_large_one),
        cmocka_unit_test(whatever_part_of_freed_memory_is_filled_nothing_is_found),
        cmocka_unit_test(every_flipped_bit_of_a_headers_word_and_size_is_found_once_in_its_block),
        cmocka_unit_test(every_flipped_bit_of_a_headers_prev_is_found_once_in_its_block),
        cmocka_unit_test(the_rule_that_a_header_breaks_is_said_in_words),
        cmocka_unit_test(every_flipped_bit_of_a_requested_size_or_its_check_is_found),
        cmocka_unit_test(every_wrong_bit_of_the_starts_is_found_in_the_block_that_it_is_about),
        cmocka_unit_test(a_missing_start_is_found_also_where_a_step_of_the_validator_ends),
        cmocka_unit_test(a_wrong_bit_of_the_summary_of_starts_is_found),
        cmocka_unit_test(every_flipped_bit_of_a_bins_links_is_found_once_at_one_end_of_the_link),
        cmocka_unit_test(every_flipped_bit_of_a_bins_head_is_found),
        cmocka_unit_test(an_empty_bin_that_claims_blocks_is_found),
        cmocka_unit_test(every_flipped_bit_of_the_links_of_free_runs_is_found),
        cmocka_unit_test(every_damaged_byte_of_a_live_blocks_zone_is_found_and_told_from_the_next_ones),
        cmocka_unit_test(every_damaged_byte_of_an_empty_block_on_pages_of_its_own_is_found),
        cmocka_unit_test(data_of_live_blocks_is_nobodys_business),
        cmocka_unit_test(every_damaged_byte_of_a_tail_is_the_next_blocks_underflow_or_a_write_to_nobodys),
        cmocka_unit_test(every_damaged_byte_of_freed_memory_is_found_as_far_as_the_level_poisons_it),
        cmocka_unit_test(every_damaged_byte_of_a_front_zone_is_the_first_blocks_underflow),
        cmocka_unit_test(the_picture_of_a_damage_shows_it_with_what_was_expected),
        cmocka_unit_test(an_address_that_was_written_is_followed_to_its_block),
        cmocka_unit_test(corruptions_of_any_sorts_at_once_are_all_found_and_no_other),
        cmocka_unit_test(fifty_random_corruptions_of_the_headers_neither_stop_nor_hide_anything),
        cmocka_unit_test(random_corruption_of_every_table_ends_in_words_and_nothing_else),
        cmocka_unit_test(an_image_read_from_outside_is_as_healthy_as_from_inside),
        cmocka_unit_test(an_image_with_holes_is_looked_at_to_its_end),
        cmocka_unit_test(a_root_or_region_table_that_lies_does_no_harm),
        cmocka_unit_test(a_walk_visits_every_block_once_in_address_order_as_the_list_does),
        cmocka_unit_test(a_walk_is_over_every_region_of_every_heap),
        cmocka_unit_test(a_heap_is_held_while_its_lock_is_and_no_other_is),
        cmocka_unit_test(a_block_is_known_by_its_size_state_and_family),
        cmocka_unit_test(any_address_finds_the_same_block_in_the_image_as_in_the_heap),
        cmocka_unit_test(the_neighbours_are_the_blocks_beside_it_and_none_at_the_ends),
        cmocka_unit_test(a_bad_free_is_told_by_what_the_pointer_points_to),
        cmocka_unit_test(an_access_is_told_by_the_block_that_it_was_most_likely_meant_for),
        cmocka_unit_test(what_another_thread_is_about_to_do_is_waited_for_and_damage_is_not),
        cmocka_unit_test(a_block_that_changes_hands_is_not_looked_into),
        cmocka_unit_test(while_threads_allocate_and_free_nothing_is_found_and_walks_are_whole),
    };
    (void)alarm(200);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
