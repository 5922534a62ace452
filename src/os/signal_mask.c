/* signal_mask.c - rt_sigprocmask, rt_sigqueueinfo: see process.h */
#include "os/process.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* errno is written only where that changes it: fork calls this, and the page is shared with the child until then. */
static uint64_t set_mask(uint64_t mask)
{
    int saved_errno = errno;
    uint64_t old = 0;
    if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &old, sizeof mask) != 0)
        errno = saved_errno;
    return old;
}

uint64_t pw_os_block_signals(void)
{
    return set_mask(UINT64_MAX);
}

void pw_os_restore_signals(uint64_t mask)
{
    (void)set_mask(mask);
}

int pw_os_change_mask(int how, const uint64_t *set, uint64_t *old)
{
    int saved_errno = errno;
    int error = syscall(SYS_rt_sigprocmask, how, set, old, sizeof *set) == 0 ? 0 : errno;
    errno = saved_errno;
    return error;
}

void pw_os_send_again(int number, const void *info)
{
    int saved_errno = errno;
    if (((const siginfo_t *)info)->si_code == SI_TKILL)
        (void)syscall(SYS_rt_tgsigqueueinfo, getpid(), pw_os_thread_id(), number, info);
    else
        (void)syscall(SYS_rt_sigqueueinfo, getpid(), number, info);
    errno = saved_errno;
}
