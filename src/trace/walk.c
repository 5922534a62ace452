/* walk.c - see walk.h */
#include "trace/walk.h"

#include "trace/walk_branch.h"
#include "trace/walk_keep.h"
#include "trace/walk_step.h"

/* Whether a record with flags leads on; `lowest` is the sp of the met one. */
PW_INLINE bool flags_allow(struct walk *walk, const struct pw_walk_record *record, uint64_t lowest)
{
    uint64_t slot = pw_walk_slot(record);
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
 * The frame that we are at is record `walk->met`. Compare from there on; returns the last record that is
 * right. *done: the trace ends there, within the records.
 */
PW_INLINE const struct pw_walk_record *compare(struct walk *walk, bool *done)
{
    const struct pw_walk_record *met = &walk->memory->records[walk->met];
    const struct pw_walk_record *record = met;
    size_t left = PW_WALK_RECORDS - walk->met;
    size_t wanted = walk->max - walk->count;
    const struct pw_walk_record *last = met + (left < wanted ? left : wanted) - 1;
    size_t plain = walk->memory->plain[walk->met];
    size_t most = (size_t)(last - met);
    size_t run = plain < most ? plain : most;
    if (pw_likely(pw_walk_run_holds(met, run)))
        record += run;
    while (!(record->tag & PW_WALK_FLAGS) || flags_allow(walk, record, met->sp)) {
        if (record == last || pw_view_word(record[1].sp - 8) != record[1].ip)
            break;
        record++;
    }
    *done = (record == last && left >= wanted) || (record->tag & PW_WALK_END);
    return record;
}

/*
 * DONE: the trace ends within the records. GO_ON: it was right up to the frame that we are at then, but not beyond;
 * what was right joins the fresh records.
 */
PW_INLINE enum outcome follow(struct walk *walk)
{
    struct pw_walk_memory *memory = walk->memory;
    const struct pw_walk_record *met = &memory->records[walk->met];
    bool done;
    const struct pw_walk_record *record = compare(walk, &done);
    size_t followed = (size_t)(record - met);
    if (done) {
        walk->count += followed + 1;
        walk->kept = walk->count;
        return DONE;
    }
    for (size_t i = 0; i < followed; i++) {
        pw_walk_record_copy(&memory->fresh[walk->fresh], &met[i]);
        if (pw_walk_slot(&met[i]) < met->sp)
            memory->fresh[walk->fresh].tag = walk->fp_slot | (met[i].tag & PW_WALK_FLAGS);
        walk->fresh++;
    }
    walk->count += followed;
    walk->kept = followed > 0 ? walk->count : walk->kept;
    walk->ip = record->ip;
    walk->sp = record->sp;
    if (pw_walk_slot(record) >= met->sp)
        walk->fp_slot = pw_walk_slot(record);
    walk->met += followed + 1;
    return GO_ON;
}

/* True when all that the records may stand for lies in the current window of the view. */
PW_INLINE bool can_follow(struct pw_walk_memory *memory, const struct pw_entry *entry)
{
    return pw_view_holds(&memory->view, entry->caller_frame) && pw_walk_is_in_view(memory, entry->caller_frame);
}

/* The fresh records, then those from `met` on, become what is remembered. */
PW_INLINE void remember(struct walk *walk)
{
    struct pw_walk_memory *memory = walk->memory;
    if (pw_unlikely(walk->fresh > walk->met))
        walk->met = pw_walk_make_room(memory, walk->met);
    size_t first = walk->met - walk->fresh;
    for (size_t i = 0; i < walk->fresh; i++)
        pw_walk_record_copy(&memory->records[first + i], &memory->fresh[i]);
    pw_walk_keep(memory, first, walk->met);
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
            records[walk->met].ip == walk->ip && can_follow(walk->memory, walk->entry)) {
            outcome = follow(walk);
            if (outcome == DONE) {
                pw_walk_inherit(walk->memory, walk->met, walk->fp_slot);
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
    pw_walk_forget(memory);
    memory->view = (struct pw_view){0};
    memory->sets_mask = pw_walk_sets_mask(PW_WALK_BRANCH_FIRST_BITS);
    /* As pw_recent_touch. */
    memory->records[PW_WALK_RECORDS - 1].ip = 0;
    memory->branches[(1 << PW_WALK_BRANCH_FIRST_BITS) - 1][0].max = 0;
    pw_recent_touch();
}

void pw_walk_forget(struct pw_walk_memory *memory)
{
    memory->first = PW_WALK_RECORDS;
    memory->epoch = (memory->epoch + 1) % PW_WALK_EPOCHS;
    if (memory->epoch != 0)
        return;
    memory->epoch = 1;
    for (size_t i = 0; i < 1u << PW_WALK_BRANCH_BITS; i++)
        for (size_t way = 0; way < PW_WALK_BRANCH_WAYS; way++)
            memory->branches[i][way].max = 0;
}

size_t pw_walk(struct pw_walk_memory *memory, const struct pw_entry *entry, size_t max)
{
    struct walk walk = walk_begin(memory, entry, max);
    if (!walk_run(&walk)) {
        memory->first = PW_WALK_RECORDS;
        return 0;
    }
    remember(&walk);
    pw_walk_places_set(memory, walk.met, 0);
    /* The caller is part of it wherever it lies. */
    return walk.kept > 0 ? walk.kept : 1;
}

bool pw_walk_id(struct pw_walk_memory *memory, const struct pw_entry *entry, size_t max, uint32_t *id)
{
    struct walk walk = walk_begin(memory, entry, max);
    if (!walk_run(&walk)) {
        memory->first = PW_WALK_RECORDS;
        return false;
    }
    remember(&walk);
    *id = pw_walk_kept_id(memory, walk.met, walk.kept > 0 ? walk.kept : 1, walk.fp_slot, max);
    return true;
}
