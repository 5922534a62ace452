/* roots_test.c - which memory is searched for pointers (image/roots.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "image/roots.h"
#include "reach_fixture.h"

#include <stdlib.h>
#include <string.h>

/* ---- roots ---- */

struct selected {
    struct {
        uint64_t start, end;
    } all[32];
    uint32_t count;
};

static void note_selected(void *context, uint64_t start, uint64_t end, uint32_t mapping)
{
    struct selected *selected = context;
    (void)mapping;
    assert_true(selected->count < PW_ARRAY_SIZE(selected->all));
    selected->all[selected->count].start = start;
    selected->all[selected->count++].end = end;
}

static void select_from(const struct pw_root_mapping *mappings, uint32_t count, const struct pw_root_thread *threads,
                        uint32_t thread_count, struct pw_own_range *own, uint64_t own_count, struct selected *selected)
{
    static struct pw_root root;
    root = (struct pw_root){.own_ranges = (uint64_t)own, .own_range_count = own_count};
    struct pw_image roots_image = {.root = &root, .view = view};
    struct pw_roots roots = {.image = &roots_image,
                             .mappings = mappings,
                             .mapping_count = count,
                             .threads = threads,
                             .thread_count = thread_count,
                             .map = take,
                             .select = note_selected,
                             .context = selected};
    selected->count = 0;
    assert_true(pw_roots_select(&roots));
    give_back();
}

static void assert_selected(const struct selected *selected, uint32_t index, uint64_t start, uint64_t end)
{
    assert_true(index < selected->count);
    assert_int_equal(selected->all[index].start, start);
    assert_int_equal(selected->all[index].end, end);
}

static void what_the_program_can_write_to_is_searched_and_what_is_the_librarys_is_not(void **state)
{
    enum { R = PW_ROOT_READ, RW = PW_ROOT_READ | PW_ROOT_WRITE, S = PW_ROOT_SHARED };
    static const struct pw_root_mapping mappings[] = {
        {.start = 0x10000, .end = 0x20000, .access = R, .file = 1},      /* code's constants */
        {.start = 0x20000, .end = 0x21000, .access = R, .file = 1},      /* RELRO */
        {.start = 0x21000, .end = 0x24000, .access = RW, .file = 1},     /* data */
        {.start = 0x30000, .end = 0x40000, .access = RW},                /* anonymous */
        {.start = 0x50000, .end = 0x60000, .access = RW | S, .file = 2}, /* a file's own pages */
        {.start = 0x60000, .end = 0x70000, .access = RW | S, .file = 3, .is_memory = true},
        {.start = 0x70000, .end = 0x71000, .access = R}, /* sealed */
        {.start = 0x80000, .end = 0x90000, .access = 0},
    };
    struct pw_own_range own[] = {{0x38000, 0x39000}, {0x33000, 0x34000}, {0x34000, 0}, {0x2f000, 0x31000}, {0, 0}};
    struct selected selected;
    (void)state;
    select_from(mappings, PW_ARRAY_SIZE(mappings), NULL, 0, own, PW_ARRAY_SIZE(own), &selected);
    assert_int_equal(selected.count, 7);
    assert_selected(&selected, 0, 0x20000, 0x21000);
    assert_selected(&selected, 1, 0x21000, 0x24000);
    assert_selected(&selected, 2, 0x31000, 0x33000);
    assert_selected(&selected, 3, 0x34000, 0x38000);
    assert_selected(&selected, 4, 0x39000, 0x40000);
    assert_selected(&selected, 5, 0x60000, 0x70000);
    assert_selected(&selected, 6, 0x70000, 0x71000);
}

static void of_stacks_what_is_above_the_stack_pointer_is_searched(void **state)
{
    enum { PAGES = 16 };
    char *memory = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    uint64_t at = (uint64_t)memory;
    struct pw_root_mapping mappings[] = {
        {.start = at, .end = at + 0x1000},                                                         /* a guard */
        {.start = at + 0x1000, .end = at + 0x6000, .access = PW_ROOT_READ | PW_ROOT_WRITE},         /* a stack in use */
        {.start = at + 0x6000, .end = at + 0x7000},
        {.start = at + 0x7000, .end = at + 0xc000, .access = PW_ROOT_READ | PW_ROOT_WRITE},         /* of a thread that is gone */
        {.start = at + 0xd000, .end = at + 0x10000, .access = PW_ROOT_READ | PW_ROOT_WRITE, .is_stack = true},
    };
    uint64_t used = at + 0x5800, gone = at + 0xb840;
    ((uint64_t *)used)[0] = ((uint64_t *)used)[2] = used;
    ((uint64_t *)gone)[0] = ((uint64_t *)gone)[2] = gone;
    struct pw_root_thread threads[] = {{at + 0xf000, 0x1234}, {at + 0x4000, used}};
    struct selected selected;
    (void)state;
    select_from(mappings, PW_ARRAY_SIZE(mappings), threads, 2, NULL, 0, &selected);
    assert_int_equal(selected.count, 3);
    assert_selected(&selected, 0, at + 0x4000 - 128, at + 0x6000);
    assert_selected(&selected, 1, gone, at + 0xc000);
    assert_selected(&selected, 2, at + 0xf000 - 128, at + 0x10000);
    /* A thread that runs elsewhere (a coroutine's stack) leaves its own one whole. */
    threads[1].sp = 0x1000;
    select_from(mappings, PW_ARRAY_SIZE(mappings), threads, 2, NULL, 0, &selected);
    assert_selected(&selected, 0, at + 0x1000, at + 0x6000);
    /* Where a thread pointer is not known, no stack is taken for one that is left. */
    threads[1].pointer = 0;
    select_from(mappings, PW_ARRAY_SIZE(mappings), threads, 2, NULL, 0, &selected);
    assert_selected(&selected, 1, at + 0x7000, at + 0xc000);
    (void)munmap(memory, PAGES * 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_program_can_write_to_is_searched_and_what_is_the_librarys_is_not),
        cmocka_unit_test(of_stacks_what_is_above_the_stack_pointer_is_searched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
