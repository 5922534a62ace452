/*
 * breakpoint.h - a hardware breakpoint on writes to one byte, in every thread of the process.
 *
 * A thread that writes the byte gets SIGTRAP with si_code PW_OS_TRAP_PERF after the instruction that
 * did it. Writes by the kernel (read(2) into the buffer) are not seen. One at a time; calls come one
 * after the other (the caller sees to it). errno is left as it was.
 */
#ifndef PW_OS_BREAKPOINT_H
#define PW_OS_BREAKPOINT_H

#include "base/base.h"

enum { PW_OS_TRAP_PERF = 6 };

/* False: the system or the machine (many virtual ones) gives none; then there is none. */
bool pw_os_break_on_write(const void *address);
void pw_os_break_end(void);

#endif
