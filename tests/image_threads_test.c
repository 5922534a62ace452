/* image_threads_test.c - looking at a heap while other threads use it (image/image.h). */
#include "cache/cache.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "image_scene.h"

/* ---- while others work ---- */

/* Another thread, as the validator sees it: at look number `at_look` it mends a byte or takes the block. */
struct other_thread {
    uint8_t *byte;
    uint8_t flip;
    unsigned at_look, looks;
    void *taken; /* becomes PENDING; NULL: the byte is mended */
};

static bool look_at_other_thread(void *context, unsigned attempt)
{
    struct other_thread *other = context;
    other->looks++;
    if (attempt != other->at_look)
        return true;
    if (other->taken != NULL)
        set_state(other->taken, PW_STATE_PENDING, fields_of(other->taken).flags, fields_of(other->taken).slack);
    else
        *other->byte ^= other->flip;
    return true;
}

static uint64_t faults_beside(struct other_thread *other)
{
    static struct findings findings;
    struct pw_image image = pw_image_self();
    image.look_again = look_at_other_thread;
    image.context = other;
    findings.count = 0;
    *other->byte ^= other->flip;
    (void)pw_validate_all(&image, note_fault, &findings);
    return findings.count;
}

/* A fresh scene with a byte to be damaged in a zone, poison or an extension of *block. */
static struct other_thread scene_with_other(enum pw_level level, int place, uint8_t **block)
{
    set_the_scene(level);
    *block = place == 0   ? scene.small[LIVE_96]
             : place == 1 ? scene.small[QUARANTINED_5000]
             : place == 2 ? scene.small[CACHED_300]
                          : scene.mapped[MAPPED_50000];
    uint8_t *extension = (uint8_t *)pw_block_extension(block_at(scene.mapped[MAPPED_50000]));
    uint8_t *bytes[] = {*block + 97, *block + 5, *block + 48, *block + 50003, extension + 8};
    return (struct other_thread){.byte = bytes[place], .flip = 0x10};
}

static void what_another_thread_is_about_to_do_is_waited_for_and_damage_is_not(void **state)
{
    (void)state;
    enum { PLACES = 5, LOOKS = 4 };
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++)
        for (int place = 0; place < PLACES; place++) {
            uint8_t *block;
            for (unsigned at_look = 0; at_look < LOOKS; at_look++)
                for (int is_taken = 0; is_taken < 2; is_taken++) {
                    struct other_thread other = scene_with_other(level, place, &block);
                    other.at_look = at_look;
                    other.taken = is_taken ? block : NULL;
                    CHECK(faults_beside(&other) == 0, "level %u, place %d, look %u", (unsigned)level, place,
                          at_look);
                    assert_int_equal(other.looks, at_look + 1);
                }
            struct other_thread none = scene_with_other(level, place, &block);
            none.at_look = UINT32_MAX;
            CHECK(faults_beside(&none) == 1, "level %u, place %d", (unsigned)level, place);
            CHECK(none.looks > LOOKS && none.looks < 1000, "%u looks", none.looks);
        }
}

static void a_block_that_changes_hands_is_not_looked_into(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        set_the_scene(level);
        static const int changing[] = {LIVE_96, QUARANTINED_5000, CACHED_300, CACHED_ZEROED};
        for (size_t i = 0; i < PW_ARRAY_SIZE(changing); i++) {
            mark_pending(scene.small[changing[i]]);
            memset(scene.small[changing[i]], 0x77, 112);
        }
        mark_pending(scene.mapped[MAPPED_20000]);
        memset(scene.mapped[MAPPED_20000], 0x77, 20100);
        pw_block_extension(block_at(scene.mapped[MAPPED_20000]))->requested = 20100;
        mark_pending(scene.mapped[MAPPED_QUARANTINED]);
        memset(scene.mapped[MAPPED_QUARANTINED], 0x77, 100);
        assert_nothing_found("with blocks that change hands");
    }
}

enum { WORKERS = 2, STEPS = 40000, HELD = 200 };
static _Atomic uint32_t workers_left;

static void give_back(struct pw_cache *cache, void *block)
{
    if (is_mapped(block)) {
        drop_block(block);
        return;
    }
    uint32_t granules = header_of(block)->size;
    make_dead(block, PW_STATE_QUARANTINED);
    set_state(block, PW_STATE_CACHED, 0, fields_of(block).slack);
    if (!pw_cache_push(cache, granules, block)) {
        pw_cache_drain(cache, granules, NULL);
        ENSURE(pw_cache_push(cache, granules, block));
    }
}

