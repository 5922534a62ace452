/* patrol_test.c - the patrol (diag/patrol.h): whose blocks a step looks at, and that in the end all are. */
#include "diag/patrol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "heap_fixture.h"

enum { HEAPS = 3, BLOCKS = 4000, VICTIM = 3990, MOST_STEPS = 100000 };
static char *blocks[HEAPS][BLOCKS];

static struct pw_image some_heaps(void)
{
    start_heaps(PW_LEVEL_FULL);
    for (uint32_t heap = 0; heap < HEAPS; heap++)
        for (int i = 0; i < BLOCKS; i++) {
            blocks[heap][i] = new_slab_block(&pw_heaps[heap], 200);
            make_dead(blocks[heap][i], PW_STATE_QUARANTINED);
        }
    return locked_image();
}

/* Threads of the first `comers` heaps take turns, until the patrol has been round once. */
static void go_round(const struct pw_image *image, uint32_t comers)
{
    struct pw_fault fault = {.kind = PW_KIND_NONE};
    uint64_t before = pw_patrol_rounds();
    for (uint32_t step = 0; pw_patrol_rounds() == before; step++) {
        CHECK(step < MOST_STEPS, "%u heaps: no round in %u steps", comers, step);
        assert_false(pw_patrol_step(image, step % comers, false, &fault));
    }
}

/* The heap whose thread finds it when they take turns as before; `steps` of any. */
static uint32_t who_finds(const struct pw_image *image, uint32_t comers, const char *victim, uint32_t *steps)
{
    struct pw_fault fault = {.kind = PW_KIND_NONE};
    for (*steps = 0; *steps < MOST_STEPS; ++*steps) {
        uint32_t heap = *steps % comers;
        if (!pw_patrol_step(image, heap, false, &fault))
            continue;
        assert_int_equal(fault.kind, PW_KIND_USE_AFTER_FREE);
        assert_int_equal(fault.address, (uint64_t)victim + 100);
        return heap;
    }
    fail_msg("%u heaps: not found in %u steps", comers, MOST_STEPS);
    return HEAPS;
}

static void a_write_is_found_in_any_heap_whoever_comes(void **state)
{
    (void)state;
    struct pw_image image = some_heaps();
    for (uint32_t comers = 1; comers <= HEAPS; comers++)
        for (uint32_t heap = 0; heap < HEAPS; heap++) {
            uint32_t steps;
            go_round(&image, comers);
            blocks[heap][VICTIM][100] ^= 1;
            (void)who_finds(&image, comers, blocks[heap][VICTIM], &steps);
            blocks[heap][VICTIM][100] ^= 1;
        }
}

static void where_several_come_each_sees_to_its_own_heap_first(void **state)
{
    (void)state;
    struct pw_image image = some_heaps();
    uint32_t own_steps, others_steps;
    go_round(&image, 2);
    blocks[1][VICTIM][100] ^= 1;
    assert_int_equal(who_finds(&image, 2, blocks[1][VICTIM], &own_steps), 1);
    blocks[1][VICTIM][100] ^= 1;
    go_round(&image, 2);
    blocks[2][VICTIM][100] ^= 1;
    (void)who_finds(&image, 2, blocks[2][VICTIM], &others_steps);
    CHECK(own_steps * 2 < others_steps, "%u and %u steps", own_steps, others_steps);
}

/* A thread that is alone on its heap goes through all of them, with each of its steps. */
static void who_comes_alone_looks_at_all_heaps(void **state)
{
    (void)state;
    struct pw_image image = some_heaps();
    struct pw_fault fault = {.kind = PW_KIND_NONE};
    for (uint32_t step = 0; step < 100; step++)
        assert_false(pw_patrol_step(&image, 0, false, &fault));
    go_round(&image, 1);
    uint64_t before = pw_patrol_rounds();
    uint32_t steps = 0, blocks_in_all = HEAPS * BLOCKS;
    for (; pw_patrol_rounds() == before; steps++)
        assert_false(pw_patrol_step(&image, 0, false, &fault));
    CHECK(steps < 2 * blocks_in_all / PW_PATROL_BLOCKS, "%u steps for %u blocks", steps, blocks_in_all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_is_found_in_any_heap_whoever_comes),
        cmocka_unit_test(where_several_come_each_sees_to_its_own_heap_first),
        cmocka_unit_test(who_comes_alone_looks_at_all_heaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
