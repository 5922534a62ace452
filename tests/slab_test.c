/*
 * slab_test.c - slabs by themselves: every size, spans that get full and empty and change their size,
 * memory that goes back, damage in every bit of their tables, threads that free each other's blocks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "heap_fixture.h"
#include "image/spans.h"
#include "os/process.h"

#include <pthread.h>
#include <sys/mman.h>

enum { KIB = 1024, MOST = PW_SPAN_BLOCKS, FIRST_CLASS = PW_GRANULE_SIZES + 1 };

static struct pw_heap *const heap = &pw_heaps[0];
static const enum pw_level levels[] = {PW_LEVEL_OFF, PW_LEVEL_FAST, PW_LEVEL_FULL};

static uint32_t count_of(uint32_t block_class)
{
    return pw_shape_count(pw_shape_of(pw_class_bytes[block_class]));
}

static void *take_one(uint32_t block_class)
{
    void *block = NULL;
    assert_int_equal(pw_slab_take(heap, block_class, 1, &block), 1);
    return block;
}

/* `count` blocks, each LIVE with as much as its level leaves room for; how many there were. */
static uint32_t take_live(uint32_t block_class, uint32_t count, void **out)
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

static void drop_all(void **blocks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        drop_block(blocks[i]);
}

static struct pw_span *span_of(const void *block)
{
    struct pw_block at = block_at(block);
    return pw_region_span(at.region, pw_span_of(at.granule));
}

/* ---- sizes ---- */

static void sizes_are_multiples_of_16_in_small_steps(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    assert_int_equal(pw_class_bytes[FIRST_CLASS], PW_SLAB_MIN_BYTES);
    assert_int_equal(pw_class_bytes[PW_CLASSES], PW_SLAB_MAX_BYTES);
    for (uint32_t c = FIRST_CLASS; c <= PW_CLASSES; c++) {
        uint32_t bytes = pw_class_bytes[c], last = c == FIRST_CLASS ? 0 : pw_class_bytes[c - 1];
        CHECK(bytes > last && bytes % PW_SLAB_ALIGNMENT == 0, "size %u after %u", bytes, last);
        uint32_t step = bytes <= 512 ? 16 : bytes <= 1024 ? 32 : bytes / 4;
        CHECK(last == 0 || bytes - last <= step, "size %u after %u", bytes, last);
        CHECK(count_of(c) <= PW_SPAN_BLOCKS, "size %u", bytes);
    }
    for (uint64_t bytes = 0; bytes <= PW_SLAB_MAX_BYTES; bytes++) {
        uint32_t c = pw_class_for(bytes);
        CHECK(pw_class_is_slab(c) && pw_class_bytes[c] >= bytes, "%u bytes", (unsigned)bytes);
        CHECK(c == FIRST_CLASS || pw_class_bytes[c - 1] < bytes, "%u bytes", (unsigned)bytes);
    }
}

static void every_address_of_a_span_of_every_size_has_its_block(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    for (uint32_t c = FIRST_CLASS; c <= PW_CLASSES; c++) {
        uint64_t shape = pw_shape_of(pw_class_bytes[c]);
        uint32_t bytes = pw_class_bytes[c];
        assert_true(pw_shape_is_sane(shape));
        for (uint32_t at = PW_SPAN_FRONT_BYTES; at < PW_SPAN_FRONT_BYTES + bytes * count_of(c); at++) {
            uint32_t index = pw_shape_index(shape, at);
            CHECK(index == (at - PW_SPAN_FRONT_BYTES) / bytes, "size %u, byte %u: block %u", bytes, at, index);
        }
    }
}

static void blocks_of_every_size_fill_their_span_without_overlap_at_every_level(void **state)
{
    static void *blocks[MOST];
    (void)state;
    for (size_t l = 0; l < PW_ARRAY_SIZE(levels); l++) {
        start_heaps(levels[l]);
        for (uint32_t c = FIRST_CLASS; c <= PW_CLASSES; c++) {
            uint32_t count = count_of(c);
            CHECK(take_live(c, count, blocks) == count, "size %u", pw_class_bytes[c]);
            for (uint32_t i = 0; i < count; i++) {
                CHECK(blocks[i] == (char *)blocks[0] + (uint64_t)i * pw_class_bytes[c], "size %u, block %u",
                      pw_class_bytes[c], i);
                memset(blocks[i], (int)i, pw_class_bytes[c] - pw_root.zone_min_bytes);
            }
            CHECK(span_of(blocks[0])->fresh == count && span_of(blocks[0])->free == 0, "size %u", pw_class_bytes[c]);
            struct shape shape = check_shape(heap);
            CHECK(shape.in_use == count, "size %u", pw_class_bytes[c]);
            assert_nothing_found("with a full span");
            drop_all(blocks, count);
            assert_int_equal(check_shape(heap).in_use, 0);
            assert_nothing_found("with an empty span");
        }
    }
}

static void alignments_up_to_64_are_those_of_the_class(void **state)
{
    static void *blocks[MOST];
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    for (uint64_t align = 32; align <= 64; align *= 2)
        for (uint64_t bytes = 1; bytes <= PW_SLAB_MAX_BYTES; bytes += 97) {
            uint32_t c = pw_class_aligned(bytes, align);
            uint32_t count = take_live(c, count_of(c), blocks);
            CHECK(pw_class_bytes[c] >= bytes, "%u bytes", (unsigned)bytes);
            for (uint32_t i = 0; i < count; i++)
                CHECK((uint64_t)blocks[i] % align == 0, "%u bytes, alignment %u", (unsigned)bytes, (unsigned)align);
            drop_all(blocks, count);
        }
}

