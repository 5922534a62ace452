/* spare_pages_test.c - pages that a freed block leaves for the next one (heap/spare_pages.h), and the system calls of it. */
#include "heap/mapped.h"
#include "heap/spare_pages.h"
#include "os/memory.h"
#include "os/process.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "child.h"
#include "heap_fixture.h"

enum { KIB = 1024, MIB = 1024 * 1024, ODD_ERRNO = 4711, PAGE = 4096 };

static struct pw_heap *const heap = &pw_heaps[0];

static unsigned mapping_count(void)
{
    unsigned lines = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    assert_non_null(maps);
    for (int c; (c = fgetc(maps)) != EOF;)
        lines += c == '\n';
    (void)fclose(maps);
    return lines;
}

/* ---- system calls ---- */

static void what_is_closed_faults_and_is_fresh_when_it_is_opened(void **state)
{
    (void)state;
    enum pw_os_backing backing = PW_OS_COMMON;
    char *memory = pw_os_map(8 * PAGE);
    unsigned mappings = mapping_count();
    memset(memory, 1, 8 * PAGE);
    errno = ODD_ERRNO;
    assert_true(pw_os_close(memory + 2 * PAGE, 4 * PAGE, &backing));
    assert_int_equal(backing, PW_OS_CLOSED);
    assert_int_equal(in_child(read_it, memory + 2 * PAGE), -SIGSEGV);
    assert_int_equal(in_child(write_it, memory + 6 * PAGE - 1), -SIGSEGV);
    assert_int_equal(memory[2 * PAGE - 1], 1);
    assert_int_equal(memory[6 * PAGE], 1);
    assert_true(pw_os_reopen(memory + 2 * PAGE, 4 * PAGE, &backing));
    assert_int_equal(backing, PW_OS_COMMON);
    assert_true(bytes_are(memory + 2 * PAGE, 4 * PAGE, 0));
    assert_int_equal(errno, ODD_ERRNO);
    assert_int_equal(mapping_count(), mappings);
    pw_os_unmap(memory, 8 * PAGE);
}

static void pages_that_were_set_aside_come_with_what_they_held(void **state)
{
    (void)state;
    enum pw_os_backing backing = PW_OS_COMMON;
    char *memory = pw_os_map(16 * PAGE), *from = memory + PAGE, *to = memory + 9 * PAGE;
    unsigned mappings = mapping_count();
    memset(memory, 7, 5 * PAGE);
    errno = ODD_ERRNO;
    char *aside = pw_os_set_aside(from, 4 * PAGE);
    assert_non_null(aside);
    assert_true(bytes_are(memory, PAGE, 7));
    assert_true(bytes_are(from, 4 * PAGE, 0));
    assert_true(bytes_are(aside, 4 * PAGE, 7));
    assert_true(pw_os_bring(aside, to, 4 * PAGE, &backing));
    assert_int_equal(backing, PW_OS_MOVED);
    assert_true(bytes_are(to, 4 * PAGE, 7));
    assert_false(pw_os_is_readable(aside, 1));
    assert_true(pw_os_reopen(to, 4 * PAGE, &backing));
    assert_int_equal(backing, PW_OS_COMMON);
    assert_true(bytes_are(from, 15 * PAGE, 0));
    assert_int_equal(errno, ODD_ERRNO);
    assert_int_equal(mapping_count(), mappings);
    pw_os_unmap(memory, 16 * PAGE);
}

static void pages_that_the_program_made_read_only_are_writable_aside(void **state)
{
    (void)state;
    char *memory = pw_os_map(4 * PAGE);
    memory[0] = 1;
    assert_int_equal(mprotect(memory, 4 * PAGE, PROT_READ), 0);
    char *aside = pw_os_set_aside(memory, 4 * PAGE);
    assert_non_null(aside);
    aside[4 * PAGE - 1] = aside[0];
    pw_os_unmap(aside, 4 * PAGE);
    pw_os_unmap(memory, 4 * PAGE);
}

