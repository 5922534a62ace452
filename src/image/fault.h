/*
 * fault.h - what is wrong with a heap, as plain data.
 *
 * Detection returns a verdict; pure functions (image.h) fill a struct pw_fault from
 * an image; one reporter (diag/report.h) turns it into text or JSON. The names of kinds, states and
 * families are those of REPORTS.md.
 */
#ifndef PW_IMAGE_FAULT_H
#define PW_IMAGE_FAULT_H

#include "image/layout.h"

enum pw_kind {
    PW_KIND_NONE,
    PW_KIND_OVERFLOW,
    PW_KIND_UNDERFLOW,
    PW_KIND_USE_AFTER_FREE,
    PW_KIND_DOUBLE_FREE,
    PW_KIND_BAD_FREE,
    PW_KIND_INTERIOR_FREE,
    PW_KIND_FAMILY_MISMATCH,
    PW_KIND_SIZE_MISMATCH,
    PW_KIND_OVERLAP,
    PW_KIND_HEADER,
    PW_KIND_CALLOC_OVERFLOW,
    PW_KIND_SIZE_TOO_BIG,
    PW_KIND_BAD_ALIGNMENT,
    PW_KIND_LEAK,
    PW_KIND_POISON,
    PW_KIND_COUNT
};

/* "heap-buffer-overflow" and so on; "none" for PW_KIND_NONE. */
const char *pw_kind_name(enum pw_kind kind);
/* "live", "quarantined", "cached", "free", "pending", "retired"; "damaged" for any other byte. */
const char *pw_state_name(uint32_t state);
/* Is it the byte of a state that a block can have? */
bool pw_state_is_known(uint32_t state);
/* "malloc", "new", "new[]". */
const char *pw_family_name(enum pw_family family);
/* The function that gives back what `family` gave: "free", "operator delete", "operator delete[]". */
const char *pw_family_release_name(enum pw_family family);

enum pw_relation { PW_RELATION_NONE, PW_RELATION_BEFORE, PW_RELATION_INSIDE, PW_RELATION_AFTER };
enum pw_access { PW_ACCESS_NONE, PW_ACCESS_READ, PW_ACCESS_WRITE };

/* A block as a reader may know it. All of it may be false when `sealed` is. */
struct pw_block_info {
    bool known;          /* false: there is no such block, and the rest is 0 */
    bool sealed;         /* its header carries the right seal */
    uint8_t state;       /* enum pw_state */
    uint8_t flags;       /* PW_HEAP_… */
    bool is_renewed;     /* nobody had it, but others may have had its memory */
    bool is_hidden;      /* pages that it lies in are: PW_HEAP_HIDDEN, which `flags` is without */
    enum pw_family family;
    uint64_t address;    /* of the first byte */
    uint64_t size;       /* bytes: as requested, also of freed ones; of a FREE one its block_size less the tail */
    uint64_t block_size; /* bytes, zone included */
    uint32_t region;     /* index */
    uint32_t granule;    /* index in the region */
    enum pw_region_kind kind;
    uint32_t heap;       /* index */
    bool has_evidence;   /* the rest is set */
    uint16_t alloc_thread;
    uint16_t free_thread;
    uint32_t number;     /* allocation number in its thread, 0: not known (FREE) */
    uint32_t alloc_stack; /* depot ids */
    uint32_t free_stack;
    uint64_t alignment; /* that it was asked for with, bytes; 0: with none, or not known (not LIVE) */
};

/* Nobody had the block, or not since its memory came fresh from the system. */
PW_INLINE bool pw_block_is_fresh(const struct pw_block_info *info)
{
    return (info->state == PW_STATE_FREE || info->state == PW_STATE_CACHED) &&
           (info->flags & PW_HEAP_ZEROED) != 0 && !info->is_renewed;
}

/* The block that an address leads to; known false: to none. */
struct pw_pointee {
    bool known;
    uint8_t state; /* enum pw_state */
    uint64_t address, size;
};

