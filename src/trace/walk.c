/* walk.c - see walk.h */
#include "trace/walk.h"

#include "trace/depot.h"
#include "trace/walk_branch.h"
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
        record_copy(&memory->fresh[walk->fresh], &met[i]);
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

/* Set the records' fp_slot up to the first that has its own: what they inherit is not what it was.
 */
static PW_NOINLINE void inherit(struct walk *walk)
{
    struct pw_walk_record *records = walk->memory->records;
    uint64_t lowest = records[walk->met].sp;
    for (size_t i = walk->met; i < PW_WALK_RECORDS && pw_walk_slot(&records[i]) < lowest; i++)
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
        memory->plain[to + i] = memory->plain[walk->met + i];
        memory->sums[to + i] = memory->sums[walk->met + i];
    }
    walk->met = to;
}

/*
 * The fresh records, then those from `met` on, become what is remembered.
 *
 * The sums of what was dropped stay in the others'. A trace that ends where something was dropped has then another
 * hash than its frames alone; the depot finds nothing by that, but here it stands for them as well as any.
 */
PW_INLINE void remember(struct walk *walk)
{
    struct pw_walk_memory *memory = walk->memory;
    if (pw_unlikely(walk->fresh > walk->met))
        make_room(walk);
    size_t first = walk->met - walk->fresh;
    uint64_t sum = walk->met < PW_WALK_RECORDS ? memory->sums[walk->met] : 0;
    uint8_t plain = walk->met < PW_WALK_RECORDS ? memory->plain[walk->met] : 0;
    for (size_t i = walk->fresh; i-- > 0;) {
        sum = pw_depot_hash_add(sum, memory->fresh[i].ip);
        record_copy(&memory->records[first + i], &memory->fresh[i]);
        memory->sums[first + i] = sum;
        plain = (memory->fresh[i].tag & PW_WALK_FLAGS) == 0 ? (uint8_t)(plain + 1) : 0;
        memory->plain[first + i] = plain;
    }
    memory->first = (uint32_t)first;
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
                uint64_t inherited = pw_walk_slot(&records[walk->met]);
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
    pw_walk_forget(memory);
    memory->view = (struct pw_view){0};
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
    /* The caller is part of it wherever it lies. */
    return walk.kept > 0 ? walk.kept : 1;
}

static PW_NOINLINE uint32_t id_make(const struct pw_walk_memory *memory, size_t count)
{
    uint64_t frames[PW_MAX_FRAMES];
    pw_walk_ips(memory, frames, count);
    return pw_depot_put(frames, count);
}

/* How many records after the met one a walk that is over compared. */
PW_INLINE size_t run_of(const struct walk *walk)
{
    size_t left = PW_WALK_RECORDS - walk->met, wanted = walk->max - walk->fresh;
    return (left < wanted ? left : wanted) - 1;
}

/* Keep how the walk that is over came to the records, if that hangs on few words. */
PW_INLINE void branch_keep(const struct walk *walk, uint32_t id)
{
    struct pw_walk_memory *memory = walk->memory;
    if (walk->met == PW_WALK_RECORDS || walk->fresh == 0)
        return;
    const struct pw_walk_record *fresh = memory->fresh;
    struct pw_walk_word words[PW_WALK_BRANCH_WORDS];
    size_t count = 0;
    uint64_t fp = 0;
    for (size_t i = 0; i < walk->fresh; i++) {
        if ((fresh[i].tag & (PW_WALK_BARRIER | PW_WALK_END)) != 0 || count + 2 > PW_WALK_BRANCH_WORDS)
            return;
        if (i > 0)
            words[count++] = (struct pw_walk_word){.at = fresh[i].sp - 8, .value = fresh[i].ip};
        if ((fresh[i].tag & PW_WALK_USES_FP) == 0)
            continue;
        if (pw_walk_slot(&fresh[i]) == 0)
            fp = fresh[i].fp;
        else
            words[count++] = (struct pw_walk_word){.at = pw_walk_slot(&fresh[i]), .value = fresh[i].fp};
    }
    struct pw_walk_branch *branch =
        pw_walk_branches(memory, walk->entry->caller_pc, walk->entry->caller_frame) + memory->next_way;
    memory->next_way = (memory->next_way + 1) % PW_WALK_BRANCH_WAYS;
    branch->ip = walk->entry->caller_pc;
    branch->sp = walk->entry->caller_frame;
    branch->sum = memory->sums[walk->met];
    branch->met_sp = memory->records[walk->met].sp;
    branch->fp_slot = walk->fp_slot;
    branch->fp = fp;
    branch->met = (uint32_t)walk->met;
    branch->id = id;
    branch->max = pw_walk_limit(memory, walk->max);
    branch->run = (uint16_t)run_of(walk);
    branch->words_used = (uint16_t)count;
    for (size_t i = 0; i < count; i++)
        branch->words[i] = words[i];
}

enum { FEW_MISSES = 4, TRIES_APART = 64 };

/* Of a trace that is not in memory->ids. */
static uint32_t id_in_depot(struct pw_walk_memory *memory, uint64_t hash, size_t count)
{
    uint32_t id = 0;
    bool is_in_order = memory->misses < FEW_MISSES || memory->misses % TRIES_APART == 0;
    if (is_in_order && memory->last_id != 0)
        id = pw_depot_find_next(memory->last_id, hash, count);
    memory->misses = id != 0 ? 0 : memory->misses + 1;
    if (id == 0)
        id = pw_depot_find(hash, count);
    if (pw_unlikely(id == 0))
        id = id_make(memory, count);
    memory->last_id = id;
    return id;
}

/* The hash of the `count` innermost frames that are remembered. */
PW_INLINE uint64_t hash_of(const struct pw_walk_memory *memory, size_t count)
{
    size_t end = memory->first + count;
    return pw_depot_hash_of(memory->sums[memory->first], end < PW_WALK_RECORDS ? memory->sums[end] : 0, count);
}

bool pw_walk_id(struct pw_walk_memory *memory, const struct pw_entry *entry, size_t max, uint32_t *id)
{
    struct walk walk = walk_begin(memory, entry, max);
    if (!walk_run(&walk)) {
        memory->first = PW_WALK_RECORDS;
        return false;
    }
    remember(&walk);
    size_t count = walk.kept > 0 ? walk.kept : 1;
    uint64_t hash = hash_of(memory, count);
    struct pw_walk_id *place = &memory->ids[hash >> (64 - PW_WALK_ID_BITS)];
    if (place->hash == hash && place->id != 0) {
        branch_keep(&walk, place->id);
    } else {
        place->hash = hash;
        place->id = id_in_depot(memory, hash, count); /* 0: there may be room later */
    }
    *id = place->id;
    return true;
}
