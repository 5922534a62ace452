/*
 * model.h - the shadow model: what the program that an input describes owns, by what it asked for alone.
 *
 * Knows nothing of the allocator's structures: slots of address, size, alignment, family, heap, and the
 * byte that the block was filled with. Static memory; one thread at a time (workers.h).
 */
#ifndef PW_FUZZ_MODEL_H
#define PW_FUZZ_MODEL_H

#include "harness.h"
#include "pwheap/pwheap.h"

enum { MODEL_SLOTS = 48, MODEL_HEAPS = 4 };

struct model_slot {
    unsigned char *block; /* NULL: empty */
    size_t size;          /* as requested */
    size_t align;         /* that was asked for; 1: none */
    enum pwheap_family family;
    uint8_t heap; /* index of its instance when the family is PWHEAP_FAMILY_INSTANCE */
    uint8_t fill; /* every byte of it */
};

struct model {
    struct model_slot slots[MODEL_SLOTS];
    struct pwheap_heap *heaps[MODEL_HEAPS]; /* NULL: not there */
    uint8_t next_fill;
    size_t foreign_blocks; /* live blocks that are nobody's here; SIZE_MAX: not counted yet */
};

extern struct model model;

/* Take over a new block: checks alignment, that it overlaps no other, its usable size; then fills it. */
void model_take(unsigned slot, void *block, size_t size, size_t align, enum pwheap_family family,
                unsigned heap);
/* Is every byte of the first `bytes` of a slot still what it was filled with? Fails if not. */
void model_check(unsigned slot, size_t bytes);
/* Are the `bytes` at `block` zero? Fails if not. */
void model_check_zero(const void *block, size_t bytes);
/* The block was given back. */
void model_drop(unsigned slot);
/* All blocks of an instance are gone with it. */
void model_drop_heap(unsigned heap);
/* Walk the heap and compare: each live slot once, with its size and family, and no other new live block. */
void model_walk(void);
/* Live slots. */
unsigned model_count(void);

#endif
