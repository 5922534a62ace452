/* guard_test.c - the guard pool: where blocks lie, which get guards, and which come again when. */
#include "guard/hints.h"
#include "guard/place.h"
#include "guard/policy.h"
#include "guard/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bitmap.h"
#include "base/random.h"

/* -- A region of the pool's, in plain memory: the pool touches its tables only */

enum { PAGES = 8192 };
static struct pw_region regions[3];

static struct pw_region *new_region(unsigned index, uint32_t pages)
{
    struct pw_region *region = &regions[index];
    uint64_t words = PW_BITMAP_WORDS((uint64_t)pages);
    *region = (struct pw_region){.base = (uint64_t)index << 40, .granules = pages, .first = 1,
                                 .limit = pages - 1, .shift = PW_PAGE_SHIFT};
    region->headers = (uint64_t)calloc(pages, sizeof(struct pw_header));
    region->evidence = (uint64_t)calloc(pages, sizeof(struct pw_evidence));
    region->starts = (uint64_t)calloc(words, 8);
    region->summary = (uint64_t)calloc(PW_BITMAP_WORDS(words), 8);
    pw_root.regions = (uint64_t)regions;
    return region;
}

static void free_region(struct pw_region *region)
{
    free((void *)region->headers);
    free((void *)region->evidence);
    free((void *)region->starts);
    free((void *)region->summary);
}

static void runs_tile_the_region_and_both_directions_agree(void **state)
{
    (void)state;
    struct pw_guard_pool pool = {.region = NULL};
    struct pw_region *region = new_region(1, PAGES);
    uint64_t random = 1;
    assert_null(pw_guard_pool_cut(&pool, 1).region);
    pw_guard_pool_add(&pool, region);
    assert_int_equal(region->limit, region->first);
    uint32_t at = region->first, before = 0;
    for (;;) {
        uint32_t pages = 1 + (uint32_t)(pw_random_next(&random) % PW_GUARD_MAX_PAGES);
        struct pw_guard_run run = pw_guard_pool_cut(&pool, pages);
        if (run.region == NULL) {
            assert_true(PAGES - 1 - at < pages + 1);
            break;
        }
        const struct pw_header *header = (const struct pw_header *)region->headers + run.granule;
        assert_int_equal(run.granule, at);
        assert_int_equal(header->size, pages + 1);
        assert_int_equal(header->prev, before);
        assert_int_equal(pw_bit2_previous((const uint64_t *)region->starts,
                                          (const uint64_t *)region->summary, run.granule + pages),
                         run.granule);
        before = pages + 1;
        at += pages + 1;
        assert_int_equal(region->limit, at);
    }
    free_region(region);
}

static void a_run_that_is_given_back_comes_again_in_the_order_of_the_frees(void **state)
{
    (void)state;
    struct pw_guard_pool pool = {.region = NULL};
    struct pw_region *region = new_region(1, PAGES);
    struct pw_guard_run runs[100];
    pw_guard_pool_add(&pool, region);
    for (unsigned i = 0; i < 100; i++)
        runs[i] = pw_guard_pool_cut(&pool, 1 + i % 2);
    for (unsigned i = 0; i < 100; i += 2)
        pw_guard_pool_keep(&pool, runs[99 - i - 1], 1);
    assert_null(pw_guard_pool_reuse(&pool, 2, 0).region);
    assert_null(pw_guard_pool_reuse(&pool, 1, 50).region);
    for (unsigned i = 0; i < 100; i += 2) {
        struct pw_guard_run run = pw_guard_pool_reuse(&pool, 1, 0);
        assert_int_equal(run.granule, runs[99 - i - 1].granule);
    }
    assert_null(pw_guard_pool_reuse(&pool, 1, 0).region);
    free_region(region);
}

static void a_queue_goes_across_regions(void **state)
{
    (void)state;
    struct pw_guard_pool pool = {.region = NULL};
    struct pw_region *one = new_region(1, PAGES), *two = new_region(2, PAGES);
    pw_guard_pool_add(&pool, one);
    struct pw_guard_run first = pw_guard_pool_cut(&pool, 3);
    pw_guard_pool_add(&pool, two);
    struct pw_guard_run second = pw_guard_pool_cut(&pool, 3);
    const struct pw_header *header = (const struct pw_header *)two->headers + second.granule;
    assert_int_equal(header->prev, 0);
    pw_guard_pool_keep(&pool, second, 3);
    pw_guard_pool_keep(&pool, first, 3);
    assert_ptr_equal(pw_guard_pool_reuse(&pool, 3, 1).region, two);
    assert_ptr_equal(pw_guard_pool_reuse(&pool, 3, 0).region, one);
    free_region(one);
    free_region(two);
}

