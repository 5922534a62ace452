/* cache_test.c - the rings in front of the heaps (cache/cache.h): order, refill, and giving all back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "cache_fixture.h"

/* ---- rings ---- */

static void a_cache_knows_its_thread_its_level_and_its_heap(void **state)
{
    (void)state;
    struct pw_cache *cache = fresh_cache(PW_LEVEL_FULL);
    assert_int_equal(cache->thread, 3);
    assert_int_equal(cache->level, PW_LEVEL_FULL);
    assert_ptr_equal(cache->heap, heap);
    assert_true(cache->in_use);
    assert_false(pw_cache_is_busy(cache));
    assert_int_equal(cache->allocations, 0);
    assert_int_equal(cache->frees, 0);
    pw_cache_close(cache);
    assert_false(cache->in_use);
}

static void every_size_has_a_ring_of_its_own_places(void **state)
{
    (void)state;
    static uint8_t owner[PW_CACHE_PLACES];
    struct pw_cache *cache = fresh_cache(PW_LEVEL_OFF);
    memset(owner, 0, sizeof owner);
    for (uint32_t block_class = 1; block_class <= PW_CACHE_CLASSES; block_class++) {
        struct pw_ring *ring = &cache->rings[block_class - 1];
        uint32_t places = places_of(cache, block_class);
        CHECK(PW_IS_POW2(places) && places >= 4, "class %u: %u places", block_class, places);
        assert_true(places * pw_class_bytes[block_class] <= 16384 || places == 4);
        assert_true(ring->batch > 0 && ring->batch <= places / 2);
        for (uint32_t i = 0; i < places; i++) {
            assert_true(ring->first + i < PW_CACHE_PLACES);
            CHECK(owner[ring->first + i]++ == 0, "place %u of class %u", i, block_class);
        }
    }
    pw_cache_close(cache);
}

static void at_off_the_newest_comes_out_first(void **state)
{
    (void)state;
    struct pw_cache *cache = fresh_cache(PW_LEVEL_OFF);
    void *blocks[10];
    assert_int_equal(pw_heap_take(heap, 2, 10, blocks), 10);
    for (int round = 0; round < 50; round++) {
        push_all(cache, 2, blocks, 10);
        for (int i = 9; i >= 0; i--)
            assert_ptr_equal(pw_cache_pop(cache, 2, false), blocks[i]);
        assert_null(pw_cache_pop(cache, 2, false));
        /* Turn the ring on, so that it wraps. */
        push_all(cache, 2, blocks, 3);
        for (int i = 0; i < 3; i++)
            assert_non_null(pw_cache_pop(cache, 2, true));
    }
    pw_heap_give(blocks, 10);
    pw_cache_close(cache);
    assert_int_equal(check_shape(heap).blocks, 1);
}

static void at_fast_the_oldest_comes_out_first_and_some_stay_in(void **state)
{
    (void)state;
    struct pw_cache *cache = fresh_cache(PW_LEVEL_FAST);
    void *blocks[40];
    uint32_t keep = cache->rings[0].keep;
    assert_int_equal(keep, 512 / PW_GRANULE_BYTES);
    assert_int_equal(pw_heap_take(heap, 1, 40, blocks), 40);
    push_all(cache, 1, blocks, keep);
    assert_null(pw_cache_pop(cache, 1, true));
    uint32_t in = keep, out = 0;
    for (int round = 0; round < 500; round++) {
        assert_true(pw_cache_push(cache, 1, blocks[in++ % 40]));
        assert_ptr_equal(pw_cache_pop(cache, 1, true), blocks[out++ % 40]);
        assert_null(pw_cache_pop(cache, 1, true));
    }
    /* Who is out of memory may have what was to stay in. */
    for (uint32_t i = 0; i < keep; i++)
        assert_non_null(pw_cache_pop(cache, 1, false));
    assert_null(pw_cache_pop(cache, 1, false));
    pw_heap_give(blocks, 40);
    pw_cache_close(cache);
}

