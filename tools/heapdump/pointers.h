/*
 * pointers.h - who points at a block, and the chain that leads to it from a root.
 *
 * image/reach.h searches roots first, then blocks in the order in which they were reached; so the chain of
 * first places is a shortest one.
 */
#ifndef PW_HEAPDUMP_POINTERS_H
#define PW_HEAPDUMP_POINTERS_H

#include "places.h"
#include "reachable.h"

enum { POINTERS_SHOWN = 20 };

struct pointers {
    struct reachable reachable;  /* target, and reach.starts_only, are the caller's to set */
    struct places *places;       /* the caller's */
    struct pw_block_info block;  /* that is asked for; the caller's */
    uint64_t limit;              /* words that are kept; all are counted */
    /* From here on: pointers_search's. */
    uint32_t index;              /* of the block; PW_REACH_NO_BLOCK: it is in no table, and nobody was looked for */
    uint64_t *found;             /* places of pointers to it, the first `limit` */
    size_t found_capacity;
    size_t found_count;
    uint64_t total;
};

/* Search all of the target, which stays stopped until pointers_free. False: said why. */
bool pointers_search(struct pointers *pointers);
void pointers_free(struct pointers *pointers);

/* "pointed at by 2 words:" and a line each; that it is lost, if it is. */
void pointers_write(struct pointers *pointers);
/* The same with the chain: "reached by:", or what it is lost with. */
void pointers_write_with_chain(struct pointers *pointers);
/* The members "reach", "pointers", "from" and "chain" of an object. */
void pointers_json(struct pointers *pointers, struct json *json);

#endif
