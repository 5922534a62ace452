/*
 * filter.c - run a program over some text, from a process whose heap may be broken.
 *
 * Three processes, all in the memory of the first:
 *
 *   the program's thread   sleeps in clone() until the keeper is gone (CLONE_VFORK)
 *   the keeper             has pipes to the filter, feeds it, collects its output, reaps it
 *   the filter             leads to execve, and then has its own memory
 *
 * Why so, and not fork():
 * - CLONE_VM: no page table is copied (a large heap takes seconds), no atfork handler runs.
 * - CLONE_VFORK: the thread's stack, TLS and errno are never used by two at once; that is what
 *   makes the libc wrappers' errno safe in the keeper and in the filter.
 * - The keeper has a descriptor table of its own, which it empties: no descriptor of ours ever
 *   shows in the program, a table that is full or has 0, 1, 2 closed does not matter.
 * - The keeper has signal state of its own, and everything blocked: SIGPIPE and SIGCHLD stay in it.
 * - The keeper has no exit signal and never calls execve (which would give it SIGCHLD): the
 *   program's wait() does not see it, nor its child, and no SIGCHLD is sent.
 *
 * The result is passed in memory (struct job), so it holds also when a wait(__WALL) of the program
 * was faster than ours. Where clone is not allowed like this (seccomp, qemu-user) the answer is false.
 */
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    KERNEL_SIGSET_BYTES = 8,
    SIGNALS = 64,
    STACK_BYTES = 65536, /* each */
    SCRATCH_BYTES = 4096,
    NO_FD = -1,
};

struct job {
    const char *program;
    char *const *argv;
    char *const *environment;
    const char *input;
    size_t input_length; /* what is still to be written, like input */
    char *output;
    size_t output_size;
    size_t output_length;
    uint64_t deadline_ns;
    char *filter_stack; /* one past its end */
    int filter_stdin;   /* the filter's ends of the pipes, in the keeper's table */
    int filter_stdout;
    bool exec_failed;
    bool succeeded;
};

static void close_fd(int *fd)
{
    if (*fd != NO_FD)
        (void)syscall(SYS_close, *fd);
    *fd = NO_FD;
}

/* A zeroed struct sigaction is SIG_DFL without flags in every layout that kernels have. */
static void reset_signal(int signal)
{
    uint64_t by_default[8] = {0};
    (void)syscall(SYS_rt_sigaction, signal, by_default, NULL, KERNEL_SIGSET_BYTES);
}

/* ---- the filter, until execve ---- */

static int filter_main(void *context)
{
    struct job *job = context;
    uint64_t no_signals = 0;
    (void)syscall(SYS_setpgid, 0, 0);
    (void)syscall(SYS_dup3, job->filter_stdin, STDIN_FILENO, 0);
    (void)syscall(SYS_dup3, job->filter_stdout, STDOUT_FILENO, 0);
    pw_os_close_from(STDERR_FILENO + 1);
    for (int signal = 1; signal <= SIGNALS; signal++)
        reset_signal(signal);
    (void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, NULL, KERNEL_SIGSET_BYTES);
    (void)syscall(SYS_execve, job->program, job->argv, job->environment);
    job->exec_failed = true;
    return 127;
}

/* ---- the keeper ---- */

/* 0, 1 and 2 to /dev/null, and nothing else open. */
static void empty_descriptors(void)
{
    pw_os_close_from(0);
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR, 0) < 0)
            (void)syscall(SYS_eventfd2, 0, 0); /* in a chroot without: hold the place */
}

/* A pipe of which the end `ours` (0 reads, 1 writes) does not block. */
static bool open_pipe(int ends[2], int ours)
{
    return syscall(SYS_pipe2, ends, O_CLOEXEC) == 0 &&
           syscall(SYS_fcntl, ends[ours], F_SETFL, O_NONBLOCK) == 0;
}

/* Write until the pipe is full or the input is; a filter that has stopped reading is no error. */
static void feed(struct job *job, int *fd)
{
    while (job->input_length > 0) {
        long written = syscall(SYS_write, *fd, job->input, job->input_length);
        if (written < 0 && errno == EAGAIN)
            return;
        if (written <= 0)
            break;
        job->input += written;
        job->input_length -= (size_t)written;
    }
    close_fd(fd);
}

/* Read until the pipe is empty or closed; what output has no place for is read and dropped. */
static void collect(struct job *job, int *fd)
{
    char scratch[SCRATCH_BYTES];
    for (;;) {
        size_t room = job->output_size - job->output_length;
        char *to = room > 0 ? job->output + job->output_length : scratch;
        long got = syscall(SYS_read, *fd, to, room > 0 ? room : sizeof scratch);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0)
            break;
        job->output_length += room > 0 ? (size_t)got : 0;
        if (pw_os_time_ns() >= job->deadline_ns)
            return;
    }
    close_fd(fd);
}

