/*
 * readable.c - can this memory be read? Asked of the kernel, a word of each page.
 *
 * rt_sigprocmask with a `how` that is none copies the new mask in before it refuses (EFAULT where it
 * can't, EINVAL where it could), and changes nothing. No sandbox forbids it, while process_vm_readv,
 * which looks at many pages at once, ends a program in some.
 */
#include "os/memory.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { KERNEL_SIGSET_BYTES = 8 };

/* The second word of the page: the first of page 0 would be NULL, no mask at all. */
static bool page_is_readable(uintptr_t page)
{
    uintptr_t word = page + KERNEL_SIGSET_BYTES;
    return syscall(SYS_rt_sigprocmask, -1, word, NULL, KERNEL_SIGSET_BYTES) == 0 || errno != EFAULT;
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
    for (; left > 0 && page_is_readable(page); left--)
        page += page_bytes;
    errno = saved_errno;
    return left == 0;
}
