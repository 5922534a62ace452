/* new_file.c - a file that is whole or not there: see snapshot.h */
#include "os/snapshot.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MODE = 0600 }; /* memory holds secrets */

static bool fail(struct pw_os_new_file *file, int error)
{
    if (file->error == 0)
        file->error = error != 0 ? error : EIO;
    return false;
}

bool pw_os_new_file_open(struct pw_os_new_file *file, const char *path, uint32_t number)
{
    int saved_errno = errno;
    struct pw_text text = pw_text_over(file->part, sizeof file->part);
    pw_text_str(&text, path);
    pw_text_char(&text, '.');
    pw_text_dec(&text, number);
    pw_text_str(&text, ".part");
    file->path = path;
    file->error = text.truncated ? ENAMETOOLONG : 0;
    file->fd = -1;
    if (file->error == 0) {
        /* One left over by a process that had this number, and was killed. */
        (void)syscall(SYS_unlinkat, AT_FDCWD, file->part, 0);
        file->fd = (int)syscall(SYS_openat, AT_FDCWD, file->part,
                                O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, MODE);
        file->error = file->fd < 0 ? errno : 0;
    }
    errno = saved_errno;
    return file->fd >= 0;
}

bool pw_os_new_file_write(struct pw_os_new_file *file, uint64_t offset, const void *bytes, size_t length)
{
    int saved_errno = errno;
    const char *at = bytes;
    while (length > 0 && file->error == 0) {
        long written = syscall(SYS_pwrite64, file->fd, at, length, offset);
        if (written > 0) {
            at += written;
            offset += (uint64_t)written;
            length -= (size_t)written;
        } else if (written == 0 || errno != EINTR) {
            (void)fail(file, errno);
        }
    }
    errno = saved_errno;
    return file->error == 0;
}

bool pw_os_new_file_finish(struct pw_os_new_file *file, uint64_t bytes)
{
    int saved_errno = errno;
    if (file->fd >= 0) {
        if (file->error == 0 && syscall(SYS_ftruncate, file->fd, bytes) != 0)
            (void)fail(file, errno);
        if (syscall(SYS_close, file->fd) != 0)
            (void)fail(file, errno);
        if (file->error == 0 && syscall(SYS_renameat2, AT_FDCWD, file->part, AT_FDCWD, file->path, 0) != 0)
            (void)fail(file, errno);
        if (file->error != 0)
            (void)syscall(SYS_unlinkat, AT_FDCWD, file->part, 0);
        file->fd = -1;
    }
    errno = saved_errno;
    return file->error == 0;
}

/* strerror may allocate and lock. */
const char *pw_os_error_words(int error)
{
    switch (error) {
    case EPERM:
        return "not permitted";
    case ENOENT:
        return "no such directory";
    case EIO:
        return "input/output error";
    case EAGAIN:
        return "too many processes";
    case ENOMEM:
        return "not enough memory for a copy of the process";
    case EACCES:
        return "permission denied";
    case ENOTDIR:
        return "not a directory";
    case EISDIR:
        return "is a directory";
    case EFBIG:
        return "file too large (limit: ulimit -f)";
    case ENOSPC:
        return "no space left on the device";
    case EROFS:
        return "read-only file system";
    case EDQUOT:
        return "disk quota exceeded";
    case ENAMETOOLONG:
        return "the name is too long";
    case ENOSYS:
        return "not allowed here";
    default:
        return NULL;
    }
}
