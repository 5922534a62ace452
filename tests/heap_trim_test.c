/* heap_trim_test.c - free memory of the core heap that goes back to the system (heap/heap.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "heap_fixture.h"

/* ---- trim ---- */

static void trim_gives_dirty_free_memory_back_and_says_it_is_zero(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        enum { COUNT = 500 };
        start_heaps(level);
        void *blocks[COUNT + 1];
        for (uint32_t i = 0; i <= COUNT; i++)
            blocks[i] = new_block(&pw_heaps[0], 8000);
        for (uint32_t i = 0; i < COUNT; i++) {
            memset(blocks[i], 0xa5, 8000);
            drop_block(blocks[i]);
        }
        uint64_t given = pw_heap_trim();
        CHECK(given >= COUNT * 8000 - 4 * PW_PAGE_BYTES, "level %u: %llu bytes", (unsigned)level,
              (unsigned long long)given);
        struct shape shape = check_shape(&pw_heaps[0]);
        assert_true(shape.blocks <= 5);
        assert_nothing_found("after trim");
        assert_int_equal(pw_heap_trim(), 0);
        assert_true(bytes_are(blocks[COUNT / 2], 4096 - 64, 0));
        for (uint32_t i = 0; i < COUNT; i++)
            blocks[i] = new_block(&pw_heaps[0], 8000);
        assert_int_equal(check_shape(&pw_heaps[0]).regions, 1);
        assert_nothing_found("after using trimmed memory");
    }
}

static void a_free_block_on_a_page_boundary_is_trimmed_too(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    char *block = pw_heap_take_aligned(&pw_heaps[0], 256, PW_PAGE_BYTES);
    char *rest = NULL;
    assert_int_equal(pw_heap_take(&pw_heaps[0], 256, 1, (void **)&rest), 1);
    for (uint32_t i = 0; i < 6; i++) {
        void *more = NULL;
        assert_int_equal(pw_heap_take(&pw_heaps[0], 256, 1, &more), 1);
        make_live(more, 100);
        drop_block(more);
    }
    make_live(block, 100);
    make_live(rest, 100);
    drop_block(rest);
    drop_block(block);
    assert_true(pw_heap_trim() >= PW_HEAP_LARGE_ALLOC_THRESHOLD);
    check_shape(&pw_heaps[0]);
    assert_nothing_found("after trim");
}

static void a_trim_that_the_system_refuses_leaves_the_heap_as_it_was(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    enum { COUNT = 40 };
    void *blocks[COUNT];
    for (uint32_t i = 0; i < COUNT; i++)
        blocks[i] = new_block(&pw_heaps[0], 8000);
    for (uint32_t i = 0; i + 1 < COUNT; i++)
        drop_block(blocks[i]);
    uint64_t before = check_shape(&pw_heaps[0]).blocks;
    pw_os_fail_next(1, 1);
    uint64_t given = pw_heap_trim();
    pw_os_fail_next(0, 0);
    assert_int_equal(given, 0);
    assert_int_equal(check_shape(&pw_heaps[0]).blocks, before);
    assert_nothing_found("after a trim that failed");
}

/* ---- what a heap that keeps little gives back by itself ---- */

enum { LITTLE_BLOCKS = 800, LITTLE_SIZE = 12000 }; /* 9 MiB */

static void take_and_drop(void **blocks)
{
    for (uint32_t i = 0; i < LITTLE_BLOCKS; i++) {
        blocks[i] = new_block(&pw_heaps[0], LITTLE_SIZE);
        memset(blocks[i], 0xa5, LITTLE_SIZE);
    }
    for (uint32_t i = 0; i < LITTLE_BLOCKS; i++) {
        pw_heaps[0].small_purged_at_ns = 0; /* long ago */
        drop_block(blocks[i]);
    }
}

