/*
 * written_test.c - which pages were written (os/written.h), and the patrol that asks (diag/patrol_pages.h). Where the
 * system can't tell, the tests are skipped, but for the one that says that nothing happens then.
 */
#include "diag/patrol_pages.h"
#include "os/written.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "child.h"
#include "heap_fixture.h"

enum { PAGES = 512, PAGE = 4096 };
static char *memory;

static uint64_t at(uint64_t page)
{
    return (uint64_t)memory + page * PAGE;
}

static int make_memory(void **state)
{
    (void)state;
    memory = mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED;
}

static int drop_memory(void **state)
{
    (void)state;
    pw_os_written_close();
    return munmap(memory, (size_t)PAGES * PAGE);
}

/* The numbers of the pages that were written, each with a space behind it. */
static const char *written(uint32_t capacity)
{
    static char text[8 * PAGES];
    struct pw_os_pages pages[PAGES];
    uint64_t from = at(0);
    size_t length = 0;
    text[0] = '\0';
    while (from < at(PAGES)) {
        uint64_t walked;
        int64_t count = pw_os_written_take(from, at(PAGES), pages, capacity, &walked);
        if (count < 0)
            return "not watched";
        assert_true(count <= capacity && walked > from);
        for (int64_t i = 0; i < count; i++)
            for (uint64_t page = pages[i].start; page < pages[i].end; page += PAGE)
                length += (size_t)snprintf(text + length, sizeof text - length, "%u ", (unsigned)((page - at(0)) / PAGE));
        from = walked;
    }
    return text;
}

static void watch(void)
{
    if (!pw_os_written_open())
        skip();
    assert_true(pw_os_written_watch(at(0), at(PAGES)));
}

static void each_page_is_told_once_after_it_was_written(void **state)
{
    (void)state;
    memset(memory + 10 * PAGE, 1, 3 * PAGE);
    watch();
    assert_string_equal(written(64), "10 11 12 ");
    assert_string_equal(written(64), "");
    memory[11 * PAGE] = 2;
    memory[11 * PAGE + 1] = 2;
    memory[400 * PAGE] = 2; /* never touched before */
    assert_int_equal(memory[10 * PAGE], 1);
    assert_string_equal(written(64), "11 400 ");
    assert_string_equal(written(64), "");
}

static void what_the_kernel_writes_is_told_too(void **state)
{
    (void)state;
    memset(memory, 1, (size_t)PAGES * PAGE);
    watch();
    (void)written(64);
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, memory + 7 * PAGE + 100, 8), 8);
    assert_int_equal(close(fd), 0);
    assert_string_equal(written(64), "7 ");
    assert_int_equal(memory[7 * PAGE + 100], 0);
}

static void many_ranges_come_in_several_answers(void **state)
{
    (void)state;
    memset(memory, 1, (size_t)PAGES * PAGE);
    watch();
    (void)written(PAGES);
    char expected[8 * PAGES];
    size_t length = 0;
    for (unsigned page = 1; page < PAGES; page += 2) {
        memory[page * PAGE] = 2;
        length += (size_t)snprintf(expected + length, sizeof expected - length, "%u ", page);
    }
    assert_string_equal(written(3), expected);
    assert_string_equal(written(3), "");
}

static void the_descriptors_are_of_high_numbers_and_are_not_inherited_by_a_program(void **state)
{
    (void)state;
    struct rlimit limit;
    watch();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int count = 0;
    for (int fd = 3; fd < 1000; fd++) {
        char path[64], target[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, target, sizeof target - 1);
        target[length < 0 ? 0 : length] = '\0';
        if (strstr(target, "userfaultfd") == NULL && strstr(target, "pagemap") == NULL)
            continue;
        count++;
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        if (limit.rlim_cur > 1000)
            assert_true(fd >= 900);
    }
    assert_int_equal(count, 2);
}

static void a_program_that_closes_all_descriptors_ends_the_watch_and_it_can_begin_anew(void **state)
{
    (void)state;
    memset(memory, 1, (size_t)PAGES * PAGE);
    watch();
    (void)written(64);
    for (int fd = 3; fd < 1100; fd++)
        (void)close(fd);
    memory[0] = 2; /* goes on as ever */
    errno = 77;
    assert_string_equal(written(64), "not watched");
    assert_false(pw_os_written_watch(at(0), at(PAGES)));
    assert_int_equal(errno, 77);
    pw_os_written_close();
    watch();
    (void)written(64);
    memory[5 * PAGE] = 2;
    assert_string_equal(written(64), "5 ");
}

