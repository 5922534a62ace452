/* runtime_leaks_test.c - detect_leaks, pwheap_leak_check, pwheap_ignore: to the block. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "program.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOKS "detect_leaks=1:symbolize=0"

/* The "leak of" and SUMMARY lines of `err`, as they come; the caller's to free. */
static char *leak_lines(const char *err)
{
    char *lines = calloc(1, strlen(err) + 1);
    assert_non_null(lines);
    for (const char *line = err; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        length += line[length] == '\n';
        if (strncmp(line, "Direct", 6) == 0 || strncmp(line, "Indirect", 8) == 0 ||
            strncmp(line, "SUMMARY", 7) == 0)
            strncat(lines, line, length);
        line += length;
    }
    return lines;
}

static void expect_at(const char *level, const char *command, const char *options, int status,
                      const char *out, const char *expected, void (*prepare)(void *), void *context)
{
    struct program program = {
        .command = command, .level = level, .options = options, .prepare = prepare, .context = context};
    struct outcome outcome = program_run(&program);
    char *lines = leak_lines(outcome.err);
    if (outcome.status == 77)
        skip();
    if (outcome.timed_out || outcome.status != status)
        fail_with(&program, &outcome, "ends with another status");
    if (strcmp(outcome.out, out) != 0)
        fail_with(&program, &outcome, "prints something else");
    if (strcmp(lines, expected) != 0) {
        print_error("--- expected\n%s--- found\n%s", expected, lines);
        fail_with(&program, &outcome, "other leaks");
    }
    if (*expected == '\0' && outcome.err_length != 0)
        fail_with(&program, &outcome, "says something");
    free(lines);
    outcome_free(&outcome);
}

static void expect(const char *command, const char *options, int status, const char *out, const char *expected)
{
    expect_at("full", command, options, status, out, expected, NULL, NULL);
}

/* What the program's mode "all" loses. */
static const char all_of_it[] = "Direct leak of 3145728 byte(s) in 1 object(s) allocated from:\n"
                                "Direct leak of 600 byte(s) in 1 object(s) allocated from:\n"
                                "Direct leak of 520 byte(s) in 1 object(s) allocated from:\n"
                                "Direct leak of 402 byte(s) in 1 object(s) allocated from:\n"
                                "Direct leak of 309 byte(s) in 1 object(s) allocated from:\n"
                                "Direct leak of 303 byte(s) in 3 object(s) allocated from:\n"
                                "Direct leak of 202 byte(s) in 1 object(s) allocated from:\n"
                                "Indirect leak of 40000 byte(s) in 1 object(s) allocated from:\n"
                                "Indirect leak of 2736 byte(s) in 9 object(s) allocated from:\n"
                                "Indirect leak of 801 byte(s) in 2 object(s) allocated from:\n"
                                "Indirect leak of 521 byte(s) in 1 object(s) allocated from:\n"
                                "Indirect leak of 512 byte(s) in 1 object(s) allocated from:\n"
                                "Indirect leak of 511 byte(s) in 1 object(s) allocated from:\n"
                                "Indirect leak of 510 byte(s) in 1 object(s) allocated from:\n"
                                "Indirect leak of 501 byte(s) in 1 object(s) allocated from:\n"
                                "Indirect leak of 500 byte(s) in 1 object(s) allocated from:\n"
                                "Indirect leak of 0 byte(s) in 1 object(s) allocated from:\n"
                                "SUMMARY: PWHeap: 3194656 byte(s) leaked in 28 allocation(s).\n";

#define DIRECT                                                                                     \
    "Direct leak of 303 byte(s) in 3 object(s) allocated from:\n"                                  \
    "Direct leak of 202 byte(s) in 1 object(s) allocated from:\n"                                  \
    "SUMMARY: PWHeap: 505 byte(s) leaked in 4 allocation(s).\n"

