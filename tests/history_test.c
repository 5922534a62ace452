/* history_test.c - the ring of what a thread did last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "diag/history.h"

#include <stdlib.h>

static void *map(size_t bytes)
{
    return calloc(1, bytes);
}

static void *no_memory(size_t bytes)
{
    (void)bytes;
    return NULL;
}

static void note(struct pw_history *history, uint64_t address, uint64_t size, uint32_t stack)
{
    pw_history_note(history, &(struct pw_past){.address = address,
                                               .size = size,
                                               .stack = stack,
                                               .thread = 3,
                                               .operation = PW_OP_REALLOC,
                                               .is_release = stack % 2 == 0});
}

static void test_what_was_noted_last_comes_first(void **state)
{
    (void)state;
    struct pw_history *history = pw_history_open(8, map);
    struct pw_past list[PW_PAST_SHOWN];
    uint32_t count = 0;
    for (uint32_t i = 1; i <= 4; i++)
        note(history, 0x1000 * i, 16, i);
    pw_history_collect(history, 0, 0, list, &count);
    assert_int_equal(count, 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(list[i].stack, 4 - i);
    assert_int_equal(list[0].address, 0x4000);
    assert_int_equal(list[0].size, 16);
    assert_int_equal(list[0].thread, 3);
    assert_int_equal(list[0].operation, PW_OP_REALLOC);
    assert_true(list[0].is_release);
    assert_false(list[1].is_release);
    free(history);
}

static void test_the_ring_keeps_as_many_as_it_is_long(void **state)
{
    (void)state;
    for (uint32_t length = 1; length <= 9; length++) {
        struct pw_history *history = pw_history_open(length, map);
        struct pw_past list[PW_PAST_SHOWN];
        uint32_t count = 0;
        for (uint32_t i = 1; i <= 40; i++)
            note(history, 0x1000, 16, i);
        pw_history_collect(history, 0, 0, list, &count);
        assert_int_equal(count, length < PW_PAST_SHOWN ? length : PW_PAST_SHOWN);
        for (uint32_t i = 0; i < count; i++)
            assert_int_equal(list[i].stack, 40 - i);
        free(history);
    }
}

static void test_only_what_touches_the_range_is_collected(void **state)
{
    (void)state;
    struct pw_history *history = pw_history_open(16, map);
    struct pw_past list[PW_PAST_SHOWN];
    uint32_t count = 0;
    note(history, 0x1000, 16, 1);
    note(history, 0x2000, 0, 2); /* of no bytes: at its address */
    note(history, 0x2010, 16, 3);
    note(history, 0x1ff0, 15, 4);
    pw_history_collect(history, 0x2000, 16, list, &count);
    assert_int_equal(count, 1);
    assert_int_equal(list[0].stack, 2);
    count = 0;
    pw_history_collect(history, 0x1008, 1, list, &count);
    assert_int_equal(count, 1);
    assert_int_equal(list[0].stack, 1);
    free(history);
}

static void test_two_rings_are_merged_by_time(void **state)
{
    (void)state;
    struct pw_history *one = pw_history_open(4, map), *other = pw_history_open(4, map);
    struct pw_past list[PW_PAST_SHOWN];
    uint32_t count = 0;
    for (uint32_t i = 1; i <= 4; i++) {
        struct pw_history *mine = i % 2 != 0 ? one : other;
        pw_history_refresh(mine); /* the block was the other's */
        note(mine, 0x1000, 8, i);
    }
    pw_history_collect(one, 0, 0, list, &count);
    pw_history_collect(other, 0, 0, list, &count);
    assert_int_equal(count, 4);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(list[i].stack, 4 - i);
    free(one);
    free(other);
}

/* Without the clock a ring may be behind, but never ahead of one that has just read it. */
static void test_what_came_from_another_thread_is_later_than_what_that_did(void **state)
{
    (void)state;
    struct pw_history *one = pw_history_open(64, map), *other = pw_history_open(4, map);
    struct pw_past list[PW_PAST_SHOWN];
    uint32_t count = 0;
    note(other, 0x1000, 8, 1);
    pw_history_refresh(one);
    for (uint32_t i = 0; i < 50; i++)
        note(one, 0x1000, 8, 2);
    pw_history_refresh(other);
    note(other, 0x1000, 8, 3);
    pw_history_collect(one, 0, 0, list, &count);
    pw_history_collect(other, 0, 0, list, &count);
    assert_int_equal(list[0].stack, 3);
    assert_int_equal(list[1].stack, 2);
    free(one);
    free(other);
}

static void test_an_entry_that_is_being_written_is_left_out(void **state)
{
    (void)state;
    struct pw_history *history = pw_history_open(4, map);
    struct pw_past list[PW_PAST_SHOWN];
    uint32_t count = 0;
    note(history, 0x1000, 8, 1);
    note(history, 0x1000, 8, 2);
    atomic_store(&history->entries[1].time, 0);
    pw_history_collect(history, 0, 0, list, &count);
    assert_int_equal(count, 1);
    assert_int_equal(list[0].stack, 1);
    free(history);
}

static void test_without_memory_there_is_no_ring(void **state)
{
    (void)state;
    assert_null(pw_history_open(4, no_memory));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_noted_last_comes_first),
        cmocka_unit_test(test_the_ring_keeps_as_many_as_it_is_long),
        cmocka_unit_test(test_only_what_touches_the_range_is_collected),
        cmocka_unit_test(test_two_rings_are_merged_by_time),
        cmocka_unit_test(test_what_came_from_another_thread_is_later_than_what_that_did),
        cmocka_unit_test(test_an_entry_that_is_being_written_is_left_out),
        cmocka_unit_test(test_without_memory_there_is_no_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
