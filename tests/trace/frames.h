/*
 * frames.h - functions with frames of many kinds, once built with frame pointers and once without.
 */
#ifndef PW_TESTS_TRACE_FRAMES_H
#define PW_TESTS_TRACE_FRAMES_H

#include <stddef.h>

typedef void action(void *argument);

#define FRAMES_DECLARE(prefix)                                                                     \
    /* `depth` calls of itself, then the action. */                                                \
    void prefix##_recurse(int depth, action *act, void *argument);                                 \
    /* The action in each node of a tree of calls of that depth, before, between and after its branches. */ \
    void prefix##_tree(int depth, action *act, void *argument);                                    \
    /* The action below a frame of a size that is not known to the compiler. */                    \
    void prefix##_alloca(size_t bytes, action *act, void *argument);                               \
    /* The action below a frame that is aligned to 64 bytes, and grows as well. */                 \
    void prefix##_realigned(size_t bytes, action *act, void *argument);                            \
    /* The action between calls that use all registers that a function has to save. */             \
    void prefix##_registers(int a, action *act, void *argument);                                   \
    /* A mixture of all that, by the bits of `seed`, ever deeper. */                               \
    void prefix##_mixture(unsigned seed, int depth, action *act, void *argument);

FRAMES_DECLARE(with_fp)
FRAMES_DECLARE(without_fp)

#endif
