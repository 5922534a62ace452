/*
 * target_run.c - a target that is run to be looked at: `-- PROGRAM ARGUMENT…`, under the library, to the
 * moment at which it ends.
 *
 * It is traced from its start, and stopped for good
 * - before a signal that ends it (abort() behind a report, say): all threads stand where they were;
 * - in exit(), exit_group: its memory is all there, and its other threads stop once more on their way out.
 * When the target is closed it ends as it would have; when heapdump is killed, it is killed with it. What it
 * starts is not looked at. It sees the same addresses each time, so what one command prints can be given
 * to the next.
 */
#include "target_live.h"

#include "heapdump.h"
#include "message.h"
#include "proc_files.h"
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { END_PATIENCE_MS = 1000 };

enum progress { GOES_ON, STANDS, IS_GONE };

struct course {
    struct target_live *live;
    bool has_started; /* the program itself: before that it is a copy of us */
    size_t held;      /* threads that stand at their end, the process's or only theirs */
    int end;          /* as waitpid would tell it */
};

/* ---- what stopped ---- */

static void go_on(pid_t tid, int number)
{
    (void)ptrace(PTRACE_CONT, tid, NULL, (void *)(intptr_t)number);
}

static bool ends_process(const struct course *course, int number)
{
    return number != SIGCHLD && number != SIGCONT && number != SIGURG && number != SIGWINCH && number != SIGTSTP &&
           number != SIGTTIN && number != SIGTTOU && number != SIGSTOP &&
           !proc_handles_signal(course->live->pid, number);
}

static enum progress stop_before_signal(struct course *course, struct tracee *tracee, int number)
{
    if (!course->has_started || !ends_process(course, number)) {
        go_on(tracee->tid, number);
        return GOES_ON;
    }
    tracee->is_stopped = true;
    tracee->signal = number;
    course->end = number;
    return STANDS;
}

static void forget(struct course *course, pid_t tid)
{
    struct target_live *live = course->live;
    struct tracee *tracee = target_tracee(live, tid);
    if (tracee != NULL)
        *tracee = live->tracees[--live->tracee_count];
}

/*
 * A thread is on its way out: alone, or with all of the process. One that another one's exit_group (or exec)
 * kills may get here before that one does: it is held until that is known.
 */
static enum progress stop_at_exit(struct course *course, struct tracee *tracee)
{
    unsigned long status = 0;
    long call = proc_system_call(course->live->pid, tracee->tid);
    bool is_last = course->live->tracee_count == 1;
    (void)ptrace(PTRACE_GETEVENTMSG, tracee->tid, NULL, &status);
    if (!course->has_started || (call == SYS_exit && !is_last)) {
        go_on(tracee->tid, 0);
        forget(course, tracee->tid);
        return GOES_ON;
    }
    tracee->is_stopped = true;
    course->held++;
    course->end = (int)status;
    return call == SYS_exit_group || is_last || status != 0 ? STANDS : GOES_ON;
}

/* The program is another one from now on, and has one thread. */
static enum progress begin_anew(struct course *course)
{
    course->has_started = true;
    course->live->tracee_count = 0;
    go_on(target_tracee_add(course->live, course->live->pid)->tid, 0);
    return GOES_ON;
}

static enum progress take_stop(struct course *course, pid_t tid, int status)
{
    struct target_live *live = course->live;
    struct tracee *tracee = target_tracee(live, tid);
    if (tracee == NULL && proc_is_dead(live->pid, tid)) { /* no thread of it: something that it cloned */
        (void)ptrace(PTRACE_DETACH, tid, NULL, NULL);
        return GOES_ON;
    }
    if (tracee == NULL)
        tracee = target_tracee_add(live, tid);
    int number = WSTOPSIG(status);
    switch (status >> 16) {
    case 0:
        return stop_before_signal(course, tracee, number);
    case PTRACE_EVENT_EXEC:
        return begin_anew(course);
    case PTRACE_EVENT_EXIT:
        return stop_at_exit(course, tracee);
    case PTRACE_EVENT_STOP: /* Ctrl-Z and the like stop it as ever; all else is a thread's first stop */
        (void)ptrace(number == SIGTRAP ? PTRACE_CONT : PTRACE_LISTEN, tid, NULL, NULL);
        return GOES_ON;
    default:
        go_on(tid, 0);
        return GOES_ON;
    }
}

/* ---- to the end ---- */

/* Threads were killed, and nobody ended the process: an exec of another thread did, and waits for them. */
static void release_held(struct course *course)
{
    for (size_t i = course->live->tracee_count; i-- > 0;)
        if (course->live->tracees[i].is_stopped) {
            go_on(course->live->tracees[i].tid, 0);
            forget(course, course->live->tracees[i].tid);
        }
    course->held = 0;
}

