/* os_guard_test.c - guard pages (os/memory.h), each way that they are made. */
#include "os/memory.h"
#include "os/process.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "child.h"

#define ODD_ERRNO 4711

static size_t page(void)
{
    return pw_os_page_bytes();
}

static bool is_zero(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static void assert_guarded(char *address, size_t bytes)
{
    assert_int_equal(in_child(read_it, address), -SIGSEGV);
    assert_int_equal(in_child(write_it, address + bytes - 1), -SIGSEGV);
    assert_int_equal(in_child(write_it, address - 1), 0);
    assert_int_equal(in_child(write_it, address + bytes), 0);
}

static void guard_and_unguard_in(enum pw_os_guard_mode mode)
{
    char *memory = pw_os_map(5 * page());
    pw_os_guard_mode(mode);
    for (int round = 0; round < 2; round++) {
        memset(memory, 1, 5 * page());
        errno = ODD_ERRNO;
        assert_true(pw_os_guard(memory + page(), 2 * page()));
        assert_guarded(memory + page(), 2 * page());
        assert_false(pw_os_is_readable(memory + page(), 1));
        assert_true(pw_os_is_readable(memory, page()));
        assert_true(pw_os_unguard(memory + page(), 2 * page()));
        assert_int_equal(errno, ODD_ERRNO);
        assert_true(is_zero(memory + page(), 2 * page()));
        assert_int_equal(memory[page() - 1], 1);
        assert_int_equal(memory[3 * page()], 1);
        memory[page()] = 1;
    }
    pw_os_guard_mode(PW_OS_GUARD_AUTO);
    pw_os_unmap(memory, 5 * page());
}

static void a_guard_faults_until_it_is_undone_and_then_reads_as_zero(void **state)
{
    (void)state;
    guard_and_unguard_in(PW_OS_GUARD_AUTO);
}

static void so_does_a_guard_made_with_mprotect(void **state)
{
    (void)state;
    guard_and_unguard_in(PW_OS_GUARD_PROTECT);
}

static void without_guards_nothing_is_guarded_and_nothing_lost(void **state)
{
    (void)state;
    char *memory = pw_os_map(page());
    memory[0] = 1;
    pw_os_guard_mode(PW_OS_GUARD_NONE);
    assert_false(pw_os_guard(memory, page()));
    pw_os_guard_mode(PW_OS_GUARD_AUTO);
    assert_int_equal(memory[0], 1);
    pw_os_unmap(memory, page());
}

static void a_guard_is_undone_however_it_was_made(void **state)
{
    (void)state;
    char *memory = pw_os_map(7 * page());
    memset(memory, 1, 7 * page());
    assert_true(pw_os_guard(memory + page(), page()));
    pw_os_guard_mode(PW_OS_GUARD_PROTECT);
    assert_true(pw_os_guard(memory + 3 * page(), page()));
    pw_os_guard_mode(PW_OS_GUARD_AUTO);
    assert_true(pw_os_guard(memory + 5 * page(), page()));
    assert_true(pw_os_unguard(memory + 3 * page(), page()));
    assert_guarded(memory + page(), page());
    assert_guarded(memory + 5 * page(), page());
    pw_os_guard_mode(PW_OS_GUARD_NONE);
    assert_true(pw_os_unguard(memory + page(), page()));
    assert_true(pw_os_unguard(memory + 5 * page(), page()));
    pw_os_guard_mode(PW_OS_GUARD_AUTO);
    for (size_t i = 1; i < 7; i += 2)
        assert_true(is_zero(memory + i * page(), page()));
    pw_os_unmap(memory, 7 * page());
}

static void locked_memory_is_guarded_too(void **state)
{
    (void)state;
    char *memory = pw_os_map(3 * page());
    if (mlock(memory, 3 * page()) != 0)
        skip();
    memset(memory, 1, 3 * page());
    assert_true(pw_os_guard(memory + page(), page()));
    assert_guarded(memory + page(), page());
    assert_true(pw_os_unguard(memory + page(), page()));
    assert_true(is_zero(memory + page(), page()));
    assert_int_equal(memory[0], 1);
    pw_os_unmap(memory, 3 * page());
}

static void guards_of_mprotect_leave_the_program_three_quarters_of_its_mappings(void **state)
{
    (void)state;
    char digits[32] = "";
    if (pw_os_read_file("/proc/sys/vm/max_map_count", digits, sizeof digits - 1) <= 0)
        skip();
    size_t budget = strtoul(digits, NULL, 10) / 8;
    if (budget > 100000)
        skip();
    size_t bytes = (2 * budget + 4) * page();
    char *memory = pw_os_map(bytes);
    assert_non_null(memory);
    pw_os_guard_mode(PW_OS_GUARD_PROTECT);
    size_t made = 0;
    while (pw_os_guard(memory + (2 * made + 1) * page(), page()))
        made++;
    assert_int_equal(made, budget);
    assert_true(pw_os_unguard(memory + page(), page()));
    assert_true(pw_os_guard(memory + page(), page()));
    assert_false(pw_os_guard(memory + (2 * made + 1) * page(), page()));
    for (size_t i = 0; i < made; i++)
        assert_true(pw_os_unguard(memory + (2 * i + 1) * page(), page()));
    assert_true(pw_os_guard(memory + page(), page()));
    assert_true(pw_os_unguard(memory + page(), page()));
    pw_os_guard_mode(PW_OS_GUARD_AUTO);
    pw_os_unmap(memory, bytes);
}

static void purged_memory_reads_as_zero_and_a_guard_in_it_stays(void **state)
{
    (void)state;
    char *memory = pw_os_map(5 * page());
    memset(memory, 1, 5 * page());
    assert_true(pw_os_guard(memory + 2 * page(), page()));
    assert_true(pw_os_purge(memory, 4 * page()));
    assert_true(is_zero(memory, 2 * page()) && is_zero(memory + 3 * page(), page()));
    assert_int_equal(memory[4 * page()], 1);
    assert_guarded(memory + 2 * page(), page());
    assert_true(pw_os_unguard(memory + 2 * page(), page()));
    pw_os_unmap(memory, 5 * page());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(purged_memory_reads_as_zero_and_a_guard_in_it_stays),
        cmocka_unit_test(a_guard_faults_until_it_is_undone_and_then_reads_as_zero),
        cmocka_unit_test(so_does_a_guard_made_with_mprotect),
        cmocka_unit_test(without_guards_nothing_is_guarded_and_nothing_lost),
        cmocka_unit_test(a_guard_is_undone_however_it_was_made),
        cmocka_unit_test(locked_memory_is_guarded_too),
        cmocka_unit_test(guards_of_mprotect_leave_the_program_three_quarters_of_its_mappings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
