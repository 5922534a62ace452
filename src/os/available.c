/* available.c - how much memory there is to be had. */
#include "os/process.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

/* The number at the start of `text`, blanks left out; UINT64_MAX: there is none ("max"). */
static uint64_t number_at(const char *text)
{
    uint64_t number = 0;
    while (*text == ' ' || *text == '\t')
        text++;
    if (*text < '0' || *text > '9')
        return UINT64_MAX;
    for (; *text >= '0' && *text <= '9'; text++)
        if (__builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
            return UINT64_MAX;
    return number;
}

/* The number that follows `words` in a small file ("": at its start); UINT64_MAX: none. */
static uint64_t number_in(const char *path, const char *words)
{
    char text[2048];
    int64_t length = pw_os_read_file(path, text, sizeof text - 1);
    if (length <= 0)
        return UINT64_MAX;
    text[length] = '\0';
    const char *found = strstr(text, words);
    return found == NULL ? UINT64_MAX : number_at(found + strlen(words));
}

uint64_t pw_os_memory_available(void)
{
    int saved_errno = errno;
    uint64_t kilobytes = number_in("/proc/meminfo", "MemAvailable:");
    uint64_t limit = number_in("/sys/fs/cgroup/memory.max", "");
    uint64_t used = limit == UINT64_MAX ? 0 : number_in("/sys/fs/cgroup/memory.current", "");
    uint64_t free = kilobytes >= UINT64_MAX >> 10 ? UINT64_MAX : kilobytes << 10;
    uint64_t allowed = limit == UINT64_MAX ? UINT64_MAX : used < limit ? limit - used : 0;
    errno = saved_errno;
    uint64_t least = free < allowed ? free : allowed;
    return least == UINT64_MAX ? 0 : least;
}

uint64_t pw_os_address_space_limit(void)
{
    int saved_errno = errno;
    struct rlimit limit;
    uint64_t bytes = UINT64_MAX;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        bytes = limit.rlim_cur;
    errno = saved_errno;
    return bytes;
}