/* -- Places */

static void a_right_aligned_block_ends_less_than_its_alignment_before_the_guard(void **state)
{
    (void)state;
    for (uint64_t size = 1; size <= PW_HEAP_LARGE_ALLOC_THRESHOLD; size++) {
        for (uint64_t align = 1; align <= PW_PAGE_BYTES; align *= 4) {
            struct pw_guard_place place = pw_guard_place(size, align, true);
            uint64_t end = (uint64_t)place.pages << PW_PAGE_SHIFT;
            if (place.offset >= PW_PAGE_BYTES || place.offset % align != 0 ||
                end - place.offset - size >= align || place.pages > PW_GUARD_MAX_PAGES)
                fail_msg("size %llu, align %llu: %u pages, offset %u", (unsigned long long)size,
                         (unsigned long long)align, place.pages, place.offset);
        }
        assert_int_equal(pw_guard_place(size, 16, false).offset, 0);
        assert_int_equal(pw_guard_place(size, 16, false).pages, pw_guard_place(size, 16, true).pages);
    }
    assert_int_equal(pw_guard_place(0, 16, true).pages, 1);
    assert_int_equal(pw_guard_place(0, 16, true).offset, 0);
}

/* -- The policy */

static bool wants(struct pw_guard_policy *policy, _Atomic uint32_t *site, struct pw_guard_turn *turn,
                  uint32_t i, uint64_t size)
{
    enum pw_guard_wish wish = pw_guard_policy_wants(policy, site, turn, pw_guard_serial(0, i), size);
    if (wish != PW_GUARD_NOT && site != NULL)
        pw_guard_policy_count(site, size);
    return wish != PW_GUARD_NOT;
}

static void at_level_guard_every_block_is_wanted(void **state)
{
    (void)state;
    struct pw_guard_policy policy = {.guards_all = true, .site_blocks = 4};
    struct pw_guard_turn turn = {0};
    _Atomic uint32_t site = 0;
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(pw_guard_policy_wants(&policy, &site, &turn, i, 24),
                         i < 4 ? PW_GUARD_RARE : PW_GUARD_COMMON);
        pw_guard_policy_count(&site, 24);
    }
    assert_int_equal(pw_guard_policy_wants(&policy, NULL, &turn, 7, 24), PW_GUARD_COMMON);
}

static void a_site_gets_its_first_blocks_and_then_samples_with_falling_odds(void **state)
{
    (void)state;
    struct pw_guard_policy policy = {.site_blocks = 4, .sample_every = 10, .key = 99};
    struct pw_guard_turn turn = {0};
    _Atomic uint32_t site = 0;
    uint32_t wanted[3] = {0, 0, 0};
    static const uint32_t until[3] = {4, 100000, 200000};
    for (uint32_t i = 0, part = 0; i < until[2]; i++) {
        part += i == until[part];
        wanted[part] += wants(&policy, &site, &turn, i, 24);
    }
    assert_int_equal(wanted[0], 4);
    assert_in_range(wanted[1], 50, 1500); /* about sqrt(2 * 4 * 10,000) */
    assert_in_range(wanted[2], 10, wanted[1] / 2 + 50);
}

static void the_first_block_of_each_larger_power_of_two_is_wanted(void **state)
{
    (void)state;
    struct pw_guard_policy policy = {.site_blocks = 1};
    struct pw_guard_turn turn = {0};
    _Atomic uint32_t site = 0;
    uint32_t wanted = 0;
    for (uint32_t i = 0; i < 16; i++)
        for (unsigned size = 1; size <= 16384; size *= 2)
            wanted += wants(&policy, &site, &turn, i, size + i % 2 * (size / 2));
    assert_int_equal(wanted, 15);
    assert_int_equal(site & PW_SITE_COUNT, 15);
}

