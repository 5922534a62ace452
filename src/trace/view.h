/*
 * view.h - which memory a walk of the stack may read.
 *
 * A window is a run of whole pages known to be readable, and the kernel is asked
 * (pw_os_is_readable) before it grows; so wrong unwind information, a register full of garbage or a
 * stack that is not the thread's own (a coroutine's, a signal's) cost at most the trace. Windows
 * are remembered by thread: a stack stays mapped as long as someone runs on it. (A coroutine's
 * stack that is unmapped and whose place is taken by something smaller could fool this, if the
 * unwind information were wrong as well.)
 */
#ifndef PW_TRACE_VIEW_H
#define PW_TRACE_VIEW_H

#include "base/base.h"

struct pw_window {
    uint64_t low;
    uint64_t span; /* a word may start at low + n for n < span; 0: empty */
};

enum { PW_VIEW_WINDOWS = 4 };

/* All zero: nothing known. Used by one thread, at one place, at a time. */
struct pw_view {
    struct pw_window now;
    struct pw_window others[PW_VIEW_WINDOWS - 1]; /* the last ones; the most recent first */
};

/* Ask the kernel; on success the window `now` holds the word. */
bool pw_view_extend(struct pw_view *view, uint64_t address);

/* True when the eight bytes at `address` can be read. */
PW_INLINE bool pw_view_holds(struct pw_view *view, uint64_t address)
{
    return pw_likely(address - view->now.low < view->now.span) || pw_view_extend(view, address);
}

/* The word at an address that is in a window; 0 is in none. */
PW_INLINE uint64_t pw_view_word(uint64_t address)
{
    uint64_t word;
    // NOLINTNEXTLINE(clang-analyzer-unix.cstring.NullArg): the analyzer doesn't see what pw_view_extend says
    __builtin_memcpy(&word, (const void *)address, sizeof word);
    return word;
}

/* Read a word if that can be done. */
PW_INLINE bool pw_view_read(struct pw_view *view, uint64_t address, uint64_t *word)
{
    if (!pw_view_holds(view, address))
        return false;
    *word = pw_view_word(address);
    return true;
}

#endif
