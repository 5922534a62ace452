/* slab_places_test.c - where the headers of a span are in the tables of its region (heap/places.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "slab_fixture.h"
#include "image/spans.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_of_few_blocks_share_the_pages_of_the_tables),
        cmocka_unit_test(tables_give_the_end_back_that_no_span_needs_any_more),
        cmocka_unit_test(where_the_tables_are_full_of_holes_there_is_another_region),
        cmocka_unit_test(a_span_that_finds_no_places_waits_for_a_size_of_fewer_blocks),
        cmocka_unit_test(a_damaged_span_is_read_by_the_table_of_places),
        cmocka_unit_test(a_wrong_entry_in_the_table_of_places_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, stop);
}
