/*
 * readable.c - can this memory be read? Asked of the kernel, one byte a page.
 *
 * process_vm_readv looks at many pages at once; but containers forbid it now and then. The way that
 * is always open: rt_sigprocmask with a `how` that is none copies the new mask in before it refuses
 * (EFAULT where it can't, EINVAL where it could), and changes nothing.
 */
#include "os/memory.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BATCH_PAGES = 64, KERNEL_SIGSET_BYTES = 8 };

/* The second word of the page: the first of page 0 would be NULL, no mask at all. */
static bool page_is_readable(uintptr_t page)
{
    uintptr_t word = page + KERNEL_SIGSET_BYTES;
    return syscall(SYS_rt_sigprocmask, -1, word, NULL, KERNEL_SIGSET_BYTES) == 0 || errno != EFAULT;
}

/* `count` pages, at most BATCH_PAGES, from the start of `page` on. */
static bool pages_are_readable(uintptr_t page, size_t count)
{
    char bytes[BATCH_PAGES];
    struct iovec to = {.iov_base = bytes, .iov_len = count};
    struct iovec from[BATCH_PAGES];
    for (size_t i = 0; i < count; i++)
        from[i] = (struct iovec){.iov_base = (void *)(page + i * pw_os_page_bytes()), .iov_len = 1};
    ssize_t got = process_vm_readv(getpid(), &to, 1, from, count, 0);
    if (got >= 0 || errno == EFAULT)
        return got == (ssize_t)count;
    for (size_t i = 0; i < count; i++)
        if (!page_is_readable(page + i * pw_os_page_bytes()))
            return false;
    return true;
}

bool pw_os_is_readable(const void *address, size_t bytes)
{
    uintptr_t start = (uintptr_t)address;
    uintptr_t last;
    if (bytes == 0)
        return true;
    if (__builtin_add_overflow(start, bytes - 1, &last))
        return false;
    int saved_errno = errno;
    size_t page_bytes = pw_os_page_bytes();
    uintptr_t page = PW_ALIGN_DOWN(start, page_bytes);
    size_t left = (PW_ALIGN_DOWN(last, page_bytes) - page) / page_bytes + 1;
    bool readable = true;
    while (readable && left > 0) {
        size_t count = left < BATCH_PAGES ? left : BATCH_PAGES;
        readable = pages_are_readable(page, count);
        page += count * page_bytes;
        left -= count;
    }
    errno = saved_errno;
    return readable;
}