static void free_small_blocks_beyond_the_limit_lose_their_pages(void **state)
{
    (void)state;
    struct pw_heap_limits usual = pw_heap_limits;
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        static void *blocks[LITTLE_BLOCKS];
        for (uint32_t keeps_little = 0; keeps_little <= 1; keeps_little++) {
            start_heaps(level);
            pw_heap_limits = usual;
            if (keeps_little)
                pw_heap_keep_little();
            take_and_drop(blocks);
            uint64_t resident = 0;
            for (uint32_t i = 0; i < LITTLE_BLOCKS; i++)
                resident += is_resident((char *)blocks[i] + LITTLE_SIZE / 2);
            struct shape shape = check_shape(&pw_heaps[0]);
            if (keeps_little)
                CHECK(shape.dirty_small <= pw_heap_limits.dirty_small_bytes && resident < LITTLE_BLOCKS / 4,
                      "level %u: %u of them are resident", (unsigned)level, (unsigned)resident);
            else
                assert_int_equal(resident, LITTLE_BLOCKS);
            assert_nothing_found("after pages were given back");
            take_and_drop(blocks);
            assert_int_equal(check_shape(&pw_heaps[0]).regions, 1);
            assert_nothing_found("after they were used again");
        }
    }
    pw_heap_limits = usual;
}

static void pages_that_somebody_wrote_to_since_they_were_freed_are_not_given_back(void **state)
{
    static void *blocks[LITTLE_BLOCKS];
    (void)state;
    struct pw_heap_limits usual = pw_heap_limits;
    start_heaps(PW_LEVEL_FULL);
    take_and_drop(blocks); /* nothing is given back yet */
    pw_heap_keep_little();
    char *damaged = (char *)blocks[LITTLE_BLOCKS / 2] + LITTLE_SIZE / 2;
    *damaged ^= 1;
    void *last = new_block(&pw_heaps[0], LITTLE_SIZE);
    for (uint32_t i = 0; i < 2 * LITTLE_BLOCKS; i++) {
        pw_heaps[0].small_purged_at_ns = 0;
        drop_block(last);
        last = new_block(&pw_heaps[0], LITTLE_SIZE);
    }
    assert_int_equal((uint8_t)*damaged, TEST_FILL ^ 1);
    struct findings *findings = validate();
    assert_int_equal(findings->count, 1);
    assert_int_equal(findings->faults[0].damage.start, (uint64_t)damaged);
    pw_heap_limits = usual;
}

static void it_is_done_seldom_unless_there_is_far_too_much(void **state)
{
    static void *blocks[LITTLE_BLOCKS];
    (void)state;
    struct pw_heap_limits usual = pw_heap_limits;
    start_heaps(PW_LEVEL_FULL);
    pw_heap_limits = (struct pw_heap_limits){.purge_interval_ns = UINT64_MAX, .dirty_small_bytes = 1 << 20,
                                             .overdue_small_bytes = 4 << 20, .dirty_pages = UINT64_MAX};
    for (uint32_t i = 0; i < LITTLE_BLOCKS; i++)
        blocks[i] = new_block(&pw_heaps[0], LITTLE_SIZE);
    uint64_t most = 0;
    for (uint32_t i = 0; i < LITTLE_BLOCKS; i++) {
        drop_block(blocks[i]);
        if (pw_heaps[0].dirty_small_bytes > most)
            most = pw_heaps[0].dirty_small_bytes;
    }
    assert_in_range(most, (4 << 20) - 16384, (4 << 20) + 16384);
    assert_true(pw_heaps[0].dirty_small_bytes < 4 << 20);
    pw_heap_limits = usual;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trim_gives_dirty_free_memory_back_and_says_it_is_zero),
        cmocka_unit_test(a_free_block_on_a_page_boundary_is_trimmed_too),
        cmocka_unit_test(a_trim_that_the_system_refuses_leaves_the_heap_as_it_was),
        cmocka_unit_test(free_small_blocks_beyond_the_limit_lose_their_pages),
        cmocka_unit_test(pages_that_somebody_wrote_to_since_they_were_freed_are_not_given_back),
        cmocka_unit_test(it_is_done_seldom_unless_there_is_far_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
