/*
 * masks.h - signals that a thread blocks. A fault whose signal is blocked ends the process without a
 * handler, so a guard page would end a worker that blocks everything, as workers of daemons do, without
 * a word. So the signals of faults are never blocked by what a program asks for: that is noted, a thread
 * at a time, and answered to. The mask that the kernel has is the other part of it.
 */
#ifndef PW_FRONT_MASKS_H
#define PW_FRONT_MASKS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* The signals that are kept open from now on, from those that the calling thread blocks already as well. */
void pw_masks_start(const int *signals, int count);
/* Does the calling thread block it, for all that the program knows? A new thread's is not known: false. */
bool pw_masks_block(int number);
/* Around a handler of the program's that ours calls: what it blocks ends with it. */
uint64_t pw_masks_noted(void);
void pw_masks_renote(uint64_t before);
/* Take them out of the mask that the handler of `number` is to run with, and note that. */
void pw_masks_strip(int number, sigset_t *mask);
/* Put back what was taken out. */
void pw_masks_restore(int number, sigset_t *mask);
/*
 * In a handler of ours: send the signal, which came from elsewhere while the program blocks it, once more,
 * blocked now, so that it waits for whom it would have waited for.
 */
void pw_masks_put_off(int number, siginfo_t *info, void *context);

#endif
