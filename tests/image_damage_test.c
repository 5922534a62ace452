/*
 * image_damage_test.c - damaged bytes of zones, tails and poison, and many corruptions at once: each is found, that one
 * only, and told by its name (image/image.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "image_scene.h"

/* ---- zones, tails, poison ---- */

static bool is_live(const uint8_t *block)
{
    struct pw_block found = pw_heap_find((uint64_t)block);
    return found.region != NULL && pw_block_address(found) == (uint64_t)block &&
           fields_of(block).state == PW_STATE_LIVE;
}

/* What a damaged byte of [start, end), all that is behind `block`, is, at any level: damage nearer to the next block is its underflow. */
static struct expected zone_fault(const uint8_t *block, uint64_t size, uint64_t start, uint64_t end, uint64_t at)
{
    const uint8_t *next = (const uint8_t *)end;
    bool reaches_next = !is_mapped(block) && end == end_of(block) && is_live(next);
    if (reaches_next && end - 1 - at < at - start)
        return underflow(next, at);
    return overflow(block, size, at);
}

static void damage_zone(const uint8_t *block, uint64_t size)
{
    uint64_t start = (uint64_t)block + size, end = end_of(block);
    bool is_fast = pw_root.level == PW_LEVEL_FAST;
    for (uint64_t at = start; at < end; at += at - start < 100 || end - at < 40 ? 1 : 1 + (end - start) / 40) {
        bool is_near = !is_fast || at < start + 16, is_tail = at >= end - 16 && !is_mapped(block);
        if (!is_near && !is_tail) {
            assert_byte_ignored(at, "a byte of the slack at fast");
            continue;
        }
        struct expected expected = zone_fault(block, size, start, end, at);
        assert_byte_found(at, (uint8_t)(1u << at % 8), &expected, "a byte of a zone, 0x");
    }
}

static void every_damaged_byte_of_a_live_blocks_zone_is_found_and_told_from_the_next_ones(void **state)
{
    (void)state;
    static const int live[] = {FIRST_LIVE, LIVE_0, LIVE_96, LIVE_130, LIVE_1, LIVE_4000, LIVE_10, LIVE_7};
    static const int mapped[][2] = {{MAPPED_20000, 20000}, {MAPPED_50000, 50000}, {MAPPED_17000, 17000}};
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        for (size_t i = 0; i < PW_ARRAY_SIZE(live); i++)
            damage_zone(scene.small[live[i]], small_sizes[live[i]]);
        for (size_t i = 0; i < PW_ARRAY_SIZE(mapped); i++)
            damage_zone(scene.mapped[mapped[i][0]], (uint64_t)mapped[i][1]);
        assert_nothing_found("in the end");
    }
}

static void damage_poison(const uint8_t *block, uint64_t filled);

/* Of a large alignment; those of the guard pool have no page, and are not looked at. */
static void every_damaged_byte_of_an_empty_block_on_pages_of_its_own_is_found(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        start_heaps(level);
        uint8_t *block = pw_heap_map_memory(&pw_heaps[0], 32, 32768);
        make_live(block, 0);
        damage_zone(block, 0);
        make_dead(block, PW_STATE_QUARANTINED);
        damage_poison(block, level == PW_LEVEL_FAST ? 64 : UINT64_MAX);
        assert_nothing_found("in the end");
    }
}

static void data_of_live_blocks_is_nobodys_business(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        for (uint64_t i = 0; i < 4000; i += 57)
            assert_byte_ignored((uint64_t)scene.small[LIVE_4000] + i, "a byte of data");
        assert_byte_ignored((uint64_t)scene.mapped[MAPPED_20000] + 19999, "the last byte of data");
        assert_byte_ignored((uint64_t)scene.small[RETIRED_40], "a byte of a retired block");
    }
    set_the_scene(PW_LEVEL_OFF);
    memset(scene.small[QUARANTINED_5000], 1, 5000);
    memset(scene.small[FREE_A], 1, 128);
    memset(scene.small[LIVE_1] + 1, 1, 63);
    assert_nothing_found("at off, where there are no patterns");
}

