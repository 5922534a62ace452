/*
 * walk.h - the quick unwinder: cached rules, and the memory of the thread's last trace.
 *
 * A trace is a pure function of the place where it starts (ip, sp, fp) and of some words on the
 * stack: every return address, and those saved frame pointers that a frame hangs on. So when a walk
 * comes to a place (ip, sp) where the last one has been, what follows is what followed then, if all
 * those words are still the same. Comparing them is a load or two a frame; finding them anew would
 * be a chain of five dependent ones. The answer is the same, by construction.
 *
 *   records:   ... | first: ip sp fp tag | ip sp fp tag | ... | ip sp fp tag |
 *                    <------- fresh -----> <-------- met again, compared ---->
 *
 * The outermost is the last of the array.
 *
 * Fresh records replace those before the met one, which stay as they are. The sum that the depot's hash is made of
 * (depot.h) is kept beside each record, of all ips from the outermost up to it; so the hash of a trace costs as
 * little, and by it the ids of recent traces are found without going to the depot (recent.h).
 *
 * Each record also knows a trace in the depot that it was part of, and which frame it was there. A trace that is new to the
 * depot is stored by its fresh frames then, and leaves the others to that one.
 *
 * A program calls from few places over and over, and between two calls only the innermost frames differ. How a trace
 * that came up twice got to the records is remembered too: a branch (walk_branch.h). Where it still holds, nothing is
 * found or stored anew.
 *
 * Records are hints: nothing of them is used before the words that it stands for were compared.
 */
#ifndef PW_TRACE_WALK_H
#define PW_TRACE_WALK_H

#include "image/layout.h"
#include "trace/entry.h"
#include "trace/view.h"

struct pw_walk_record {
    uint64_t ip;  /* where the frame goes on after the call; read from sp - 8, but for the first */
    uint64_t sp;  /* and its sp then */
    uint64_t fp;  /* with PW_WALK_USES_FP: its fp then */
    uint64_t tag; /* address of the word that fp is in, 0: it is what it was at the entry; and
                     PW_WALK_… */
};

enum {
    PW_WALK_USES_FP = 1, /* the next record is right only if fp was as recorded */
    PW_WALK_BARRIER = 2, /* what comes next depends on more than that: find it anew */
    PW_WALK_END = 4,     /* nothing comes next */
    PW_WALK_FLAGS = 7,
};

/* The address in a tag. */
PW_INLINE uint64_t pw_walk_slot(const struct pw_walk_record *record)
{
    return record->tag & ~(uint64_t)PW_WALK_FLAGS;
}

enum {
    PW_WALK_RECORDS = 2 * PW_MAX_FRAMES,
    PW_WALK_BRANCH_BITS = 7,       /* of sets */
    PW_WALK_BRANCH_FIRST_BITS = 2, /* of those in use at first */
    PW_WALK_BRANCH_MORE_BITS = 2,  /* and each time that one is full */
    PW_WALK_BRANCH_WAYS = 4,
    PW_WALK_BRANCH_WORDS = 12,
    PW_WALK_LATELY_BITS = 9,
};

/* What a word of the stack was: a return address, or a saved frame pointer that a frame hangs on. */
struct pw_walk_word {
    uint64_t at;
    uint64_t value;
};

/*
 * How a trace that begins at (ip, sp) came to the records, when it was found step by step, and all words that this hung
 * on. While they are the same, the next one from there goes the same way, without rules, hashes or the depot; and it
 * leaves the records as they are.
 */
struct pw_walk_branch {
    uint64_t ip;
    uint64_t sp;
    uint64_t sum;        /* of the record that was met, */
    uint64_t met_sp;     /* its sp, */
    uint64_t fp_slot;    /* and where its fp is if it was saved on the way there; 0: it was not */
    uint64_t fp;         /* what the fp at the beginning has to be; 0: whatever */
    uint32_t met;        /* its index */
    uint32_t id;         /* of the whole trace, */
    uint32_t max;        /* of at most so many frames, as pw_walk_limit has it; 0: not in use */
    uint16_t run;        /* which ends so many records after the met one */
    uint16_t words_used; /* in `words` */
    struct pw_walk_word words[PW_WALK_BRANCH_WORDS];
};

/*
 * One for each thread; made by pw_walk_init. A young process is to touch few pages of it: what is written first lies together,
 * each table of records at its end, and of the branches but the first sets are in use.
 */
struct pw_walk_memory {
    uint32_t first; /* index of the innermost record; PW_WALK_RECORDS: there is none */
    uint32_t epoch; /* branches of another one are forgotten: most of this memory is never touched */
    struct pw_view view;
    struct pw_entry_memory entry;
    uint32_t last_id; /* the last one that was not a recent one */
    uint32_t misses;  /* of those, so many in a row were not the next in the depot after the one before */
    uint32_t next_way; /* of a new branch */
    uint32_t sets_mask; /* of `branches`, those in use: all but one of their number, in bytes */
    uint32_t lately[1 << PW_WALK_LATELY_BITS]; /* ids by hash: of a trace that comes up again soon a branch is kept */
    struct pw_walk_record fresh[PW_MAX_FRAMES]; /* of the walk under way */
    struct pw_walk_record records[PW_WALK_RECORDS];
    uint8_t plain[PW_WALK_RECORDS]; /* so many records from this on have no flags */
    uint64_t sums[PW_WALK_RECORDS]; /* of the ips of all records from the last down to this */
    uint64_t places[PW_WALK_RECORDS]; /* where the depot has the trace from this on: pw_walk_place_of */
    _Alignas(64) struct pw_walk_branch branches[1 << PW_WALK_BRANCH_BITS][PW_WALK_BRANCH_WAYS];
};

/* What another thread left there is forgotten. */
void pw_walk_init(struct pw_walk_memory *memory);
/* The code has changed: so may the rules. */
void pw_walk_forget(struct pw_walk_memory *memory);

/*
 * The trace from the caller on (entry.h): the ips of the first so many records from `first` on; at
 * most `max`, 1 to PW_MAX_FRAMES. 0: a frame on the way is none for this, and `first` means
 * nothing.
 */
size_t pw_walk(struct pw_walk_memory *memory, const struct pw_entry *entry, size_t max);
/* After that: those ips. */
PW_INLINE void pw_walk_ips(const struct pw_walk_memory *memory, uint64_t *ips, size_t count)
{
    const struct pw_walk_record *record = &memory->records[memory->first];
    for (size_t i = 0; i < count; i++)
        ips[i] = record[i].ip;
}
/* The same, as its id in the depot, for traces of which pw_walk_usual_id knows none. False where pw_walk gives 0. */
bool pw_walk_id(struct pw_walk_memory *memory, const struct pw_entry *entry, size_t max, uint32_t *id);

#endif
