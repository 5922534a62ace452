/*
 * ops.c - harness: a program of calls of the malloc family over several heaps and threads.
 *
 * A crash is: two live blocks overlap, misalignment, lost or changed contents, calloc that isn't zero, a walk
 * that disagrees with the shadow model, errno changed, memory not given back at the end, any report at all.
 */
#include "program.h"

const char *pwheap_default_options(void)
{
    return FUZZ_OPTIONS;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct program program = {.input = {.at = data, .left = size}};
    program_run(&program);
    return 0;
}