static void pages_of_two_mappings_are_not_set_aside_and_can_be_closed(void **state)
{
    (void)state;
    enum pw_os_backing backing = PW_OS_COMMON;
    char *memory = pw_os_map(4 * PAGE);
    memset(memory, 1, 4 * PAGE);
    assert_int_equal(mprotect(memory, 2 * PAGE, PROT_READ), 0);
    assert_null(pw_os_set_aside(memory, 4 * PAGE));
    assert_true(pw_os_close(memory, 4 * PAGE, &backing));
    assert_true(pw_os_reopen(memory, 4 * PAGE, &backing));
    assert_true(bytes_are(memory, 4 * PAGE, 0));
    memset(memory, 2, 4 * PAGE);
    pw_os_unmap(memory, 4 * PAGE);
}

/* Of 65,530 mappings, the usual limit, 2,047. */
static void so_many_ranges_are_closed_that_mappings_are_left_for_the_program(void **state)
{
    enum { RANGES = 40000 };
    static enum pw_os_backing backings[RANGES];
    (void)state;
    char *memory = pw_os_map((size_t)RANGES * 2 * PAGE);
    int closed = 0;
    while (closed < RANGES && pw_os_close(memory + (size_t)closed * 2 * PAGE, PAGE, &backings[closed]))
        closed++;
    assert_true(closed >= 1000 && closed < RANGES);
    assert_int_equal(backings[closed], PW_OS_COMMON);
    assert_true(pw_os_reopen(memory, PAGE, &backings[0]));
    assert_true(pw_os_close(memory + (size_t)closed * 2 * PAGE, PAGE, &backings[closed]));
    assert_false(pw_os_close(memory, PAGE, &backings[0]));
    for (int i = 1; i <= closed; i++)
        assert_true(pw_os_reopen(memory + (size_t)i * 2 * PAGE, PAGE, &backings[i]));
    pw_os_unmap(memory, (size_t)RANGES * 2 * PAGE);
}

static void each_of_them_fails_when_told(void **state)
{
    (void)state;
    enum pw_os_backing backing = PW_OS_COMMON;
    char *memory = pw_os_map(4 * PAGE);
    pw_os_fail_next(1, 0);
    assert_null(pw_os_set_aside(memory, 4 * PAGE));
    char *aside = pw_os_set_aside(memory, 4 * PAGE);
    assert_non_null(aside);
    pw_os_fail_next(1, 0);
    assert_false(pw_os_close(memory, 4 * PAGE, &backing));
    assert_int_equal(backing, PW_OS_COMMON);
    assert_true(pw_os_close(memory, 4 * PAGE, &backing));
    pw_os_fail_next(1, 0);
    assert_false(pw_os_reopen(memory, 4 * PAGE, &backing));
    assert_int_equal(backing, PW_OS_CLOSED);
    assert_true(pw_os_reopen(memory, 4 * PAGE, &backing));
    aside[0] = 1;
    pw_os_fail_next(1, 0);
    assert_false(pw_os_bring(aside, memory, 4 * PAGE, &backing));
    assert_int_equal(backing, PW_OS_COMMON);
    assert_false(pw_os_is_readable(aside, 1)); /* gone in either case */
    assert_true(bytes_are(memory, 4 * PAGE, 0));
    pw_os_unmap(memory, 4 * PAGE);
}

/* ---- blocks ---- */

static void start(void)
{
    start_heaps(PW_LEVEL_FULL);
    pw_mapped_keep(128 * KIB);
    pw_spare_pages_allow(true);
}

static uint32_t flags_of(const void *block)
{
    return fields_of(block).flags;
}

/* A LIVE block with room for a zone, as malloc has it. */
static char *take(uint64_t bytes)
{
    char *block = pw_heap_map_exactly(heap, bytes + 16);
    assert_non_null(block);
    pw_spare_pages_begin(block_at(block));
    if ((flags_of(block) & PW_HEAP_ZEROED) != 0)
        (void)pw_spare_pages_use(block_at(block));
    make_live(block, bytes);
    return block;
}