/* ---- spans ---- */

static void an_empty_span_loses_its_size_and_serves_another(void **state)
{
    static void *blocks[2 * MOST];
    (void)state;
    for (size_t l = 0; l < PW_ARRAY_SIZE(levels); l++) {
        start_heaps(levels[l]);
        uint32_t small = pw_class_for(64), large = pw_class_for(2000);
        uint32_t count = 2 * count_of(small);
        assert_int_equal(take_live(small, count, blocks), count);
        struct pw_span *second = span_of(blocks[count - 1]);
        assert_ptr_not_equal(second, span_of(blocks[0]));
        drop_all(blocks, count);
        struct shape shape = check_shape(heap);
        assert_int_equal(shape.spans, 1); /* one of each size stays */
        assert_int_equal(shape.dirty_spans, 1);
        struct pw_span *empty = second->shape == 0 ? second : span_of(blocks[0]);
        void *block = take_one(large);
        assert_ptr_equal(span_of(block), empty);
        assert_int_equal(fields_of(block).flags & PW_HEAP_ZEROED, 0); /* it held others */
        if (levels[l] == PW_LEVEL_FULL)
            assert_true(pw_poison_holds((uint64_t)block, pw_poison_bytes(room_of(block))));
        make_live(block, 1900);
        shape = check_shape(heap);
        assert_int_equal(shape.dirty_spans, 0);
        assert_int_equal(shape.spans, 2);
        assert_nothing_found("with a span used again");
        drop_block(block);
    }
}

/* The verdict on a free of `address`. */
static struct pw_fault free_of(const void *address)
{
    struct pw_image image = pw_image_self();
    struct pw_fault fault = {.kind = PW_KIND_NONE};
    pw_diagnose_free(&image, (uint64_t)address, &fault);
    return fault;
}

/* Of a span that changed its size, what of its blocks was handed out to nobody yet. */
static void a_block_that_nobody_had_since_is_no_first_of_two_frees(void **state)
{
    static void *blocks[2 * MOST];
    char *others[8];
    (void)state;
    for (size_t l = 0; l < PW_ARRAY_SIZE(levels); l++) {
        start_heaps(levels[l]);
        uint32_t small = pw_class_for(64), large = pw_class_for(2000), count = 2 * count_of(small);
        assert_int_equal(take_live(small, count, blocks), count);
        drop_all(blocks, count);
        assert_int_equal(pw_slab_take(heap, large, PW_ARRAY_SIZE(others), (void **)others), PW_ARRAY_SIZE(others));
        make_live(others[0], 1900);
        drop_block(others[0]);
        make_live(others[1], 1900);
        make_dead(others[1], PW_STATE_CACHED);
        pw_heap_give((void **)&others[2], 1);
        for (uint32_t i = 0; i < 2; i++)
            CHECK(free_of(others[i]).kind == PW_KIND_DOUBLE_FREE, "level %zu, block %u", l, i);
        for (uint32_t i = 2; i < 4; i++) {
            struct pw_fault fault = free_of(others[i]), inside = free_of(others[i] + 40);
            CHECK(fault.kind == PW_KIND_BAD_FREE && strstr(fault.place, "another size may") != NULL, "level %zu, block %u", l, i);
            CHECK(inside.kind == PW_KIND_BAD_FREE && strstr(inside.place, "another size") == NULL, "level %zu, block %u", l, i);
        }
        assert_nothing_found("with blocks that nobody had");
    }
}

static void what_was_freed_first_fit_is_used_before_fresh_blocks(void **state)
{
    void *blocks[10], *again[5];
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    uint32_t c = pw_class_for(100);
    assert_int_equal(take_live(c, 10, blocks), 10);
    for (uint32_t i = 0; i < 10; i += 2)
        drop_block(blocks[i]);
    assert_int_equal(pw_slab_take(heap, c, 5, again), 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_ptr_equal(again[i], blocks[2 * i]);
        assert_true(pw_poison_holds((uint64_t)again[i], pw_poison_bytes(room_of(again[i]))));
        make_live(again[i], 60);
    }
    assert_int_equal(span_of(blocks[0])->fresh, 10);
    (void)check_shape(heap);
}

static void a_full_span_is_in_no_list_and_comes_back_first(void **state)
{
    static void *blocks[MOST + 1];
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    uint32_t c = pw_class_for(256), count = count_of(c);
    assert_int_equal(take_live(c, count, blocks), count);
    assert_int_equal(heap->image.spans[c - FIRST_CLASS], 0);
    blocks[count] = take_one(c); /* of another span */
    make_live(blocks[count], 200);
    assert_ptr_not_equal(span_of(blocks[count]), span_of(blocks[0]));
    drop_block(blocks[7]);
    (void)check_shape(heap);
    assert_ptr_equal(take_one(c), blocks[7]);
}

