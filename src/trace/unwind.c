/*
 * unwind.c - see unwind.h
 *
 *   pw_unwind_capture
 *     pw_walk                 the rule: frames of the usual kinds, nothing interrupted
 *     capture_slowly          else: a frame of another kind, or a signal came in the middle of a walk
 *       pw_general_trace
 *       pw_libunwind_trace    where that can't go on
 *
 *   pw_unwind_capture_id
 *     pw_unwind_usual_id
 *       pw_walk_usual_id      by a way that the thread's last traces took
 *     pw_unwind_other_id
 *       pw_walk_short_id      else by a few plain frames to where the last one has been
 *       pw_walk_id            else as above, from here on
 *       capture_slowly
 */
#include "trace/unwind.h"

#include "base/arch.h"
#include "trace/depot.h"
#include "trace/frame_index.h"
#include "trace/general.h"
#include "trace/libunwind.h"
#include "trace/modules.h"
#include "trace/rules.h"
#include "trace/thread.h"
#include "trace/walk_branch.h"
#include "trace/walk_short.h"

enum { OWN_FRAMES = 32 };

/* True when our own code has unwind information: then so has the program, most likely. */
static bool can_unwind(void)
{
    enum pw_rule_kind kind = pw_rule_kind(pw_rules_find((uint64_t)&pw_unwind_init));
    return PW_ARCH_UNWINDS && kind != PW_RULE_OUTSIDE && kind != PW_RULE_CHAIN;
}

void pw_unwind_init(void)
{
    pw_trace_thread_init();
    if (!can_unwind()) {
        pw_modules_refresh();
        (void)pw_frame_index_build((uint64_t)&pw_unwind_init);
        pw_rules_forget();
    }
    if (!can_unwind())
        (void)pw_libunwind_open();
}

/* From our own registers up to the frame that called the allocator. */
static bool skip_own(struct pw_general *frame, struct pw_view *view, uint64_t caller_pc,
                     uint64_t caller_frame)
{
    for (int i = 0; i < OWN_FRAMES && frame->registers[PW_REG_SP] < caller_frame; i++)
        if (pw_general_step(frame, view) != PW_GENERAL_STEPPED)
            return false;
    return frame->registers[PW_REG_SP] == caller_frame && frame->registers[PW_REG_IP] == caller_pc;
}

/* Needs no memory of the thread: also for a signal that came in the middle of a capture. */
static PW_NOINLINE size_t capture_slowly(uint64_t *frames, size_t max, uint64_t caller_pc,
                                         uint64_t caller_frame)
{
    struct pw_general frame = {.is_exact = true};
    struct pw_view view = {0};
    bool is_lost = true;
    size_t count = 0;
    pw_arch_registers(frame.registers);
    if (PW_ARCH_UNWINDS && skip_own(&frame, &view, caller_pc, caller_frame))
        count = pw_general_trace(frame, &view, frames, max, &is_lost);
    if (!is_lost)
        return count;
    uint64_t theirs[PW_MAX_FRAMES];
    size_t their_count = pw_libunwind_trace(theirs, max, caller_pc);
    for (size_t i = count; i < their_count; i++)
        frames[i] = theirs[i];
    count = count > their_count ? count : their_count;
    if (count == 0)
        frames[count++] = caller_pc;
    return count;
}

/* The generation of the rules: another one, and what was found by them is to be forgotten. */
PW_INLINE uint32_t rules_now(void)
{
    return atomic_load_explicit(&pw_rules_generation, memory_order_relaxed);
}

/* The thread's memory, marked busy; NULL: it can't be had now. */
PW_INLINE struct pw_trace_thread *thread_begin(void)
{
    struct pw_trace_thread *thread = pw_trace_thread_current;
    if (pw_unlikely(thread == NULL))
        thread = pw_trace_thread_make();
    if (!PW_ARCH_UNWINDS || pw_unlikely(thread == NULL || thread->busy))
        return NULL;
    thread->busy = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    uint32_t now = rules_now();
    if (pw_unlikely(thread->generation != now)) {
        thread->generation = now;
        pw_walk_forget(&thread->walk);
    }
    return thread;
}