static void what_stays_in_is_bounded_in_blocks_and_bytes(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        assert_true(pw_cache_init(level, pw_os_map));
        /* A new cache, with the rings of this plan: those that exist are in use. */
        struct pw_cache *first[16], *cache;
        uint32_t count = 0;
        struct pw_cache *before = pw_cache_first();
        do {
            cache = first[count++] = pw_cache_open(1, NULL, heap);
        } while (pw_cache_first() == before && count < 16);
        assert_ptr_not_equal(pw_cache_first(), before);
        for (uint32_t block_class = 1; block_class <= PW_CACHE_CLASSES; block_class++) {
            uint32_t keep = cache->rings[block_class - 1].keep;
            uint32_t expected = kept_of(block_class);
            CHECK(keep == (level == PW_LEVEL_FAST ? expected : 0), "class %u at level %u: %u", block_class,
                  (unsigned)level, keep);
        }
        for (uint32_t i = 0; i < count; i++)
            pw_cache_close(first[i]);
    }
}

static void a_ring_takes_as_many_as_it_has_places_and_no_more(void **state)
{
    (void)state;
    struct pw_cache *cache = fresh_cache(PW_LEVEL_OFF);
    static void *blocks[129];
    static const uint32_t sizes[] = {1, 2, 3, 5, 16, 63, 64, 65, 66, 98, PW_CLASSES};
    for (size_t i = 0; i < PW_ARRAY_SIZE(sizes); i++) {
        uint32_t places = places_of(cache, sizes[i]);
        assert_int_equal(take_of(heap, sizes[i], places + 1, blocks), places + 1);
        push_all(cache, sizes[i], blocks, places);
        assert_false(pw_cache_push(cache, sizes[i], blocks[places]));
        pw_heap_give(&blocks[places], 1);
    }
    check_shape(heap);
    pw_cache_close(cache);
    assert_int_equal(check_shape(heap).in_use, 0);
}

static void a_refill_takes_a_batch_that_doubles_up_to_half_the_ring(void **state)
{
    (void)state;
    struct pw_cache *cache = fresh_cache(PW_LEVEL_OFF);
    for (uint32_t block_class = 1; block_class <= PW_CACHE_CLASSES; block_class += block_class < 256 ? 1 + block_class / 2 : 9) {
        uint32_t places = places_of(cache, block_class), expected = places / 2 < 4 ? places / 2 : 4;
        for (int round = 0; round < 8; round++) {
            assert_true(pw_cache_refill(cache, block_class));
            CHECK(cache->rings[block_class - 1].count == expected, "class %u, round %d: %u of %u", block_class,
                  round, cache->rings[block_class - 1].count, expected);
            void *block;
            while ((block = pw_cache_pop(cache, block_class, false)) != NULL) {
                assert_int_equal(room_of(block), pw_class_bytes[block_class]);
                pw_heap_give(&block, 1);
            }
            expected = expected * 2 < places / 2 ? expected * 2 : places / 2;
        }
    }
    pw_cache_close(cache);
    check_shape(heap);
}

static void at_fast_a_refill_brings_what_stays_in_on_top(void **state)
{
    (void)state;
    struct pw_cache *cache = fresh_cache(PW_LEVEL_FAST);
    for (uint32_t block_class = 1; block_class <= PW_CACHE_CLASSES; block_class++) {
        assert_true(pw_cache_refill(cache, block_class));
        CHECK(pw_cache_pop(cache, block_class, true) != NULL, "class %u", block_class);
    }
    pw_cache_flush(cache, NULL);
    /* Popped, but not made LIVE and in no ring: a block of each class is still out. */
    struct shape shape = check_shape(heap);
    assert_true(shape.blocks >= PW_CACHE_CLASSES);
    pw_cache_close(cache);
}

static void at_full_fresh_blocks_come_out_in_the_order_of_addresses(void **state)
{
    (void)state;
    struct pw_cache *cache = fresh_cache(PW_LEVEL_FULL);
    uint32_t block_class = pw_class_for(100);
    static void *blocks[64];
    size_t count = 0;
    for (int round = 0; round < 3; round++) {
        assert_true(pw_cache_refill(cache, block_class));
        for (void *block; (block = pw_cache_pop(cache, block_class, false)) != NULL; count++) {
            assert_true(count == 0 || (char *)block > (char *)blocks[count - 1]);
            blocks[count] = block;
        }
    }
    assert_true(count > 3);
    pw_heap_give(blocks, (uint32_t)count);
    pw_cache_close(cache);
    check_shape(heap);
}

