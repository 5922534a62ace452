/* signal_mask.c - rt_sigprocmask: see process.h */
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