/* Bytes shown of a damaged place, and the place. */
#define PW_DAMAGE_WINDOW 64u
struct pw_damage {
    uint64_t start;        /* address of the first damaged byte */
    uint64_t length;       /* bytes from the first to the last damaged one */
    uint64_t damaged;      /* damaged bytes among them */
    uint64_t window;       /* address of found[0], 16-byte aligned; window_bytes 0: no picture */
    uint32_t window_bytes; /* at most PW_DAMAGE_WINDOW */
    uint8_t found[PW_DAMAGE_WINDOW];
    uint8_t expected[PW_DAMAGE_WINDOW];
    uint8_t is_known[PW_DAMAGE_WINDOW]; /* 1 where `expected` says what the byte should be */
    struct pw_pointee pointee; /* of the aligned word that the damage begins with */
};

/* What was being done when the fault was found, for "damage found by …". */
enum pw_operation {
    PW_OP_NONE,
    PW_OP_MALLOC,
    PW_OP_CALLOC,
    PW_OP_REALLOC,
    PW_OP_ALIGNED,
    PW_OP_FREE,
    PW_OP_NEW,
    PW_OP_NEW_ARRAY,
    PW_OP_DELETE,
    PW_OP_DELETE_ARRAY,
    PW_OP_USABLE_SIZE,
    PW_OP_VALIDATE,
    PW_OP_PATROL,
    PW_OP_EXIT,
    PW_OP_ABORT,
    PW_OP_CRASH,      /* a SIGSEGV or SIGBUS that is not about the heap and ends the program */
    PW_OP_QUARANTINE, /* a block on its way out of it */
    PW_OP_ACCESS,     /* the access itself: a fault in a guard or in unmapped heap memory */
    PW_OP_EXTERNAL,   /* looked at from outside */
    PW_OP_LIBC,       /* a call of libc's, about to touch what it may not: pw_fault.function */
    PW_OP_COUNT
};
/* "malloc()", "operator delete", "heap patrol", "exit" and so on. */
const char *pw_operation_name(enum pw_operation operation);
/* Found by a signal's handler: frames[0] is the interrupted instruction. */
PW_INLINE bool pw_operation_is_signal(enum pw_operation operation)
{
    return operation == PW_OP_ACCESS || operation == PW_OP_ABORT || operation == PW_OP_CRASH;
}

/* What a thread did with a block, as its history has it (diag/history.h). */
#define PW_PAST_SHOWN 6u
struct pw_past {
    uint64_t time; /* orders those of all threads (diag/history.h); 0 in none */
    uint64_t address;
    uint64_t size;
    uint32_t stack; /* depot id */
    uint16_t thread;
    uint8_t operation; /* enum pw_operation */
    bool is_release;   /* the block was given back; else it was got, or got its size */
};

struct pw_fault {
    enum pw_kind kind;
    enum pw_operation operation;
    const char *function; /* of PW_OP_LIBC: its name, a string constant; else NULL */
    bool is_certain;  /* false: the report says "probably" */
    bool is_poison;   /* bad-free: the pointer given is the fill of freed memory */
    bool is_zone;     /* bad-free, poison-dereference: it is what lies before and behind blocks, not that fill */
    bool is_watched;  /* the store itself was seen, by a breakpoint on `address`: the stack is the writer's */
    bool is_passed_on; /* a signal that has its own effect after the report: the reporter doesn't halt */
    uint64_t address; /* that the fault is about: the pointer given, or the first damaged byte */
    enum pw_access access;
    uint64_t access_size;
    uint64_t pc; /* of the access or of the call into the allocator */
    enum pw_relation relation; /* of address to block */
    uint64_t offset;           /* bytes: past the end, before the start, or inside */
    struct pw_block_info block;
    struct pw_block_info before; /* the neighbours in address order */
    struct pw_block_info after;
    struct pw_damage damage;
    /* mismatches: what the block was and how it is given back; sizes in bytes */
    enum pw_family released_as;
    uint64_t given_size, given_alignment;
    /* header-corruption: which rule does not hold, in words; a string constant */
    const char *broken_rule;
    /* double-free and the like of an address that is no block: what it lies in, in words, the finder's until it returns; or NULL */
    const char *place;
    /* where it was found */
    uint32_t thread; /* ordinal */
    uint32_t frame_count;
    uint64_t frames[PW_MAX_FRAMES];
    /* newest first: what was done with the memory there, by anybody; and by the thread, with any */
    uint32_t past_here_count, past_thread_count;
    struct pw_past past_here[PW_PAST_SHOWN];
    struct pw_past past_thread[PW_PAST_SHOWN];
};

#endif
