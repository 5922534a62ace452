/* mapped_test.c - blocks on pages of their own (heap/mapped.h): guards, reuse, resizing, merging, giving back. */
#include "heap/page_runs.h"
#include "os/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "child.h"
#include "heap_fixture.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

static struct pw_heap *const heap = &pw_heaps[0];

static void *map(uint64_t bytes)
{
    return pw_heap_map_memory(heap, bytes, PW_PAGE_BYTES);
}

/* The caller writes to the block: it is not known to be zero any more. */
static void use(void *address)
{
    set_state(address, PW_STATE_CACHED, fields_of(address).flags & ~PW_HEAP_ZEROED, 0);
}

static void unmap(void *address)
{
    use(address);
    pw_heap_unmap_memory(address);
}

static uint32_t pages_of(const void *address)
{
    return header_of(address)->size;
}

/* How many blocks and runs a region has. */
static bool count_blocks(void *context, struct pw_block block)
{
    (void)block;
    ++*(uint64_t *)context;
    return true;
}

static uint64_t block_count(void)
{
    uint64_t count = 0;
    pw_heap_list(count_blocks, &count);
    return count;
}

/* ---- place and guards ---- */

static void a_mapped_block_has_room_for_what_was_asked_and_little_more(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    for (uint64_t bytes = 1; bytes < 40 * (uint64_t)MIB; bytes = bytes * 5 / 3 + 1) {
        char *block = map(bytes);
        uint64_t room = pw_mapped_capacity(block_at(block));
        CHECK((uint64_t)block % PW_PAGE_BYTES == 0, "%llu bytes", (unsigned long long)bytes);
        CHECK(room >= bytes && room <= bytes + bytes / 8 + 2 * PW_PAGE_BYTES, "%llu bytes in %llu",
              (unsigned long long)bytes, (unsigned long long)room);
        assert_int_equal(fields_of(block).state, PW_STATE_CACHED);
        assert_int_equal(fields_of(block).flags & (PW_HEAP_MAPPED | PW_HEAP_GUARDED),
                         PW_HEAP_MAPPED | PW_HEAP_GUARDED);
        block[0] = block[bytes - 1] = block[room - 1] = 1;
        unmap(block);
        check_shape(heap);
    }
}

/* However the runs are that are free: cut from one another, of sizes that differ by a page. */
static void an_exact_block_has_less_than_a_page_too_many(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    uint64_t random = 5;
    char *blocks[64] = {NULL};
    for (int step = 0; step < 20000; step++) {
        size_t i = pw_random_next(&random) % 64;
        if (blocks[i] != NULL)
            unmap(blocks[i]);
        uint64_t bytes = 1 + pw_random_next(&random) % (300 * KIB);
        blocks[i] = pw_heap_map_exactly(heap, bytes);
        assert_non_null(blocks[i]);
        uint64_t room = pw_mapped_capacity(block_at(blocks[i]));
        CHECK(room >= bytes && room - bytes < PW_PAGE_BYTES, "step %d: %llu bytes in %llu", step,
              (unsigned long long)bytes, (unsigned long long)room);
        assert_int_equal(fields_of(blocks[i]).flags & PW_HEAP_GUARDED, PW_HEAP_GUARDED);
    }
    check_shape(heap);
}

static void the_pages_before_and_behind_a_block_fault_and_its_own_do_not(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    char *blocks[4];
    for (int i = 0; i < 4; i++)
        blocks[i] = map(100 * KIB);
    unmap(blocks[1]);
    blocks[1] = map(100 * KIB);
    for (int i = 0; i < 4; i++) {
        uint64_t room = pw_mapped_capacity(block_at(blocks[i]));
        assert_int_equal(in_child(write_it, blocks[i]), 0);
        assert_int_equal(in_child(write_it, blocks[i] + room - 1), 0);
        assert_int_equal(in_child(write_it, blocks[i] - 1), -SIGSEGV);
        assert_int_equal(in_child(read_it, blocks[i] - 1), -SIGSEGV);
        assert_int_equal(in_child(write_it, blocks[i] + room), -SIGSEGV);
        assert_int_equal(in_child(read_it, blocks[i] + room + PW_PAGE_BYTES - 1), -SIGSEGV);
    }
}

static void with_moats_so_do_the_first_fresh_pages_behind_that(void **state)
{
    enum { MOAT_PAGES = 16 };
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    pw_mapped_have_moats(true);
    char *one = map(100 * KIB), *next = NULL;
    char *behind = one + pw_mapped_capacity(block_at(one));
    for (uint64_t i = 0; i <= MOAT_PAGES; i++)
        assert_int_equal(in_child(write_it, behind + i * PW_PAGE_BYTES), -SIGSEGV);
    assert_int_equal(in_child(write_it, behind + (MOAT_PAGES + 1) * PW_PAGE_BYTES), 0);
    check_shape(heap);
    struct pw_image image = pw_image_self();
    struct pw_block_info info;
    assert_true(pw_inspect_address(&image, (uint64_t)behind + PW_PAGE_BYTES, &info));
    assert_int_equal(info.state, PW_STATE_FREE);
    assert_int_equal(info.flags & PW_HEAP_MOAT, PW_HEAP_MOAT);
    assert_int_equal(info.family, PW_FAMILY_MALLOC);
    for (uint64_t pages = 1; pages < 3 * MOAT_PAGES; pages++) {
        next = map(pages * PW_PAGE_BYTES);
        make_live(next, pages * PW_PAGE_BYTES);
        memset(next, 1, pages * PW_PAGE_BYTES);
        behind = next + pw_mapped_capacity(block_at(next));
        assert_int_equal(in_child(read_it, behind + 4 * PW_PAGE_BYTES), -SIGSEGV);
        check_shape(heap);
    }
    assert_true(pw_mapped_grow(block_at(next), MIB));
    memset(next, 2, MIB);
    check_shape(heap);
    pw_mapped_have_moats(false);
}

