/* public.h - what reports and pwheap.h's questions tell a program of a block, in pwheap.h's structs. */
#ifndef PW_DIAG_PUBLIC_H
#define PW_DIAG_PUBLIC_H

#include "image/fault.h"
#include "pwheap/pwheap.h"

/* The stack with this id in the depot, without the library's own frames; how many there are. Takes no lock. */
uint32_t pw_public_stack(uint32_t id, void *frames[PWHEAP_MAX_FRAMES]);
void pw_public_block(const struct pw_block_info *info, struct pwheap_block *block);

#endif
