/* coverage.c - lets AFL++ look away (harness.h). Its run-time library has these; in other builds they are not there. */
#include "harness.h"

extern int __afl_selective_coverage;
int __afl_selective_coverage = 1; /* the library has a weak one: 0 */
extern __attribute__((weak)) void __afl_coverage_off(void);
extern __attribute__((weak)) void __afl_coverage_on(void);

void fuzz_coverage_off(void)
{
    if (__afl_coverage_off != NULL)
        __afl_coverage_off();
}

void fuzz_coverage_on(void)
{
    if (__afl_coverage_on != NULL)
        __afl_coverage_on();
}