/* Into the quarantine, as free does it. */
static bool leave(char *block)
{
    mark_pending(block);
    bool done = pw_spare_pages_leave(block_at(block));
    uint32_t flags = flags_of(block) & (PW_HEAP_MAPPED | PW_HEAP_GUARDED);
    set_state(block, PW_STATE_QUARANTINED, flags | (done ? PW_HEAP_ZEROED : 0), 0);
    return done;
}

/* Out of it. */
static void come_back(char *block)
{
    bool is_open = pw_spare_pages_return(block_at(block));
    set_state(block, PW_STATE_CACHED, flags_of(block), 0);
    if (is_open)
        pw_heap_unmap_memory(block);
    else
        pw_heap_unmap_closed(block);
}

static void the_next_block_has_the_pages_of_one_that_was_freed_and_cannot_be_touched(void **state)
{
    (void)state;
    start();
    for (uint64_t bytes = 200 * KIB; bytes < 8 * MIB; bytes += 777 * KIB) {
        char *one = take(bytes);
        memset(one, 1, bytes);
        assert_true(leave(one));
        assert_int_equal(in_child(read_it, one), -SIGSEGV);
        assert_int_equal(in_child(write_it, one + bytes - 1), -SIGSEGV);
        char *other = pw_heap_map_exactly(heap, bytes + 16);
        assert_non_null(other);
        assert_ptr_not_equal(one, other);
        pw_spare_pages_begin(block_at(other));
        assert_int_equal(flags_of(other) & PW_HEAP_ZEROED, PW_HEAP_ZEROED);
        assert_true(pw_spare_pages_use(block_at(other)));
        assert_int_equal(flags_of(other) & PW_HEAP_ZEROED, 0);
        make_live(other, bytes);
        CHECK(bytes_are(other, bytes, 1), "%llu bytes", (unsigned long long)bytes);
        assert_int_equal(in_child(read_it, one), -SIGSEGV);
        assert_int_equal(in_child(write_it, other + pw_mapped_capacity(block_at(other))), -SIGSEGV);
        come_back(one);
        check_shape(heap);
        assert_true(leave(other));
        come_back(other);
        check_shape(heap);
        (void)pw_heap_trim();
    }
}

static void what_came_back_is_zero_and_one_mapping_again(void **state)
{
    enum { BLOCKS = 12 };
    (void)state;
    start();
    char *blocks[BLOCKS];
    blocks[0] = take(MIB);
    unsigned mappings = mapping_count();
    for (int round = 0; round < 3; round++) {
        for (int i = round == 0; i < BLOCKS; i++) {
            blocks[i] = take((uint64_t)(300 + 100 * i) * KIB);
            memset(blocks[i], 1, (size_t)(300 + 100 * i) * KIB);
        }
        for (int i = 0; i < BLOCKS; i++)
            assert_true(leave(blocks[i]));
        for (int i = 0; i < BLOCKS; i++)
            come_back(blocks[i]);
        check_shape(heap); /* looks at what is ZEROED */
    }
    (void)pw_heap_trim();
    assert_true(mapping_count() <= mappings);
    assert_int_equal(heap->spare_count, 0);
}

static void a_small_block_takes_a_part_and_leaves_the_rest_to_others(void **state)
{
    (void)state;
    start();
    char *one = take(4 * MIB);
    memset(one, 3, 4 * MIB);
    assert_true(leave(one));
    for (int i = 0; i < 4; i++)
        assert_true(bytes_are(take(MIB - 2 * PAGE), MIB - 2 * PAGE, 3));
    check_shape(heap);
}

static void a_larger_block_has_the_largest_lot_that_is_at_least_half_of_it(void **state)
{
    (void)state;
    start();
    char *blocks[2] = {take(MIB), take(500 * KIB)};
    memset(blocks[0], 3, MIB);
    memset(blocks[1], 4, 500 * KIB);
    assert_true(leave(blocks[0]));
    assert_true(leave(blocks[1]));
    char *huge = take(3 * MIB);
    assert_false(is_resident(huge + MIB));
    assert_true(bytes_are(huge, 3 * MIB, 0));
    char *other = take(3 * MIB / 2);
    assert_true(bytes_are(other, MIB, 3));
    assert_false(is_resident(other + 5 * MIB / 4));
    assert_true(bytes_are(other + 5 * MIB / 4, MIB / 8, 0));
    assert_true(bytes_are(take(500 * KIB), 500 * KIB, 4));
    /* What is of one mapping it leaves, the larger part. */
    memset(other, 5, 3 * MIB / 2);
    assert_true(leave(other));
    assert_int_equal(heap->spare_count, 1);
    assert_true(bytes_are(take(MIB - PAGE), MIB - PAGE, 5));
    check_shape(heap);
}

