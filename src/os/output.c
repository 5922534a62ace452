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

static const uint64_t sigpipe_mask = (uint64_t)1 << (SIGPIPE - 1);

/* What the calling thread's signals were before sigpipe_hold. */
struct sigpipe {
    uint64_t old_mask;
    bool was_pending;
};

/* From here on a write into a pipe that nobody reads is an error, not the end of the program. */
static struct sigpipe sigpipe_hold(void)
{
    uint64_t pending = 0;
    struct sigpipe held = {.old_mask = 0};
    (void)syscall(SYS_rt_sigprocmask, SIG_BLOCK, &sigpipe_mask, &held.old_mask, KERNEL_SIGSET_BYTES);
    (void)syscall(SYS_rt_sigpending, &pending, KERNEL_SIGSET_BYTES);
    held.was_pending = (pending & sigpipe_mask) != 0;
    return held;
}

/* Take the SIGPIPE that we caused, leave one that was there before. */
static void sigpipe_release(struct sigpipe held)
{
    struct timespec now = {0, 0};
    if (!held.was_pending)
        (void)syscall(SYS_rt_sigtimedwait, &sigpipe_mask, NULL, &now, KERNEL_SIGSET_BYTES);
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
    struct sigpipe held = sigpipe_hold();
    bool done = write_parts(fd, bytes, length);
    sigpipe_release(held);
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
