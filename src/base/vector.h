/*
 * vector.h - the widest vector that a file is compiled for: 16 bytes, or 32 where the compiler was told that the
 * processor has them (front/full.c, a second time). Also: does this one have them?
 */
#ifndef PW_BASE_VECTOR_H
#define PW_BASE_VECTOR_H

#include "base/base.h"

#if defined(__AVX2__)
enum { PW_WIDE_BYTES = 32 };
#else
enum { PW_WIDE_BYTES = 16 };
#endif

typedef uint64_t pw_wide __attribute__((vector_size(PW_WIDE_BYTES), aligned(1), may_alias));

/* `word` over and over. */
PW_INLINE pw_wide pw_wide_of(uint64_t word)
{
    return (pw_wide){0} + word;
}

PW_INLINE bool pw_wide_is_zero(pw_wide value)
{
#if defined(__AVX2__)
    typedef long long four __attribute__((vector_size(PW_WIDE_BYTES)));
    return __builtin_ia32_ptestz256((four)value, (four)value) != 0;
#else
    return (value[0] | value[1]) == 0;
#endif
}

/* Can code that was compiled for 32 bytes run here? */
PW_INLINE bool pw_has_wide_vectors(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
#else
    return false;
#endif
}

#endif
