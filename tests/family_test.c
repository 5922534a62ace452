/*
 * family_test.c - the malloc family: what it gives, and what errno is after it.
 *
 * Runs on plain glibc too: whatever both must do alike is asserted on both, so that the test itself
 * is checked against the original. Sizes go through `hidden`, so that the compiler does not judge them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { ODD_ERRNO = 4711, KIB = 1024, MIB = 1024 * 1024 };

static bool on_pwheap;

static size_t hidden(size_t value)
{
    volatile size_t copy = value;
    return copy;
}

static const size_t sizes[] = {
    0,    1,    7,     8,         15,       16,           17,        63,        64,         65,
    100,  127,  128,   1000,      4095,     4096,         4097,      16 * KIB - 1, 16 * KIB, 16 * KIB + 1,
    20000, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 100000, MIB, MIB + 1, 4 * MIB,
};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* No process has room for these. */
static const size_t impossible[] = {
    (size_t)1 << 47,
    (size_t)1 << 62,
    PTRDIFF_MAX - 4096,
    PTRDIFF_MAX - 1,
    PTRDIFF_MAX,
    (size_t)PTRDIFF_MAX + 1,
    (size_t)PTRDIFF_MAX + 4096,
    SIZE_MAX - 8192,
    SIZE_MAX - 4096,
    SIZE_MAX - 4095,
    SIZE_MAX - 64,
    SIZE_MAX - 63,
    SIZE_MAX - 1,
    SIZE_MAX,
};
enum { IMPOSSIBLE = sizeof impossible / sizeof *impossible };

static unsigned char pattern(size_t index, unsigned salt)
{
    return (unsigned char)(index * 7 + (index >> 8) + salt);
}

static void fill(void *block, size_t size, unsigned salt)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)block)[i] = pattern(i, salt);
}

static bool holds(const void *block, size_t size, unsigned salt)
{
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *)block)[i] != pattern(i, salt))
            return false;
    return true;
}

static bool is_zero(const void *block, size_t size)
{
    const unsigned char *bytes = block;
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* A fresh block that is all the caller's: writable to its last byte, aligned, of the size asked for. */
static void assert_good(void *block, size_t size, size_t align)
{
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % align, 0);
    if (on_pwheap)
        assert_int_equal(malloc_usable_size(block), size);
    else
        assert_true(malloc_usable_size(block) >= size);
    if (size <= 8 * MIB)
        memset(block, 0x5a, size);
}

static void assert_fails(void *block, int expected)
{
    assert_null(block);
    assert_int_equal(errno, expected);
    errno = ODD_ERRNO;
}

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

/* -- alignments */

static void aligned_blocks_are_aligned_at_every_power_of_two(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 63, 64, 65, 1000, 4096, 16 * KIB, 16 * KIB + 1, 100000};
    for (size_t align = 1; align <= 64 * MIB; align *= 2) {
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            size_t size = lengths[i];
            void *blocks[3] = {memalign(align, size), aligned_alloc(align, size), NULL};
            int result = posix_memalign(&blocks[2], align < sizeof(void *) ? sizeof(void *) : align, size);
            assert_int_equal(result, 0);
            for (size_t j = 0; j < 3; j++) {
                assert_good(blocks[j], size, align);
                fill(blocks[j], size, (unsigned)j);
            }
            for (size_t j = 0; j < 3; j++)
                assert_true(holds(blocks[j], size, (unsigned)j));
            blocks[0] = realloc(blocks[0], size + 1);
            assert_true(holds(blocks[0], size, 0));
            for (size_t j = 0; j < 3; j++)
                free(blocks[j]);
        }
    }
}

static void memalign_takes_the_next_power_of_two(void **state)
{
    (void)state;
    static const size_t odd[][2] = {{0, 1}, {3, 4}, {5, 8}, {65, 128}, {100, 128}, {4097, 8192}, {70000, 131072}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        void *block = memalign(hidden(odd[i][0]), 10);
        assert_good(block, 10, odd[i][1]);
        free(block);
    }
}

