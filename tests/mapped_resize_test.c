/* mapped_resize_test.c - blocks on pages of their own that grow and shrink. */
#include "heap/page_runs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "child.h"
#include "mapped_fixture.h"

/* ---- resizing ---- */

static void a_block_grows_over_the_free_pages_behind_it_and_keeps_its_contents(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    char *block = map(100 * KIB);
    make_live(block, 100 * KIB);
    memset(block, 7, 100 * KIB);
    for (uint64_t bytes = 110 * KIB; bytes < 30 * MIB; bytes += bytes / 2) {
        uint64_t old_room = pw_mapped_capacity(block_at(block));
        CHECK(pw_mapped_grow(block_at(block), bytes), "to %llu bytes", (unsigned long long)bytes);
        uint64_t room = pw_mapped_capacity(block_at(block));
        CHECK(room >= bytes && room <= bytes + 3 * PW_PAGE_BYTES, "to %llu bytes: %llu",
              (unsigned long long)bytes, (unsigned long long)room);
        assert_int_equal(fields_of(block).state, PW_STATE_LIVE);
        assert_true((fields_of(block).flags & PW_HEAP_GUARDED) != 0);
        assert_int_equal(fields_of(block).flags & PW_HEAP_ZEROED, 0);
        assert_true(bytes_are(block, 100 * KIB, 7));
        assert_true(bytes_are(block + old_room, room - old_room, 0));
        block[room - 1] = 0;
        assert_int_equal(in_child(write_it, block + room), -SIGSEGV);
        check_shape(heap);
    }
    unmap(block);
    check_shape(heap);
}

static void growing_by_a_page_takes_a_page_or_two_and_not_all_that_is_free(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    char *block = map(100 * KIB);
    make_live(block, 100 * KIB);
    for (int i = 0; i < 20; i++) {
        uint64_t room = pw_mapped_capacity(block_at(block));
        assert_true(pw_mapped_grow(block_at(block), room + 1));
        uint64_t grown = pw_mapped_capacity(block_at(block));
        CHECK(grown > room && grown <= room + 2 * PW_PAGE_BYTES, "from %llu to %llu bytes",
              (unsigned long long)room, (unsigned long long)grown);
        check_shape(heap);
    }
}

static void growing_to_what_it_has_already_changes_nothing(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    char *block = map(100 * KIB);
    make_live(block, 100 * KIB);
    uint32_t pages = pages_of(block);
    assert_true(pw_mapped_grow(block_at(block), 100 * KIB));
    assert_int_equal(pages_of(block), pages);
    assert_true(pw_mapped_grow(block_at(block), 1));
    assert_int_equal(pages_of(block), pages);
    check_shape(heap);
}

static void a_block_does_not_grow_into_one_that_is_taken_nor_past_its_region(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    char *block = map(100 * KIB), *next = map(100 * KIB), *third = map(100 * KIB);
    make_live(block, 100 * KIB);
    uint32_t pages = pages_of(block);
    assert_false(pw_mapped_grow(block_at(block), 120 * KIB));
    unmap(next);
    assert_false(pw_mapped_grow(block_at(block), 400 * KIB));
    assert_int_equal(pages_of(block), pages);
    assert_true((fields_of(block).flags & PW_HEAP_GUARDED) != 0);
    assert_true(pw_mapped_grow(block_at(block), 200 * KIB));
    assert_ptr_equal(block + ((uint64_t)pages_of(block) << PW_PAGE_SHIFT), third);
    check_shape(heap);
    make_live(third, 100 * KIB);
    assert_false(pw_mapped_grow(block_at(third), 64 * MIB));
    check_shape(heap);
    unmap(block);
    unmap(third);
}

