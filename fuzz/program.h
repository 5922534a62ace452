/*
 * program.h - an input as a program: calls of the malloc family and of pwheap.h over several heaps and threads,
 * each followed by the shadow model's check. Used by ops.c, and by corrupt.c around what it plants.
 *
 * Input: operations of one byte (modulo OP_COUNT) with their arguments behind it; a size is a byte that
 * chooses an edge and a signed one that is added to it, or two bytes (take_size).
 */
#ifndef PW_FUZZ_PROGRAM_H
#define PW_FUZZ_PROGRAM_H

#include "model.h"

/* make_seeds reads this list: one operation a line. */
enum program_op {
    OP_MALLOC,         /* slot, size */
    OP_CALLOC,         /* slot, size, count */
    OP_REALLOC,        /* slot, size */
    OP_REALLOCARRAY,   /* slot, size, count */
    OP_ALIGNED,        /* slot, size, alignment and which call */
    OP_NEW,            /* slot, size, which form */
    OP_FREE,           /* slot, which form */
    OP_CHECK,          /* - */
    OP_DESCRIBE,       /* slot, offset */
    OP_WALK,           /* - */
    OP_VALIDATE,       /* - */
    OP_FAIL_MAPPING,   /* which call fails, and every how many after it */
    OP_SWITCH_THREAD,  /* thread */
    OP_END_THREAD,     /* thread */
    OP_HEAP_CREATE,    /* heap */
    OP_HEAP_MALLOC,    /* slot, heap, size */
    OP_HEAP_DESTROY,   /* heap */
    OP_IMPOSSIBLE,     /* which request */
    OP_FILL_RUN,       /* slot, size, count */
    OP_FREE_RUN,       /* slot, count */
    OP_WHOLE,          /* which of whole.c's */
    OP_COUNT
};

/* What a program has left: dear operations are counted, so that an input is done in bounded time. */
struct program {
    struct fuzz_input input;
    size_t big_bytes; /* asked for in big blocks */
    unsigned operations, most_operations, walks, validations, wholes, switches, endings;
    unsigned thread;   /* that runs now */
    bool looks;        /* walks and validates where it says so */
    bool has_heaps;    /* makes instances where it says so */
    bool has_threads;  /* switches threads and ends them where it says so */
    bool has_failures; /* mappings fail where it says so */
    bool has_big;      /* has big blocks, and such with pages of their own, to a limit; else none */
    bool is_patient;   /* looks, and may do the dearest of whole.c's */
    bool maps_fail;    /* a call may answer NULL */
    bool is_damaged;   /* corrupt.c has planted something that is still there */
    void (*plant)(struct program *program); /* corrupt.c: called before each operation; or NULL */
};

/* Run all of it and give everything back; the heap is as before then. */
void program_run(struct program *program);
/* A size as inputs give it. */
size_t program_take_size(struct program *program);
/* Give the block of a slot back by the call that fits; `form` chooses among those that do. */
void program_free(unsigned slot, unsigned form);

#endif
