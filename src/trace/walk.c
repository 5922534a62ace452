/* walk.c - see walk.h */
#include "trace/walk.h"

#include "trace/general.h"
#include "trace/rules.h"

/* One walk; held in registers. */
struct walk {
    struct pw_walk_memory *memory;
    const struct pw_entry *entry;
    uint64_t *frames;
    size_t max;
    size_t count; /* frames stored */
    size_t kept;  /* of them: those before the last that is in no module */
    size_t fresh; /* records in memory->fresh: the frames since the walk began, or up to a met record */
    uint64_t ip;  /* the frame that we are at */
    uint64_t sp;
    uint64_t fp_slot; /* where its fp is, 0: it is the caller's, fp_at_entry */
    uint64_t fp_at_entry;
    bool fp_is_known; /* fp_at_entry is set */
};

enum outcome {
    GO_ON,
    DONE,     /* max frames, or the outermost one */
    HOPELESS, /* not for us */
};

PW_INLINE bool fp_find(struct walk *walk, uint64_t *fp)
{
    if (walk->fp_slot != 0)
        return pw_view_read(&walk->memory->view, walk->fp_slot, fp);
    if (!walk->fp_is_known && !pw_entry_fp(&walk->memory->entry, walk->entry, &walk->fp_at_entry))
        return false;
    walk->fp_is_known = true;
    *fp = walk->fp_at_entry;
    return true;
}

PW_INLINE enum outcome store(struct walk *walk, uint64_t fp, uint64_t tag)
{
    walk->memory->fresh[walk->fresh++] =
        (struct pw_walk_record){.ip = walk->ip, .sp = walk->sp, .fp = fp, .tag = tag};
    walk->frames[walk->count++] = walk->ip;
    return walk->count == walk->max || (tag & PW_WALK_END) ? DONE : GO_ON;
}

/* To the caller, whose CFA and place of the saved fp are known. */
PW_INLINE enum outcome step_to(struct walk *walk, uint64_t cfa, uint64_t fp, uint64_t fp_slot, uint64_t flags)
{
    struct pw_view *view = &walk->memory->view;
    uint64_t ip;
    if (pw_unlikely(cfa <= walk->sp || cfa % 8 != 0 || fp_slot % 8 != 0))
        return HOPELESS;
    if (fp_slot != 0 && pw_unlikely(fp_slot < walk->sp || fp_slot >= cfa))
        return HOPELESS;
    if (pw_unlikely(!pw_view_read(view, cfa - 8, &ip)))
        return HOPELESS;
    if (pw_unlikely(ip == 0)) {
        (void)store(walk, fp, PW_WALK_BARRIER);
        return DONE;
    }
    enum outcome outcome = store(walk, fp, fp_slot | flags);
    walk->ip = ip;
    walk->sp = cfa;
    if (fp_slot != 0)
        walk->fp_slot = fp_slot;
    return outcome;
}

/* A stack that was realigned: both CFA and fp come out of memory. */
static PW_NOINLINE enum outcome step_realigned(struct walk *walk, int64_t offset)
{
    uint64_t fp;
    uint64_t cfa;
    if (!fp_find(walk, &fp) || !pw_view_read(&walk->memory->view, fp + (uint64_t)offset, &cfa))
        return HOPELESS;
    return step_to(walk, cfa, fp, fp, PW_WALK_BARRIER);
}

/* Code without unwind information. What the guess is based on is compared again if it is in a module. */
static PW_NOINLINE enum outcome step_by_guess(struct walk *walk, bool is_outside)
{
    uint64_t fp;
    uint64_t ip = walk->ip;
    uint64_t sp = walk->sp;
    uint64_t flags = PW_WALK_USES_FP | (is_outside ? PW_WALK_BARRIER : 0);
    if (!fp_find(walk, &fp))
        return HOPELESS;
    uint64_t slot = fp;
    if (pw_general_guess(&walk->memory->view, &ip, &sp, &fp))
        return step_to(walk, sp, slot, slot, flags);
    (void)store(walk, slot, PW_WALK_BARRIER);
    return DONE;
}

PW_INLINE enum outcome step(struct walk *walk)
{
    pw_rule rule = pw_rules_find(walk->ip - 1);
    uint64_t slot = (uint64_t)pw_rule_fp_slot(rule);
    uint64_t cfa;
    uint64_t fp = 0;
    uint64_t flags = 0;
    enum pw_rule_kind kind = pw_rule_kind(rule);
    if (pw_likely(kind != PW_RULE_OUTSIDE))
        walk->kept = walk->count + 1;
    switch (kind) {
    case PW_RULE_SP:
        cfa = walk->sp + (uint64_t)pw_rule_offset(rule);
        break;
    case PW_RULE_FP:
        if (!fp_find(walk, &fp))
            return HOPELESS;
        cfa = fp + (uint64_t)pw_rule_offset(rule);
        flags = PW_WALK_USES_FP;
        break;
    case PW_RULE_DEREF:
        return step_realigned(walk, pw_rule_offset(rule));
    case PW_RULE_END:
        return store(walk, 0, PW_WALK_END);
    case PW_RULE_CHAIN:
    case PW_RULE_OUTSIDE:
        return step_by_guess(walk, kind == PW_RULE_OUTSIDE);
    default:
        return HOPELESS;
    }
    return step_to(walk, cfa, fp, slot != 0 ? cfa + slot : 0, flags);
}

