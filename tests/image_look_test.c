/*
 * image_look_test.c - images from outside, walks, what is known of a block, and verdicts on pointers (image/image.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "child.h"
#include "image_scene.h"

/* ---- images from outside ---- */

struct foreign {
    uint64_t random, one_in; /* so many reads fail */
    uint64_t hidden_start, hidden_end;
};

/* As from another process: what lies there is nobody's object, so sanitizers have no say. */
__attribute__((no_sanitize("address"))) static void copy_raw(uint8_t *to, const volatile uint8_t *from,
                                                              uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i++)
        to[i] = from[i];
}

static const void *view_with_holes(void *context, uint64_t address, uint64_t bytes, void *scratch)
{
    struct foreign *foreign = context;
    ENSURE(bytes <= PW_VIEW_MAX);
    if (foreign->one_in != 0 && pw_random_next(&foreign->random) % foreign->one_in == 0)
        return NULL;
    if (address < foreign->hidden_end && address + bytes > foreign->hidden_start)
        return NULL;
    if (!pw_os_is_readable((void *)address, bytes))
        return NULL;
    copy_raw(scratch, (void *)address, bytes);
    return scratch;
}

static bool ignore_walked(void *context, const struct pw_block_info *block)
{
    (void)context;
    (void)block;
    return true;
}

static void ignore_fault(void *context, const struct pw_fault *fault)
{
    (void)context;
    (void)fault;
}

static int look_from_outside(void *context)
{
    struct pw_image image = {.root = &pw_root, .view = view_with_holes, .context = context};
    (void)alarm(5);
    (void)pw_validate_all(&image, ignore_fault, NULL);
    (void)pw_image_walk(&image, ignore_walked, NULL);
    for (int i = 0; i < 17; i++) {
        struct pw_fault fault = {.kind = PW_KIND_NONE};
        pw_diagnose_free(&image, (uint64_t)scene.small[i] + 8, &fault);
        pw_diagnose_address(&image, (uint64_t)scene.small[i] + 8, &fault);
    }
    return 0;
}

static void an_image_read_from_outside_is_as_healthy_as_from_inside(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct foreign foreign = {.one_in = 0};
    struct pw_image image = {.root = &pw_root, .view = view_with_holes, .context = &foreign};
    struct findings *findings = validate();
    assert_int_equal(pw_validate_all(&image, note_fault, findings), 0);
    uint64_t walked = 0;
    assert_int_equal(pw_image_walk(&image, count_walked, &walked), scene.count);
}

static void an_image_with_holes_is_looked_at_to_its_end(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_region *region = block_at(scene.small[0]).region, *pages = block_at(scene.mapped[0]).region;
    struct pw_header *headers = header_of(scene.small[LIVE_96]);
    const struct foreign holes[] = {
        {.hidden_start = (uint64_t)headers, .hidden_end = (uint64_t)headers + 16},
        {.hidden_start = region->headers, .hidden_end = region->headers + 0x10000},
        {.hidden_start = region->evidence, .hidden_end = region->evidence + 0x10000},
        {.hidden_start = region->starts, .hidden_end = region->starts + 8},
        {.hidden_start = region->starts, .hidden_end = region->starts + 0x10000},
        {.hidden_start = region->base, .hidden_end = region->base + PW_SLOT_BYTES},
        {.hidden_start = pages->headers, .hidden_end = pages->headers + 0x10000},
        {.hidden_start = pages->base, .hidden_end = pages->base + PW_SLOT_BYTES},
        {.hidden_start = pw_root.regions, .hidden_end = pw_root.regions + 0x10000},
        {.hidden_start = pw_root.heaps, .hidden_end = pw_root.heaps + 0x10000},
        {.hidden_start = 0, .hidden_end = UINT64_MAX},
    };
    for (size_t i = 0; i < PW_ARRAY_SIZE(holes); i++) {
        struct foreign foreign = holes[i];
        CHECK(in_child(look_from_outside, &foreign) == 0, "hole %u", (unsigned)i);
    }
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct foreign foreign = {.random = seed, .one_in = 2 + seed * 5};
        CHECK(in_child(look_from_outside, &foreign) == 0, "seed %u", (unsigned)seed);
    }
}

