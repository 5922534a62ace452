/* heap_test.c - the core heap (heap/heap.h): names kept, bins, cutting and merging, finding, giving back. */
#include "heap/bins.h"
#include "heap/page_runs.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

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

/* ---- a shadow model ---- */

struct shadow {
    uint8_t *address;
    uint32_t bytes;
    uint8_t value;
};

static void check_contents(const struct shadow *live, uint64_t seed, uint64_t step)
{
    CHECK(bytes_are(live->address, live->bytes, live->value),
          "seed %llu step %llu: a block of %u bytes changed", (unsigned long long)seed,
          (unsigned long long)step, live->bytes);
}

static void *take_for_shadow(struct pw_heap *heap, uint64_t *random, uint32_t bytes)
{
    if (pw_random_next(random) % 8 != 0)
        return pw_heap_alloc(heap, bytes);
    uint64_t align = (uint64_t)64 << pw_random_next(random) % 9;
    uint8_t *block = pw_heap_take_aligned(heap, pw_granules_of(bytes), align);
    CHECK((uint64_t)block % align == 0, "%u bytes at %u", bytes, (unsigned)align);
    return block;
}

static int by_address(const void *left, const void *right)
{
    const struct shadow *a = left, *b = right;
    return a->address < b->address ? -1 : a->address > b->address;
}

struct listing {
    const struct shadow *live;
    uint32_t count, seen;
    uint64_t last;
};

static bool compare_listed(void *context, struct pw_block block)
{
    struct listing *listing = context;
    assert_true(pw_block_address(block) > listing->last);
    listing->last = pw_block_address(block);
    if (pw_header_fields(pw_block_header(block)).state != PW_STATE_CACHED)
        return true;
    assert_true(listing->seen < listing->count);
    assert_int_equal(pw_block_address(block), (uint64_t)listing->live[listing->seen].address);
    assert_true(pw_block_end(block) - pw_block_address(block) >= listing->live[listing->seen].bytes);
    listing->seen++;
    return true;
}

/* The heap's list and the shadow say the same: every live block once, in address order, none overlapping. */
static void compare_with_list(struct shadow *live, uint32_t count)
{
    qsort(live, count, sizeof *live, by_address);
    for (uint32_t i = 0; i + 1 < count; i++)
        assert_true(live[i].address + live[i].bytes <= live[i + 1].address);
    struct listing listing = {.live = live, .count = count};
    pw_heap_list(compare_listed, &listing);
    assert_int_equal(listing.seen, count);
}

static void run_shadow(uint64_t seed, uint32_t most_live, uint32_t most_bytes, uint64_t steps)
{
    static struct shadow live[8192];
    uint32_t count = 0;
    uint64_t random = seed;
    struct pw_heap *heap = &pw_heaps[0];
    for (uint64_t step = 0; step < steps; step++) {
        bool grows = pw_random_next(&random) % most_live >= count;
        if (grows) {
            uint32_t bytes = (uint32_t)(pw_random_next(&random) % most_bytes);
            if (pw_random_next(&random) % 2 == 0)
                bytes %= 512;
            uint8_t *address = take_for_shadow(heap, &random, bytes + 1);
            live[count] = (struct shadow){address, bytes + 1, (uint8_t)pw_random_next(&random)};
            CHECK(address != NULL && (uint64_t)address % 64 == 0, "seed %llu step %llu: %u bytes",
                  (unsigned long long)seed, (unsigned long long)step, bytes + 1);
            set_state(address, PW_STATE_CACHED, fields_of(address).flags & ~PW_HEAP_ZEROED, 0);
            memset(address, live[count].value, bytes + 1);
            count++;
        } else if (count > 0) {
            uint32_t which = (uint32_t)(pw_random_next(&random) % count);
            check_contents(&live[which], seed, step);
            pw_heap_free(live[which].address);
            live[which] = live[--count];
        }
        if (step % (steps / 8) == steps / 8 - 1) {
            check_shape(heap);
            compare_with_list(live, count);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        check_contents(&live[i], seed, steps);
        pw_heap_free(live[i].address);
    }
}

static void after_100000_random_operations_nothing_overlaps_and_all_merges_again(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        start_heaps(PW_LEVEL_OFF);
        run_shadow(seed, seed == 3 ? 8000 : 500, PW_HEAP_LARGE_ALLOC_THRESHOLD, seed == 3 ? 40000 : 100000);
        struct shape shape = check_shape(&pw_heaps[0]);
        CHECK(shape.blocks == shape.regions + shape.seams, "seed %u: %u blocks in %u regions, %u seams",
              (unsigned)seed, (unsigned)shape.blocks, (unsigned)shape.regions, (unsigned)shape.seams);
        assert_int_equal(shape.free_small, shape.blocks);
    }
}

