/*
 * reach.h - which blocks can still be reached: a conservative search for pointers, over an image.
 *
 *   pw_reach_start ── every block into a table, in address order (pw_image_walk)
 *   pw_reach_range, pw_reach_value ── roots: what they point at is reached
 *   pw_reach_finish ── what reached blocks point at is reached; the rest is lost: direct or indirect
 *
 * Any aligned word that is an address inside a block's requested bytes counts as a pointer to it.
 * A lost block is indirect if another lost one leads to it; of a ring of lost blocks that nothing
 * leads to, the one with the lowest address is direct.
 *
 * Nothing here allocates but through `map`, recurses, or depends on how blocks lie in memory: a
 * word is looked up in an index of 4 KiB pages over the table, in at most 9 steps. Blocks whose
 * turn it is to be searched are linked through the table, so that the list can't overflow.
 * Memory: 32 bytes a block, and 32 KiB for every 32 MiB that hold blocks.
 */
#ifndef PW_IMAGE_REACH_H
#define PW_IMAGE_REACH_H

#include "image/image.h"

enum pw_reach_mark {
    PW_REACH_LOST, /* so far not reached */
    PW_REACH_REACHED,
    PW_REACH_DIRECT,   /* lost, and no other lost block leads to it */
    PW_REACH_INDIRECT, /* lost with another one */
};

#define PW_REACH_ADDRESS_BITS 48u
struct pw_reach_block {
    uint64_t address : PW_REACH_ADDRESS_BITS;
    uint64_t mark : 4;      /* enum pw_reach_mark */
    uint64_t is_owned : 1;  /* the program has it: it can be lost */
    uint64_t is_pointed : 1; /* by a lost block other than itself */
    uint64_t is_dead : 1;    /* pw_reach.dead: never searched, never lost */
    uint64_t size; /* bytes, as requested */
    uint32_t stack; /* of its allocation: a depot id, 0 */
    uint32_t next;  /* the block that is searched after this one, + 1 */
    /*
     * Where the first pointer to it was found: an address, or what pw_reach_value was told. 0: nowhere;
     * it is direct, or of those that are searched from the start.
     */
    uint64_t place;
};

#define PW_REACH_CHUNK_SHIFT 15u
#define PW_REACH_CHUNK_BLOCKS ((uint32_t)1 << PW_REACH_CHUNK_SHIFT)
#define PW_REACH_MAX_CHUNKS 65536u
#define PW_REACH_NO_BLOCK UINT32_MAX

struct pw_reach {
    const struct pw_image *image;
    void *(*map)(size_t bytes); /* zeroed pages, or NULL; what it gave is the caller's to give back */
    bool starts_only;           /* a pointer counts only if it is to a block's first byte */
    uint64_t dead; /* address of a block that nobody has, pointers to which are looked for as well; 0: none */
    /* Told of every pointer found, if not NULL: once for each place, by pw_reach_finish of lost blocks' too. */
    void (*found)(void *context, uint64_t place, uint32_t block);
    void *context;
    /*
     * Where memory goes on at or after `at`, `end` if not before that; with image->context. NULL: each page is tried.
     * For images whose ranges can't be trusted: a lying one has more pages than can be tried.
     */
    uint64_t (*next_memory)(void *context, uint64_t at, uint64_t end);
    /* From here on: pw_reach_start's. */
    uint32_t count;
    bool is_full; /* there was no memory for all: the result means nothing */
    uint64_t low, high; /* addresses of blocks are within */
    struct pw_reach_block **chunks; /* PW_REACH_MAX_CHUNKS of them */
    /*
     * For every slot of 32 MiB a table: of each page, the first block that reaches into it, + 1. Of a
     * slot that one block fills no table, but that block's index + 1, twice, + 1.
     */
    uintptr_t *slots;
    uint32_t first, last; /* blocks to be searched, + 1; 0: none */
    char *scratch; /* PW_VIEW_MAX bytes */
};

/* Put every block into the table; the first members are set. False: no memory. */
bool pw_reach_start(struct pw_reach *reach);
/* The two halves of it, for who has the blocks from elsewhere: an empty table; a block, in address order. */
bool pw_reach_begin(struct pw_reach *reach);
bool pw_reach_add(struct pw_reach *reach, const struct pw_block_info *info);

/* The block with this index, below `count`. */
PW_INLINE struct pw_reach_block *pw_reach_block(const struct pw_reach *reach, uint32_t index)
{
    return &reach->chunks[index >> PW_REACH_CHUNK_SHIFT][index & (PW_REACH_CHUNK_BLOCKS - 1)];
}

/* The index of the block that `word` is a pointer to, or PW_REACH_NO_BLOCK. */
uint32_t pw_reach_find(const struct pw_reach *reach, uint64_t word);

/* Search [start, end) of the image for pointers; what can't be read is passed over. */
void pw_reach_range(struct pw_reach *reach, uint64_t start, uint64_t end);
/* A word that is nowhere in memory: a register. `place` is the caller's name for it. */
void pw_reach_value(struct pw_reach *reach, uint64_t word, uint64_t place);

/*
 * A thread's table of dynamic TLS: glibc's control block has the address of its second entry. Where
 * any pointer into a block counts, that is found anyhow.
 */
void pw_reach_thread(struct pw_reach *reach, uint64_t thread_pointer);

/* What the program told the library to ignore, and what it gave it to keep. */
void pw_reach_kept(struct pw_reach *reach);
/* Is the block that was meant by an entry of root.ignored still there? */
bool pw_is_ignored_still(const struct pw_image *image, const struct pw_ignored *entry);

/* Search the blocks that were reached until no new ones are. */
void pw_reach_spread(struct pw_reach *reach);
/* The same, and then tell the lost ones apart: no block but a dead one is PW_REACH_LOST afterwards. */
void pw_reach_finish(struct pw_reach *reach);

#endif
