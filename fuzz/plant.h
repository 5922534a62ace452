/*
 * plant.h - one misuse of the heap, put into a program at some point, and what is to be told about it.
 */
#ifndef PW_FUZZ_PLANT_H
#define PW_FUZZ_PLANT_H

#include "program.h"

/* make_seeds reads this list: one kind a line. */
enum plant_kind {
    PLANT_NOTHING,
    PLANT_OVERFLOW,
    PLANT_UNDERFLOW,
    PLANT_AFTER_FREE,
    PLANT_DOUBLE_FREE,
    PLANT_BAD_FREE,
    PLANT_INTERIOR,
    PLANT_FAMILY,
    PLANT_SIZE,
    PLANT_HEADER,
    PLANT_CALLOC,
    PLANT_TOO_BIG,
    PLANT_ALIGNMENT,
    PLANT_POISON,
    PLANT_OVERLAP,
    PLANT_LIBC,
    PLANT_LEAK,
    PLANT_COUNT
};

/* What is to be told, and what to do when it was. */
struct plant {
    enum plant_kind what;
    unsigned slot;   /* of the victim */
    uint8_t place;   /* where in or beside it, and how */
    bool is_delayed; /* the program goes on, and whoever comes across it tells; else it is looked for at once */
    bool may_be_dear; /* it may cost as much as a look at the whole heap */
    bool is_done;
    /* expected: */
    const char *kind; /* NULL: nothing */
    const char *or_kind; /* another that is right as well; NULL: none */
    const void *address;
    const void *block; /* NULL: none */
    bool knows_offset;
    enum pwheap_relation relation;
    size_t offset;
    /* damaged bytes, to be mended */
    unsigned char *damaged, before;
    uint64_t *word, word_before;
};

/* The first error since seen_clear() as the callback got it, and how many there were. */
struct seen {
    unsigned count;
    char kind[64];
    struct pwheap_description where;
    const void *address;
    char text[4096];
};
extern struct seen seen;

/* Do the misuse with the victim of `plant`. It may be told during the call. */
void plant_misuse(struct plant *plant);
/* Set damaged bytes back. */
void plant_mend(struct plant *plant);

/* Touch what may be a guard page. False: it is one, and `touch` was left where it was. */
bool plant_survives(void (*touch)(void *context), void *context);

/* plant_libc.c: copies of overlapping ranges; what libc's functions are about to touch. */
void plant_overlap(struct plant *plant, struct model_slot *slot);
void plant_libc(struct plant *plant, struct model_slot *slot);
/* plant_leak.c: some blocks that nobody knows. */
void plant_leak(struct plant *plant);
/* plant_header.c: the 64-bit word of a block's header. */
uint64_t *plant_header_word(const void *block);

#endif