static void every_damaged_byte_of_a_tail_is_the_next_blocks_underflow_or_a_write_to_nobodys(void **state)
{
    (void)state;
    static const int dead[] = {QUARANTINED_100, CACHED_50, FREE_A, FREE_B, FREE_C, QUARANTINED_5000,
                               CACHED_ZEROED, CACHED_300, RETIRED_40};
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        for (size_t i = 0; i < PW_ARRAY_SIZE(dead); i++) {
            const uint8_t *block = scene.small[dead[i]];
            const uint8_t *next = (const uint8_t *)end_of(block);
            for (uint64_t at = end_of(block) - 16; at < end_of(block); at++) {
                struct expected expected = is_live(next) ? underflow(next, at) : in_dead(block, at);
                assert_byte_found(at, (uint8_t)(1u << at % 8), &expected, "a byte of a tail, 0x");
            }
        }
    }
}

/* Every byte of [block, block + filled) is looked at, the others up to the tail are not. */
static void damage_poison(const uint8_t *block, uint64_t filled)
{
    uint64_t start = (uint64_t)block, end = end_of(block) - (is_mapped(block) ? 0 : 16);
    for (uint64_t at = start; at < end; at += at - start < 130 ? 1 : 1 + (end - start) / 60) {
        struct expected expected = in_dead(block, at);
        if (at - start < filled)
            assert_byte_found(at, (uint8_t)(1u << at % 8), &expected, "a byte of poison, 0x");
        else
            assert_byte_ignored(at, "a byte that is not poison, 0x");
    }
}

static void every_damaged_byte_of_freed_memory_is_found_as_far_as_the_level_poisons_it(void **state)
{
    (void)state;
    static const int dead[] = {QUARANTINED_100, CACHED_50, QUARANTINED_5000, CACHED_300};
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        uint64_t filled = level == PW_LEVEL_FAST ? 64 : UINT64_MAX;
        for (size_t i = 0; i < PW_ARRAY_SIZE(dead); i++)
            damage_poison(scene.small[dead[i]], filled);
        damage_poison(scene.small[FREE_A], level == PW_LEVEL_FAST ? 0 : UINT64_MAX);
        damage_poison(scene.small[FREE_C], level == PW_LEVEL_FAST ? 0 : UINT64_MAX);
        damage_poison(scene.small[CACHED_ZEROED], UINT64_MAX);
        damage_poison(scene.rest, PW_PAGE_BYTES);
        damage_poison(scene.mapped[MAPPED_QUARANTINED], filled);
        assert_nothing_found("in the end");
    }
}

static void every_damaged_byte_of_a_front_zone_is_the_first_blocks_underflow(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        const uint8_t *first[] = {scene.small[FIRST_LIVE], scene.other_heap[0]};
        for (int i = 0; i < 2; i++)
            for (uint64_t back = 1; back <= 16; back++) {
                struct expected expected = underflow(first[i], (uint64_t)first[i] - back);
                assert_byte_found((uint64_t)first[i] - back, 0x81, &expected, "a byte of a front zone, 0x");
            }
    }
}

static void check_picture(const struct pw_damage *damage, uint64_t at, uint64_t length)
{
    assert_int_equal(damage->start, at);
    assert_true(damage->length <= length && damage->damaged <= damage->length && damage->damaged > 0);
    assert_int_equal(damage->window % 16, 0);
    assert_true(damage->window_bytes > 0 && damage->window_bytes <= PW_DAMAGE_WINDOW);
    assert_true(damage->window <= at && at < damage->window + damage->window_bytes);
    uint64_t differing = 0;
    for (uint32_t i = 0; i < damage->window_bytes; i++) {
        assert_int_equal(damage->found[i], ((uint8_t *)damage->window)[i]);
        if (damage->is_known[i] && damage->found[i] != damage->expected[i]) {
            if (differing++ == 0)
                assert_int_equal(damage->window + i, at);
        }
    }
    assert_true(differing > 0 && differing <= damage->damaged);
}

