/* heap_test.c - the core heap (heap/heap.h): names kept, bins, cutting and merging, taking and giving. */
#include "heap/bins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "child.h"
#include "heap_fixture.h"

/* ---- names kept ---- */

_Static_assert(PW_HEAP_ALIGNMENT == 64, "as it was");
_Static_assert(PW_HEAP_HEADER_MAGIC == 0xDEADBEEF, "as it was");
_Static_assert(PW_HEAP_LARGE_ALLOC_THRESHOLD == 4 * 4096, "four pages");
_Static_assert(PW_HEAP_NUM_BINS == 256, "as it was");
_Static_assert(PW_HEAP_MAPPED != 0 && PW_HEAP_ZEROED != 0 && (PW_HEAP_MAPPED & PW_HEAP_ZEROED) == 0, "flags");

static void every_name_of_the_old_heap_exists_and_takes_what_it_took(void **state)
{
    (void)state;
    bool (*init)(uint32_t, const struct pw_heap_hooks *) = pw_heap_init;
    void (*acquire)(struct pw_heap *) = pw_heap_acquire;
    void (*release)(struct pw_heap *) = pw_heap_release;
    uint32_t (*get_bin_index)(uint64_t) = pw_heap_get_bin_index;
    struct pw_block (*block_new)(struct pw_heap *) = pw_heap_block_new;
    void (*block_split)(struct pw_heap *, struct pw_block, uint32_t) = pw_heap_block_split;
    void (*add)(struct pw_heap *, struct pw_block) = pw_heap_add_to_free_list;
    void (*remove_from)(struct pw_heap *, struct pw_block) = pw_heap_remove_from_free_list;
    void *(*alloc)(struct pw_heap *, uint64_t) = pw_heap_alloc;
    void (*give)(void *) = pw_heap_free;
    void *(*map)(struct pw_heap *, uint64_t, uint64_t) = pw_heap_map_memory;
    void (*unmap)(void *) = pw_heap_unmap_memory;
    void (*list)(bool (*)(void *, struct pw_block), void *) = pw_heap_list;
    assert_true(init && acquire && release && get_bin_index && block_new && block_split && add &&
                remove_from && alloc && give && map && unmap && list);
}

static void allocated_is_the_bit_of_every_state_in_which_a_block_is_the_programs(void **state)
{
    (void)state;
    assert_true((PW_STATE_LIVE & PW_HEAP_ALLOCATED) != 0);
    assert_true((PW_STATE_PENDING & PW_HEAP_ALLOCATED) != 0);
    assert_true((PW_STATE_FREE & PW_HEAP_ALLOCATED) == 0);
    assert_true((PW_STATE_CACHED & PW_HEAP_ALLOCATED) == 0);
    assert_true((PW_STATE_QUARANTINED & PW_HEAP_ALLOCATED) == 0);
    assert_true((PW_STATE_RETIRED & PW_HEAP_ALLOCATED) == 0);
}

static void the_lock_is_taken_tried_and_given(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    pw_heap_acquire(&pw_heaps[0]);
    assert_false(pw_heap_try_acquire(&pw_heaps[0]));
    assert_true(pw_heap_try_acquire(&pw_heaps[1]));
    pw_heap_release(&pw_heaps[1]);
    pw_heap_release(&pw_heaps[0]);
    assert_true(pw_heap_try_acquire(&pw_heaps[0]));
    pw_heap_release(&pw_heaps[0]);
}

/* ---- bins ---- */

static void the_bin_of_a_size_is_right_at_every_edge(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 1000; n++)
        CHECK(pw_heap_get_bin_index(n * 64) == (n <= 256 ? n - 1 : 255), "%u granules", (unsigned)n);
    assert_int_equal(pw_heap_get_bin_index(64), 0);
    assert_int_equal(pw_heap_get_bin_index(PW_HEAP_LARGE_ALLOC_THRESHOLD - 64), 254);
    assert_int_equal(pw_heap_get_bin_index(PW_HEAP_LARGE_ALLOC_THRESHOLD), 255);
    assert_int_equal(pw_heap_get_bin_index(PW_HEAP_LARGE_ALLOC_THRESHOLD + 64), 255);
    assert_int_equal(pw_heap_get_bin_index(PTRDIFF_MAX - 63), 255);
    assert_int_equal(pw_heap_get_bin_index(UINT64_MAX - 63), 255);
}