static void without_memory_a_refill_fails_and_with_it_it_works_again(void **state)
{
    (void)state;
    struct pw_cache *cache = fresh_cache(PW_LEVEL_OFF);
    pw_os_fail_next(1, 1);
    assert_false(pw_cache_refill(cache, 1));
    assert_int_equal(cache->rings[0].count, 0);
    pw_os_fail_next(0, 0);
    assert_true(pw_cache_refill(cache, 1));
    pw_cache_close(cache);
    assert_int_equal(check_shape(heap).blocks, 1);
}

/* ---- caches ---- */

static void a_closed_cache_has_given_everything_back_and_the_next_thread_gets_it(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        struct pw_cache *cache = fresh_cache(level);
        for (uint32_t block_class = 1; block_class <= PW_CACHE_CLASSES; block_class++)
            assert_true(pw_cache_refill(cache, block_class));
        assert_true(check_shape(heap).blocks > PW_CACHE_CLASSES);
        pw_cache_close(cache);
        assert_int_equal(check_shape(heap).in_use, 0);
        uint16_t first_batch = cache->rings[0].batch;
        struct pw_cache *again = pw_cache_open(77, NULL, &pw_heaps[1]);
        assert_ptr_equal(again, cache);
        assert_int_equal(again->thread, 77);
        assert_ptr_equal(again->heap, &pw_heaps[1]);
        assert_int_equal(again->rings[0].batch, first_batch);
        assert_int_equal(first_batch, 4);
        assert_true(pw_cache_refill(again, 3));
        assert_int_equal(check_shape(&pw_heaps[1]).regions, 1);
        pw_cache_close(again);
    }
}

static void blocks_of_another_heap_go_home_from_whatever_ring(void **state)
{
    (void)state;
    struct pw_cache *cache = fresh_cache(PW_LEVEL_FULL);
    void *mine[4], *others[4];
    assert_int_equal(pw_heap_take(heap, 2, 4, mine), 4);
    assert_int_equal(pw_heap_take(&pw_heaps[1], 2, 4, others), 4);
    for (int i = 0; i < 4; i++) {
        assert_true(pw_cache_push(cache, 2, mine[i]));
        assert_true(pw_cache_push(cache, 2, others[i]));
    }
    pw_cache_close(cache);
    assert_int_equal(check_shape(heap).blocks, 1);
    assert_int_equal(check_shape(&pw_heaps[1]).blocks, 1);
}