/* Front's way with blocks: some come back as they were handed out, some used and poisoned. */
static void run_zeroed(enum pw_level level, uint64_t seed)
{
    enum { MOST = 300, STEPS = 8000 };
    void *blocks[MOST];
    uint32_t count = 0;
    uint64_t random = seed;
    start_heaps(level);
    for (uint64_t step = 0; step < STEPS; step++) {
        if (pw_random_next(&random) % MOST >= count) {
            uint32_t granules = 1 + (uint32_t)(pw_random_next(&random) % 256);
            void *block = NULL;
            (void)pw_heap_take(&pw_heaps[0], granules, 1, &block);
            if (pw_random_next(&random) % 2 == 0) {
                make_live(block, 1);
                memset(block, 0xa5, (size_t)granules * PW_GRANULE_BYTES - pw_zone_bytes(&pw_root, (uint64_t)granules * PW_GRANULE_BYTES));
                make_live(block, 1);
            }
            blocks[count++] = block;
        } else if (count > 0) {
            uint32_t which = (uint32_t)(pw_random_next(&random) % count);
            if (fields_of(blocks[which]).state == PW_STATE_LIVE)
                make_dead(blocks[which], PW_STATE_CACHED);
            pw_heap_give(&blocks[which], 1);
            blocks[which] = blocks[--count];
        }
        if (step % 1000 == 500)
            (void)pw_heap_trim();
        if (step % 1000 == 999) {
            check_shape(&pw_heaps[0]);
            assert_nothing_found("among ZEROED and used blocks");
        }
    }
}

static void what_is_said_to_be_zero_is_zero_after_every_cut_merge_and_purge(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++)
        run_zeroed(level, 40 + (uint64_t)level);
}

static void what_came_back_from_the_user_is_not_said_to_be_zero(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    static const uint64_t sizes[] = {1, 64, 5000, PW_HEAP_LARGE_ALLOC_THRESHOLD, 100000};
    for (size_t i = 0; i < PW_ARRAY_SIZE(sizes); i++) {
        void *block = pw_heap_alloc(&pw_heaps[0], sizes[i]);
        assert_true((fields_of(block).flags & PW_HEAP_ZEROED) != 0);
        memset(block, 0xff, sizes[i]);
        pw_heap_free(block);
        check_shape(&pw_heaps[0]);
        void *again = pw_heap_alloc(&pw_heaps[0], sizes[i]);
        assert_ptr_equal(again, block);
        CHECK((fields_of(again).flags & PW_HEAP_ZEROED) == 0, "%llu bytes", (unsigned long long)sizes[i]);
        set_state(again, PW_STATE_CACHED, fields_of(again).flags & (PW_HEAP_MAPPED | PW_HEAP_GUARDED), 0);
        pw_heap_free(again);
        stop_heaps();
        start_heaps(PW_LEVEL_OFF);
    }
}

/* ---- list ---- */

static bool count_listed(void *context, struct pw_block block)
{
    (void)block;
    return --*(int *)context > 0;
}

static void the_list_goes_over_small_and_mapped_blocks_and_stops_when_told(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    struct shadow live[40];
    for (uint32_t i = 0; i < 40; i++) {
        live[i].bytes = i % 2 == 0 ? 100 * (i + 1) : 20000 * (i + 1);
        live[i].address = pw_heap_alloc(&pw_heaps[i % 3], live[i].bytes);
    }
    compare_with_list(live, 40);
    int left = 5;
    pw_heap_list(count_listed, &left);
    assert_int_equal(left, 0);
    for (uint32_t i = 0; i < TEST_HEAPS; i++)
        assert_false(pw_lock_is_held(&pw_heap_gates[i].lock));
}

