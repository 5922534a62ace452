/* cache_transfer_test.c - what caches hand to one another (cache/transfer.h), and threads that do. */
#include "cache/transfer.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "child.h"
#include "cache_fixture.h"

/* ---- the transfer cache ---- */

static void *seen[8192];
static uint32_t seen_count;

static bool every_third_stays_out(void *block)
{
    seen[seen_count++] = block;
    return seen_count % 3 != 0;
}

static bool is_cached(const void *block)
{
    struct pw_block found = pw_heap_find((uint64_t)block);
    return pw_block_address(found) == (uint64_t)block &&
           fields_of(block).state == PW_STATE_CACHED;
}

static void a_drain_hands_the_older_half_to_the_next_refill_of_any_thread(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 4, 32, 64, 65, 72, PW_CLASSES};
    for (size_t i = 0; i < PW_ARRAY_SIZE(sizes); i++) {
        struct pw_cache *cache = fresh_cache(PW_LEVEL_OFF), *other = pw_cache_open(9, NULL, heap);
        static void *blocks[128];
        uint32_t places = places_of(cache, sizes[i]), moved = 0;
        assert_int_equal(take_of(heap, sizes[i], places, blocks), places);
        char *first = blocks[0];
        push_all(cache, sizes[i], blocks, places);
        pw_cache_drain(cache, sizes[i], NULL);
        assert_int_equal(cache->rings[sizes[i] - 1].count, places / 2);
        while (moved < places / 2) {
            assert_true(pw_cache_refill(other, sizes[i]));
            for (void *block; (block = pw_cache_pop(other, sizes[i], true)) != NULL; moved++) {
                uint32_t which = (uint32_t)(((char *)block - first) / pw_class_bytes[sizes[i]]);
                CHECK(which < places / 2 && blocks[which] == block && is_cached(block),
                      "block %u of %u comes, of class %u", which, places, sizes[i]);
                blocks[which] = NULL;
                pw_heap_give(&block, 1);
            }
        }
        assert_int_equal(moved, places / 2);
        assert_int_equal(check_shape(&pw_heaps[1]).blocks, 0);
        /* The newer half is still there, in order. */
        for (uint32_t k = places / 2; k < places; k++) {
            assert_ptr_equal(pw_cache_pop(cache, sizes[i], true), blocks[k]);
            pw_heap_give(&blocks[k], 1);
        }
        pw_cache_close(other);
        pw_cache_close(cache);
        assert_int_equal(check_shape(heap).in_use, 0);
    }
}

/* Fill the transfer cache for a size; how many it holds. */
static uint32_t fill_transfer(uint32_t block_class)
{
    uint32_t count = 0;
    void *block;
    for (;;) {
        assert_int_equal(take_of(&pw_heaps[2], block_class, 1, &block), 1);
        if (pw_transfer_put(0, block_class, &block, 1) == 0)
            break;
        count++;
    }
    pw_heap_give(&block, 1);
    return count;
}

static void what_finds_no_room_goes_back_to_the_heaps_as_far_as_the_check_lets_it(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {4, 32, 64};
    for (size_t i = 0; i < PW_ARRAY_SIZE(sizes); i++) {
        struct pw_cache *cache = fresh_cache(PW_LEVEL_OFF);
        static void *blocks[128];
        uint32_t places = places_of(cache, sizes[i]);
        (void)fill_transfer(sizes[i]);
        assert_int_equal(take_of(heap, sizes[i], places, blocks), places);
        push_all(cache, sizes[i], blocks, places);
        seen_count = 0;
        pw_cache_drain(cache, sizes[i], i % 2 == 0 ? NULL : every_third_stays_out);
        assert_int_equal(cache->rings[sizes[i] - 1].count, places / 2);
        assert_int_equal(seen_count, i % 2 == 0 ? 0 : places / 2);
        for (uint32_t k = 0; k < places; k++) {
            bool is_older = k < places / 2;
            bool stays_out = !is_older || (i % 2 != 0 && k % 3 == 2);
            CHECK(is_cached(blocks[k]) == stays_out, "block %u of %u", k, places);
            if (is_older && i % 2 != 0)
                assert_ptr_equal(seen[k], blocks[k]);
            if (is_older && stays_out)
                pw_heap_give(&blocks[k], 1);
        }
        pw_cache_close(cache);
        assert_int_equal(check_shape(heap).blocks, 1);
        pw_cache_flush_transfer(NULL);
        assert_int_equal(check_shape(&pw_heaps[2]).blocks, 1);
    }
}