static void a_new_region_is_one_free_zeroed_block_in_the_last_bin(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        start_heaps(level);
        struct pw_heap *heap = &pw_heaps[0];
        pw_heap_acquire(heap);
        struct pw_block block = pw_heap_block_new(heap);
        struct pw_block found = pw_bins_find(heap, 1);
        pw_heap_release(heap);
        assert_non_null(block.region);
        assert_ptr_equal(found.region, block.region);
        assert_int_equal(found.granule, block.granule);
        assert_int_equal(block.granule, block.region->first);
        assert_int_equal(pw_block_header(block)->size, block.region->limit - block.region->first);
        assert_int_equal(pw_header_fields(pw_block_header(block)).state, PW_STATE_FREE);
        assert_int_equal(pw_header_fields(pw_block_header(block)).flags, PW_HEAP_ZEROED);
        assert_true(pw_bit_test(heap->image.bin_bitmap, PW_HEAP_NUM_BINS - 1));
        struct shape shape = check_shape(heap);
        assert_int_equal(shape.blocks, 1);
        assert_int_equal(shape.regions, 1);
    }
}

static void a_split_leaves_the_first_part_and_puts_the_rest_into_its_bin(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    struct pw_heap *heap = &pw_heaps[0];
    pw_heap_acquire(heap);
    struct pw_block block = pw_heap_block_new(heap);
    uint32_t whole = pw_block_header(block)->size;
    pw_heap_remove_from_free_list(heap, block);
    assert_null(pw_bins_find(heap, 1).region);
    pw_heap_block_split(heap, block, whole - 7);
    struct pw_block rest = pw_bins_find(heap, 1);
    assert_int_equal(rest.granule, block.granule + whole - 7);
    assert_int_equal(pw_block_header(rest)->size, 7);
    assert_int_equal(pw_block_header(rest)->prev, whole - 7);
    assert_true(pw_bit_test(heap->image.bin_bitmap, 7 * PW_GRANULE_BYTES / 64 - 1));
    pw_heap_block_split(heap, block, 3);
    assert_int_equal(pw_block_header(block)->size, 3);
    assert_int_equal(pw_block_header(rest)->prev, whole - 10);
    assert_int_equal(pw_block_previous(pw_block_next(block)).granule, block.granule);
    pw_heap_add_to_free_list(heap, block);
    assert_true(pw_bit_test(heap->image.bin_bitmap, 3 * PW_GRANULE_BYTES / 64 - 1));
    pw_heap_remove_from_free_list(heap, block);
    assert_false(pw_bit_test(heap->image.bin_bitmap, 3 * PW_GRANULE_BYTES / 64 - 1));
    pw_heap_add_to_free_list(heap, pw_heap_block_merge(heap, block));
    pw_heap_remove_from_free_list(heap, rest);
    pw_heap_add_to_free_list(heap, pw_heap_block_merge(heap, rest));
    pw_heap_release(heap);
    assert_int_equal(check_shape(heap).blocks, 1);
    assert_int_equal(pw_block_header(block)->size, whole);
}

/* FREE blocks of `granules` each, side by side and unmerged, in no bin. */
static struct pw_block cut_row(struct pw_heap *heap, uint32_t granules, uint32_t count)
{
    struct pw_block first = pw_heap_block_new(heap);
    pw_heap_remove_from_free_list(heap, first);
    struct pw_block at = first;
    for (uint32_t i = 0; i < count; i++) {
        pw_heap_block_split(heap, at, granules);
        at = pw_block_next(at);
        pw_heap_remove_from_free_list(heap, at);
    }
    pw_heap_add_to_free_list(heap, at);
    return first;
}

