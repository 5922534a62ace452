/*
 * walk_short.c - see walk_short.h
 *
 * What pw_walk_id does too, for the frames that are found by sp alone: what is left is some twenty instructions a frame.
 */
#include "trace/walk_short.h"

#include "trace/walk_branch.h"
#include "trace/walk_keep.h"

enum { SHORT_FRAMES = 16 };

/* A walk that is at a frame. */
struct short_walk {
    uint64_t ip;
    uint64_t sp;
    uint64_t fp_slot; /* the word that its fp is in; 0: it is what it was at the beginning */
    size_t met;       /* no record before this one is as far out */
};

/* Is it where the last walk has been, and did that go on to the same caller? */
PW_INLINE bool meets(const struct pw_walk_memory *memory, struct short_walk *walk)
{
    const struct pw_walk_record *records = memory->records;
    while (records[walk->met].sp < walk->sp)
        walk->met++;
    const struct pw_walk_record *met = &records[walk->met];
    if (met->sp != walk->sp || met->ip != walk->ip)
        return false;
    return walk->met == PW_WALK_RECORDS - 1 || pw_view_word(met[1].sp - 8) == met[1].ip;
}

/* To the caller of a frame; false: not by sp alone, or beyond `highest`. */
PW_INLINE bool step(struct short_walk *walk, uint64_t highest)
{
    pw_rule rule = pw_rules_find(walk->ip - 1);
    if (pw_unlikely(pw_rule_kind(rule) != PW_RULE_SP))
        return false;
    uint64_t cfa = walk->sp + (uint64_t)pw_rule_offset(rule);
    uint64_t fp_below = pw_rule_fp_below(rule);
    if (pw_unlikely(cfa <= walk->sp || cfa > highest || cfa % 8 != 0 || fp_below > cfa - walk->sp))
        return false;
    walk->ip = pw_view_word(cfa - 8);
    walk->sp = cfa;
    walk->fp_slot = fp_below != 0 ? cfa - fp_below : walk->fp_slot;
    return walk->ip != 0;
}

/* How many records from the met one on are compared where `wanted` frames are; 0: they end before the trace does. */
PW_INLINE size_t length_of(const struct pw_walk_memory *memory, size_t met, size_t wanted)
{
    size_t left = PW_WALK_RECORDS - met;
    if (left >= wanted)
        return wanted;
    return memory->records[PW_WALK_RECORDS - 1].tag & PW_WALK_END ? left : 0;
}

uint32_t pw_walk_short_id(struct pw_walk_memory *memory, uint64_t ip, uint64_t sp, uint64_t fp, uint32_t max)
{
    struct pw_walk_record fresh[SHORT_FRAMES];
    struct short_walk walk = {.ip = ip, .sp = sp, .met = memory->first};
    uint64_t highest = memory->records[PW_WALK_RECORDS - 1].sp;
    size_t most = max <= SHORT_FRAMES ? max - 1 : SHORT_FRAMES;
    size_t count = 0;
    if (memory->first == PW_WALK_RECORDS || sp > highest || !pw_walk_is_in_view(memory, sp))
        return 0;
    while (!meets(memory, &walk)) {
        if (count == most)
            return 0;
        pw_walk_record_set(&fresh[count++], walk.ip, walk.sp, 0, walk.fp_slot);
        if (!step(&walk, highest))
            return 0;
    }
    size_t length = length_of(memory, walk.met, max - count);
    if (pw_unlikely(length == 0 || count > walk.met))
        return 0;
    size_t first = walk.met - count;
    for (size_t i = 0; i < count; i++)
        pw_walk_record_copy(&memory->records[first + i], &fresh[i]);
    pw_walk_keep(memory, first, walk.met);
    /* On its way from memory while the rest is looked at. */
    __builtin_prefetch(pw_recent_set_of(pw_walk_hash(memory, first, count + length)));
    if (!pw_walk_run_holds(&memory->records[walk.met], length - 1) ||
        !pw_walk_fps_hold(memory, walk.met, length - 1, walk.fp_slot, fp)) {
        memory->first = (uint32_t)walk.met;
        return 0;
    }
    pw_walk_inherit(memory, walk.met, walk.fp_slot);
    return pw_walk_kept_id(memory, walk.met, count + length, walk.fp_slot, max);
}