/* To be the first test: what is kept once is kept. */
static void without_memory_nothing_is_transferred(void **state)
{
    (void)state;
    void *block = &block;
    assert_false(pw_transfer_init(1 << 20, no_pages));
    for (uint32_t block_class = 1; block_class <= PW_CLASSES; block_class++) {
        assert_int_equal(pw_transfer_put(0, block_class, &block, 1), 0);
        assert_int_equal(pw_transfer_take(0, block_class, &block, 1), 0);
    }
}

static void check_bounds_of_transfer(uint32_t most)
{
    start_heaps(PW_LEVEL_OFF);
    assert_true(pw_transfer_init(most, pw_os_map));
    static void *names[40000], *out[40000];
    for (uintptr_t i = 0; i < PW_ARRAY_SIZE(names); i++)
        names[i] = (void *)(i + 1);
    uint32_t kept[PW_CLASSES + 1];
    for (uint32_t block_class = 1; block_class <= PW_CLASSES; block_class++) {
        kept[block_class] = pw_transfer_put(0, block_class, names + block_class, PW_ARRAY_SIZE(names) - block_class);
        uint32_t bytes = kept[block_class] * pw_class_bytes[block_class];
        CHECK(kept[block_class] >= 32 && (bytes <= most || kept[block_class] == 32), "class %u: %u kept",
              block_class, kept[block_class]);
        assert_int_equal(pw_transfer_put(0, block_class, names, 1), 0);
    }
    for (uint32_t block_class = 1; block_class <= PW_CLASSES; block_class++) {
        uint32_t some = pw_transfer_take(0, block_class, out, 10);
        assert_int_equal(some, 10);
        uint32_t count = pw_transfer_take(0, block_class, out + 10, PW_ARRAY_SIZE(out) - 10);
        CHECK(some + count == kept[block_class], "class %u: %u of %u", block_class, some + count, kept[block_class]);
        /* Each once, the newest batch first. */
        static uint8_t times[40001];
        memset(times, 0, sizeof times);
        for (uint32_t i = 0; i < some + count; i++)
            times[(uintptr_t)out[i]]++;
        for (uint32_t i = 0; i < kept[block_class]; i++)
            assert_int_equal(times[block_class + i + 1], 1);
        for (uint32_t i = 0; i < some; i++)
            assert_true((uintptr_t)out[i] > block_class + kept[block_class] - 10);
        assert_int_equal(pw_transfer_take(0, block_class, out, 1), 0);
    }
}

static void what_is_transferred_is_bounded_in_bytes_and_every_size_has_its_own(void **state)
{
    (void)state;
    check_bounds_of_transfer(1 << 16);
    check_bounds_of_transfer(1 << 20);
}

static void a_flush_of_the_transfer_cache_gives_all_back_that_the_check_lets_go(void **state)
{
    (void)state;
    pw_cache_close(fresh_cache(PW_LEVEL_OFF));
    static const uint32_t sizes[] = {3, 25, 64};
    uint32_t count = 0;
    for (size_t i = 0; i < PW_ARRAY_SIZE(sizes); i++)
        count += fill_transfer(sizes[i]);
    assert_true(count < PW_ARRAY_SIZE(seen));
    seen_count = 0;
    pw_cache_flush_transfer(every_third_stays_out);
    assert_int_equal(seen_count, count);
    for (uint32_t i = 0; i < count; i++)
        if (i % 3 == 2) {
            assert_true(is_cached(seen[i]));
            pw_heap_give(&seen[i], 1);
        }
    assert_int_equal(check_shape(&pw_heaps[2]).blocks, check_shape(&pw_heaps[2]).regions);
}