static struct pw_block nth(struct pw_block first, uint32_t granules, uint32_t i)
{
    return (struct pw_block){first.region, first.granule + i * granules};
}

static void a_bin_gives_the_newest_first_and_any_of_its_blocks_can_leave(void **state)
{
    (void)state;
    enum { COUNT = 9, GRANULES = 5 };
    for (uint32_t leaves = 0; leaves < COUNT; leaves++) {
        start_heaps(PW_LEVEL_OFF);
        struct pw_heap *heap = &pw_heaps[0];
        pw_heap_acquire(heap);
        struct pw_block first = cut_row(heap, GRANULES, COUNT);
        for (uint32_t i = 0; i < COUNT; i++)
            pw_heap_add_to_free_list(heap, nth(first, GRANULES, i));
        pw_heap_remove_from_free_list(heap, nth(first, GRANULES, leaves));
        assert_int_equal(count_bin(heap, pw_heap_get_bin_index(GRANULES * PW_GRANULE_BYTES)), COUNT - 1);
        for (uint32_t i = COUNT; i-- > 0;) {
            if (i == leaves)
                continue;
            struct pw_block found = pw_bins_find(heap, GRANULES);
            CHECK(found.granule == nth(first, GRANULES, i).granule, "block %u of %u, without %u", i,
                  (unsigned)COUNT, leaves);
            pw_heap_remove_from_free_list(heap, found);
            assert_int_equal(pw_bit_test(heap->image.bin_bitmap, pw_heap_get_bin_index(GRANULES * PW_GRANULE_BYTES)),
                             i > (leaves == 0 ? 1u : 0u));
        }
        pw_heap_release(heap);
    }
}

static void the_smallest_bin_that_fits_serves_and_used_memory_goes_before_fresh(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    struct pw_heap *heap = &pw_heaps[0];
    void *blocks[5];
    static const uint32_t sizes[] = {3, 1, 10, 1, PW_GRANULE_SIZES};
    for (int i = 0; i < 5; i++)
        assert_int_equal(pw_heap_take(heap, sizes[i], 1, &blocks[i]), 1);
    for (int i = 0; i < 5; i++)
        set_state(blocks[i], PW_STATE_CACHED, 0, 0);
    pw_heap_give(&blocks[0], 1);
    pw_heap_give(&blocks[2], 1);
    pw_heap_give(&blocks[4], 1);
    void *got;
    assert_int_equal(pw_heap_take(heap, 2, 1, &got), 1);
    assert_ptr_equal(got, blocks[0]);
    assert_int_equal(pw_heap_take(heap, 1, 1, &got), 1);
    assert_ptr_equal(got, (char *)blocks[0] + 2 * PW_GRANULE_BYTES);
    assert_int_equal(pw_heap_take(heap, 4, 1, &got), 1);
    assert_ptr_equal(got, blocks[2]);
    assert_int_equal(pw_heap_take(heap, PW_GRANULE_SIZES - 3, 1, &got), 1);
    assert_ptr_equal(got, blocks[4]);
    check_shape(heap);
}

struct insertion {
    struct pw_heap *heap;
    struct pw_block block;
};

static int insert_with_the_rest_out_of_reach(void *context)
{
    struct insertion *insertion = context;
    /* All evidence (and so all links) but that of the newest page can't be touched. */
    uint64_t last = (uint64_t)pw_region_evidence(insertion->block.region, insertion->block.granule);
    uint64_t from = PW_ALIGN_UP(insertion->block.region->evidence, PW_PAGE_BYTES);
    uint64_t to = PW_ALIGN_DOWN(last, PW_PAGE_BYTES);
    if (to - from < 8 * PW_PAGE_BYTES || mprotect((void *)from, to - from, PROT_NONE) != 0)
        return 1;
    pw_heap_add_to_free_list(insertion->heap, insertion->block);
    return 0;
}