/* Sleep until something happens on the pipes or the filter ends. False: the deadline has come. */
static bool sleep_on(struct pollfd *fds, nfds_t count, uint64_t deadline_ns)
{
    uint64_t now = pw_os_time_ns();
    if (now >= deadline_ns)
        return false;
    struct timespec left = {(time_t)((deadline_ns - now) / 1000000000u),
                            (long)((deadline_ns - now) % 1000000000u)};
    return syscall(SYS_ppoll, fds, count, &left, NULL, 0) >= 0 || errno == EINTR;
}

/* `told`: there is a SIGCHLD to take off child_fd; it may also be about a stop. */
static bool has_ended(long pid, int child_fd, bool told, int *status)
{
    struct signalfd_siginfo info;
    if (told)
        (void)syscall(SYS_read, child_fd, &info, sizeof info);
    return syscall(SYS_wait4, pid, status, WNOHANG, NULL) == pid;
}

/*
 * Pump until the filter has ended, not until its output is closed: that may be held open by a
 * process that it left behind. `child_fd` is a signalfd of SIGCHLD. True: *status is how it ended.
 */
static bool pump(struct job *job, int input, int output, int child_fd, long pid, int *status)
{
    if (job->input_length == 0)
        close_fd(&input);
    for (;;) {
        struct pollfd fds[] = {
            {.fd = input, .events = POLLOUT},
            {.fd = output, .events = POLLIN},
            {.fd = child_fd, .events = POLLIN},
        };
        if (!sleep_on(fds, PW_ARRAY_SIZE(fds), job->deadline_ns))
            return false;
        bool ended = has_ended(pid, child_fd, fds[2].revents != 0, status);
        if (input != NO_FD && fds[0].revents != 0)
            feed(job, &input);
        if (output != NO_FD && (ended || fds[1].revents != 0))
            collect(job, &output);
        if (ended)
            return true;
    }
}

static void keep(struct job *job)
{
    uint64_t child_mask = (uint64_t)1 << (SIGCHLD - 1);
    int input[2];
    int output[2];
    int status = -1;
    if (!open_pipe(input, 1) || !open_pipe(output, 0))
        return;
    int child_fd = (int)syscall(SYS_signalfd4, -1, &child_mask, KERNEL_SIGSET_BYTES, O_CLOEXEC);
    if (child_fd < 0)
        return;
    job->filter_stdin = input[0];
    job->filter_stdout = output[1];
    long pid = clone(filter_main, job->filter_stack, CLONE_VM | CLONE_VFORK | SIGCHLD, job);
    if (pid < 0)
        return;
    close_fd(&input[0]);
    close_fd(&output[1]);
    if (pump(job, input[1], output[0], child_fd, pid, &status)) {
        job->succeeded = !job->exec_failed && WIFEXITED(status) && WEXITSTATUS(status) == 0;
        return;
    }
    (void)syscall(SYS_kill, -pid, SIGKILL);
    (void)syscall(SYS_kill, pid, SIGKILL); /* should it have no group of its own */
    (void)syscall(SYS_wait4, pid, &status, 0, NULL);
}

/* Its descriptors close, and what is pending for it goes, when it returns: clone() calls _exit. */
static int keeper_main(void *context)
{
    reset_signal(SIGCHLD); /* ignored, it would take the filter's exit status away */
    empty_descriptors();
    keep(context);
    return 0;
}

/* ---- the program ---- */

/* With every signal blocked, so that none of the program's handlers runs in the other two. */
static void run_keeper(struct job *job, char *keeper_stack)
{
    uint64_t all_signals = ~(uint64_t)0;
    uint64_t old_mask = 0;
    (void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all_signals, &old_mask, KERNEL_SIGSET_BYTES);
    long pid = clone(keeper_main, keeper_stack, CLONE_VM | CLONE_VFORK, job);
    if (pid > 0)
        (void)syscall(SYS_wait4, pid, NULL, __WALL, NULL);
    (void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old_mask, NULL, KERNEL_SIGSET_BYTES);
}

bool pw_os_run_filter(const char *program, char *const argv[], char *const environment[],
                      const char *input, size_t input_length, char *output, size_t output_size,
                      size_t *output_length, uint32_t timeout_ms)
{
    int saved_errno = errno;
    struct job job = {
        .program = program,
        .argv = argv,
        .environment = environment,
        .input = input,
        .input_length = input_length,
        .output = output,
        .output_size = output_size,
        .deadline_ns = pw_os_time_ns() + (uint64_t)timeout_ms * 1000000u,
    };
    char *stacks = mmap(NULL, 2 * STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (stacks != MAP_FAILED) {
        job.filter_stack = stacks + STACK_BYTES;
        run_keeper(&job, stacks + 2 * STACK_BYTES);
        (void)munmap(stacks, 2 * STACK_BYTES);
    }
    *output_length = job.output_length;
    errno = saved_errno;
    return job.succeeded;
}
