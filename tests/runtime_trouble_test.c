/*
 * runtime_trouble_test.c - bad pointers of every provenance, bugs at awkward moments, and what is
 * said where it can hardly be said. The words of the reports are the death tests' business.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "program.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* -- Pointers from anywhere */

static const struct source {
    const char *name;
    const char *kind;
} sources[] = {
    {"stack", "bad-free"},
    {"thread_stack", "bad-free"},
    {"data", "bad-free"},
    {"tls", "bad-free"},
    {"text", "bad-free"},
    {"environment", "bad-free"},
    {"libc_data", "bad-free"},
    {"vdso", "bad-free"},
    {"brk", "bad-free"},
    {"foreign", "bad-free"},
    {"file", "bad-free"},
    {"prot_none", "bad-free"},
    {"unmapped", "bad-free"},
    {"one", "bad-free"},
    {"64", "bad-free"},
    {"page_zero", "bad-free"},
    {"kernel", "bad-free"},
    {"last_user", "bad-free"},
    {"non_canonical", "bad-free"},
    {"poison", "bad-free"},
    {"minus_one", "bad-free"},
    {"instance", "bad-free"},
    {"interior_1", "interior-free"},
    {"interior_8", "interior-free"},
    {"interior_64", "interior-free"},
    {"last_byte", "interior-free"},
    {"end", "interior-free"},
    {"interior_16k", "interior-free"},
    {"interior_1m", "interior-free"},
    {"minus_16", "interior-free"},
    {"interior_freed", "interior-free"},
    {"freed", "double-free"},
    {"freed_0", "double-free"},
    {"freed_big", "double-free"},
    {"freed_huge", "double-free"},
    {"freed_long_ago", "double-free"},
};

/* The report names the kind and the pointer that the program printed; "went on" was not printed. */
static void give(const struct source *source, const char *function, const char *level)
{
    char command[128], address[64];
    (void)snprintf(command, sizeof command, "bad_pointer %s %s", function, source->name);
    struct program program = {.command = command, .level = level, .options = "symbolize=0"};
    struct outcome outcome = program_run(&program);
    if (outcome.status != -SIGABRT || outcome.timed_out)
        fail_with(&program, &outcome, "does not end by SIGABRT");
    unsigned long pointer = strtoul(outcome.out, NULL, 0);
    (void)snprintf(address, sizeof address, "0x%012lx in thread T0", pointer);
    char *end = strchr(outcome.out, '\n');
    if (strstr(outcome.err, address) == NULL || end == NULL || end[1] != '\0')
        fail_with(&program, &outcome, "says something else");
    assert_one_report(outcome.err, source->kind);
    outcome_free(&outcome);
}

static void give_all(const char *function)
{
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        /* One may ask for the size of a block of one's own heap. */
        if (strcmp(sources[i].name, "instance") == 0 && strcmp(function, "usable_size") == 0)
            continue;
        for (const char **level = all_levels; *level != NULL; level++)
            give(&sources[i], function, *level);
    }
}

/* Of the heap, but not yet handed out: there is no first free that it could be the second of. */
static void heap_memory_that_nobody_ever_had_is_no_double_free(void **state)
{
    static const struct source never_had[] = {{"plus_16k", "bad-free"}, {"guard", "bad-free"}};
    (void)state;
    for (size_t i = 0; i < 2; i++)
        for (const char **level = all_levels; *level != NULL; level++)
            give(&never_had[i], "free", *level);
}

static void free_reports_every_pointer_that_is_not_to_be_freed(void **state)
{
    (void)state;
    give_all("free");
}

static void realloc_reports_every_pointer_that_is_not_to_be_resized(void **state)
{
    (void)state;
    give_all("realloc");
}

static void realloc_to_0_reports_them_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i += 5)
        give(&sources[i], "realloc_0", "fast");
}

static void reallocarray_reports_them_too(void **state)
{
    (void)state;
    for (size_t i = 2; i < sizeof sources / sizeof *sources; i += 5)
        give(&sources[i], "reallocarray", "full");
}

