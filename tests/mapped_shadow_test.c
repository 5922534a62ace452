/* mapped_shadow_test.c - random operations on blocks on pages of their own beside a model, and a system that gives no memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "child.h"
#include "mapped_fixture.h"

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
        cmocka_unit_test(after_random_operations_nothing_overlaps_and_trim_merges_all),
        cmocka_unit_test(whichever_system_call_fails_nothing_is_lost_and_the_heap_is_sound),
        cmocka_unit_test(so_it_is_with_moats),
        cmocka_unit_test(where_address_space_is_short_a_smaller_region_will_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
