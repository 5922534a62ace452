/* heap_shadow_test.c - random operations on the core heap beside a model of it; what is said to be zero; the list of all blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "heap_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_100000_random_operations_nothing_overlaps_and_all_merges_again),
        cmocka_unit_test(what_is_said_to_be_zero_is_zero_after_every_cut_merge_and_purge),
        cmocka_unit_test(what_came_back_from_the_user_is_not_said_to_be_zero),
        cmocka_unit_test(the_list_goes_over_small_and_mapped_blocks_and_stops_when_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
