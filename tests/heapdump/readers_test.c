/* readers_test.c - heapdump's reader of memory, its numbers and its sums, without a target. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "command_line.h"
#include "memory.h"
#include "sites.h"

#include <stdlib.h>
#include <string.h>

enum { PAGES = 20000, HOLE = 7, PAGE = MEMORY_PAGE_BYTES };
static const uint64_t base = 0x7f0000000000;

/* A memory of PAGES pages from `base` on, every byte a mix of its address and `salt`; page HOLE can't be read. */
struct world {
    uint8_t salt;
    uint64_t reads;
    uint64_t bytes_read;
};

static uint8_t byte_at(const struct world *world, uint64_t address)
{
    return (uint8_t)(address ^ address >> 8 ^ address >> 12 ^ world->salt);
}

static size_t read_world(void *context, uint64_t address, void *to, size_t bytes)
{
    struct world *world = context;
    world->reads++;
    size_t done = 0;
    for (; done < bytes; done += PAGE) {
        uint64_t at = address + done;
        if (at < base || at >= base + (uint64_t)PAGES * PAGE || (at - base) / PAGE == HOLE)
            break;
        for (size_t i = 0; i < PAGE; i++)
            ((uint8_t *)to)[done + i] = byte_at(world, at + i);
    }
    world->bytes_read += done;
    return done;
}

static void assert_bytes(const struct world *world, const uint8_t *bytes, uint64_t address, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(bytes[i], byte_at(world, address + i));
}

static void bytes_are_read_across_pages(void **state)
{
    (void)state;
    struct world world = {.salt = 1};
    struct memory *memory = memory_open(read_world, &world);
    uint8_t bytes[3 * PAGE];
    assert_true(memory_read(memory, base + 100, bytes, sizeof bytes));
    assert_bytes(&world, bytes, base + 100, sizeof bytes);
    assert_true(memory_read(memory, base + PAGE - 1, bytes, 2));
    assert_bytes(&world, bytes, base + PAGE - 1, 2);
    memory_close(memory);
}

static void a_hole_is_not_read_and_what_is_around_it_is(void **state)
{
    (void)state;
    struct world world = {.salt = 2};
    struct memory *memory = memory_open(read_world, &world);
    uint8_t bytes[16 * PAGE];
    uint64_t hole = base + HOLE * PAGE;
    assert_false(memory_read(memory, hole, bytes, 1));
    assert_false(memory_read(memory, hole - 1, bytes, 2));
    assert_true(memory_read(memory, hole - 1, bytes, 1));
    assert_true(memory_read(memory, hole + PAGE, bytes, 1));
    assert_int_equal(memory_read_some(memory, base + 5, bytes, sizeof bytes), HOLE * PAGE - 5);
    assert_bytes(&world, bytes, base + 5, HOLE * PAGE - 5);
    assert_int_equal(memory_read_some(memory, hole, bytes, sizeof bytes), 0);
    memory_close(memory);
}

static void addresses_at_the_end_of_the_world_are_no_error(void **state)
{
    (void)state;
    struct world world = {0};
    struct memory *memory = memory_open(read_world, &world);
    uint8_t bytes[16];
    assert_false(memory_read(memory, UINT64_MAX - 3, bytes, sizeof bytes));
    assert_false(memory_read(memory, UINT64_MAX, bytes, 1));
    assert_false(memory_read(memory, 0, bytes, sizeof bytes));
    assert_int_equal(memory_read_some(memory, UINT64_MAX - 3, bytes, sizeof bytes), 0);
    memory_close(memory);
}

static void a_walk_reads_ahead_and_a_jump_does_not(void **state)
{
    (void)state;
    struct world world = {.salt = 3};
    struct memory *memory = memory_open(read_world, &world);
    uint64_t word;
    for (uint64_t at = base + 8 * PAGE; at < base + 1008 * PAGE; at += sizeof word)
        assert_true(memory_read(memory, at, &word, sizeof word));
    assert_in_range(world.reads, 1000 / 64, 1000 / 64 + 4);
    world.bytes_read = 0;
    for (uint64_t i = 0; i < 100; i++) /* far from each other, and read before by nobody */
        assert_true(memory_read(memory, base + (2000 + i * 100) * PAGE, &word, sizeof word));
    assert_int_equal(world.bytes_read, 100 * PAGE);
    memory_close(memory);
}

