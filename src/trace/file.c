/* file.c - see file.h */
#include "trace/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAPS_LINE_BYTES = 4096 };

/*
 * syscall(2) rather than open() and read(): those the library itself may watch, and they are
 * cancellation points.
 */
static int file_open(const char *path)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                        0);
}

static void file_close(int fd)
{
    (void)syscall(SYS_close, fd);
}

static int64_t file_read(int fd, char *buffer, size_t size)
{
    long got;
    do
        got = syscall(SYS_read, fd, buffer, size);
    while (got < 0 && errno == EINTR);
    return got;
}

static bool file_map_fd(struct pw_file *file, int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0)
        return false;
    void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return false;
    *file = (struct pw_file){.bytes = bytes, .size = (size_t)status.st_size};
    return true;
}

bool pw_file_map(struct pw_file *file, const char *path)
{
    int saved_errno = errno;
    int fd = file_open(path);
    bool mapped = false;
    if (fd >= 0) {
        mapped = file_map_fd(file, fd);
        file_close(fd);
    }
    errno = saved_errno;
    return mapped;
}

void pw_file_unmap(struct pw_file *file)
{
    int saved_errno = errno;
    (void)munmap((void *)file->bytes, file->size);
    errno = saved_errno;
    *file = (struct pw_file){0};
}

static const char *parse_hex(const char *text, const char *end, uint64_t *value)
{
    *value = 0;
    for (; text < end; text++) {
        unsigned digit;
        if (*text >= '0' && *text <= '9')
            digit = (unsigned)(*text - '0');
        else if (*text >= 'a' && *text <= 'f')
            digit = (unsigned)(*text - 'a') + 10;
        else
            break;
        *value = *value << 4 | digit;
    }
    return text;
}

/*
 * A line of maps: "start-end perms offset device inode /path". The path of the one that holds
 * `address`.
 */
static bool line_holds(const char *line, const char *end, uint64_t address, const char **path)
{
    uint64_t low;
    uint64_t high;
    line = parse_hex(line, end, &low);
    if (line == end || *line != '-')
        return false;
    line = parse_hex(line + 1, end, &high);
    if (address < low || address >= high)
        return false;
    while (line < end && *line != '/')
        line++;
    *path = line;
    return true;
}

static bool path_copy(char *path, size_t size, const char *from, const char *end)
{
    size_t length = (size_t)(end - from);
    if (length == 0 || length >= size)
        return false;
    for (size_t i = 0; i < length; i++)
        path[i] = from[i];
    path[length] = '\0';
    return true;
}

/*
 * Lines are gathered in `buffer`; one that does not fit is passed over in pieces, none of which
 * parses.
 */
static bool maps_search(int fd, uint64_t address, char *path, size_t size)
{
    char buffer[MAPS_LINE_BYTES];
    size_t length = 0;
    for (;;) {
        int64_t got = file_read(fd, buffer + length, sizeof buffer - length);
        if (got <= 0)
            return false;
        length += (size_t)got;
        size_t start = 0;
        for (size_t i = 0; i < length; i++) {
            const char *found;
            if (buffer[i] != '\n')
                continue;
            if (line_holds(buffer + start, buffer + i, address, &found))
                return path_copy(path, size, found, buffer + i);
            start = i + 1;
        }
        if (start == 0 && length == sizeof buffer)
            start = length;
        length -= start;
        for (size_t i = 0; i < length; i++)
            buffer[i] = buffer[start + i];
    }
}

bool pw_file_mapped_at(uint64_t address, char *path, size_t size)
{
    int saved_errno = errno;
    int fd = file_open("/proc/self/maps");
    bool found = false;
    if (fd >= 0) {
        found = maps_search(fd, address, path, size);
        file_close(fd);
    }
    errno = saved_errno;
    return found;
}