static void malloc_usable_size_reports_every_pointer_that_has_none(void **state)
{
    (void)state;
    give_all("usable_size");
}

/* -- Awkward moments */

REPORTS(a_bug_in_a_signal_handler_is_reported, "trouble in_handler", "double-free")
REPORTS(a_bug_in_a_destructor_of_thread_specific_data_is_reported, "trouble in_tls_destructor", "double-free")

/* Overflows are no business of level off. */
static void assert_reports_from_fast_on(const char *command, const char *kind)
{
    for (const char **level = all_levels + 1; *level != NULL; level++) {
        struct program program = {.command = command, .level = *level, .options = "symbolize=0"};
        struct outcome outcome = program_run(&program);
        if (outcome.status != -SIGABRT)
            fail_with(&program, &outcome, "does not end by SIGABRT");
        assert_one_report(outcome.err, kind);
        outcome_free(&outcome);
    }
}

static void a_bug_on_an_alternate_signal_stack_is_reported(void **state)
{
    (void)state;
    assert_reports_from_fast_on("trouble on_sigaltstack", "heap-buffer-overflow");
}

static void a_bug_in_an_exit_handler_is_reported(void **state)
{
    (void)state;
    assert_reports_from_fast_on("trouble in_atexit", "heap-buffer-overflow");
}

static void damage_that_is_left_behind_is_reported_at_exit(void **state)
{
    (void)state;
    assert_reports_from_fast_on("trouble left_behind", "heap-buffer-overflow");
}

static void damage_that_is_left_behind_is_reported_before_an_abort_at_full(void **state)
{
    (void)state;
    struct program program = {.command = "trouble left_behind_by_abort", .level = "full", .options = "symbolize=0"};
    struct outcome outcome = program_run(&program);
    assert_int_equal(outcome.status, -SIGABRT);
    if (count_of(outcome.err, "ERROR: PWHeap: heap-buffer-overflow") != 1 ||
        count_of(outcome.err, "SUMMARY: PWHeap: heap-buffer-overflow") != 1)
        fail_with(&program, &outcome, "does not give the one report");
    outcome_free(&outcome);
}

static void a_report_of_a_child_bears_the_child_s_number(void **state)
{
    char expected[64];
    int child;
    (void)state;
    for (const char **level = all_levels; *level != NULL; level++) {
        struct program program = {.command = "trouble in_child", .level = *level, .options = "symbolize=0"};
        struct outcome outcome = program_run(&program);
        assert_int_equal(outcome.status, 0);
        assert_int_equal(sscanf(outcome.out, "the child %d ended with 1006", &child), 1);
        (void)snprintf(expected, sizeof expected, "==%d==ERROR: PWHeap: ", child);
        assert_memory_equal(outcome.err, expected, strlen(expected));
        assert_one_report(outcome.err, "double-free");
        outcome_free(&outcome);
    }
}

static void a_report_needs_little_stack(void **state)
{
    static const char *const variables[] = {"BYTES_LEFT=8192", NULL};
    (void)state;
    assert_reports(&(struct program){.command = "trouble little_stack", .variables = variables}, "double-free");
}

AS_ON_GLIBC_ENDING(a_stack_overflow_ends_as_on_glibc, "trouble stack_overflow", -SIGSEGV)
AS_ON_GLIBC_ENDING(a_program_that_is_killed_ends_as_on_glibc, "trouble killed", -SIGTERM)
AS_ON_GLIBC_ENDING(the_exit_status_is_the_program_s, "trouble leave_3", 3)

/* -- Two threads at once */

/* Where `text` goes on after a whole report; NULL: it does not begin with one. */
static const char *skip_report(const char *text, char kind[64])
{
    const char *head = strstr(text, "ERROR: PWHeap: "), *end = strstr(text, "SUMMARY: PWHeap: ");
    if (head == NULL || end == NULL || head > end || sscanf(end, "SUMMARY: PWHeap: %63s", kind) != 1)
        return NULL;
    const char *second = strstr(head + 1, "ERROR: PWHeap: ");
    const char *line_end = strchr(end, '\n');
    return (second == NULL || second > end) && line_end != NULL ? line_end + 1 : NULL;
}

