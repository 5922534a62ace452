/*
 * runtime_start_test.c - start-up and end: before constructors, in the dynamic loader, after exit
 * handlers; linked in every way; with and without its environment; descriptors; C and C++.
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
#include <sys/stat.h>
#include <unistd.h>

enum { NOBODY = 65534 };

AS_ON_GLIBC(allocation_works_before_all_constructors, "early")
AS_ON_GLIBC_ENDING(allocation_works_after_exit_handlers_and_in_all_destructors, "late", 3)
AS_ON_GLIBC(a_library_may_be_loaded_and_unloaded_200_times_while_threads_allocate, "loader again")
AS_ON_GLIBC(many_libraries_may_be_loaded_at_once, "loader many")
AS_ON_GLIBC(libraries_that_do_not_load_do_no_harm, "loader missing")
AS_ON_GLIBC(a_library_that_is_bound_deeply_has_the_same_heap, "loader deep")
AS_ON_GLIBC(a_C_program_gets_no_C_plus_plus_library_and_its_plugins_catch_their_exceptions, "cxx_host")
AS_ON_GLIBC(an_object_may_bring_its_own_operators_new_and_delete, "hidden_runtime")
AS_ON_GLIBC(an_object_without_symbols_may_bring_its_own_operators, "hidden_runtime_stripped")
AS_ON_GLIBC(no_descriptor_of_the_heap_shows, "descriptors open_ones")
AS_ON_GLIBC(addresses_that_the_kernel_refuses_are_refused_by_it, "descriptors bad_vectors")

static void allocation_works_in_the_resolvers_that_the_loader_runs(void **state)
{
    static const char *const variables[] = {"LD_BIND_NOW=1", NULL};
    (void)state;
    assert_as_on_glibc(&(struct program){.command = "early", .variables = variables}, 0);
}

static void a_library_finds_others_by_its_own_runpath(void **state)
{
    static const char *const variables[] = {"LD_LIBRARY_PATH=", NULL}; /* meson has the place in it */
    (void)state;
    assert_as_on_glibc(&(struct program){.command = "loader runpath", .variables = variables}, 0);
}

static void a_tree_of_processes_of_a_shell_runs_as_on_glibc(void **state)
{
    static const char *const argv[] = {
        "/bin/bash", "-c",
        "set -e; for i in 1 2 3 4; do (echo $i; (echo $((i * i)) | cat | sed s/^/square:/)); done;"
        "x=$(printf '%s,' {1..200} | tr , '\\n' | sort -rn | head -3); echo $x;"
        "exec 5< <(echo substituted); cat <&5; trap 'echo trapped' USR1; kill -USR1 $$; sleep 0 & wait;"
        "find /etc/pam.d 2>/dev/null | wc -l; exit 7",
        NULL};
    (void)state;
    assert_as_on_glibc(&(struct program){.argv = argv}, 7);
}

/* -- Linked */

static void a_program_that_is_linked_with_the_library_runs(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const char *command = i == 0 ? "linked_shared leave_3" : "linked_archive leave_3";
        assert_ends(&(struct program){.command = command, .is_linked = true}, 3, "left with 3\n");
        assert_reports(&(struct program){.command = i == 0 ? "linked_shared in_handler" : "linked_archive in_handler",
                                         .is_linked = true},
                       "double-free");
    }
}

static void so_does_a_static_program(void **state)
{
    (void)state;
    if (access(PROGRAM_DIRECTORY "/linked_static", X_OK) != 0) {
        print_message("no static program was built: a static libunwind is missing\n");
        skip();
    }
    assert_ends(&(struct program){.command = "linked_static leave_3", .is_linked = true}, 3, "left with 3\n");
    assert_reports(&(struct program){.command = "linked_static in_handler", .is_linked = true}, "double-free");
    assert_reports(&(struct program){.command = "linked_static in_tls_destructor", .is_linked = true},
                   "double-free");
}

static void assert_static_ends(const char *command, const char *out)
{
    if (access(PROGRAM_DIRECTORY "/linked_static", X_OK) != 0)
        skip();
    assert_ends(&(struct program){.command = command, .is_linked = true}, 0, out);
}

static void a_static_program_has_signals_threads_and_children(void **state)
{
    (void)state;
    assert_static_ends("static_dispositions faults",
                       "11: was default\n300 faults were caught\ncode -6\n6: was default\nabort was survived\n");
    assert_static_ends("static_threads keys", "650 destructors ran\n");
    assert_static_ends("static_forks loop", "40 of 40 children ended with 0\n");
}

static void handlers_of_a_static_program_may_allocate(void **state)
{
    (void)state;
    assert_static_ends("static_signals one_thread", "seed 99: the handler allocated while the program did\n");
}

/* -- Set-user-id */