static pid_t wait_for_any(struct course *course, int *status)
{
    pid_t tid = 0;
    for (unsigned waited = 0; course->held > 0 && tid == 0 && waited < END_PATIENCE_MS; waited++) {
        tid = waitpid(-1, status, __WALL | WNOHANG);
        if (tid == 0)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    if (tid == 0 && course->held > 0)
        release_held(course);
    return tid != 0 ? tid : waitpid(-1, status, __WALL);
}

static enum progress follow(struct course *course)
{
    enum progress progress = GOES_ON;
    while (progress == GOES_ON) {
        int status;
        pid_t tid = wait_for_any(course, &status);
        if (tid < 0 && errno == EINTR)
            continue;
        if (tid < 0 || (tid == course->live->pid && !WIFSTOPPED(status)))
            return IS_GONE;
        if (WIFSTOPPED(status))
            progress = take_stop(course, tid, status);
        else
            forget(course, tid);
    }
    return progress;
}

/* The others: interrupted, or on their way out with the first. */
static void stop_others(const struct course *course)
{
    struct target_live *live = course->live;
    for (size_t i = 0; i < live->tracee_count; i++)
        if (!live->tracees[i].is_stopped)
            (void)ptrace(PTRACE_INTERRUPT, live->tracees[i].tid, NULL, NULL);
    for (size_t i = 0; i < live->tracee_count; i++)
        if (!live->tracees[i].is_stopped)
            target_tracee_wait(&live->tracees[i]);
}

static void tell_end(const struct target *target, const struct course *course)
{
    if (WIFSIGNALED(course->end))
        message("%s (process %u) is at its end: SIG%s", target->name, target->pid,
                sigabbrev_np(WTERMSIG(course->end)) ?: "?");
    else
        message("%s (process %u) is at its end: exit status %d", target->name, target->pid,
                WEXITSTATUS(course->end));
}

/*
 * The first one that goes takes the others with it. Those are not to stop once more on their way, nor to be
 * overtaken while they are let go; where one does all the same, it is let go then.
 */
void target_run_end(struct target_live *live)
{
    int status = 0;
    for (size_t i = 0; i < live->tracee_count; i++)
        (void)ptrace(PTRACE_SETOPTIONS, live->tracees[i].tid, NULL, NULL);
    for (int with_signal = 0; with_signal < 2; with_signal++)
        for (size_t i = 0; i < live->tracee_count; i++)
            if ((live->tracees[i].signal != 0) == (with_signal == 1))
                (void)ptrace(PTRACE_DETACH, live->tracees[i].tid, NULL, (void *)(intptr_t)live->tracees[i].signal);
    for (pid_t tid = 0; tid != live->pid || WIFSTOPPED(status);) {
        tid = waitpid(-1, &status, __WALL);
        if (tid < 0 && errno != EINTR)
            return;
        if (tid > 0 && WIFSTOPPED(status))
            (void)ptrace(PTRACE_DETACH, tid, NULL, NULL);
    }
}

/* ---- the start ---- */

/* What it writes must not be taken for ours. */
static _Noreturn void become(struct run *run, const char *program, const char *library, int go)
{
    char byte;
    ssize_t got = read(go, &byte, 1);
    if (got != 1)
        _exit(HEAPDUMP_NOT_RUN);
    (void)dup2(STDERR_FILENO, STDOUT_FILENO);
    run_become(run, program, library, NULL);
}

/* The child, seized before it does anything; < 0: said why not. */
static pid_t start(struct run *run, const char *program, const char *library)
{
    int go[2];
    if (pipe2(go, O_CLOEXEC) != 0) {
        message("can't start a process: %s", strerror(errno));
        return -1;
    }
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(go[1]);
        become(run, program, library, go[0]);
    }
    close(go[0]);
    bool is_seized = pid > 0 && ptrace(PTRACE_SEIZE, pid, NULL,
                                       (void *)(intptr_t)(PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE |
                                                          PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT)) == 0;
    if (!is_seized)
        message("can't run %s under ptrace: %s", program, strerror(errno));
    else
        is_seized = write(go[1], "", 1) == 1;
    close(go[1]); /* without the byte it goes */
    return is_seized ? pid : -1;
}

/* Ctrl-C ends the program, as a rule, and is no end of ours: what it left is what is wanted. */
static enum progress follow_without_interrupts(struct course *course)
{
    void (*interrupt)(int) = signal(SIGINT, SIG_IGN);
    void (*quit)(int) = signal(SIGQUIT, SIG_IGN);
    enum progress progress = follow(course);
    (void)signal(SIGINT, interrupt);
    (void)signal(SIGQUIT, quit);
    return progress;
}

static bool run_to_end(struct target *target, struct run *run, const char *program, const char *library)
{
    pid_t pid = start(run, program, library);
    if (pid < 0)
        return false;
    struct target_live *live = target_live_new(target, pid);
    struct course course = {.live = live};
    (void)target_tracee_add(live, pid);
    if (follow_without_interrupts(&course) == IS_GONE) {
        if (course.has_started)
            message("%s has ended before it could be looked at", target->name);
        return false;
    }
    live->is_stopped = live->is_at_end = true;
    stop_others(&course);
    tell_end(target, &course);
    return target_live_open_files(target) && target_live_know(target);
}

bool target_run_open(struct target *target)
{
    struct run run = {.arguments = target->options.program, .is_fixed = true};
    char *program = run_find_program(run.arguments[0]);
    char *library = program != NULL && run_can_check(program) ? run_find_library(&run) : NULL;
    char *own = run_own_path();
    if (own[0] != '\0')
        (void)run_add_option(&run, "external_symbolizer_path", own);
    (void)run_add_option(&run, "seed", "1");
    (void)run_add_option(&run, "detect_leaks", "0"); /* `heapdump leaks' tells them; the others are asked for something else */
    bool is_open = library != NULL && run_to_end(target, &run, program, library);
    bytes_free(&run.options);
    free(program);
    free(library);
    free(own);
    return is_open;
}