static void two_bugs_at_once_give_two_whole_reports(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        for (const char **level = all_levels + 1; *level != NULL; level++) {
            char first[64] = "", second[64] = "";
            struct program program = {
                .command = "trouble two_threads", .level = *level, .options = "halt_on_error=0:symbolize=0"};
            struct outcome outcome = program_run(&program);
            const char *rest = skip_report(outcome.err, first);
            rest = rest != NULL ? skip_report(rest, second) : NULL;
            if (outcome.status != 0 || rest == NULL || *rest != '\0' || strcmp(first, second) == 0)
                fail_with(&program, &outcome, "does not give two whole reports");
            assert_string_equal(outcome.out, "both went on\n");
            outcome_free(&outcome);
        }
    }
}

static void of_two_bugs_at_once_one_is_reported_and_ends_the_program(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct program program = {.command = "trouble two_threads", .level = "full", .options = "symbolize=0"};
        struct outcome outcome = program_run(&program);
        if (outcome.status != -SIGABRT || count_of(outcome.err, "ERROR: PWHeap: ") != 1 ||
            count_of(outcome.err, "==ABORTING\n") != 1)
            fail_with(&program, &outcome, "does not give one whole report");
        outcome_free(&outcome);
    }
}

/* -- Options */

static void expect_warning(const char *check, const char *warning)
{
    char level[256];
    (void)snprintf(level, sizeof level, "%s", check);
    struct program program = {.command = "trouble leave_3", .level = level};
    struct outcome outcome = program_run(&program);
    const char *end = strchr(outcome.err, '\n');
    const char *words = strstr(outcome.err, "== pwheap: ");
    if (outcome.status != 3 || strcmp(outcome.out, "left with 3\n") != 0 || words == NULL || end == NULL ||
        end[1] != '\0' || strstr(words, warning) == NULL)
        fail_with(&program, &outcome, warning);
    outcome_free(&outcome);
}

static void an_unknown_option_gets_one_warning_with_the_nearest_and_changes_nothing(void **state)
{
    (void)state;
    expect_warning("full:quarantine_size=5", "unknown option \"quarantine_size\"; did you mean \"quarantine_size_mb\"?");
    expect_warning("halt_on_eror=0", "unknown option \"halt_on_eror\"; did you mean \"halt_on_error\"?");
    expect_warning("off:halt-on-error=0", "did you mean \"halt_on_error\"?");
}

static void so_does_a_value_that_is_none(void **state)
{
    (void)state;
    expect_warning("ful", "did you mean \"full\"?");
    expect_warning("fast:redzone=7", "\"redzone\" is 16..2048 bytes, not \"7\"; stays 16");
    expect_warning("full:halt_on_error=maybe", "\"halt_on_error\"");
}

static void no_options_are_level_fast(void **state)
{
    (void)state;
    assert_as_on_glibc(&(struct program){.command = "trouble leave_3"}, 3);
    struct program program = {.command = "trouble left_behind", .level = "", .options = "symbolize=0"};
    struct outcome outcome = program_run(&program);
    assert_int_equal(outcome.status, -SIGABRT);
    outcome_free(&outcome);
}

/* -- Where the report goes */

static void a_log_that_can_t_be_written_gives_way_to_stderr(void **state)
{
    (void)state;
    struct program program = {
        .command = "trouble in_handler", .level = "full", .options = "symbolize=0:log_path=/nonexistent/directory/log"};
    struct outcome outcome = program_run(&program);
    assert_int_equal(outcome.status, -SIGABRT);
    if (count_of(outcome.err, "SUMMARY: PWHeap: double-free") != 1 ||
        strstr(outcome.err, "/nonexistent/directory/log.") == NULL)
        fail_with(&program, &outcome, "does not report to stderr");
    outcome_free(&outcome);
}

