/*
 * api_test.c - pwheap.h as an embedder uses it: what each function promises, and each error that it names. Linked with
 * the library; the level is that of the environment. What reports say is the death tests' business.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_fixture.h"

/* -- Errors, taken by a callback */

static void an_error_is_told_to_the_callback_and_the_program_goes_on(void **state)
{
    (void)state;
    char *block = malloc(100);
    struct pwheap_statistics before, after;
    pwheap_stats(&before);
    give_back(block);
    start_taking();
    give_back(block);
    stop_taking();
    pwheap_stats(&after);
    assert_int_equal(taken.count, 1);
    assert_string_equal(taken.kind, "double-free");
    assert_ptr_equal(taken.address, block);
    assert_true(taken.text_is_whole && taken.is_context);
    assert_ptr_equal(taken.where.block.address, block);
    assert_int_not_equal(taken.where.block.state, PWHEAP_STATE_LIVE);
    assert_int_equal(after.faults, before.faults + 1);
}

/* -- Options */

static void options_of_the_program_count_and_the_environment_wins(void **state)
{
    char value[16];
    (void)state;
    assert_int_equal(pwheap_option_get("max_leaks", value, sizeof value), 1);
    assert_string_equal(value, "7");
    assert_int_equal(pwheap_option_get("exitcode", value, sizeof value), 1);
    assert_string_equal(value, "5");
}

static void an_option_s_value_is_cut_and_its_full_length_told(void **state)
{
    char value[4] = "xxx";
    (void)state;
    errno = ODD_ERRNO;
    assert_int_equal(pwheap_option_get("guard_pages", value, sizeof value), 4);
    assert_string_equal(value, "aut");
    assert_int_equal(pwheap_option_get("guard_pages", NULL, 0), 4);
    assert_int_equal(pwheap_option_get("log_path", value, sizeof value), 0);
    assert_string_equal(value, "");
    assert_int_equal(errno, ODD_ERRNO);
    static const char *const none[] = {"no_such", "", NULL};
    for (size_t i = 0; i < 3; i++) {
        errno = 0;
        assert_int_equal(pwheap_option_get(none[i], value, sizeof value), -1);
        assert_int_equal(errno, EINVAL);
    }
}

static void assert_refused(const char *name, const char *value, int error)
{
    errno = 0;
    assert_int_equal(pwheap_option_set(name, value), -1);
    assert_int_equal(errno, error);
}

static void an_option_is_set_or_refused_and_then_as_it_was(void **state)
{
    char value[16];
    (void)state;
    assert_int_equal(pwheap_option_set("max_leaks", "12"), 0);
    assert_int_equal(pwheap_option_get("max_leaks", value, sizeof value), 2);
    assert_string_equal(value, "12");
    assert_refused("max_leaks", "-1", EINVAL);
    assert_refused("max_leaks", "12 ", EINVAL);
    assert_refused("max_leaks", "", EINVAL);
    assert_refused("max_leaks", NULL, EINVAL);
    assert_refused("max_leak", "1", EINVAL);
    assert_refused(NULL, "1", EINVAL);
    assert_refused("redzone", "64", EPERM);
    assert_refused("level", "full", EPERM);
    assert_int_equal(pwheap_option_get("max_leaks", value, sizeof value), 2);
    assert_string_equal(value, "12");
}

static void an_option_that_is_set_holds_from_then_on(void **state)
{
    void *volatile block;
    (void)state;
    assert_int_equal(pwheap_option_set("max_allocation_size_mb", "1"), 0);
    errno = 0;
    block = malloc(3 << 20);
    assert_null(block);
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(pwheap_option_set("max_allocation_size_mb", "0"), 0);
    block = malloc(3 << 20);
    assert_non_null(block);
    free(block);
}

/* -- Questions */

static void an_address_is_told_by_the_block_that_it_is_in(void **state)
{
    struct pwheap_description told;
    char *block = malloc(100);
    (void)state;
    assert_true(pwheap_describe(block + 40, &told));
    assert_int_equal(told.relation, PWHEAP_RELATION_INSIDE);
    assert_int_equal(told.offset, 40);
    assert_ptr_equal(told.block.address, block);
    assert_int_equal(told.block.size, 100);
    assert_true(told.block.block_size >= 100);
    assert_int_equal(told.block.state, PWHEAP_STATE_LIVE);
    assert_int_equal(told.block.family, PWHEAP_FAMILY_MALLOC);
    assert_int_equal(told.block.alloc_frame_count > 0 && told.block.number > 0, is_at_least("full"));
    give_back(block);
    assert_true(pwheap_describe(block, &told));
    assert_int_not_equal(told.block.state, PWHEAP_STATE_LIVE);
    assert_int_equal(told.block.size, 100);
    assert_int_equal(told.block.free_frame_count > 0, is_at_least("full"));
}