static void every_lost_block_is_told_and_whether_another_leads_to_it(void **state)
{
    (void)state;
    expect("leaks all", LOOKS, 1, "all of it\n", all_of_it);
}

static void every_level_finds_the_same_blocks(void **state)
{
    (void)state;
    for (const char **level = all_levels; *level != NULL; level++) {
        struct program program = {.command = "leaks all", .level = *level, .options = LOOKS};
        struct outcome outcome = program_run(&program);
        if (outcome.status != 1 ||
            strstr(outcome.err, "SUMMARY: PWHeap: 3194656 byte(s) leaked in 28 allocation(s).\n") == NULL)
            fail_with(&program, &outcome, "finds other blocks");
        outcome_free(&outcome);
    }
}

static void the_clean_twins_lose_nothing_at_any_level(void **state)
{
    static const struct {
        const char *command, *out;
    } twins[] = {{"leaks all clean", "all of it\n"},
                 {"leaks threads clean", "0 while they run\n0 afterwards\n"},
                 {"leaks ended clean", ""},
                 {"leaks rings clean", ""}};
    (void)state;
    for (const char **level = all_levels; *level != NULL; level++)
        for (size_t i = 0; i < sizeof twins / sizeof *twins; i++)
            expect_at(*level, twins[i].command, LOOKS, 0, twins[i].out, "", NULL, NULL);
}

static void what_tls_libraries_mappings_results_and_registers_hold_is_not_lost(void **state)
{
    (void)state;
    for (const char **level = all_levels; *level != NULL; level++)
        expect_at(*level, "leaks nothing", LOOKS, 0, "0\n0\n", "", NULL, NULL);
}

static void nobody_looks_unless_asked(void **state)
{
    (void)state;
    for (const char **level = all_levels; *level != NULL; level++)
        expect_at(*level, "leaks all", NULL, 0, "all of it\n", "", NULL, NULL);
}

static void a_pointer_into_a_block_holds_it_unless_only_starts_count(void **state)
{
    (void)state;
    expect("leaks interior", LOOKS, 0, "", "");
    expect("leaks interior", LOOKS ":leak_starts_only=1", 1, "",
           "Direct leak of 720 byte(s) in 1 object(s) allocated from:\n"
           "SUMMARY: PWHeap: 720 byte(s) leaked in 1 allocation(s).\n");
}

#define SIXTEEN(bytes)                                                                             \
    "Direct leak of " bytes " byte(s) in 16 object(s) allocated from:\n"                           \
    "SUMMARY: PWHeap: " bytes " byte(s) leaked in 16 allocation(s).\n"

static void sixteen_threads_that_run_sleep_or_block_signals_hold_what_is_theirs(void **state)
{
    (void)state;
    expect("leaks threads", "symbolize=0", 0, "16 while they run\n16 afterwards\n",
           SIXTEEN("14520") SIXTEEN("14520"));
}

static void the_stacks_of_threads_that_have_ended_hold_nothing(void **state)
{
    (void)state;
    expect("leaks ended", LOOKS, 1, "", SIXTEEN("16120"));
}

static void what_is_ignored_and_what_it_leads_to_is_not_told(void **state)
{
    (void)state;
    expect("leaks ignored", LOOKS, 1, "4\n", DIRECT DIRECT);
}

static void a_forked_child_looks_for_itself(void **state)
{
    (void)state;
    expect("leaks child", LOOKS, 1, "child 1\n", DIRECT DIRECT);
}

static void exit_from_inside_main_leaves_what_its_stack_holds(void **state)
{
    (void)state;
    expect("leaks exit_inside", LOOKS, 1, "out", DIRECT);
}

static void the_status_is_exitcode_and_with_0_the_programs_own(void **state)
{
    (void)state;
    expect("leaks direct", LOOKS ":exitcode=23", 23, "", DIRECT);
    expect("leaks exit_inside", LOOKS ":exitcode=0", 0, "out", DIRECT);
}

