/* os_process_test.c - environment, output, identity, time (os/process.h). */
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "child.h"
#include "forbid.h"

#define MIB ((size_t)1 << 20)
#define ODD_ERRNO 4711

/* ---- environment: the test starts itself once more with a known one ---- */

static char *const known_environment[] = {
    (char *)"PW=no", (char *)"PW_TEST=first", (char *)"PW_TEST=second", (char *)"PW_EMPTY=", NULL,
};

static int check_known_environment(void)
{
    for (int round = 0; round < 3; round++) {
        const char *value = pw_os_environment("PW_TEST");
        const char *empty = pw_os_environment("PW_EMPTY");
        if (value == NULL || strcmp(value, "first") != 0 || empty == NULL || *empty != '\0')
            return 10 + round;
        if (pw_os_environment("PW_TES") != NULL || pw_os_environment("PW_TEST=first") != NULL)
            return 20 + round;
        size_t count = 0;
        while (pw_os_environment_all()[count] != NULL)
            count++;
        if (round == 0 && count != 4)
            return 30;
        if (round == 0 && setenv("PW_ADDED", "1", 1) != 0)
            return 31;
        if (round == 1)
            environ = NULL; /* as inside the loader, or after clearenv */
    }
    return 0;
}

static int restart_with_known_environment(void *program)
{
    char *const argv[] = {program, (char *)"check-environment", NULL};
    (void)execve("/proc/self/exe", argv, known_environment);
    return 99;
}

static void the_environment_is_the_one_the_process_was_started_with(void **state)
{
    (void)state;
    assert_int_equal(in_child(restart_with_known_environment, (void *)"os_test"), 0);
    assert_false(pw_os_is_secure());
}

/* ---- output ---- */

static void *read_to_the_end(void *fd)
{
    static char bytes[MIB + 1];
    size_t length = 0;
    for (ssize_t got; (got = read(*(int *)fd, bytes + length, sizeof bytes - length)) > 0;)
        length += (size_t)got;
    return length == MIB ? bytes : NULL;
}

static void all_is_written_also_into_a_pipe_that_is_full_and_does_not_block(void **state)
{
    (void)state;
    static char bytes[MIB];
    int ends[2];
    pthread_t reader;
    for (size_t i = 0; i < MIB; i++)
        bytes[i] = (char)(i * 31);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(pthread_create(&reader, NULL, read_to_the_end, &ends[0]), 0);
    errno = ODD_ERRNO;
    assert_true(pw_os_write_all(ends[1], bytes, MIB));
    assert_int_equal(errno, ODD_ERRNO);
    (void)close(ends[1]);
    void *read_bytes;
    assert_int_equal(pthread_join(reader, &read_bytes), 0);
    assert_non_null(read_bytes);
    assert_memory_equal(read_bytes, bytes, MIB);
    (void)close(ends[0]);
}

static void writing_where_nobody_reads_is_an_error_and_no_signal(void **state)
{
    (void)state;
    int ends[2];
    sigset_t pending;
    assert_int_equal(pipe(ends), 0);
    (void)close(ends[0]);
    errno = ODD_ERRNO;
    assert_false(pw_os_write_all(ends[1], "x", 1));
    assert_false(pw_os_write_all(-1, "x", 1));
    assert_int_equal(errno, ODD_ERRNO);
    assert_int_equal(sigpending(&pending), 0);
    assert_false(sigismember(&pending, SIGPIPE));
    (void)close(ends[1]);
}

static void a_file_is_read_whole_or_cut_at_the_buffer(void **state)
{
    (void)state;
    char path[] = "/tmp/pwheap-os-test-XXXXXX";
    char buffer[16];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_true(pw_os_write_all(fd, "0123456789", 10));
    (void)close(fd);
    errno = ODD_ERRNO;
    assert_int_equal(pw_os_read_file(path, buffer, sizeof buffer), 10);
    assert_memory_equal(buffer, "0123456789", 10);
    assert_int_equal(pw_os_read_file(path, buffer, 4), 4);
    assert_int_equal(unlink(path), 0);
    errno = ODD_ERRNO;
    assert_int_equal(pw_os_read_file(path, buffer, sizeof buffer), -1);
    assert_int_equal(pw_os_read_file("/", buffer, sizeof buffer), -1);
    assert_int_equal(errno, ODD_ERRNO);
}

/* ---- identity, time ---- */

static void *thread_id(void *id)
{
    *(uint32_t *)id = pw_os_thread_id();
    return NULL;
}

static void process_and_thread_are_who_the_kernel_says(void **state)
{
    (void)state;
    char name[16];
    char path[4096];
    char expected[4096] = "";
    uint32_t other = 0;
    pthread_t thread;
    assert_int_equal(pw_os_process_id(), (uint32_t)getpid());
    assert_int_equal(pw_os_thread_id(), (uint32_t)getpid());
    assert_int_equal(pthread_create(&thread, NULL, thread_id, &other), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(other != 0 && other != pw_os_thread_id());
    assert_int_equal(prctl(PR_SET_NAME, "fifteen_letters"), 0);
    pw_os_thread_name(name);
    assert_string_equal(name, "fifteen_letters");
    pw_os_program_path(path, sizeof path);
    assert_true(readlink("/proc/self/exe", expected, sizeof expected - 1) > 0);
    assert_string_equal(path, expected);
    pw_os_program_path(path, 5);
    assert_string_equal(path, "");
}

/* What execve was given is known without /proc. */
static int ask_path_without_proc(void *unused)
{
    char path[4096], small[5] = "xxxx";
    (void)unused;
    if (!forbid_system_call(SYS_readlinkat))
        return 1;
    pw_os_program_path(path, sizeof path);
    pw_os_program_path(small, sizeof small);
    return (path[0] == '/' || path[0] == '\0') && small[0] == '\0' ? 0 : 2;
}

static void a_path_that_does_not_fit_is_none_without_proc_too(void **state)
{
    (void)state;
    assert_int_equal(in_child(ask_path_without_proc, NULL), 0);
}

static void processors_are_those_that_the_process_may_use(void **state)
{
    (void)state;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        skip();
    assert_int_equal(pw_os_cpu_count(), (uint32_t)CPU_COUNT(&set));
}

static void time_goes_on_and_entropy_differs(void **state)
{
    (void)state;
    uint64_t before = pw_os_time_ns();
    assert_true(pw_os_time_ns() >= before && before != 0);
    assert_true(pw_os_wall_time_ns() > 1700000000u * (uint64_t)1000000000u);
    assert_true(pw_os_entropy() != pw_os_entropy());
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "check-environment") == 0)
        return check_known_environment();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_is_the_one_the_process_was_started_with),
        cmocka_unit_test(all_is_written_also_into_a_pipe_that_is_full_and_does_not_block),
        cmocka_unit_test(writing_where_nobody_reads_is_an_error_and_no_signal),
        cmocka_unit_test(a_file_is_read_whole_or_cut_at_the_buffer),
        cmocka_unit_test(process_and_thread_are_who_the_kernel_says),
        cmocka_unit_test(a_path_that_does_not_fit_is_none_without_proc_too),
        cmocka_unit_test(processors_are_those_that_the_process_may_use),
        cmocka_unit_test(time_goes_on_and_entropy_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
