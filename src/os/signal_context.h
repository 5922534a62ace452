/* signal_context.h - what the processor was doing when a signal came; async-signal-safe. */
#ifndef PW_OS_SIGNAL_CONTEXT_H
#define PW_OS_SIGNAL_CONTEXT_H

#include "base/base.h"

enum { PW_OS_MAX_REGISTERS = 34 };

/* The general registers (the program counter first) into `values`; how many there are. */
size_t pw_os_context_registers(const void *ucontext, uint64_t values[PW_OS_MAX_REGISTERS]);
/* Bit i: value i of these is one that a function leaves as it was, so what is in it is the code's that was interrupted. */
uint32_t pw_os_kept_registers(void);
/* The stack pointer. */
uint64_t pw_os_context_stack(const void *ucontext);
/*
 * How many bytes below it are the function's own as well: one that calls no other, and was not optimised, has its
 * variables there on x86-64.
 */
uint64_t pw_os_context_below_stack(const void *ucontext);
/* Give a signal its default effect, past any sigaction() that the process has. */
void pw_os_signal_default(int number);

/* Where the interrupted instruction, a call or a jump, reads its target from; 0: it is none that reads it from memory. */
uint64_t pw_os_context_branch(const void *ucontext);

/* The faulting access, as far as the processor and the instruction tell it. */
struct pw_os_access {
    bool is_known; /* read or write */
    bool is_write;
    uint32_t bytes; /* 0: not known */
};
/*
 * `by_address`: it was a page fault, and the processor says what it was for; else (a general protection
 * fault) only the instruction can tell. Reads the instruction, if it is readable.
 */
struct pw_os_access pw_os_context_access(const void *ucontext, bool by_address);

#endif