/* The frame is at record `met`: take from there what still holds. Returns the first record that does not lead on. */
PW_INLINE size_t follow(struct walk *walk, size_t met, enum outcome *outcome)
{
    const struct pw_walk_record *record = &walk->memory->records[met];
    const struct pw_walk_record *last = &walk->memory->records[PW_WALK_RECORDS - 1];
    uint64_t *frame = &walk->frames[walk->count];
    const uint64_t *end = &walk->frames[walk->max];
    uint64_t slot = walk->fp_slot;
    *outcome = GO_ON;
    for (;; record++) {
        uint64_t tag = record->tag;
        if (tag & PW_WALK_FLAGS) {
            if (tag & PW_WALK_BARRIER)
                break;
            if (tag & PW_WALK_END) {
                *frame++ = record->ip;
                *outcome = DONE;
                break;
            }
            uint64_t fp = walk->fp_at_entry;
            if (slot != 0)
                fp = pw_view_word(slot);
            else if (!walk->fp_is_known && !fp_find(walk, &fp))
                break;
            if (fp != record->fp)
                break;
        }
        if (record == last || pw_view_word(record[1].sp - 8) != record[1].ip)
            break;
        *frame++ = record->ip;
        if (frame == end) {
            *outcome = DONE;
            break;
        }
        if (tag > PW_WALK_FLAGS)
            slot = tag & ~(uint64_t)PW_WALK_FLAGS;
    }
    walk->count = walk->kept = (size_t)(frame - walk->frames);
    walk->ip = record->ip;
    walk->sp = record->sp;
    walk->fp_slot = slot;
    return (size_t)(record - walk->memory->records);
}

/* True when all that the records may stand for lies in the current window of the view. */
PW_INLINE bool can_follow(struct walk *walk)
{
    struct pw_view *view = &walk->memory->view;
    uint64_t highest = walk->memory->records[PW_WALK_RECORDS - 1].sp - 8;
    return pw_view_holds(view, walk->entry->caller_frame) && highest - view->now.low < view->now.span;
}

/* The fresh records, then those from `met` on, become what is remembered. */
PW_INLINE void remember(struct walk *walk, size_t met)
{
    struct pw_walk_memory *memory = walk->memory;
    if (pw_unlikely(walk->fresh > met)) {
        /* No room before it: move the tail to the end, and drop what is too far out. */
        size_t count = PW_WALK_RECORDS - met < PW_MAX_FRAMES ? PW_WALK_RECORDS - met : PW_MAX_FRAMES;
        __builtin_memmove(&memory->records[PW_WALK_RECORDS - count], &memory->records[met],
                          count * sizeof memory->records[0]);
        met = PW_WALK_RECORDS - count;
    }
    size_t first = met - walk->fresh;
    for (size_t i = 0; i < walk->fresh; i++) {
        memory->records[first + i] = memory->fresh[i];
        __asm__(""); /* or it would become a call of memcpy, for one or two records most often */
    }
    memory->first = (uint32_t)first;
}

/* Records that were followed but are not the rest of the trace join the fresh ones. */
static void adopt(struct walk *walk, size_t from, size_t to)
{
    while (from < to)
        walk->memory->fresh[walk->fresh++] = walk->memory->records[from++];
}

size_t pw_walk(struct pw_walk_memory *memory, const struct pw_entry *entry, uint64_t *frames, size_t max)
{
    struct walk walk = {
        .memory = memory,
        .entry = entry,
        .frames = frames,
        .max = max,
        .ip = entry->caller_pc,
        .sp = entry->caller_frame,
    };
    const struct pw_walk_record *records = memory->records;
    size_t met = memory->first;
    enum outcome outcome = GO_ON;
    while (outcome == GO_ON) {
        while (met < PW_WALK_RECORDS && records[met].sp < walk.sp)
            met++;
        if (met < PW_WALK_RECORDS && records[met].sp == walk.sp && records[met].ip == walk.ip && can_follow(&walk)) {
            size_t stopped = follow(&walk, met, &outcome);
            if (outcome == DONE)
                break;
            adopt(&walk, met, stopped);
            met = stopped + 1;
        }
        outcome = step(&walk);
    }
    if (pw_unlikely(outcome == HOPELESS)) {
        pw_walk_forget(memory);
        return 0;
    }
    remember(&walk, outcome == DONE && walk.fresh < walk.count ? met : PW_WALK_RECORDS);
    /* The first is given, wherever it lies. */
    return walk.kept > 0 ? walk.kept : 1;
}