static void the_picture_of_a_damage_shows_it_with_what_was_expected(void **state)
{
    (void)state;
    static const int places[] = {LIVE_4000, LIVE_0, QUARANTINED_5000, CACHED_300, FREE_A};
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        for (size_t i = 0; i < PW_ARRAY_SIZE(places); i++)
            for (uint64_t length = 1; length <= 48; length++) {
                uint8_t *block = scene.small[places[i]];
                bool live = is_live(block);
                if (!live && level == PW_LEVEL_FAST && places[i] == FREE_A)
                    continue;
                uint8_t *at = block + (live ? small_sizes[places[i]] : length % 16);
                uint64_t room = end_of(block) - (uint64_t)at;
                uint64_t bytes = length < room ? length : room;
                uint8_t saved[64];
                memcpy(saved, at, bytes);
                memset(at, 0x41, bytes);
                struct findings *findings = validate();
                CHECK(findings->count >= 1, "%u bytes", (unsigned)bytes);
                check_picture(&findings->faults[0].damage, (uint64_t)at, bytes);
                if (level == PW_LEVEL_FULL)
                    assert_int_equal(findings->faults[0].damage.damaged, bytes);
                memcpy(at, saved, bytes);
            }
        uint8_t *mapped = scene.mapped[MAPPED_20000] + 20000;
        mapped[0] ^= 1;
        check_picture(&validate()->faults[0].damage, (uint64_t)mapped, 1);
        mapped[0] ^= 1;
        uint8_t *front = scene.small[FIRST_LIVE] - 16;
        front[0] ^= 1;
        check_picture(&validate()->faults[0].damage, (uint64_t)front, 1);
        front[0] ^= 1;
    }
}

static void assert_followed(uint64_t value, const uint8_t *block, uint32_t state, uint64_t size)
{
    uint64_t *word = (uint64_t *)scene.small[QUARANTINED_100] + 1, saved = *word;
    *word = value;
    struct pw_pointee pointee = validate()->faults[0].damage.pointee;
    *word = saved;
    assert_int_equal(pointee.known, block != NULL);
    assert_int_equal(pointee.address, (uint64_t)block);
    assert_int_equal(pointee.state, block != NULL ? state : 0);
    assert_int_equal(pointee.size, size);
}

static void an_address_that_was_written_is_followed_to_its_block(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        const uint8_t *live = scene.small[LIVE_4000], *quarantined = scene.small[QUARANTINED_5000];
        assert_followed((uint64_t)live, live, PW_STATE_LIVE, 4000);
        assert_followed((uint64_t)live + 3999, live, PW_STATE_LIVE, 4000);
        assert_followed((uint64_t)quarantined + 8, quarantined, PW_STATE_QUARANTINED, 5000);
        assert_followed((uint64_t)scene.mapped[MAPPED_20000], scene.mapped[MAPPED_20000], PW_STATE_LIVE, 20000);
        assert_followed((uint64_t)&scene, NULL, 0, 0);
        assert_followed(7, NULL, 0, 0);
    }
}

/* ---- many at once ---- */

struct plant {
    uint64_t at;
    uint8_t flip;
    struct expected expected;
};

/* One corruption of every sort, each in a block whose neighbours have none that could hide it. */
static uint32_t all_sorts(struct plant *plants)
{
    uint32_t count = 0;
    uint8_t **small = scene.small, **mapped = scene.mapped;
    uint64_t at = (uint64_t)small[FIRST_LIVE] - 3;
    plants[count++] = (struct plant){at, 0x10, underflow(small[FIRST_LIVE], at)};
    at = (uint64_t)small[QUARANTINED_100] + 20;
    plants[count++] = (struct plant){at, 0x10, use_after_free(small[QUARANTINED_100], at)};
    plants[count++] = (struct plant){(uint64_t)header_of(small[LIVE_0]), 1, header_fault((uint64_t)small[LIVE_0])};
    at = (uint64_t)small[LIVE_96] + 96;
    plants[count++] = (struct plant){at, 1, overflow(small[LIVE_96], 96, at)};
    plants[count++] = (struct plant){(uint64_t)header_of(small[FREE_A]) + 5, 1, header_fault((uint64_t)small[FREE_A])};
    plants[count++] = (struct plant){(uint64_t)header_of(small[FREE_B]) + 8, 4, header_fault((uint64_t)small[FREE_B])};
    at = end_of(small[LIVE_4000]) - 1;
    plants[count++] = (struct plant){at, 1, underflow(small[LIVE_10], at)};
    struct pw_block last = block_at(small[LIVE_7]);
    plants[count++] = (struct plant){last.region->starts + last.granule / 8, (uint8_t)(1u << last.granule % 8),
                                     header_fault((uint64_t)small[LIVE_7])};
    at = end_of(small[CACHED_50]) - 2;
    plants[count++] = (struct plant){at, 1, underflow(small[LIVE_96], at)};
    plants[count++] = (struct plant){(uint64_t)pw_block_extension(block_at(mapped[MAPPED_50000])), 1,
                                     header_fault((uint64_t)mapped[MAPPED_50000])};
    at = (uint64_t)mapped[MAPPED_20000] + 20000 + 15;
    plants[count++] = (struct plant){at, 1, overflow(mapped[MAPPED_20000], 20000, at)};
    at = (uint64_t)mapped[MAPPED_QUARANTINED] + 63;
    plants[count++] = (struct plant){at, 1, use_after_free(mapped[MAPPED_QUARANTINED], at)};
    plants[count++] = (struct plant){(uint64_t)header_of(mapped[RUN_B]) + 12, 1, header_fault((uint64_t)mapped[RUN_B])};
    at = (uint64_t)scene.other_heap[1] + 123456;
    plants[count++] = (struct plant){at, 0xff, overflow(scene.other_heap[1], 123456, at)};
    return count;
}

