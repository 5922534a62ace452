/* available.c - how much memory there is to be had. */
#include "os/process.h"

#include "base/text.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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

/* Control groups of version 2, and the memory controller of version 1. */
static const struct group_kind {
    const char *line; /* how the process's own group begins in /proc/self/cgroup */
    const char *root, *limit, *usage;
} group_kinds[] = {
    {"0::", "/sys/fs/cgroup", "/memory.max", "/memory.current"},
    {":memory:", "/sys/fs/cgroup/memory", "/memory.limit_in_bytes", "/memory.usage_in_bytes"},
};

static uint64_t number_in_group(const char *root, const char *folder, size_t length, const char *file)
{
    char path[512];
    struct pw_text text = pw_text_over(path, sizeof path);
    pw_text_str(&text, root);
    pw_text_bytes(&text, folder, length);
    pw_text_str(&text, file);
    return text.truncated ? UINT64_MAX : number_in(path, "");
}

/* What is left of the limit of the group in `folder`. */
static uint64_t left_in_group(const struct group_kind *kind, const char *folder, size_t length)
{
    uint64_t limit = number_in_group(kind->root, folder, length, kind->limit);
    if (limit == UINT64_MAX)
        return UINT64_MAX;
    uint64_t used = number_in_group(kind->root, folder, length, kind->usage);
    return used < limit ? limit - used : 0;
}

/* Of the process's own groups, and of the root, which is what a container sees of its own. */
static uint64_t left_in_groups(void)
{
    char groups[2048];
    uint64_t least = UINT64_MAX;
    int64_t length = pw_os_read_file("/proc/self/cgroup", groups, sizeof groups - 1);
    groups[length > 0 ? length : 0] = '\0';
    for (size_t i = 0; i < PW_ARRAY_SIZE(group_kinds); i++) {
        const struct group_kind *kind = &group_kinds[i];
        const char *own = strstr(groups, kind->line);
        own = own == NULL ? "" : own + strlen(kind->line);
        uint64_t left = left_in_group(kind, own, strcspn(own, "\n"));
        uint64_t root_left = left_in_group(kind, "", 0);
        left = left < root_left ? left : root_left;
        least = left < least ? left : least;
    }
    return least;
}

static uint64_t ask(void)
{
    int saved_errno = errno;
    uint64_t kilobytes = number_in("/proc/meminfo", "MemAvailable:");
    uint64_t free = kilobytes >= UINT64_MAX >> 10 ? UINT64_MAX : kilobytes << 10;
    uint64_t allowed = left_in_groups();
    errno = saved_errno;
    uint64_t least = free < allowed ? free : allowed;
    return least == UINT64_MAX ? 0 : least;
}

uint64_t pw_os_memory_available(void)
{
    static uint64_t answer;
    static bool is_asked;
    if (!is_asked)
        answer = ask();
    is_asked = true;
    return answer;
}

uint64_t pw_os_address_space_limit(void)
{
    int saved_errno = errno;
    struct rlimit limit;
    uint64_t bytes = UINT64_MAX;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        bytes = limit.rlim_cur;
    if (getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < bytes)
        bytes = limit.rlim_cur;
    errno = saved_errno;
    return bytes;
}

uint64_t pw_os_resident_bytes(void)
{
    char text[128];
    int64_t length = pw_os_read_file("/proc/self/statm", text, sizeof text - 1);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    const char *second = strchr(text, ' ');
    uint64_t pages = second == NULL ? UINT64_MAX : number_at(second);
    return pages == UINT64_MAX ? 0 : pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
