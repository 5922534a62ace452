/* trace_test.c - pw_unwind_capture over frames of all kinds: the answer is libunwind's, always. */
#include "base/arch.h"
#include "trace/compare.h"
#include "trace/depot.h"
#include "trace/frames.h"
#include "trace/learnt.h"
#include "trace/libunwind.h"
#include "trace/rules.h"
#include "trace/unwind.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

void without_information(action *act, void *argument);
void with_chain(action *act, void *argument);
void with_lies(action *act, void *argument);
void with_another_register(action *act, void *argument);

enum { FUNCTION_BYTES = 64, DEEP = 3000 };

static void assert_no_failures(const struct compare *compare)
{
    assert_true(compare->takes > 0);
    assert_int_equal(compare->failures, 0);
}

static void recursion_of_any_depth_is_traced_as_libunwind_does(void **state)
{
    (void)state;
    struct compare compare = {0};
    for (int depth = 1; depth <= 70; depth++) {
        with_fp_recurse(depth, compare_here, &compare);
        without_fp_recurse(depth, compare_here, &compare);
        assert_true(compare.count > (size_t)depth || compare.count == PW_MAX_FRAMES);
    }
    for (int depth = 70; depth >= 1; depth--) {
        without_fp_recurse(depth, compare_here, &compare);
        with_fp_recurse(71 - depth, compare_here, &compare);
    }
    assert_no_failures(&compare);
}

static void recursion_that_branches_is_traced_as_libunwind_does(void **state)
{
    (void)state;
    for (size_t max = 3; max <= PW_MAX_FRAMES; max += 13) {
        struct compare compare = {.max = max};
        without_fp_tree(7, compare_here, &compare);
        with_fp_tree(7, compare_here, &compare);
        assert_true(compare.takes == 2 * (3 * 127 + 128));
        assert_no_failures(&compare);
    }
}

static PW_NOINLINE void capture_id_here(void *argument)
{
    uint32_t *id = argument;
    *id = pw_unwind_capture_id(PW_MAX_FRAMES, (uint64_t)__builtin_return_address(0), (uint64_t)__builtin_dwarf_cfa(),
                               PW_ARCH_FP());
    __asm__ volatile("" ::: "memory");
}

/* Thousands of traces of some twenty frames, each of which ends as one before did. */
static void the_traces_of_a_recursion_are_stored_by_what_is_new_in_each(void **state)
{
    (void)state;
    enum { DEPTH = 12, TRACES = (3 << DEPTH) - 3 + (1 << DEPTH), MOST_UNITS = 6 };
    uint32_t id = 0, used = atomic_load(&pw_depot_image->used);
    with_fp_tree(DEPTH, capture_id_here, &id);
    assert_int_not_equal(id, 0);
    assert_in_range(atomic_load(&pw_depot_image->used) - used, TRACES * 3, TRACES * MOST_UNITS);
}

static void a_trace_is_cut_at_max_frames(void **state)
{
    (void)state;
    struct compare compare = {0};
    for (size_t max = 1; max <= PW_MAX_FRAMES; max++) {
        compare.max = max;
        without_fp_recurse(100, compare_here, &compare);
        assert_int_equal(compare.count, max);
        with_fp_recurse(100 - (int)max, compare_here, &compare);
        assert_true(compare.count >= (max < 100 - max ? max : 100 - max));
    }
    assert_no_failures(&compare);
}

static void very_deep_recursion_is_cut_at_max_and_followed_out_again(void **state)
{
    (void)state;
    struct compare compare = {.max = 30};
    for (int depth = DEEP; depth > 0; depth -= 7)
        with_fp_recurse(depth, compare_here, &compare);
    assert_no_failures(&compare);
}

static void frames_of_unknown_size_are_undone(void **state)
{
    (void)state;
    struct compare compare = {0};
    for (size_t bytes = 0; bytes < 20000; bytes = bytes * 2 + 40) {
        with_fp_alloca(bytes, compare_here, &compare);
        without_fp_alloca(bytes, compare_here, &compare);
        assert_true(compare_has(&compare, (void *)without_fp_alloca, 2 * FUNCTION_BYTES));
    }
    assert_no_failures(&compare);
}

