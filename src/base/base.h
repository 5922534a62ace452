/*
 * base.h - the few words that every folder speaks: branch hints, alignment, ENSURE.
 *
 * base includes nothing of pwheap and allocates nothing.
 */
#ifndef PW_BASE_BASE_H
#define PW_BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define pw_likely(x) __builtin_expect(!!(x), 1)
#define pw_unlikely(x) __builtin_expect(!!(x), 0)
#define PW_INLINE static inline __attribute__((always_inline))
#define PW_NOINLINE __attribute__((noinline))
#define PW_COLD __attribute__((noinline, cold))
/*
 * Words that each fork writes, close together: every page of them is copied twice, for the parent and for the
 * child.
 */
#define PW_WRITTEN_IN_FORK __attribute__((section("pw_written_in_fork")))
/*
 * What every process writes as it starts, and that would lie behind buffers which are hardly ever touched: each 2 MiB
 * with a page that was touched costs a fork the copy of a page of page tables.
 */
#define PW_WRITTEN_EARLY PW_WRITTEN_IN_FORK
#define PW_PUBLIC __attribute__((visibility("default")))
/*
 * For functions that read what others may be writing, on purpose, as docs/internals.md says ("The states of a
 * block"): ThreadSanitizer doesn't look at what they read. Naming them in a list of suppressions won't do: where it
 * has forgotten the stack of the earlier of two accesses, such a list can't match.
 */
#define PW_RACES __attribute__((no_sanitize("thread")))
#if defined(__SANITIZE_THREAD__)
#define PW_INLINE_RACES static inline PW_RACES /* forced into a caller it would be looked at with it */
#else
#define PW_INLINE_RACES PW_INLINE
#endif
/* Forget what was read through a pointer: to read it again costs less here than to keep it in a register. */
#define PW_READ_AGAIN(pointer) __asm__("" : "+r"(pointer))
#define PW_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Round `value` up / down to a multiple of `align`, a power of two. */
#define PW_ALIGN_UP(value, align) (((value) + (align)-1) & ~((__typeof__(value))(align)-1))
#define PW_ALIGN_DOWN(value, align) ((value) & ~((__typeof__(value))(align)-1))
#define PW_IS_POW2(value) ((value) != 0 && ((value) & ((value)-1)) == 0)

/*
 * ENSURE(cond): an invariant of pwheap's own metadata, checked in every build. When it fails the
 * process ends with one line on stderr: our own state can't be trusted to write a report.
 * Never used on what a program can get wrong; that is a fault (image/fault.h) and gets a report.
 */
#define ENSURE(cond)                                                                               \
    do {                                                                                           \
        if (pw_unlikely(!(cond)))                                                                  \
            pw_ensure_failed(#cond, __FILE__, __LINE__);                                           \
    } while (0)

_Noreturn void pw_ensure_failed(const char *cond, const char *file, int line);

#endif