static void flip_chosen(const struct plant *plants, uint32_t count, uint64_t chosen)
{
    for (uint32_t i = 0; i < count; i++)
        if ((chosen >> i & 1) != 0)
            *(uint8_t *)plants[i].at ^= plants[i].flip;
}

static void corruptions_of_any_sorts_at_once_are_all_found_and_no_other(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        struct plant plants[32];
        set_the_scene(level);
        uint32_t count = all_sorts(plants);
        uint64_t random = 21, everything = ((uint64_t)1 << count) - 1;
        for (int round = 0; round < 600; round++) {
            uint64_t chosen = round == 0 ? everything : pw_random_next(&random) & everything;
            struct expected expected[32];
            uint32_t expected_count = 0;
            for (uint32_t i = 0; i < count; i++)
                if ((chosen >> i & 1) != 0)
                    expected[expected_count++] = plants[i].expected;
            flip_chosen(plants, count, chosen);
            assert_found(expected, expected_count, "corruptions", chosen);
            flip_chosen(plants, count, chosen);
        }
        assert_nothing_found("in the end");
    }
}

static void fifty_random_corruptions_of_the_headers_neither_stop_nor_hide_anything(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_region *region = block_at(scene.small[0]).region;
    uint32_t used = pw_region_granule(region, (uint64_t)scene.rest) + 1 - region->first;
    struct pw_header *headers = pw_region_header(region, region->first);
    struct pw_header *saved = malloc(used * sizeof *saved);
    memcpy(saved, headers, used * sizeof *saved);
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint64_t random = seed;
        bool is_hit[SCENE_BLOCKS] = {false};
        for (int i = 0; i < 50; i++) {
            uint64_t r = pw_random_next(&random);
            /* Half of them aim at the header of a block, the others at any. */
            uint32_t slot = (uint32_t)(r >> 8) % used;
            uint32_t which = (uint32_t)(r >> 40) % scene.count;
            if (r % 2 == 0 && scene.all[which].region == region)
                slot = scene.all[which].granule - region->first;
            ((uint8_t *)&headers[slot])[r >> 4 & 15] ^= (uint8_t)(1 + (r >> 56) % 255);
        }
        uint64_t hit = 0;
        /* Two bytes of a word may be changed so that they fit: one in 255 where both are the highest of their fields. */
        bool is_sealed_by_chance = false;
        for (uint32_t i = 0; i < scene.count; i++) {
            if (scene.all[i].region != region)
                continue;
            uint32_t slot = scene.all[i].granule - region->first;
            /* A state that was changed to PENDING can't be told from a block that changes hands. */
            bool is_sound = pw_word_is_sound(pw_root.seal_key, pw_block_address(scene.all[i]),
                                             headers[slot].word, headers[slot].size);
            is_hit[i] = !is_sound || headers[slot].prev != saved[slot].prev;
            is_sealed_by_chance |= is_sound && pw_header_fields(&headers[slot]).slack != pw_header_fields(&saved[slot]).slack;
            hit += is_hit[i];
        }
        struct findings *findings = validate();
        for (uint32_t i = 0; i < scene.count; i++) {
            uint64_t times = 0;
            for (uint64_t k = 0; k < findings->count; k++)
                times += findings->faults[k].kind == PW_KIND_HEADER &&
                         findings->faults[k].address == pw_block_address(scene.all[i]);
            CHECK(times == is_hit[i], "seed %u: block %u found %u times", (unsigned)seed, i, (unsigned)times);
        }
        if (findings->count != hit)
            print_findings(findings);
        /* Of a slack that is believed the zone is looked for where it is not. */
        CHECK(findings->count == hit || (is_sealed_by_chance && findings->count > hit), "seed %u: %u faults for %u blocks", (unsigned)seed,
              (unsigned)findings->count, (unsigned)hit);
        uint64_t walked = 0;
        struct pw_image image = pw_image_self();
        (void)pw_image_walk(&image, count_walked, &walked);
        CHECK(walked == scene.count, "seed %u: %u blocks of %u walked", (unsigned)seed, (unsigned)walked, scene.count);
        memcpy(headers, saved, used * sizeof *saved);
    }
    free(saved);
    assert_nothing_found("in the end");
}

