/* mapped_pages_test.c - which pages blocks on pages of their own get: used ones, fresh ones, those of blocks freed lately. */
#include "heap/page_runs.h"
#include "os/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mapped_fixture.h"

/* ---- used pages, fresh pages, and runs freed lately ---- */

static void a_churn_of_blocks_stays_on_the_pages_that_it_used_before(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    enum { SLOTS = 32, STEPS = 20000 };
    char *blocks[SLOTS] = {NULL};
    uint64_t random = 11, fresh = 0;
    for (int step = 0; step < STEPS; step++) {
        size_t i = pw_random_next(&random) % SLOTS;
        if (blocks[i] != NULL)
            unmap(blocks[i]);
        blocks[i] = map((uint64_t)16 * KIB << pw_random_next(&random) % 7);
        fresh += (fields_of(blocks[i]).flags & PW_HEAP_ZEROED) != 0 ? pages_of(blocks[i]) : 0;
        use(blocks[i]);
    }
    /* 32 blocks of at most a MiB are live. */
    CHECK(fresh <= 2 * SLOTS * (MIB / PW_PAGE_BYTES), "%llu fresh pages", (unsigned long long)fresh);
    assert_int_equal(heap->regions, 1);
    check_shape(heap);
}

static void what_loses_its_pages_when_freed_takes_fresh_ones_first(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    pw_mapped_keep(128 * KIB);
    unmap(map(1 * MIB));
    assert_true((fields_of(map(132 * KIB)).flags & PW_HEAP_ZEROED) != 0);
    assert_true((fields_of(map(128 * KIB)).flags & PW_HEAP_ZEROED) == 0);
    pw_mapped_keep(UINT64_MAX);
}

static void a_freed_block_stays_what_it_is_until_so_many_others_were_freed(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    enum { COUNT = 2 * PW_RECENT_RUNS + 3 };
    char *blocks[COUNT], *stops[COUNT];
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = map(50 * KIB);
        use(blocks[i]);
        stops[i] = i == 0 ? NULL : map(20 * KIB);
    }
    uint32_t pages = pages_of(blocks[0]);
    for (int i = 0; i < COUNT; i++) {
        unmap(blocks[i]);
        bool is_merged = i > PW_RECENT_RUNS;
        CHECK(pages_of(blocks[0]) == (is_merged ? 2 : 1) * pages, "after %d: %u pages", i, pages_of(blocks[0]));
        check_shape(heap);
    }
    for (int i = 1; i < COUNT; i++)
        unmap(stops[i]);
    (void)pw_heap_trim();
    assert_int_equal(block_count(), 1);
}

static void merge_all(void)
{
    pw_heap_acquire(heap);
    (void)pw_runs_merge_all(heap);
    pw_heap_release(heap);
}

static void a_freed_block_that_was_written_to_does_not_merge_away(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    char *first = map(50 * KIB), *second = map(50 * KIB);
    void *stop = map(20 * KIB);
    free_at_fast(first);
    free_at_fast(second);
    uint32_t pages = pages_of(first);
    second[3] ^= 1;
    merge_all();
    assert_int_equal(pages_of(first), pages);
    assert_int_equal(fields_of(second).flags & PW_HEAP_POISONED, PW_HEAP_POISONED);
    second[3] ^= 1;
    merge_all();
    assert_int_equal(pages_of(first), 2 * pages);
    assert_int_equal(fields_of(first).flags & PW_HEAP_POISONED, PW_HEAP_POISONED);
    unmap(stop);
}

static void a_freed_block_that_was_written_to_keeps_its_pages(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    char *block = map(50 * KIB), *other = map(50 * KIB);
    void *stop = map(20 * KIB);
    free_at_fast(block);
    free_at_fast(other);
    block[3] ^= 1;
    char written = block[3];
    assert_int_equal(pw_heap_trim(), (pages_of(other) - 1) * PW_PAGE_BYTES);
    assert_int_equal(block[3], written);
    assert_int_equal(fields_of(block).flags & (PW_HEAP_POISONED | PW_HEAP_ZEROED), PW_HEAP_POISONED);
    check_shape(heap);
    block[3] ^= 1;
    assert_true(pw_heap_trim() > 0);
    assert_int_equal(fields_of(block).flags & (PW_HEAP_POISONED | PW_HEAP_ZEROED), PW_HEAP_ZEROED);
    unmap(stop);
}

static void a_region_with_a_freed_block_that_was_written_to_is_not_given_back(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    char *block = map(50 * KIB);
    free_at_fast(block);
    block[3] ^= 1;
    assert_int_equal(pw_heap_give_regions_back(), 0);
    check_shape(heap);
    block[3] ^= 1;
    assert_true(pw_heap_give_regions_back() != 0);
    assert_int_equal(heap->regions, 0);
    check_shape(heap);
}

enum { CHURNED = 300 };
static char *churned[CHURNED];

