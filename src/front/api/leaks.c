/*
 * leaks.c - which blocks can the program not reach any more? At exit, and whenever it asks.
 *
 *   look ── stop the other threads ── heap locks, or let go and again ── copy of the process
 *    │                                    in the copy: pw_leak_scan ── answer, in shared memory
 *    └── let go, wait for the copy ── sites become leaks ── pw_report_leaks
 *
 * The program stands still only until the copy is made. Where none can be (seccomp, no memory) it
 * stands still for the search. Each step has its time and its way out: a thread that does not stop in
 * 5 seconds, a copy that takes 2 minutes; then nothing is reported, but for a note of it, for a
 * thread whose registers are not known makes false leaks.
 *
 * Locks: `looking` first; those of the heaps are only tried, since a thread that was stopped may hold one.
 */
#include "front/api/leaks.h"

#include "diag/leak_scan.h"
#include "diag/report.h"
#include "front/entry.h"
#include "image/reach.h"
#include "os/memory.h"
#include "os/process.h"
#include "os/snapshot.h"
#include "pwheap/pwheap.h"
#include "trace/file.h"
#include "trace/modules.h"
#include "trace/unwind.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    STOP_MS = 5000,
    COPY_MS = 120000,
    FREEZE_TRIES = 1000,
    MOST_STACK_BYTES = 1 << 20, /* that are searched for a return address */
};

PW_WRITTEN_IN_FORK static struct pw_lock looking; /* one look at a time, and root.ignored */

/* ---- what is ignored: root.ignored, under `looking` ---- */

/* The block at `address` if it is LIVE. */
static bool find_live(uint64_t address, struct pw_block_info *info)
{
    struct pw_image image = pw_image_self();
    return pw_inspect_address(&image, address, info) && info->state == PW_STATE_LIVE &&
           address - info->address < (info->size > 0 ? info->size : 1);
}

static void forget_freed_locked(void)
{
    struct pw_ignored *all = (struct pw_ignored *)pw_root.ignored;
    struct pw_image image = pw_image_self();
    uint64_t kept = 0;
    for (uint64_t i = 0; i < pw_root.ignored_count; i++)
        if (pw_is_ignored_still(&image, &all[i]))
            all[kept++] = all[i];
    pw_root.ignored_count = kept;
}

static bool ignore_locked(const struct pw_block_info *info)
{
    if (pw_root.ignored == 0)
        pw_root.ignored = (uint64_t)pw_os_map(PW_MAX_IGNORED * sizeof(struct pw_ignored));
    if (pw_root.ignored != 0 && pw_root.ignored_count == PW_MAX_IGNORED)
        forget_freed_locked();
    if (pw_root.ignored == 0 || pw_root.ignored_count == PW_MAX_IGNORED)
        return false;
    struct pw_ignored *all = (struct pw_ignored *)pw_root.ignored;
    all[pw_root.ignored_count++] = (struct pw_ignored){
        .address = info->address, .number = info->number, .thread = info->alloc_thread};
    return true;
}

PW_PUBLIC bool pwheap_ignore(const void *pointer)
{
    struct pw_block_info info;
    if (!atomic_load_explicit(&pw_is_ready, memory_order_acquire) || !find_live((uint64_t)pointer, &info))
        return false;
    pw_lock_acquire(&looking);
    bool done = ignore_locked(&info);
    pw_lock_release(&looking);
    return done;
}

/* ---- the look ---- */

struct view {
    struct pw_leak_question question;
    struct pw_leak_answer *answer;
};

static const char *why_not_stopped(enum pw_os_stop_result result)
{
    switch (result) {
    case PW_OS_STOP_UNKNOWN:
        return "leaks were not looked for: /proc does not tell the threads";
    case PW_OS_STOP_FORBIDDEN:
        return "leaks were not looked for: other threads can't be stopped by a signal";
    default:
        return "leaks were not looked for: a thread did not stop within 5 seconds";
    }
}

