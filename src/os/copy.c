/* copy.c - a copy of the process, to look at in peace: see stop.h */
#include "os/stop.h"

#include "os/process.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_close_range /* Linux 5.9 */
#define SYS_close_range 436
#endif

static void become_copy(void)
{
    struct rlimit nothing = {0, 0};
    (void)syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    (void)syscall(SYS_prlimit64, 0, RLIMIT_CORE, &nothing, NULL);
    pw_os_signal_default(SIGSEGV);
    pw_os_signal_default(SIGBUS);
    pw_os_signal_default(SIGABRT);
    (void)syscall(SYS_close_range, 0, ~0u, 0);
}

int64_t pw_os_copy_process(void)
{
    int saved_errno = errno;
    long pid = syscall(SYS_clone, 0, NULL, NULL, NULL, NULL); /* no flags, and no signal at its end */
    if (pid == 0)
        become_copy();
    errno = saved_errno;
    return pid;
}

bool pw_os_wait_for_copy(int64_t pid, uint32_t timeout_ms)
{
    enum { SHORTEST_NAP_NS = 200000, LONGEST_NAP_NS = 10000000 };
    int saved_errno = errno;
    uint64_t deadline_ns = pw_os_time_ns() + (uint64_t)timeout_ms * 1000000u;
    struct timespec moment = {.tv_nsec = SHORTEST_NAP_NS};
    int status = -1;
    long got;
    while ((got = syscall(SYS_wait4, (pid_t)pid, &status, WNOHANG | __WALL, NULL)) == 0 ||
           (got < 0 && errno == EINTR)) {
        if (pw_os_time_ns() > deadline_ns) {
            (void)syscall(SYS_kill, (pid_t)pid, SIGKILL);
            (void)syscall(SYS_wait4, (pid_t)pid, NULL, __WALL, NULL);
            break;
        }
        (void)syscall(SYS_nanosleep, &moment, NULL);
        if (moment.tv_nsec < LONGEST_NAP_NS)
            moment.tv_nsec += moment.tv_nsec / 2;
    }
    errno = saved_errno;
    return got == (long)pid && status == 0;
}