/* ---- address to block ---- */

static void assert_found(const void *at, const void *block)
{
    struct pw_block found = pw_heap_find((uint64_t)at);
    CHECK(found.region != NULL && pw_block_address(found) == (uint64_t)block, "%p of %p", at, block);
}

static void assert_in_none(uint64_t address)
{
    CHECK(pw_heap_find(address).region == NULL, "0x%llx", (unsigned long long)address);
}

static void any_address_in_a_block_finds_it_whatever_its_state(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    for (uint64_t size = 0; size < 1000000; size = size * 3 / 2 + 1) {
        char *block = new_block(&pw_heaps[0], size);
        uint64_t whole = (uint64_t)header_of(block)->size << block_at(block).region->shift;
        for (int pass = 0; pass < 3; pass++) {
            for (uint64_t at = 0; at < whole; at += 1 + whole / 97)
                assert_found(block + at, block);
            assert_found(block + whole - 1, block);
            assert_true(pw_heap_find((uint64_t)block + whole).granule != block_at(block).granule);
            assert_true(pw_heap_find((uint64_t)block - 1).granule != block_at(block).granule);
            if (pass == 0)
                make_dead(block, PW_STATE_QUARANTINED);
            else
                set_state(block, PW_STATE_CACHED, fields_of(block).flags & ~PW_HEAP_POISONED, 0);
        }
        if (size % 2 == 0)
            is_mapped(block) ? pw_heap_unmap_memory(block) : pw_heap_give((void *[]){block}, 1);
    }
}

static int global;

static void addresses_in_no_block_find_none(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    char *small = new_block(&pw_heaps[0], 100), *big = new_block(&pw_heaps[0], 100000);
    int local;
    for (int pass = 0; pass < 2; pass++) {
        struct pw_region *region = block_at(pass == 0 ? small : big).region;
        uint64_t end = region->base + ((uint64_t)region->granules << region->shift);
        assert_in_none(region->base);
        assert_in_none(region->base + PW_PAGE_BYTES - 1);
        assert_in_none(pw_region_address(region, region->first) - 1);
        assert_in_none(pw_region_address(region, region->limit));
        assert_in_none(end - 1);
        assert_in_none(region->headers);
        assert_in_none(region->evidence);
        assert_in_none(region->starts);
        assert_non_null(pw_heap_find(pw_region_address(region, region->first)).region);
        assert_non_null(pw_heap_find(pw_region_address(region, region->limit) - 1).region);
    }
    assert_in_none(0);
    assert_in_none(1);
    assert_in_none(63);
    assert_in_none((uint64_t)&local);
    assert_in_none((uint64_t)&global);
    assert_in_none((uint64_t)&pw_root);
    assert_in_none((uint64_t)pw_page_map);
    assert_in_none((uint64_t)&addresses_in_no_block_find_none);
    assert_in_none(((uint64_t)1 << 47) - 1);
    assert_in_none((uint64_t)1 << 47);
    assert_in_none(0xffff800000000000);
    assert_in_none((uint64_t)small | 0xffff000000000000);
    assert_in_none((uint64_t)small | (uint64_t)1 << 47);
    assert_in_none(UINT64_MAX);
    assert_in_none(0xefefefefefefefef);
    for (unsigned bit = 0; bit < 64; bit++)
        if (bit >= PW_SLOT_SHIFT)
            assert_true(pw_heap_find((uint64_t)small ^ (uint64_t)1 << bit).granule !=
                            block_at(small).granule ||
                        pw_heap_find((uint64_t)small ^ (uint64_t)1 << bit).region != block_at(small).region);
}

static void no_memory_is_read_to_find_a_block(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    char *block = pw_heap_alloc(&pw_heaps[0], 3 * PW_PAGE_BYTES);
    struct pw_region *region = block_at(block).region;
    uint64_t bytes = (uint64_t)region->granules << region->shift;
    assert_int_equal(mprotect((void *)region->base, bytes, PROT_NONE), 0);
    assert_found(block + PW_PAGE_BYTES, block);
    assert_int_equal(mprotect((void *)region->base, bytes, PROT_READ | PROT_WRITE), 0);
}

/* ---- trim ---- */

