/*
 * report_end_test.c - what becomes of the process: its end, repeated errors, the callback, threads,
 * faults while reporting, fork.
 */
#include "report_scenes.h"

/* -- The end of the process */

static void on_abort(int signal_number)
{
    (void)signal_number;
    _exit(99);
}

static void scene_abort(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    signal(SIGABRT, on_abort);
    config.halt_on_error = config.abort_on_error = true;
    report_and_end(double_free());
}

static void test_an_error_aborts_though_the_program_handles_and_blocks_the_signal(void **state)
{
    (void)state;
    int status = play(scene_abort);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    expect_in(captured, "SUMMARY: PWHeap: double-free (/home/ada/demo/build/demo+0x1233) in parse_line\n==");
    assert_string_equal(captured + strlen(captured) - 11, "==ABORTING\n");
}

static void scene_exit(void)
{
    config.halt_on_error = true;
    config.exitcode = 23;
    report_and_end(double_free());
}

static void test_an_error_exits_with_exitcode_when_it_is_not_to_abort(void **state)
{
    (void)state;
    int status = play(scene_exit);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 23);
    assert_int_equal(count_of(captured, "==ABORTING\n"), 1);
}

static void scene_repeat(void)
{
    errno = EDOM;
    for (int i = 0; i < 5; i++)
        report_and_end(double_free());
    if (errno != EDOM || pw_report_count() != 1)
        _exit(1);
    struct pw_fault fault = overflow_fast(); /* found at one place, but two blocks */
    report_and_end(fault);
    fault.block.address += 64;
    report_and_end(fault);
    report_and_end(fault);
    if (pw_report_count() != 3)
        _exit(2);
}

static void test_without_halting_each_distinct_error_is_printed_once(void **state)
{
    (void)state;
    expect_survived(play(scene_repeat));
    assert_int_equal(count_of(captured, "attempting double-free"), 1);
    assert_int_equal(count_of(captured, "ERROR: "), 3);
    assert_int_equal(count_of(captured, "ABORTING"), 0);
}

static void scene_passed_on(void)
{
    config.halt_on_error = true;
    pw_report_init(&config);
    for (int i = 0; i < 2; i++) {
        struct pw_fault fault = poison(); /* found in a signal handler */
        if (pw_report(&fault))
            _exit(1);
    }
    struct pw_fault fault = poison();
    fault.is_passed_on = false;
    if (!pw_report(&fault))
        _exit(2);
}

static void test_a_signal_that_is_passed_on_is_reported_and_does_not_halt(void **state)
{
    (void)state;
    expect_survived(play(scene_passed_on));
    assert_int_equal(count_of(captured, "ERROR: PWHeap: poison-dereference"), 2); /* not the repeat */
}

static void scene_flood(void)
{
    struct pw_fault fault = double_free();
    for (uint32_t i = 0; i < 2000; i++) {
        fault.frames[0] = DEMO + 0x2000 + i;
        report_and_end(fault);
    }
    if (pw_report_count() != 1024)
        _exit(1);
}

static void test_a_flood_of_errors_ends_with_a_word(void **state)
{
    (void)state;
    expect_survived(play(scene_flood));
    assert_int_equal(count_of(captured, "== pwheap: this is the last error that is printed"), 1);
}

/* -- The callback */

static int calls;
static bool count_call(void *context, const struct pwheap_error *error)
{
    calls += error->where.block.free_frame_count == 3 && context == &calls &&
             strcmp(error->kind, "double-free") == 0 && strstr(error->text, "SUMMARY") != NULL &&
             error->address == (void *)BLOCK && error->where.block.alloc_frames[0] == (void *)(DEMO + 0x1434) &&
             error->where.block.state == PWHEAP_STATE_QUARANTINED && error->where.relation == PWHEAP_RELATION_INSIDE;
    pw_report_line("from the callback");
    return true;
}

static void scene_callback(void)
{
    void *old_context = &config;
    config.halt_on_error = true;
    if (pw_report_set_callback(count_call, &calls, &old_context) != NULL || old_context != NULL)
        _exit(1);
    report_and_end(double_free());
    report_and_end(double_free());
    if (calls != 2 || pw_report_count() != 2)
        _exit(2);
    if (pw_report_set_callback(NULL, NULL, &old_context) != count_call || old_context != &calls)
        _exit(3);
}

static void test_a_callback_gets_every_error_and_may_keep_it_to_itself(void **state)
{
    (void)state;
    expect_survived(play(scene_callback));
    assert_null(strstr(captured, "ERROR"));
    assert_int_equal(count_of(captured, "== pwheap: from the callback\n"), 2);
}

static bool misuse(void *context, const struct pwheap_error *error)
{
    (void)context;
    (void)error;
    struct pw_fault fault = bad_free();
    pw_report(&fault);
    return true;
}

static void scene_nested(void)
{
    config.abort_on_error = true;
    pw_report_set_callback(misuse, NULL, NULL);
    report_and_end(double_free());
}