/* The page before is there: that alone is no walk. */
static void jumps_next_to_what_was_read_do_not_read_ahead(void **state)
{
    (void)state;
    struct world world = {.salt = 5};
    struct memory *memory = memory_open(read_world, &world);
    uint64_t word;
    for (uint64_t round = 0; round < 2; round++)
        for (uint64_t i = 0; i < 100; i++)
            assert_true(memory_read(memory, base + (8 + i * 37 % 100 * 2 + round) * PAGE, &word, sizeof word));
    assert_int_equal(world.bytes_read, 200 * PAGE);
    memory_close(memory);
}

static void pages_come_back_after_many_others(void **state)
{
    (void)state;
    struct world world = {.salt = 4};
    struct memory *memory = memory_open(read_world, &world);
    uint8_t bytes[64];
    for (unsigned round = 0; round < 3; round++)
        for (uint64_t page = 8; page < PAGES; page += 1 + page % 3) {
            uint64_t at = base + page * PAGE + page % 4000;
            assert_true(memory_read(memory, at, bytes, sizeof bytes));
            assert_bytes(&world, bytes, at, sizeof bytes);
        }
    memory_close(memory);
}

static void what_is_frozen_stays_as_it_was(void **state)
{
    (void)state;
    struct world before = {.salt = 5}, world = before;
    struct memory *memory = memory_open(read_world, &world);
    uint8_t is_present[4] = {1, 0, 1, 1}, bytes[4 * PAGE];
    uint64_t budget = 1 << 20, start = base + 10 * PAGE;
    assert_true(memory_freeze(memory, start, start + 4 * PAGE, is_present, &budget));
    assert_int_equal(budget, (1 << 20) - 3 * PAGE);
    memory_freeze_done(memory);
    world.salt = 99;
    assert_true(memory_read(memory, start, bytes, sizeof bytes));
    assert_bytes(&before, bytes, start, PAGE);
    for (size_t i = 0; i < PAGE; i++)
        assert_int_equal(bytes[PAGE + i], 0);
    assert_bytes(&before, bytes + 2 * PAGE, start + 2 * PAGE, 2 * PAGE);
    assert_true(memory_read(memory, start + 4 * PAGE, bytes, PAGE));
    assert_bytes(&world, bytes, start + 4 * PAGE, PAGE);
    memory_close(memory);
}

static void more_than_the_budget_is_not_frozen(void **state)
{
    (void)state;
    struct world world = {0};
    struct memory *memory = memory_open(read_world, &world);
    uint64_t budget = 3 * PAGE;
    assert_false(memory_freeze(memory, base, base + 4 * PAGE, NULL, &budget));
    assert_true(memory_freeze(memory, base, base + 3 * PAGE, NULL, &budget));
    assert_int_equal(budget, 0);
    memory_close(memory);
}

static void numbers_of_bytes_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"0", 0}, {"17", 17}, {"0x1000", 4096}, {"4K", 4096}, {"4KiB", 4096}, {"2m", 2 << 20},
                {"3G", (uint64_t)3 << 30}, {"5B", 5}};
    static const char *const bad[] = {"", "K", "-1", "4Q", "4KK", "99999999999999999999", "17179869184G", " 4"};
    uint64_t bytes;
    for (size_t i = 0; i < PW_ARRAY_SIZE(good); i++) {
        assert_true(parse_bytes(good[i].text, &bytes));
        assert_int_equal(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < PW_ARRAY_SIZE(bad); i++)
        assert_false(parse_bytes(bad[i], &bytes));
}

static void ranges_may_be_open(void **state)
{
    (void)state;
    uint64_t from, to;
    assert_true(parse_range("10-20", &from, &to) && from == 10 && to == 20);
    assert_true(parse_range("1K-", &from, &to) && from == 1024 && to == UINT64_MAX);
    assert_true(parse_range("-64", &from, &to) && from == 0 && to == 64);
    assert_true(parse_range("64", &from, &to) && from == 64 && to == 64);
    assert_false(parse_range("-", &from, &to));
    assert_false(parse_range("20-10", &from, &to));
    assert_false(parse_range("a-b", &from, &to));
}

