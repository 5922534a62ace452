/*
 * frames.h - which function's frame a place on a thread's stack is in: the target's threads are unwound
 * by libdwfl.
 */
#ifndef PW_HEAPDUMP_FRAMES_H
#define PW_HEAPDUMP_FRAMES_H

#include "target.h"

struct thread_frames;

/* NULL: the target's code can't be unwound. */
struct thread_frames *frames_open(struct target *target);
void frames_close(struct thread_frames *frames);

/*
 * An address in the code of the function in whose frame `place` is, on the stack of the thread with
 * this index in target_threads; 0: it can't be told. Of a caller it is the return address less 1.
 */
uint64_t frames_pc_at(struct thread_frames *frames, size_t thread, uint64_t place);

#endif
