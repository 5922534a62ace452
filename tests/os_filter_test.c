/* os_filter_test.c - pw_os_run_filter: what a report's symbolizer is run with. */
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "child.h"

#define MIB ((size_t)1 << 20)
#define ODD_ERRNO 4711
enum { LONG_MS = 60000 };

static char input[MIB];
static char output[MIB + 16];
static size_t output_length;
static const char *const no_environment[] = {"PATH=/bin:/usr/bin", NULL};

static bool run(const char *program, const char *const *argv, size_t input_length, uint32_t timeout_ms)
{
    errno = ODD_ERRNO;
    bool done = pw_os_run_filter(program, (char *const *)argv, (char *const *)no_environment, input,
                                 input_length, output, sizeof output, &output_length, timeout_ms);
    assert_int_equal(errno, ODD_ERRNO);
    return done;
}

static bool run_shell(const char *script, size_t input_length, uint32_t timeout_ms)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    return run("/bin/sh", argv, input_length, timeout_ms);
}

static bool run_cat(size_t input_length)
{
    const char *const argv[] = {"cat", NULL};
    return run("/bin/cat", argv, input_length, LONG_MS);
}

static void assert_no_child_is_left(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
    assert_int_equal(errno, ECHILD);
}

static int fill_input(void **state)
{
    (void)state;
    for (size_t i = 0; i < MIB; i++)
        input[i] = (char)(i * 31 + (i >> 12));
    return 0;
}

static void a_mebibyte_goes_through_cat_unchanged(void **state)
{
    (void)state;
    assert_true(run_cat(MIB));
    assert_int_equal(output_length, MIB);
    assert_memory_equal(output, input, MIB);
    assert_no_child_is_left();
}

static void no_input_is_an_end_of_file_at_once(void **state)
{
    (void)state;
    assert_true(run_cat(0));
    assert_int_equal(output_length, 0);
}

static void output_without_place_is_cut_and_the_filter_still_succeeds(void **state)
{
    (void)state;
    const char *const argv[] = {"cat", NULL};
    char small[5] = "....";
    assert_true(pw_os_run_filter("/bin/cat", (char *const *)argv, (char *const *)no_environment, input,
                                 MIB, small, 3, &output_length, LONG_MS));
    assert_int_equal(output_length, 3);
    assert_memory_equal(small, input, 3);
    assert_int_equal(small[3], '.');
}

static void a_filter_that_exits_with_1_has_failed_and_its_output_is_there(void **state)
{
    (void)state;
    assert_false(run_shell("echo said; exit 1", 0, LONG_MS));
    assert_int_equal(output_length, 5);
    assert_memory_equal(output, "said\n", 5);
    assert_no_child_is_left();
}

static void a_filter_that_a_signal_ends_has_failed(void **state)
{
    (void)state;
    assert_false(run_shell("kill -KILL $$", 0, LONG_MS));
    assert_no_child_is_left();
}

static void a_filter_that_never_reads_may_succeed(void **state)
{
    (void)state;
    assert_true(run_shell("exit 0", MIB, LONG_MS));
    assert_no_child_is_left();
}

static void a_filter_that_closes_its_output_is_waited_for(void **state)
{
    (void)state;
    assert_false(run_shell("exec >&-; cat > /dev/null; exit 3", MIB, LONG_MS));
    assert_true(run_shell("exec >&-; cat > /dev/null; exit 0", MIB, LONG_MS));
}

static void a_missing_program_has_failed(void **state)
{
    (void)state;
    const char *const argv[] = {"missing", NULL};
    assert_false(run("/nowhere/missing", argv, MIB, LONG_MS));
    assert_int_equal(output_length, 0);
    assert_false(run("/dev/null", argv, 0, LONG_MS));
    assert_no_child_is_left();
}

static pid_t pid_from_output(void)
{
    output[output_length] = '\0';
    return (pid_t)strtol(output, NULL, 10);
}