static int look_at_a_lying_root(void *context)
{
    struct foreign foreign = {.one_in = 0};
    struct pw_image image = {.root = context, .view = view_with_holes, .context = &foreign};
    (void)alarm(5);
    (void)pw_validate_all(&image, ignore_fault, NULL);
    (void)pw_image_walk(&image, ignore_walked, NULL);
    (void)pw_image_find_region(&image, (uint64_t)scene.small[0]);
    return 0;
}

static void a_root_or_region_table_that_lies_does_no_harm(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_region *regions = (struct pw_region *)pw_root.regions;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        uint64_t random = seed;
        struct pw_root lying = pw_root;
        struct pw_region saved[8];
        memcpy(saved, regions, sizeof saved);
        uint8_t *bytes = seed % 2 == 0 ? (uint8_t *)&lying + 16 : (uint8_t *)&regions[1];
        uint64_t size = seed % 2 == 0 ? sizeof lying - 16 : 2 * sizeof *regions;
        for (int i = 0; i < 1 + (int)(seed % 5); i++)
            bytes[pw_random_next(&random) % size] = (uint8_t)pw_random_next(&random);
        int ended = in_child(look_at_a_lying_root, &lying);
        memcpy(regions, saved, sizeof saved);
        CHECK(ended == 0, "seed %u: %d", (unsigned)seed, ended);
    }
}

/* ---- walk ---- */

struct walk {
    uint64_t visited, last, stop_after;
};

static bool compare_walked(void *context, const struct pw_block_info *info)
{
    struct walk *walk = context;
    struct pw_block block = scene.all[walk->visited];
    assert_int_equal(info->address, pw_block_address(block));
    assert_true(info->address > walk->last);
    walk->last = info->address;
    assert_int_equal(info->block_size, pw_block_end(block) - pw_block_address(block));
    assert_int_equal(info->state, pw_header_fields(pw_block_header(block)).state);
    assert_int_equal(info->region, pw_region_index(block.region));
    assert_int_equal(info->heap, block.region->heap);
    assert_true(info->known && info->sealed);
    return ++walk->visited != walk->stop_after;
}

static void a_walk_visits_every_block_once_in_address_order_as_the_list_does(void **state)
{
    (void)state;
    struct pw_image image = pw_image_self();
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        struct walk walk = {.visited = 0};
        assert_int_equal(pw_image_walk(&image, compare_walked, &walk), scene.count);
        assert_int_equal(walk.visited, scene.count);
        for (uint64_t stop = 1; stop < scene.count; stop++) {
            walk = (struct walk){.stop_after = stop};
            assert_int_equal(pw_image_walk(&image, compare_walked, &walk), stop);
        }
    }
}

static void a_walk_is_over_every_region_of_every_heap(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    struct pw_image image = pw_image_self();
    uint64_t walked = 0;
    assert_int_equal(pw_image_walk(&image, count_walked, &walked), 0);
    for (uint32_t i = 0; i < 3000; i++)
        (void)pw_heap_alloc(&pw_heaps[i % TEST_HEAPS], i % 50 == 0 ? 100000 : 16000);
    uint64_t blocks = 0;
    for (uint32_t i = 0; i < TEST_HEAPS; i++)
        blocks += check_shape(&pw_heaps[i]).blocks;
    assert_true(blocks > 3000);
    assert_int_equal(pw_image_walk(&image, count_walked, &walked), blocks);
    assert_int_equal(walked, blocks);
}

/* ---- inspection ---- */

static struct pw_block_info inspect(const void *address)
{
    struct pw_image image = pw_image_self();
    struct pw_block_info info;
    assert_true(pw_inspect_address(&image, (uint64_t)address, &info));
    return info;
}