static void trim_gives_dirty_free_memory_back_and_says_it_is_zero(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        enum { COUNT = 500 };
        start_heaps(level);
        void *blocks[COUNT + 1];
        for (uint32_t i = 0; i <= COUNT; i++)
            blocks[i] = new_block(&pw_heaps[0], 8000);
        for (uint32_t i = 0; i < COUNT; i++) {
            memset(blocks[i], 0xa5, 8000);
            drop_block(blocks[i]);
        }
        uint64_t given = pw_heap_trim();
        CHECK(given >= COUNT * 8000 - 4 * PW_PAGE_BYTES, "level %u: %llu bytes", (unsigned)level,
              (unsigned long long)given);
        struct shape shape = check_shape(&pw_heaps[0]);
        assert_true(shape.blocks <= 5);
        assert_nothing_found("after trim");
        assert_int_equal(pw_heap_trim(), 0);
        assert_true(bytes_are(blocks[COUNT / 2], 4096 - 64, 0));
        for (uint32_t i = 0; i < COUNT; i++)
            blocks[i] = new_block(&pw_heaps[0], 8000);
        assert_int_equal(check_shape(&pw_heaps[0]).regions, 1);
        assert_nothing_found("after using trimmed memory");
    }
}

static void a_free_block_on_a_page_boundary_is_trimmed_too(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    char *block = pw_heap_take_aligned(&pw_heaps[0], 256, PW_PAGE_BYTES);
    char *rest = NULL;
    assert_int_equal(pw_heap_take(&pw_heaps[0], 256, 1, (void **)&rest), 1);
    for (uint32_t i = 0; i < 6; i++) {
        void *more = NULL;
        assert_int_equal(pw_heap_take(&pw_heaps[0], 256, 1, &more), 1);
        make_live(more, 100);
        drop_block(more);
    }
    make_live(block, 100);
    make_live(rest, 100);
    drop_block(rest);
    drop_block(block);
    assert_true(pw_heap_trim() >= PW_HEAP_LARGE_ALLOC_THRESHOLD);
    check_shape(&pw_heaps[0]);
    assert_nothing_found("after trim");
}

static void a_trim_that_the_system_refuses_leaves_the_heap_as_it_was(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    enum { COUNT = 40 };
    void *blocks[COUNT];
    for (uint32_t i = 0; i < COUNT; i++)
        blocks[i] = new_block(&pw_heaps[0], 8000);
    for (uint32_t i = 0; i + 1 < COUNT; i++)
        drop_block(blocks[i]);
    uint64_t before = check_shape(&pw_heaps[0]).blocks;
    pw_os_fail_next(1, 1);
    uint64_t given = pw_heap_trim();
    pw_os_fail_next(0, 0);
    assert_int_equal(given, 0);
    assert_int_equal(check_shape(&pw_heaps[0]).blocks, before);
    assert_nothing_found("after a trim that failed");
}

/* ---- what a heap that keeps little gives back by itself ---- */

enum { LITTLE_BLOCKS = 800, LITTLE_SIZE = 12000 }; /* 9 MiB */

static void take_and_drop(void **blocks)
{
    for (uint32_t i = 0; i < LITTLE_BLOCKS; i++) {
        blocks[i] = new_block(&pw_heaps[0], LITTLE_SIZE);
        memset(blocks[i], 0xa5, LITTLE_SIZE);
    }
    for (uint32_t i = 0; i < LITTLE_BLOCKS; i++) {
        pw_heaps[0].small_purged_at_ns = 0; /* long ago */
        drop_block(blocks[i]);
    }
}

static void free_small_blocks_beyond_the_limit_lose_their_pages(void **state)
{
    (void)state;
    struct pw_heap_limits usual = pw_heap_limits;
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        static void *blocks[LITTLE_BLOCKS];
        for (uint32_t keeps_little = 0; keeps_little <= 1; keeps_little++) {
            start_heaps(level);
            pw_heap_limits = usual;
            if (keeps_little)
                pw_heap_keep_little();
            take_and_drop(blocks);
            uint64_t resident = 0;
            for (uint32_t i = 0; i < LITTLE_BLOCKS; i++)
                resident += is_resident((char *)blocks[i] + LITTLE_SIZE / 2);
            struct shape shape = check_shape(&pw_heaps[0]);
            if (keeps_little)
                CHECK(shape.dirty_small <= pw_heap_limits.dirty_small_bytes && resident < LITTLE_BLOCKS / 4,
                      "level %u: %u of them are resident", (unsigned)level, (unsigned)resident);
            else
                assert_int_equal(resident, LITTLE_BLOCKS);
            assert_nothing_found("after pages were given back");
            take_and_drop(blocks);
            assert_int_equal(check_shape(&pw_heaps[0]).regions, 1);
            assert_nothing_found("after they were used again");
        }
    }
    pw_heap_limits = usual;
}

