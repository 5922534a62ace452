/*
 * written.c - see written.h
 *
 * The structures and numbers are the kernel's (linux/userfaultfd.h, linux/fs.h); Debian 12's headers are older.
 */
#include "os/written.h"

#include "os/descriptor.h"
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { HIGH_DESCRIPTOR = 900 }; /* below the usual limit of 1024, above what programs have open */

#define USER_MODE_ONLY 1 /* all that a process without privileges gets; our faults are never handed to anybody */
#define UFFD_API 0xAAu
#define FEATURE_WP_ASYNC ((uint64_t)1 << 15)
#define REGISTER_MODE_WP ((uint64_t)1 << 1)

struct uffd_api {
    uint64_t api, features, ioctls;
};
struct uffd_register {
    uint64_t start, bytes, mode, ioctls;
};
#define UFFD_IOCTL_API _IOWR(0xAA, 0x3F, struct uffd_api)
#define UFFD_IOCTL_REGISTER _IOWR(0xAA, 0x00, struct uffd_register)

struct scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define PAGEMAP_SCAN _IOWR('f', 16, struct scan)
#define SCAN_WP_MATCHING 1u
#define SCAN_CHECK_WPASYNC 2u
#define PAGE_WRITTEN ((uint64_t)1 << 1)
#define PAGE_PRESENT ((uint64_t)1 << 3)
#define PAGE_SWAPPED ((uint64_t)1 << 4)

static int fault_fd = -1, map_fd = -1;
static struct stat fault_file, map_file; /* what they were when they were opened */
static uint32_t owner;                   /* the process that they are of */

static bool open_both(void)
{
    struct uffd_api api = {.api = UFFD_API, .features = FEATURE_WP_ASYNC};
    owner = pw_os_process_id();
    fault_fd = pw_os_move_up((int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | USER_MODE_ONLY), HIGH_DESCRIPTOR);
    if (fault_fd < 0 || fstat(fault_fd, &fault_file) != 0 || ioctl(fault_fd, UFFD_IOCTL_API, &api) != 0)
        return false;
    map_fd = pw_os_move_up(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), HIGH_DESCRIPTOR);
    return map_fd >= 0 && fstat(map_fd, &map_file) == 0;
}

bool pw_os_written_open(void)
{
    if (map_fd >= 0)
        return owner == pw_os_process_id();
    int saved_errno = errno;
    bool is_open = open_both();
    if (!is_open)
        pw_os_written_close();
    errno = saved_errno;
    return is_open;
}

bool pw_os_written_watch(uint64_t start, uint64_t end)
{
    int saved_errno = errno;
    struct uffd_register range = {.start = start, .bytes = end - start, .mode = REGISTER_MODE_WP};
    bool is_watched = ioctl(fault_fd, UFFD_IOCTL_REGISTER, &range) == 0;
    errno = saved_errno;
    return is_watched;
}

/* Pages that were never touched since they were the system's are left out: what is there counts. */
int64_t pw_os_written_take(uint64_t start, uint64_t end, struct pw_os_pages *pages, uint32_t capacity,
                           uint64_t *walked)
{
    int saved_errno = errno;
    struct scan scan = {.size = sizeof scan,
                        .flags = SCAN_WP_MATCHING | SCAN_CHECK_WPASYNC,
                        .start = start,
                        .end = end,
                        .vec = (uint64_t)pages,
                        .vec_len = capacity,
                        .category_mask = PAGE_WRITTEN,
                        .category_anyof_mask = PAGE_PRESENT | PAGE_SWAPPED,
                        .return_mask = PAGE_WRITTEN};
    int64_t count = ioctl(map_fd, PAGEMAP_SCAN, &scan);
    errno = saved_errno;
    *walked = scan.walk_end;
    return count < 0 || scan.walk_end < start || scan.walk_end > end ? -1 : count;
}

static void close_if_ours(int *fd, const struct stat *file)
{
    struct stat now;
    if (*fd >= 0 && fstat(*fd, &now) == 0 && now.st_dev == file->st_dev && now.st_ino == file->st_ino)
        (void)close(*fd);
    *fd = -1;
}

void pw_os_written_close(void)
{
    int saved_errno = errno;
    close_if_ours(&fault_fd, &fault_file);
    close_if_ours(&map_fd, &map_file);
    errno = saved_errno;
}