static void no_more_groups_than_max_leaks_are_printed_and_all_are_counted(void **state)
{
    (void)state;
    expect("leaks all", LOOKS ":max_leaks=2", 1, "all of it\n",
           "Direct leak of 3145728 byte(s) in 1 object(s) allocated from:\n"
           "Direct leak of 600 byte(s) in 1 object(s) allocated from:\n"
           "SUMMARY: PWHeap: 3194656 byte(s) leaked in 28 allocation(s).\n");
}

/* ---- linked ---- */

static void expect_linked(const char *command, int status, const char *out, const char *expected)
{
    struct program program = {.command = command, .level = "full", .options = LOOKS, .is_linked = true};
    struct outcome outcome = program_run(&program);
    char *lines = leak_lines(outcome.err);
    if (outcome.status == 127)
        skip(); /* static programs need a static libunwind */
    if (outcome.status != status || strcmp(outcome.out, out) != 0 || strcmp(lines, expected) != 0)
        fail_with(&program, &outcome, "other leaks");
    free(lines);
    outcome_free(&outcome);
}

static void linked_from_the_archive_its_own_globals_hold_nothing(void **state)
{
    (void)state;
    expect_linked("leaks_archive all", 1, "all of it\n", all_of_it);
    expect_linked("leaks_archive all clean", 0, "all of it\n", "");
    expect_linked("leaks_archive nothing", 0, "0\n0\n", "");
    expect_linked("leaks_archive ignored", 1, "4\n", DIRECT DIRECT);
    expect_linked("leaks_archive threads", 1, "16 while they run\n16 afterwards\n",
                  SIXTEEN("14520") SIXTEEN("14520") SIXTEEN("14520"));
}

static void in_a_static_program_nothing_of_exit_holds_anything(void **state)
{
    (void)state;
    expect_linked("static_leaks direct", 1, "", DIRECT);
    expect_linked("static_leaks ended", 1, "", SIXTEEN("16120"));
    expect_linked("static_leaks rings clean", 0, "", "");
}

/* ---- growth ---- */

static void what_was_allocated_since_a_checkpoint_and_stays_is_told_by_stack(void **state)
{
    (void)state;
    expect("growth grow", NULL, 0,
           "0\n"
           "4000 bytes in 40 blocks, with a stack\n600 bytes in 2 blocks, with a stack\n42\n"
           "42 when the threads are gone\n0 since then\n",
           "");
    expect_at("guard", "growth grow", NULL, 0,
              "0\n"
              "4000 bytes in 40 blocks, with a stack\n600 bytes in 2 blocks, with a stack\n42\n"
              "42 when the threads are gone\n0 since then\n",
              "", NULL, NULL);
    expect_at("fast", "growth refused", NULL, 0, "1 1\n", "", NULL, NULL);
}

/* ---- the words ---- */

static char *run_text(const char *command, const char *options)
{
    struct program program = {.command = command, .level = "full", .options = options};
    struct outcome outcome = program_run(&program);
    assert_int_equal(outcome.status, 1);
    char *err = strdup(outcome.err);
    assert_non_null(err);
    outcome_free(&outcome);
    return err;
}

static void frames_have_functions_files_and_lines(void **state)
{
    (void)state;
    char *err = run_text("leaks direct", "detect_leaks=1");
    const char *head = strstr(err, "==ERROR: PWHeap: detected memory leaks\n\nDirect leak of 303");
    if (strncmp(err, "==", 2) != 0 || head == NULL || strstr(err, " in direct ") == NULL ||
        strstr(err, "leaks.c:") == NULL)
        fail_msg("%s", err);
    free(err);
}

static void in_asans_words_it_is_leak_sanitizers(void **state)
{
    (void)state;
    char *err = run_text("leaks direct", LOOKS ":report_format=asan");
    if (strstr(err, "==ERROR: LeakSanitizer: detected memory leaks\n") == NULL ||
        strstr(err, "SUMMARY: AddressSanitizer: 505 byte(s) leaked in 4 allocation(s).\n") == NULL)
        fail_msg("%s", err);
    free(err);
}