static void pages_that_somebody_wrote_to_since_they_were_freed_are_not_given_back(void **state)
{
    static void *blocks[LITTLE_BLOCKS];
    (void)state;
    struct pw_heap_limits usual = pw_heap_limits;
    start_heaps(PW_LEVEL_FULL);
    take_and_drop(blocks); /* nothing is given back yet */
    pw_heap_keep_little();
    char *damaged = (char *)blocks[LITTLE_BLOCKS / 2] + LITTLE_SIZE / 2;
    *damaged ^= 1;
    void *last = new_block(&pw_heaps[0], LITTLE_SIZE);
    for (uint32_t i = 0; i < 2 * LITTLE_BLOCKS; i++) {
        pw_heaps[0].small_purged_at_ns = 0;
        drop_block(last);
        last = new_block(&pw_heaps[0], LITTLE_SIZE);
    }
    assert_int_equal((uint8_t)*damaged, TEST_FILL ^ 1);
    struct findings *findings = validate();
    assert_int_equal(findings->count, 1);
    assert_int_equal(findings->faults[0].damage.start, (uint64_t)damaged);
    pw_heap_limits = usual;
}

static void it_is_done_seldom_unless_there_is_far_too_much(void **state)
{
    static void *blocks[LITTLE_BLOCKS];
    (void)state;
    struct pw_heap_limits usual = pw_heap_limits;
    start_heaps(PW_LEVEL_FULL);
    pw_heap_limits = (struct pw_heap_limits){.purge_interval_ns = UINT64_MAX, .dirty_small_bytes = 1 << 20,
                                             .overdue_small_bytes = 4 << 20, .dirty_pages = UINT64_MAX};
    for (uint32_t i = 0; i < LITTLE_BLOCKS; i++)
        blocks[i] = new_block(&pw_heaps[0], LITTLE_SIZE);
    uint64_t most = 0;
    for (uint32_t i = 0; i < LITTLE_BLOCKS; i++) {
        drop_block(blocks[i]);
        if (pw_heaps[0].dirty_small_bytes > most)
            most = pw_heaps[0].dirty_small_bytes;
    }
    assert_in_range(most, (4 << 20) - 16384, (4 << 20) + 16384);
    assert_true(pw_heaps[0].dirty_small_bytes < 4 << 20);
    pw_heap_limits = usual;
}

/* ---- instances ---- */

static void an_instance_is_nobody_elses_and_gives_all_back_when_it_closes(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    struct pw_heap *opened[PW_MAX_HEAPS];
    uint32_t count = 0;
    while ((opened[count] = pw_heap_open()) != NULL)
        count++;
    assert_int_equal(count, PW_MAX_HEAPS - TEST_HEAPS);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t other = 0; other < i; other++)
            assert_ptr_not_equal(opened[i], opened[other]);
    char *kept = new_block(opened[1], 1000);
    for (int round = 0; round < 3; round++) {
        char *small = new_block(opened[0], 1000), *big = new_block(opened[0], 1000000);
        struct pw_region small_region = *block_at(small).region, big_region = *block_at(big).region;
        pw_heap_close(opened[0]);
        assert_in_none((uint64_t)small);
        assert_in_none((uint64_t)big);
        assert_false(pw_os_is_readable(small, 1));
        assert_false(pw_os_is_readable(big, 1));
        assert_false(pw_os_is_readable((void *)small_region.headers, 1));
        assert_false(pw_os_is_readable((void *)big_region.evidence, 1));
        check_shape(opened[0]);
        assert_ptr_equal(pw_heap_open(), opened[0]);
        assert_int_equal(pw_root.region_count, 4);
    }
    assert_found(kept, kept);
    check_shape(opened[1]);
    for (uint32_t i = 0; i < count; i++)
        pw_heap_close(opened[i]);
    assert_nothing_found("after the instances were closed");
}