static void map_churned(void)
{
    start_heaps(PW_LEVEL_OFF);
    for (int i = 0; i < CHURNED; i++) {
        churned[i] = map(1 * MIB);
        use(churned[i]);
        memset(churned[i], 1, 1);
    }
}

/* 64 MiB, or half of what is live. */
static uint64_t dirty_limit_pages(void)
{
    uint64_t share = heap->live_pages / 2;
    return share > 64 * MIB / PW_PAGE_BYTES ? share : 64 * MIB / PW_PAGE_BYTES;
}

static void beyond_the_limit_dirty_pages_are_given_back_to_half_of_it(void **state)
{
    (void)state;
    map_churned();
    uint32_t purges = 0;
    for (int i = 0; i < CHURNED; i++) {
        heap->purged_at_ns = 0; /* long ago */
        uint64_t before = heap->dirty_pages;
        unmap(churned[i]);
        assert_true(heap->dirty_pages <= dirty_limit_pages());
        if (heap->dirty_pages >= before)
            continue;
        assert_true(heap->dirty_pages <= dirty_limit_pages() / 2 && before + 300 > dirty_limit_pages());
        purges++;
    }
    assert_true(purges >= 2);
    uint64_t resident = 0;
    for (int i = 0; i < CHURNED; i++)
        resident += is_resident(churned[i]);
    assert_true(resident > 0 && resident <= 64);
    check_shape(heap);
}

static void soon_after_it_takes_twice_the_limit_to_give_back_again(void **state)
{
    (void)state;
    map_churned();
    uint32_t purges = 0, put_off = 0;
    for (int i = 0; i < CHURNED; i++) {
        uint64_t now = pw_os_time_ns(), before = heap->dirty_pages;
        heap->purged_at_ns = now;
        unmap(churned[i]);
        bool is_soon = pw_os_time_ns() - now < 250 * 1000 * 1000;
        assert_true(heap->dirty_pages <= 2 * dirty_limit_pages());
        if (heap->dirty_pages < before) {
            CHECK(!is_soon || before + 300 > 2 * dirty_limit_pages(), "block %d: %u pages", i, (unsigned)before);
            purges++;
        }
        put_off += is_soon && heap->dirty_pages > dirty_limit_pages();
    }
    assert_true(purges > 0 && put_off > 10);
    check_shape(heap);
}

static void a_region_of_more_than_a_gib_is_given_back_when_it_is_empty(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    char *usual = new_block(heap, 100 * KIB);
    for (int round = 0; round < 2; round++) {
        char *huge = map((uint64_t)3 << 29);
        assert_non_null(huge);
        use(huge);
        huge[0] = huge[((uint64_t)3 << 29) - 1] = 1;
        assert_int_equal(heap->regions, 2);
        char *inside = map(20 * MIB);
        assert_ptr_equal(block_at(inside).region, block_at(huge).region);
        unmap(huge);
        assert_true(pw_os_is_readable(huge, 1));
        unmap(inside);
        check_shape(heap);
        assert_false(pw_os_is_readable(huge, 1));
        assert_null(pw_heap_find((uint64_t)huge).region);
    }
    drop_block(usual);
    check_shape(heap);
}

static void a_region_of_more_than_a_gib_stays_with_a_freed_block_that_was_written_to(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    char *usual = map(50 * MIB), *huge = map((uint64_t)3 << 29), *last = map(20 * MIB);
    free_at_fast(huge);
    char *block = map(40 * MIB);
    assert_ptr_equal(block, huge);
    assert_ptr_equal(block_at(last).region, block_at(block).region);
    free_at_fast(block);
    block[3] ^= 1;
    free_at_fast(last);
    assert_true(pw_os_is_readable(block, 1));
    block[3] ^= 1;
    last = map((uint64_t)3 << 29);
    free_at_fast(last);
    assert_false(pw_os_is_readable(block, 1));
    unmap(usual);
    check_shape(heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_churn_of_blocks_stays_on_the_pages_that_it_used_before),
        cmocka_unit_test(what_loses_its_pages_when_freed_takes_fresh_ones_first),
        cmocka_unit_test(a_freed_block_stays_what_it_is_until_so_many_others_were_freed),
        cmocka_unit_test(a_freed_block_that_was_written_to_does_not_merge_away),
        cmocka_unit_test(a_freed_block_that_was_written_to_keeps_its_pages),
        cmocka_unit_test(a_region_with_a_freed_block_that_was_written_to_is_not_given_back),
        cmocka_unit_test(beyond_the_limit_dirty_pages_are_given_back_to_half_of_it),
        cmocka_unit_test(soon_after_it_takes_twice_the_limit_to_give_back_again),
        cmocka_unit_test(a_region_of_more_than_a_gib_is_given_back_when_it_is_empty),
        cmocka_unit_test(a_region_of_more_than_a_gib_stays_with_a_freed_block_that_was_written_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