/* Stop all threads at a moment when none of them is in the middle of a change of a heap. NULL: done. */
static const char *freeze(struct pw_leak_question *question)
{
    for (uint32_t i = 0; i < FREEZE_TRIES; i++) {
        enum pw_os_stop_result result =
            pw_os_stop_threads(&question->threads, &question->thread_count, STOP_MS);
        if (result != PW_OS_STOPPED)
            return why_not_stopped(result);
        if (pw_heap_try_acquire_all())
            return NULL;
        pw_os_let_go();
        (void)sched_yield();
    }
    return "leaks were not looked for: the heap was never at rest";
}

static int scan(void *context)
{
    struct view *view = context;
    pw_leak_scan(&view->question, view->answer);
    return 0;
}

static const char *look_frozen(struct view *view)
{
    int status, copy = pw_os_copy_start(scan, view, false);
    if (copy < 0)
        (void)scan(view);
    pw_heap_release_all();
    pw_os_let_go();
    if (copy > 0 && !pw_os_copy_has_ended(copy, COPY_MS, &status))
        return "leaks were not looked for: it took longer than two minutes";
    return view->answer->is_complete != 0
               ? NULL
               : "leaks were not looked for: there is no memory for it, or no /proc";
}

/* NULL: done; else why not. */
static const char *look(struct view *view)
{
    pw_lock_acquire(&looking);
    uint64_t mask = pw_os_block_signals();
    const char *problem = freeze(&view->question);
    if (problem == NULL)
        problem = look_frozen(view);
    pw_os_restore_signals(mask);
    pw_lock_release(&looking);
    return problem;
}

/* ---- the report ---- */

static struct pw_suppressions *read_suppressions(struct pw_suppressions *suppressions, struct pw_file *file)
{
    static const char prefix[] = "suppressions: ";
    const char *path = pw_options()->suppressions;
    char storage[256];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    if (path[0] == '\0' || suppressions == NULL)
        return NULL;
    pw_text_str(&text, prefix);
    if (!pw_file_map(file, path)) {
        pw_text_str(&text, "the file can't be read: ");
        pw_text_str(&text, path);
        pw_report_line(storage);
        return NULL;
    }
    pw_suppressions_read(suppressions, (const char *)file->bytes, file->size);
    if (suppressions->bad_line != 0) {
        pw_text_str(&text, "line ");
        pw_text_dec(&text, suppressions->bad_line);
        pw_text_str(&text, " is not leak:TEMPLATE; such lines are left out");
        pw_report_line(storage);
    } else if (suppressions->is_cut) {
        pw_text_str(&text, "only the first 1024 are taken");
        pw_report_line(storage);
    }
    return suppressions;
}

static uint64_t report(const struct pw_sites *sites, enum pw_operation operation)
{
    size_t leak_bytes = PW_ALIGN_UP((sites->count + 1) * sizeof(struct pw_leak), pw_os_page_bytes());
    size_t suppression_bytes = PW_ALIGN_UP(sizeof(struct pw_suppressions), pw_os_page_bytes());
    struct pw_leak *all = pw_os_map(leak_bytes);
    struct pw_suppressions *suppressions = pw_os_map(suppression_bytes);
    struct pw_file file = {.bytes = NULL};
    uint64_t left = 0;
    for (uint32_t i = 0; all != NULL && i < sites->count; i++) {
        const struct pw_site *site = &sites->all[i];
        all[i] = (struct pw_leak){.is_direct = site->kind == PW_LEAK_DIRECT,
                                  .stack = site->stack,
                                  .bytes = site->bytes,
                                  .blocks = site->blocks,
                                  .address = site->first};
    }
    if (all != NULL && sites->count > 0) {
        struct pw_leaks leaks = {.operation = operation,
                                 .all = all,
                                 .count = sites->count,
                                 .max_leaks = pw_options()->max_leaks,
                                 .print_suppressions = pw_options()->print_suppressions};
        pw_modules_refresh();
        leaks.suppressions = read_suppressions(suppressions, &file);
        left = pw_report_leaks(&leaks);
    }
    if (file.bytes != NULL)
        pw_file_unmap(&file);
    if (all != NULL)
        pw_os_unmap(all, leak_bytes);
    if (suppressions != NULL)
        pw_os_unmap(suppressions, suppression_bytes);
    return left;
}

