/*
 * trace_static.c - a statically linked program, which has no table of its unwind information, is
 * traced all the same. A test by its exit status, for cmocka comes as a shared library.
 */
#include "trace/depot.h"
#include "trace/modules.h"
#include "trace/unwind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t frames[PW_MAX_FRAMES];
static size_t count;

static PW_NOINLINE void take(void)
{
    count = pw_unwind_capture(frames, PW_MAX_FRAMES, (uint64_t)__builtin_return_address(0),
                              (uint64_t)__builtin_dwarf_cfa());
    __asm__ volatile("" ::: "memory");
}

static int compare(const void *a, const void *b)
{
    take();
    return *(const int *)a - *(const int *)b;
}

static bool is_traced(const char *function)
{
    char name[64];
    uint64_t offset;
    for (size_t i = 0; i < count; i++)
        if (pw_modules_function(frames[i] - 1, name, sizeof name, &offset) &&
            strcmp(name, function) == 0)
            return true;
    fprintf(stderr, "%s is not in the trace\n", function);
    return false;
}

int main(void)
{
    int numbers[] = {2, 1};
    if (!pw_depot_init() || !pw_modules_init(NULL))
        return 1;
    pw_modules_refresh();
    pw_unwind_init();
    qsort(numbers, 2, sizeof numbers[0], compare);
    return is_traced("compare") && is_traced("qsort_r") && is_traced("main") && is_traced("_start")
               ? 0
               : 1;
}