static void frames_that_realign_the_stack_are_undone(void **state)
{
    (void)state;
    struct compare compare = {0};
    for (size_t bytes = 0; bytes < 1000; bytes += 8) {
        with_fp_realigned(bytes, compare_here, &compare);
        without_fp_realigned(bytes, compare_here, &compare);
        assert_true(compare_has(&compare, (void *)without_fp_realigned, 3 * FUNCTION_BYTES));
    }
    assert_no_failures(&compare);
}

static void a_frame_pointer_used_for_other_things_does_no_harm(void **state)
{
    (void)state;
    struct compare compare = {0};
    for (int i = 0; i < 100; i++) {
        with_fp_registers(i, compare_here, &compare);
        without_fp_registers(i * 1000003, compare_here, &compare);
    }
    assert_no_failures(&compare);
}

/*
 * Stacks that have some frames in common with the last, at other places or the same: what the
 * memory must see through.
 */
static void any_sequence_of_stacks_is_traced_as_libunwind_does(void **state)
{
    (void)state;
    struct compare compare = {0};
    unsigned seed = 1;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1664525u + 1013904223u;
        compare.max = seed >> 31 ? 1 + (seed >> 8) % PW_MAX_FRAMES : PW_MAX_FRAMES;
        if (seed >> 30 & 1)
            with_fp_mixture(seed % 64, (int)(seed >> 16) % 30, compare_here, &compare);
        else
            without_fp_mixture(seed % 16, (int)(seed >> 16) % 30, compare_here, &compare);
    }
    assert_int_equal(compare.takes, 20000);
    assert_no_failures(&compare);
}

static PW_NOINLINE void call_from_two_places(struct compare *compare)
{
    for (int i = 0; i < 5; i++) {
        compare_here(compare);
        __asm__ volatile("");
        compare_here(compare);
    }
    __asm__ volatile("" ::: "memory");
}

static PW_NOINLINE void call_deeply_from_two_places(struct compare *compare, int depth)
{
    without_fp_recurse(depth, compare_here, compare);
    __asm__ volatile("");
    without_fp_recurse(depth, compare_here, compare);
    __asm__ volatile("" ::: "memory");
    with_fp_recurse(depth, compare_here, compare);
    __asm__ volatile("");
    with_fp_recurse(depth, compare_here, compare);
    __asm__ volatile("" ::: "memory");
}

/* Two places in one function call the same: only the word that says which tells the stacks apart. */
static void callers_that_differ_in_one_return_address_only_are_told_apart(void **state)
{
    (void)state;
    struct compare compare = {0};
    for (int i = 0; i < 10; i++) {
        call_from_two_places(&compare);
        __asm__ volatile("");
        call_from_two_places(&compare);
        call_deeply_from_two_places(&compare, i);
        call_deeply_from_two_places(&compare, i);
    }
    assert_no_failures(&compare);
}

static struct compare *compare_in_qsort;

static int compare_two(const void *a, const void *b)
{
    compare_here(compare_in_qsort);
    return *(const int *)a - *(const int *)b;
}

static void callbacks_from_libc_are_traced(void **state)
{
    (void)state;
    struct compare compare = {0};
    int numbers[] = {5, 3, 9, 1, 7, 2, 8, 4, 6, 0};
    compare_in_qsort = &compare;
    qsort(numbers, PW_ARRAY_SIZE(numbers), sizeof numbers[0], compare_two);
    assert_true(compare_has(&compare, (void *)callbacks_from_libc_are_traced, 8 * FUNCTION_BYTES));
    assert_no_failures(&compare);
}

static void
code_without_unwind_information_ends_a_trace_when_its_frame_pointer_is_garbage(void **state)
{
    (void)state;
    struct compare compare = {0};
    for (int depth = 1; depth < 10; depth++) {
        without_information(compare_ours, &compare);
        assert_int_equal(compare.count, 1);
        assert_true(compare_has(&compare, (void *)without_information, FUNCTION_BYTES));
    }
    assert_no_failures(&compare);
}