static void so_does_a_log_on_a_full_disk(void **state)
{
    char directory[] = "/tmp/pwheap-full-XXXXXX", path[64], options[128];
    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/trouble", directory);
    (void)snprintf(options, sizeof options, "symbolize=0:log_path=%s/%%e", directory);
    assert_int_equal(symlink("/dev/full", path), 0);
    struct program program = {.command = "trouble in_handler", .level = "full", .options = options};
    struct outcome outcome = program_run(&program);
    assert_int_equal(outcome.status, -SIGABRT);
    if (count_of(outcome.err, "SUMMARY: PWHeap: double-free") != 1)
        fail_with(&program, &outcome, "does not report to stderr");
    outcome_free(&outcome);
    (void)unlink(path);
    (void)rmdir(directory);
}

static void spoil_stderr(void *path)
{
    int fd = path != NULL ? open(path, O_WRONLY | O_CLOEXEC) : -1;
    if (fd >= 0)
        (void)dup2(fd, STDERR_FILENO);
    else
        (void)close(STDERR_FILENO);
}

static void the_status_is_the_same_when_the_report_can_go_nowhere(void **state)
{
    char full[] = "/dev/full";
    char *const paths[] = {full, NULL};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        for (const char **level = all_levels; *level != NULL; level++) {
            struct program program = {.command = "trouble in_handler", .level = *level, .prepare = spoil_stderr, .context = paths[i]};
            struct outcome outcome = program_run(&program);
            assert_int_equal(outcome.status, -SIGABRT);
            assert_string_equal(outcome.err, "");
            outcome_free(&outcome);
            program.options = "abort_on_error=0:exitcode=77";
            outcome = program_run(&program);
            assert_int_equal(outcome.status, 77);
            outcome_free(&outcome);
            program.options = NULL;
            program.command = "trouble leave_3";
            outcome = program_run(&program);
            assert_int_equal(outcome.status, 3);
            assert_string_equal(outcome.out, "left with 3\n");
            outcome_free(&outcome);
        }
    }
}

static void break_pipe(void *unused)
{
    int ends[2];
    (void)unused;
    if (pipe(ends) != 0 || dup2(ends[1], STDERR_FILENO) < 0)
        _exit(120);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void a_broken_pipe_does_not_change_how_the_program_ends(void **state)
{
    (void)state;
    struct program program = {.command = "trouble in_handler", .level = "full", .prepare = break_pipe};
    struct outcome outcome = program_run(&program);
    assert_int_equal(outcome.status, -SIGABRT);
    outcome_free(&outcome);
}

static void set_limit(void *context)
{
    const int *limit = context;
    struct rlimit limits = {(rlim_t)limit[1], (rlim_t)limit[1]};
    if (setrlimit((__rlimit_resource_t)limit[0], &limits) != 0)
        _exit(120);
}

static void a_report_needs_no_descriptor_and_no_process(void **state)
{
    (void)state;
    for (const char **level = all_levels; *level != NULL; level++) {
        struct program program = {.command = "trouble in_straits", .level = *level};
        struct outcome outcome = program_run(&program);
        if (outcome.status != -SIGABRT)
            fail_with(&program, &outcome, "does not end by SIGABRT");
        assert_one_report(outcome.err, "double-free");
        outcome_free(&outcome);
    }
}

/* The log can't grow: SIGXFSZ would end the program as the report is written. */
static void a_log_over_the_limit_of_file_sizes_gives_way_to_stderr(void **state)
{
    int limit[2] = {RLIMIT_FSIZE, 0};
    char path[] = "/tmp/pwheap-fsize-XXXXXX", options[128];
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0 && close(fd) == 0);
    (void)snprintf(options, sizeof options, "symbolize=0:log_path=%.*s%%e", (int)strlen(path), path);
    struct program program = {
        .command = "trouble in_handler", .level = "full", .options = options, .prepare = set_limit, .context = limit};
    struct outcome outcome = program_run(&program);
    (void)strcat(strcpy(options, path), "trouble");
    (void)unlink(options);
    (void)unlink(path);
    if (outcome.status != -SIGABRT || count_of(outcome.err, "SUMMARY: PWHeap: double-free") != 1)
        fail_with(&program, &outcome, "does not report to stderr");
    outcome_free(&outcome);
}

