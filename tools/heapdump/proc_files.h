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
/* Who traces it; 0: nobody. */
pid_t proc_tracer(pid_t pid);
/* "" where there is none. */
void proc_thread_name(pid_t pid, pid_t tid, char *name, size_t size);
/* The path of its executable, allocated; "" if it can't be told. */
char *proc_program(pid_t pid);
/* The machine of its executable; EM_NONE: not a 64-bit little-endian one, or not to be told. */
uint16_t proc_machine(pid_t pid);
/* Add its memory map. */
void proc_segments(struct target *target, pid_t pid);

#endif
