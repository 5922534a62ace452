/* threads.c - see threads.h, and pw_os_list_threads in snapshot.h */
#include "os/threads.h"

#include "os/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DIRECTORY_BYTES = 4096 };

struct entry { /* linux_dirent64 */
    uint64_t inode;
    int64_t offset;
    uint16_t bytes; /* the next one follows */
    uint8_t type;
    char name[];
};

/* The number that the name is; 0: it is none. */
static uint32_t number_of_name(const char *name)
{
    uint32_t number = 0;
    for (; *name >= '0' && *name <= '9'; name++)
        number = number * 10 + (uint32_t)(*name - '0');
    return *name == '\0' ? number : 0;
}

static bool visit_part(const char *bytes, size_t length, bool (*visit)(void *context, uint32_t thread), void *context)
{
    for (size_t at = 0; at < length;) {
        const struct entry *entry = (const void *)(bytes + at);
        uint32_t thread = number_of_name(entry->name);
        if (thread != 0 && !visit(context, thread))
            return false;
        at += entry->bytes;
    }
    return true;
}

bool pw_os_each_thread(bool (*visit)(void *context, uint32_t thread), void *context)
{
    _Alignas(8) char bytes[DIRECTORY_BYTES];
    int saved_errno = errno;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    bool goes_on = fd >= 0;
    long length = 0;
    while (goes_on && (length = syscall(SYS_getdents64, fd, bytes, sizeof bytes)) > 0)
        goes_on = visit_part(bytes, (size_t)length, visit, context);
    if (fd >= 0)
        (void)syscall(SYS_close, fd);
    errno = saved_errno;
    return goes_on && length == 0;
}

struct list {
    uint32_t *threads;
    size_t count, most;
};

static bool add(void *context, uint32_t thread)
{
    struct list *list = context;
    if (list->count < list->most)
        list->threads[list->count++] = thread;
    return true;
}

size_t pw_os_list_threads(uint32_t *threads, size_t most)
{
    struct list list = {.threads = threads, .most = most};
    (void)pw_os_each_thread(add, &list);
    return list.count;
}