static void first_blocks_come_at_most_so_fast_but_at_level_guard(void **state)
{
    (void)state;
    struct pw_guard_policy policy = {.site_blocks = 2, .budget_pages = 1000000};
    struct pw_guard_turn turn = {0};
    _Atomic uint32_t accused = PW_SITE_EVIDENCE;
    uint32_t given = 0;
    for (uint32_t i = 1; i <= 100000; i++) {
        _Atomic uint32_t fresh = 0;
        if (pw_guard_policy_wants(&policy, &fresh, &turn, pw_guard_serial(7, i), 24) == PW_GUARD_RARE)
            given += pw_guard_policy_take(&policy, PW_GUARD_RARE, &turn, 1);
        if (i == PW_GUARD_FIRSTS_AT_ONCE)
            assert_int_equal(given, i);
    }
    assert_int_equal(given, PW_GUARD_FIRSTS_AT_ONCE + 100000 / PW_GUARD_FIRSTS_EVERY);
    assert_int_equal(pw_guard_policy_wants(&policy, &accused, &turn, pw_guard_serial(7, 1), 24), PW_GUARD_RARE);
    policy.guards_all = true;
    _Atomic uint32_t fresh = 0;
    assert_int_equal(pw_guard_policy_wants(&policy, &fresh, &turn, pw_guard_serial(7, 1), 24), PW_GUARD_RARE);
}

/* Asked first or not, the same allocations are wanted, and the same samples come. */
static void what_passes_at_a_glance_is_what_is_not_wanted(void **state)
{
    (void)state;
    enum { SITES = 40, STEPS = 200000 };
    for (unsigned variant = 0; variant < 8; variant++) {
        struct pw_guard_policy policy = {.site_blocks = variant & 1 ? 2 : 0,
                                         .sample_every = variant & 2 ? 100 : 0,
                                         .guards_all = variant & 4,
                                         .budget_pages = 1000000,
                                         .key = variant};
        struct pw_guard_turn one = {0}, other = {0};
        _Atomic uint32_t sites[SITES] = {PW_SITE_EVIDENCE};
        uint64_t random = variant, passed = 0;
        for (uint32_t i = 1; i <= STEPS; i++) {
            uint64_t drawn = pw_random_next(&random), size = drawn >> 40 & 16383;
            _Atomic uint32_t *site = drawn % (SITES + 1) == SITES ? NULL : &sites[drawn % (SITES + 1)];
            uint64_t serial = pw_guard_serial(3, i);
            bool passes = pw_guard_policy_passes(&policy, site, &other, serial, size);
            enum pw_guard_wish wish = pw_guard_policy_wants(&policy, site, &one, serial, size);
            if (passes && wish != PW_GUARD_NOT)
                fail_msg("variant %u, step %u: %u bytes pass", variant, i, (unsigned)size);
            if (!passes && pw_guard_policy_wants(&policy, site, &other, serial, size) != wish)
                fail_msg("variant %u, step %u: another answer for %u bytes", variant, i, (unsigned)size);
            if (wish == PW_GUARD_RARE && pw_guard_policy_take(&policy, wish, &one, 1))
                other.firsts = one.firsts;
            if (wish != PW_GUARD_NOT && site != NULL)
                pw_guard_policy_count(site, size);
            passed += passes;
        }
        assert_int_equal(one.countdown, other.countdown);
        assert_true(variant & 4 ? passed == 0 : passed > STEPS / 2);
    }
}

/* Each of them would be its site's first; asked is whether there is room, and that seldom. */
static void where_the_budget_is_used_up_nearly_all_pass_at_a_glance(void **state)
{
    (void)state;
    enum { BLOCKS = 100000 };
    struct pw_guard_policy policy = {.site_blocks = 2, .sample_every = 100, .budget_pages = 10, .live_pages = 10};
    struct pw_guard_turn turn = {0};
    unsigned asked = 0;
    for (uint32_t i = 1; i <= BLOCKS; i++) {
        _Atomic uint32_t site = 0;
        uint64_t serial = pw_guard_serial(1, i);
        if (pw_guard_policy_passes(&policy, &site, &turn, serial, 24))
            continue;
        asked++;
        enum pw_guard_wish wish = pw_guard_policy_wants(&policy, &site, &turn, serial, 24);
        assert_true(wish == PW_GUARD_NOT || !pw_guard_policy_take(&policy, wish, &turn, 1));
    }
    assert_in_range(asked, BLOCKS / PW_GUARD_ASK_EVERY / 2, BLOCKS / 20);
    assert_int_equal(policy.live_pages, 10);
}