static void code_without_unwind_information_is_passed_by_its_frame_pointer(void **state)
{
    (void)state;
    struct compare compare = {0};
    with_chain(compare_ours, &compare);
    assert_true(compare.count > 3);
    assert_true(compare_has(&compare, (void *)with_chain, FUNCTION_BYTES));
    assert_true(compare_has(&compare,
                            (void *)code_without_unwind_information_is_passed_by_its_frame_pointer,
                            8 * FUNCTION_BYTES));
    assert_no_failures(&compare);
}

static void false_unwind_information_costs_the_trace_only(void **state)
{
    (void)state;
    struct compare compare = {0};
    for (int i = 0; i < 5; i++) {
        with_lies(compare_ours, &compare);
        assert_true(compare.count >= 1);
        assert_true(compare_has(&compare, (void *)with_lies, FUNCTION_BYTES));
    }
    assert_no_failures(&compare);
}

static void a_frame_that_hangs_on_another_register_is_undone(void **state)
{
    (void)state;
    struct compare compare = {0};
    for (int i = 0; i < 5; i++) {
        with_another_register(compare_ours, &compare);
        assert_true(compare.count > 3);
        assert_true(compare_has(&compare, (void *)with_another_register, 2 * FUNCTION_BYTES));
        assert_true(compare_has(&compare, (void *)a_frame_that_hangs_on_another_register_is_undone,
                                16 * FUNCTION_BYTES));
    }
    assert_no_failures(&compare);
}

static void errno_stays_as_it_was(void **state)
{
    (void)state;
    struct compare compare = {0};
    errno = 4711;
    with_fp_recurse(20, compare_here, &compare);
    with_lies(compare_ours, &compare);
    assert_int_equal(errno, 4711);
}

static void a_caller_that_is_nowhere_is_given_all_the_same(void **state)
{
    (void)state;
    uint64_t frames[4] = {0};
    uint64_t nowhere[2] = {0, 0};
    assert_int_equal(pw_unwind_capture(frames, 4, 0x1234, (uint64_t)&nowhere[1]), 1);
    assert_int_equal(frames[0], 0x1234);
}

static int by_value(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
    return (one > other) - (one < other);
}

/* Each address has a key of its own; those of a page of code share a page of the table, and 8 bytes a place there. */
static void rules_of_calls_that_lie_close_together_lie_close_together(void **state)
{
    enum { CODE_PAGES = 64, CODE_BYTES = 4096, PLACES = 4096 / sizeof pw_rules[0] };
    static uint64_t keys[CODE_PAGES * CODE_BYTES];
    (void)state;
    for (uint64_t page = 0; page < CODE_PAGES; page++) {
        uint64_t first = 0x7f1234567000 * (page % 2) + page * page * CODE_BYTES;
        for (uint64_t i = 0; i < CODE_BYTES; i++) {
            struct pw_rules_key key = pw_rules_key(first + i);
            size_t place = key.index, first_place = pw_rules_key(first).index;
            assert_true(place < PW_ARRAY_SIZE(pw_rules));
            assert_int_equal(place / PLACES, first_place / PLACES);
            assert_int_equal(place == pw_rules_key(first + i / 8 * 8).index, 1);
            assert_int_equal(i >= 8 && place == pw_rules_key(first + i - 8).index, 0);
            assert_int_equal(key.tag % ((uint64_t)1 << (PW_RULE_BITS + 1)), (uint64_t)1 << PW_RULE_BITS);
            keys[page * CODE_BYTES + i] = (key.tag >> (PW_RULE_BITS + 1)) << PW_RULES_BITS | place;
        }
    }
    qsort(keys, PW_ARRAY_SIZE(keys), sizeof keys[0], by_value);
    for (size_t i = 1; i < PW_ARRAY_SIZE(keys); i++)
        assert_true(keys[i] != keys[i - 1]);
}

/* fork, with the two handlers of learnt.h; true in the child. */
static bool fork_once(void)
{
    pw_learnt_before_fork();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        pw_learnt_after_fork();
        return true;
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    return false;
}

