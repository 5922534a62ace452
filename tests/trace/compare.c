/* compare.c - see compare.h */
#include "base/arch.h"
#include "trace/compare.h"

#include "trace/depot.h"
#include "trace/libunwind.h"
#include "trace/thread.h"
#include "trace/unwind.h"

#include <stdio.h>
#include <string.h>

static void print(const char *what, const uint64_t *frames, size_t count)
{
    fprintf(stderr, "%10s:", what);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, " %lx", (unsigned long)frames[i]);
    fprintf(stderr, "\n");
}

static bool is_same(const struct compare *compare, const char *what, const uint64_t *frames,
                    size_t count)
{
    if (count == compare->count && memcmp(frames, compare->frames, count * sizeof *frames) == 0)
        return true;
    if (!compare->is_quiet) {
        print("first", compare->frames, compare->count);
        print(what, frames, count);
    }
    return false;
}

/* As a signal handler would that came in the middle of a capture. */
static size_t capture_busy(uint64_t *frames, size_t max, uint64_t pc, uint64_t frame)
{
    struct pw_trace_thread *thread = pw_trace_thread_current;
    bool was_busy = thread->busy;
    thread->busy = true;
    size_t count = pw_unwind_capture(frames, max, pc, frame);
    thread->busy = was_busy;
    return count;
}

static PW_NOINLINE void compare_all(struct compare *compare, bool with_theirs, uint64_t pc,
                                    uint64_t frame, uint64_t fp)
{
    if (compare->takes % 5 == 1)
        fp = compare->takes % 2 == 0 ? 0 : (uint64_t)compare; /* a bad guess */
    uint64_t frames[PW_MAX_FRAMES];
    size_t max = compare->max != 0 ? compare->max : PW_MAX_FRAMES;
    /* First by what is remembered of whatever came before; an id alone may leave it as it is. */
    compare->count = pw_depot_get(pw_unwind_capture_id((uint32_t)max, pc, frame, fp), compare->frames, PW_MAX_FRAMES);
    size_t count = capture_busy(frames, max, pc, frame);
    bool is_equal = is_same(compare, "general", frames, count);
    count = pw_depot_get(pw_unwind_capture_id((uint32_t)max, pc, frame, fp), frames, PW_MAX_FRAMES);
    is_equal = is_same(compare, "id again", frames, count) && is_equal;
    if (compare->takes % 3 == 0) {
        count = pw_unwind_capture(frames, max, pc, frame);
        is_equal = is_same(compare, "no id", frames, count) && is_equal;
    }
    if (with_theirs) {
        count = pw_libunwind_trace(frames, max, pc);
        is_equal = is_same(compare, "libunwind", frames, count) && is_equal;
    }
    compare->takes++;
    compare->failures += !is_equal;
}

PW_NOINLINE void compare_here(void *argument)
{
    compare_all(argument, true, (uint64_t)__builtin_return_address(0),
                (uint64_t)__builtin_dwarf_cfa(), PW_ARCH_FP());
    __asm__ volatile("" ::: "memory");
}

PW_NOINLINE void compare_ours(void *argument)
{
    compare_all(argument, false, (uint64_t)__builtin_return_address(0),
                (uint64_t)__builtin_dwarf_cfa(), PW_ARCH_FP());
    __asm__ volatile("" ::: "memory");
}

bool compare_has(const struct compare *compare, const void *function, size_t bytes)
{
    for (size_t i = 0; i < compare->count; i++)
        if (compare->frames[i] - (uint64_t)function < bytes)
            return true;
    return false;
}
