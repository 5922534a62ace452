/*
 * thread.h - what the unwinder keeps for each thread.
 *
 * Mapped, not in TLS, for it is some pages, and a thread may ask for a tiny stack, in which its TLS
 * has to fit. Taken at a thread's first trace, given back by pw_trace_thread_exit; lock-free,
 * signal-safe.
 */
#ifndef PW_TRACE_THREAD_H
#define PW_TRACE_THREAD_H

#include "trace/walk.h"

struct pw_trace_thread {
    bool busy;           /* a walk is under way: a signal handler must not use this */
    uint32_t generation; /* of the code, at the last walk: see pw_unwind_modules_changed */
    uint32_t index;
    struct pw_walk_memory walk;
};

/* Initial-exec: general TLS may allocate at its first use in a thread. */
extern _Thread_local struct pw_trace_thread *pw_trace_thread_current
    __attribute__((tls_model("initial-exec")));

/* The calling thread's, made now; NULL: no memory, or too many threads. */
struct pw_trace_thread *pw_trace_thread_make(void);
/* At start-up: what the program's values are kept in here is no place of its own, also where the library is linked in. */
void pw_trace_thread_init(void);
/* Give it back, for good: the thread does without from now on. */
void pw_trace_thread_exit(void);
/* In the child of fork(): all but the calling thread's are free. */
void pw_trace_thread_after_fork(void);

#endif
