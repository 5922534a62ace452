/*
 * stop.h - hold all other threads of this process for a moment, and tell what they were at.
 *
 * By a signal, for a container may forbid ptrace: the one that glibc keeps for itself (SIGSETXID,
 * 33), which no program can block, ignore or handle through libc; queued with a value, so that it is
 * told from libc's own. A thread that waits in a system call that is never restarted (poll, nanosleep)
 * gets EINTR, as from setuid() of another thread.
 *
 * Nothing here allocates or takes a lock. One caller at a time.
 */
#ifndef PW_OS_STOP_H
#define PW_OS_STOP_H

#include "os/signal_context.h"

#include <stdatomic.h>

struct pw_os_stopped {
    uint32_t tid;
    _Atomic uint32_t state; /* private */
    uint64_t sp;      /* 0, as all below: the thread has ended */
    uint64_t pointer; /* the thread pointer */
    uint64_t registers[PW_OS_MAX_REGISTERS];
    uint32_t register_count;
    uint64_t frame; /* what the kernel saved at the signal, vector registers included: its bytes … */
    uint64_t frame_end; /* … end here */
};

enum { PW_OS_MOST_STOPPED = 65536 };

enum pw_os_stop_result {
    PW_OS_STOPPED,
    PW_OS_STOP_UNKNOWN,    /* /proc does not tell which threads there are, or of too many */
    PW_OS_STOP_FORBIDDEN,  /* signals can't be sent, or no memory */
    PW_OS_STOP_UNANSWERED, /* a thread did not stop in time */
};

/*
 * Stop all but the calling thread; *threads is where they are told, *count how many. Unless it is
 * PW_OS_STOPPED, all run on. Signals of the caller are to be blocked. They stay stopped until
 * pw_os_let_go, or for two minutes at most.
 */
enum pw_os_stop_result pw_os_stop_threads(const struct pw_os_stopped **threads, uint32_t *count,
                                          uint32_t timeout_ms);
void pw_os_let_go(void);
/* In the child of fork(): nobody is stopped. */
void pw_os_stop_after_fork(void);

#endif
