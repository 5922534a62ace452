/*
 * libunwind.h - traces by libunwind, where our own unwinder can't work, and to compare with.
 *
 * Never linked: as a DT_NEEDED of a preloaded library it takes over C++ exceptions, for it exports
 * _Unwind_RaiseException. It is opened RTLD_LOCAL instead; functions of one that the program itself
 * is linked with (a static binary) are used directly. May allocate and take the loader's lock.
 * errno is left as it was.
 */
#ifndef PW_TRACE_LIBUNWIND_H
#define PW_TRACE_LIBUNWIND_H

#include "base/base.h"

/* Find it. False: it is not there. Not for signal handlers. */
bool pw_libunwind_open(void);
/* The trace from the frame whose return address is `caller_pc` on; 0: that is not on the stack. */
size_t pw_libunwind_trace(uint64_t *frames, size_t max, uint64_t caller_pc);
/* The trace of an interrupted context, the exact ip first; 0: it could not be taken. */
size_t pw_libunwind_from_signal(uint64_t *frames, size_t max, void *ucontext);

#endif
