/* identity.c - who and where this process and thread are. */
#include "os/process.h"

#include "base/bitmap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_CPUS = 8192 };

/* glibc's, of <sys/single_threaded.h>. */
extern char __libc_single_threaded /* NOLINT(*-reserved-identifier) */
    __attribute__((weak, visibility("default")));

/* Asked anew each time: after a raw clone or vfork only the kernel knows. */
uint32_t pw_os_process_id(void)
{
    return (uint32_t)syscall(SYS_getpid);
}

uint32_t pw_os_thread_id(void)
{
    return (uint32_t)syscall(SYS_gettid);
}

bool pw_os_has_one_thread(void)
{
    return &__libc_single_threaded != NULL && __libc_single_threaded != 0;
}

void pw_os_thread_name(char name[16])
{
    int saved_errno = errno;
    name[0] = '\0';
    (void)prctl(PR_GET_NAME, (unsigned long)(uintptr_t)name, 0UL, 0UL, 0UL);
    name[15] = '\0';
    errno = saved_errno;
}

/* Without /proc: the path that execve was given, when that is absolute. */
static void path_from_auxv(char *buffer, size_t size)
{
    const char *path = (const char *)getauxval(AT_EXECFN);
    size_t length = 0;
    if (path == NULL || path[0] != '/')
        return;
    while (path[length] != '\0')
        length++;
    for (size_t i = 0; length < size && i <= length; i++)
        buffer[i] = path[i];
}

void pw_os_program_path(char *buffer, size_t size)
{
    if (size == 0)
        return;
    int saved_errno = errno;
    long length = syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", buffer, size);
    bool fits = length > 0 && (size_t)length < size;
    buffer[fits ? length : 0] = '\0';
    if (length < 0)
        path_from_auxv(buffer, size);
    errno = saved_errno;
}

uint32_t pw_os_cpu_count(void)
{
    int saved_errno = errno;
    uint64_t mask[MAX_CPUS / 64] = {0};
    long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    uint32_t count = 0;
    for (size_t i = 0; bytes > 0 && i < PW_ARRAY_SIZE(mask); i++)
        count += pw_bits_count(mask[i]);
    errno = saved_errno;
    return count != 0 ? count : 1;
}
