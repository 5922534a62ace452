/*
 * history.h - what each thread did last with its blocks: a ring a thread, written by it alone and read
 * for reports by any. At full; option history is the ring's length.
 *
 * An entry is written without a lock. Its time is stored last, and is 0 while the rest changes: a reader
 * takes an entry only if it had the same time before and after.
 *
 * To read the clock costs as much as a whole malloc elsewhere, and times only say what came first. Within a ring
 * they rise by themselves; between rings they must be right about a block that one thread had and another has
 * now. So the clock is read when a block has come from elsewhere (pw_history_refresh): what a thread noted
 * is never later than it happened, and after the refresh never earlier than what the others noted before.
 */
#ifndef PW_DIAG_HISTORY_H
#define PW_DIAG_HISTORY_H

#include "base/arch.h"
#include "image/fault.h"

struct pw_history_entry {
    _Atomic uint64_t time;
    uint64_t address;
    uint64_t size;
    uint32_t stack;
    uint16_t thread;
    uint8_t operation; /* and PW_HISTORY_RELEASE */
};
_Static_assert(sizeof(struct pw_history_entry) == 32, "two a cache line");

#define PW_HISTORY_RELEASE 0x80u
_Static_assert((unsigned)PW_OP_COUNT <= PW_HISTORY_RELEASE, "a bit beside the operation");

struct pw_history {
    uint32_t length; /* entries that are kept; at least 1 */
    uint32_t mask;   /* places in the ring, a power of two of them, less 1 */
    uint64_t noted;  /* so far: the place of the next one */
    uint64_t time;   /* of the last one that was written; never 0 */
    struct pw_history_entry entries[];
};

/* A ring; NULL: no memory. `map` gives zeroed pages (pw_os_map). Rings are kept for good. */
struct pw_history *pw_history_open(uint32_t length, void *(*map)(size_t bytes));

/* The calling thread, whose ring it is, has got blocks that may have been another's: what it notes from now on came after. */
PW_INLINE void pw_history_refresh(struct pw_history *history)
{
    uint64_t now = pw_arch_ticks();
    if (now > history->time)
        history->time = now;
}

/* Note an operation of the calling thread, whose ring it is. */
PW_INLINE void pw_history_note(struct pw_history *history, const struct pw_past *past)
{
    struct pw_history_entry *entry = &history->entries[history->noted++ & history->mask];
    atomic_store_explicit(&entry->time, 0, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    entry->address = past->address;
    entry->size = past->size;
    entry->stack = past->stack;
    entry->thread = past->thread;
    entry->operation = (uint8_t)(past->operation | (past->is_release ? PW_HISTORY_RELEASE : 0));
    /* Later than all that the ring has, and never ahead of the clock: an operation takes longer than a tick. */
    atomic_store_explicit(&entry->time, ++history->time, memory_order_release);
}

/*
 * Add to `list` (newest first, *count of them, at most PW_PAST_SHOWN) what the ring has on
 * [address, address + bytes); bytes 0: everything.
 */
void pw_history_collect(const struct pw_history *history, uint64_t address, uint64_t bytes,
                        struct pw_past list[PW_PAST_SHOWN], uint32_t *count);

#endif
