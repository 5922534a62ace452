/*
 * proc_files.h - what /proc says of a process. The text there is made by the kernel, but names in it are
 * the program's: lines are cut, not trusted.
 */
#ifndef PW_HEAPDUMP_PROC_FILES_H
#define PW_HEAPDUMP_PROC_FILES_H

#include "target_parts.h"

#include <sys/types.h>

/* True: a zombie, or gone. */
bool proc_is_dead(pid_t pid, pid_t tid);
/* The first thread of a process that has not ended; `pid` if all have. */
pid_t proc_living_thread(pid_t pid);
/* Who traces it; 0: nobody. */
pid_t proc_tracer(pid_t pid);
/* The number of the system call that a stopped thread is in; -1: none, or not to be told. */
long proc_system_call(pid_t pid, pid_t tid);
/* Does it catch or ignore the signal? */
bool proc_handles_signal(pid_t pid, int number);
/* "" where there is none. */
void proc_thread_name(pid_t pid, pid_t tid, char *name, size_t size);
/* The path of its executable, allocated; "" if it can't be told. */
char *proc_program(pid_t pid);
/* The machine of its executable; EM_NONE: not a 64-bit little-endian one, or not to be told. */
uint16_t proc_machine(pid_t pid);
/* Add its memory map. */
void proc_segments(struct target *target, pid_t pid);

#endif
