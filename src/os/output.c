/*
 * output.c - bytes out of the process and files into it, by system calls of their own: libc's
 * read and write may be the library's checked ones, or be cancellation points.
 */
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_close_range /* Linux 5.9 */
#define SYS_close_range 436
#endif

enum { FULL_PIPE_SECONDS = 5, KERNEL_SIGSET_BYTES = 8, CLOSE_FALLBACK = 1024 };

/* The signals that a write may cause: nobody reads the pipe, the file is over the limit of sizes. */
static const uint64_t write_signals = (uint64_t)1 << (SIGPIPE - 1) | (uint64_t)1 << (SIGXFSZ - 1);

/* What the calling thread's signals were before they were held. */
struct held_signals {
    uint64_t old_mask;
    uint64_t pending;
};

/* From here on a write that fails is an error, not the end of the program. */
static struct held_signals write_signals_hold(void)
{
    struct held_signals held = {.old_mask = 0};
    (void)syscall(SYS_rt_sigprocmask, SIG_BLOCK, &write_signals, &held.old_mask, KERNEL_SIGSET_BYTES);
    (void)syscall(SYS_rt_sigpending, &held.pending, KERNEL_SIGSET_BYTES);
    return held;
}

/* Take those that we caused, leave those that were there before. */
static void write_signals_release(struct held_signals held)
{
    struct timespec now = {0, 0};
    uint64_t caused = write_signals & ~held.pending;
    while (caused != 0 && syscall(SYS_rt_sigtimedwait, &caused, NULL, &now, KERNEL_SIGSET_BYTES) > 0)
        ;
    (void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &held.old_mask, NULL, KERNEL_SIGSET_BYTES);
}

/* A non-blocking descriptor that is full: wait for its reader, who may be this very thread. */
static bool wait_for_reader(int fd)
{
    struct pollfd full = {.fd = fd, .events = POLLOUT};
    struct timespec limit = {FULL_PIPE_SECONDS, 0};
    return syscall(SYS_ppoll, &full, 1, &limit, NULL, 0) > 0 || errno == EINTR;
}

static bool write_parts(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        long written = syscall(SYS_write, fd, bytes, length);
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        } else if (written == 0 || (errno != EINTR && (errno != EAGAIN || !wait_for_reader(fd)))) {
            return false;
        }
    }
    return true;
}

bool pw_os_write_all(int fd, const void *bytes, size_t length)
{
    int saved_errno = errno;
    struct held_signals held = write_signals_hold();
    bool done = write_parts(fd, bytes, length);
    write_signals_release(held);
    errno = saved_errno;
    return done;
}

static int64_t read_parts(int fd, char *buffer, size_t size)
{
    size_t length = 0;
    while (length < size) {
        long got = syscall(SYS_read, fd, buffer + length, size - length);
        if (got == 0)
            break;
        if (got < 0 && errno != EINTR)
            return -1;
        length += got > 0 ? (size_t)got : 0;
    }
    return (int64_t)length;
}

int64_t pw_os_read_file(const char *path, char *buffer, size_t size)
{
    int saved_errno = errno;
    int64_t length = -1;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
    if (fd >= 0) {
        length = read_parts(fd, buffer, size);
        (void)syscall(SYS_close, fd);
    }
    errno = saved_errno;
    return length;
}

void pw_os_close_from(unsigned first)
{
    int saved_errno = errno;
    if (syscall(SYS_close_range, first, ~0u, 0) != 0)
        for (unsigned fd = first; fd < CLOSE_FALLBACK; fd++)
            (void)syscall(SYS_close, fd);
    errno = saved_errno;
}

bool pw_os_append_file(const char *path, const void *bytes, size_t length)
{
    int saved_errno = errno;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool done = fd >= 0 && pw_os_write_all(fd, bytes, length);
    if (fd >= 0)
        (void)syscall(SYS_close, fd);
    errno = saved_errno;
    return done;
}
