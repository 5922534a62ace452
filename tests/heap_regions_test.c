/* heap_regions_test.c - regions without a block in use are given back when address space is short, and no others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "heap_fixture.h"

#include <pthread.h>

enum { KIB = 1024, MIB = 1024 * 1024, SLAB_BYTES = 200, GRANULE_BYTES = 9000, PAGE_BYTES = 100 * KIB };

static struct pw_heap *const heap = &pw_heaps[0];
static const enum pw_level levels[] = {PW_LEVEL_OFF, PW_LEVEL_FAST, PW_LEVEL_FULL};
static const enum pw_region_kind kinds[] = {PW_REGION_SLABS, PW_REGION_SMALL, PW_REGION_PAGES};

static void *new_in(enum pw_region_kind kind)
{
    void *block = kind == PW_REGION_SLABS ? new_slab_block(heap, SLAB_BYTES)
                                          : new_block(heap, kind == PW_REGION_SMALL ? GRANULE_BYTES : PAGE_BYTES);
    assert_non_null(block);
    assert_int_equal(block_at(block).region->kind, kind);
    return block;
}

/* So many that there are two regions of them; to be given back. */
enum { MOST = 40 * MIB / SLAB_BYTES };
static void *blocks[MOST];

static uint32_t fill_two_regions(enum pw_region_kind kind)
{
    uint32_t count = 0, first = 0, second = 0;
    do {
        assert_true(count < MOST);
        blocks[count] = new_in(kind);
        uint32_t region = pw_region_index(block_at(blocks[count++]).region);
        first = first == 0 ? region : first;
        second = region == first ? 0 : region;
    } while (second == 0);
    return count;
}

static void drop_all(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        drop_block(blocks[i]);
}

static void of_every_kind_regions_without_a_block_in_use_go_and_new_ones_serve(void **state)
{
    (void)state;
    for (size_t l = 0; l < PW_ARRAY_SIZE(levels); l++)
        for (size_t k = 0; k < PW_ARRAY_SIZE(kinds); k++) {
            start_heaps(levels[l]);
            drop_all(fill_two_regions(kinds[k]));
            uint64_t base = block_at(blocks[0]).region->base;
            CHECK(pw_heap_give_regions_back() >= 2 * PW_SLOT_BYTES, "level %zu, kind %zu", l, k);
            struct shape shape = check_shape(heap);
            CHECK(shape.regions == 0 && heap->regions == 0, "level %zu, kind %zu", l, k);
            CHECK(pw_page_map_entry(base) == 0, "level %zu, kind %zu", l, k);
            CHECK(pw_heap_give_regions_back() == 0, "level %zu, kind %zu", l, k);
            assert_nothing_found("without a region");
            drop_all(fill_two_regions(kinds[k]));
            CHECK(check_shape(heap).regions == 2, "level %zu, kind %zu", l, k);
            assert_nothing_found("in new regions");
        }
}

static void a_region_with_one_block_in_use_stays_as_it_was(void **state)
{
    (void)state;
    for (size_t l = 0; l < PW_ARRAY_SIZE(levels); l++)
        for (size_t k = 0; k < PW_ARRAY_SIZE(kinds); k++) {
            start_heaps(levels[l]);
            uint32_t count = fill_two_regions(kinds[k]);
            char *last = blocks[--count]; /* alone in the second region */
            memset(last, 'k', SLAB_BYTES);
            drop_all(count);
            CHECK(pw_heap_give_regions_back() >= PW_SLOT_BYTES, "level %zu, kind %zu", l, k);
            CHECK(check_shape(heap).regions == 1 && heap->regions == 1, "level %zu, kind %zu", l, k);
            CHECK(bytes_are(last, SLAB_BYTES, 'k'), "level %zu, kind %zu", l, k);
            assert_nothing_found("in the region that stayed");
            char *neighbour = new_in(kinds[k]);
            CHECK(block_at(neighbour).region == block_at(last).region, "level %zu, kind %zu", l, k);
            drop_block(neighbour);
            drop_block(last);
            CHECK(pw_heap_give_regions_back() >= PW_SLOT_BYTES, "level %zu, kind %zu", l, k);
            CHECK(check_shape(heap).regions == 0, "level %zu, kind %zu", l, k);
        }
}