static void the_budget_follows_the_heap_between_its_bounds(void **state)
{
    (void)state;
    static const uint64_t mib = 1 << 20;
    assert_int_equal(pw_guard_policy_share(0, 100000), 1024);
    assert_int_equal(pw_guard_policy_share(64 * mib, 100000), 1024);
    assert_int_equal(pw_guard_policy_share(160 * mib, 100000), 2560);
    assert_int_equal(pw_guard_policy_share(UINT64_MAX, 100000), 100000);
    assert_int_equal(pw_guard_policy_share(0, 100), 100);
}

static void a_site_with_evidence_gets_all(void **state)
{
    (void)state;
    struct pw_guard_policy policy = {.site_blocks = 1};
    struct pw_guard_turn turn = {0};
    _Atomic uint32_t site = 500 | 15u << PW_SITE_SIZE_SHIFT;
    assert_false(wants(&policy, &site, &turn, 1, 24));
    assert_false(pw_guard_policy_is_accused(&site) || pw_guard_policy_is_accused(NULL));
    pw_guard_policy_accuse(&site);
    assert_true(pw_guard_policy_is_accused(&site));
    for (uint32_t i = 0; i < 100; i++)
        assert_true(wants(&policy, &site, &turn, i, 24));
    assert_int_equal(site & PW_SITE_COUNT, 600);
}

static void a_count_that_is_full_stays_and_spoils_nothing(void **state)
{
    (void)state;
    _Atomic uint32_t site = PW_SITE_COUNT;
    for (unsigned i = 0; i < 10; i++)
        pw_guard_policy_count(&site, 1);
    assert_int_equal(site, PW_SITE_COUNT);
}

static void the_last_quarter_of_the_budget_is_for_rare_blocks_and_some_young_ones(void **state)
{
    (void)state;
    struct pw_guard_policy policy = {.guards_all = true, .site_blocks = 4, .budget_pages = 1000};
    struct pw_guard_turn turn = {0};
    uint32_t given = 0;
    while (given < 2000 && pw_guard_policy_take(&policy, PW_GUARD_COMMON, &turn, 1))
        given++;
    assert_int_equal(given, 750);
    for (uint32_t i = 0; i < 640; i++)
        given += pw_guard_policy_take(&policy, PW_GUARD_COMMON, &turn, 1);
    assert_int_equal(given, 760);
    while (given < 2000 && pw_guard_policy_take(&policy, PW_GUARD_RARE, &turn, 1))
        given++;
    assert_int_equal(given, 1000);
    assert_true(policy.is_short);
    pw_guard_policy_give(&policy, 1);
    assert_true(pw_guard_policy_take(&policy, PW_GUARD_RARE, &turn, 1));
    assert_int_equal(policy.live_pages, 1000);
    assert_int_equal(policy.live_blocks, 1000);
}

static void no_more_blocks_than_the_option_says_are_guarded(void **state)
{
    (void)state;
    struct pw_guard_policy policy = {.guards_all = true, .budget_pages = 1000, .max_blocks = 3};
    struct pw_guard_turn turn = {0};
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(pw_guard_policy_take(&policy, PW_GUARD_RARE, &turn, 2), i < 3);
}

static void both_sides_get_their_share_and_rare_blocks_are_right(void **state)
{
    (void)state;
    struct pw_guard_policy policy = {.guards_all = true, .site_blocks = 4, .key = 1234};
    uint32_t right = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        assert_true(pw_guard_policy_is_right(&policy, PW_GUARD_RARE, pw_guard_serial(3, i)));
        right += pw_guard_policy_is_right(&policy, PW_GUARD_COMMON, pw_guard_serial(3, i));
    }
    assert_in_range(right, 4700, 5300);
    policy.side = PW_GUARD_SIDE_LEFT;
    assert_false(pw_guard_policy_is_right(&policy, PW_GUARD_RARE, 1));
    policy.side = PW_GUARD_SIDE_RIGHT;
    assert_true(pw_guard_policy_is_right(&policy, PW_GUARD_COMMON, 1));
}