static void so_do_the_ends_of_small_regions_and_of_all_tables(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    void *blocks[2] = {new_block(heap, 100), new_block(heap, 100000)};
    for (int i = 0; i < 2; i++) {
        struct pw_region *region = block_at(blocks[i]).region;
        uint64_t bytes = (uint64_t)region->granules << region->shift;
        uint64_t headers_end = PW_ALIGN_UP(region->headers + region->granules * 16u, PW_PAGE_BYTES);
        uint64_t evidence_end = PW_ALIGN_UP(region->evidence + region->granules * 16u, PW_PAGE_BYTES);
        const uint64_t faulting[] = {
            region->base,         region->base + PW_PAGE_BYTES - 1, region->base + bytes - PW_PAGE_BYTES,
            region->base + bytes - 1,  region->headers - 1,  headers_end, region->evidence - 1, evidence_end,
            region->starts - 1,   region->mapping,   region->mapping + region->mapping_bytes - 1};
        for (size_t k = 0; k < PW_ARRAY_SIZE(faulting); k++)
            CHECK(in_child(write_it, (void *)faulting[k]) == -SIGSEGV, "place %u", (unsigned)k);
        assert_int_equal(in_child(write_it, (void *)(headers_end - 1)), 0);
        assert_int_equal(in_child(write_it, (void *)(evidence_end - 1)), 0);
        assert_true(region->summary > region->starts);
    }
}

static void without_guards_blocks_are_made_and_say_that_they_have_none(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    pw_os_guard_mode(PW_OS_GUARD_NONE);
    char *blocks[8];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 8; i++) {
            blocks[i] = new_block(heap, (uint64_t)(20 + 7 * i) * KIB);
            assert_int_equal(fields_of(blocks[i]).flags & PW_HEAP_GUARDED, 0);
            memset(blocks[i], 0x5a, 20 * KIB);
        }
        check_shape(heap);
        assert_nothing_found("without guards");
        for (int i = 0; i < 8; i++)
            drop_block(blocks[(i * 3) % 8]);
        (void)pw_heap_trim();
        check_shape(heap);
    }
    pw_os_guard_mode(PW_OS_GUARD_AUTO);
    blocks[0] = new_block(heap, 100 * KIB);
    assert_true((fields_of(blocks[0]).flags & PW_HEAP_GUARDED) != 0);
}

static void every_alignment_up_to_64_mib_is_kept(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    static const uint64_t sizes[] = {1, 4096, 4097, 20000, 100000, 3 * MIB};
    for (uint64_t align = PW_PAGE_BYTES; align <= 64 * (uint64_t)MIB; align *= 2)
        for (size_t i = 0; i < PW_ARRAY_SIZE(sizes); i++) {
            void *other = map(sizes[(i + 1) % PW_ARRAY_SIZE(sizes)]);
            char *block = pw_heap_map_memory(heap, sizes[i], align);
            CHECK(block != NULL && (uint64_t)block % align == 0, "%u bytes at %u", (unsigned)sizes[i],
                  (unsigned)align);
            uint64_t room = pw_mapped_capacity(block_at(block));
            CHECK(room >= sizes[i] && room <= sizes[i] + sizes[i] / 8 + 2 * PW_PAGE_BYTES,
                  "%u bytes at %u: %u", (unsigned)sizes[i], (unsigned)align, (unsigned)room);
            use(block);
            block[0] = block[room - 1] = 1;
            check_shape(heap);
            unmap(block);
            unmap(other);
            check_shape(heap);
        }
}

static void sizes_and_alignments_that_no_memory_has_are_refused(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    static const uint64_t sizes[] = {PTRDIFF_MAX,     PTRDIFF_MAX - 4095,    PTRDIFF_MAX - 4096,
                                     (uint64_t)1 << 63, SIZE_MAX,            SIZE_MAX - 4094,
                                     SIZE_MAX - 4095, SIZE_MAX - 4096,       SIZE_MAX - 8191,
                                     SIZE_MAX - 8192, (uint64_t)1 << 47,     (uint64_t)1 << 62};
    for (size_t i = 0; i < PW_ARRAY_SIZE(sizes); i++)
        CHECK(map(sizes[i]) == NULL, "0x%llx bytes", (unsigned long long)sizes[i]);
    for (unsigned shift = 47; shift < 64; shift++)
        CHECK(pw_heap_map_memory(heap, 20000, (uint64_t)1 << shift) == NULL, "an alignment of 1 << %u", shift);
    check_shape(heap);
    assert_int_equal(block_count(), 0);
}

