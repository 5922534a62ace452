/* heap_refused_test.c - a system that gives the core heap no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "heap_fixture.h"

/* ---- no memory ---- */

/* A workload that maps regions; the number of blocks that it could not have. */
static uint32_t run_until_two_regions(struct pw_heap *heap)
{
    enum { COUNT = 9 };
    static void *blocks[COUNT][256];
    uint32_t missing = 0, counts[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t want = 256;
        counts[i] = 0;
        while (counts[i] < want) {
            uint32_t got = pw_heap_take(heap, 256, want - counts[i], &blocks[i][counts[i]]);
            counts[i] += got;
            if (got == 0)
                break;
        }
        missing += want - counts[i];
        if (pw_heap_take_aligned(heap, 1, 4096) == NULL)
            missing++;
    }
    for (uint32_t i = 0; i < COUNT; i++)
        pw_heap_give(blocks[i], counts[i]);
    return missing;
}

static void whichever_call_for_memory_fails_null_is_given_and_nothing_is_lost(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    uint64_t before = pw_os_memory_calls();
    assert_int_equal(run_until_two_regions(&pw_heaps[0]), 0);
    uint64_t calls = pw_os_memory_calls() - before;
    assert_true(calls > 5);
    uint32_t failed = 0;
    for (uint64_t n = 1; n <= calls; n++)
        for (uint64_t every = 0; every < 2; every++) {
            start_heaps(PW_LEVEL_FULL);
            pw_os_fail_next(n, every);
            uint32_t missing = run_until_two_regions(&pw_heaps[0]);
            failed += missing > 0;
            pw_os_fail_next(0, 0);
            check_shape(&pw_heaps[0]);
            assert_nothing_found("after a call for memory failed");
            uint32_t again = run_until_two_regions(&pw_heaps[0]);
            CHECK(again == 0, "call %u, then every %u", (unsigned)n, (unsigned)every);
            check_shape(&pw_heaps[0]);
        }
    assert_true(failed > 5);
}

static void heaps_that_get_no_tables_are_not_made(void **state)
{
    (void)state;
    stop_heaps();
    pw_os_fail_next(1, 1);
    assert_false(pw_heap_init(1, NULL));
    pw_os_fail_next(0, 0);
    start_heaps(PW_LEVEL_OFF);
    pw_heap_free(pw_heap_alloc(&pw_heaps[0], 1));
}

/* What start-up reserves for the first slab region is a convenience: that region can also do it itself. */
static void heaps_are_made_where_the_first_reservation_is_refused(void **state)
{
    (void)state;
    void *block = NULL;
    stop_heaps();
    pw_os_fail_next(1, 0);
    start_heaps(PW_LEVEL_OFF);
    pw_os_fail_next(0, 0);
    assert_int_equal(pw_slab_take(&pw_heaps[0], pw_class_for(64), 1, &block), 1);
    assert_non_null(block);
    pw_heap_give(&block, 1);
}

static void what_is_mapped_beside_the_tables_is_zero_and_apart_and_there_is_always_more(void **state)
{
    (void)state;
    enum { PIECES = 200, BYTES = 3 * 4096 - 100 };
    static uint64_t *pieces[PIECES];
    stop_heaps();
    start_heaps(PW_LEVEL_OFF);
    for (uint64_t i = 0; i < PIECES; i++) {
        pieces[i] = pw_regions_map_beside(BYTES);
        assert_non_null(pieces[i]);
        assert_int_equal((uint64_t)pieces[i] % PW_PAGE_BYTES, 0);
        for (size_t word = 0; word < BYTES / 8; word++) {
            CHECK(pieces[i][word] == 0, "piece %u, word %u", (unsigned)i, (unsigned)word);
            pieces[i][word] = i + 1;
        }
    }
    for (uint64_t i = 0; i < PIECES; i++)
        for (size_t word = 0; word < BYTES / 8; word++)
            CHECK(pieces[i][word] == i + 1, "piece %u, word %u", (unsigned)i, (unsigned)word);
    pw_heap_free(pw_heap_alloc(&pw_heaps[0], 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whichever_call_for_memory_fails_null_is_given_and_nothing_is_lost),
        cmocka_unit_test(heaps_that_get_no_tables_are_not_made),
        cmocka_unit_test(heaps_are_made_where_the_first_reservation_is_refused),
        cmocka_unit_test(what_is_mapped_beside_the_tables_is_zero_and_apart_and_there_is_always_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
