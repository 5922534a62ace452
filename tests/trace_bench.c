/*
 * trace_bench.c - what a stack trace costs: ours, libunwind's, and its id in the depot.
 *
 * Not a test. Prints nanoseconds a call: the tenth percentile of many rounds, as others use the
 * machine too.
 */
#include "base/arch.h"
#include "trace/depot.h"
#include "trace/unwind.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 301, CALLS = 1000, FRAMES = 16 };

static int (*unw_backtrace)(void **, int);
static volatile uint64_t sink;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Stands for malloc: what it calls first is the capture. */
static PW_NOINLINE void ours(uint64_t *frames, size_t *count)
{
    *count = pw_unwind_capture(frames, FRAMES, (uint64_t)__builtin_return_address(0),
                               (uint64_t)__builtin_dwarf_cfa());
    __asm__ volatile("" ::: "memory");
}

static PW_NOINLINE void ours_with_id(uint64_t *frames, size_t *count)
{
    *count = pw_unwind_capture(frames, FRAMES, (uint64_t)__builtin_return_address(0),
                               (uint64_t)__builtin_dwarf_cfa());
    sink = pw_depot_put(frames, *count);
}

static PW_NOINLINE void ours_as_id(uint64_t *frames, size_t *count)
{
    sink = pw_unwind_capture_id(FRAMES, (uint64_t)__builtin_return_address(0),
                                (uint64_t)__builtin_dwarf_cfa(), PW_ARCH_FP());
    __asm__ volatile("" ::"r"(frames), "r"(count) : "memory");
}

static PW_NOINLINE void depot_only(uint64_t *frames, size_t *count)
{
    sink = pw_depot_put(frames, *count);
}

static PW_NOINLINE void theirs(uint64_t *frames, size_t *count)
{
    *count = (size_t)unw_backtrace((void **)frames, FRAMES);
}

typedef void capture(uint64_t *, size_t *);

static PW_NOINLINE void site_a(capture *f, uint64_t *frames, size_t *count)
{
    f(frames, count);
    __asm__ volatile("" ::: "memory");
}

static PW_NOINLINE void site_b(capture *f, uint64_t *frames, size_t *count)
{
    char room[100];
    __asm__ volatile("" ::"r"(room) : "memory");
    site_a(f, frames, count);
    __asm__ volatile("" ::: "memory");
}

static PW_NOINLINE void site_c(capture *f, uint64_t *frames, size_t *count)
{
    char room[300];
    __asm__ volatile("" ::"r"(room) : "memory");
    site_b(f, frames, count);
    site_a(f, frames, count);
    __asm__ volatile("" ::: "memory");
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quiet(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 10];
}

static PW_NOINLINE double same_place(capture *f)
{
    static double took[ROUNDS];
    uint64_t frames[PW_MAX_FRAMES];
    size_t count = 0;
    ours(frames, &count);
    for (size_t round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (int i = 0; i < CALLS; i++)
            f(frames, &count);
        took[round] = (now_ns() - start) / CALLS;
    }
    return quiet(took, ROUNDS);
}

/* Two places in one function in turn, as malloc and free are. */
static PW_NOINLINE double two_places(capture *f)
{
    static double took[ROUNDS];
    uint64_t frames[PW_MAX_FRAMES];
    size_t count = 0;
    ours(frames, &count);
    for (size_t round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (int i = 0; i < CALLS / 2; i++) {
            f(frames, &count);
            __asm__ volatile("" ::: "memory");
            f(frames, &count);
        }
        took[round] = (now_ns() - start) / CALLS;
    }
    return quiet(took, ROUNDS);
}

/* Functions of different depths in turn: up to three frames are new each time. */
static PW_NOINLINE double many_places(capture *f)
{
    static double took[ROUNDS];
    uint64_t frames[PW_MAX_FRAMES];
    size_t count = 0;
    ours(frames, &count);
    for (size_t round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (int i = 0; i < CALLS / 5; i++) {
            site_a(f, frames, &count);
            site_c(f, frames, &count); /* two */
            f(frames, &count);
            site_b(f, frames, &count);
        }
        took[round] = (now_ns() - start) / CALLS;
    }
    return quiet(took, ROUNDS);
}

static void row(const char *name, capture *f)
{
    printf("%-28s %8.1f %8.1f %8.1f\n", name, same_place(f), two_places(f), many_places(f));
}

static PW_NOINLINE void deep(int depth)
{
    if (depth > 0) {
        deep(depth - 1);
        __asm__ volatile("" ::: "memory");
        return;
    }
    printf("%-28s %8s %8s %8s   (ns a call, %d frames)\n", "", "same", "two", "many", FRAMES);
    row("pw_unwind_capture", ours);
    row("pw_unwind_capture and put", ours_with_id);
    row("pw_unwind_capture_id", ours_as_id);
    row("pw_depot_put", depot_only);
    if (unw_backtrace != NULL)
        row("unw_backtrace", theirs);
}

int main(void)
{
    pw_depot_init();
    pw_unwind_init();
    void *library = dlopen("libunwind.so.8", RTLD_LAZY | RTLD_LOCAL);
    if (library != NULL)
        *(void **)&unw_backtrace = dlsym(library, "unw_backtrace");
    deep(FRAMES);
    return 0;
}
