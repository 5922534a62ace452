/*
 * walk_branch.h - the usual trace: one that comes to the records by a way that is known. Some words are compared, and
 * its id is known.
 */
#ifndef PW_TRACE_WALK_BRANCH_H
#define PW_TRACE_WALK_BRANCH_H

#include "trace/rules.h"
#include "trace/walk.h"

enum { PW_WALK_SET_SHIFT = 10, PW_WALK_LIMIT_BITS = 8, PW_WALK_EPOCHS = 1 << (32 - PW_WALK_LIMIT_BITS) };
_Static_assert(PW_MAX_FRAMES < 1 << PW_WALK_LIMIT_BITS, "both in one word");

_Static_assert(sizeof(struct pw_walk_branch) * PW_WALK_BRANCH_WAYS == 1 << PW_WALK_SET_SHIFT, "found by a shift");

/* sets_mask of so many sets, in bits. */
PW_INLINE uint32_t pw_walk_sets_mask(uint32_t bits)
{
    return ((1u << bits) - 1) << PW_WALK_SET_SHIFT;
}

/* How a branch of now says that it is of at most `max` frames; not 0. */
PW_INLINE uint32_t pw_walk_limit(const struct pw_walk_memory *memory, size_t max)
{
    return memory->epoch << PW_WALK_LIMIT_BITS | (uint32_t)max;
}

/* Where branches that begin at (ip, sp) are kept: the first of PW_WALK_BRANCH_WAYS. */
PW_INLINE struct pw_walk_branch *pw_walk_branches(struct pw_walk_memory *memory, uint64_t ip, uint64_t sp)
{
    uint64_t mixed = (ip ^ sp << 20) * PW_RULES_MULTIPLIER;
    uint64_t place = mixed >> (64 - PW_WALK_BRANCH_BITS - PW_WALK_SET_SHIFT) & memory->sets_mask;
    return (struct pw_walk_branch *)((char *)memory->branches + place);
}

/* Are the return addresses of the `count` records after `first` the same? Without a branch for each. */
PW_INLINE bool pw_walk_run_holds(const struct pw_walk_record *first, size_t count)
{
    uint64_t difference = 0;
    const struct pw_walk_record *end = first + count;
    if (count % 2 != 0) {
        first++;
        difference = pw_view_word(first->sp - 8) ^ first->ip;
    }
    for (; first != end; first += 2)
        difference |= (pw_view_word(first[1].sp - 8) ^ first[1].ip) | (pw_view_word(first[2].sp - 8) ^ first[2].ip);
    return difference == 0;
}

/* Is the record that the branch met still there, as it was, and are the words that the way to it hangs on? */
PW_INLINE bool pw_walk_branch_meets(const struct pw_walk_memory *memory, const struct pw_walk_branch *branch)
{
    const struct pw_walk_record *met = &memory->records[branch->met];
    if (branch->met < memory->first || memory->sums[branch->met] != branch->sum || met->sp != branch->met_sp)
        return false;
    uint64_t difference = pw_view_word(met->sp - 8) ^ met->ip;
    for (uint32_t i = 0; i < branch->words_used; i++)
        difference |= pw_view_word(branch->words[i].at) ^ branch->words[i].value;
    return difference == 0;
}

/*
 * Do the `run` records from the met one on lead on, as those without flags do anyway? The way there left fp in the word
 * `fp_slot`, or 0: as it was at the beginning, `fp`. See flags_allow in walk.c.
 */
PW_INLINE bool pw_walk_fps_hold(const struct pw_walk_memory *memory, size_t met, size_t run, uint64_t fp_slot,
                                uint64_t fp)
{
    size_t last = met + run;
    for (size_t i = met + memory->plain[met]; i < last; i += 1u + memory->plain[i + 1]) {
        const struct pw_walk_record *record = &memory->records[i];
        uint64_t slot = pw_walk_slot(record);
        if ((record->tag & (PW_WALK_BARRIER | PW_WALK_END)) != 0)
            return false;
        if (slot < memory->records[met].sp)
            slot = fp_slot;
        if ((slot != 0 ? pw_view_word(slot) : fp) != record->fp)
            return false;
    }
    return true;
}

/* Does all that lies from `sp` to the outermost record lie in the current window of the view? */
PW_INLINE bool pw_walk_is_in_view(const struct pw_walk_memory *memory, uint64_t sp)
{
    const struct pw_window *now = &memory->view.now;
    uint64_t highest = memory->records[PW_WALK_RECORDS - 1].sp - 8;
    return sp - now->low < now->span && highest - now->low < now->span;
}

/* Does a branch begin at (ip, sp, fp), for traces of that limit? */
PW_INLINE bool pw_walk_branch_begins(const struct pw_walk_branch *branch, uint64_t ip, uint64_t sp, uint64_t fp,
                                     uint32_t limit)
{
    return branch->ip == ip && branch->sp == sp && branch->max == limit && (branch->fp == 0 || branch->fp == fp);
}

/* And does what a branch hangs on still hold, for one that begins there? */
PW_INLINE bool pw_walk_branch_holds(const struct pw_walk_memory *memory, const struct pw_walk_branch *branch, uint64_t fp)
{
    return pw_walk_is_in_view(memory, branch->sp) && pw_walk_branch_meets(memory, branch) &&
           pw_likely(pw_walk_run_holds(&memory->records[branch->met], branch->run)) &&
           pw_likely(pw_walk_fps_hold(memory, branch->met, branch->run, branch->fp_slot, fp));
}

/*
 * The id of the trace of at most `max` frames that begins at (ip, sp, fp), if it is such a one, else 0. Once a way is
 * found, all but fp is in it, and is read from there again if the way does not hold: else there are not registers enough.
 */
PW_INLINE uint32_t pw_walk_usual_id(struct pw_walk_memory *memory, uint64_t ip, uint64_t sp, uint64_t fp, uint32_t max)
{
    const struct pw_walk_branch *branch = pw_walk_branches(memory, ip, sp);
    const struct pw_walk_branch *end = branch + PW_WALK_BRANCH_WAYS;
    uint32_t limit = pw_walk_limit(memory, max);
    for (; branch != end; branch++) {
        if (!pw_walk_branch_begins(branch, ip, sp, fp, limit))
            continue;
        if (pw_likely(pw_walk_branch_holds(memory, branch, fp)))
            return branch->id;
        PW_READ_AGAIN(branch);
        ip = branch->ip;
        sp = branch->sp;
        limit = branch->max;
    }
    return 0;
}

#endif
