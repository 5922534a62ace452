/*
 * family_test.c - malloc, calloc, realloc and free: what they give, and what errno is after it.
 *
 * Runs on plain glibc too: whatever both must do alike is asserted on both, so that the test itself
 * is checked against the original. Sizes go through `hidden`, so that the compiler does not judge them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "family_fixture.h"

#include <stdlib.h>
#include <string.h>

/* -- malloc, calloc, free */

static void malloc_gives_blocks_of_just_the_size_asked_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZES; i++) {
        void *block = malloc(sizes[i]);
        assert_good(block, sizes[i], 16);
        free(block);
    }
    for (size_t size = 0; size < 3000; size++) {
        void *block = malloc(size);
        assert_good(block, size, 16);
        free(block);
    }
}

static void malloc_of_0_gives_a_different_block_each_time(void **state)
{
    (void)state;
    void *blocks[100];
    for (size_t i = 0; i < 100; i++) {
        blocks[i] = i % 3 == 0 ? malloc(0) : i % 3 == 1 ? calloc(0, 5) : realloc(NULL, 0);
        assert_non_null(blocks[i]);
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(blocks[i], blocks[j]);
    }
    for (size_t i = 0; i < 100; i++)
        free(blocks[i]);
}

static void blocks_do_not_overlap(void **state)
{
    (void)state;
    enum { COUNT = 400 };
    void *blocks[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        blocks[i] = malloc(sizes[i % (SIZES - 3)]);
        assert_non_null(blocks[i]);
        fill(blocks[i], sizes[i % (SIZES - 3)], i);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        assert_true(holds(blocks[i], sizes[i % (SIZES - 3)], i));
        free(blocks[i]);
    }
}

static void impossible_sizes_give_null_and_enomem_from_every_function(void **state)
{
    (void)state;
    char *kept = malloc(100);
    fill(kept, 100, 3);
    errno = ODD_ERRNO;
    for (size_t i = 0; i < IMPOSSIBLE; i++) {
        size_t size = hidden(impossible[i]);
        assert_fails(malloc(size), ENOMEM);
        assert_fails(calloc(1, size), ENOMEM);
        assert_fails(calloc(size, 1), ENOMEM);
        assert_fails(realloc(NULL, size), ENOMEM);
        assert_fails(realloc(kept, size), ENOMEM);
        assert_fails(reallocarray(NULL, 1, size), ENOMEM);
        assert_fails(reallocarray(kept, size, 1), ENOMEM);
        assert_fails(memalign(64, size), ENOMEM);
        assert_fails(memalign(8192, size), ENOMEM);
        assert_fails(aligned_alloc(16, size), ENOMEM);
        assert_fails(valloc(size), ENOMEM);
        assert_fails(pvalloc(size), ENOMEM);
        void *result = kept;
        assert_int_equal(posix_memalign(&result, 4096, size), ENOMEM);
        assert_ptr_equal(result, kept);
        errno = ODD_ERRNO;
    }
    assert_true(holds(kept, 100, 3));
    free(kept);
}

static void products_that_overflow_give_null_and_enomem(void **state)
{
    (void)state;
    static const size_t factors[][2] = {
        {SIZE_MAX, 2},
        {2, SIZE_MAX},
        {SIZE_MAX, SIZE_MAX},
        {(size_t)1 << 32, (size_t)1 << 32},
        {SIZE_MAX / 8 + 1, 8},
        {((size_t)1 << 33) + 1, ((size_t)1 << 31) + 1},
        {3, SIZE_MAX / 3 + 1},
    };
    char *kept = malloc(10);
    fill(kept, 10, 1);
    errno = ODD_ERRNO;
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
        assert_fails(calloc(hidden(factors[i][0]), hidden(factors[i][1])), ENOMEM);
        assert_fails(reallocarray(NULL, hidden(factors[i][0]), hidden(factors[i][1])), ENOMEM);
        assert_fails(reallocarray(kept, hidden(factors[i][0]), hidden(factors[i][1])), ENOMEM);
    }
    assert_true(holds(kept, 10, 1));
    free(kept);
}

static void failing_again_and_again_takes_no_memory(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        errno = ODD_ERRNO;
        assert_fails(malloc(hidden((size_t)1 << 47)), ENOMEM);
        assert_fails(memalign(hidden((size_t)1 << 46), 1), ENOMEM);
    }
    void *block = malloc(8 * MIB);
    assert_good(block, 8 * MIB, 16);
    free(block);
}

