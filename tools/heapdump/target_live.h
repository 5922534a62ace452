/*
 * target_live.h - private to target_live.c and target_run.c: a process and its threads under ptrace.
 */
#ifndef PW_HEAPDUMP_TARGET_LIVE_H
#define PW_HEAPDUMP_TARGET_LIVE_H

#include "target_parts.h"

#include <sys/types.h>

struct tracee {
    pid_t tid;
    bool is_stopped;
    int signal; /* to be handed on when it is let go; 0: none */
};

struct target_live {
    pid_t pid;
    pid_t reader_tid; /* a thread that has the memory: the first one may have ended before the others */
    int memory_fd;   /* /proc/PID/mem */
    int pagemap_fd;  /* or -1 */
    bool uses_file;  /* process_vm_readv doesn't work here */
    bool is_stopped; /* by us */
    bool is_at_end;  /* our own child, that ends once it is let go: only when the target is closed */
    uint64_t stopped_at;
    uint64_t stopped_ns;
    struct tracee *tracees;
    size_t tracee_count;
    size_t tracee_capacity;
};

/* Make target->live, of a process that isn't opened yet. */
struct target_live *target_live_new(struct target *target, pid_t pid);
/* Open its memory; false: said why not. */
bool target_live_open_files(struct target *target);
/* Of a process that stands: program, machine, segments, threads, memory. False: said why not. */
bool target_live_know(struct target *target);

/* The tracee with this id, or NULL. */
struct tracee *target_tracee(const struct target_live *live, pid_t tid);
struct tracee *target_tracee_add(struct target_live *live, pid_t tid);
/* Wait until it stops or ends; not forever: one that hangs in the kernel is told, and left. */
void target_tracee_wait(struct tracee *tracee);

/* target_run.c: let what stands at its end go there, and wait until it is gone. */
void target_run_end(struct target_live *live);

#endif