/* ---- reuse ---- */

static void a_freed_block_is_used_again_without_a_system_call(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    unmap(map(20 * KIB));
    static const uint64_t sizes[] = {17 * KIB, 100 * KIB, 129 * KIB, 1 * MIB, 20 * MIB};
    for (size_t i = 0; i < PW_ARRAY_SIZE(sizes); i++) {
        char *first = map(sizes[i]);
        memset(first, 1, 100);
        unmap(first);
        uint64_t calls = pw_os_memory_calls();
        for (int round = 0; round < 100; round++) {
            char *again = map(sizes[i] - (uint64_t)round);
            CHECK(again == first, "%llu bytes", (unsigned long long)sizes[i]);
            assert_int_equal(fields_of(again).flags & PW_HEAP_ZEROED, 0);
            unmap(again);
        }
        CHECK(pw_os_memory_calls() == calls, "%llu bytes: %u calls", (unsigned long long)sizes[i],
              (unsigned)(pw_os_memory_calls() - calls));
    }
}

static void blocks_of_several_sizes_by_turns_settle_without_system_calls(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    enum { COUNT = 12 };
    void *blocks[COUNT];
    uint64_t calls = 0;
    for (int round = 0; round < 20; round++) {
        if (round == 2)
            calls = pw_os_memory_calls();
        for (uint64_t i = 0; i < COUNT; i++)
            blocks[i] = map((i + 1) * 50 * KIB);
        for (uint64_t i = 0; i < COUNT; i++)
            unmap(blocks[i]);
    }
    assert_int_equal(pw_os_memory_calls(), calls);
}

static void what_is_said_to_be_zero_is_zero_and_fresh_pages_are(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    char *block = map(1 * MIB);
    assert_true((fields_of(block).flags & PW_HEAP_ZEROED) != 0);
    assert_true(bytes_are(block, 1 * MIB, 0));
    /* As it was handed out it goes back. */
    pw_heap_unmap_memory(block);
    assert_true((fields_of(map(1 * MIB)).flags & PW_HEAP_ZEROED) != 0);
    memset(block, 1, 1 * MIB);
    unmap(block);
    (void)pw_heap_trim();
    assert_int_equal(heap->dirty_pages, 0);
    block = map(1 * MIB);
    assert_true((fields_of(block).flags & PW_HEAP_ZEROED) != 0);
    assert_true(bytes_are(block, pw_mapped_capacity(block_at(block)), 0));
}

static void free_neighbours_merge_when_nothing_else_fits_and_on_trim(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    enum { COUNT = 63 };
    void *blocks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = map(1 * MIB - 2 * PW_PAGE_BYTES);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, 100);
    }
    for (int i = 0; i < COUNT; i++)
        unmap(blocks[(i * 2) % COUNT]);
    char *large = map(60 * MIB);
    assert_int_equal(heap->regions, 1);
    large[0] = large[60 * MIB - 1] = 1;
    check_shape(heap);
    unmap(large);
    (void)pw_heap_trim();
    assert_int_equal(block_count(), 1);
    check_shape(heap);
}

/* ---- used pages, fresh pages, and runs freed lately ---- */

static void a_churn_of_blocks_stays_on_the_pages_that_it_used_before(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    enum { SLOTS = 32, STEPS = 20000 };
    char *blocks[SLOTS] = {NULL};
    uint64_t random = 11, fresh = 0;
    for (int step = 0; step < STEPS; step++) {
        size_t i = pw_random_next(&random) % SLOTS;
        if (blocks[i] != NULL)
            unmap(blocks[i]);
        blocks[i] = map((uint64_t)16 * KIB << pw_random_next(&random) % 7);
        fresh += (fields_of(blocks[i]).flags & PW_HEAP_ZEROED) != 0 ? pages_of(blocks[i]) : 0;
        use(blocks[i]);
    }
    /* 32 blocks of at most a MiB are live. */
    CHECK(fresh <= 2 * SLOTS * (MIB / PW_PAGE_BYTES), "%llu fresh pages", (unsigned long long)fresh);
    assert_int_equal(heap->regions, 1);
    check_shape(heap);
}

static void what_loses_its_pages_when_freed_takes_fresh_ones_first(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    pw_mapped_keep(128 * KIB);
    unmap(map(1 * MIB));
    assert_true((fields_of(map(132 * KIB)).flags & PW_HEAP_ZEROED) != 0);
    assert_true((fields_of(map(128 * KIB)).flags & PW_HEAP_ZEROED) == 0);
    pw_mapped_keep(UINT64_MAX);
}