static int ask_in_child(void *context)
{
    (void)context;
    memory[3 * PAGE] = 3;
    if (pw_os_written_open())
        return 1; /* the parent's */
    pw_os_written_close();
    if (!pw_os_written_open() || !pw_os_written_watch(at(0), at(PAGES)))
        return 2;
    (void)written(64);
    memory[9 * PAGE] = 3;
    return strcmp(written(64), "9 ") == 0 ? 0 : 3;
}

static void a_forked_child_has_a_watch_of_its_own_and_leaves_the_parents_alone(void **state)
{
    (void)state;
    memset(memory, 1, (size_t)PAGES * PAGE);
    watch();
    (void)written(64);
    memory[4 * PAGE] = 2;
    assert_int_equal(in_child(ask_in_child, NULL), 0);
    assert_string_equal(written(64), "4 ");
}

/* ---- the patrol ---- */

enum { BLOCKS = 40000, MOST_STEPS = 10000000 };
static char *blocks[BLOCKS];

/* Every other one is freed, and the patrol has seen all. */
static struct pw_image patrolled_heap(void)
{
    start_heaps(PW_LEVEL_FULL);
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = i % 1000 == 0 ? new_block(&pw_heaps[0], 20000) : new_slab_block(&pw_heaps[0], 200);
    for (int i = 0; i < BLOCKS; i += 2)
        make_dead(blocks[i], PW_STATE_QUARANTINED);
    return locked_image();
}

/* Steps until the patrol finds something or has made `rounds` more rounds; 0: the latter. */
static int steps_until_found(const struct pw_image *image, uint64_t rounds, struct pw_fault *fault)
{
    uint64_t pages, until = pw_patrol_pages_rounds(&pages) + rounds;
    for (int step = 1; pw_patrol_pages_rounds(&pages) < until; step++) {
        assert_true(step < MOST_STEPS);
        if (pw_patrol_pages_step(image, fault))
            return step;
    }
    return 0;
}

static void the_patrol_finds_what_was_written_within_two_rounds_and_nothing_else(void **state)
{
    (void)state;
    if (!pw_os_written_open())
        skip();
    pw_os_written_close();
    struct pw_image image = patrolled_heap();
    struct pw_fault fault = {.kind = PW_KIND_NONE};
    assert_int_equal(steps_until_found(&image, 3, &fault), 0);
    static const int victims[] = {2, 1000, BLOCKS / 2, BLOCKS - 2};
    for (size_t i = 0; i < PW_ARRAY_SIZE(victims); i++) {
        char *victim = blocks[victims[i]];
        victim[100] ^= 1;
        CHECK(steps_until_found(&image, 2, &fault) != 0, "block %d", victims[i]);
        assert_int_equal(fault.kind, PW_KIND_USE_AFTER_FREE);
        assert_int_equal(fault.address, (uint64_t)victim + 100);
        victim[100] ^= 1;
        assert_int_equal(steps_until_found(&image, 2, &fault), 0);
    }
    pw_patrol_pages_after_fork();
}

static void where_the_system_cannot_tell_the_patrol_does_nothing(void **state)
{
    (void)state;
    struct pw_image image = patrolled_heap();
    struct pw_fault fault = {.kind = PW_KIND_NONE};
    struct rlimit before, none = {0, 0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    blocks[2][100] ^= 1;
    for (int step = 0; step < 1000; step++)
        assert_false(pw_patrol_pages_step(&image, &fault));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    blocks[2][100] ^= 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_page_is_told_once_after_it_was_written, make_memory, drop_memory),
        cmocka_unit_test_setup_teardown(what_the_kernel_writes_is_told_too, make_memory, drop_memory),
        cmocka_unit_test_setup_teardown(many_ranges_come_in_several_answers, make_memory, drop_memory),
        cmocka_unit_test_setup_teardown(the_descriptors_are_of_high_numbers_and_are_not_inherited_by_a_program,
                                        make_memory, drop_memory),
        cmocka_unit_test_setup_teardown(a_program_that_closes_all_descriptors_ends_the_watch_and_it_can_begin_anew,
                                        make_memory, drop_memory),
        cmocka_unit_test_setup_teardown(a_forked_child_has_a_watch_of_its_own_and_leaves_the_parents_alone,
                                        make_memory, drop_memory),
        cmocka_unit_test(the_patrol_finds_what_was_written_within_two_rounds_and_nothing_else),
        cmocka_unit_test(where_the_system_cannot_tell_the_patrol_does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