static void pages_beyond_the_limit_are_the_system_s(void **state)
{
    enum { BLOCKS = 40 };
    (void)state;
    start();
    char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = take(4 * MIB);
        memset(blocks[i], 1, 4 * MIB);
    }
    uint64_t before = pw_os_resident_bytes();
    for (int i = 0; i < BLOCKS; i++)
        assert_true(leave(blocks[i]));
    /* A quarter of 160 MiB at most; the limit falls with what is live only when blocks come back. */
    assert_true(before - pw_os_resident_bytes() > 100 * (uint64_t)MIB);
    assert_true(heap->spare_bytes <= 40 * (uint64_t)MIB);
    for (int i = 0; i < BLOCKS; i++)
        come_back(blocks[i]);
    (void)pw_heap_trim();
    assert_true(before - pw_os_resident_bytes() > 150 * (uint64_t)MIB);
    check_shape(heap);
}

static void pages_that_nobody_takes_are_not_kept_again_for_a_while(void **state)
{
    (void)state;
    start();
    unsigned kept = 0;
    for (int round = 0; round < 1000; round++) {
        char *block = take((uint64_t)(1 + round % 3) * MIB);
        (void)pw_spare_pages_drop(heap);
        char *others[3];
        for (int i = 0; i < 3; i++)
            others[i] = take(3 * MIB);
        uint32_t before = heap->spare_count;
        assert_true(leave(block));
        for (int i = 0; i < 3; i++)
            assert_true(leave(others[i]));
        kept += heap->spare_count > before;
        come_back(block);
        for (int i = 0; i < 3; i++)
            come_back(others[i]);
    }
    CHECK(kept < 200, "%u of 1000", kept);
    check_shape(heap);
}

static void a_block_whose_pages_were_moved_leaves_none(void **state)
{
    (void)state;
    start();
    char *one = take(MIB);
    pw_spare_pages_emptied(block_at(one));
    assert_true(leave(one));
    assert_int_equal(heap->spare_count, 0);
    assert_int_equal(in_child(read_it, one), -SIGSEGV);
    come_back(one);
}

/* Blocks of pages from elsewhere grow over what follows, and shrink: then they are of two mappings, or leave a part. */
static void a_block_that_was_resized_can_be_left_all_the_same(void **state)
{
    (void)state;
    start();
    char *one = take(2 * MIB);
    memset(one, 1, 2 * MIB);
    assert_true(leave(one));
    char *other = take(MIB);
    assert_true(pw_spare_pages_has_any(block_at(other)));
    mark_pending(other);
    assert_true(pw_mapped_grow(block_at(other), 3 * MIB));
    make_live(other, 3 * MIB);
    memset(other, 2, 3 * MIB);
    assert_true(leave(other));
    assert_int_equal(in_child(read_it, other), -SIGSEGV);
    assert_int_equal(in_child(read_it, other + 2 * MIB), -SIGSEGV);
    assert_true(bytes_are(take(2 * MIB - 2 * PAGE), 2 * MIB - 2 * PAGE, 2)); /* the part that was its own */
    come_back(other);
    come_back(one);
    check_shape(heap);
    char *third = take(MIB);
    mark_pending(third);
    pw_mapped_shrink(block_at(third), 200 * KIB);
    make_live(third, 200 * KIB);
    assert_true(leave(third));
    come_back(third);
    (void)pw_heap_trim();
    check_shape(heap);
}