static int refill_in_child(void *context)
{
    struct pw_cache *cache = context;
    (void)alarm(20);
    pw_cache_after_fork();
    if (!pw_cache_refill(cache, 1))
        return 1;
    struct pw_cache *other = pw_cache_open(2, NULL, heap);
    if (other == NULL)
        return 2;
    pw_cache_drain(cache, 1, NULL);
    pw_cache_close(other);
    return 0;
}

static void around_fork_the_locks_of_the_caches_are_held_and_let_go_on_both_sides(void **state)
{
    (void)state;
    struct pw_cache *cache = fresh_cache(PW_LEVEL_OFF);
    pw_cache_before_fork();
    assert_int_equal(in_child(refill_in_child, cache), 0);
    pw_cache_after_fork();
    assert_true(pw_cache_refill(cache, 1));
    pw_cache_close(cache);
}

/* ---- threads ---- */

enum { THREADS = 2, STEPS = 40000, EXCHANGED = 128 };
static _Atomic(void *) exchange[EXCHANGED];

static void release_to(struct pw_cache *cache, void *block)
{
    uint32_t block_class = room_of(block) <= PW_SLAB_MAX_BYTES ? pw_class_for(room_of(block)) : header_of(block)->size;
    make_dead(block, PW_STATE_CACHED);
    if (!pw_cache_push(cache, block_class, block)) {
        pw_cache_drain(cache, block_class, NULL);
        ENSURE(pw_cache_push(cache, block_class, block));
    }
}

static void *work(void *context)
{
    uint64_t random = (uint64_t)context;
    struct pw_cache *cache = pw_cache_open((uint16_t)(uintptr_t)context, NULL, &pw_heaps[random % 2]);
    ENSURE(cache != NULL);
    for (int step = 0; step < STEPS; step++) {
        uint64_t r = pw_random_next(&random);
        uint64_t size = r % 16 == 0 ? r / 16 % 4000 : r / 16 % 200;
        uint32_t block_class = pw_class_for(size + pw_zone_bytes(&pw_root, size));
        void *block;
        while ((block = pw_cache_pop(cache, block_class, true)) == NULL)
            ENSURE(pw_cache_refill(cache, block_class));
        ENSURE(fields_of(block).state == PW_STATE_CACHED && room_of(block) == pw_class_bytes[block_class]);
        make_live(block, size);
        memset(block, (int)(r >> 32), size);
        void *old = atomic_exchange(&exchange[r >> 40 & (EXCHANGED - 1)], block);
        if (old != NULL)
            release_to(cache, old);
    }
    pw_cache_close(cache);
    return NULL;
}

static void threads_that_exchange_blocks_through_their_caches_leave_sound_heaps(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        pthread_t threads[THREADS];
        pw_cache_close(fresh_cache(level));
        for (uintptr_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(i + 31)), 0);
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_nothing_found("after the threads ended");
        pw_cache_flush_transfer(NULL);
        for (uint32_t i = 0; i < EXCHANGED; i++) {
            void *block = atomic_exchange(&exchange[i], NULL);
            if (block != NULL)
                drop_block(block);
        }
        for (uint32_t i = 0; i < 2; i++) {
            struct shape shape = check_shape(&pw_heaps[i]);
            CHECK(shape.in_use == 0, "level %u, heap %u: %u blocks in use", (unsigned)level, i,
                  (unsigned)shape.in_use);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_nothing_is_transferred),
        cmocka_unit_test(a_drain_hands_the_older_half_to_the_next_refill_of_any_thread),
        cmocka_unit_test(what_finds_no_room_goes_back_to_the_heaps_as_far_as_the_check_lets_it),
        cmocka_unit_test(what_is_transferred_is_bounded_in_bytes_and_every_size_has_its_own),
        cmocka_unit_test(a_flush_of_the_transfer_cache_gives_all_back_that_the_check_lets_go),
        cmocka_unit_test(around_fork_the_locks_of_the_caches_are_held_and_let_go_on_both_sides),
        cmocka_unit_test(threads_that_exchange_blocks_through_their_caches_leave_sound_heaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
