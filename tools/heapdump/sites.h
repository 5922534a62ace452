/*
 * sites.h - what blocks took, summed up by the stack that allocated them (a depot id; 0: not known).
 */
#ifndef PW_HEAPDUMP_SITES_H
#define PW_HEAPDUMP_SITES_H

#include "numbers.h"
#include "places.h"

struct site {
    uint32_t stack;
    uint64_t blocks;
    uint64_t bytes; /* as requested */
};

struct sites {
    struct site *table;     /* as they came, or sorted */
    size_t capacity;
    size_t count;
    struct numbers numbers; /* of stacks: indices of the table */
    uint32_t last_stack;    /* that was added */
    uint32_t last;          /* its index */
    uint64_t blocks; /* of all */
    uint64_t bytes;
};

/* Sizes by powers of two; class 0: up to 16 bytes, 1: up to 32, … */
enum { SIZE_CLASSES = 48 };
unsigned size_class_of(uint64_t size);

void sites_add(struct sites *sites, uint32_t stack, uint64_t blocks, uint64_t bytes);
void sites_free(struct sites *sites);

/* The largest first: table[0] to table[count - 1]. Nothing can be added afterwards. */
void sites_sort(struct sites *sites, bool by_blocks);

#endif