static void memalign_says_einval_beyond_the_last_power_of_two_and_enomem_up_to_it(void **state)
{
    (void)state;
    errno = ODD_ERRNO;
    assert_fails(memalign(hidden(SIZE_MAX), 1), EINVAL);
    assert_fails(memalign(hidden(SIZE_MAX / 2 + 2), 1), EINVAL);
    assert_fails(memalign(hidden(SIZE_MAX / 2 + 1), 1), ENOMEM);
    assert_fails(memalign(hidden(SIZE_MAX / 2), 1), ENOMEM);
    assert_fails(memalign(hidden((size_t)1 << 62), 1), ENOMEM);
    assert_fails(memalign(hidden((size_t)1 << 47), 1), ENOMEM);
    assert_fails(aligned_alloc(hidden((size_t)1 << 62), (size_t)1 << 62), ENOMEM);
}

static void posix_memalign_tells_by_its_result_and_leaves_the_rest_alone(void **state)
{
    (void)state;
    static const size_t bad[] = {0, 1, 2, 3, 4, 7, 12, 24, 65, 100, 4097, SIZE_MAX, SIZE_MAX / 2, SIZE_MAX - 7};
    void *result = &result;
    errno = ODD_ERRNO;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(posix_memalign(&result, hidden(bad[i]), 10), EINVAL);
        assert_ptr_equal(result, &result);
        assert_int_equal(errno, ODD_ERRNO);
    }
    static const size_t huge[] = {(size_t)1 << 47, (size_t)1 << 62, (size_t)1 << 63};
    for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
        assert_int_equal(posix_memalign(&result, hidden(huge[i]), 10), ENOMEM);
        assert_ptr_equal(result, &result);
        if (on_pwheap) /* glibc lets its ENOMEM show */
            assert_int_equal(errno, ODD_ERRNO);
    }
}

static void valloc_and_pvalloc_give_pages(void **state)
{
    (void)state;
    static const size_t lengths[][2] = {{0, 0}, {1, 4096}, {4096, 4096}, {4097, 8192}, {100000, 102400}};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        void *one = valloc(lengths[i][0]), *whole = pvalloc(lengths[i][0]);
        assert_good(one, lengths[i][0], 4096);
        assert_good(whole, lengths[i][1], 4096);
        free(one);
        free(whole);
    }
}

/* -- the rest */

static void *symbol(const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    if (found == NULL) {
        assert_false(on_pwheap);
        print_message("this libc has no %s\n", name);
        skip();
    }
    return found;
}

static void free_sized_frees(void **state)
{
    (void)state;
    void (*free_sized)(void *, size_t);
    *(void **)&free_sized = symbol("free_sized");
    size_t before = mallinfo2().uordblks;
    errno = ODD_ERRNO;
    free_sized(NULL, 5);
    for (size_t i = 0; i < SIZES; i++) {
        free_sized(malloc(sizes[i]), sizes[i]);
        free_sized(calloc(1, sizes[i]), sizes[i]);
        free_sized(realloc(malloc(5), sizes[i] + 1), sizes[i] + 1);
    }
    assert_int_equal(errno, ODD_ERRNO);
    assert_int_equal(mallinfo2().uordblks, before);
}

static void free_aligned_sized_frees(void **state)
{
    (void)state;
    void (*free_aligned_sized)(void *, size_t, size_t);
    *(void **)&free_aligned_sized = symbol("free_aligned_sized");
    size_t before = mallinfo2().uordblks;
    errno = ODD_ERRNO;
    free_aligned_sized(NULL, 64, 5);
    for (size_t align = 1; align <= MIB; align *= 2)
        for (size_t i = 0; i < SIZES; i++)
            free_aligned_sized(aligned_alloc(align, sizes[i]), align, sizes[i]);
    assert_int_equal(errno, ODD_ERRNO);
    assert_int_equal(mallinfo2().uordblks, before);
}

static void cfree_frees(void **state)
{
    (void)state;
    void (*cfree)(void *);
    *(void **)&cfree = symbol("cfree");
    size_t before = mallinfo2().uordblks;
    errno = ODD_ERRNO;
    cfree(NULL);
    for (size_t i = 0; i < SIZES; i++)
        cfree(malloc(sizes[i]));
    assert_int_equal(errno, ODD_ERRNO);
    assert_int_equal(mallinfo2().uordblks, before);
}