static void a_cached_or_quarantined_block_holds_its_region(void **state)
{
    static const enum pw_state states[] = {PW_STATE_CACHED, PW_STATE_QUARANTINED, PW_STATE_PENDING, PW_STATE_RETIRED};
    (void)state;
    for (size_t s = 0; s < PW_ARRAY_SIZE(states); s++)
        for (size_t k = 0; k < PW_ARRAY_SIZE(kinds); k++) {
            start_heaps(PW_LEVEL_FULL);
            void *block = new_in(kinds[k]);
            make_dead(block, states[s]);
            CHECK(pw_heap_give_regions_back() == 0, "state %u, kind %zu", states[s], k);
            CHECK(check_shape(heap).in_use == 1, "state %u, kind %zu", states[s], k);
        }
}

static void a_region_with_a_damaged_header_stays_to_be_told_of(void **state)
{
    (void)state;
    for (size_t k = 0; k < PW_ARRAY_SIZE(kinds); k++) {
        start_heaps(PW_LEVEL_FAST);
        char *block = new_in(kinds[k]), *other = new_in(kinds[k]);
        drop_block(other);
        drop_block(block);
        if (kinds[k] == PW_REGION_SLABS)
            pw_region_span(block_at(block).region, 1)->check ^= 1;
        else
            *word_of(block) ^= 1;
        CHECK(pw_heap_give_regions_back() == 0, "kind %zu", k);
        CHECK(validate()->count > 0, "kind %zu", k);
    }
}

static void empty_spans_that_wait_for_any_size_go_with_their_region(void **state)
{
    enum { SIZES = 40 };
    void *ones[SIZES];
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    for (uint32_t i = 0; i < SIZES; i++)
        ones[i] = new_slab_block(heap, 16 + i * 48);
    for (uint32_t i = 0; i < SIZES; i++)
        drop_block(ones[i]);
    drop_all(fill_two_regions(PW_REGION_SLABS));
    assert_true(check_shape(heap).dirty_spans > 0);
    assert_true(pw_heap_give_regions_back() >= 2 * PW_SLOT_BYTES);
    assert_int_equal(heap->dirty_spans, 0);
    assert_int_equal(heap->spans_in_use, 0);
    assert_int_equal(heap->image.empty_spans, 0);
    (void)check_shape(heap);
}

static void other_heaps_regions_go_as_well(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    void *mine = new_block(heap, GRANULE_BYTES), *others = new_block(&pw_heaps[1], GRANULE_BYTES);
    drop_block(others);
    assert_true(pw_heap_give_regions_back() >= PW_SLOT_BYTES);
    assert_int_equal(pw_heaps[1].regions, 0);
    assert_int_equal(heap->regions, 1);
    drop_block(mine);
}

/* -- While others allocate */

enum { THREADS = 2, ROUNDS = 400, AT_ONCE = 24 };
static _Atomic uint32_t busy;

static void *come_and_go(void *context)
{
    uint64_t random = (uintptr_t)context + 3;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        char *mine[AT_ONCE];
        for (uint32_t i = 0; i < AT_ONCE; i++) {
            uint64_t r = pw_random_next(&random);
            mine[i] = r % 3 == 0 ? new_slab_block(heap, SLAB_BYTES)
                                 : new_block(heap, r % 3 == 1 ? GRANULE_BYTES : PAGE_BYTES);
            ENSURE(mine[i] != NULL);
            memset(mine[i], (int)i, SLAB_BYTES);
        }
        for (uint32_t i = 0; i < AT_ONCE; i++) {
            ENSURE(bytes_are(mine[i], SLAB_BYTES, (uint8_t)i));
            drop_block(mine[i]);
        }
    }
    atomic_fetch_sub(&busy, 1);
    return NULL;
}

static void while_threads_allocate_only_what_nobody_has_goes(void **state)
{
    (void)state;
    for (size_t l = 0; l < PW_ARRAY_SIZE(levels); l++) {
        pthread_t threads[THREADS];
        start_heaps(levels[l]);
        busy = THREADS;
        for (uintptr_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, (void *)i), 0);
        while (busy > 0)
            (void)pw_heap_give_regions_back();
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(check_shape(heap).in_use, 0);
        (void)pw_heap_give_regions_back();
        assert_int_equal(check_shape(heap).regions, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_every_kind_regions_without_a_block_in_use_go_and_new_ones_serve),
        cmocka_unit_test(a_region_with_one_block_in_use_stays_as_it_was),
        cmocka_unit_test(a_cached_or_quarantined_block_holds_its_region),
        cmocka_unit_test(a_region_with_a_damaged_header_stays_to_be_told_of),
        cmocka_unit_test(empty_spans_that_wait_for_any_size_go_with_their_region),
        cmocka_unit_test(other_heaps_regions_go_as_well),
        cmocka_unit_test(while_threads_allocate_only_what_nobody_has_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