/* Of two spans the second gets empty last and would lose its size: one of each stays. */
static void a_span_with_a_write_into_a_free_block_stays_until_it_is_told(void **state)
{
    static const uint32_t rooms[] = {64, 224, 4000};
    static void *blocks[2 * MOST];
    (void)state;
    for (size_t l = 1; l < PW_ARRAY_SIZE(levels); l++)
        for (size_t r = 0; r < PW_ARRAY_SIZE(rooms); r++) {
            uint32_t c = pw_class_for(rooms[r]), count = 2 * count_of(c);
            start_heaps(levels[l]);
            assert_int_equal(take_live(c, count, blocks), count);
            drop_all(blocks, count - 1);
            char *written = (char *)blocks[count - 2] + (levels[l] == PW_LEVEL_FAST ? 30 : rooms[r] - 20);
            *written ^= 0x55;
            drop_block(blocks[count - 1]);
            struct findings *findings = validate();
            CHECK(findings->count == 1 && findings->faults[0].kind == PW_KIND_USE_AFTER_FREE &&
                      findings->faults[0].address == (uint64_t)written,
                  "level %d, %u bytes", (int)levels[l], rooms[r]);
            assert_int_equal(check_shape(heap).dirty_spans, 0);
            (void)pw_heap_trim();
            CHECK(validate()->count == 1, "level %d, %u bytes, trimmed", (int)levels[l], rooms[r]);
            (void)pw_heap_give_regions_back();
            CHECK(validate()->count == 1, "level %d, %u bytes, regions given back", (int)levels[l], rooms[r]);
            *written ^= 0x55;
            (void)pw_heap_trim();
            assert_int_equal(check_shape(heap).spans, 0);
        }
}

static void a_span_with_a_damaged_header_of_a_free_block_stays(void **state)
{
    static void *blocks[2 * MOST];
    (void)state;
    for (size_t l = 1; l < PW_ARRAY_SIZE(levels); l++) {
        start_heaps(levels[l]);
        uint32_t c = pw_class_for(224), count = 2 * count_of(c);
        assert_int_equal(take_live(c, count, blocks), count);
        drop_all(blocks, count - 1);
        *word_of(blocks[count - 2]) ^= 1;
        drop_block(blocks[count - 1]);
        (void)pw_heap_trim();
        struct findings *findings = validate();
        CHECK(findings->count == 1 && findings->faults[0].kind == PW_KIND_HEADER, "level %d", (int)levels[l]);
        *word_of(blocks[count - 2]) ^= 1;
        (void)pw_heap_trim();
        assert_int_equal(check_shape(heap).spans, 0);
    }
}

/* Spans go from size to size; nobody had the blocks that are looked at, others had their memory. */
static void a_span_that_changes_its_size_holds_the_fill_wherever_nobody_wrote(void **state)
{
    static const uint32_t rooms[] = {48, 5952, 64, 1216, 4032, 32, 2624, 80};
    static void *blocks[3 * MOST];
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    for (size_t round = 0; round < 3 * PW_ARRAY_SIZE(rooms); round++) {
        uint32_t c = pw_class_for(rooms[round % PW_ARRAY_SIZE(rooms)]), count = 3 * count_of(c);
        for (uint32_t i = 0; i < count; i++) {
            blocks[i] = take_one(c);
            assert_non_null(blocks[i]);
            bool is_zeroed = (fields_of(blocks[i]).flags & PW_HEAP_ZEROED) != 0;
            CHECK(pw_poison_is_untouched((uint64_t)blocks[i], room_of(blocks[i]), is_zeroed), "round %zu, block %u", round, i);
            CHECK(pw_zone_tail_holds((uint64_t)blocks[i]) && pw_zone_tail_holds((uint64_t)blocks[i] + room_of(blocks[i])),
                  "round %zu, block %u", round, i);
            make_live(blocks[i], room_of(blocks[i]) - 32);
        }
        assert_nothing_found("with blocks in use");
        drop_all(blocks, count - (uint32_t)(round % 3)); /* a few stay, with their span */
    }
    assert_nothing_found("at the end");
}

/* The span has no size then, so there is no block to look at; the next one that gets the byte tells. */
static void a_write_into_a_span_between_two_sizes_is_found_when_it_is_used(void **state)
{
    static const size_t offsets[] = {17, 1000, 33333, PW_SPAN_BYTES - PW_SPAN_FRONT_BYTES - 3000};
    static void *blocks[2 * MOST];
    (void)state;
    uint32_t small = pw_class_for(64), large = pw_class_for(2000);
    for (size_t o = 0; o < PW_ARRAY_SIZE(offsets); o++) {
        start_heaps(PW_LEVEL_FULL);
        uint32_t count = 2 * count_of(small);
        assert_int_equal(take_live(small, count, blocks), count);
        char *start = blocks[count_of(small)];
        drop_all(blocks, count);
        if (span_of(start)->shape != 0)
            start = blocks[0];
        assert_int_equal(span_of(start)->shape, 0);
        start[offsets[o]] ^= 0x20;
        assert_nothing_found("while the span has no size");
        for (uint32_t i = 0; i < count_of(large); i++)
            assert_non_null(take_one(large));
        assert_int_not_equal(span_of(start)->shape, 0);
        struct findings *findings = validate();
        CHECK(findings->count == 1 && findings->faults[0].kind == PW_KIND_USE_AFTER_FREE &&
                  findings->faults[0].address == (uint64_t)start + offsets[o],
              "offset %zu: %u found", offsets[o], (unsigned)findings->count);
    }
}

/* ---- a look at all of them ---- */

enum { LOOKED_AT = 12 };