static void a_freed_block_stays_what_it_is_until_so_many_others_were_freed(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    enum { COUNT = 2 * PW_RECENT_RUNS + 3 };
    char *blocks[COUNT], *stops[COUNT];
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = map(50 * KIB);
        use(blocks[i]);
        stops[i] = i == 0 ? NULL : map(20 * KIB);
    }
    uint32_t pages = pages_of(blocks[0]);
    for (int i = 0; i < COUNT; i++) {
        unmap(blocks[i]);
        bool is_merged = i > PW_RECENT_RUNS;
        CHECK(pages_of(blocks[0]) == (is_merged ? 2 : 1) * pages, "after %d: %u pages", i, pages_of(blocks[0]));
        check_shape(heap);
    }
    for (int i = 1; i < COUNT; i++)
        unmap(stops[i]);
    (void)pw_heap_trim();
    assert_int_equal(block_count(), 1);
}

static void merge_all(void)
{
    pw_heap_acquire(heap);
    (void)pw_runs_merge_all(heap);
    pw_heap_release(heap);
}

/* A block of level fast is freed: poisoned, and in its bin. */
static void free_at_fast(char *block)
{
    pw_poison_line((uint64_t)block, PW_PAGE_BYTES);
    set_state(block, PW_STATE_CACHED, (fields_of(block).flags & ~PW_HEAP_ZEROED) | PW_HEAP_POISONED, 0);
    pw_heap_unmap_memory(block);
}

static void a_freed_block_that_was_written_to_does_not_merge_away(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    char *first = map(50 * KIB), *second = map(50 * KIB);
    void *stop = map(20 * KIB);
    free_at_fast(first);
    free_at_fast(second);
    uint32_t pages = pages_of(first);
    second[3] ^= 1;
    merge_all();
    assert_int_equal(pages_of(first), pages);
    assert_int_equal(fields_of(second).flags & PW_HEAP_POISONED, PW_HEAP_POISONED);
    second[3] ^= 1;
    merge_all();
    assert_int_equal(pages_of(first), 2 * pages);
    assert_int_equal(fields_of(first).flags & PW_HEAP_POISONED, PW_HEAP_POISONED);
    unmap(stop);
}

static void a_freed_block_that_was_written_to_keeps_its_pages(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    char *block = map(50 * KIB), *other = map(50 * KIB);
    void *stop = map(20 * KIB);
    free_at_fast(block);
    free_at_fast(other);
    block[3] ^= 1;
    char written = block[3];
    assert_int_equal(pw_heap_trim(), (pages_of(other) - 1) * PW_PAGE_BYTES);
    assert_int_equal(block[3], written);
    assert_int_equal(fields_of(block).flags & (PW_HEAP_POISONED | PW_HEAP_ZEROED), PW_HEAP_POISONED);
    check_shape(heap);
    block[3] ^= 1;
    assert_true(pw_heap_trim() > 0);
    assert_int_equal(fields_of(block).flags & (PW_HEAP_POISONED | PW_HEAP_ZEROED), PW_HEAP_ZEROED);
    unmap(stop);
}

static void a_region_with_a_freed_block_that_was_written_to_is_not_given_back(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    char *block = map(50 * KIB);
    free_at_fast(block);
    block[3] ^= 1;
    assert_int_equal(pw_heap_give_regions_back(), 0);
    check_shape(heap);
    block[3] ^= 1;
    assert_true(pw_heap_give_regions_back() != 0);
    assert_int_equal(heap->regions, 0);
    check_shape(heap);
}

enum { CHURNED = 300 };
static char *churned[CHURNED];

static void map_churned(void)
{
    start_heaps(PW_LEVEL_OFF);
    for (int i = 0; i < CHURNED; i++) {
        churned[i] = map(1 * MIB);
        use(churned[i]);
        memset(churned[i], 1, 1);
    }
}

/* 64 MiB, or half of what is live. */
static uint64_t dirty_limit_pages(void)
{
    uint64_t share = heap->live_pages / 2;
    return share > 64 * MIB / PW_PAGE_BYTES ? share : 64 * MIB / PW_PAGE_BYTES;
}

static void beyond_the_limit_dirty_pages_are_given_back_to_half_of_it(void **state)
{
    (void)state;
    map_churned();
    uint32_t purges = 0;
    for (int i = 0; i < CHURNED; i++) {
        heap->purged_at_ns = 0; /* long ago */
        uint64_t before = heap->dirty_pages;
        unmap(churned[i]);
        assert_true(heap->dirty_pages <= dirty_limit_pages());
        if (heap->dirty_pages >= before)
            continue;
        assert_true(heap->dirty_pages <= dirty_limit_pages() / 2 && before + 300 > dirty_limit_pages());
        purges++;
    }
    assert_true(purges >= 2);
    uint64_t resident = 0;
    for (int i = 0; i < CHURNED; i++)
        resident += is_resident(churned[i]);
    assert_true(resident > 0 && resident <= 64);
    check_shape(heap);
}