static void look_at_everything(uint64_t *random)
{
    struct pw_image image = pw_image_self();
    uint64_t walked = 0;
    (void)validate();
    (void)pw_image_walk(&image, count_walked, &walked);
    for (int i = 0; i < 50; i++) {
        struct pw_block block = scene.all[pw_random_next(random) % scene.count];
        uint64_t address = pw_block_address(block) + pw_random_next(random) % 8192;
        struct pw_fault fault = {.kind = PW_KIND_NONE};
        pw_diagnose_free(&image, address, &fault);
        fault = (struct pw_fault){.kind = PW_KIND_NONE};
        pw_diagnose_address(&image, address, &fault);
        (void)pw_heap_find(address);
    }
}

static void random_corruption_of_every_table_ends_in_words_and_nothing_else(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_region *small = block_at(scene.small[0]).region, *pages = block_at(scene.mapped[0]).region;
    enum { PART = 4096 };
    /* The parts of the tables that are in use. */
    const uint64_t parts[] = {(uint64_t)pw_region_header(small, small->first),
                              (uint64_t)pw_region_evidence(small, small->first),
                              small->starts,
                              small->summary,
                              (uint64_t)pw_region_header(pages, pages->first),
                              (uint64_t)pw_region_evidence(pages, pages->first),
                              pages->starts,
                              pages->summary,
                              (uint64_t)&pw_heaps[0].image};
    enum { PARTS = 9 };
    _Static_assert(PW_ARRAY_SIZE(parts) == PARTS, "all of them");
    static uint8_t saved[PARTS][PART];
    uint64_t sizes[PARTS];
    for (uint32_t i = 0; i < PARTS; i++) {
        sizes[i] = i == 3 || i == 7 ? 64 : i == PARTS - 1 ? sizeof pw_heaps[0].image : PART;
        memcpy(saved[i], (void *)parts[i], sizes[i]);
    }
    for (uint64_t seed = 1; seed <= 400; seed++) {
        uint64_t random = seed;
        uint64_t hits = 1 + pw_random_next(&random) % 60;
        for (uint64_t i = 0; i < hits; i++) {
            uint64_t r = pw_random_next(&random);
            uint32_t part = (uint32_t)(r % PARTS);
            ((uint8_t *)parts[part])[(r >> 8) % sizes[part]] = (uint8_t)(r >> 56);
        }
        look_at_everything(&random);
        for (uint32_t i = 0; i < PARTS; i++)
            memcpy((void *)parts[i], saved[i], sizes[i]);
    }
    assert_nothing_found("in the end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_damaged_byte_of_a_live_blocks_zone_is_found_and_told_from_the_next_ones),
        cmocka_unit_test(every_damaged_byte_of_an_empty_block_on_pages_of_its_own_is_found),
        cmocka_unit_test(data_of_live_blocks_is_nobodys_business),
        cmocka_unit_test(every_damaged_byte_of_a_tail_is_the_next_blocks_underflow_or_a_write_to_nobodys),
        cmocka_unit_test(every_damaged_byte_of_freed_memory_is_found_as_far_as_the_level_poisons_it),
        cmocka_unit_test(every_damaged_byte_of_a_front_zone_is_the_first_blocks_underflow),
        cmocka_unit_test(the_picture_of_a_damage_shows_it_with_what_was_expected),
        cmocka_unit_test(an_address_that_was_written_is_followed_to_its_block),
        cmocka_unit_test(corruptions_of_any_sorts_at_once_are_all_found_and_no_other),
        cmocka_unit_test(fifty_random_corruptions_of_the_headers_neither_stop_nor_hide_anything),
        cmocka_unit_test(random_corruption_of_every_table_ends_in_words_and_nothing_else),
    };
    (void)alarm(200);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