/* Blocks lost, suppressed ones aside; `sp`: where the calling thread's stack begins to count. */
static uint64_t check(enum pw_operation operation, uint64_t sp)
{
    size_t answer_bytes = PW_ALIGN_UP(sizeof(struct pw_leak_answer), pw_os_page_bytes());
    struct view view = {.answer = pw_os_map_shared(answer_bytes)};
    const char *problem = "leaks were not looked for: there is no memory for it";
    uint64_t left = 0;
    view.question.sp = sp;
    view.question.pointer = (uint64_t)pthread_self();
    view.question.starts_only = pw_options()->leak_starts_only;
    if (view.answer != NULL)
        problem = look(&view);
    if (problem != NULL)
        pw_report_line(problem);
    else
        left = report(&view.answer->sites, operation);
    if (view.answer != NULL)
        pw_os_unmap(view.answer, answer_bytes);
    return left;
}

PW_PUBLIC size_t pwheap_leak_check(void)
{
    /* The caller's registers go to this frame, and the frame is searched like the caller's. */
    __builtin_unwind_init();
    volatile uint64_t here = 0;
    int saved_errno = errno;
    if (!pw_start())
        return 0;
    struct pw_cache *cache = pw_thread_open();
    if (!pw_enter(cache))
        return 0;
    size_t left = check(PW_OP_VALIDATE, (uint64_t)&here);
    pw_leave(cache);
    errno = saved_errno;
    return left;
}

/* ---- at exit ---- */

/* The place of `value` on the stack from `at` on, or 0. */
static uint64_t find_on_stack(uint64_t at, uint64_t value)
{
    uint64_t end = at + MOST_STACK_BYTES;
    for (; at < end; at += sizeof(uint64_t)) {
        if (at % PW_PAGE_BYTES == 0 && !pw_os_is_readable((const void *)at, PW_PAGE_BYTES))
            return 0;
        if (*(const uint64_t *)at == value)
            return at;
    }
    return 0;
}

/*
 * In a program that is all of one piece only the names tell libc's functions from the program's; those
 * that lie between main and us, one way or the other.
 */
static bool is_of_exit(uint64_t return_address)
{
    static const char *const names[] = {"exit",     "__run_exit_handlers",      "call_fini", "_fini", "_dl_fini",
                                        "destruct", "__libc_start_call_main"};
    char name[64];
    uint64_t offset;
    if (!pw_modules_function(return_address - 1, name, sizeof name, &offset))
        return false;
    for (size_t i = 0; i < PW_ARRAY_SIZE(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool is_of_program(uint64_t return_address)
{
    return !pw_module_is_runtime(pw_modules_find(return_address - 1)) && !is_of_exit(return_address);
}

/*
 * exit() may have been called by libc itself, after main returned: what lies below is of functions
 * that returned, and of libc. So the stack counts from the first frame on that is neither libc's nor
 * the loader's nor ours; it is found by the return addresses, in their order.
 */
static uint64_t stack_of_program(const struct pw_call *call)
{
    uint64_t frames[PW_MAX_FRAMES];
    size_t count = pw_unwind_capture(frames, PW_MAX_FRAMES, call->pc, call->frame);
    uint64_t at = call->frame;
    for (size_t i = 1; i < count; i++) {
        if (is_of_program(frames[i - 1]))
            return at;
        uint64_t slot = find_on_stack(at, frames[i]);
        if (slot == 0)
            return call->frame;
        at = slot + sizeof(uint64_t);
    }
    return at;
}

/* glibc goes on with what exit() still has to do, with the new status; elsewhere exit may not be called twice. */
extern const char *gnu_get_libc_version(void) __attribute__((weak));

void pw_leaks_at_exit(const struct pw_call *call)
{
    if (!pw_options()->detect_leaks)
        return;
    struct pw_cache *cache = pw_thread_open();
    bool entered = pw_enter(cache);
    pw_modules_refresh();
    uint64_t left = check(PW_OP_EXIT, stack_of_program(call));
    if (entered)
        pw_leave(cache);
    if (left == 0 || pw_options()->exitcode == 0)
        return;
    if (gnu_get_libc_version != NULL)
        exit((int)pw_options()->exitcode);
    _exit((int)pw_options()->exitcode);
}

void pw_leaks_after_fork(void)
{
    pw_lock_reset(&looking);
    pw_os_stop_after_fork();
}