/* ---- fork and threads ---- */

static int allocate_in_child(void *context)
{
    (void)context;
    pw_heap_after_fork(true);
    void *block = pw_heap_alloc(&pw_heaps[0], 100);
    void *big = pw_heap_alloc(&pw_heaps[1], 100000);
    if (block == NULL || big == NULL)
        return 1;
    pw_heap_free(block);
    pw_heap_free(big);
    return 0;
}

static void around_fork_every_lock_is_held_and_afterwards_none(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    pw_heap_before_fork();
    for (uint32_t i = 0; i < PW_MAX_HEAPS; i++)
        assert_true(pw_lock_is_held(&pw_heap_gates[i].lock));
    assert_int_equal(in_child(allocate_in_child, NULL), 0);
    pw_heap_after_fork(false);
    for (uint32_t i = 0; i < PW_MAX_HEAPS; i++)
        assert_false(pw_lock_is_held(&pw_heap_gates[i].lock));
    pw_heap_free(pw_heap_alloc(&pw_heaps[0], 1));
}

enum { EXCHANGED = 64, THREADS = 2, THREAD_STEPS = 30000 };
static _Atomic(void *) exchange[EXCHANGED];

/* Take blocks and give those of whoever put them there. */
static void *exchange_blocks(void *context)
{
    uint64_t random = (uint64_t)context;
    for (int step = 0; step < THREAD_STEPS; step++) {
        uint64_t r = pw_random_next(&random);
        uint64_t bytes = r % 64 == 0 ? 20000 + r % 50000 : 1 + r % 2000;
        uint64_t *block = pw_heap_alloc(&pw_heaps[r / 256 % 2], bytes);
        ENSURE(block != NULL);
        block[0] = r;
        uint64_t *old = atomic_exchange(&exchange[r / 1024 % EXCHANGED], block);
        if (old != NULL)
            pw_heap_free(old);
    }
    return NULL;
}

static void threads_that_free_each_others_blocks_leave_sound_heaps(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, exchange_blocks, (void *)(i + 7)), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    check_shape(&pw_heaps[0]);
    check_shape(&pw_heaps[1]);
    for (uint32_t i = 0; i < EXCHANGED; i++) {
        void *block = atomic_exchange(&exchange[i], NULL);
        if (block != NULL)
            pw_heap_free(block);
    }
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(check_shape(&pw_heaps[i]).live_pages, 0);
}

/* ---- no memory ---- */

/* A workload that maps regions; the number of blocks that it could not have. */
static uint32_t run_until_two_regions(struct pw_heap *heap)
{
    enum { COUNT = 9 };
    static void *blocks[COUNT][256];
    uint32_t missing = 0, counts[COUNT];
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t want = 256;
        counts[i] = 0;
        while (counts[i] < want) {
            uint32_t got = pw_heap_take(heap, 256, want - counts[i], &blocks[i][counts[i]]);
            counts[i] += got;
            if (got == 0)
                break;
        }
        missing += want - counts[i];
        if (pw_heap_take_aligned(heap, 1, 4096) == NULL)
            missing++;
    }
    for (uint32_t i = 0; i < COUNT; i++)
        pw_heap_give(blocks[i], counts[i]);
    return missing;
}

static void whichever_call_for_memory_fails_null_is_given_and_nothing_is_lost(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    uint64_t before = pw_os_memory_calls();
    assert_int_equal(run_until_two_regions(&pw_heaps[0]), 0);
    uint64_t calls = pw_os_memory_calls() - before;
    assert_true(calls > 5);
    uint32_t failed = 0;
    for (uint64_t n = 1; n <= calls; n++)
        for (uint64_t every = 0; every < 2; every++) {
            start_heaps(PW_LEVEL_FULL);
            pw_os_fail_next(n, every);
            uint32_t missing = run_until_two_regions(&pw_heaps[0]);
            failed += missing > 0;
            pw_os_fail_next(0, 0);
            check_shape(&pw_heaps[0]);
            assert_nothing_found("after a call for memory failed");
            uint32_t again = run_until_two_regions(&pw_heaps[0]);
            CHECK(again == 0, "call %u, then every %u", (unsigned)n, (unsigned)every);
            check_shape(&pw_heaps[0]);
        }
    assert_true(failed > 5);
}

