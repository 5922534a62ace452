/*
 * registers_test.c - what the malloc family leaves in the registers that it uses: the upper halves of the vectors
 * are as clean after a call as before. Where they aren't, each instruction of the program's own on vectors of 16 bytes
 * has to keep them, and nothing tells why the program is a fifth slower.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"

#include <stdbool.h>
#include <stdlib.h>

#if defined(__x86_64__)
#include <cpuid.h>

enum { XSAVE_LEAF = 0xd, XSAVE_PART = 1, CAN_TELL = 4, XCR_IN_USE = 1, UPPER_HALVES = 4 };

/* Has the machine such halves, and does it tell what is in use (XGETBV of 1)? */
static bool can_tell(void)
{
    unsigned a, b, c, d;
    if (!__builtin_cpu_supports("avx") || __get_cpuid_count(XSAVE_LEAF, XSAVE_PART, &a, &b, &c, &d) == 0)
        return false;
    return (a & CAN_TELL) != 0;
}

static void clean(void)
{
    __asm__ volatile("vzeroupper" : : : "memory");
}

static bool are_clean(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(XCR_IN_USE) : "memory");
    return (low & UPPER_HALVES) == 0;
}
#else
static bool can_tell(void)
{
    return false;
}

static void clean(void)
{
}

static bool are_clean(void)
{
    return true;
}
#endif

enum { BLOCKS = 300, ROUNDS = 50000 };

static void what_the_machine_tells_is_so(void **state)
{
    (void)state;
    if (!can_tell())
        skip();
    clean();
    assert_true(are_clean());
#if defined(__x86_64__)
    __asm__ volatile("vpcmpeqd %%xmm0, %%xmm0, %%xmm0\n\tvinsertf128 $1, %%xmm0, %%ymm0, %%ymm0" : : : "memory");
    assert_false(are_clean());
    clean();
#endif
}

static void every_call_leaves_the_upper_halves_clean(void **state)
{
    (void)state;
    static void *blocks[BLOCKS];
    uint64_t seed = 4711;
    if (!can_tell())
        skip();
    clean();
    for (unsigned i = 0; i < ROUNDS; i++) {
        void **block = &blocks[pw_random_next(&seed) % BLOCKS];
        size_t size = 1 + pw_random_next(&seed) % (i % 16 == 0 ? 40000 : 600);
        unsigned call = (unsigned)(pw_random_next(&seed) % 3);
        if (*block == NULL)
            *block = call == 0 ? calloc(1, size) : malloc(size);
        else if (call == 0)
            *block = realloc(*block, size);
        else {
            free(*block);
            *block = NULL;
        }
        if (!are_clean())
            fail_msg("dirty after round %u, size %zu, call %u", i, size, call);
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        free(blocks[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_machine_tells_is_so),
        cmocka_unit_test(every_call_leaves_the_upper_halves_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
