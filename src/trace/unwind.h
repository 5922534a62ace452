/*
 * unwind.h - stack traces of the calling thread.
 *
 * Called with no heap lock held, for libunwind takes the loader's. May re-enter malloc (libunwind
 * allocates the first time); the caller has marked the thread busy, so such calls are served without
 * a stack. errno is left as it was.
 */
#ifndef PW_TRACE_UNWIND_H
#define PW_TRACE_UNWIND_H

#include "image/layout.h"

/*
 * Open libunwind (RTLD_LOCAL; directly linked in the static library) and set up. May allocate.
 * Without it, traces come from our own unwinder alone.
 */
void pw_unwind_init(void);

/*
 * The return addresses of the calling thread's stack into `frames`, innermost first, at most `max`
 * (at most PW_MAX_FRAMES). Frames inside the allocator are left out: the first one stored is
 * `caller_pc`, the return address of the allocator's entry point (__builtin_return_address(0) there),
 * and `caller_frame` is the value of the stack pointer just after that return (the CFA of the entry
 * point: __builtin_dwarf_cfa() there). At least {caller_pc} is stored. Returns the count.
 */
size_t pw_unwind_capture(uint64_t *frames, size_t max, uint64_t caller_pc, uint64_t caller_frame);

/*
 * The stack at a signal: frames[0] is the interrupted instruction itself, the rest return addresses.
 * Async-signal-safe as far as libunwind is.
 */
size_t pw_unwind_from_signal(uint64_t *frames, size_t max, void *ucontext);

/* In the child of fork(): forget what other threads were in the middle of. */
void pw_unwind_after_fork(void);

#endif