static void a_block_is_known_by_its_size_state_and_family(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        for (uint32_t i = 0; i < PW_ARRAY_SIZE(small_sizes); i++) {
            struct pw_block_info info = inspect(scene.small[i]);
            if (info.state == PW_STATE_LIVE)
                assert_int_equal(info.size, small_sizes[i]);
            assert_true(info.size <= info.block_size);
            assert_int_equal(info.address, (uint64_t)scene.small[i]);
            assert_int_equal(info.has_evidence, level == PW_LEVEL_FULL);
            if (level < PW_LEVEL_FULL || info.state == PW_STATE_FREE)
                continue;
            assert_int_equal(info.alloc_stack, 100 + i);
            if (info.state == PW_STATE_LIVE) /* its alignment is there instead */
                assert_true(info.free_stack == 0 && info.alignment == (uint64_t)1 << (20 + i));
            else
                assert_true(info.free_stack == 20 + i && info.alignment == 0);
            assert_int_equal(info.alloc_thread, 3);
            assert_int_equal(info.free_thread, 4);
            assert_int_equal(info.number, 300 + i);
        }
        assert_int_equal(inspect(scene.small[FREE_B]).state, PW_STATE_FREE);
        if (level == PW_LEVEL_FULL)
            assert_int_equal(inspect(scene.small[FREE_B]).free_stack, 20 + FREE_B);
        assert_int_equal(inspect(scene.mapped[MAPPED_20000]).size, 20000);
        assert_int_equal(inspect(scene.mapped[MAPPED_20000]).flags & PW_HEAP_MAPPED, PW_HEAP_MAPPED);
        assert_int_equal(inspect(scene.other_heap[1]).size, 123456);
        assert_int_equal(inspect(scene.other_heap[1]).heap, 1);
        for (enum pw_family family = PW_FAMILY_MALLOC; family <= PW_FAMILY_NEW_ARRAY; family++) {
            set_state(scene.small[LIVE_96], PW_STATE_LIVE, (uint32_t)family << PW_HEAP_FAMILY_SHIFT,
                      fields_of(scene.small[LIVE_96]).slack);
            assert_int_equal(inspect(scene.small[LIVE_96]).family, family);
        }
    }
}

static void any_address_finds_the_same_block_in_the_image_as_in_the_heap(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_image image = pw_image_self();
    uint64_t random = 31;
    for (int i = 0; i < 200000; i++) {
        uint64_t r = pw_random_next(&random);
        struct pw_region *region = scene.all[r % scene.count].region;
        uint64_t bytes = (uint64_t)region->granules << region->shift;
        uint64_t span = r >> 60 == 0 ? bytes + 2 * PW_PAGE_BYTES : region->shift == PW_GRANULE_SHIFT ? 30000 : 400000;
        uint64_t address = region->base - PW_PAGE_BYTES + (r >> 8) % span;
        struct pw_block block = pw_heap_find(address);
        struct pw_block_info info;
        bool is_found = pw_inspect_address(&image, address, &info);
        CHECK(is_found == (block.region != NULL), "0x%llx", (unsigned long long)address);
        if (is_found) {
            assert_int_equal(info.address, pw_block_address(block));
            assert_true(info.address <= address && address < info.address + info.block_size);
        }
    }
}

static void the_neighbours_are_the_blocks_beside_it_and_none_at_the_ends(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_image image = pw_image_self();
    for (uint32_t i = 0; i < scene.count; i++) {
        struct pw_block_info info = inspect((void *)pw_block_address(scene.all[i])), before, after;
        pw_inspect_neighbours(&image, &info, &before, &after);
        bool has_before = i > 0 && scene.all[i - 1].region == scene.all[i].region;
        bool has_after = i + 1 < scene.count && scene.all[i + 1].region == scene.all[i].region;
        assert_int_equal(before.known, has_before);
        assert_int_equal(after.known, has_after);
        if (has_before)
            assert_int_equal(before.address, pw_block_address(scene.all[i - 1]));
        if (has_after)
            assert_int_equal(after.address, pw_block_address(scene.all[i + 1]));
    }
}

/* ---- verdicts on pointers ---- */