static void soon_after_it_takes_twice_the_limit_to_give_back_again(void **state)
{
    (void)state;
    map_churned();
    uint32_t purges = 0, put_off = 0;
    for (int i = 0; i < CHURNED; i++) {
        uint64_t now = pw_os_time_ns(), before = heap->dirty_pages;
        heap->purged_at_ns = now;
        unmap(churned[i]);
        bool is_soon = pw_os_time_ns() - now < 250 * 1000 * 1000;
        assert_true(heap->dirty_pages <= 2 * dirty_limit_pages());
        if (heap->dirty_pages < before) {
            CHECK(!is_soon || before + 300 > 2 * dirty_limit_pages(), "block %d: %u pages", i, (unsigned)before);
            purges++;
        }
        put_off += is_soon && heap->dirty_pages > dirty_limit_pages();
    }
    assert_true(purges > 0 && put_off > 10);
    check_shape(heap);
}

static void a_region_of_more_than_a_gib_is_given_back_when_it_is_empty(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    char *usual = new_block(heap, 100 * KIB);
    for (int round = 0; round < 2; round++) {
        char *huge = map((uint64_t)3 << 29);
        assert_non_null(huge);
        use(huge);
        huge[0] = huge[((uint64_t)3 << 29) - 1] = 1;
        assert_int_equal(heap->regions, 2);
        char *inside = map(20 * MIB);
        assert_ptr_equal(block_at(inside).region, block_at(huge).region);
        unmap(huge);
        assert_true(pw_os_is_readable(huge, 1));
        unmap(inside);
        check_shape(heap);
        assert_false(pw_os_is_readable(huge, 1));
        assert_null(pw_heap_find((uint64_t)huge).region);
    }
    drop_block(usual);
    check_shape(heap);
}

static void a_region_of_more_than_a_gib_stays_with_a_freed_block_that_was_written_to(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    char *usual = map(50 * MIB), *huge = map((uint64_t)3 << 29), *last = map(20 * MIB);
    free_at_fast(huge);
    char *block = map(40 * MIB);
    assert_ptr_equal(block, huge);
    assert_ptr_equal(block_at(last).region, block_at(block).region);
    free_at_fast(block);
    block[3] ^= 1;
    free_at_fast(last);
    assert_true(pw_os_is_readable(block, 1));
    block[3] ^= 1;
    last = map((uint64_t)3 << 29);
    free_at_fast(last);
    assert_false(pw_os_is_readable(block, 1));
    unmap(usual);
    check_shape(heap);
}

/* ---- resizing ---- */

static void a_block_grows_over_the_free_pages_behind_it_and_keeps_its_contents(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    char *block = map(100 * KIB);
    make_live(block, 100 * KIB);
    memset(block, 7, 100 * KIB);
    for (uint64_t bytes = 110 * KIB; bytes < 30 * MIB; bytes += bytes / 2) {
        uint64_t old_room = pw_mapped_capacity(block_at(block));
        CHECK(pw_mapped_grow(block_at(block), bytes), "to %llu bytes", (unsigned long long)bytes);
        uint64_t room = pw_mapped_capacity(block_at(block));
        CHECK(room >= bytes && room <= bytes + 3 * PW_PAGE_BYTES, "to %llu bytes: %llu",
              (unsigned long long)bytes, (unsigned long long)room);
        assert_int_equal(fields_of(block).state, PW_STATE_LIVE);
        assert_true((fields_of(block).flags & PW_HEAP_GUARDED) != 0);
        assert_int_equal(fields_of(block).flags & PW_HEAP_ZEROED, 0);
        assert_true(bytes_are(block, 100 * KIB, 7));
        assert_true(bytes_are(block + old_room, room - old_room, 0));
        block[room - 1] = 0;
        assert_int_equal(in_child(write_it, block + room), -SIGSEGV);
        check_shape(heap);
    }
    unmap(block);
    check_shape(heap);
}

static void growing_by_a_page_takes_a_page_or_two_and_not_all_that_is_free(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    char *block = map(100 * KIB);
    make_live(block, 100 * KIB);
    for (int i = 0; i < 20; i++) {
        uint64_t room = pw_mapped_capacity(block_at(block));
        assert_true(pw_mapped_grow(block_at(block), room + 1));
        uint64_t grown = pw_mapped_capacity(block_at(block));
        CHECK(grown > room && grown <= room + 2 * PW_PAGE_BYTES, "from %llu to %llu bytes",
              (unsigned long long)room, (unsigned long long)grown);
        check_shape(heap);
    }
}

static void growing_to_what_it_has_already_changes_nothing(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    char *block = map(100 * KIB);
    make_live(block, 100 * KIB);
    uint32_t pages = pages_of(block);
    assert_true(pw_mapped_grow(block_at(block), 100 * KIB));
    assert_int_equal(pages_of(block), pages);
    assert_true(pw_mapped_grow(block_at(block), 1));
    assert_int_equal(pages_of(block), pages);
    check_shape(heap);
}