/* Blocks 1 to LOOKED_AT - 2 are LIVE with zones of all lengths, QUARANTINED, CACHED and FREE in turn. */
static void make_scene(uint32_t c, char **blocks)
{
    start_heaps(PW_LEVEL_FULL);
    uint32_t bytes = pw_class_bytes[c];
    for (uint32_t i = 0; i < LOOKED_AT; i++)
        blocks[i] = take_one(c);
    for (uint32_t i = 0; i < LOOKED_AT; i++) {
        make_live(blocks[i], bytes > 48 + i ? bytes - 32 - i : 0);
        if (i % 2 == 0)
            continue;
        if (i % 6 == 5)
            drop_block(blocks[i]);
        else
            make_dead(blocks[i], i % 6 == 1 ? PW_STATE_QUARANTINED : PW_STATE_CACHED);
    }
}

static void every_byte_that_should_hold_a_pattern_is_looked_at(void **state)
{
    static const uint32_t sizes[] = {48, 64, 96, 112, 208, 336, 1088};
    (void)state;
    for (size_t s = 0; s < PW_ARRAY_SIZE(sizes); s++) {
        char *blocks[LOOKED_AT];
        uint32_t c = pw_class_for(sizes[s]), bytes = pw_class_bytes[c];
        make_scene(c, blocks);
        assert_nothing_found("before anything is damaged");
        for (uint32_t i = 0; i < LOOKED_AT; i++) {
            bool is_live = fields_of(blocks[i]).state == PW_STATE_LIVE;
            for (uint32_t at = 0; at < bytes; at++) {
                bool is_known = !is_live || at >= bytes - fields_of(blocks[i]).slack;
                blocks[i][at] ^= 0x10;
                struct findings *findings = validate();
                CHECK(findings->count == is_known && (!is_known || findings->faults[0].damage.start == (uint64_t)blocks[i] + at),
                      "size %u, block %u, byte %u: %u found", bytes, i, at, (unsigned)findings->count);
                blocks[i][at] ^= 0x10;
            }
        }
        for (uint32_t i = 0; i < LOOKED_AT * 64; i++) {
            _Atomic uint64_t *word = word_of(blocks[i / 64]);
            atomic_fetch_xor(word, (uint64_t)1 << i % 64);
            CHECK(validate()->count > 0, "size %u, block %u, bit %u of the header", bytes, i / 64, i % 64);
            atomic_fetch_xor(word, (uint64_t)1 << i % 64);
        }
    }
}

static void memory_that_is_said_to_be_fresh_is_looked_at_too(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    uint32_t c = pw_class_for(96);
    for (uint32_t i = 0; i < LOOKED_AT; i++) {
        char *block = take_one(c);
        assert_nothing_found("as long as it is");
        assert_true((fields_of(block).flags & PW_HEAP_ZEROED) != 0);
        *block = 1;
        assert_int_equal(validate()->count, 1);
        *block = 0;
    }
}

/* ---- memory given back ---- */

static void trim_gives_the_memory_of_empty_spans_back_and_they_are_zero_then(void **state)
{
    static void *blocks[8 * 16];
    (void)state;
    for (size_t l = 0; l < PW_ARRAY_SIZE(levels); l++) {
        start_heaps(levels[l]);
        uint32_t c = pw_class_for(4000), count = 8 * count_of(c);
        assert_true(count <= PW_ARRAY_SIZE(blocks));
        assert_int_equal(take_live(c, count, blocks), count);
        drop_all(blocks, count);
        assert_int_equal(check_shape(heap).dirty_spans, 7);
        assert_int_equal(pw_heap_trim(), 8 * PW_SPAN_BYTES);
        struct shape shape = check_shape(heap);
        assert_int_equal(shape.dirty_spans, 0);
        assert_int_equal(shape.spans, 0);
        assert_int_equal(pw_heap_trim(), 0);
        assert_int_equal(take_live(c, count, blocks), count);
        for (uint32_t i = 0; i < count; i++)
            drop_block(blocks[i]);
        void *block = take_one(pw_class_for(50));
        if ((fields_of(block).flags & PW_HEAP_ZEROED) != 0)
            assert_true(bytes_are(block, 16, 0));
        assert_nothing_found("after a trim");
    }
}

static void beyond_the_limit_empty_spans_are_purged_to_half_of_it(void **state)
{
    enum { SPANS = 500, LIMIT = 128 };
    static void *blocks[SPANS * 16];
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    uint32_t c = pw_class_for(4000), a_span = count_of(c);
    assert_int_equal(take_live(c, SPANS * a_span, blocks), SPANS * a_span);
    drop_all(blocks, SPANS * a_span);
    struct shape shape = check_shape(heap);
    assert_in_range(shape.dirty_spans, 1, 2 * LIMIT);
    assert_int_equal(shape.spans, 1);
    for (uint32_t i = 0; i < SPANS * a_span; i++)
        assert_ptr_equal(block_at(blocks[i]).region, block_at(blocks[0]).region);
    assert_int_equal(take_live(c, SPANS * a_span, blocks), SPANS * a_span);
    assert_int_equal(heap->regions, 1); /* purged spans are used again */
    drop_all(blocks, SPANS * a_span);
}