static void free_and_every_call_that_succeeds_keep_errno(void **state)
{
    (void)state;
    free(NULL);
    for (size_t i = 0; i < SIZES; i++) {
        errno = ODD_ERRNO;
        void *blocks[] = {malloc(sizes[i]),       calloc(1, sizes[i]),       realloc(NULL, sizes[i]),
                          memalign(4096, sizes[i]), aligned_alloc(64, sizes[i]), valloc(sizes[i]),
                          pvalloc(sizes[i]),      NULL};
        assert_int_equal(posix_memalign(&blocks[7], 256 * KIB, sizes[i]), 0);
        assert_int_equal(errno, ODD_ERRNO);
        for (size_t j = 0; j < 8; j++) {
            assert_non_null(blocks[j]);
            blocks[j] = realloc(blocks[j], sizes[i] + 1);
            blocks[j] = realloc(blocks[j], sizes[i] * 2 + 1);
            blocks[j] = reallocarray(blocks[j], 1, 3);
            assert_int_equal(malloc_usable_size(blocks[j]) >= 3, 1);
            assert_int_equal(errno, ODD_ERRNO);
            free(blocks[j]);
            assert_int_equal(errno, ODD_ERRNO);
        }
    }
    assert_int_equal(malloc_usable_size(NULL), 0);
    assert_int_equal(errno, ODD_ERRNO);
}

/* Dirty what the caches, bins and mapped blocks have, then look at what calloc makes of it. */
static void calloc_gives_zeros_whatever_was_there_before(void **state)
{
    (void)state;
    enum { COUNT = 300, ROUNDS = 12 };
    uint64_t seed = 20240817;
    print_message("seed %llu\n", (unsigned long long)seed);
    static void *blocks[COUNT];
    static size_t lengths[COUNT];
    for (int round = 0; round < ROUNDS; round++) {
        size_t most = round % 4 == 3 ? 300 * KIB : round % 4 == 2 ? 20 * KIB : 2000;
        for (size_t i = 0; i < COUNT; i++) {
            lengths[i] = pw_random_next(&seed) % most;
            blocks[i] = i % 2 == 0 ? malloc(lengths[i]) : calloc(lengths[i], 1);
            assert_non_null(blocks[i]);
            assert_true(i % 2 == 0 || is_zero(blocks[i], lengths[i]));
            memset(blocks[i], 0xa5, lengths[i]);
        }
        for (size_t i = 0; i < COUNT; i++)
            free(blocks[(i * 7) % COUNT]);
        for (size_t i = 0; i < COUNT; i++) {
            lengths[i] = pw_random_next(&seed) % most;
            blocks[i] = calloc(1, lengths[i]);
            assert_non_null(blocks[i]);
            assert_true(is_zero(blocks[i], lengths[i]));
            memset(blocks[i], 0x5a, lengths[i]);
        }
        for (size_t i = 0; i < COUNT; i++)
            free(blocks[i]);
        if (round == ROUNDS / 2)
            (void)malloc_trim(0);
    }
}

static void calloc_gives_zeros_for_each_size_that_was_just_dirty(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZES; i++) {
        for (int round = 0; round < 40 && (round < 4 || sizes[i] < MIB); round++) {
            char *dirty = malloc(sizes[i]);
            memset(dirty, 0xff, sizes[i]);
            free(dirty);
            char *clean = calloc(sizes[i] == 0 ? 0 : 1, sizes[i]);
            assert_true(is_zero(clean, sizes[i]));
            memset(clean, 0xff, sizes[i]);
            free(clean);
        }
    }
}

/* -- realloc */

static void realloc_keeps_the_contents_from_any_size_to_any_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZES; i++) {
        for (size_t j = 0; j < SIZES; j++) {
            if (sizes[j] == 0)
                continue;
            void *block = malloc(sizes[i]);
            fill(block, sizes[i], (unsigned)i);
            block = realloc(block, sizes[j]);
            assert_non_null(block);
            assert_int_equal((uintptr_t)block % 16, 0);
            size_t kept = sizes[i] < sizes[j] ? sizes[i] : sizes[j];
            assert_true(holds(block, kept, (unsigned)i));
            assert_good(block, sizes[j], 16);
            free(block);
        }
    }
}