static void a_block_does_not_grow_over_a_freed_one_that_was_written_to(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    char *block = map(100 * KIB), *next = map(100 * KIB), *stop = map(100 * KIB);
    make_live(block, 99 * KIB);
    free_at_fast(next);
    uint32_t pages = pages_of(block);
    next[3] ^= 1;
    assert_false(pw_mapped_grow(block_at(block), 120 * KIB));
    assert_int_equal(pages_of(block), pages);
    assert_int_equal(fields_of(next).flags & PW_HEAP_POISONED, PW_HEAP_POISONED);
    check_shape(heap);
    next[3] ^= 1;
    assert_true(pw_mapped_grow(block_at(block), 120 * KIB));
    check_shape(heap);
    unmap(block);
    unmap(stop);
}

static void growing_to_every_number_of_pages_keeps_the_heap_sound(void **state)
{
    (void)state;
    for (uint64_t behind = 2; behind < 12; behind++)
        for (uint64_t more = 1; more <= behind + 2; more++) {
            start_heaps(PW_LEVEL_OFF);
            char *block = map(16 * PW_PAGE_BYTES), *next = map((behind - 1) * PW_PAGE_BYTES);
            void *stop = map(16 * PW_PAGE_BYTES);
            make_live(block, 100);
            memset(block, 3, 16 * PW_PAGE_BYTES);
            assert_int_equal(pages_of(next), behind);
            unmap(next);
            bool grown = pw_mapped_grow(block_at(block), (16 + more) * PW_PAGE_BYTES);
            CHECK(grown == (more <= behind), "%u pages of %u", (unsigned)more, (unsigned)behind);
            CHECK(pages_of(block) >= 17 + (grown ? more : 0), "%u pages of %u", (unsigned)more,
                  (unsigned)behind);
            assert_true(bytes_are(block, 16 * PW_PAGE_BYTES, 3));
            block[pw_mapped_capacity(block_at(block)) - 1] = 1;
            check_shape(heap);
            unmap(block);
            unmap(stop);
            check_shape(heap);
        }
}

static void a_block_shrinks_to_what_it_needs_and_the_rest_is_used_again(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    char *block = map(10 * MIB), *stop = map(1 * MIB);
    make_live(block, 10 * MIB);
    memset(block, 9, 10 * MIB);
    for (uint64_t bytes = 9 * MIB; bytes > 0; bytes = bytes * 2 / 3) {
        pw_mapped_shrink(block_at(block), bytes);
        uint64_t room = pw_mapped_capacity(block_at(block));
        CHECK(room >= bytes && room <= bytes + 2 * PW_PAGE_BYTES, "to %llu bytes: %llu",
              (unsigned long long)bytes, (unsigned long long)room);
        assert_true((fields_of(block).flags & PW_HEAP_GUARDED) != 0);
        assert_true(bytes_are(block, bytes, 9));
        assert_int_equal(in_child(write_it, block + room), -SIGSEGV);
        check_shape(heap);
    }
    assert_true(pages_of(block) <= 3);
    pw_heap_acquire(heap);
    assert_true(pw_runs_merge_all(heap));
    pw_heap_release(heap);
    char *inside = map(5 * MIB);
    assert_true(inside > block && inside < stop);
    /* What comes after it was the program's: it isn't said to be zero. */
    assert_int_equal(fields_of(inside).flags & PW_HEAP_ZEROED, 0);
    check_shape(heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_grows_over_the_free_pages_behind_it_and_keeps_its_contents),
        cmocka_unit_test(growing_by_a_page_takes_a_page_or_two_and_not_all_that_is_free),
        cmocka_unit_test(growing_to_what_it_has_already_changes_nothing),
        cmocka_unit_test(a_block_does_not_grow_into_one_that_is_taken_nor_past_its_region),
        cmocka_unit_test(a_block_does_not_grow_over_a_freed_one_that_was_written_to),
        cmocka_unit_test(growing_to_every_number_of_pages_keeps_the_heap_sound),
        cmocka_unit_test(a_block_shrinks_to_what_it_needs_and_the_rest_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