static void insertion_touches_the_head_of_its_bin_and_no_other_block(void **state)
{
    (void)state;
    enum { COUNT = 4096 };
    start_heaps(PW_LEVEL_OFF);
    struct insertion insertion = {.heap = &pw_heaps[0]};
    pw_heap_acquire(insertion.heap);
    struct pw_block first = cut_row(insertion.heap, 1, COUNT);
    for (uint32_t i = 0; i + 1 < COUNT; i++)
        pw_heap_add_to_free_list(insertion.heap, nth(first, 1, i));
    insertion.block = nth(first, 1, COUNT - 1);
    assert_int_equal(in_child(insert_with_the_rest_out_of_reach, &insertion), 0);
    pw_heap_release(insertion.heap);
}

/* ---- taking and giving ---- */

static void a_refill_is_one_run_of_equal_blocks_in_address_order(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    for (uint32_t granules = 1; granules <= PW_GRANULE_SIZES; granules += granules < 8 ? 1 : 31) {
        void *blocks[64];
        assert_int_equal(pw_heap_take(&pw_heaps[0], granules, 64, blocks), 64);
        for (uint32_t i = 0; i < 64; i++) {
            CHECK((char *)blocks[i] == (char *)blocks[0] + i * granules * PW_GRANULE_BYTES, "%u granules", granules);
            assert_int_equal(header_of(blocks[i])->size, granules);
            assert_int_equal(fields_of(blocks[i]).state, PW_STATE_CACHED);
            assert_int_equal((uint64_t)blocks[i] % PW_HEAP_ALIGNMENT, 0);
        }
        check_shape(&pw_heaps[0]);
        pw_heap_give(blocks, 64);
        assert_int_equal(check_shape(&pw_heaps[0]).blocks, 1);
    }
}

static void a_refill_stops_short_of_a_new_region_and_only_an_empty_one_makes_it(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    enum { GRANULES = PW_HEAP_LARGE_ALLOC_THRESHOLD >> PW_GRANULE_SHIFT, MOST = 4096 };
    static void *blocks[MOST];
    uint32_t in_region = ((PW_SLOT_BYTES >> PW_GRANULE_SHIFT) - 3 * (PW_PAGE_BYTES >> PW_GRANULE_SHIFT)) / GRANULES;
    assert_int_equal(pw_heap_take(&pw_heaps[0], GRANULES, MOST, blocks), in_region);
    assert_int_equal(check_shape(&pw_heaps[0]).regions, 1);
    void *one;
    assert_int_equal(pw_heap_take(&pw_heaps[0], GRANULES, 1, &one), 1);
    assert_int_equal(check_shape(&pw_heaps[0]).regions, 2);
    pw_heap_give(&one, 1);
    pw_heap_give(blocks, in_region);
    struct shape shape = check_shape(&pw_heaps[0]);
    assert_int_equal(shape.blocks, 2);
}

static void every_alignment_gives_every_size_exactly_and_wastes_nothing(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level += 2)
        for (uint64_t align = 64; align <= PW_HEAP_LARGE_ALLOC_THRESHOLD; align *= 2) {
            start_heaps(level);
            void *blocks[256];
            uint32_t count = 0;
            for (uint32_t granules = 1; granules <= PW_GRANULE_SIZES; granules += granules < 20 ? 1 : 13) {
                void *block = pw_heap_take_aligned(&pw_heaps[0], granules, align);
                CHECK(block != NULL && (uint64_t)block % align == 0, "%u granules at %u: %p", granules,
                      (unsigned)align, block);
                CHECK(header_of(block)->size == granules, "%u granules at %u: %u", granules,
                      (unsigned)align, header_of(block)->size);
                assert_int_equal(fields_of(block).state, PW_STATE_CACHED);
                blocks[count++] = block;
            }
            struct shape shape = check_shape(&pw_heaps[0]);
            assert_int_equal(shape.regions, 1);
            pw_heap_give(blocks, count);
            assert_int_equal(check_shape(&pw_heaps[0]).blocks, 1);
        }
}