/* Two threads that were handed parts of one cache line would fight for it. */
static void at_off_blocks_of_another_heap_are_not_handed_out_and_go_home_first(void **state)
{
    (void)state;
    uint32_t block_class = pw_class_for(40);
    struct pw_cache *cache = fresh_cache(PW_LEVEL_OFF), *at_home = pw_cache_open(9, NULL, &pw_heaps[1]);
    uint32_t places = places_of(cache, block_class);
    static void *others[128];
    void *mine[2];
    assert_int_equal(take_of(heap, block_class, 2, mine), 2);
    assert_int_equal(take_of(&pw_heaps[1], block_class, places, others), places);
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t entry = pw_page_map_entry((uint64_t)mine[i]);
        assert_true(pw_entry_has_low(entry, cache->own_slabs) && !pw_entry_has_low(entry, at_home->own_slabs));
        entry = pw_page_map_entry((uint64_t)others[i]);
        assert_true(!pw_entry_has_low(entry, cache->own_slabs) && pw_entry_has_low(entry, at_home->own_slabs));
    }
    push_all(cache, block_class, mine, 2);
    for (uint32_t i = 0; i < places - 2; i++)
        assert_true(pw_cache_push_foreign(cache, block_class, others[i]));
    assert_false(pw_cache_push_foreign(cache, block_class, others[places - 2]));
    pw_heap_give(&others[places - 2], 2);
    void *popped[2] = {pw_cache_pop(cache, block_class, false), pw_cache_pop(cache, block_class, false)};
    assert_true(popped[0] != popped[1] && (popped[0] == mine[0] || popped[0] == mine[1]) &&
                (popped[1] == mine[0] || popped[1] == mine[1]));
    assert_null(pw_cache_pop(cache, block_class, false));
    /* The ring is nearly full of them: those that came first make room for the refill, and are found at home. */
    assert_true(pw_cache_refill(cache, block_class));
    pw_heap_give(mine, 2);
    assert_int_equal(cache->rings[block_class - 1].foreign, places - 2 - places / 2);
    assert_ptr_equal(cache->places[cache->rings[block_class - 1].first + cache->rings[block_class - 1].head], others[places / 2]);
    assert_true(pw_cache_refill(at_home, block_class));
    assert_ptr_equal(pw_cache_pop(at_home, block_class, false), others[places / 2 - 1]);
    pw_heap_give(&others[places / 2 - 1], 1);
    pw_cache_close(at_home);
    /* Who is out of memory may have them. */
    while ((mine[0] = pw_cache_pop(cache, block_class, false)) != NULL)
        pw_heap_give(mine, 1);
    mine[0] = pw_cache_pop_any(cache, block_class);
    assert_ptr_equal(mine[0], others[places - 3]);
    pw_heap_give(mine, 1);
    pw_cache_close(cache);
    pw_cache_flush_transfer(NULL);
    assert_int_equal(check_shape(heap).in_use, 0);
    assert_int_equal(check_shape(&pw_heaps[1]).in_use, 0);
}

static void threads_that_live_together_have_caches_of_their_own(void **state)
{
    (void)state;
    struct pw_cache *cache = fresh_cache(PW_LEVEL_OFF), *other = pw_cache_open(1, NULL, heap);
    assert_ptr_not_equal(cache, other);
    bool found_cache = false, found_other = false;
    for (struct pw_cache *at = pw_cache_first(); at != NULL; at = at->next) {
        found_cache |= at == cache;
        found_other |= at == other;
    }
    assert_true(found_cache && found_other);
    pw_cache_close(other);
    pw_cache_close(cache);
}

static void without_memory_there_is_no_cache(void **state)
{
    (void)state;
    struct pw_cache *opened[64];
    uint32_t count = 0;
    start_heaps(PW_LEVEL_OFF);
    assert_true(pw_cache_init(PW_LEVEL_OFF, no_pages));
    while (count < 64 && (opened[count] = pw_cache_open(1, NULL, heap)) != NULL)
        count++;
    assert_true(count < 64);
    while (count-- > 0)
        pw_cache_close(opened[count]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cache_knows_its_thread_its_level_and_its_heap),
        cmocka_unit_test(every_size_has_a_ring_of_its_own_places),
        cmocka_unit_test(at_off_the_newest_comes_out_first),
        cmocka_unit_test(at_fast_the_oldest_comes_out_first_and_some_stay_in),
        cmocka_unit_test(what_stays_in_is_bounded_in_blocks_and_bytes),
        cmocka_unit_test(a_ring_takes_as_many_as_it_has_places_and_no_more),
        cmocka_unit_test(a_refill_takes_a_batch_that_doubles_up_to_half_the_ring),
        cmocka_unit_test(at_fast_a_refill_brings_what_stays_in_on_top),
        cmocka_unit_test(at_full_fresh_blocks_come_out_in_the_order_of_addresses),
        cmocka_unit_test(without_memory_a_refill_fails_and_with_it_it_works_again),
        cmocka_unit_test(a_closed_cache_has_given_everything_back_and_the_next_thread_gets_it),
        cmocka_unit_test(blocks_of_another_heap_go_home_from_whatever_ring),
        cmocka_unit_test(at_off_blocks_of_another_heap_are_not_handed_out_and_go_home_first),
        cmocka_unit_test(threads_that_live_together_have_caches_of_their_own),
        cmocka_unit_test(without_memory_there_is_no_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