static void a_report_needs_no_proc_and_no_other_files(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("only root may chroot\n");
        skip();
    }
    for (const char **level = all_levels; *level != NULL; level++) {
        struct program program = {.command = "trouble in_chroot", .level = *level};
        struct outcome outcome = program_run(&program);
        if (outcome.status != -SIGABRT)
            fail_with(&program, &outcome, "does not end by SIGABRT");
        assert_one_report(outcome.err, "double-free");
        outcome_free(&outcome);
    }
}

/* -- Sandboxes */

AS_ON_GLIBC(a_program_whose_sandbox_refuses_all_but_the_usual_calls_runs, "sandbox refuse")
AS_ON_GLIBC(a_program_whose_sandbox_kills_at_all_but_the_usual_calls_runs, "sandbox kill")

/* sshd's: getrlimit ended it. */
static void regions_of_guarded_blocks_are_made_in_a_sandbox_too(void **state)
{
    (void)state;
    struct program program = {.command = "sandbox kill_late", .level = "guard"};
    struct outcome outcome = program_run(&program);
    if (outcome.status != 0 || outcome.err_length != 0)
        fail_with(&program, &outcome, "does not end as on glibc");
    outcome_free(&outcome);
}

REPORTS(a_bug_in_a_sandbox_is_reported, "sandbox free_twice", "double-free")

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_reports_every_pointer_that_is_not_to_be_freed),
        cmocka_unit_test(heap_memory_that_nobody_ever_had_is_no_double_free),
        cmocka_unit_test(realloc_reports_every_pointer_that_is_not_to_be_resized),
        cmocka_unit_test(realloc_to_0_reports_them_too),
        cmocka_unit_test(reallocarray_reports_them_too),
        cmocka_unit_test(malloc_usable_size_reports_every_pointer_that_has_none),
        cmocka_unit_test(a_bug_in_a_signal_handler_is_reported),
        cmocka_unit_test(a_bug_on_an_alternate_signal_stack_is_reported),
        cmocka_unit_test(a_bug_in_a_destructor_of_thread_specific_data_is_reported),
        cmocka_unit_test(a_bug_in_an_exit_handler_is_reported),
        cmocka_unit_test(damage_that_is_left_behind_is_reported_at_exit),
        cmocka_unit_test(damage_that_is_left_behind_is_reported_before_an_abort_at_full),
        cmocka_unit_test(a_report_of_a_child_bears_the_child_s_number),
        cmocka_unit_test(a_report_needs_little_stack),
        cmocka_unit_test(a_stack_overflow_ends_as_on_glibc),
        cmocka_unit_test(a_program_that_is_killed_ends_as_on_glibc),
        cmocka_unit_test(the_exit_status_is_the_program_s),
        cmocka_unit_test(two_bugs_at_once_give_two_whole_reports),
        cmocka_unit_test(of_two_bugs_at_once_one_is_reported_and_ends_the_program),
        cmocka_unit_test(an_unknown_option_gets_one_warning_with_the_nearest_and_changes_nothing),
        cmocka_unit_test(so_does_a_value_that_is_none),
        cmocka_unit_test(no_options_are_level_fast),
        cmocka_unit_test(a_log_that_can_t_be_written_gives_way_to_stderr),
        cmocka_unit_test(so_does_a_log_on_a_full_disk),
        cmocka_unit_test(the_status_is_the_same_when_the_report_can_go_nowhere),
        cmocka_unit_test(a_broken_pipe_does_not_change_how_the_program_ends),
        cmocka_unit_test(a_report_needs_no_descriptor_and_no_process),
        cmocka_unit_test(a_report_needs_no_proc_and_no_other_files),
        cmocka_unit_test(a_program_whose_sandbox_refuses_all_but_the_usual_calls_runs),
        cmocka_unit_test(a_log_over_the_limit_of_file_sizes_gives_way_to_stderr),
        cmocka_unit_test(a_program_whose_sandbox_kills_at_all_but_the_usual_calls_runs),
        cmocka_unit_test(regions_of_guarded_blocks_are_made_in_a_sandbox_too),
        cmocka_unit_test(a_bug_in_a_sandbox_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