static bool is_known(uint64_t pc)
{
    struct pw_rules_key key = pw_rules_key(pc);
    return (atomic_load(&pw_rules[key.index]) ^ key.tag) >> PW_RULE_BITS == 0;
}

static void what_a_child_of_fork_found_out_is_known_to_those_after_it(void **state)
{
    (void)state;
    uint64_t pc = (uint64_t)&what_a_child_of_fork_found_out_is_known_to_those_after_it;
    pw_rules_forget();
    for (int i = 0; i < PW_LEARNT_FORKS; i++)
        if (fork_once())
            _exit(is_known(pc) || pw_rules_find(pc) == PW_RULE_NONE);
    assert_false(is_known(pc)); /* a process that forks once in a while does nothing for it */
    if (fork_once())
        _exit(!is_known(pc));
    assert_true(is_known(pc));
}

static void addresses_that_a_child_makes_up_are_no_rules(void **state)
{
    (void)state;
    enum { LAST = PW_LEARNT_PLACES + 100 };
    static uint64_t data;
    if (fork_once()) {
        for (uint64_t i = 1; i <= LAST; i++)
            pw_learnt_tell(i % 3 == 0 ? i * 0x9E3779B97F4A7C15 : i % 3 == 1 ? i : (uint64_t)&data + i);
        _exit(0);
    }
    uint64_t known = 0;
    for (size_t i = 0; i < PW_ARRAY_SIZE(pw_rules); i++)
        known += atomic_load(&pw_rules[i]) != 0;
    if (fork_once()) { /* no place is left */
        pw_learnt_tell((uint64_t)&fork_once);
        _exit(0);
    }
    if (fork_once())
        _exit(0);
    assert_false(is_known((uint64_t)&fork_once));
    uint64_t now = 0;
    for (size_t i = 0; i < PW_ARRAY_SIZE(pw_rules); i++)
        now += atomic_load(&pw_rules[i]) != 0;
    assert_in_range(now - known, 0, PW_LEARNT_PLACES);
    struct compare compare = {0};
    with_fp_recurse(20, compare_here, &compare);
    assert_no_failures(&compare);
}

static int set_up(void **state)
{
    (void)state;
    pw_unwind_init();
    return pw_depot_init() && pw_libunwind_open() ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recursion_of_any_depth_is_traced_as_libunwind_does),
        cmocka_unit_test(recursion_that_branches_is_traced_as_libunwind_does),
        cmocka_unit_test(the_traces_of_a_recursion_are_stored_by_what_is_new_in_each),
        cmocka_unit_test(a_trace_is_cut_at_max_frames),
        cmocka_unit_test(very_deep_recursion_is_cut_at_max_and_followed_out_again),
        cmocka_unit_test(frames_of_unknown_size_are_undone),
        cmocka_unit_test(frames_that_realign_the_stack_are_undone),
        cmocka_unit_test(a_frame_pointer_used_for_other_things_does_no_harm),
        cmocka_unit_test(any_sequence_of_stacks_is_traced_as_libunwind_does),
        cmocka_unit_test(callers_that_differ_in_one_return_address_only_are_told_apart),
        cmocka_unit_test(callbacks_from_libc_are_traced),
        cmocka_unit_test(
            code_without_unwind_information_ends_a_trace_when_its_frame_pointer_is_garbage),
        cmocka_unit_test(code_without_unwind_information_is_passed_by_its_frame_pointer),
        cmocka_unit_test(false_unwind_information_costs_the_trace_only),
        cmocka_unit_test(a_frame_that_hangs_on_another_register_is_undone),
        cmocka_unit_test(errno_stays_as_it_was),
        cmocka_unit_test(a_caller_that_is_nowhere_is_given_all_the_same),
        cmocka_unit_test(rules_of_calls_that_lie_close_together_lie_close_together),
        cmocka_unit_test(what_a_child_of_fork_found_out_is_known_to_those_after_it),
        cmocka_unit_test(addresses_that_a_child_makes_up_are_no_rules),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