static void what_cannot_be_opened_is_opened_when_it_is_used(void **state)
{
    (void)state;
    start();
    char *one = take(3 * MIB), *wall = take(200 * KIB);
    memset(one, 1, 3 * MIB);
    assert_true(leave(one));
    (void)pw_spare_pages_drop(heap);
    pw_os_fail_next(1, 0);
    come_back(one);
    assert_int_equal(in_child(read_it, one), -SIGSEGV);
    check_shape(heap);
    for (int i = 0; i < 20; i++) {
        char *piece = take(100 * KIB);
        memset(piece, 1, 100 * KIB);
        assert_int_equal(in_child(write_it, piece + pw_mapped_capacity(block_at(piece))), -SIGSEGV);
    }
    memset(wall, 1, 200 * KIB);
    check_shape(heap);
}

static void where_it_is_not_allowed_pages_get_guards_and_are_lost(void **state)
{
    (void)state;
    start();
    pw_spare_pages_allow(false);
    char *one = take(MIB);
    memset(one, 1, MIB);
    unsigned mappings = mapping_count();
    assert_true(leave(one));
    assert_int_equal(in_child(read_it, one), -SIGSEGV);
    assert_int_equal(heap->spare_count, 0);
    assert_int_equal(mapping_count(), mappings);
    come_back(one);
    check_shape(heap);
    pw_spare_pages_allow(true);
}

/* ---- failures ---- */

static uint32_t run_with_failures(void)
{
    enum { BLOCKS = 10 };
    char *blocks[BLOCKS];
    uint32_t missing = 0;
    pw_mapped_keep(128 * KIB);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            blocks[i] = pw_heap_map_exactly(heap, (uint64_t)(150 + 210 * (i + round)) * KIB);
            missing += blocks[i] == NULL;
            if (blocks[i] == NULL)
                continue;
            pw_spare_pages_begin(block_at(blocks[i]));
            if ((flags_of(blocks[i]) & PW_HEAP_ZEROED) != 0)
                (void)pw_spare_pages_use(block_at(blocks[i]));
            make_live(blocks[i], 140 * KIB);
            memset(blocks[i], 1, 140 * KIB);
        }
        for (int i = 0; i < BLOCKS; i++) {
            if (blocks[i] == NULL)
                continue;
            bool is_left = leave(blocks[i]);
            if (is_left)
                come_back(blocks[i]);
            else
                drop_block(blocks[i]);
        }
    }
    (void)pw_heap_trim();
    return missing;
}

static void whichever_system_call_fails_the_heap_is_sound(void **state)
{
    (void)state;
    pw_spare_pages_allow(true);
    (void)fail_each_call(heap, run_with_failures, NULL);
    pw_mapped_keep(UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_closed_faults_and_is_fresh_when_it_is_opened),
        cmocka_unit_test(pages_that_were_set_aside_come_with_what_they_held),
        cmocka_unit_test(pages_that_the_program_made_read_only_are_writable_aside),
        cmocka_unit_test(pages_of_two_mappings_are_not_set_aside_and_can_be_closed),
        cmocka_unit_test(so_many_ranges_are_closed_that_mappings_are_left_for_the_program),
        cmocka_unit_test(each_of_them_fails_when_told),
        cmocka_unit_test(the_next_block_has_the_pages_of_one_that_was_freed_and_cannot_be_touched),
        cmocka_unit_test(what_came_back_is_zero_and_one_mapping_again),
        cmocka_unit_test(a_small_block_takes_a_part_and_leaves_the_rest_to_others),
        cmocka_unit_test(a_larger_block_has_the_largest_lot_that_is_at_least_half_of_it),
        cmocka_unit_test(pages_beyond_the_limit_are_the_system_s),
        cmocka_unit_test(pages_that_nobody_takes_are_not_kept_again_for_a_while),
        cmocka_unit_test(a_block_whose_pages_were_moved_leaves_none),
        cmocka_unit_test(a_block_that_was_resized_can_be_left_all_the_same),
        cmocka_unit_test(what_cannot_be_opened_is_opened_when_it_is_used),
        cmocka_unit_test(where_it_is_not_allowed_pages_get_guards_and_are_lost),
        cmocka_unit_test(whichever_system_call_fails_the_heap_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