static void test_a_fault_while_reporting_ends_the_process_with_one_more_line(void **state)
{
    (void)state;
    int status = play(scene_nested);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_int_equal(count_of(captured, "ERROR: PWHeap: attempting double-free"), 1);
    expect_in(captured, "== pwheap: bad-free on 0x7ffd4c8a1230 while an error was being reported; the process ends\n");
}

/* -- Threads */

enum { THREADS = 4, REPORTS_A_THREAD = 40 };

static void *report_many(void *argument)
{
    uint64_t number = (uint64_t)(uintptr_t)argument;
    for (uint64_t i = 0; i < REPORTS_A_THREAD; i++) {
        struct pw_fault fault = double_free();
        fault.frames[0] = DEMO + 0x3001 + number * 0x1000 + i;
        fault.address = 0x100000 * number + i;
        pw_report(&fault);
    }
    return NULL;
}

static void scene_threads(void)
{
    pthread_t threads[THREADS];
    pw_report_init(&config);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, report_many, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    if (pw_report_count() != THREADS * REPORTS_A_THREAD)
        _exit(1);
}

static void test_reports_of_several_threads_do_not_interleave(void **state)
{
    (void)state;
    expect_survived(play(scene_threads));
    assert_int_equal(count_of(captured, "ERROR: "), THREADS * REPORTS_A_THREAD);
    for (const char *at = captured; (at = strstr(at, "ERROR: ")) != NULL; at++) {
        unsigned long long address, first, last;
        const char *frame = strstr(at, "demo+0x");
        const char *summary = strstr(at, "SUMMARY: ");
        const char *next = strstr(at + 1, "ERROR: ");
        assert_true(summary != NULL && (next == NULL || summary < next));
        assert_int_equal(sscanf(at, "ERROR: PWHeap: attempting double-free on %llx", &address), 1);
        assert_int_equal(sscanf(frame, "demo+%llx", &first), 1);
        assert_int_equal(sscanf(strstr(summary, "demo+"), "demo+%llx", &last), 1);
        assert_true(first == last && first == 0x3000 + (address >> 20) * 0x1000 + (address & 0xfffff));
    }
}

static void *report_and_end_thread(void *argument)
{
    (void)argument;
    struct pw_fault fault = bad_free();
    if (pw_report(&fault))
        pw_report_end(&fault);
    _exit(98);
}

static void scene_two_ends(void)
{
    pthread_t other;
    struct pw_fault fault = double_free();
    config.halt_on_error = true;
    config.exitcode = 5;
    pw_report_init(&config);
    if (!pw_report(&fault))
        _exit(1);
    pthread_create(&other, NULL, report_and_end_thread, NULL);
    usleep(100000); /* a dump is written, say */
    pw_report_line("dumped");
    pw_report_end(&fault);
}

static void test_nothing_comes_between_a_report_and_the_end(void **state)
{
    (void)state;
    int status = play(scene_two_ends);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    assert_int_equal(count_of(captured, "ERROR: "), 1);
    expect_in(strstr(captured, "SUMMARY"), "== pwheap: dumped\n");
    assert_string_equal(captured + strlen(captured) - 11, "==ABORTING\n");
}

static bool fork_in_callback(void *context, const struct pwheap_error *error)
{
    (void)context;
    if (strcmp(error->kind, "bad-free") == 0)
        return false;
    pid_t child = fork();
    if (child == 0) {
        pw_report_after_fork();
        report_and_end(bad_free());
        _exit(pw_report_count() == 1 ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    if (status != 0)
        _exit(50);
    return false;
}

static void scene_fork(void)
{
    pw_report_init(&config);
    pw_report_set_callback(fork_in_callback, NULL, NULL);
    report_and_end(double_free());
}

static void test_a_forked_child_can_report_though_its_parent_was_reporting(void **state)
{
    (void)state;
    expect_survived(play(scene_fork));
    assert_int_equal(count_of(captured, "ERROR: "), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_error_aborts_though_the_program_handles_and_blocks_the_signal),
        cmocka_unit_test(test_an_error_exits_with_exitcode_when_it_is_not_to_abort),
        cmocka_unit_test(test_without_halting_each_distinct_error_is_printed_once),
        cmocka_unit_test(test_a_signal_that_is_passed_on_is_reported_and_does_not_halt),
        cmocka_unit_test(test_a_flood_of_errors_ends_with_a_word),
        cmocka_unit_test(test_a_callback_gets_every_error_and_may_keep_it_to_itself),
        cmocka_unit_test(test_a_fault_while_reporting_ends_the_process_with_one_more_line),
        cmocka_unit_test(test_reports_of_several_threads_do_not_interleave),
        cmocka_unit_test(test_nothing_comes_between_a_report_and_the_end),
        cmocka_unit_test(test_a_forked_child_can_report_though_its_parent_was_reporting),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
