/* public.h - what reports and pwheap.h's questions tell a program of a block, in pwheap.h's structs. */
#ifndef PW_DIAG_PUBLIC_H
#define PW_DIAG_PUBLIC_H

#include "image/fault.h"
#include "pwheap/pwheap.h"

/* The stack with this id in the depot, without the library's own frames; how many there are. Takes no lock. */
uint32_t pw_public_stack(uint32_t id, void *frames[PWHEAP_MAX_FRAMES]);
void pw_public_block(const struct pw_block_info *info, struct pwheap_block *block);
/*
 * The same for one block after the other in the same struct, zero at first: the stacks that are in it already, which are
 * often the next block's as well, needn't be fetched again.
 */
struct pw_public_stacks {
    uint32_t alloc, free; /* ids */
};
void pw_public_next_block(const struct pw_block_info *info, struct pw_public_stacks *last, struct pwheap_block *block);

#endif