static void addresses_are_hexadecimal(void **state)
{
    (void)state;
    uint64_t address;
    assert_true(parse_address("0x7f00", &address) && address == 0x7f00);
    assert_true(parse_address("7f00", &address) && address == 0x7f00);
    assert_false(parse_address("", &address));
    assert_false(parse_address("-1", &address));
    assert_false(parse_address("10000000000000000", &address));
    assert_false(parse_address("12g", &address));
}

static void bytes_are_written_as_people_read_them(void **state)
{
    (void)state;
    char text[BYTES_TEXT], count[2 * BYTES_TEXT];
    assert_string_equal(bytes_text(text, 9999), "9999 B");
    assert_string_equal(bytes_text(text, 10240), "10.0 KiB");
    assert_string_equal(bytes_text(text, (uint64_t)1536 << 20), "1536 MiB");
    assert_string_equal(bytes_text(text, UINT64_MAX), "16777216 TiB");
    assert_string_equal(count_text(count, 999), "999");
    assert_string_equal(count_text(count, 1234567), "1,234,567");
    assert_string_equal(count_text(count, UINT64_MAX), "18,446,744,073,709,551,615");
}

static void sites_sum_up_and_the_largest_comes_first(void **state)
{
    (void)state;
    struct sites sites = {0};
    for (uint32_t i = 0; i < 100000; i++)
        sites_add(&sites, i % 5000, 1, i % 5000);
    assert_int_equal(sites.count, 5000);
    assert_int_equal(sites.blocks, 100000);
    sites_sort(&sites, false);
    for (size_t i = 0; i < sites.count; i++) {
        assert_int_equal(sites.table[i].stack, 4999 - i);
        assert_int_equal(sites.table[i].bytes, 20 * (4999 - i));
    }
    sites_free(&sites);
}

static void keys_are_numbered_as_they_come(void **state)
{
    (void)state;
    struct numbers numbers = {0};
    for (unsigned round = 0; round < 2; round++)
        for (uint32_t i = 0; i < 100000; i++)
            assert_int_equal(numbers_take(&numbers, ((uint64_t)i << 40) ^ UINT64_MAX), i);
    assert_int_equal(numbers.count, 100000);
    assert_int_equal(numbers_take(&numbers, 0), 100000);
    numbers_free(&numbers);
    assert_int_equal(numbers_take(&numbers, 0), 0);
    numbers_free(&numbers);
}

static void hashes_go_on_from_each_other(void **state)
{
    (void)state;
    assert_int_equal(hash_bytes(HASH_NOTHING, "", 0), HASH_NOTHING);
    assert_int_equal(hash_bytes(HASH_NOTHING, "a", 1), 0xAF63DC4C8601EC8Cu); /* FNV-1a's own example */
    assert_int_equal(hash_bytes(hash_bytes(HASH_NOTHING, "ab", 2), "cd", 2), hash_bytes(HASH_NOTHING, "abcd", 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_read_across_pages),
        cmocka_unit_test(a_hole_is_not_read_and_what_is_around_it_is),
        cmocka_unit_test(addresses_at_the_end_of_the_world_are_no_error),
        cmocka_unit_test(a_walk_reads_ahead_and_a_jump_does_not),
        cmocka_unit_test(jumps_next_to_what_was_read_do_not_read_ahead),
        cmocka_unit_test(pages_come_back_after_many_others),
        cmocka_unit_test(what_is_frozen_stays_as_it_was),
        cmocka_unit_test(more_than_the_budget_is_not_frozen),
        cmocka_unit_test(numbers_of_bytes_have_units),
        cmocka_unit_test(ranges_may_be_open),
        cmocka_unit_test(addresses_are_hexadecimal),
        cmocka_unit_test(bytes_are_written_as_people_read_them),
        cmocka_unit_test(keys_are_numbered_as_they_come),
        cmocka_unit_test(hashes_go_on_from_each_other),
        cmocka_unit_test(sites_sum_up_and_the_largest_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
