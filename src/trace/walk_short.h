/*
 * walk_short.h - the short trace: one that comes by a few plain frames to where the thread's last one has been, and goes
 * on as that did. Recursion makes most of them, and no branch holds those; a compiler's are half of all its traces.
 */
#ifndef PW_TRACE_WALK_SHORT_H
#define PW_TRACE_WALK_SHORT_H

#include "trace/walk.h"

/*
 * The id of the trace of at most `max` frames that begins at (ip, sp, fp), which is remembered then as if pw_walk_id had
 * found it. 0: it is no such one, or there is no room for it; what is remembered then was so before, if no longer all of it.
 */
uint32_t pw_walk_short_id(struct pw_walk_memory *memory, uint64_t ip, uint64_t sp, uint64_t fp, uint32_t max);

#endif
