/* slab_memory_test.c - memory of slabs that goes back to the system, and its exhaustion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "slab_fixture.h"
#include "os/process.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trim_gives_the_memory_of_empty_spans_back_and_they_are_zero_then),
        cmocka_unit_test(beyond_the_limit_empty_spans_are_purged_to_half_of_it),
        cmocka_unit_test(a_heap_that_keeps_little_keeps_few_empty_spans_but_purges_seldom),
        cmocka_unit_test(what_was_purged_and_is_used_again_is_purged_more_seldom),
        cmocka_unit_test(a_region_has_510_spans_and_then_there_is_another),
        cmocka_unit_test(the_next_2_mib_are_at_hand_before_a_span_begins_there),
        cmocka_unit_test(whichever_system_call_fails_no_block_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, stop);
}