static void in_json_each_group_is_an_object(void **state)
{
    (void)state;
    char *err = run_text("leaks direct", LOOKS ":report_format=json");
    if (count_of(err, "\n") != 2 || count_of(err, "{\"version\":1,") != 2 ||
        count_of(err, "\"kind\":\"memory-leak\"") != 2 || count_of(err, "\"direct\":true,\"bytes\":303,\"blocks\":3,") != 1 ||
        count_of(err, "\"function\":\"direct\"") != 2)
        fail_msg("%s", err);
    free(err);
}

/* ---- suppressions ---- */

static char suppressions_path[64];

static const char *with_suppressions(const char *text, const char *options)
{
    static char words[256];
    (void)snprintf(suppressions_path, sizeof suppressions_path, "/tmp/pwheap-leaks-test-%d", (int)getpid());
    FILE *file = fopen(suppressions_path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(words, sizeof words, "detect_leaks=1:%s:suppressions='%s'", options, suppressions_path);
    return words;
}

static void a_suppression_names_a_function_a_module_or_a_file(void **state)
{
    static const char *const files[] = {"leak:direct\n", "leak:^direct$\n", "leak:d*ct\n", "leak:programs/leaks$\n",
                                        "# a comment\n\n  leak:main \n"};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        expect("leaks direct", with_suppressions(files[i], "symbolize=0"), 0, "", "");
    expect("leaks direct", with_suppressions("leak:programs/leaks.c", "symbolize=1"), 0, "", "");
    expect("leaks direct", with_suppressions("leak:^irect\nleak:dire$\nleak:x*direct\n", "symbolize=0"), 1, "",
           DIRECT);
    (void)unlink(suppressions_path);
}

static void suppressions_that_were_used_are_listed_below_the_rest(void **state)
{
    (void)state;
    char *err = run_text("leaks all", with_suppressions("leak:indirect\nleak:loop\nleak:nobody\n", "symbolize=0"));
    const char *list = strstr(err, "Suppressions used:\n  count      bytes template\n"
                                   "     10       3045 indirect\n"
                                   "      1        600 loop\n"
                                   "-----------------------------------------------------\n");
    if (list == NULL || strstr(err, "Direct leak of 600 ") != NULL ||
        strstr(err, "SUMMARY: PWHeap: 3191011 byte(s) leaked in 17 allocation(s).\n") == NULL)
        fail_msg("%s", err);
    free(err);
    (void)unlink(suppressions_path);
}

static void a_file_that_cant_be_read_or_understood_is_told(void **state)
{
    (void)state;
    char *err = run_text("leaks direct", LOOKS ":suppressions='/nowhere/at all'");
    if (strstr(err, "pwheap: suppressions: the file can't be read: /nowhere/at all\n") == NULL)
        fail_msg("%s", err);
    free(err);
    err = run_text("leaks direct", with_suppressions("leak:nobody\nrace:direct\n", "symbolize=0"));
    if (strstr(err, "pwheap: suppressions: line 2 is not leak:TEMPLATE; such lines are left out\n") == NULL)
        fail_msg("%s", err);
    free(err);
    (void)unlink(suppressions_path);
}

/* ---- in a sandbox ---- */

static void refuse(void *context)
{
    const int *calls = context;
    struct sock_filter code[32] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    unsigned short count = 1;
    for (; *calls >= 0; calls++) {
        code[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)*calls, 0, 1);
        code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    }
    code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = count, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(77);
}

static void a_sandbox_without_ptrace_changes_nothing(void **state)
{
    static int calls[] = {SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, -1};
    (void)state;
    expect_at("full", "leaks all", LOOKS, 1, "all of it\n", all_of_it, refuse, calls);
    expect_at("full", "leaks threads", "symbolize=0", 0, "16 while they run\n16 afterwards\n",
              SIXTEEN("14520") SIXTEEN("14520"), refuse, calls);
}

