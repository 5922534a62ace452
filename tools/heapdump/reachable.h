/*
 * reachable.h - which blocks of a target its registers, stacks, globals and other memory lead to: image/reach.h
 * over a target, and where a pointer was found in words.
 *
 * A live target has to stay stopped meanwhile: a pointer that moves while it is looked for is missed.
 */
#ifndef PW_HEAPDUMP_REACHABLE_H
#define PW_HEAPDUMP_REACHABLE_H

#include "json_write.h"
#include "target.h"

#include "image/reach.h"

struct reachable {
    struct target *target;
    struct pw_reach reach; /* starts_only, found, context: the caller's */
    struct thread_frames *frames; /* made when first asked for */
};

/*
 * Look at all of it. reach.found is called with the place of every pointer: an address, or that of a
 * register (see below). False: said why.
 */
bool reachable_search(struct reachable *reachable);
void reachable_close(struct reachable *reachable);

/* Places of registers: a bit, the thread's index in target_threads, the word's index in thread->words. */
#define PLACE_REGISTER ((uint64_t)1 << 63)
#define PLACE_THREAD_SHIFT 32

/* Is the word of a thread's registers one of the vectors'? */
bool reachable_is_vector(const struct target *target, size_t word);

enum place_kind { PLACE_IN_NOTHING, PLACE_IN_REGISTER, PLACE_IN_STACK, PLACE_IN_TLS, PLACE_IN_GLOBAL, PLACE_IN_MEMORY, PLACE_IN_BLOCK };

/* Where a pointer was found. Strings live until the next call. */
struct place_info {
    enum place_kind kind;
    uint64_t address;     /* 0: a register */
    uint32_t block;       /* PLACE_IN_BLOCK: its index */
    uint64_t offset;      /* in the block, the symbol or the mapping */
    const char *symbol;   /* a global's name, a register's, the function whose frame it is; NULL: not known */
    const char *path;     /* the file, or what is known of the mapping; "": nothing */
    const struct target_thread *thread; /* whose stack, TLS or register; or NULL */
    bool has_ordinal;
    uint32_t ordinal;     /* of the thread in the image … */
    char name[17];        /* … and its name there */
};

struct place_info reachable_place(struct reachable *reachable, uint64_t place);
/* "global `table` of /bin/x + 0x40", "stack of thread T2 (worker) in main", "block 0x… of 64 bytes + 8" … */
void reachable_place_write(struct reachable *reachable, FILE *out, uint64_t place);
/* The members of the place's object. */
void reachable_place_json(struct reachable *reachable, struct json *json, uint64_t place);

#endif