/* 100 ms, or as long as this machine needs now to start a shell. */
static void a_filter_that_takes_too_long_is_killed_and_reaped(void **state)
{
    (void)state;
    uint32_t timeout_ms = 100;
    uint64_t start;
    do {
        start = pw_os_time_ns();
        assert_false(run_shell("echo $$; exec sleep 1000", MIB, timeout_ms));
        assert_true(pw_os_time_ns() - start >= (uint64_t)timeout_ms * 1000000u);
        timeout_ms *= 2;
    } while (output_length == 0);
    pid_t pid = pid_from_output();
    assert_true(pid > 1);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
    assert_no_child_is_left();
}

static void output_without_end_does_not_outlive_the_deadline(void **state)
{
    (void)state;
    assert_false(run_shell("exec yes", 0, 100));
    assert_no_child_is_left();
}

static void what_a_filter_leaves_running_is_not_waited_for(void **state)
{
    (void)state;
    assert_true(run_shell("sleep 1000 & echo $!", 0, LONG_MS));
    pid_t pid = pid_from_output();
    assert_true(pid > 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
}

static int cat_with_standard_descriptors_closed(void *unused)
{
    (void)unused;
    for (int fd = 0; fd < 3; fd++)
        (void)close(fd);
    if (!run_cat(MIB) || output_length != MIB || memcmp(input, output, MIB) != 0)
        return 1;
    return open("/dev/null", O_RDWR) == 0 ? 0 : 2;
}

static void closed_standard_descriptors_do_not_matter_and_stay_closed(void **state)
{
    (void)state;
    assert_int_equal(in_child(cat_with_standard_descriptors_closed, NULL), 0);
}

static int cat_with_a_full_table(void *unused)
{
    (void)unused;
    struct rlimit limit = {64, 64};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1;
    while (open("/dev/null", O_RDWR) >= 0)
        ;
    return run_cat(MIB) && output_length == MIB ? 0 : 2;
}

static void a_full_descriptor_table_does_not_matter(void **state)
{
    (void)state;
    assert_int_equal(in_child(cat_with_a_full_table, NULL), 0);
}

static void the_filter_inherits_no_descriptor_and_no_signal_state(void **state)
{
    (void)state;
    sigset_t set;
    sigset_t old;
    int leak = open("/dev/null", O_RDONLY);
    assert_true(leak >= 0);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    (void)sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, &old);
    (void)signal(SIGHUP, SIG_IGN);
    assert_true(run_shell("grep -E '^Sig(Blk|Ign)' /proc/self/status; ls /proc/$$/fd", 0, LONG_MS));
    (void)signal(SIGHUP, SIG_DFL);
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
    (void)close(leak);
    output[output_length] = '\0';
    assert_non_null(strstr(output, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"));
    assert_non_null(strstr(output, "\n0\n1\n2\n"));
    assert_null(strstr(output, "\n3\n"));
}

static volatile sig_atomic_t signals;
static void count_signal(int signal)
{
    (void)signal;
    signals = signals + 1;
}

static int forks;
static void count_fork(void)
{
    forks++;
}

static void the_program_sees_neither_signal_nor_child_nor_fork(void **state)
{
    (void)state;
    sigset_t before;
    sigset_t after;
    memset(&before, 0, sizeof before);
    memset(&after, 0, sizeof after);
    assert_int_equal(pthread_atfork(count_fork, count_fork, count_fork), 0);
    (void)signal(SIGCHLD, count_signal);
    (void)signal(SIGPIPE, count_signal);
    (void)sigprocmask(SIG_BLOCK, NULL, &before);
    assert_true(run_cat(MIB));
    assert_true(run_shell("exit 0", MIB, LONG_MS));
    assert_false(run_shell("exec sleep 1000", MIB, 100));
    (void)sigprocmask(SIG_BLOCK, NULL, &after);
    assert_memory_equal(&before, &after, sizeof before);
    (void)signal(SIGCHLD, SIG_DFL);
    (void)signal(SIGPIPE, SIG_DFL);
    assert_int_equal(signals, 0);
    assert_int_equal(forks, 0);
    assert_no_child_is_left();
}

static void a_program_that_ignores_its_children_learns_the_result_too(void **state)
{
    (void)state;
    (void)signal(SIGCHLD, SIG_IGN);
    bool succeeded = run_shell("exit 0", 0, LONG_MS);
    bool failed = !run_shell("exit 1", 0, LONG_MS);
    (void)signal(SIGCHLD, SIG_DFL);
    assert_true(succeeded);
    assert_true(failed);
}

static void run_in_handler(int signal)
{
    (void)signal;
    signals = run_cat(MIB) && output_length == MIB && memcmp(input, output, MIB) == 0 ? 1 : 2;
}

static void it_runs_in_a_signal_handler_on_a_small_stack(void **state)
{
    (void)state;
    static char small_stack[16384];
    stack_t alternative = {.ss_sp = small_stack, .ss_size = sizeof small_stack};
    stack_t none = {.ss_flags = SS_DISABLE};
    struct sigaction action = {.sa_handler = run_in_handler, .sa_flags = SA_ONSTACK};
    signals = 0;
    assert_int_equal(sigaltstack(&alternative, NULL), 0);
    assert_int_equal(sigaction(SIGUSR2, &action, NULL), 0);
    assert_int_equal(raise(SIGUSR2), 0);
    assert_int_equal(signals, 1);
    (void)signal(SIGUSR2, SIG_DFL);
    (void)sigaltstack(&none, NULL);
}

static void *run_in_thread(void *unused)
{
    static const char *const argv[] = {"cat", NULL};
    char mine[8] = "";
    size_t length = 0;
    (void)unused;
    for (int i = 0; i < 20; i++)
        if (!pw_os_run_filter("/bin/cat", (char *const *)argv, (char *const *)no_environment, input, 8,
                              mine, sizeof mine, &length, LONG_MS) ||
            length != 8 || memcmp(mine, input, 8) != 0)
            return input;
    return NULL;
}

static void threads_may_run_filters_at_the_same_time(void **state)
{
    (void)state;
    pthread_t threads[8];
    void *failed;
    for (size_t i = 0; i < PW_ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_in_thread, NULL), 0);
    for (size_t i = 0; i < PW_ARRAY_SIZE(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_no_child_is_left();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mebibyte_goes_through_cat_unchanged),
        cmocka_unit_test(no_input_is_an_end_of_file_at_once),
        cmocka_unit_test(output_without_place_is_cut_and_the_filter_still_succeeds),
        cmocka_unit_test(a_filter_that_exits_with_1_has_failed_and_its_output_is_there),
        cmocka_unit_test(a_filter_that_a_signal_ends_has_failed),
        cmocka_unit_test(a_filter_that_never_reads_may_succeed),
        cmocka_unit_test(a_filter_that_closes_its_output_is_waited_for),
        cmocka_unit_test(a_missing_program_has_failed),
        cmocka_unit_test(a_filter_that_takes_too_long_is_killed_and_reaped),
        cmocka_unit_test(output_without_end_does_not_outlive_the_deadline),
        cmocka_unit_test(what_a_filter_leaves_running_is_not_waited_for),
        cmocka_unit_test(closed_standard_descriptors_do_not_matter_and_stay_closed),
        cmocka_unit_test(a_full_descriptor_table_does_not_matter),
        cmocka_unit_test(the_filter_inherits_no_descriptor_and_no_signal_state),
        cmocka_unit_test(the_program_sees_neither_signal_nor_child_nor_fork),
        cmocka_unit_test(a_program_that_ignores_its_children_learns_the_result_too),
        cmocka_unit_test(it_runs_in_a_signal_handler_on_a_small_stack),
        cmocka_unit_test(threads_may_run_filters_at_the_same_time),
    };
    return cmocka_run_group_tests(tests, fill_input, NULL);
}
