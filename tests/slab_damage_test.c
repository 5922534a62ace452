/* slab_damage_test.c - damage in every bit of the tables of slabs, and a look at all of their bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "slab_fixture.h"

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
    start_heaps(PW_LEVEL_FULL); /* it says which classes there are */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_that_should_hold_a_pattern_is_looked_at),
        cmocka_unit_test(memory_that_is_said_to_be_fresh_is_looked_at_too),
        cmocka_unit_test(every_flipped_bit_of_a_header_is_found_in_its_block),
        cmocka_unit_test(every_flipped_bit_of_a_spans_entry_is_found),
        cmocka_unit_test(every_wrong_bit_of_the_bitmap_of_free_blocks_is_found),
        cmocka_unit_test(a_damaged_span_hands_nothing_out_and_its_neighbours_go_on),
        cmocka_unit_test(a_damaged_free_block_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, stop);
}