static struct pw_fault verdict_on_free(uint64_t address)
{
    struct pw_image image = pw_image_self();
    struct pw_fault fault = {.kind = PW_KIND_NONE};
    pw_diagnose_free(&image, address, &fault);
    assert_int_equal(fault.address, address);
    return fault;
}

static void assert_verdict(struct pw_fault fault, enum pw_kind kind, const uint8_t *block,
                           enum pw_relation relation, uint64_t offset, bool is_certain)
{
    CHECK(fault.kind == kind, "0x%llx: %s, not %s", (unsigned long long)fault.address,
          pw_kind_name(fault.kind), pw_kind_name(kind));
    CHECK(fault.block.address == (uint64_t)block, "0x%llx", (unsigned long long)fault.address);
    CHECK(fault.relation == relation && fault.offset == offset, "0x%llx: relation %d, offset %llu",
          (unsigned long long)fault.address, (int)fault.relation, (unsigned long long)fault.offset);
    assert_int_equal(fault.is_certain, is_certain);
}

static void a_bad_free_is_told_by_what_the_pointer_points_to(void **state)
{
    (void)state;
    int local;
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        uint8_t *live = scene.small[LIVE_4000], *free_block = scene.small[FREE_B];
        uint64_t p = (uint64_t)live;
        assert_int_equal(verdict_on_free(p).kind, PW_KIND_NONE);
        assert_verdict(verdict_on_free(p + 1), PW_KIND_INTERIOR_FREE, live, PW_RELATION_INSIDE, 1, true);
        assert_verdict(verdict_on_free(p + 64), PW_KIND_INTERIOR_FREE, live, PW_RELATION_INSIDE, 64, true);
        assert_verdict(verdict_on_free(p + 3999), PW_KIND_INTERIOR_FREE, live, PW_RELATION_INSIDE, 3999, true);
        assert_verdict(verdict_on_free(p + 4000), PW_KIND_INTERIOR_FREE, live, PW_RELATION_AFTER, 0, true);
        assert_verdict(verdict_on_free(p + 4007), PW_KIND_INTERIOR_FREE, live, PW_RELATION_AFTER, 7, true);
        static const int dead[] = {QUARANTINED_100, CACHED_50, FREE_B, CACHED_300, RETIRED_40};
        for (size_t i = 0; i < PW_ARRAY_SIZE(dead); i++)
            assert_verdict(verdict_on_free((uint64_t)scene.small[dead[i]]), PW_KIND_DOUBLE_FREE,
                           scene.small[dead[i]], PW_RELATION_INSIDE, 0, true);
        assert_verdict(verdict_on_free((uint64_t)scene.mapped[MAPPED_QUARANTINED]), PW_KIND_DOUBLE_FREE,
                       scene.mapped[MAPPED_QUARANTINED], PW_RELATION_INSIDE, 0, true);
        assert_verdict(verdict_on_free((uint64_t)scene.mapped[MAPPED_50000] + 4096), PW_KIND_INTERIOR_FREE,
                       scene.mapped[MAPPED_50000], PW_RELATION_INSIDE, 4096, true);
        /* A block that was merged may have started there: probably a double free. */
        assert_verdict(verdict_on_free((uint64_t)free_block + 64), PW_KIND_DOUBLE_FREE, free_block,
                       PW_RELATION_INSIDE, 64, false);
        assert_verdict(verdict_on_free((uint64_t)free_block + 72), PW_KIND_INTERIOR_FREE, free_block,
                       PW_RELATION_INSIDE, 72, true);
        static const uint64_t nowhere[] = {1, 16, 0x7fffffffffff, 0x800000000000, 0xffff800000000000, UINT64_MAX};
        for (size_t i = 0; i < PW_ARRAY_SIZE(nowhere); i++)
            assert_verdict(verdict_on_free(nowhere[i]), PW_KIND_BAD_FREE, NULL, PW_RELATION_NONE, 0, true);
        assert_verdict(verdict_on_free((uint64_t)&local), PW_KIND_BAD_FREE, NULL, PW_RELATION_NONE, 0, true);
        assert_null(verdict_on_free((uint64_t)&local).place);
        struct pw_fault edge = verdict_on_free(block_at(live).region->base + 8);
        assert_int_equal(edge.kind, PW_KIND_BAD_FREE);
        assert_string_equal(edge.place, "the edge of a heap region");
        header_of(live)->word ^= 2;
        assert_int_equal(verdict_on_free(p).kind, PW_KIND_HEADER);
        header_of(live)->word ^= 2;
    }
}

