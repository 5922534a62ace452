/* sites_test.c - leaks by stack, and which are suppressed (image/sites.h, image/suppress.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "image/sites.h"
#include "image/suppress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- suppressions ---- */

static bool matches(const char *pattern, const char *name)
{
    static struct pw_suppressions suppressions;
    char line[256];
    (void)snprintf(line, sizeof line, "leak:%s\n", pattern);
    pw_suppressions_read(&suppressions, line, strlen(line));
    assert_int_equal(suppressions.count, 1);
    return pw_suppressions_match(&suppressions, name, strlen(name)) != NULL;
}

static void a_template_is_a_part_of_the_name_with_stars_and_anchors(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool is_match;
    } cases[] = {{"abc", "xabcx", true},      {"abc", "ab", false},        {"a*c", "xabbcx", true},
                 {"a*c", "cba", false},       {"^abc", "abcx", true},      {"^abc", "xabc", false},
                 {"abc$", "xabc", true},      {"abc$", "abcx", false},     {"^abc$", "abc", true},
                 {"^abc$", "abcabc", false},  {"^a*c$", "abcabc", true},   {"^a*c$", "abca", false},
                 {"a*b*c", "a1b2c", true},    {"a*b*c", "a1c2b", false},   {"*", "", true},
                 {"^$", "", true},            {"^$", "a", false},          {"^*a", "bca", true},
                 {"ab*b$", "ab", false},      {"ab*b$", "abb", true},      {"**x**", "x", true},
                 {"std::vector<int>", "f(std::vector<int>)", true}};
    (void)state;
    for (size_t i = 0; i < PW_ARRAY_SIZE(cases); i++)
        if (matches(cases[i].pattern, cases[i].name) != cases[i].is_match)
            fail_msg("%s, %s", cases[i].pattern, cases[i].name);
}

static void a_file_of_suppressions_has_comments_and_bad_lines(void **state)
{
    static struct pw_suppressions suppressions;
    static const char text[] = "# all of it\n\n  leak:one  \r\nleak:two\nrace:three\nleak:\nleak:four";
    (void)state;
    pw_suppressions_read(&suppressions, text, sizeof text - 1);
    assert_int_equal(suppressions.count, 3);
    assert_int_equal(suppressions.bad_line, 5);
    assert_int_equal(suppressions.all[0].length, 3);
    assert_memory_equal(suppressions.all[2].pattern, "four", 4);
    pw_suppressions_read(&suppressions, "", 0);
    assert_int_equal(suppressions.count, 0);
}

/* ---- sites ---- */

static void sites_are_sums_by_stack_the_largest_first(void **state)
{
    static struct pw_site all[16];
    struct pw_sites sites = {.all = all, .capacity = PW_ARRAY_SIZE(all)};
    (void)state;
    pw_sites_add(&sites, 1, 7, 0x1000, 10);
    pw_sites_add(&sites, 0, 7, 0x2000, 20);
    pw_sites_add(&sites, 0, 9, 0x3000, 30);
    pw_sites_add(&sites, 0, 7, 0x4000, 25);
    pw_sites_add(&sites, 0, 0, 0x5000, 8);
    pw_sites_add(&sites, 0, 0, 0x6000, 9);
    pw_sites_sort(&sites);
    static const struct pw_site expected[] = {{7, 0, 0, 45, 2, 0x2000},
                                              {9, 0, 0, 30, 1, 0x3000},
                                              {0, 0, 9, 9, 1, 0x6000},
                                              {0, 0, 8, 8, 1, 0x5000},
                                              {7, 1, 0, 10, 1, 0x1000}};
    assert_int_equal(sites.count, PW_ARRAY_SIZE(expected));
    for (size_t i = 0; i < PW_ARRAY_SIZE(expected); i++) {
        assert_int_equal(all[i].stack, expected[i].stack);
        assert_int_equal(all[i].kind, expected[i].kind);
        assert_int_equal(all[i].size, expected[i].size);
        assert_int_equal(all[i].bytes, expected[i].bytes);
        assert_int_equal(all[i].blocks, expected[i].blocks);
        assert_int_equal(all[i].first, expected[i].first);
    }
}

static void what_has_no_room_is_counted(void **state)
{
    static struct pw_site all[16];
    struct pw_sites sites = {.all = all, .capacity = PW_ARRAY_SIZE(all)};
    (void)state;
    for (uint32_t stack = 1; stack <= 100; stack++)
        pw_sites_add(&sites, 0, stack, stack, 10);
    assert_int_equal(sites.count, 12);
    assert_int_equal(sites.rest_blocks, 88);
    assert_int_equal(sites.rest_bytes, 880);
}

/* Of a table that is memory of its own: most of it is never touched, and so is no memory yet. */
static void a_large_table_is_touched_only_near_its_sites(void **state)
{
    enum { CAPACITY = 65536, STACKS = 5, BYTES = CAPACITY * sizeof(struct pw_site), PAGES = BYTES / 4096 };
    static unsigned char present[PAGES];
    struct pw_site *all = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct pw_sites sites = {.all = all, .capacity = CAPACITY};
    (void)state;
    assert_ptr_not_equal(all, MAP_FAILED);
    (void)madvise(all, BYTES, MADV_NOHUGEPAGE);
    for (uint32_t stack = 1; stack <= STACKS; stack++)
        pw_sites_add(&sites, 0, stack, stack, stack);
    pw_sites_sort(&sites);
    for (uint32_t i = 0; i < STACKS; i++)
        assert_int_equal(all[i].stack, STACKS - i);
    assert_int_equal(mincore(all, BYTES, present), 0);
    unsigned touched = 0;
    for (unsigned i = 0; i < PAGES; i++)
        touched += present[i] & 1u;
    assert_in_range(touched, 1, PAGES / 8);
    munmap(all, BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_is_a_part_of_the_name_with_stars_and_anchors),
        cmocka_unit_test(a_file_of_suppressions_has_comments_and_bad_lines),
        cmocka_unit_test(sites_are_sums_by_stack_the_largest_first),
        cmocka_unit_test(what_has_no_room_is_counted),
        cmocka_unit_test(a_large_table_is_touched_only_near_its_sites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