static void *take_one(struct pw_cache *cache, uint64_t size)
{
    uint64_t needed = size + pw_zone_bytes(&pw_root, size);
    if (needed > PW_HEAP_LARGE_ALLOC_THRESHOLD)
        return new_block(cache->heap, size);
    uint32_t granules = pw_granules_of(needed);
    void *block;
    while ((block = pw_cache_pop(cache, granules, true)) == NULL)
        ENSURE(pw_cache_refill(cache, granules));
    make_live(block, size);
    return block;
}

static void *work(void *context)
{
    uint64_t random = (uint64_t)context;
    void *held[HELD] = {NULL};
    struct pw_cache *cache = pw_cache_open((uint16_t)(uintptr_t)context, NULL, &pw_heaps[random % 2]);
    ENSURE(cache != NULL);
    for (int step = 0; step < STEPS; step++) {
        uint64_t r = pw_random_next(&random);
        uint64_t size = r % 128 == 0 ? 17000 + (r >> 8) % 60000 : r % 8 == 0 ? (r >> 8) % 9000 : (r >> 8) % 300;
        void **place = &held[(r >> 40) % HELD];
        if (*place != NULL && is_mapped(*place) && r % 3 != 0) {
            /* As realloc does it in place, again and again. */
            for (uint64_t i = 0; i < 50; i++)
                make_live(*place, room_of(*place) - 2048 - 8 * i);
            continue;
        }
        if (*place != NULL)
            give_back(cache, *place);
        *place = take_one(cache, size);
        memset(*place, (int)(r >> 32), size);
    }
    for (int i = 0; i < HELD; i++)
        if (held[i] != NULL)
            give_back(cache, held[i]);
    pw_cache_close(cache);
    workers_left--;
    return NULL;
}

static void while_threads_allocate_and_free_nothing_is_found_and_walks_are_whole(void **state)
{
    (void)state;
    for (enum pw_level level = PW_LEVEL_FAST; level <= PW_LEVEL_FULL; level++) {
        static struct findings findings;
        struct pw_image image = locked_image();
        pthread_t threads[WORKERS];
        start_heaps(level);
        assert_true(pw_cache_init(level, pw_os_map));
        workers_left = WORKERS;
        for (uintptr_t i = 0; i < WORKERS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(i + 51)), 0);
        uint64_t rounds = 0, walked = 0;
        findings.count = 0;
        do {
            (void)pw_validate_all(&image, note_fault, &findings);
            (void)pw_image_walk(&image, count_walked, &walked);
            rounds++;
        } while (workers_left > 0 && findings.count == 0);
        for (int i = 0; i < WORKERS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        pw_cache_flush_transfer(NULL);
        print_findings(&findings);
        CHECK(findings.count == 0, "level %u: %u faults in %u rounds", (unsigned)level,
              (unsigned)findings.count, (unsigned)rounds);
        assert_true(walked > 0);
        assert_nothing_found("after the threads ended");
        for (uint32_t i = 0; i < WORKERS; i++) {
            struct shape shape = check_shape(&pw_heaps[i]);
            assert_int_equal(shape.live_pages, 0);
            assert_int_equal(shape.free_small + shape.free_runs, shape.blocks);
        }
    }
}

static void a_heap_is_held_while_its_lock_is_and_no_other_is(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    struct pw_image image = pw_image_self();
    assert_false(pw_image_heap_is_held(&image, 1));
    pw_lock_acquire(&pw_heap_gates[1].lock);
    assert_true(pw_image_heap_is_held(&image, 1));
    assert_false(pw_image_heap_is_held(&image, 0));
    assert_false(pw_image_heap_is_held(&image, PW_MAX_HEAPS));
    pw_lock_release(&pw_heap_gates[1].lock);
    assert_false(pw_image_heap_is_held(&image, 1));
    stop_heaps();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heap_is_held_while_its_lock_is_and_no_other_is),
        cmocka_unit_test(what_another_thread_is_about_to_do_is_waited_for_and_damage_is_not),
        cmocka_unit_test(a_block_that_changes_hands_is_not_looked_into),
        cmocka_unit_test(while_threads_allocate_and_free_nothing_is_found_and_walks_are_whole),
    };
    (void)alarm(200);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