static void a_block_does_not_grow_into_one_that_is_taken_nor_past_its_region(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    char *block = map(100 * KIB), *next = map(100 * KIB), *third = map(100 * KIB);
    make_live(block, 100 * KIB);
    uint32_t pages = pages_of(block);
    assert_false(pw_mapped_grow(block_at(block), 120 * KIB));
    unmap(next);
    assert_false(pw_mapped_grow(block_at(block), 400 * KIB));
    assert_int_equal(pages_of(block), pages);
    assert_true((fields_of(block).flags & PW_HEAP_GUARDED) != 0);
    assert_true(pw_mapped_grow(block_at(block), 200 * KIB));
    assert_ptr_equal(block + ((uint64_t)pages_of(block) << PW_PAGE_SHIFT), third);
    check_shape(heap);
    make_live(third, 100 * KIB);
    assert_false(pw_mapped_grow(block_at(third), 64 * MIB));
    check_shape(heap);
    unmap(block);
    unmap(third);
}

static void a_block_does_not_grow_over_a_freed_one_that_was_written_to(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    char *block = map(100 * KIB), *next = map(100 * KIB), *stop = map(100 * KIB);
    make_live(block, 99 * KIB);
    free_at_fast(next);
    uint32_t pages = pages_of(block);
    next[3] ^= 1;
    assert_false(pw_mapped_grow(block_at(block), 120 * KIB));
    assert_int_equal(pages_of(block), pages);
    assert_int_equal(fields_of(next).flags & PW_HEAP_POISONED, PW_HEAP_POISONED);
    check_shape(heap);
    next[3] ^= 1;
    assert_true(pw_mapped_grow(block_at(block), 120 * KIB));
    check_shape(heap);
    unmap(block);
    unmap(stop);
}

static void growing_to_every_number_of_pages_keeps_the_heap_sound(void **state)
{
    (void)state;
    for (uint64_t behind = 2; behind < 12; behind++)
        for (uint64_t more = 1; more <= behind + 2; more++) {
            start_heaps(PW_LEVEL_OFF);
            char *block = map(16 * PW_PAGE_BYTES), *next = map((behind - 1) * PW_PAGE_BYTES);
            void *stop = map(16 * PW_PAGE_BYTES);
            make_live(block, 100);
            memset(block, 3, 16 * PW_PAGE_BYTES);
            assert_int_equal(pages_of(next), behind);
            unmap(next);
            bool grown = pw_mapped_grow(block_at(block), (16 + more) * PW_PAGE_BYTES);
            CHECK(grown == (more <= behind), "%u pages of %u", (unsigned)more, (unsigned)behind);
            CHECK(pages_of(block) >= 17 + (grown ? more : 0), "%u pages of %u", (unsigned)more,
                  (unsigned)behind);
            assert_true(bytes_are(block, 16 * PW_PAGE_BYTES, 3));
            block[pw_mapped_capacity(block_at(block)) - 1] = 1;
            check_shape(heap);
            unmap(block);
            unmap(stop);
            check_shape(heap);
        }
}

static void a_block_shrinks_to_what_it_needs_and_the_rest_is_used_again(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    char *block = map(10 * MIB), *stop = map(1 * MIB);
    make_live(block, 10 * MIB);
    memset(block, 9, 10 * MIB);
    for (uint64_t bytes = 9 * MIB; bytes > 0; bytes = bytes * 2 / 3) {
        pw_mapped_shrink(block_at(block), bytes);
        uint64_t room = pw_mapped_capacity(block_at(block));
        CHECK(room >= bytes && room <= bytes + 2 * PW_PAGE_BYTES, "to %llu bytes: %llu",
              (unsigned long long)bytes, (unsigned long long)room);
        assert_true((fields_of(block).flags & PW_HEAP_GUARDED) != 0);
        assert_true(bytes_are(block, bytes, 9));
        assert_int_equal(in_child(write_it, block + room), -SIGSEGV);
        check_shape(heap);
    }
    assert_true(pages_of(block) <= 3);
    pw_heap_acquire(heap);
    assert_true(pw_runs_merge_all(heap));
    pw_heap_release(heap);
    char *inside = map(5 * MIB);
    assert_true(inside > block && inside < stop);
    /* What comes after it was the program's: it isn't said to be zero. */
    assert_int_equal(fields_of(inside).flags & PW_HEAP_ZEROED, 0);
    check_shape(heap);
}

/* ---- sizes as requested ---- */

static void the_requested_size_is_noted_sealed_and_bound_to_its_block(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    char *block = new_block(heap, 123456);
    struct pw_extension *extension = pw_block_extension(block_at(block));
    assert_ptr_equal(extension, header_of(block) + 1);
    assert_int_equal(extension->requested, 123456);
    assert_int_equal(extension->check, pw_extension_check(pw_root.seal_key, (uint64_t)block, 123456));
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t flipped = (uint64_t)1 << bit;
        assert_true(pw_extension_check(pw_root.seal_key, (uint64_t)block, 123456 ^ flipped) != extension->check);
        assert_true(pw_extension_check(pw_root.seal_key, (uint64_t)block ^ flipped, 123456) != extension->check);
        assert_true(pw_extension_check(pw_root.seal_key ^ flipped, (uint64_t)block, 123456) != extension->check);
    }
}

/* ---- a shadow model ---- */

struct shadow {
    uint8_t *address;
    uint64_t bytes;
    uint8_t value;
};

static void mark(const struct shadow *live)
{
    memset(live->address, live->value, 64);
    memset(live->address + live->bytes - 64, live->value, 64);
}

