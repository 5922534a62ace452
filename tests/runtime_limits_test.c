/* runtime_limits_test.c - little memory: NULL and ENOMEM, and the program goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MIB = 1024 * 1024, CGROUP_MIB = 64 };

AS_ON_GLIBC(a_program_that_runs_out_of_address_space_goes_on, "limits address_space")
AS_ON_GLIBC(a_program_that_runs_into_its_data_limit_goes_on, "limits data")
AS_ON_GLIBC(threads_that_are_short_of_memory_go_on, "limits threads")
AS_ON_GLIBC(freed_blocks_are_not_kept_when_address_space_is_short, "limits big_ones")
AS_ON_GLIBC(freed_blocks_that_nobody_touched_cost_nothing, "limits huge_ones")
AS_ON_GLIBC(sizes_that_a_program_is_done_with_hold_no_memory, "phases peak")
AS_ON_GLIBC(what_the_system_has_no_room_for_is_refused_not_promised, "limits sizes")

static void limit_address_space(void *context)
{
    struct rlimit limits = {*(rlim_t *)context, *(rlim_t *)context};
    if (setrlimit(RLIMIT_AS, &limits) != 0)
        _exit(120);
}

static void a_program_starts_with_little_address_space(void **state)
{
    static const rlim_t sizes[] = {(rlim_t)512 * MIB, (rlim_t)192 * MIB, (rlim_t)128 * MIB};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        rlim_t size = sizes[i];
        assert_as_on_glibc(&(struct program){.command = "trouble leave_3", .prepare = limit_address_space, .context = &size},
                           3);
    }
}

/* Where there is none at all that is said, once. */
static void a_program_with_less_than_the_heap_itself_takes_gets_null_and_no_crash(void **state)
{
    static const char words[] = "the system gives no memory for the heap, so every allocation fails: the address space is limited to ";
    (void)state;
    for (rlim_t size = (rlim_t)16 * MIB; size <= (rlim_t)112 * MIB; size += (rlim_t)8 * MIB)
        for (const char **level = all_levels; *level != NULL; level++) {
            struct program program = {
                .command = "limits hardly_any", .level = *level, .prepare = limit_address_space, .context = &size};
            struct outcome outcome = program_run(&program);
            if (outcome.status != 0 || strcmp(outcome.out, "went on\n") != 0)
                fail_with(&program, &outcome, "did not go on");
            bool must_fail = size <= (rlim_t)64 * MIB;
            if (count_of(outcome.err, "\n") > 1 || (must_fail && outcome.err_length == 0) ||
                (outcome.err_length != 0 && strstr(outcome.err, words) == NULL))
                fail_with(&program, &outcome, "said something else");
            outcome_free(&outcome);
        }
}

/* What it gave up is told, once each; at full, quarantine, stacks, guards, in this order. */
static void resident_memory_stays_below_its_limit_and_what_shrinks_is_told(void **state)
{
    static const char *const told[] = {"freed blocks are used again at once", "only the caller is kept",
                                       "no more blocks get guard pages", "an allocation fails for the first time"};
    (void)state;
    for (const char **level = all_levels; *level != NULL; level++) {
        struct program program = {.command = "limits capped", .level = *level, .options = "hard_rss_limit_mb=64"};
        struct outcome outcome = program_run(&program);
        if (outcome.status != 0 || strcmp(outcome.out, "it stayed below\n") != 0)
            fail_with(&program, &outcome, "went over the limit, or had no memory when there was some");
        bool is_full = strcmp(*level, "full") == 0;
        const char *at = outcome.err;
        for (size_t i = is_full ? 0 : 3; i < sizeof told / sizeof *told; i++) {
            at = strstr(at, told[i]);
            if (at == NULL || count_of(outcome.err, told[i]) != 1)
                fail_with(&program, &outcome, told[i]);
        }
        outcome_free(&outcome);
    }
}

/* -- A cgroup */

static char cgroup[128];

static bool write_into(const char *folder, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        (void)close(fd);
    return written;
}

static bool write_file(const char *name, const char *text)
{
    return write_into(cgroup, name, text);
}

/* Version 1 with its own mount, or version 2, where the controller is to be passed on to those below. */
static bool make_cgroup(void)
{
    static const char *const roots[] = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup"};
    static const char *const limits[] = {"memory.limit_in_bytes", "memory.max"};
    char bytes[32];
    (void)snprintf(bytes, sizeof bytes, "%d", CGROUP_MIB * MIB);
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(cgroup, sizeof cgroup, "%s/pwheap-test-%d", roots[i], (int)getpid());
        if (mkdir(cgroup, 0755) != 0) {
            print_message("no cgroup %s: %s\n", cgroup, strerror(errno));
            continue;
        }
        (void)write_into(roots[i], "cgroup.subtree_control", "+memory");
        if (write_file(limits[i], bytes)) {
            (void)write_file("memory.swap.max", "0");
            return true;
        }
        print_message("no %s in %s: %s\n", limits[i], cgroup, strerror(errno));
        (void)rmdir(cgroup);
    }
    return false;
}

static void enter_cgroup(void *context)
{
    (void)context;
    if (!write_file("cgroup.procs", "0"))
        _exit(121);
}

static void a_program_that_needs_little_runs_in_a_memory_cgroup_of_64_mib(void **state)
{
    (void)state;
    if (!make_cgroup()) {
        skip();
    }
    assert_as_on_glibc(&(struct program){.command = "limits little", .prepare = enter_cgroup}, 0);
    (void)rmdir(cgroup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(freed_blocks_are_not_kept_when_address_space_is_short),
        cmocka_unit_test(freed_blocks_that_nobody_touched_cost_nothing),
        cmocka_unit_test(sizes_that_a_program_is_done_with_hold_no_memory),
        cmocka_unit_test(a_program_that_runs_out_of_address_space_goes_on),
        cmocka_unit_test(a_program_that_runs_into_its_data_limit_goes_on),
        cmocka_unit_test(what_the_system_has_no_room_for_is_refused_not_promised),
        cmocka_unit_test(a_program_that_needs_little_runs_in_a_memory_cgroup_of_64_mib),
        cmocka_unit_test(threads_that_are_short_of_memory_go_on),
        cmocka_unit_test(a_program_starts_with_little_address_space),
        cmocka_unit_test(a_program_with_less_than_the_heap_itself_takes_gets_null_and_no_crash),
        cmocka_unit_test(resident_memory_stays_below_its_limit_and_what_shrinks_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
