/*
 * walk_step.h - one step of the quick unwinder: from a frame to its caller, by the cached rules. For walk.c
 * alone, which puts the steps together and leaves out those that it remembers.
 */
#ifndef PW_TRACE_WALK_STEP_H
#define PW_TRACE_WALK_STEP_H

#include "trace/general.h"
#include "trace/rules.h"
#include "trace/walk_keep.h"

/* One walk; held in registers. */
struct walk {
    struct pw_walk_memory *memory;
    const struct pw_entry *entry;
    size_t max;
    size_t count; /* frames so far */
    size_t kept;  /* of them: those up to the last one that is in a module */
    size_t fresh; /* records in memory->fresh: all frames so far, or those before a met record */
    size_t met;   /* where the trace goes on in records after the fresh ones */
    uint64_t ip;  /* the frame that we are at */
    uint64_t sp;
    uint64_t fp_slot; /* the word that its fp is in, 0: it is fp_at_entry */
    uint64_t fp_at_entry;
    bool fp_is_known; /* fp_at_entry is set */
};

enum outcome {
    GO_ON,
    DONE,     /* max frames, or the outermost one */
    HOPELESS, /* not for us */
};

PW_INLINE bool fp_at_entry(struct walk *walk, uint64_t *fp)
{
    if (!walk->fp_is_known && !pw_entry_fp(&walk->memory->entry, walk->entry, &walk->fp_at_entry))
        return false;
    walk->fp_is_known = true;
    *fp = walk->fp_at_entry;
    return true;
}

PW_INLINE bool fp_find(struct walk *walk, uint64_t *fp)
{
    return walk->fp_slot != 0 ? pw_view_read(&walk->memory->view, walk->fp_slot, fp)
                              : fp_at_entry(walk, fp);
}

PW_INLINE enum outcome store(struct walk *walk, uint64_t fp, uint64_t flags)
{
    pw_walk_record_set(&walk->memory->fresh[walk->fresh++], walk->ip, walk->sp, fp, walk->fp_slot | flags);
    walk->count++;
    return walk->count == walk->max || (flags & PW_WALK_END) ? DONE : GO_ON;
}

/* To the caller, whose CFA is known, and where its fp was saved (0: it was not). */
PW_INLINE enum outcome step_to(struct walk *walk, uint64_t cfa, uint64_t fp, uint64_t saved_fp,
                               uint64_t flags)
{
    uint64_t ip;
    if (pw_unlikely(cfa <= walk->sp || (cfa | saved_fp) % 8 != 0))
        return HOPELESS;
    if (saved_fp != 0 && pw_unlikely(saved_fp < walk->sp || saved_fp >= cfa))
        return HOPELESS;
    if (pw_unlikely(!pw_view_read(&walk->memory->view, cfa - 8, &ip)))
        return HOPELESS;
    if (pw_unlikely(ip == 0)) {
        (void)store(walk, fp, PW_WALK_BARRIER);
        return DONE;
    }
    enum outcome outcome = store(walk, fp, flags);
    walk->ip = ip;
    walk->sp = cfa;
    if (saved_fp != 0)
        walk->fp_slot = saved_fp;
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

/*
 * Code without unwind information. What the guess is based on is compared again if it is in a
 * module.
 */
static PW_NOINLINE enum outcome step_by_guess(struct walk *walk, bool is_outside)
{
    uint64_t fp;
    uint64_t ip = walk->ip;
    uint64_t sp = walk->sp;
    if (!fp_find(walk, &fp))
        return HOPELESS;
    uint64_t slot = fp;
    if (pw_general_guess(&walk->memory->view, &ip, &sp, &fp))
        return step_to(walk, sp, slot, slot, PW_WALK_USES_FP | (is_outside ? PW_WALK_BARRIER : 0));
    (void)store(walk, slot, PW_WALK_BARRIER);
    return DONE;
}

static PW_NOINLINE enum outcome step_rarely(struct walk *walk, pw_rule rule)
{
    switch (pw_rule_kind(rule)) {
    case PW_RULE_DEREF: return step_realigned(walk, pw_rule_offset(rule));
    case PW_RULE_END: return store(walk, 0, PW_WALK_END);
    case PW_RULE_CHAIN: return step_by_guess(walk, false);
    case PW_RULE_OUTSIDE: return step_by_guess(walk, true);
    default: return HOPELESS;
    }
}

PW_INLINE enum outcome step(struct walk *walk)
{
    pw_rule rule = pw_rules_find(walk->ip - 1);
    enum pw_rule_kind kind = pw_rule_kind(rule);
    uint64_t base = walk->sp;
    uint64_t fp = 0;
    if (kind != PW_RULE_OUTSIDE)
        walk->kept = walk->count + 1;
    if (kind == PW_RULE_FP) {
        if (!fp_find(walk, &fp))
            return HOPELESS;
        base = fp;
    } else if (pw_unlikely(kind != PW_RULE_SP)) {
        return step_rarely(walk, rule);
    }
    uint64_t cfa = base + (uint64_t)pw_rule_offset(rule);
    uint64_t fp_below = pw_rule_fp_below(rule);
    return step_to(walk, cfa, fp, fp_below != 0 ? cfa - fp_below : 0,
                   kind == PW_RULE_FP ? PW_WALK_USES_FP : 0);
}

#endif