static void check_marks(const struct shadow *live, uint64_t seed, uint64_t step)
{
    CHECK(bytes_are(live->address, 64, live->value) &&
              bytes_are(live->address + live->bytes - 64, 64, live->value),
          "seed %u step %u: a block of %llu bytes changed", (unsigned)seed, (unsigned)step,
          (unsigned long long)live->bytes);
}

/* Change the size of a block in place, or don't. */
static void resize(struct shadow *live, uint64_t bytes, uint64_t seed, uint64_t step)
{
    struct pw_block block = block_at(live->address);
    if (bytes > pw_mapped_capacity(block) && !pw_mapped_grow(block, bytes))
        return;
    if (bytes < live->bytes)
        pw_mapped_shrink(block, bytes);
    CHECK(pw_mapped_capacity(block) >= bytes, "seed %u step %u: %llu bytes", (unsigned)seed,
          (unsigned)step, (unsigned long long)bytes);
    live->bytes = bytes;
    mark(live);
}

static uint64_t any_size(uint64_t *random)
{
    uint64_t r = pw_random_next(random);
    return 128 + (r >> 8) % ((uint64_t)KIB << r % 13);
}

static void run_mapped_shadow(uint64_t seed, uint64_t steps)
{
    enum { MOST = 120 };
    struct shadow live[MOST];
    uint64_t random = seed, count = 0;
    for (uint64_t step = 0; step < steps; step++) {
        uint64_t what = pw_random_next(&random) % 8;
        if (pw_random_next(&random) % MOST >= count) {
            uint64_t bytes = any_size(&random);
            uint64_t align = what == 0 ? PW_PAGE_BYTES << pw_random_next(&random) % 9 : PW_PAGE_BYTES;
            live[count] = (struct shadow){pw_heap_map_memory(heap, bytes, align), bytes, (uint8_t)(1 + step % 255)};
            CHECK(live[count].address != NULL && (uint64_t)live[count].address % align == 0,
                  "seed %u step %u: %llu bytes at %llu", (unsigned)seed, (unsigned)step,
                  (unsigned long long)bytes, (unsigned long long)align);
            if ((fields_of(live[count].address).flags & PW_HEAP_ZEROED) != 0)
                check_zeroed(block_at(live[count].address));
            set_state(live[count].address, PW_STATE_LIVE,
                      fields_of(live[count].address).flags & ~PW_HEAP_ZEROED, 0);
            mark(&live[count++]);
        } else if (count > 0) {
            uint64_t which = pw_random_next(&random) % count;
            check_marks(&live[which], seed, step);
            if (what < 3) {
                resize(&live[which], any_size(&random), seed, step);
                continue;
            }
            unmap(live[which].address);
            live[which] = live[--count];
        }
        if (step % 2500 == 1200)
            (void)pw_heap_trim();
        if (step % 2500 == 2499)
            check_shape(heap);
    }
    for (uint64_t i = 0; i < count; i++) {
        check_marks(&live[i], seed, steps);
        unmap(live[i].address);
    }
}

static void after_random_operations_nothing_overlaps_and_trim_merges_all(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++)
        for (enum pw_os_guard_mode mode = PW_OS_GUARD_AUTO; mode <= PW_OS_GUARD_NONE; mode++) {
            start_heaps(PW_LEVEL_OFF);
            pw_mapped_have_moats(seed == 2);
            pw_os_guard_mode(mode);
            run_mapped_shadow(seed, 10000);
            check_shape(heap);
            (void)pw_heap_trim();
            struct shape shape = check_shape(heap);
            CHECK(shape.blocks == shape.regions, "seed %u, mode %u: %u runs in %u regions", (unsigned)seed,
                  (unsigned)mode, (unsigned)shape.blocks, (unsigned)shape.regions);
            assert_int_equal(shape.dirty_pages, 0);
        }
    pw_mapped_have_moats(false);
}

/* ---- no memory ---- */

/* Everything that makes system calls; the number of things that it could not have. */
static uint32_t run_everything(void)
{
    enum { COUNT = 24 };
    char *blocks[COUNT];
    uint32_t missing = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        blocks[i] = new_block(heap, (i + 5) * 4 * KIB);
        missing += blocks[i] == NULL;
    }
    for (uint64_t i = 0; i < COUNT; i += 2)
        if (blocks[i] != NULL) {
            drop_block(blocks[i]);
            blocks[i] = NULL;
        }
    for (uint64_t i = 1; i < COUNT; i += 4) {
        if (blocks[i] == NULL)
            continue;
        struct pw_block block = block_at(blocks[i]);
        mark_pending(blocks[i]);
        uint64_t bytes = i % 8 == 1 ? (i + 9) * 4 * KIB : i * 2 * KIB;
        if (bytes > pw_mapped_capacity(block) && !pw_mapped_grow(block, bytes + 4096))
            bytes = 1;
        pw_mapped_shrink(block, bytes);
        make_live(blocks[i], bytes);
    }
    char *aligned = pw_heap_map_memory(heap, 100 * KIB, 1 * MIB);
    char *large = map(70 * MIB);
    missing += aligned == NULL;
    missing += large == NULL;
    if (aligned != NULL)
        pw_heap_unmap_memory(aligned);
    (void)pw_heap_trim();
    if (large != NULL)
        pw_heap_unmap_memory(large);
    for (uint64_t i = 0; i < COUNT; i++)
        if (blocks[i] != NULL)
            drop_block(blocks[i]);
    (void)pw_heap_trim();
    return missing;
}

