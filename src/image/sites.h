/*
 * sites.h - blocks added up by the stack that allocated them. Where no stack is known, by their size.
 *
 * A hash table over memory of the caller's, all zero at first; then sorted in place, and no more to be
 * added to. What has no room is counted in `rest_blocks` and `rest_bytes`.
 */
#ifndef PW_IMAGE_SITES_H
#define PW_IMAGE_SITES_H

#include "base/base.h"

struct pw_site {
    uint32_t stack; /* a depot id; 0: not known */
    uint32_t kind;  /* the caller's: apart from those of another kind */
    uint64_t size;  /* bytes of each, where the stack is not known; else 0 */
    uint64_t bytes;
    uint64_t blocks; /* 0: an empty place */
    uint64_t first;  /* address of the first block added */
};

struct pw_sites {
    struct pw_site *all;
    uint32_t capacity; /* a power of two */
    uint32_t count;
    uint64_t touched; /* a bit each of the table's 64 parts (of one place, where it has fewer places) that has any site */
    uint64_t rest_blocks;
    uint64_t rest_bytes;
};

void pw_sites_add(struct pw_sites *sites, uint32_t kind, uint32_t stack, uint64_t address, uint64_t size);
/* all[0 … count) become those there are: by kind, then the most bytes first. */
void pw_sites_sort(struct pw_sites *sites);

#endif