static size_t in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return on_pwheap ? info.uordblks : info.uordblks + info.hblkhd;
}

static void mallinfo_tells_what_is_in_use(void **state)
{
    (void)state;
    enum { COUNT = 100, SIZE = 10000 };
    void *blocks[COUNT], *big = NULL;
    size_t before = in_use(), before_blocks = mallinfo2().hblks;
    for (size_t i = 0; i < COUNT; i++)
        blocks[i] = malloc(SIZE);
    big = malloc(40 * MIB);
    size_t taken = in_use() - before;
    assert_true(taken >= COUNT * SIZE + 40 * MIB && taken < COUNT * SIZE + 40 * MIB + 100 * KIB);
    assert_int_equal(mallinfo2().hblks, before_blocks + 1);
    assert_true(mallinfo2().hblkhd >= 40 * MIB);
    assert_true(mallinfo2().arena >= COUNT * SIZE);
    if (on_pwheap)
        assert_int_equal(taken, COUNT * SIZE + 40 * MIB);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    struct mallinfo narrow = mallinfo();
#pragma GCC diagnostic pop
    struct mallinfo2 wide = mallinfo2();
    assert_int_equal((size_t)narrow.uordblks, wide.uordblks);
    assert_int_equal((size_t)narrow.hblkhd, wide.hblkhd);
    assert_true((size_t)narrow.fordblks == wide.fordblks || wide.fordblks > INT_MAX);
    for (size_t i = 0; i < COUNT; i++)
        free(blocks[i]);
    free(big);
    assert_true(in_use() - before < 100 * KIB);
    assert_int_equal(mallinfo2().hblks, before_blocks);
}

/* Past one tag of `text`; NULL: it is none. Elements nest in `open`, attributes are name="value". */
static const char *skip_tag(const char *text, char open[][32], int *depth)
{
    char name[32];
    int length = 0;
    bool is_end = text[1] == '/';
    if (sscanf(text + 1 + is_end, "%31[a-z]%n", name, &length) != 1)
        return NULL;
    text += 1 + is_end + length;
    while (*text == ' ') {
        int attribute = 0;
        (void)sscanf(text, " %*[a-z_]=\"%*[^\"<>&]\"%n", &attribute);
        if (attribute == 0)
            return NULL;
        text += attribute;
    }
    bool is_empty = *text == '/';
    text += is_empty;
    if (*text != '>')
        return NULL;
    if (is_end)
        return *depth > 0 && strcmp(open[--*depth], name) == 0 ? text + 1 : NULL;
    if (!is_empty)
        strcpy(open[(*depth)++], name);
    return *depth < 8 ? text + 1 : NULL;
}

static bool is_well_formed(const char *text)
{
    char open[9][32];
    int depth = 0;
    do {
        text += strspn(text, " \n");
        text = *text == '<' ? skip_tag(text, open, &depth) : NULL;
    } while (text != NULL && depth > 0);
    return text != NULL && text[strspn(text, " \n")] == '\0';
}

static void malloc_info_prints_one_well_formed_element(void **state)
{
    (void)state;
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    assert_int_equal(malloc_info(0, stream), 0);
    assert_int_equal(fclose(stream), 0);
    assert_true(is_well_formed(text));
    assert_memory_equal(text, "<malloc version=\"", 17);
    assert_false(is_well_formed("<a><b></a></b>"));
    assert_false(is_well_formed("<a size=3/>"));
    free(text);
}

static void malloc_info_with_options_gives_einval_and_prints_nothing(void **state)
{
    (void)state;
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    errno = ODD_ERRNO;
    assert_int_equal(malloc_info(1, stream), EINVAL);
    assert_int_equal(errno, ODD_ERRNO);
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(length, 0);
    free(text);
}

static void malloc_stats_prints_to_stderr(void **state)
{
    (void)state;
    FILE *file = tmpfile(), *real = stderr;
    assert_non_null(file);
    stderr = file;
    malloc_stats();
    stderr = real;
    assert_true(ftell(file) > 20);
    (void)fclose(file);
}