/* What libc itself starts threads with is clone3. */
static void where_no_process_can_be_copied_it_looks_at_the_one_there_is(void **state)
{
    static int calls[] = {SYS_clone, SYS_fork, SYS_vfork, SYS_ptrace, -1};
    (void)state;
    expect_at("full", "leaks all", LOOKS, 1, "all of it\n", all_of_it, refuse, calls);
    expect_at("full", "leaks threads", "symbolize=0", 0, "16 while they run\n16 afterwards\n",
              SIXTEEN("14520") SIXTEEN("14520"), refuse, calls);
}

/* Afterwards there is only one thread left, and nobody to be stopped. */
static void where_threads_cant_be_stopped_it_says_so_and_nothing_else(void **state)
{
    static const char note[] = " pwheap: leaks were not looked for: other threads can't be stopped by a signal\n";
    static int calls[] = {SYS_rt_tgsigqueueinfo, -1};
    struct program program = {
        .command = "leaks threads", .level = "full", .options = "symbolize=0", .prepare = refuse, .context = calls};
    struct outcome outcome = program_run(&program);
    (void)state;
    if (outcome.status == 77)
        skip();
    char *lines = leak_lines(outcome.err);
    if (outcome.status != 0 || strcmp(outcome.out, "0 while they run\n16 afterwards\n") != 0 ||
        count_of(outcome.err, note) != 1 || strcmp(lines, SIXTEEN("14520")) != 0)
        fail_with(&program, &outcome, "does not say that it can't look");
    free(lines);
    outcome_free(&outcome);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_lost_block_is_told_and_whether_another_leads_to_it),
        cmocka_unit_test(every_level_finds_the_same_blocks),
        cmocka_unit_test(the_clean_twins_lose_nothing_at_any_level),
        cmocka_unit_test(what_tls_libraries_mappings_results_and_registers_hold_is_not_lost),
        cmocka_unit_test(nobody_looks_unless_asked),
        cmocka_unit_test(a_pointer_into_a_block_holds_it_unless_only_starts_count),
        cmocka_unit_test(sixteen_threads_that_run_sleep_or_block_signals_hold_what_is_theirs),
        cmocka_unit_test(the_stacks_of_threads_that_have_ended_hold_nothing),
        cmocka_unit_test(what_is_ignored_and_what_it_leads_to_is_not_told),
        cmocka_unit_test(a_forked_child_looks_for_itself),
        cmocka_unit_test(exit_from_inside_main_leaves_what_its_stack_holds),
        cmocka_unit_test(the_status_is_exitcode_and_with_0_the_programs_own),
        cmocka_unit_test(no_more_groups_than_max_leaks_are_printed_and_all_are_counted),
        cmocka_unit_test(linked_from_the_archive_its_own_globals_hold_nothing),
        cmocka_unit_test(in_a_static_program_nothing_of_exit_holds_anything),
        cmocka_unit_test(what_was_allocated_since_a_checkpoint_and_stays_is_told_by_stack),
        cmocka_unit_test(frames_have_functions_files_and_lines),
        cmocka_unit_test(in_asans_words_it_is_leak_sanitizers),
        cmocka_unit_test(in_json_each_group_is_an_object),
        cmocka_unit_test(a_suppression_names_a_function_a_module_or_a_file),
        cmocka_unit_test(suppressions_that_were_used_are_listed_below_the_rest),
        cmocka_unit_test(a_file_that_cant_be_read_or_understood_is_told),
        cmocka_unit_test(a_sandbox_without_ptrace_changes_nothing),
        cmocka_unit_test(where_no_process_can_be_copied_it_looks_at_the_one_there_is),
        cmocka_unit_test(where_threads_cant_be_stopped_it_says_so_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
