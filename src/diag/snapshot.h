/*
 * snapshot.h - a snapshot: this process as an ELF core, written by a copy of it, so that the program
 * stops only while it is copied.
 *
 * The copy shares nothing with the program but the pages that neither writes to. The calling thread
 * has its registers in it; of the others the kernel tells those of a thread that sleeps in a system call
 * (/proc/self/task/TID/syscall), and of the rest nothing but their ids: to have them takes ptrace, which is
 * what `heapdump snapshot PID` does.
 *
 * No allocation, no stdio; may be called in a signal handler, also amid the allocator. Lock order: the
 * lock of the start is taken with no other lock held but the report lock, and with signals blocked.
 */
#ifndef PW_DIAG_SNAPSHOT_H
#define PW_DIAG_SNAPSHOT_H

#include "base/text.h"
#include "diag/options.h"

enum { PW_SNAPSHOT_PATH_BYTES = PW_OPTION_PATH_BYTES + 256 };

/* What front does around the copying: keep the heap from being changed, if that can be had soon. */
struct pw_snapshot_hooks {
    bool (*hold)(void);
    void (*let_go)(void);
};
void pw_snapshot_init(const struct pw_snapshot_hooks *hooks);
/* In the child of fork: the thread that was making one is not there. */
void pw_snapshot_after_fork(void);

struct pw_snapshot {
    const char *path;           /* where to; NULL: as dump_path says, into `name` */
    const void *signal_context; /* of the handler that wants it: its registers are told; or NULL */
    bool is_orphan;             /* nobody waits: the copy says itself how it went */
    int copy;                   /* of pw_os_copy_start */
    char name[PW_SNAPSHOT_PATH_BYTES];
};

/* Copy the process and have the copy write; returns when it is copied. False: it can't be. */
bool pw_snapshot_start(struct pw_snapshot *snapshot);
/* Wait until it is written: 0, or the errno of what failed. For one that was started; not for orphans. */
int pw_snapshot_finish(struct pw_snapshot *snapshot);
/* "snapshot: PATH …" or why there is none, as pw_report_line takes it. */
void pw_snapshot_tell(const struct pw_snapshot *snapshot, int error, struct pw_text *text);

/* The number of a signal named USR2, SIGUSR2 or 12; 0: "", or no signal that a program may be sent. */
int pw_snapshot_signal_number(const char *name);

#endif
