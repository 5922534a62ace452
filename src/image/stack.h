/*
 * stack.h - a stack trace put together from the depot's stacks that share it (layout.h: struct pw_stack), wherever the
 * depot is: in this process, in another or in a file. What it is put together from may be damaged.
 */
#ifndef PW_IMAGE_STACK_H
#define PW_IMAGE_STACK_H

#include "image/layout.h"

/* Copy `bytes` bytes that lie `offset` bytes into the stack of an id; false: they don't lie in the depot. */
typedef bool pw_stack_read(void *context, uint32_t id, uint64_t offset, void *to, uint64_t bytes);

/* The frames of a stack, innermost first; how many. 0: there is no such stack. *hash is what its head says it is. */
size_t pw_stack_frames(pw_stack_read *read, void *context, uint32_t id, uint64_t frames[PW_MAX_FRAMES],
                       uint64_t *hash);

#endif
