/*
 * walk_keep.h - what a walk leaves: its records, with their sums, and the id of its trace. For the walks alone
 * (walk.c, walk_short.c).
 */
#ifndef PW_TRACE_WALK_KEEP_H
#define PW_TRACE_WALK_KEEP_H

#include "trace/depot.h"
#include "trace/recent.h"
#include "trace/walk.h"

/*
 * Eight bytes at a time, as they will be read again and are at hand; the compiler's wider moves go by way of the stack, and
 * wait there for the stores before them.
 */
PW_INLINE void pw_walk_record_set(struct pw_walk_record *record, uint64_t ip, uint64_t sp, uint64_t fp, uint64_t tag)
{
    __asm__("" : "+r"(ip), "+r"(sp), "+r"(fp), "+r"(tag));
    *record = (struct pw_walk_record){.ip = ip, .sp = sp, .fp = fp, .tag = tag};
}

PW_INLINE void pw_walk_record_copy(struct pw_walk_record *to, const struct pw_walk_record *from)
{
    pw_walk_record_set(to, from->ip, from->sp, from->fp, from->tag);
}

/* Move the records from `met` on to the end, and drop those too far out; where the met one is now. */
size_t pw_walk_make_room(struct pw_walk_memory *memory, size_t met);
void pw_walk_inherit_slowly(struct pw_walk_memory *memory, size_t met, uint64_t fp_slot);

/*
 * The way to the record `met` left fp in the word `fp_slot` (0: in its register): so do the records from that on, up to
 * the first that has its own, whatever they inherited the last time.
 */
PW_INLINE void pw_walk_inherit(struct pw_walk_memory *memory, size_t met, uint64_t fp_slot)
{
    uint64_t inherited = pw_walk_slot(&memory->records[met]);
    if (pw_unlikely(inherited != fp_slot && inherited < memory->records[met].sp))
        pw_walk_inherit_slowly(memory, met, fp_slot);
}

/*
 * The records from `first` to `met` are new, those from there on as they were: sum them up.
 *
 * The sums of what was dropped stay in the others'. A trace that ends where something was dropped has then another
 * hash than its frames alone; the depot finds nothing by that, but here it stands for them as well as any.
 */
PW_INLINE void pw_walk_keep(struct pw_walk_memory *memory, size_t first, size_t met)
{
    bool is_outermost = met == PW_WALK_RECORDS;
    uint64_t sum = is_outermost ? 0 : memory->sums[met];
    uint8_t plain = is_outermost ? 0 : memory->plain[met];
    for (size_t i = met; i-- > first;) {
        sum = pw_depot_hash_add(sum, memory->records[i].ip);
        plain = (memory->records[i].tag & PW_WALK_FLAGS) == 0 ? (uint8_t)(plain + 1) : 0;
        memory->sums[i] = sum;
        memory->plain[i] = plain;
    }
    memory->first = (uint32_t)first;
}

/* The hash of the `count` records from `first` on. */
PW_INLINE uint64_t pw_walk_hash(const struct pw_walk_memory *memory, size_t first, size_t count)
{
    size_t end = first + count;
    return pw_depot_hash_of(memory->sums[first], end < PW_WALK_RECORDS ? memory->sums[end] : 0, count);
}

/* Where in the depot a record is, and with it those further out. */
PW_INLINE struct pw_depot_place pw_walk_place_of(const struct pw_walk_memory *memory, size_t record)
{
    return (struct pw_depot_place){.id = (uint32_t)memory->places[record], .index = (uint32_t)(memory->places[record] >> 32)};
}

/* The records up to `met`, which are new, are the innermost frames of trace `id`; 0: of none that the depot has. */
PW_INLINE void pw_walk_places_set(struct pw_walk_memory *memory, size_t met, uint32_t id)
{
    for (size_t i = memory->first; i < met; i++)
        memory->places[i] = (i - memory->first) << 32 | id;
}

PW_INLINE uint32_t *pw_walk_lately(struct pw_walk_memory *memory, uint64_t hash)
{
    return &memory->lately[hash & ((1u << PW_WALK_LATELY_BITS) - 1)];
}

/* The id of a trace that is not among the recent ones, and whose records up to `met` are new; 0: there is no room. */
uint32_t pw_walk_id_in_depot(struct pw_walk_memory *memory, size_t met, uint64_t hash, size_t count);
/* Remember how the trace of at most `max` frames that is kept came to the record `met`, if that hangs on few words. */
void pw_walk_keep_branch(struct pw_walk_memory *memory, size_t met, uint64_t fp_slot, size_t max, uint32_t id);

/*
 * The id of the trace that is kept: the `count` innermost records. The last walk met the record `met`, where fp was in
 * the word `fp_slot`, and was to be of at most `max` frames.
 */
PW_INLINE uint32_t pw_walk_kept_id(struct pw_walk_memory *memory, size_t met, size_t count, uint64_t fp_slot,
                                   size_t max)
{
    uint64_t hash = pw_walk_hash(memory, memory->first, count);
    uint32_t id = pw_recent_find(hash);
    if (id == 0)
        id = pw_walk_id_in_depot(memory, met, hash, count);
    else if (met != PW_WALK_RECORDS && *pw_walk_lately(memory, hash) == id)
        pw_walk_keep_branch(memory, met, fp_slot, max, id);
    *pw_walk_lately(memory, hash) = id;
    pw_walk_places_set(memory, met, id);
    return id;
}

#endif
