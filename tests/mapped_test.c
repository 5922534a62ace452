/* mapped_test.c - blocks on pages of their own (heap/mapped.h): where they lie, guards, reuse, sizes as requested. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "child.h"
#include "mapped_fixture.h"

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
        cmocka_unit_test(the_requested_size_is_noted_sealed_and_bound_to_its_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
