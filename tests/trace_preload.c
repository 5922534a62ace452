/*
 * trace_preload.c - take a trace at every malloc and free of a real program, and prove or time it.
 *
 *   LD_PRELOAD=trace_preload.so TRACE=... prog
 *
 *   verify   compare each trace with libunwind's, and each id with its trace
 *   time     what a trace with its id costs, and libunwind's
 *   ours     take them only, for a profiler
 *   theirs   the same with libunwind
 *
 * Not a test. The result goes to stderr, or is appended to the file that TRACE_LOG names, at exit.
 */
#include "base/arch.h"
#include "trace/depot.h"
#include "trace/libunwind.h"
#include "trace/modules.h"
#include "trace/unwind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void __libc_free(void *);

enum { MAX = 32, SHOWN = 5 };
enum mode { OFF, VERIFY, TIME, OURS, THEIRS };

static enum mode mode;
static _Thread_local bool busy __attribute__((tls_model("initial-exec")));
static _Atomic uint64_t captures, differences, id_differences, our_ticks, their_ticks, frame_sum,
    shown;
static _Atomic uint64_t nothing_ticks;

static uint64_t ticks(void)
{
    return __builtin_ia32_rdtsc();
}

static void show(const char *what, const uint64_t *frames, size_t count)
{
    dprintf(STDERR_FILENO, "  %s:", what);
    for (size_t i = 0; i < count; i++) {
        const struct pw_module *module = pw_modules_find(frames[i]);
        dprintf(STDERR_FILENO, " %lx(%s+%lx)", frames[i], module ? strrchr(module->path, '/') : "?",
                module ? frames[i] - module->bias : 0);
    }
    dprintf(STDERR_FILENO, "\n");
}

static PW_NOINLINE void verify(uint64_t pc, uint64_t frame, uint64_t fp)
{
    uint64_t ours[MAX], theirs[MAX], stored[MAX];
    /* First the id, which may come from what is remembered and leave that as it is; the trace does not. */
    uint32_t id = pw_unwind_capture_id(MAX, pc, frame, fp);
    size_t stored_count = pw_depot_get(id, stored, MAX);
    size_t their_count = pw_libunwind_trace(theirs, MAX, pc);
    if (stored_count != their_count || memcmp(stored, theirs, their_count * sizeof *theirs) != 0)
        id_differences++;
    frame_sum += stored_count;
    if (captures % 8 != 0)
        return;
    size_t count = pw_unwind_capture(ours, MAX, pc, frame);
    if (count == their_count && memcmp(ours, theirs, count * sizeof *ours) == 0)
        return;
    differences++;
    if (shown++ < SHOWN) {
        pw_modules_refresh_if_changed();
        dprintf(STDERR_FILENO, "trace_preload: difference\n");
        show("ours", ours, count);
        show("theirs", theirs, their_count);
    }
}

static PW_NOINLINE void measure(uint64_t pc, uint64_t frame, uint64_t fp)
{
    uint64_t theirs[MAX];
    uint64_t start = ticks();
    (void)pw_unwind_capture_id(MAX, pc, frame, fp);
    uint64_t middle = ticks();
    frame_sum += pw_libunwind_trace(theirs, MAX, pc);
    uint64_t end = ticks();
    uint64_t nothing = ticks();
    if (end - start > 1000000) /* another process ran */
        return;
    our_ticks += middle - start;
    their_ticks += end - middle;
    nothing_ticks += nothing - end;
}

static PW_NOINLINE void only_theirs(uint64_t pc)
{
    uint64_t theirs[MAX];
    (void)pw_depot_put(theirs, pw_libunwind_trace(theirs, MAX, pc));
}

static PW_NOINLINE void here(uint64_t pc, uint64_t frame, uint64_t fp)
{
    if (mode == OFF || busy)
        return;
    busy = true;
    captures++;
    if (mode == VERIFY)
        verify(pc, frame, fp);
    else if (mode == TIME)
        measure(pc, frame, fp);
    else if (mode == OURS)
        (void)pw_unwind_capture_id(MAX, pc, frame, fp);
    else
        only_theirs(pc);
    busy = false;
}

#define HERE() here((uint64_t)__builtin_return_address(0), (uint64_t)__builtin_dwarf_cfa(), PW_ARCH_FP())

PW_PUBLIC void *malloc(size_t size)
{
    HERE();
    return __libc_malloc(size);
}

PW_PUBLIC void *calloc(size_t count, size_t size)
{
    HERE();
    return __libc_calloc(count, size);
}

PW_PUBLIC void *realloc(void *block, size_t size)
{
    HERE();
    return __libc_realloc(block, size);
}

PW_PUBLIC void free(void *block)
{
    HERE();
    __libc_free(block);
}

static __attribute__((constructor)) void start(void)
{
    const char *wanted = getenv("TRACE");
    busy = true;
    pw_depot_init();
    pw_modules_init(NULL);
    pw_modules_refresh();
    pw_unwind_init();
    bool has_libunwind = pw_libunwind_open();
    busy = false;
    if (wanted != NULL && strcmp(wanted, "ours") == 0)
        mode = OURS;
    else if (wanted != NULL && has_libunwind && strcmp(wanted, "theirs") == 0)
        mode = THEIRS;
    else if (wanted != NULL && has_libunwind)
        mode = strcmp(wanted, "time") == 0 ? TIME : VERIFY;
}

static __attribute__((destructor)) void finish(void)
{
    const char *log = getenv("TRACE_LOG");
    int fd = log != NULL ? open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666)
                         : STDERR_FILENO;
    enum mode was = mode;
    mode = OFF;
    uint64_t n = captures != 0 ? captures : 1;
    if (was == VERIFY)
        dprintf(fd, "trace_preload: %d %s: %lu traces of %.1f frames, %lu differ, %lu ids differ\n",
                getpid(), program_invocation_short_name, captures, (double)frame_sum / (double)n,
                differences, id_differences);
    else if (was == TIME)
        dprintf(fd, "trace_preload: %s: %lu traces of %.1f frames; ticks: ours %.0f, theirs %.0f\n",
                program_invocation_short_name, captures, (double)frame_sum / (double)n,
                (double)(our_ticks - nothing_ticks) / (double)n,
                (double)(their_ticks - nothing_ticks) / (double)n);
    mode = was;
}
