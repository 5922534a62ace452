/*
 * walk.h - the quick unwinder: cached rules, and the memory of the thread's last trace.
 *
 * A trace is a pure function of the place where it starts (ip, sp, fp) and of some words on the
 * stack: every return address, and of the saved frame pointers those that a frame hangs on. So when
 * a walk comes to a place (ip, sp) where the last one has been, what follows is what followed then,
 * if all those words are still the same. Comparing them is a load or two a frame; finding them anew
 * would be a chain of five dependent ones. The answer is the same, by construction.
 *
 *   records, innermost first:    first ──> |ip sp fp tag| ... | ... |ip sp fp tag| <── the end of the array
 *
 * A record is only a hint: nothing of it is used before the words that it stands for were compared.
 */
#ifndef PW_TRACE_WALK_H
#define PW_TRACE_WALK_H

#include "image/layout.h"
#include "trace/entry.h"
#include "trace/view.h"

/* Of a frame: where it goes on after the call, sp then, fp if it hangs on it. */
struct pw_walk_record {
    uint64_t ip;
    uint64_t sp; /* the return address `ip` was read from sp - 8 */
    uint64_t fp; /* only with PW_WALK_USES_FP */
    uint64_t tag; /* where this frame saved its caller's fp, 0: nowhere; in the low bits PW_WALK_… */
};

enum {
    PW_WALK_USES_FP = 1, /* the next record is right only if fp was as recorded */
    PW_WALK_BARRIER = 2, /* what comes next depends on more than that: find it anew */
    PW_WALK_END = 4,     /* nothing comes next */
    PW_WALK_FLAGS = 7,
    PW_WALK_RECORDS = 2 * PW_MAX_FRAMES,
};

/* One for each thread; all zero but for `first`, set by pw_walk_forget. */
struct pw_walk_memory {
    uint32_t first; /* index of the innermost record; PW_WALK_RECORDS: there is none */
    struct pw_view view;
    struct pw_entry_memory entry;
    struct pw_walk_record fresh[PW_MAX_FRAMES]; /* of the walk under way */
    struct pw_walk_record records[PW_WALK_RECORDS];
};

static inline void pw_walk_forget(struct pw_walk_memory *memory)
{
    memory->first = PW_WALK_RECORDS;
}

/*
 * The trace from the caller on (entry.h) into `frames`, at most `max` of them, 1 to PW_MAX_FRAMES.
 * 0: a frame on the way is none for this.
 */
size_t pw_walk(struct pw_walk_memory *memory, const struct pw_entry *entry, uint64_t *frames, size_t max);

#endif