static void become_nobody(void *context)
{
    (void)context;
    if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
        _exit(120);
}

/* A copy of linked_archive that runs as root whoever starts it; false: that can't be had here. */
static bool copy_set_user_id(const char *directory, char path[128])
{
    char command[8192];
    (void)snprintf(path, 128, "%s/linked", directory);
    (void)snprintf(command, sizeof command, "cp '%s/linked_archive' '%s' && chmod 4755 '%s' && chmod 755 '%s'",
                   PROGRAM_DIRECTORY, path, path, directory);
    return geteuid() == 0 && system(command) == 0;
}

static void the_environment_of_a_set_user_id_program_is_not_believed(void **state)
{
    char directory[] = "/tmp/pwheap-secure-XXXXXX", path[128], log_path[160], log[192];
    const char *argv[] = {path, "level", NULL};
    struct stat status;
    (void)state;
    assert_non_null(mkdtemp(directory));
    bool can = copy_set_user_id(directory, path);
    (void)snprintf(log_path, sizeof log_path, "log_path=%s/log-%%e", directory);
    (void)snprintf(log, sizeof log, "%s/log-linked", directory);
    struct program program = {
        .argv = argv, .level = "off", .options = log_path, .is_linked = true, .prepare = become_nobody};
    struct outcome secure = {.status = 0};
    if (can)
        secure = program_run(&program);
    if (!can || secure.status == 127 || strstr(secure.out, "secure: no") != NULL) {
        print_message("no set-user-id program can be run here\n");
        (void)unlink(path);
        (void)rmdir(directory);
        skip();
    }
    assert_string_equal(secure.out, "secure: yes, level: fast, log_path: \n");
    outcome_free(&secure);
    argv[1] = "in_handler";
    secure = program_run(&program);
    assert_int_equal(secure.status, -SIGABRT);
    assert_one_report(secure.err, "double-free");
    assert_int_equal(stat(log, &status), -1);
    outcome_free(&secure);
    program.prepare = NULL; /* root is not another user: believed */
    argv[1] = "level";
    secure = program_run(&program);
    assert_non_null(strstr(secure.out, "secure: no, level: off, log_path: /tmp/pwheap-secure-"));
    outcome_free(&secure);
    (void)unlink(path);
    assert_int_equal(rmdir(directory), 0);
}

/* -- Descriptors */

static void close_all(void *context)
{
    for (int fd = 0; fd < 3; fd++)
        if (context == NULL || *(int *)context == fd)
            (void)close(fd);
}

static void a_program_without_descriptors_keeps_0_1_and_2_for_itself(void **state)
{
    (void)state;
    assert_as_on_glibc(&(struct program){.command = "descriptors closed", .prepare = close_all}, 0);
}

static void a_file_that_got_the_number_of_stderr_gets_no_report(void **state)
{
    int fd = STDERR_FILENO;
    (void)state;
    assert_ends(&(struct program){.command = "descriptors closed_with_bug", .prepare = close_all, .context = &fd},
                0, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocation_works_before_all_constructors),
        cmocka_unit_test(allocation_works_in_the_resolvers_that_the_loader_runs),
        cmocka_unit_test(allocation_works_after_exit_handlers_and_in_all_destructors),
        cmocka_unit_test(a_library_may_be_loaded_and_unloaded_200_times_while_threads_allocate),
        cmocka_unit_test(many_libraries_may_be_loaded_at_once),
        cmocka_unit_test(libraries_that_do_not_load_do_no_harm),
        cmocka_unit_test(a_C_program_gets_no_C_plus_plus_library_and_its_plugins_catch_their_exceptions),
        cmocka_unit_test(a_tree_of_processes_of_a_shell_runs_as_on_glibc),
        cmocka_unit_test(a_program_that_is_linked_with_the_library_runs),
        cmocka_unit_test(so_does_a_static_program),
        cmocka_unit_test(a_static_program_has_signals_threads_and_children),
        cmocka_unit_test(handlers_of_a_static_program_may_allocate),
        cmocka_unit_test(the_environment_of_a_set_user_id_program_is_not_believed),
        cmocka_unit_test(a_library_that_is_bound_deeply_has_the_same_heap),
        cmocka_unit_test(a_library_finds_others_by_its_own_runpath),
        cmocka_unit_test(an_object_may_bring_its_own_operators_new_and_delete),
        cmocka_unit_test(an_object_without_symbols_may_bring_its_own_operators),
        cmocka_unit_test(no_descriptor_of_the_heap_shows),
        cmocka_unit_test(addresses_that_the_kernel_refuses_are_refused_by_it),
        cmocka_unit_test(a_program_without_descriptors_keeps_0_1_and_2_for_itself),
        cmocka_unit_test(a_file_that_got_the_number_of_stderr_gets_no_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
