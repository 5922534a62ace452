/*
 * copy.c - a copy of the process: see snapshot.h.
 *
 * The copy is made by a bare clone without an exit signal: so no atfork handler runs, no SIGCHLD is sent,
 * and only a wait() that asks for clones (__WALL) sees it. An orphan is made by a helper that shares our
 * memory, and whose end we wait for (CLONE_VFORK: our stack is never used by two at once).
 */
#include "os/process.h"
#include "os/snapshot.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STACK_BYTES = 65536 };

struct copy {
    int (*child)(void *context);
    void *context;
    bool is_orphan;
    int id;
};

/* A fault ends it, for all signals are blocked: without a core, which would be taken for the program's. */
static void settle_in(const struct copy *copy)
{
    struct rlimit nothing = {0, 0};
    (void)syscall(SYS_prlimit64, 0, RLIMIT_CORE, &nothing, NULL);
    if (!copy->is_orphan)
        (void)syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

static void clone_self(struct copy *copy)
{
    long id = syscall(SYS_clone, 0, 0, 0, 0, 0);
    if (id == 0) {
        settle_in(copy);
        pw_os_close_from(STDERR_FILENO + 1);
        (void)syscall(SYS_exit_group, copy->child(copy->context));
        __builtin_unreachable();
    }
    copy->id = id > 0 ? (int)id : -errno;
}

static int helper_main(void *context)
{
    clone_self(context);
    return 0;
}

static void clone_orphan(struct copy *copy)
{
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    copy->id = -ENOMEM;
    if (stack == MAP_FAILED)
        return;
    long helper = clone(helper_main, stack + STACK_BYTES, CLONE_VM | CLONE_VFORK, copy);
    if (helper > 0)
        (void)syscall(SYS_wait4, helper, NULL, __WALL, NULL);
    else
        copy->id = -errno;
    copy->id = copy->id > 0 ? 1 : copy->id;
    (void)munmap(stack, STACK_BYTES);
}

int pw_os_copy_start(int (*child)(void *context), void *context, bool is_orphan)
{
    int saved_errno = errno;
    struct copy copy = {.child = child, .context = context, .is_orphan = is_orphan};
    uint64_t mask = pw_os_block_signals();
    if (is_orphan)
        clone_orphan(&copy);
    else
        clone_self(&copy);
    pw_os_restore_signals(mask);
    errno = saved_errno;
    return copy.id;
}

int pw_os_copy_wait(int id)
{
    int saved_errno = errno;
    int status = -1;
    long ended;
    do
        ended = syscall(SYS_wait4, id, &status, __WALL, NULL);
    while (ended < 0 && errno == EINTR);
    errno = saved_errno;
    return ended == id && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool pw_os_copy_has_ended(int id, uint32_t timeout_ms, int *status)
{
    enum { SHORTEST_NAP_NS = 200000, LONGEST_NAP_NS = 10000000 };
    int saved_errno = errno, ended_as = -1;
    uint64_t deadline_ns = pw_os_time_ns() + (uint64_t)timeout_ms * 1000000u;
    struct timespec moment = {.tv_nsec = SHORTEST_NAP_NS};
    bool in_time = true;
    long got;
    while (((got = syscall(SYS_wait4, id, &ended_as, WNOHANG | __WALL, NULL)) == 0 ||
            (got < 0 && errno == EINTR)) &&
           (in_time = pw_os_time_ns() < deadline_ns)) {
        (void)syscall(SYS_nanosleep, &moment, NULL);
        if (moment.tv_nsec < LONGEST_NAP_NS)
            moment.tv_nsec += moment.tv_nsec / 2;
    }
    if (!in_time) {
        (void)syscall(SYS_kill, id, SIGKILL);
        (void)syscall(SYS_wait4, id, NULL, __WALL, NULL);
    }
    *status = got == id && WIFEXITED(ended_as) ? WEXITSTATUS(ended_as) : -1;
    errno = saved_errno;
    return in_time;
}
