/*
 * orphan.c - a copy of the process that may outlive it: see snapshot.h. (copy.c makes one that is waited for and dies with us.)
 *
 * The copy is made by a bare clone without an exit signal: so no atfork handler runs, no SIGCHLD is sent,
 * and only a wait() that asks for clones (__WALL) sees it. An orphan is made by a helper that shares our
 * memory, and whose end we wait for (CLONE_VFORK: our stack is never used by two at once).
 */
#include "os/process.h"
#include "os/snapshot.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK_BYTES = 65536 };

struct copy {
    int (*child)(void *context);
    void *context;
    int id;
};

static void clone_self(struct copy *copy)
{
    long id = syscall(SYS_clone, 0, 0, 0, 0, 0);
    if (id == 0) {
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
    struct copy copy = {.child = child, .context = context};
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