static void a_heap_that_keeps_little_keeps_few_empty_spans_but_purges_seldom(void **state)
{
    enum { SPANS = 400, LIMIT = 16, OVERDUE = 256 };
    static void *blocks[SPANS * 16];
    (void)state;
    struct pw_heap_limits usual = pw_heap_limits;
    for (uint32_t is_soon = 0; is_soon <= 1; is_soon++) {
        start_heaps(PW_LEVEL_FULL);
        pw_heap_keep_little();
        uint32_t c = pw_class_for(4000), a_span = count_of(c), most = 0;
        assert_int_equal(take_live(c, SPANS * a_span, blocks), SPANS * a_span);
        for (uint32_t i = 0; i < SPANS * a_span; i++) {
            heap->spans_purged_at_ns = is_soon ? pw_os_time_ns() : 0;
            drop_block(blocks[i]);
            most = heap->dirty_spans > most ? heap->dirty_spans : most;
        }
        CHECK(is_soon ? most > LIMIT && most <= OVERDUE + 1 : most <= LIMIT + 1, "%u spans", most);
        (void)check_shape(heap);
    }
    pw_heap_limits = usual;
}

/* Rounds of a program that frees all and wants all back: each time that what was purged came back it is purged less often. */
static void what_was_purged_and_is_used_again_is_purged_more_seldom(void **state)
{
    enum { SPANS = 60, MOST_PATIENCE = 4 };
    static void *blocks[SPANS * 16];
    (void)state;
    struct pw_heap_limits usual = pw_heap_limits;
    start_heaps(PW_LEVEL_FULL);
    pw_heap_keep_little();
    pw_heap_limits.purge_interval_ns = 10000000000;
    uint32_t c = pw_class_for(4000), count = SPANS * count_of(c);
    for (uint32_t round = 0; round < 3 * MOST_PATIENCE; round++) {
        assert_int_equal(take_live(c, count, blocks), count);
        heap->spans_purged_at_ns = pw_os_time_ns() - (pw_heap_limits.purge_interval_ns << MOST_PATIENCE); /* long ago */
        drop_all(blocks, count);
        CHECK(heap->spans_patience == (round < MOST_PATIENCE ? round : MOST_PATIENCE), "%u in round %u", heap->spans_patience, round);
    }
    pw_heap_limits = usual;
}

/* ---- places in the tables ---- */

static uint32_t count_resident(uint64_t table, uint64_t bytes)
{
    uint32_t count = 0;
    for (uint64_t page = 0; page < bytes; page += PW_PAGE_BYTES)
        count += is_resident((char *)table + page);
    return count;
}

static uint64_t pages_of(uint64_t bytes)
{
    return PW_ALIGN_UP(bytes, PW_PAGE_BYTES) / PW_PAGE_BYTES;
}

static void spans_of_few_blocks_share_the_pages_of_the_tables(void **state)
{
    enum { SPANS = 32 };
    static void *blocks[SPANS * 16];
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    uint32_t c = pw_class_for(4000), count = SPANS * count_of(c);
    assert_int_equal(take_live(c, count, blocks), count);
    for (uint32_t i = 0; i < count; i++)
        pw_region_evidence(block_at(blocks[i]).region, block_at(blocks[i]).granule)->number = i;
    struct pw_region *region = block_at(blocks[0]).region;
    uint64_t places = (SPANS + 1) << PW_PLACES_SHIFT; /* and lot 0 */
    assert_int_equal(count_resident(region->headers, 1024 * KIB), pages_of(places * sizeof(uint64_t)));
    assert_int_equal(count_resident(region->evidence, 1024 * KIB), pages_of(places * sizeof(struct pw_evidence)));
    drop_all(blocks, count);
    (void)check_shape(heap);
}

static void tables_give_the_end_back_that_no_span_needs_any_more(void **state)
{
    static void *blocks[2048 * 12];
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    uint32_t c = pw_class_for(48), count = 12 * count_of(c);
    assert_int_equal(take_live(c, count, blocks), count);
    for (uint32_t i = 0; i < count; i++)
        pw_region_evidence(block_at(blocks[i]).region, block_at(blocks[i]).granule)->number = i;
    struct pw_region *region = block_at(blocks[0]).region;
    assert_true(count_resident(region->evidence, 1024 * KIB) > 50);
    drop_all(blocks, count);
    (void)pw_heap_trim();
    assert_int_equal(count_resident(region->headers, 1024 * KIB), 0);
    assert_int_equal(count_resident(region->evidence, 1024 * KIB), 0);
    (void)check_shape(heap);
    assert_int_equal(take_live(c, count, blocks), count);
    (void)check_shape(heap);
    assert_nothing_found("with tables that were given back");
    drop_all(blocks, count);
}

static void where_the_tables_are_full_of_holes_there_is_another_region(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    uint32_t c = pw_class_for(48), few = pw_class_for(4000);
    void *first = take_one(few);
    struct pw_region *region = block_at(first).region;
    struct pw_places *places = pw_region_places(region);
    for (uint32_t lot = 3; lot < PW_PLACES_LOTS; lot += 2)
        pw_bit_set(places->taken, lot);
    void *many = take_one(c), *more[2048];
    assert_ptr_not_equal(block_at(many).region, region);
    assert_int_equal(take_live(c, count_of(c), more), count_of(c));
    assert_ptr_equal(block_at(more[count_of(c) - 1]).region, block_at(many).region); /* and not one for each span */
    assert_nothing_found("with holes");
    drop_all(more, count_of(c));
    for (uint32_t lot = 3; lot < PW_PLACES_LOTS; lot += 2)
        pw_bit_clear(places->taken, lot);
    places->end = PW_PLACES_LOTS;
    drop_block(first);
    drop_block(many);
    (void)pw_heap_trim();
    (void)check_shape(heap);
}