static void so_does_a_long_walk_of_reallocs_of_many_blocks(void **state)
{
    (void)state;
    enum { COUNT = 40, STEPS = 6000 };
    uint64_t seed = 7;
    print_message("seed %llu\n", (unsigned long long)seed);
    void *blocks[COUNT] = {NULL};
    size_t lengths[COUNT] = {0};
    unsigned salts[COUNT] = {0};
    for (unsigned step = 0; step < STEPS; step++) {
        size_t i = pw_random_next(&seed) % COUNT;
        size_t size = 1 + pw_random_next(&seed) % (step % 16 == 0 ? 400 * KIB : step % 3 == 0 ? 30000 : 900);
        size_t kept = size < lengths[i] ? size : lengths[i];
        blocks[i] = pw_random_next(&seed) % 2 == 0 ? realloc(blocks[i], size) : reallocarray(blocks[i], size, 1);
        assert_non_null(blocks[i]);
        assert_true(holds(blocks[i], kept, salts[i]));
        lengths[i] = size;
        salts[i] = step;
        fill(blocks[i], size, step);
    }
    for (size_t i = 0; i < COUNT; i++)
        free(blocks[i]);
}

static void realloc_by_one_byte_at_a_time_keeps_the_contents(void **state)
{
    (void)state;
    char *block = NULL;
    for (size_t size = 1; size < 5000; size++) {
        block = realloc(block, size);
        assert_int_equal(malloc_usable_size(block) == size, on_pwheap || malloc_usable_size(block) == size);
        block[size - 1] = (char)pattern(size - 1, 9);
        assert_true(size % 97 != 0 || holds(block, size, 9));
    }
    for (size_t size = 5000; size > 0; size -= size % 13 == 0 && size > 20 ? 13 : 1) {
        block = realloc(block, size);
        assert_true(size > 4999 || holds(block, size, 9));
    }
    free(block);
}

/* Big ones, whose pages may be moved; two by turns, in each other's way. */
static void buffers_that_grow_to_many_mib_keep_the_contents(void **state)
{
    uint32_t *buffers[2] = {NULL, NULL};
    size_t words = 1 << 18, old_words = 0;
    (void)state;
    for (; words <= (size_t)24 << 20; old_words = words, words = words * 7 / 4) {
        for (size_t b = 0; b < 2; b++) {
            buffers[b] = realloc(buffers[b], words * sizeof(uint32_t));
            assert_non_null(buffers[b]);
            for (size_t i = 0; i < old_words; i += 509)
                if (buffers[b][i] != (uint32_t)(i * 3 + b))
                    fail_msg("buffer %zu, %zu words: word %zu is %u", b, words, i, buffers[b][i]);
            for (size_t i = 0; i < words; i += 509)
                buffers[b][i] = (uint32_t)(i * 3 + b);
            buffers[b][words - 1] = 1;
        }
    }
    free(buffers[0]);
    free(buffers[1]);
}

static void realloc_to_the_same_size_keeps_the_pointer(void **state)
{
    (void)state;
    for (size_t i = 1; i < SIZES; i++) {
        void *block = malloc(sizes[i]);
        fill(block, sizes[i], 5);
        assert_ptr_equal(realloc(block, sizes[i]), block);
        assert_ptr_equal(reallocarray(block, sizes[i], 1), block);
        assert_true(holds(block, sizes[i], 5));
        free(block);
    }
}

static void realloc_of_null_is_malloc_and_to_0_is_free(void **state)
{
    (void)state;
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 1000; i++) {
        void *block = realloc(NULL, 1000);
        assert_good(block, 1000, 16);
        errno = ODD_ERRNO;
        assert_null(i % 2 == 0 ? realloc(block, 0) : reallocarray(block, 0, 10));
        assert_int_equal(errno, ODD_ERRNO);
    }
    assert_true(mallinfo2().uordblks < before + 100 * KIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malloc_gives_blocks_of_just_the_size_asked_for),
        cmocka_unit_test(malloc_of_0_gives_a_different_block_each_time),
        cmocka_unit_test(blocks_do_not_overlap),
        cmocka_unit_test(impossible_sizes_give_null_and_enomem_from_every_function),
        cmocka_unit_test(products_that_overflow_give_null_and_enomem),
        cmocka_unit_test(failing_again_and_again_takes_no_memory),
        cmocka_unit_test(free_and_every_call_that_succeeds_keep_errno),
        cmocka_unit_test(calloc_gives_zeros_whatever_was_there_before),
        cmocka_unit_test(calloc_gives_zeros_for_each_size_that_was_just_dirty),
        cmocka_unit_test(realloc_keeps_the_contents_from_any_size_to_any_other),
        cmocka_unit_test(so_does_a_long_walk_of_reallocs_of_many_blocks),
        cmocka_unit_test(realloc_by_one_byte_at_a_time_keeps_the_contents),
        cmocka_unit_test(buffers_that_grow_to_many_mib_keep_the_contents),
        cmocka_unit_test(realloc_to_the_same_size_keeps_the_pointer),
        cmocka_unit_test(realloc_of_null_is_malloc_and_to_0_is_free),
    };
    if (!find_heap())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
