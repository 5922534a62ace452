/* self_memory.c - this process's memory, as the kernel knows it, and whose it is: see snapshot.h */
#include "os/memory.h"
#include "os/process.h"
#include "os/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ENTRIES = 64, HOLDS = 1, ANONYMOUS = 2 };
#define PAGE_PRESENT ((uint64_t)1 << 63)
#define PAGE_SWAPPED ((uint64_t)1 << 62)
#define PAGE_OF_FILE ((uint64_t)1 << 61)

/* Where the kernel does not copy for us: touch only what it says can be read. */
static size_t read_directly(uint64_t address, void *buffer, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        size_t page_bytes = pw_os_page_bytes();
        size_t part = page_bytes - (address + done) % page_bytes;
        part = part < bytes - done ? part : bytes - done;
        if (!pw_os_is_readable((const void *)(address + done), part))
            break;
        memcpy((char *)buffer + done, (const void *)(address + done), part);
        done += part;
    }
    return done;
}

size_t pw_os_read_self(uint64_t address, void *buffer, size_t bytes)
{
    int saved_errno = errno;
    struct iovec to = {buffer, bytes}, from = {(void *)address, bytes};
    ssize_t got = process_vm_readv((pid_t)pw_os_process_id(), &to, 1, &from, 1, 0);
    if (got < 0 && errno != EFAULT)
        got = (ssize_t)read_directly(address, buffer, bytes);
    errno = saved_errno;
    return got > 0 ? (size_t)got : 0;
}

int pw_os_open_page_map(void)
{
    int saved_errno = errno;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
    errno = saved_errno;
    return fd;
}

static bool ask_page_map(int page_map, uint64_t address, size_t pages, uint8_t *answer)
{
    uint64_t entries[ENTRIES];
    for (size_t done = 0; done < pages;) {
        size_t part = pages - done < ENTRIES ? pages - done : ENTRIES;
        uint64_t page = address / pw_os_page_bytes() + done;
        long got = syscall(SYS_pread64, page_map, entries, part * sizeof *entries, page * sizeof *entries);
        if (got != (long)(part * sizeof *entries))
            return false;
        for (size_t i = 0; i < part; i++) {
            bool holds = (entries[i] & (PAGE_PRESENT | PAGE_SWAPPED)) != 0;
            answer[done + i] = (uint8_t)((holds ? HOLDS : 0) |
                                         (holds && (entries[i] & PAGE_OF_FILE) == 0 ? ANONYMOUS : 0));
        }
        done += part;
    }
    return true;
}

/* A copy of the process has no entries yet for shared memory: what of the object is in memory tells. */
static bool ask_residency(uint64_t address, size_t pages, uint8_t *answer)
{
    if (syscall(SYS_mincore, address, pages * pw_os_page_bytes(), answer) != 0)
        return false;
    for (size_t i = 0; i < pages; i++)
        answer[i] &= HOLDS;
    return true;
}

bool pw_os_ask_pages(int page_map, uint64_t address, size_t pages, bool is_shared, uint8_t *answer)
{
    int saved_errno = errno;
    bool known = is_shared ? ask_residency(address, pages, answer)
                           : page_map >= 0 && ask_page_map(page_map, address, pages, answer);
    errno = saved_errno;
    return known;
}

void pw_os_ids(uint32_t *parent, uint32_t *user, uint32_t *group)
{
    *parent = (uint32_t)syscall(SYS_getppid);
    *user = (uint32_t)syscall(SYS_getuid);
    *group = (uint32_t)syscall(SYS_getgid);
}