/* A span whose places another would need more of is passed over, not lost. */
static void a_span_that_finds_no_places_waits_for_a_size_of_fewer_blocks(void **state)
{
    void *blocks[2][2048];
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    uint32_t few = pw_class_for(4000), c = pw_class_for(48);
    assert_int_equal(take_live(few, 2 * count_of(few), blocks[0]), 2 * count_of(few));
    struct pw_region *region = block_at(blocks[0][0]).region;
    drop_all(blocks[0], 2 * count_of(few));
    uint32_t spare = heap->image.empty_spans;
    assert_int_not_equal(spare, 0);
    struct pw_places *places = pw_region_places(region);
    for (uint32_t lot = 3; lot < PW_PLACES_LOTS; lot += 2)
        pw_bit_set(places->taken, lot);
    void *many = take_one(c);
    assert_ptr_not_equal(block_at(many).region, region);
    assert_int_equal(heap->image.empty_spans, spare);
    assert_int_equal(take_live(few, 2 * count_of(few), blocks[0]), 2 * count_of(few));
    assert_int_equal(heap->image.empty_spans, 0);
    assert_ptr_equal(block_at(blocks[0][2 * count_of(few) - 1]).region, region);
    for (uint32_t lot = 3; lot < PW_PLACES_LOTS; lot += 2)
        if (span_of(blocks[0][0])->places != lot && span_of(blocks[0][2 * count_of(few) - 1])->places != lot)
            pw_bit_clear(places->taken, lot);
    drop_all(blocks[0], 2 * count_of(few));
    drop_block(many);
    (void)check_shape(heap);
}

static void a_damaged_span_is_read_by_the_table_of_places(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    void *first = take_one(pw_class_for(4000)), *block = take_one(pw_class_for(300));
    struct pw_block where = block_at(block);
    struct pw_span saved = *span_of(block), found;
    struct pw_image image = pw_image_self();
    __builtin_memset(span_of(block), 0, sizeof(struct pw_span));
    assert_false(pw_image_span(&image, where.region, pw_span_of(where.granule), &found));
    assert_int_equal(found.places, saved.places);
    assert_int_not_equal(found.places, 0);
    assert_int_equal(found.shape, saved.shape);
    *span_of(block) = saved;
    drop_block(block);
    drop_block(first);
}

static void a_wrong_entry_in_the_table_of_places_is_found(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    void *block = take_one(pw_class_for(300));
    struct pw_block where = block_at(block);
    struct pw_places *places = pw_region_places(where.region);
    places->of_span[pw_span_of(where.granule)] ^= 4;
    assert_int_not_equal(validate()->count, 0);
    places->of_span[pw_span_of(where.granule)] ^= 4;
    assert_nothing_found("in the end");
    drop_block(block);
}

/* ---- exhaustion ---- */

static void a_region_has_510_spans_and_then_there_is_another(void **state)
{
    enum { A_SPAN = 16, SPANS = 512 };
    static void *blocks[A_SPAN * SPANS];
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    uint32_t c = pw_class_for(PW_SLAB_MAX_BYTES), a_span = count_of(c);
    uint32_t count = a_span * SPANS;
    assert_true(count <= PW_ARRAY_SIZE(blocks));
    assert_int_equal(take_live(c, count, blocks), count);
    struct shape shape = check_shape(heap);
    assert_int_equal(shape.regions, 2);
    assert_int_equal(shape.spans, SPANS);
    assert_ptr_not_equal(block_at(blocks[510 * a_span - 1]).region, block_at(blocks[510 * a_span]).region);
    drop_all(blocks, count);
    assert_nothing_found("in two regions");
    (void)check_shape(heap);
}

/* A run through all that slabs do; how many blocks there was no memory for. */
static uint32_t run_everything(void)
{
    enum { COUNT = 700 };
    static void *blocks[PW_SLAB_SIZES][COUNT];
    static uint32_t counts[PW_SLAB_SIZES];
    uint32_t missing = 0;
    for (uint32_t s = 0; s < PW_SLAB_SIZES; s += 7) {
        counts[s] = take_live(FIRST_CLASS + s, COUNT, blocks[s]);
        missing += COUNT - counts[s];
    }
    for (uint32_t s = 0; s < PW_SLAB_SIZES; s += 7)
        drop_all(blocks[s], counts[s] / 2);
    (void)pw_heap_trim();
    for (uint32_t s = 0; s < PW_SLAB_SIZES; s += 7)
        drop_all(blocks[s] + counts[s] / 2, counts[s] - counts[s] / 2);
    (void)pw_heap_trim();
    return missing;
}

