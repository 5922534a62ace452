/*
 * workers.h - threads in lock-step: one runs at a time, and which one the input says. So every thread has a
 * cache of its own, and yet the same input is the same run.
 */
#ifndef PW_FUZZ_WORKERS_H
#define PW_FUZZ_WORKERS_H

enum { WORKERS = 3 }; /* besides the calling thread, which is number 0 */

/* Run `step` on thread `number` and come back when it is done. The thread is started when it isn't there. */
void worker_run(unsigned number, void (*step)(void *context), void *context);
/* Let the thread end, and wait for it; number 0 and one that isn't there: nothing. */
void worker_end(unsigned number);

#endif