static void what_is_no_block_is_not_described(void **state)
{
    struct pwheap_description told;
    int on_the_stack = 0;
    (void)state;
    assert_false(pwheap_describe(&on_the_stack, &told));
    assert_false(pwheap_describe(NULL, &told));
    assert_false(pwheap_describe((void *)UINTPTR_MAX, &told));
    assert_false(pwheap_describe((void *)(uintptr_t)pwheap_describe, &told));
}

struct walk {
    const void *wanted;
    size_t seen, all, stop_after;
};

static bool visit(void *context, const struct pwheap_block *block)
{
    struct walk *walk = context;
    if (block->address == walk->wanted && block->state == PWHEAP_STATE_LIVE)
        walk->seen++;
    walk->all++;
    give_back(malloc(walk->all % 1000)); /* it may */
    return walk->all != walk->stop_after;
}

static void a_walk_meets_each_block_once_and_ends_where_it_is_told_to(void **state)
{
    static const size_t sizes[] = {0, 1, 500, 7000, 300000};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct walk walk = {.wanted = malloc(sizes[i])};
        size_t visited = pwheap_walk(visit, &walk);
        assert_int_equal(visited, walk.all);
        assert_int_equal(walk.seen, 1);
        free((void *)(uintptr_t)walk.wanted);
    }
    struct walk some = {.stop_after = 3};
    assert_int_equal(pwheap_walk(visit, &some), 3);
    assert_int_equal(some.all, 3);
}

static void the_figures_are_those_of_the_blocks(void **state)
{
    enum { BLOCKS = 50, SMALL = 700, LARGE = 200000 };
    static void *blocks[BLOCKS + 1];
    struct pwheap_statistics before, with, after;
    (void)state;
    pwheap_stats(&before);
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = malloc(SMALL);
    blocks[BLOCKS] = malloc(LARGE);
    pwheap_stats(&with);
    assert_int_equal(with.live_blocks - before.live_blocks, BLOCKS + 1);
    assert_int_equal(with.live_bytes - before.live_bytes, BLOCKS * SMALL + LARGE);
    assert_int_equal(with.mapped_blocks - before.mapped_blocks, 1);
    assert_int_equal(with.mapped_bytes - before.mapped_bytes, LARGE);
    assert_true(with.region_bytes >= with.live_bytes && with.metadata_bytes > 0);
    for (size_t i = 0; i <= BLOCKS; i++)
        free(blocks[i]);
    pwheap_stats(&after);
    assert_int_equal(after.live_blocks, before.live_blocks);
    assert_int_equal(after.live_bytes, before.live_bytes);
    if (is_at_least("full"))
        assert_true(after.quarantined_blocks >= before.quarantined_blocks + BLOCKS);
}

/* One without guard pages, which at full the first of a place have, and at guard all; NULL: there is none. */
static char *unguarded_block(size_t size)
{
    enum { TRIES = 64 };
    static char *tried[TRIES];
    size_t count = 0;
    char *found = NULL;
    while (found == NULL && count < TRIES) {
        struct pwheap_description told;
        tried[count] = malloc(size);
        assert_true(pwheap_describe(tried[count], &told));
        if (told.block.block_size < 4096)
            found = tried[count];
        else
            count++;
    }
    while (count > 0)
        free(tried[--count]);
    return found;
}

static void a_validation_counts_what_is_damaged_and_only_that(void **state)
{
    (void)state;
    char *volatile block = unguarded_block(24);
    assert_int_equal(block == NULL, is_at_least("guard"));
    assert_int_equal(pwheap_validate(), 0);
    if (!is_at_least("fast") || block == NULL) {
        free(block);
        return;
    }
    char was = block[24];
    block[24] = (char)(was ^ 1);
    start_taking();
    assert_int_equal(pwheap_validate(), 1);
    stop_taking();
    assert_int_equal(taken.count, 1);
    assert_string_equal(taken.kind, "heap-buffer-overflow");
    assert_int_equal(taken.where.relation, PWHEAP_RELATION_AFTER);
    assert_ptr_equal(taken.where.block.address, block);
    block[24] = was;
    assert_int_equal(pwheap_validate(), 0);
    free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_is_told_to_the_callback_and_the_program_goes_on),
        cmocka_unit_test(options_of_the_program_count_and_the_environment_wins),
        cmocka_unit_test(an_option_s_value_is_cut_and_its_full_length_told),
        cmocka_unit_test(an_option_is_set_or_refused_and_then_as_it_was),
        cmocka_unit_test(an_option_that_is_set_holds_from_then_on),
        cmocka_unit_test(an_address_is_told_by_the_block_that_it_is_in),
        cmocka_unit_test(what_is_no_block_is_not_described),
        cmocka_unit_test(a_walk_meets_each_block_once_and_ends_where_it_is_told_to),
        cmocka_unit_test(the_figures_are_those_of_the_blocks),
        cmocka_unit_test(a_validation_counts_what_is_damaged_and_only_that),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