/* What the kernel has to do for the first touch of a huge page takes longer than a lock may be held. */
static void the_next_2_mib_are_at_hand_before_a_span_begins_there(void **state)
{
    (void)state;
    enum { LAST_SPAN = 63 }; /* of the second 2 MiB of the region */
    start_heaps(PW_LEVEL_OFF);
    char *block = take_one(FIRST_CLASS);
    if (!pw_os_populate((void *)PW_ALIGN_DOWN((uint64_t)block, PW_PAGE_BYTES), PW_PAGE_BYTES))
        skip();
    unsigned char is_there = 1;
    char *next = (char *)block_at(block).region->base + (uint64_t)(LAST_SPAN + 1) * PW_SPAN_BYTES;
    while (pw_span_of(block_at(block).granule) < LAST_SPAN) {
        assert_int_equal(mincore(next, PW_PAGE_BYTES, &is_there), 0);
        CHECK((is_there & 1) == 0, "with span %u", pw_span_of(block_at(block).granule));
        void *blocks[MOST];
        uint32_t filled = pw_slab_take(heap, FIRST_CLASS, count_of(FIRST_CLASS), blocks);
        assert_true(filled > 0);
        block = blocks[filled - 1];
    }
    assert_int_equal(mincore(next, PW_PAGE_BYTES, &is_there), 0);
    assert_int_equal(is_there & 1, 1);
    assert_true(bytes_are(next, PW_PAGE_BYTES, 0));
}

static void whichever_system_call_fails_no_block_is_lost(void **state)
{
    (void)state;
    (void)fail_each_call(heap, run_everything, NULL);
}

/* ---- damage ---- */

/* Three spans: one full, one in part, one that was closed. */
static void *scene[MOST + 40];
static uint32_t scene_count;

static void set_the_scene(enum pw_level level)
{
    start_heaps(level);
    uint32_t c = pw_class_for(1500), count = count_of(c), small = pw_class_for(80);
    scene_count = take_live(c, count, scene);
    scene_count += take_live(small, 20, scene + scene_count);
    void *others[2 * 16];
    uint32_t large = pw_class_for(4000);
    uint32_t other_count = take_live(large, 2 * count_of(large), others);
    drop_all(others, other_count);
    for (uint32_t i = count; i < scene_count; i += 3) {
        drop_block(scene[i]);
        scene[i] = scene[--scene_count];
    }
    assert_nothing_found("before any damage");
}

static void every_flipped_bit_of_a_header_is_found_in_its_block(void **state)
{
    (void)state;
    for (size_t l = 0; l < PW_ARRAY_SIZE(levels); l++) {
        set_the_scene(levels[l]);
        for (uint32_t i = 0; i < scene_count; i++)
            for (unsigned bit = 0; bit < 64; bit++) {
                *word_of(scene[i]) ^= (uint64_t)1 << bit;
                struct findings *findings = validate();
                bool is_found = false;
                for (uint64_t f = 0; f < findings->count; f++)
                    is_found |= findings->faults[f].kind == PW_KIND_HEADER &&
                                findings->faults[f].block.address == (uint64_t)scene[i];
                CHECK(is_found, "level %d, block %u, bit %u: %u found", (int)levels[l], i, bit,
                      (unsigned)findings->count);
                *word_of(scene[i]) ^= (uint64_t)1 << bit;
            }
        assert_nothing_found("in the end");
    }
}

static void every_flipped_bit_of_a_spans_entry_is_found(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_region *region = block_at(scene[0]).region;
    for (uint32_t number = 1; number < pw_span_of(region->limit); number++)
        for (size_t byte = 0; byte < offsetof(struct pw_span, places) + 2; byte++)
            for (unsigned bit = 0; bit < 8; bit++) {
                if (byte == offsetof(struct pw_span, flags) + 1)
                    continue; /* nobody's */
                uint8_t *at = (uint8_t *)pw_region_span(region, number) + byte;
                *at ^= (uint8_t)(1u << bit);
                CHECK(validate()->count > 0, "span %u, byte %u, bit %u", number, (unsigned)byte, bit);
                *at ^= (uint8_t)(1u << bit);
            }
    assert_nothing_found("in the end");
}

static void every_wrong_bit_of_the_bitmap_of_free_blocks_is_found(void **state)
{
    (void)state;
    for (size_t l = 0; l < PW_ARRAY_SIZE(levels); l++) {
        set_the_scene(levels[l]);
        struct pw_region *region = block_at(scene[0]).region;
        for (uint32_t number = 1; number < pw_span_of(region->limit); number++)
            for (uint32_t i = 0; i < PW_SPAN_BLOCKS; i += i < 64 ? 1 : 61) {
                uint64_t *bits = (uint64_t *)region->free_bits + number * (PW_SPAN_BLOCKS / 64);
                bits[i / 64] ^= (uint64_t)1 << i % 64;
                CHECK(validate()->count > 0, "level %d, span %u, bit %u", (int)levels[l], number, i);
                bits[i / 64] ^= (uint64_t)1 << i % 64;
            }
        assert_nothing_found("in the end");
    }
}

static void a_damaged_span_hands_nothing_out_and_its_neighbours_go_on(void **state)
{
    void *blocks[10], *more[10];
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    uint32_t c = pw_class_for(300);
    assert_int_equal(take_live(c, 10, blocks), 10);
    span_of(blocks[0])->check ^= 1;
    assert_int_equal(take_live(c, 10, more), 10);
    for (uint32_t i = 0; i < 10; i++)
        assert_ptr_not_equal(span_of(more[i]), span_of(blocks[0]));
    drop_block(blocks[3]); /* nothing is written to tables that lie */
    assert_int_not_equal(validate()->count, 0);
    drop_all(more, 10);
}

static void a_damaged_free_block_is_left_out(void **state)
{
    void *blocks[4], *again[4];
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    uint32_t c = pw_class_for(700);
    assert_int_equal(take_live(c, 4, blocks), 4);
    drop_block(blocks[1]);
    drop_block(blocks[2]);
    *word_of(blocks[1]) ^= 1;
    assert_int_equal(pw_slab_take(heap, c, 1, again), 1);
    assert_ptr_equal(again[0], blocks[2]);
    *word_of(blocks[1]) ^= 1;
}