static void an_access_is_told_by_the_block_that_it_was_most_likely_meant_for(void **state)
{
    (void)state;
    set_the_scene(PW_LEVEL_FULL);
    struct pw_image image = pw_image_self();
    uint8_t *live = scene.small[LIVE_4000], *next = scene.small[LIVE_10];
    uint8_t *big = scene.mapped[MAPPED_20000];
    uint64_t guard = end_of(big);
    const struct {
        uint64_t address;
        enum pw_kind kind;
        uint8_t *block;
        enum pw_relation relation;
        uint64_t offset;
    } cases[] = {
        {(uint64_t)live, PW_KIND_NONE, live, PW_RELATION_INSIDE, 0},
        {(uint64_t)live + 3999, PW_KIND_NONE, live, PW_RELATION_INSIDE, 3999},
        {(uint64_t)live + 4000, PW_KIND_OVERFLOW, live, PW_RELATION_AFTER, 0},
        {(uint64_t)live + 4016, PW_KIND_OVERFLOW, live, PW_RELATION_AFTER, 16},
        {(uint64_t)next - 1, PW_KIND_UNDERFLOW, next, PW_RELATION_BEFORE, 1},
        {(uint64_t)next - 16, PW_KIND_UNDERFLOW, next, PW_RELATION_BEFORE, 16},
        {(uint64_t)scene.small[QUARANTINED_100] + 5, PW_KIND_USE_AFTER_FREE, scene.small[QUARANTINED_100],
         PW_RELATION_INSIDE, 5},
        {(uint64_t)scene.small[FREE_A], PW_KIND_USE_AFTER_FREE, scene.small[FREE_A], PW_RELATION_INSIDE, 0},
        {guard, PW_KIND_OVERFLOW, big, PW_RELATION_AFTER, guard - ((uint64_t)big + 20000)},
        {guard + 4095, PW_KIND_OVERFLOW, big, PW_RELATION_AFTER, guard + 4095 - ((uint64_t)big + 20000)},
        {1, PW_KIND_NONE, NULL, PW_RELATION_NONE, 0},
        {(uint64_t)&image, PW_KIND_NONE, NULL, PW_RELATION_NONE, 0},
    };
    for (size_t i = 0; i < PW_ARRAY_SIZE(cases); i++) {
        struct pw_fault fault = {.kind = PW_KIND_NONE};
        pw_diagnose_address(&image, cases[i].address, &fault);
        assert_verdict(fault, cases[i].kind, cases[i].block, cases[i].relation, cases[i].offset, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_read_from_outside_is_as_healthy_as_from_inside),
        cmocka_unit_test(an_image_with_holes_is_looked_at_to_its_end),
        cmocka_unit_test(a_root_or_region_table_that_lies_does_no_harm),
        cmocka_unit_test(a_walk_visits_every_block_once_in_address_order_as_the_list_does),
        cmocka_unit_test(a_walk_is_over_every_region_of_every_heap),
        cmocka_unit_test(a_block_is_known_by_its_size_state_and_family),
        cmocka_unit_test(any_address_finds_the_same_block_in_the_image_as_in_the_heap),
        cmocka_unit_test(the_neighbours_are_the_blocks_beside_it_and_none_at_the_ends),
        cmocka_unit_test(a_bad_free_is_told_by_what_the_pointer_points_to),
        cmocka_unit_test(an_access_is_told_by_the_block_that_it_was_most_likely_meant_for),
    };
    (void)alarm(200);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