static void all_is_merged(const struct shape *shape)
{
    assert_int_equal(shape->blocks, shape->regions);
}

static void whichever_system_call_fails_nothing_is_lost_and_the_heap_is_sound(void **state)
{
    (void)state;
    assert_true(fail_each_call(heap, run_everything, all_is_merged) > 5);
}

static void so_it_is_with_moats(void **state)
{
    (void)state;
    pw_mapped_have_moats(true);
    assert_true(fail_each_call(heap, run_everything, all_is_merged) > 5);
    pw_mapped_have_moats(false);
}

static int allocate_with_little_address_space(void *context)
{
    (void)context;
    /* Room for one more region of 64 MiB and not for the 128 MiB that would come next. */
    struct rlimit limit = {.rlim_cur = 0};
    char line[256];
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fgets(line, sizeof line, file) == NULL)
        return 2;
    limit.rlim_cur = limit.rlim_max = strtoul(line, NULL, 10) * 4096 + 80 * (uint64_t)MIB;
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return 3;
    if (map(200 * MIB) != NULL)
        return 4;
    if (map(40 * MIB) == NULL)
        return 5;
    return 0;
}

static void where_address_space_is_short_a_smaller_region_will_do(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    /* The next region would have 128 MiB. */
    assert_non_null(map(60 * MIB));
    assert_int_equal(in_child(allocate_with_little_address_space, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mapped_block_has_room_for_what_was_asked_and_little_more),
        cmocka_unit_test(an_exact_block_has_less_than_a_page_too_many),
        cmocka_unit_test(the_pages_before_and_behind_a_block_fault_and_its_own_do_not),
        cmocka_unit_test(with_moats_so_do_the_first_fresh_pages_behind_that),
        cmocka_unit_test(so_do_the_ends_of_small_regions_and_of_all_tables),
        cmocka_unit_test(without_guards_blocks_are_made_and_say_that_they_have_none),
        cmocka_unit_test(every_alignment_up_to_64_mib_is_kept),
        cmocka_unit_test(sizes_and_alignments_that_no_memory_has_are_refused),
        cmocka_unit_test(a_freed_block_is_used_again_without_a_system_call),
        cmocka_unit_test(blocks_of_several_sizes_by_turns_settle_without_system_calls),
        cmocka_unit_test(what_is_said_to_be_zero_is_zero_and_fresh_pages_are),
        cmocka_unit_test(free_neighbours_merge_when_nothing_else_fits_and_on_trim),
        cmocka_unit_test(a_churn_of_blocks_stays_on_the_pages_that_it_used_before),
        cmocka_unit_test(what_loses_its_pages_when_freed_takes_fresh_ones_first),
        cmocka_unit_test(a_freed_block_stays_what_it_is_until_so_many_others_were_freed),
        cmocka_unit_test(a_freed_block_that_was_written_to_does_not_merge_away),
        cmocka_unit_test(a_freed_block_that_was_written_to_keeps_its_pages),
        cmocka_unit_test(a_region_with_a_freed_block_that_was_written_to_is_not_given_back),
        cmocka_unit_test(beyond_the_limit_dirty_pages_are_given_back_to_half_of_it),
        cmocka_unit_test(soon_after_it_takes_twice_the_limit_to_give_back_again),
        cmocka_unit_test(a_region_of_more_than_a_gib_is_given_back_when_it_is_empty),
        cmocka_unit_test(a_region_of_more_than_a_gib_stays_with_a_freed_block_that_was_written_to),
        cmocka_unit_test(a_block_grows_over_the_free_pages_behind_it_and_keeps_its_contents),
        cmocka_unit_test(growing_by_a_page_takes_a_page_or_two_and_not_all_that_is_free),
        cmocka_unit_test(growing_to_what_it_has_already_changes_nothing),
        cmocka_unit_test(a_block_does_not_grow_into_one_that_is_taken_nor_past_its_region),
        cmocka_unit_test(a_block_does_not_grow_over_a_freed_one_that_was_written_to),
        cmocka_unit_test(growing_to_every_number_of_pages_keeps_the_heap_sound),
        cmocka_unit_test(a_block_shrinks_to_what_it_needs_and_the_rest_is_used_again),
        cmocka_unit_test(the_requested_size_is_noted_sealed_and_bound_to_its_block),
        cmocka_unit_test(after_random_operations_nothing_overlaps_and_trim_merges_all),
        cmocka_unit_test(whichever_system_call_fails_nothing_is_lost_and_the_heap_is_sound),
        cmocka_unit_test(so_it_is_with_moats),
        cmocka_unit_test(where_address_space_is_short_a_smaller_region_will_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
