/*
 * breakpoint.c - have the processor tell of writes to one byte: a perf event of PERF_TYPE_BREAKPOINT
 * that sends SIGTRAP to the thread that wrote, right after the instruction (Linux 5.13). It needs no
 * privilege, for writes by the kernel are left out.
 */
#include "os/breakpoint.h"

#include "os/descriptor.h"
#include "os/threads.h"

#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST_THREADS = 256, HIGH_DESCRIPTOR = 512 };
static int descriptors[MOST_THREADS];
static uint32_t count;

static bool watch_thread(void *address, uint32_t thread)
{
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_BREAKPOINT,
        .size = sizeof attributes,
        .sample_period = 1,
        .bp_type = HW_BREAKPOINT_W,
        .bp_addr = (uint64_t)address,
        .bp_len = HW_BREAKPOINT_LEN_1,
        .exclude_kernel = 1,
        .exclude_hv = 1,
        .inherit = 1,
        .inherit_thread = 1,
        .remove_on_exec = 1,
        .sigtrap = 1,
    };
    if (count >= MOST_THREADS)
        return false;
    long fd = syscall(SYS_perf_event_open, &attributes, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0)
        return errno == ESRCH; /* it has ended since it was listed */
    descriptors[count++] = pw_os_move_up((int)fd, HIGH_DESCRIPTOR);
    return true;
}

/* Every thread that there is; those that come later inherit it. Without /proc the calling one alone. */
static bool watch_threads(void *address)
{
    if (pw_os_each_thread(watch_thread, address))
        return count != 0;
    return count == 0 && access("/proc/self/task", F_OK) != 0 && watch_thread(address, 0);
}

bool pw_os_break_on_write(const void *address)
{
    int saved_errno = errno;
    pw_os_break_end();
    bool done = watch_threads((void *)(uintptr_t)address);
    if (!done)
        pw_os_break_end();
    errno = saved_errno;
    return done;
}

void pw_os_break_end(void)
{
    int saved_errno = errno;
    while (count != 0)
        (void)close(descriptors[--count]);
    errno = saved_errno;
}