static void malloc_trim_gives_back_and_harms_nothing(void **state)
{
    (void)state;
    enum { COUNT = 1000, SIZE = 8000 };
    static void *blocks[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        blocks[i] = malloc(SIZE);
        fill(blocks[i], SIZE, i);
    }
    for (unsigned i = 0; i < COUNT; i++)
        if (i % 10 != 0)
            free(blocks[i]);
    int first = malloc_trim(0);
    assert_true(first == 0 || first == 1);
    int second = malloc_trim(64 * KIB);
    assert_true(second == 0 || second == 1);
    for (unsigned i = 0; i < COUNT; i += 10) {
        assert_true(holds(blocks[i], SIZE, i));
        free(blocks[i]);
    }
}

static void mallopt_takes_the_knobs_of_glibc(void **state)
{
    (void)state;
    assert_int_equal(mallopt(M_TRIM_THRESHOLD, 1 << 20), 1);
    assert_int_equal(mallopt(M_MMAP_MAX, 65536), 1);
    assert_int_equal(mallopt(M_ARENA_MAX, 4), 1);
    assert_int_equal(mallopt(M_CHECK_ACTION, 3), 1);
    void *block = malloc(200000);
    assert_good(block, 200000, 16);
    free(block);
}

/* All of a program's libraries must end in one allocator. */
static void libc_s_own_allocations_are_of_the_same_heap(void **state)
{
    (void)state;
    char *copy = strdup("a string");
    assert_good(copy, 9, 16);
    free(copy);
    char *line = NULL;
    size_t room = 0;
    FILE *file = tmpfile();
    assert_true(fputs("one line\n", file) >= 0);
    rewind(file);
    assert_int_equal(getline(&line, &room, file), 9);
    assert_true(malloc_usable_size(line) >= 9);
    line = realloc(line, 5000);
    assert_good(line, 5000, 16);
    free(line);
    assert_int_equal(fclose(file), 0);
}

/* It asks a C++ library for the new_handler; here is none, and none is looked for in files. */
static void a_new_that_fails_opens_nothing_and_leaves_no_error_of_the_loaders(void **state)
{
    void *(*new_quiet)(size_t size, const char *tag) = NULL;
    struct rlimit limit, none;
    (void)state;
    if (!on_pwheap)
        return; /* there is no new here */
    *(void **)&new_quiet = dlsym(RTLD_DEFAULT, "_ZnwmRKSt9nothrow_t");
    assert_non_null(new_quiet);
    assert_null(dlerror());
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){0, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    void *block = new_quiet(hidden((size_t)1 << 47), ""); /* more than there are addresses */
    const char *error = dlerror();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_null(block);
    assert_null(error);
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
        cmocka_unit_test(aligned_blocks_are_aligned_at_every_power_of_two),
        cmocka_unit_test(memalign_takes_the_next_power_of_two),
        cmocka_unit_test(memalign_says_einval_beyond_the_last_power_of_two_and_enomem_up_to_it),
        cmocka_unit_test(posix_memalign_tells_by_its_result_and_leaves_the_rest_alone),
        cmocka_unit_test(valloc_and_pvalloc_give_pages),
        cmocka_unit_test(free_sized_frees),
        cmocka_unit_test(free_aligned_sized_frees),
        cmocka_unit_test(cfree_frees),
        cmocka_unit_test(mallinfo_tells_what_is_in_use),
        cmocka_unit_test(malloc_info_prints_one_well_formed_element),
        cmocka_unit_test(malloc_info_with_options_gives_einval_and_prints_nothing),
        cmocka_unit_test(malloc_stats_prints_to_stderr),
        cmocka_unit_test(malloc_trim_gives_back_and_harms_nothing),
        cmocka_unit_test(mallopt_takes_the_knobs_of_glibc),
        cmocka_unit_test(libc_s_own_allocations_are_of_the_same_heap),
        cmocka_unit_test(a_new_that_fails_opens_nothing_and_leaves_no_error_of_the_loaders),
    };
    on_pwheap = dlsym(RTLD_DEFAULT, "pwheap_image_root") != NULL;
    /* Which of the two is under test is the caller's to say: a preload that fails is no glibc run. */
    const char *expected = getenv("PW_TEST_HEAP");
    if (expected != NULL && on_pwheap != (strcmp(expected, "pwheap") == 0)) {
        (void)fprintf(stderr, "the heap is not %s\n", expected);
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