/* -- Hints */

static void hints_are_read_as_they_were_written_and_each_once(void **state)
{
    (void)state;
    static struct pw_hints hints, read;
    char text[100 * PW_HINT_LINE_BYTES];
    uint64_t random = 7;
    for (size_t i = 0; i < 100; i++) {
        uint64_t site = pw_random_next(&random);
        assert_true(pw_hints_add(&hints, site));
        assert_false(pw_hints_add(&hints, site));
        pw_hints_format(site, text + i * PW_HINT_LINE_BYTES);
    }
    pw_hints_parse(&read, text, sizeof text);
    assert_int_equal(read.count, 100);
    assert_memory_equal(read.sites, hints.sites, 100 * sizeof read.sites[0]);
    assert_true(pw_hints_has(&read, hints.sites[99]));
    assert_false(pw_hints_has(&read, 1));
}

static void what_is_no_hint_is_left_out(void **state)
{
    (void)state;
    static struct pw_hints hints;
    static const char text[] = "site 00000000000000012\nsite 0000000000000001\nsite 000000000000000g\n\n#\n"
                               "site 0000000000000002 \nSITE 0000000000000003\nsite 0000000000000004";
    pw_hints_parse(&hints, text, sizeof text - 1);
    assert_int_equal(hints.count, 2);
    assert_true(pw_hints_has(&hints, 1) && pw_hints_has(&hints, 4));
}

static void any_bytes_give_no_more_hints_than_there_is_room_for(void **state)
{
    (void)state;
    static struct pw_hints hints;
    enum { LINES = 3000 };
    char *text = malloc(LINES * PW_HINT_LINE_BYTES); /* exactly: what is behind it is not to be read */
    uint64_t random = 11;
    for (size_t i = 0; i < LINES; i++)
        pw_hints_format(pw_random_next(&random), text + i * PW_HINT_LINE_BYTES);
    pw_hints_parse(&hints, text, LINES * PW_HINT_LINE_BYTES);
    assert_int_equal(hints.count, PW_HINTS_MAX);
    for (unsigned round = 0; round < 1000; round++) {
        size_t length = pw_random_next(&random) % 200;
        for (size_t i = 0; i < length; i++)
            text[i] = "site 0123456789abcdef\n"[pw_random_next(&random) % 22];
        pw_hints_parse(&hints, text, length);
        assert_true(hints.count <= length / (PW_HINT_LINE_BYTES - 1) + 1);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_tile_the_region_and_both_directions_agree),
        cmocka_unit_test(a_run_that_is_given_back_comes_again_in_the_order_of_the_frees),
        cmocka_unit_test(a_queue_goes_across_regions),
        cmocka_unit_test(a_right_aligned_block_ends_less_than_its_alignment_before_the_guard),
        cmocka_unit_test(at_level_guard_every_block_is_wanted),
        cmocka_unit_test(a_site_gets_its_first_blocks_and_then_samples_with_falling_odds),
        cmocka_unit_test(the_first_block_of_each_larger_power_of_two_is_wanted),
        cmocka_unit_test(first_blocks_come_at_most_so_fast_but_at_level_guard),
        cmocka_unit_test(what_passes_at_a_glance_is_what_is_not_wanted),
        cmocka_unit_test(where_the_budget_is_used_up_nearly_all_pass_at_a_glance),
        cmocka_unit_test(the_budget_follows_the_heap_between_its_bounds),
        cmocka_unit_test(a_site_with_evidence_gets_all),
        cmocka_unit_test(a_count_that_is_full_stays_and_spoils_nothing),
        cmocka_unit_test(the_last_quarter_of_the_budget_is_for_rare_blocks_and_some_young_ones),
        cmocka_unit_test(no_more_blocks_than_the_option_says_are_guarded),
        cmocka_unit_test(both_sides_get_their_share_and_rare_blocks_are_right),
        cmocka_unit_test(hints_are_read_as_they_were_written_and_each_once),
        cmocka_unit_test(what_is_no_hint_is_left_out),
        cmocka_unit_test(any_bytes_give_no_more_hints_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
