/* family_fixture.h - what the tests of the malloc family share, on glibc and on pwheap. */
#ifndef PW_TESTS_FAMILY_FIXTURE_H
#define PW_TESTS_FAMILY_FIXTURE_H

#include "base/random.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ODD_ERRNO = 4711, KIB = 1024, MIB = 1024 * 1024 };

static bool on_pwheap;

static inline size_t hidden(size_t value)
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

static inline unsigned char pattern(size_t index, unsigned salt)
{
    return (unsigned char)(index * 7 + (index >> 8) + salt);
}

static inline void fill(void *block, size_t size, unsigned salt)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)block)[i] = pattern(i, salt);
}

static inline bool holds(const void *block, size_t size, unsigned salt)
{
    for (size_t i = 0; i < size; i++)
        if (((const unsigned char *)block)[i] != pattern(i, salt))
            return false;
    return true;
}

static inline bool is_zero(const void *block, size_t size)
{
    const unsigned char *bytes = block;
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* A fresh block that is all the caller's: writable to its last byte, aligned, of the size asked for. */
static inline void assert_good(void *block, size_t size, size_t align)
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

static inline void assert_fails(void *block, int expected)
{
    assert_null(block);
    assert_int_equal(errno, expected);
    errno = ODD_ERRNO;
}

/* Which of the two is under test is the caller's to say: a preload that fails is no glibc run. False: it is not the one. */
static inline bool find_heap(void)
{
    const char *expected = getenv("PW_TEST_HEAP");
    on_pwheap = dlsym(RTLD_DEFAULT, "pwheap_image_root") != NULL;
    bool is_expected = expected == NULL || on_pwheap == (strcmp(expected, "pwheap") == 0);
    if (!is_expected)
        (void)fprintf(stderr, "the heap is not %s\n", expected);
    return is_expected;
}

#endif
