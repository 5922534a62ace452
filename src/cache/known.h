/*
 * known.h - blocks above the size of slabs that a thread's calls of libc met last (front/libc/room.c): what it takes to see
 * that one is still there and as long as it was, without a search for where it starts.
 */
#ifndef PW_CACHE_KNOWN_H
#define PW_CACHE_KNOWN_H

#include <stdatomic.h>
#include <stdint.h>

struct pw_known_block {
    uint64_t entry; /* of the page map, for the address that it was met by */
    uint64_t start;
    uint64_t bytes; /* requested; 0: nothing is known */
    uint64_t word;  /* of its header, which is where this points: */
    const _Atomic uint64_t *word_at;
    const uint64_t *bytes_at; /* where `bytes` is written too, if the word says nothing of it; else that field itself */
};

enum { PW_KNOWN_BLOCKS = 32 };

#endif
