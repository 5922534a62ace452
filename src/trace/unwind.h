/*
 * unwind.h - stack traces of the calling thread.
 *
 * By our own unwinder (walk.h, general.h): no lock, no allocation, async-signal-safe, errno as it
 * was. Where that can't work (a machine it does not know, no unwind information to be had) by
 * libunwind, which may allocate and takes the loader's lock: so it is called with no heap lock
 * held, and by a thread marked busy, so that calls of malloc from inside are served without a
 * stack.
 */
#ifndef PW_TRACE_UNWIND_H
#define PW_TRACE_UNWIND_H

#include "image/layout.h"

/*
 * Set up; where our own unwinder can't work, open libunwind (RTLD_LOCAL; directly linked in a
 * static binary), which may allocate. Traces can be taken before, by our own unwinder.
 */
void pw_unwind_init(void);

/*
 * The return addresses of the calling thread's stack into `frames`, innermost first, at most `max`
 * (at most PW_MAX_FRAMES). Frames inside the allocator are left out: the first one stored is
 * `caller_pc`, the return address of the allocator's entry point (__builtin_return_address(0)
 * there), and `caller_frame` is the value of the stack pointer just after that return (the CFA of
 * the entry point: __builtin_dwarf_cfa() there). At least {caller_pc} is stored. Returns the count.
 */
size_t pw_unwind_capture(uint64_t *frames, size_t max, uint64_t caller_pc, uint64_t caller_frame);

/*
 * The depot's id (depot.h) of that trace; 0: the depot has no room. Cheaper than capture and put:
 * of a trace that differs from one of the thread's last ones in the innermost frames only the id is
 * known. `caller_fp` is a guess at the frame pointer's register after the entry point's return, as PW_ARCH_FP()
 * gives it there; where that is wrong, or 0, code that keeps a frame pointer is traced more slowly.
 */
uint32_t pw_unwind_capture_id(uint32_t max, uint64_t caller_pc, uint64_t caller_frame, uint64_t caller_fp);

/* The same in two steps: where it is by a way that the thread's last calls took, as of most calls; 0: it is not. */
uint32_t pw_unwind_usual_id(uint32_t max, uint64_t caller_pc, uint64_t caller_frame, uint64_t caller_fp);
/* And else. */
uint32_t pw_unwind_other_id(uint32_t max, uint64_t caller_pc, uint64_t caller_frame, uint64_t caller_fp);

/*
 * The stack at a signal: frames[0] is the interrupted instruction itself, the rest return
 * addresses.
 */
size_t pw_unwind_from_signal(uint64_t *frames, size_t max, void *ucontext);

/* After a dlclose: code that was known is gone, and other code may come in its place. */
void pw_unwind_modules_changed(void);
/*
 * The thread ends: give back its memory of the last trace (some 140 KiB, touched as needed). Later
 * traces of it are right as well, but slow. Without this call that memory is not used again.
 */
void pw_unwind_thread_exit(void);
/* In the child of fork(): forget what other threads were in the middle of. */
void pw_unwind_after_fork(void);

#endif
