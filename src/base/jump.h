/*
 * jump.h - to leave a function by a jump to another, so that that one returns to our caller and sees its
 * address. In a build with -fno-optimize-sibling-calls, which keeps the callers in stack traces.
 *
 *     PW_PUBLIC PW_BY_JUMP int f(int a) { PW_JUMP return real(a); }
 */
#ifndef PW_BASE_JUMP_H
#define PW_BASE_JUMP_H

#if defined(__clang__)
#define PW_BY_JUMP
#define PW_JUMP __attribute__((musttail))
#else
/* No protector of the stack, no instrumentation: what has to be looked at on leaving forbids a jump. */
#define PW_BY_JUMP                                                                                 \
    __attribute__((optimize("optimize-sibling-calls", "no-stack-protector"), no_sanitize("undefined")))
#define PW_JUMP
#endif

#endif
