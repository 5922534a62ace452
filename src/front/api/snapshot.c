/*
 * snapshot.c - snapshots on demand: pwheap_dump and dump_signal. Those of reports are made by
 * diag/report.c; the making itself is diag/snapshot.c.
 */
#include "pwheap/pwheap.h"

#include "diag/report.h"
#include "diag/snapshot.h"
#include "front/state.h"

#include <errno.h>

enum { LOCK_TRIES = 20000 }; /* a millisecond or so */

PW_WRITTEN_IN_FORK static uint64_t held; /* a bit for each heap whose lock hold() has; under the lock of the start */
_Static_assert(PW_MAX_HEAPS <= 64, "a bit each");

static void let_go(void)
{
    for (uint32_t i = PW_MAX_HEAPS; i > 0; i--)
        if ((held >> (i - 1) & 1) != 0)
            pw_heap_release(&pw_heaps[i - 1]);
    held = 0;
}

/*
 * Blocks are not cut and merged while the process is copied. Only tried: the holder of a lock may be
 * what this signal handler interrupted. Without them the copy may be in the middle of a step, as that of a
 * stopped process may be.
 */
static bool hold(void)
{
    for (uint32_t i = 0; i < PW_MAX_HEAPS; i++) {
        uint32_t tries = 0;
        while (pw_heaps[i].regions != 0 && !pw_heap_try_acquire(&pw_heaps[i])) {
            pw_pause();
            if (++tries == LOCK_TRIES) {
                let_go();
                return false;
            }
        }
        held |= pw_heaps[i].regions != 0 ? (uint64_t)1 << i : 0;
    }
    return true;
}

void pw_snapshot_start_up(void)
{
    static const struct pw_snapshot_hooks hooks = {hold, let_go};
    pw_snapshot_init(&hooks);
    const char *name = pw_options()->dump_signal;
    if (name[0] != '\0' && pw_snapshot_signal() == 0)
        pw_report_line("dump_signal is no signal that can be used for that: try USR2");
}

int pw_snapshot_signal(void)
{
    return pw_snapshot_signal_number(pw_options()->dump_signal);
}

/* dump_signal has come, and its snapshot is being made. */
PW_WRITTEN_IN_FORK static _Atomic bool is_answering;

/* The thread that was at it is not in the child. */
void pw_snapshots_after_fork(void)
{
    pw_snapshot_after_fork();
    held = 0;
    atomic_store(&is_answering, false);
}

void pw_snapshot_on_signal(const void *context)
{
    static struct pw_snapshot snapshot;
    if (atomic_exchange(&is_answering, true))
        return; /* another thread got the same signal; its snapshot will do */
    snapshot.path = NULL;
    snapshot.signal_context = context;
    snapshot.is_orphan = true;
    if (!pw_snapshot_start(&snapshot)) {
        char storage[512];
        struct pw_text text = pw_text_over(storage, sizeof storage);
        pw_snapshot_tell(&snapshot, -snapshot.copy, &text);
        pw_report_line(storage);
    }
    atomic_store(&is_answering, false);
}

PW_PUBLIC int pwheap_dump(const char *path)
{
    struct pw_snapshot snapshot = {.path = path};
    int error = ENOMEM;
    if (pw_start())
        error = pw_snapshot_start(&snapshot) ? pw_snapshot_finish(&snapshot) : -snapshot.copy;
    if (error == 0)
        return 0;
    errno = error;
    return -1;
}
