/* public.h - what reports and pwheap.h's questions tell a program of a block, in pwheap.h's structs. */
#ifndef PW_DIAG_PUBLIC_H
#define PW_DIAG_PUBLIC_H

#include "image/fault.h"
#include "pwheap/pwheap.h"

/* The stack with this id in the depot, without the library's own frames; how many there are. Takes no lock. */
uint32_t pw_public_stack(uint32_t id, void *frames[PWHEAP_MAX_FRAMES]);
void pw_public_block(const struct pw_block_info *info, struct pwheap_block *block);
/*
 * The same for one block after the other; zero at first. A heap has far fewer stacks than blocks: those that were fetched
 * and checked last are kept.
 */
enum { PW_PUBLIC_STACKS_SHIFT = 5 };
struct pw_public_stacks {
    struct pw_kept_stack {
        uint32_t id; /* 0: none */
        uint32_t count;
        void *frames[PWHEAP_MAX_FRAMES];
    } kept[1 << PW_PUBLIC_STACKS_SHIFT]; /* at the place that an id's hash gives it */
};
void pw_public_next_block(const struct pw_block_info *info, struct pw_public_stacks *stacks, struct pwheap_block *block);

#endif