static void heaps_that_get_no_tables_are_not_made(void **state)
{
    (void)state;
    stop_heaps();
    pw_os_fail_next(1, 1);
    assert_false(pw_heap_init(1, NULL));
    pw_os_fail_next(0, 0);
    start_heaps(PW_LEVEL_OFF);
    pw_heap_free(pw_heap_alloc(&pw_heaps[0], 1));
}

/* What start-up reserves for the first slab region is a convenience: that region can also do it itself. */
static void heaps_are_made_where_the_first_reservation_is_refused(void **state)
{
    (void)state;
    void *block = NULL;
    stop_heaps();
    pw_os_fail_next(1, 0);
    start_heaps(PW_LEVEL_OFF);
    pw_os_fail_next(0, 0);
    assert_int_equal(pw_slab_take(&pw_heaps[0], pw_class_for(64), 1, &block), 1);
    assert_non_null(block);
    pw_heap_give(&block, 1);
}

static void what_is_mapped_beside_the_tables_is_zero_and_apart_and_there_is_always_more(void **state)
{
    (void)state;
    enum { PIECES = 200, BYTES = 3 * 4096 - 100 };
    static uint64_t *pieces[PIECES];
    stop_heaps();
    start_heaps(PW_LEVEL_OFF);
    for (uint64_t i = 0; i < PIECES; i++) {
        pieces[i] = pw_regions_map_beside(BYTES);
        assert_non_null(pieces[i]);
        assert_int_equal((uint64_t)pieces[i] % PW_PAGE_BYTES, 0);
        for (size_t word = 0; word < BYTES / 8; word++) {
            CHECK(pieces[i][word] == 0, "piece %u, word %u", (unsigned)i, (unsigned)word);
            pieces[i][word] = i + 1;
        }
    }
    for (uint64_t i = 0; i < PIECES; i++)
        for (size_t word = 0; word < BYTES / 8; word++)
            CHECK(pieces[i][word] == i + 1, "piece %u, word %u", (unsigned)i, (unsigned)word);
    pw_heap_free(pw_heap_alloc(&pw_heaps[0], 1));
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
        cmocka_unit_test(after_100000_random_operations_nothing_overlaps_and_all_merges_again),
        cmocka_unit_test(what_is_said_to_be_zero_is_zero_after_every_cut_merge_and_purge),
        cmocka_unit_test(what_came_back_from_the_user_is_not_said_to_be_zero),
        cmocka_unit_test(the_list_goes_over_small_and_mapped_blocks_and_stops_when_told),
        cmocka_unit_test(any_address_in_a_block_finds_it_whatever_its_state),
        cmocka_unit_test(addresses_in_no_block_find_none),
        cmocka_unit_test(no_memory_is_read_to_find_a_block),
        cmocka_unit_test(trim_gives_dirty_free_memory_back_and_says_it_is_zero),
        cmocka_unit_test(a_free_block_on_a_page_boundary_is_trimmed_too),
        cmocka_unit_test(a_trim_that_the_system_refuses_leaves_the_heap_as_it_was),
        cmocka_unit_test(free_small_blocks_beyond_the_limit_lose_their_pages),
        cmocka_unit_test(pages_that_somebody_wrote_to_since_they_were_freed_are_not_given_back),
        cmocka_unit_test(it_is_done_seldom_unless_there_is_far_too_much),
        cmocka_unit_test(an_instance_is_nobody_elses_and_gives_all_back_when_it_closes),
        cmocka_unit_test(around_fork_every_lock_is_held_and_afterwards_none),
        cmocka_unit_test(threads_that_free_each_others_blocks_leave_sound_heaps),
        cmocka_unit_test(whichever_call_for_memory_fails_null_is_given_and_nothing_is_lost),
        cmocka_unit_test(heaps_that_get_no_tables_are_not_made),
        cmocka_unit_test(heaps_are_made_where_the_first_reservation_is_refused),
        cmocka_unit_test(what_is_mapped_beside_the_tables_is_zero_and_apart_and_there_is_always_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