PW_INLINE void thread_end(struct pw_trace_thread *thread)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    thread->busy = false;
}

size_t pw_unwind_capture(uint64_t *frames, size_t max, uint64_t caller_pc, uint64_t caller_frame)
{
    struct pw_entry entry = {.caller_pc = caller_pc, .caller_frame = caller_frame};
    PW_ARCH_HERE(entry.ip, entry.sp, entry.fp);
    size_t count = 0;
    struct pw_trace_thread *thread = thread_begin();
    if (pw_likely(thread != NULL)) {
        count = pw_walk(&thread->walk, &entry, max);
        pw_walk_ips(&thread->walk, frames, count);
        thread_end(thread);
    }
    return pw_likely(count != 0) ? count : capture_slowly(frames, max, caller_pc, caller_frame);
}

/* `thread` has been begun; NULL: do without. */
static PW_NOINLINE uint32_t id_slowly(struct pw_trace_thread *thread, uint32_t max, uint64_t caller_pc,
                                      uint64_t caller_frame)
{
    struct pw_entry entry = {.caller_pc = caller_pc, .caller_frame = caller_frame};
    PW_ARCH_HERE(entry.ip, entry.sp, entry.fp);
    uint32_t id = 0;
    bool is_done = thread != NULL && pw_walk_id(&thread->walk, &entry, max, &id);
    if (thread != NULL)
        thread_end(thread);
    if (pw_likely(is_done))
        return id;
    uint64_t frames[PW_MAX_FRAMES];
    return pw_depot_put(frames, capture_slowly(frames, max, caller_pc, caller_frame));
}

/* Calls nothing, so that it needs no registers but those that its caller has given up anyway. */
uint32_t pw_unwind_usual_id(uint32_t max, uint64_t caller_pc, uint64_t caller_frame, uint64_t caller_fp)
{
    struct pw_trace_thread *thread = pw_trace_thread_current;
    if (pw_unlikely(thread == NULL || thread->busy || thread->generation != rules_now()))
        return 0;
    thread->busy = true;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    uint32_t id = pw_walk_usual_id(&thread->walk, caller_pc, caller_frame, caller_fp, max);
    thread_end(thread);
    return id;
}

uint32_t pw_unwind_other_id(uint32_t max, uint64_t caller_pc, uint64_t caller_frame, uint64_t caller_fp)
{
    struct pw_trace_thread *thread = thread_begin();
    if (pw_likely(thread != NULL)) {
        uint32_t id = pw_walk_short_id(&thread->walk, caller_pc, caller_frame, caller_fp, max);
        if (pw_likely(id != 0)) {
            thread_end(thread);
            return id;
        }
    }
    return id_slowly(thread, max, caller_pc, caller_frame);
}

uint32_t pw_unwind_capture_id(uint32_t max, uint64_t caller_pc, uint64_t caller_frame, uint64_t caller_fp)
{
    uint32_t id = pw_unwind_usual_id(max, caller_pc, caller_frame, caller_fp);
    return pw_likely(id != 0) ? id : pw_unwind_other_id(max, caller_pc, caller_frame, caller_fp);
}

size_t pw_unwind_from_signal(uint64_t *frames, size_t max, void *ucontext)
{
    if (!PW_ARCH_UNWINDS)
        return pw_libunwind_from_signal(frames, max, ucontext);
    struct pw_general frame = {.is_exact = true};
    struct pw_view view = {0};
    bool is_lost;
    pw_arch_from_ucontext(ucontext, frame.registers);
    size_t count = pw_general_trace(frame, &view, frames, max, &is_lost);
    if (is_lost) {
        size_t their_count = pw_libunwind_from_signal(frames, max, ucontext);
        count = their_count > count ? their_count : count;
    }
    return count;
}

void pw_unwind_modules_changed(void)
{
    pw_rules_forget();
}

void pw_unwind_thread_exit(void)
{
    pw_trace_thread_exit();
}

void pw_unwind_after_fork(void)
{
    pw_trace_thread_after_fork();
}
