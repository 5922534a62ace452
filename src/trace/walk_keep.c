/* walk_keep.c - see walk_keep.h */
#include "trace/walk_keep.h"

#include "trace/walk_branch.h"

void pw_walk_inherit_slowly(struct pw_walk_memory *memory, size_t met, uint64_t fp_slot)
{
    struct pw_walk_record *records = memory->records;
    uint64_t lowest = records[met].sp;
    for (size_t i = met; i < PW_WALK_RECORDS && pw_walk_slot(&records[i]) < lowest; i++)
        records[i].tag = fp_slot | (records[i].tag & PW_WALK_FLAGS);
}

size_t pw_walk_make_room(struct pw_walk_memory *memory, size_t met)
{
    size_t count = PW_WALK_RECORDS - met;
    if (count > PW_MAX_FRAMES)
        count = PW_MAX_FRAMES;
    size_t to = PW_WALK_RECORDS - count;
    for (size_t i = count; i-- > 0;) {
        memory->records[to + i] = memory->records[met + i];
        memory->plain[to + i] = memory->plain[met + i];
        memory->sums[to + i] = memory->sums[met + i];
        memory->places[to + i] = memory->places[met + i];
    }
    return to;
}

/* A trace that the depot doesn't know. Another one that it has may have the outer frames. */
static PW_NOINLINE uint32_t id_make(const struct pw_walk_memory *memory, size_t met, size_t count)
{
    uint64_t frames[PW_MAX_FRAMES];
    pw_walk_ips(memory, frames, count);
    for (size_t own = met > memory->first ? met - memory->first : 1; own < count; own++) {
        struct pw_depot_place rest = pw_walk_place_of(memory, memory->first + own);
        if (pw_depot_place_has(rest, count - own))
            return pw_depot_put_before(frames, count, own, rest);
    }
    return pw_depot_put(frames, count);
}

enum { FEW_MISSES = 4, TRIES_APART = 64 };

uint32_t pw_walk_id_in_depot(struct pw_walk_memory *memory, size_t met, uint64_t hash, size_t count)
{
    uint32_t id = 0;
    bool is_in_order = memory->misses < FEW_MISSES || memory->misses % TRIES_APART == 0;
    if (is_in_order && memory->last_id != 0)
        id = pw_depot_find_next(memory->last_id, hash, count);
    memory->misses = id != 0 ? 0 : memory->misses + 1;
    if (id == 0)
        id = pw_depot_find(hash, count);
    if (pw_unlikely(id == 0))
        id = id_make(memory, met, count);
    memory->last_id = id;
    if (pw_likely(id != 0)) /* there may be room later */
        pw_recent_keep(hash, id);
    return id;
}

/* What the way from the innermost record to a met one hangs on. */
struct way {
    uint64_t fp; /* fp at the beginning; 0: not on it */
    size_t count;
    struct pw_walk_word words[PW_WALK_BRANCH_WORDS];
};

/* False: on too many words, or on more than words. */
static bool way_find(const struct pw_walk_memory *memory, size_t met, struct way *way)
{
    way->fp = way->count = 0;
    for (size_t i = memory->first; i < met; i++) {
        const struct pw_walk_record *record = &memory->records[i];
        uint64_t slot = pw_walk_slot(record);
        if ((record->tag & (PW_WALK_BARRIER | PW_WALK_END)) != 0 || way->count + 2 > PW_WALK_BRANCH_WORDS)
            return false;
        if (i > memory->first)
            way->words[way->count++] = (struct pw_walk_word){.at = record->sp - 8, .value = record->ip};
        if ((record->tag & PW_WALK_USES_FP) != 0 && slot == 0)
            way->fp = record->fp;
        else if ((record->tag & PW_WALK_USES_FP) != 0)
            way->words[way->count++] = (struct pw_walk_word){.at = slot, .value = record->fp};
    }
    return true;
}

/*
 * Where a branch that begins at `innermost` is put: in the place of one that met just that record, which only holds
 * where the last trace was this one too; who meets one further out holds there as well.
 */
static struct pw_walk_branch *place_for(struct pw_walk_memory *memory, const struct pw_walk_record *innermost, uint32_t limit)
{
    struct pw_walk_branch *branches = pw_walk_branches(memory, innermost->ip, innermost->sp);
    for (size_t i = 0; i < PW_WALK_BRANCH_WAYS; i++)
        if (branches[i].ip == innermost->ip && branches[i].sp == innermost->sp && branches[i].max == limit &&
            branches[i].met_sp == innermost->sp)
            return &branches[i];
    struct pw_walk_branch *next = &branches[memory->next_way];
    uint32_t all = pw_walk_sets_mask(PW_WALK_BRANCH_BITS);
    if (memory->sets_mask != all && next->max >> PW_WALK_LIMIT_BITS == memory->epoch) { /* it would be lost */
        memory->sets_mask = (memory->sets_mask << PW_WALK_BRANCH_MORE_BITS | pw_walk_sets_mask(PW_WALK_BRANCH_MORE_BITS)) & all;
        next = &pw_walk_branches(memory, innermost->ip, innermost->sp)[memory->next_way];
    }
    memory->next_way = (memory->next_way + 1) % PW_WALK_BRANCH_WAYS;
    return next;
}

void pw_walk_keep_branch(struct pw_walk_memory *memory, size_t met, uint64_t fp_slot, size_t max, uint32_t id)
{
    struct way way;
    if (!way_find(memory, met, &way))
        return;
    const struct pw_walk_record *innermost = &memory->records[memory->first];
    size_t left = PW_WALK_RECORDS - met, wanted = max - (met - memory->first);
    uint32_t limit = pw_walk_limit(memory, max);
    struct pw_walk_branch *branch = place_for(memory, innermost, limit);
    branch->ip = innermost->ip;
    branch->sp = innermost->sp;
    branch->sum = memory->sums[met];
    branch->met_sp = memory->records[met].sp;
    branch->fp_slot = fp_slot;
    branch->fp = way.fp;
    branch->met = (uint32_t)met;
    branch->id = id;
    branch->max = limit;
    branch->run = (uint16_t)((left < wanted ? left : wanted) - 1);
    branch->words_used = (uint16_t)way.count;
    for (size_t i = 0; i < way.count; i++)
        branch->words[i] = way.words[i];
}