static void blocks_go_back_to_the_heap_that_they_came_from(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    enum { COUNT = 30 };
    void *blocks[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(pw_heap_take(&pw_heaps[i % 3], 4, 1, &blocks[i]), 1);
        assert_int_equal(block_at(blocks[i]).region->heap, i % 3);
    }
    pw_heap_give(blocks, COUNT);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(check_shape(&pw_heaps[i]).blocks, 1);
}

static void sizes_that_no_memory_has_are_refused_and_change_nothing(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    static const uint64_t sizes[] = {PTRDIFF_MAX,      (uint64_t)PTRDIFF_MAX + 1, SIZE_MAX,
                                     SIZE_MAX - 15,    SIZE_MAX - 63,             SIZE_MAX - 64,
                                     SIZE_MAX - 4095,  SIZE_MAX - 4096,           SIZE_MAX - 8192,
                                     PTRDIFF_MAX - 15, PTRDIFF_MAX - 4096,        (uint64_t)1 << 62,
                                     (uint64_t)1 << 48};
    for (size_t i = 0; i < PW_ARRAY_SIZE(sizes); i++)
        CHECK(pw_heap_alloc(&pw_heaps[0], sizes[i]) == NULL, "0x%llx bytes", (unsigned long long)sizes[i]);
    assert_int_equal(check_shape(&pw_heaps[0]).blocks, 0);
}

static void nothing_is_asked_for_and_a_block_of_its_own_is_given(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    void *one = pw_heap_alloc(&pw_heaps[0], 0), *other = pw_heap_alloc(&pw_heaps[0], 0);
    assert_true(one != NULL && other != NULL && one != other);
    assert_int_equal(header_of(one)->size, 1);
    pw_heap_free(one);
    pw_heap_free(other);
    struct shape shape = check_shape(&pw_heaps[0]);
    assert_int_equal(shape.blocks, 1 + shape.seams);
}

static void up_to_the_threshold_blocks_are_small_and_above_mapped(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    for (int64_t over = -65; over <= 65; over++) {
        void *block = pw_heap_alloc(&pw_heaps[0], (uint64_t)((int64_t)PW_HEAP_LARGE_ALLOC_THRESHOLD + over));
        CHECK(is_mapped(block) == (over > 0), "%d bytes over the threshold", (int)over);
        CHECK(((fields_of(block).flags & PW_HEAP_MAPPED) != 0) == (over > 0), "%d bytes over", (int)over);
        pw_heap_free(block);
    }
    check_shape(&pw_heaps[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_of_the_old_heap_exists_and_takes_what_it_took),
        cmocka_unit_test(allocated_is_the_bit_of_every_state_in_which_a_block_is_the_programs),
        cmocka_unit_test(the_lock_is_taken_tried_and_given),
        cmocka_unit_test(the_bin_of_a_size_is_right_at_every_edge),
        cmocka_unit_test(a_new_region_is_one_free_zeroed_block_in_the_last_bin),
        cmocka_unit_test(a_split_leaves_the_first_part_and_puts_the_rest_into_its_bin),
        cmocka_unit_test(a_bin_gives_the_newest_first_and_any_of_its_blocks_can_leave),
        cmocka_unit_test(the_smallest_bin_that_fits_serves_and_used_memory_goes_before_fresh),
        cmocka_unit_test(insertion_touches_the_head_of_its_bin_and_no_other_block),
        cmocka_unit_test(a_refill_is_one_run_of_equal_blocks_in_address_order),
        cmocka_unit_test(a_refill_stops_short_of_a_new_region_and_only_an_empty_one_makes_it),
        cmocka_unit_test(every_alignment_gives_every_size_exactly_and_wastes_nothing),
        cmocka_unit_test(blocks_go_back_to_the_heap_that_they_came_from),
        cmocka_unit_test(sizes_that_no_memory_has_are_refused_and_change_nothing),
        cmocka_unit_test(nothing_is_asked_for_and_a_block_of_its_own_is_given),
        cmocka_unit_test(up_to_the_threshold_blocks_are_small_and_above_mapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
