/*
 * fork.c - a child of a threaded program gets a heap that works: every lock is taken before, in the
 * order of docs/internals.md, and let go in both. Our handlers are the first registered (constructor
 * priority), so they run last before and first after: nobody allocates while the locks are held.
 */
#include "check/quarantine.h"
#include "diag/patrol.h"
#include "diag/report.h"
#include "front/api/leaks.h"
#include "front/guarded/runs.h"
#include "front/hot.h"
#include "front/state.h"
#include "os/process.h"
#include "trace/learnt.h"
#include "trace/modules.h"
#include "trace/unwind.h"

#include <pthread.h>

/* Of the forking thread. Under the locks that it holds. */
PW_WRITTEN_IN_FORK static uint64_t mask_before;
/* No lock was taken then: nobody was there who could hold one, or come for one. */
PW_WRITTEN_IN_FORK static bool was_alone;

/*
 * The first regions are there before the first fork: a fork server's children would each make their own, which is
 * more work than most of them do.
 */
static void make_regions(void)
{
    static bool is_done;
    struct pw_cache *self = pw_self;
    void *block;
    if (is_done || !pw_enter(self))
        return;
    is_done = true;
    if (self->heap->image.slab_region == 0 && pw_slab_take(self->heap, pw_class_for(1), 1, &block) == 1)
        pw_heap_give(&block, 1);
    if (pw_root.level >= PW_LEVEL_FULL)
        pw_guarded_prepare(self->heap);
    pw_leave(self);
}

/*
 * Signals wait until the locks are free again: a handler that allocates would want one of them. A process with one
 * thread needs none: taking all of them costs about 3 us, and their pages are copied for the parent and for the child.
 */
static void before(void)
{
    make_regions();
    if (pw_root.level >= PW_LEVEL_FULL && pw_can_unwind)
        pw_learnt_before_fork();
    uint64_t mask = pw_os_block_signals();
    bool is_alone = pw_os_has_one_thread();
    if (!is_alone) {
        pw_cache_before_fork();
        pw_quarantine_before_fork();
        pw_heap_before_fork();
    }
    mask_before = mask;
    was_alone = is_alone;
}

static void after(bool is_child)
{
    if (was_alone)
        return;
    pw_heap_after_fork(is_child);
    pw_quarantine_after_fork();
    pw_cache_after_fork();
}

static void after_in_parent(void)
{
    uint64_t mask = mask_before;
    after(false);
    pw_os_restore_signals(mask);
}

static void after_in_child(void)
{
    uint64_t mask = mask_before;
    after(true);
    pw_root.pid = pw_os_process_id();
    pw_patrol_after_fork();
    pw_report_after_fork();
    pw_leaks_after_fork();
    pw_snapshots_after_fork();
    pw_modules_after_fork();
    pw_unwind_after_fork();
    pw_learnt_after_fork();
    pw_threads_after_fork();
    pw_os_restore_signals(mask);
}

void pw_fork_start(void)
{
    (void)pthread_atfork(before, after_in_parent, after_in_child);
}
