/* walk.c - see walk.h */
#include "trace/walk.h"

#include "trace/depot.h"
#include "trace/general.h"
#include "trace/rules.h"

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

PW_INLINE uint64_t slot_of(const struct pw_walk_record *record)
{
    return record->tag & ~(uint64_t)PW_WALK_FLAGS;
}

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

/*
 * Eight bytes at a time, as they will be read again and are at hand; the compiler's wider moves go by way of the stack, and
 * wait there for the stores before them.
 */
PW_INLINE void record_set(struct pw_walk_record *record, uint64_t ip, uint64_t sp, uint64_t fp, uint64_t tag)
{
    __asm__("" : "+r"(ip), "+r"(sp), "+r"(fp), "+r"(tag));
    *record = (struct pw_walk_record){.ip = ip, .sp = sp, .fp = fp, .tag = tag};
}

PW_INLINE void record_copy(struct pw_walk_record *to, const struct pw_walk_record *from)
{
    record_set(to, from->ip, from->sp, from->fp, from->tag);
}

PW_INLINE enum outcome store(struct walk *walk, uint64_t fp, uint64_t flags)
{
    record_set(&walk->memory->fresh[walk->fresh++], walk->ip, walk->sp, fp, walk->fp_slot | flags);
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

/* Whether a record with flags leads on; `lowest` is the sp of the met one. */
PW_INLINE bool flags_allow(struct walk *walk, const struct pw_walk_record *record, uint64_t lowest)
{
    uint64_t slot = slot_of(record);
    uint64_t fp;
    if (record->tag & (PW_WALK_BARRIER | PW_WALK_END))
        return false;
    /*
     * A slot below the met frame belongs to what was there the last time; now fp comes from
     * elsewhere.
     */
    if (slot >= lowest)
        fp = pw_view_word(slot);
    else if (!fp_find(walk, &fp))
        return false;
    return fp == record->fp;
}

/*
 * The frame that we are at is record `walk->met`. Compare from there on. DONE: the trace ends
 * within the records. GO_ON: it was right up to the frame that we are at then, but not beyond; what
 * was right joins the fresh records.
 */
PW_INLINE enum outcome follow(struct walk *walk)
{
    struct pw_walk_memory *memory = walk->memory;
    const struct pw_walk_record *met = &memory->records[walk->met];
    const struct pw_walk_record *record = met;
    size_t left = PW_WALK_RECORDS - walk->met;
    size_t wanted = walk->max - walk->count;
    const struct pw_walk_record *last = met + (left < wanted ? left : wanted) - 1;
    while (!(record->tag & PW_WALK_FLAGS) || flags_allow(walk, record, met->sp)) {
        if (record == last || pw_view_word(record[1].sp - 8) != record[1].ip)
            break;
        record++;
    }
    size_t followed = (size_t)(record - met);
    if ((record == last && left >= wanted) || (record->tag & PW_WALK_END)) {
        walk->count += followed + 1;
        walk->kept = walk->count;
        return DONE;
    }
    for (size_t i = 0; i < followed; i++) {
        record_copy(&memory->fresh[walk->fresh], &met[i]);
        if (slot_of(&met[i]) < met->sp)
            memory->fresh[walk->fresh].tag = walk->fp_slot | (met[i].tag & PW_WALK_FLAGS);
        walk->fresh++;
    }
    walk->count += followed;
    walk->kept = followed > 0 ? walk->count : walk->kept;
    walk->ip = record->ip;
    walk->sp = record->sp;
    if (slot_of(record) >= met->sp)
        walk->fp_slot = slot_of(record);
    walk->met += followed + 1;
    return GO_ON;
}

/* True when all that the records may stand for lies in the current window of the view. */
PW_INLINE bool can_follow(struct walk *walk)
{
    struct pw_view *view = &walk->memory->view;
    uint64_t highest = walk->memory->records[PW_WALK_RECORDS - 1].sp - 8;
    return pw_view_holds(view, walk->entry->caller_frame) &&
           highest - view->now.low < view->now.span;
}

/* Set the records' fp_slot up to the first that has its own: what they inherit is not what it was.
 */
static PW_NOINLINE void inherit(struct walk *walk)
{
    struct pw_walk_record *records = walk->memory->records;
    uint64_t lowest = records[walk->met].sp;
    for (size_t i = walk->met; i < PW_WALK_RECORDS && slot_of(&records[i]) < lowest; i++)
        records[i].tag = walk->fp_slot | (records[i].tag & PW_WALK_FLAGS);
}

/* No room for the fresh records: move the others to the end, and drop those too far out. */
static PW_NOINLINE void make_room(struct walk *walk)
{
    struct pw_walk_memory *memory = walk->memory;
    size_t count = PW_WALK_RECORDS - walk->met;
    if (count > PW_MAX_FRAMES)
        count = PW_MAX_FRAMES;
    size_t to = PW_WALK_RECORDS - count;
    for (size_t i = count; i-- > 0;) {
        memory->records[to + i] = memory->records[walk->met + i];
        memory->hashes[to + i] =
            memory->hashes[walk->met + i]; /* still tells those that stay apart */
    }
    walk->met = to;
}

/* Each step is one-to-one in both. */
PW_INLINE uint64_t hash_add(uint64_t hash, uint64_t ip)
{
    uint64_t mixed = (hash ^ ip) * PW_RULES_MULTIPLIER;
    return mixed ^ (mixed >> 32);
}

/*
 * The fresh records, then those from `met` on, become what is remembered. Returns the hash of it
 * all.
 */
PW_INLINE uint64_t remember(struct walk *walk)
{
    struct pw_walk_memory *memory = walk->memory;
    if (pw_unlikely(walk->fresh > walk->met))
        make_room(walk);
    size_t first = walk->met - walk->fresh;
    uint64_t hash = walk->met < PW_WALK_RECORDS ? memory->hashes[walk->met] : 0;
    for (size_t i = walk->fresh; i-- > 0;) {
        hash = hash_add(hash, memory->fresh[i].ip);
        record_copy(&memory->records[first + i], &memory->fresh[i]);
        memory->hashes[first + i] = hash;
    }
    memory->first = (uint32_t)first;
    return hash;
}

PW_INLINE struct walk walk_begin(struct pw_walk_memory *memory, const struct pw_entry *entry,
                                 size_t max)
{
    return (struct walk){
        .memory = memory,
        .entry = entry,
        .max = max,
        .met = memory->first,
        .ip = entry->caller_pc,
        .sp = entry->caller_frame,
    };
}

/* True: the trace is the fresh records, then those from `met` on. */
PW_INLINE bool walk_run(struct walk *walk)
{
    struct pw_walk_record *records = walk->memory->records;
    enum outcome outcome;
    do {
        while (walk->met < PW_WALK_RECORDS && records[walk->met].sp < walk->sp)
            walk->met++;
        if (walk->met < PW_WALK_RECORDS && records[walk->met].sp == walk->sp &&
            records[walk->met].ip == walk->ip && can_follow(walk)) {
            outcome = follow(walk);
            if (outcome == DONE) {
                uint64_t inherited = slot_of(&records[walk->met]);
                if (pw_unlikely(inherited != walk->fp_slot && inherited < walk->sp))
                    inherit(walk);
                return true;
            }
        }
        outcome = step(walk);
    } while (outcome == GO_ON);
    walk->met = PW_WALK_RECORDS;
    return outcome == DONE;
}

void pw_walk_init(struct pw_walk_memory *memory)
{
    memory->first = PW_WALK_RECORDS;
    memory->view = (struct pw_view){0};
}

void pw_walk_forget(struct pw_walk_memory *memory)
{
    memory->first = PW_WALK_RECORDS;
}

size_t pw_walk(struct pw_walk_memory *memory, const struct pw_entry *entry, size_t max)
{
    struct walk walk = walk_begin(memory, entry, max);
    if (!walk_run(&walk)) {
        pw_walk_forget(memory);
        return 0;
    }
    (void)remember(&walk);
    /* The caller is part of it wherever it lies. */
    return walk.kept > 0 ? walk.kept : 1;
}

static PW_NOINLINE uint32_t id_make(const struct pw_walk_memory *memory, size_t count)
{
    uint64_t frames[PW_MAX_FRAMES];
    pw_walk_ips(memory, frames, count);
    return pw_depot_put(frames, count);
}

bool pw_walk_id(struct pw_walk_memory *memory, const struct pw_entry *entry, size_t max,
                uint32_t *id)
{
    struct walk walk = walk_begin(memory, entry, max);
    if (!walk_run(&walk)) {
        pw_walk_forget(memory);
        return false;
    }
    uint64_t hash = remember(&walk);
    struct pw_walk_id *place = &memory->ids[hash >> (64 - PW_WALK_ID_BITS)];
    if (pw_unlikely(place->hash != hash || place->max != max)) {
        *place = (struct pw_walk_id){.hash = hash, .max = (uint32_t)max};
        place->id = id_make(memory, walk.kept > 0 ? walk.kept : 1);
        place->max = place->id != 0 ? place->max : 0; /* there may be room later */
    }
    *id = place->id;
    return true;
}
