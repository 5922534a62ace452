/* signal_context.h - what the processor was doing when a signal came; async-signal-safe. */
#ifndef PW_OS_SIGNAL_CONTEXT_H
#define PW_OS_SIGNAL_CONTEXT_H

#include "base/base.h"

enum { PW_OS_MAX_REGISTERS = 34 };

/* The general registers (the program counter first) into `values`; how many there are. */
size_t pw_os_context_registers(const void *ucontext, uint64_t values[PW_OS_MAX_REGISTERS]);
/* Give a signal its default effect, past any sigaction() that the process has. */
void pw_os_signal_default(int number);

/* Was the faulting access a write? False where that is not known. */
bool pw_os_context_is_write(const void *ucontext);
/* Does *ucontext tell reads from writes on this machine? */
bool pw_os_context_knows_access(void);

#endif
