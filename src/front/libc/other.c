/* other.c - paths, times, sorting, conversion. See libc.h. */
#include "front/libc/libc.h"

#include <errno.h>
#include <limits.h>

ssize_t pw_checked_readlink(const char *path, char *to, size_t count)
{
    PW_CHECKED(readlink, pw_check_write(&site, to, count));
    return pw_libc.readlink(path, to, count);
}

ssize_t pw_checked___readlink_chk(const char *path, char *to, size_t count, size_t room)
{
    PW_CHECKED(readlink, pw_check_write(&site, to, count));
    return pw_libc.__readlink_chk(path, to, count, room);
}

ssize_t pw_checked_readlinkat(int folder, const char *path, char *to, size_t count)
{
    PW_CHECKED(readlinkat, pw_check_write(&site, to, count));
    return pw_libc.readlinkat(folder, path, to, count);
}

ssize_t pw_checked___readlinkat_chk(int folder, const char *path, char *to, size_t count, size_t room)
{
    PW_CHECKED(readlinkat, pw_check_write(&site, to, count));
    return pw_libc.__readlinkat_chk(folder, path, to, count, room);
}

char *pw_checked_getcwd(char *to, size_t count)
{
    PW_CHECKED(getcwd, pw_check_write(&site, to, count));
    return pw_libc.getcwd(to, count);
}

char *pw_checked___getcwd_chk(char *to, size_t count, size_t room)
{
    PW_CHECKED(getcwd, pw_check_write(&site, to, count));
    return pw_libc.__getcwd_chk(to, count, room);
}

/* It is told no size, and asks for PATH_MAX; less will do for a path that is shorter. */
static void check_path(const struct pw_site *site, const char *path, const char *to)
{
    char resolved[PATH_MAX];
    int saved_errno = errno;
    if (to != NULL && pw_room(to) < PATH_MAX && pw_libc.realpath(path, resolved) != NULL)
        pw_check_write(site, to, pw_libc.strlen(resolved) + 1);
    errno = saved_errno;
}

char *pw_checked_realpath(const char *path, char *to)
{
    PW_CHECKED(realpath, check_path(&site, path, to));
    return pw_libc.realpath(path, to);
}

char *pw_checked___realpath_chk(const char *path, char *to, size_t room)
{
    PW_CHECKED(realpath, check_path(&site, path, to));
    return pw_libc.__realpath_chk(path, to, room);
}

/* It writes no more than it needs, whatever it is told there is. */
static void check_time(const struct pw_site *site, const char *to, size_t count, const char *format,
                       const struct tm *time)
{
    char text[1024];
    if (count <= pw_room(to))
        return;
    size_t length = pw_libc.strftime(text, count < sizeof text ? count : sizeof text, format, time);
    if (length > 0)
        pw_check_write(site, to, length + 1);
}

size_t pw_checked_strftime(char *to, size_t count, const char *format, const struct tm *time)
{
    PW_CHECKED(strftime, check_time(&site, to, count, format, time));
    return pw_libc.strftime(to, count, format, time);
}

void pw_checked_qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    PW_CHECKED(qsort, pw_check_write(&site, base, pw_libc_product(count, size)));
    pw_libc.qsort(base, count, size, compare);
}

static void check_conversion(const struct pw_site *site, char *const *from, const size_t *from_left,
                             char *const *to, const size_t *to_left)
{
    if (from != NULL && *from != NULL && from_left != NULL)
        pw_check_read(site, *from, *from_left);
    if (to != NULL && *to != NULL && to_left != NULL)
        pw_check_write(site, *to, *to_left);
}

size_t pw_checked_iconv(iconv_t state, char **from, size_t *from_left, char **to, size_t *to_left)
{
    PW_CHECKED(iconv, check_conversion(&site, from, from_left, to, to_left));
    return pw_libc.iconv(state, from, from_left, to, to_left);
}
