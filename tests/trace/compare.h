/*
 * compare.h - take a trace in all ways, and compare them with libunwind's.
 */
#ifndef PW_TESTS_TRACE_COMPARE_H
#define PW_TESTS_TRACE_COMPARE_H

#include "image/layout.h"

struct compare {
    size_t max;      /* of frames to take; 0: PW_MAX_FRAMES */
    bool is_quiet;   /* differences are counted only */
    size_t takes;    /* how often it was done */
    size_t failures; /* of them: with a difference; each is printed */
    size_t count;    /* the last trace */
    uint64_t frames[PW_MAX_FRAMES];
};

/*
 * An action (frames.h) whose argument is a struct compare: stands for an entry point of the
 * allocator. It takes the trace of its caller as an id, twice, by the general unwinder alone, and
 * now and then as frames.
 */
void compare_here(void *argument);
/* The same without libunwind: the ways are compared with each other. */
void compare_ours(void *argument);
/* True when the trace has a frame within `bytes` behind the start of `function`. */
bool compare_has(const struct compare *compare, const void *function, size_t bytes);

#endif