/* ---- threads ---- */

enum { THREADS = 4, EXCHANGED = 64, ROUNDS = 3000 };
static _Atomic(void *) exchange[EXCHANGED];

/* Takes from a heap of its own, leaves blocks for others, and gives back what others left. */
static void *exchange_blocks(void *number)
{
    uint64_t random = 100 + (uintptr_t)number;
    struct pw_heap *own = &pw_heaps[(uintptr_t)number % TEST_HEAPS];
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint64_t r = pw_random_next(&random);
        void *blocks[8];
        uint32_t c = FIRST_CLASS + (uint32_t)(r % PW_SLAB_SIZES);
        uint32_t count = pw_slab_take(own, c, 1 + (uint32_t)(r >> 32) % 8, blocks);
        for (uint32_t i = 0; i < count; i++) {
            make_live(blocks[i], pw_class_bytes[c] - pw_root.zone_min_bytes);
            memset(blocks[i], (int)round, pw_class_bytes[c] - pw_root.zone_min_bytes);
            void *other = atomic_exchange(&exchange[(r >> 40) % EXCHANGED], blocks[i]);
            r = pw_random_next(&random);
            if (other != NULL)
                drop_block(other);
        }
    }
    return NULL;
}

static void blocks_that_other_threads_free_come_home(void **state)
{
    (void)state;
    for (size_t l = 0; l < PW_ARRAY_SIZE(levels); l++) {
        pthread_t threads[THREADS];
        start_heaps(levels[l]);
        for (uintptr_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, exchange_blocks, (void *)i), 0);
        for (uint32_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_nothing_found("after an exchange");
        for (uint32_t i = 0; i < EXCHANGED; i++) {
            void *left = atomic_exchange(&exchange[i], NULL);
            if (left != NULL)
                drop_block(left);
        }
        for (uint32_t i = 0; i < TEST_HEAPS; i++)
            CHECK(check_shape(&pw_heaps[i]).in_use == 0, "level %d, heap %u", (int)levels[l], i);
        assert_nothing_found("in the end");
    }
}

static int stop(void **state)
{
    (void)state;
    stop_heaps();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_multiples_of_16_in_small_steps),
        cmocka_unit_test(every_address_of_a_span_of_every_size_has_its_block),
        cmocka_unit_test(blocks_of_every_size_fill_their_span_without_overlap_at_every_level),
        cmocka_unit_test(alignments_up_to_64_are_those_of_the_class),
        cmocka_unit_test(an_empty_span_loses_its_size_and_serves_another),
        cmocka_unit_test(a_block_that_nobody_had_since_is_no_first_of_two_frees),
        cmocka_unit_test(what_was_freed_first_fit_is_used_before_fresh_blocks),
        cmocka_unit_test(a_full_span_is_in_no_list_and_comes_back_first),
        cmocka_unit_test(a_span_with_a_write_into_a_free_block_stays_until_it_is_told),
        cmocka_unit_test(a_span_with_a_damaged_header_of_a_free_block_stays),
        cmocka_unit_test(a_span_that_changes_its_size_holds_the_fill_wherever_nobody_wrote),
        cmocka_unit_test(a_write_into_a_span_between_two_sizes_is_found_when_it_is_used),
        cmocka_unit_test(trim_gives_the_memory_of_empty_spans_back_and_they_are_zero_then),
        cmocka_unit_test(every_byte_that_should_hold_a_pattern_is_looked_at),
        cmocka_unit_test(memory_that_is_said_to_be_fresh_is_looked_at_too),
        cmocka_unit_test(beyond_the_limit_empty_spans_are_purged_to_half_of_it),
        cmocka_unit_test(a_heap_that_keeps_little_keeps_few_empty_spans_but_purges_seldom),
        cmocka_unit_test(what_was_purged_and_is_used_again_is_purged_more_seldom),
        cmocka_unit_test(spans_of_few_blocks_share_the_pages_of_the_tables),
        cmocka_unit_test(tables_give_the_end_back_that_no_span_needs_any_more),
        cmocka_unit_test(where_the_tables_are_full_of_holes_there_is_another_region),
        cmocka_unit_test(a_span_that_finds_no_places_waits_for_a_size_of_fewer_blocks),
        cmocka_unit_test(a_damaged_span_is_read_by_the_table_of_places),
        cmocka_unit_test(a_wrong_entry_in_the_table_of_places_is_found),
        cmocka_unit_test(a_region_has_510_spans_and_then_there_is_another),
        cmocka_unit_test(the_next_2_mib_are_at_hand_before_a_span_begins_there),
        cmocka_unit_test(whichever_system_call_fails_no_block_is_lost),
        cmocka_unit_test(every_flipped_bit_of_a_header_is_found_in_its_block),
        cmocka_unit_test(every_flipped_bit_of_a_spans_entry_is_found),
        cmocka_unit_test(every_wrong_bit_of_the_bitmap_of_free_blocks_is_found),
        cmocka_unit_test(a_damaged_span_hands_nothing_out_and_its_neighbours_go_on),
        cmocka_unit_test(a_damaged_free_block_is_left_out),
        cmocka_unit_test(blocks_that_other_threads_free_come_home),
    };
    return cmocka_run_group_tests(tests, NULL, stop);
}
