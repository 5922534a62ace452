/*
 * patrol.h - the whole heap checked again and again, a little at a time, so that damage is found
 * whether or not the damaged block is ever freed.
 *
 * The share is bounded by work: a step looks at no more than PW_PATROL_BLOCKS blocks and
 * PW_PATROL_BYTES of content. One thread at a time on each way; another that comes meanwhile goes on.
 *
 * Where threads of several heaps come, three steps of four are on the way through the heap of who comes, and the fourth
 * on the one through all: a block that another processor works on is a cache line taken from it, and had back.
 */
#ifndef PW_DIAG_PATROL_H
#define PW_DIAG_PATROL_H

#include "image/image.h"

enum { PW_PATROL_BLOCKS = 16, PW_PATROL_BYTES = 4096 };

/* The next step, for a thread of `heap`, and where `by_pages` one of patrol_pages.h besides. True: *fault is filled. */
bool pw_patrol_step(const struct pw_image *image, uint32_t heap, bool by_pages, struct pw_fault *fault);
/* Rounds over all heaps so far. */
uint64_t pw_patrol_rounds(void);
void pw_patrol_after_fork(void);

#endif
