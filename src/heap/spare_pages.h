/*
 * spare_pages.h - the pages that freed MAPPED blocks leave behind at full, for the next ones.
 *
 * There the addresses of a freed block stay closed for long, but its pages need not: to give them to the system and have it
 * clear others for the next block costs more than all else (450 ns a page; they move in some nanoseconds). Each heap keeps
 * a few lots of them.
 */
#ifndef PW_HEAP_SPARE_PAGES_H
#define PW_HEAP_SPARE_PAGES_H

#include "heap/heap.h"

/* May ranges get mappings of their own for it? Else guards are put on a block's pages, which are lost. Once, at start-up. */
void pw_spare_pages_allow(bool allow);

/* A block was made of a run that was FREE: its pages are its own. */
void pw_spare_pages_begin(struct pw_block block);
/* Its pages were moved to another. */
void pw_spare_pages_emptied(struct pw_block block);
/* Has it pages that another left? */
bool pw_spare_pages_has_any(struct pw_block block);

/*
 * Close a block that is PENDING, walkers gone, and keep its pages where that is worth it; else give them to the system. False: it
 * couldn't be closed, and holds what it held, or zeroes. Takes the heap's lock, not during system calls.
 */
bool pw_spare_pages_leave(struct pw_block block);
/* Have the block's pages be accessible again, and fresh. False: they can't. */
bool pw_spare_pages_return(struct pw_block block);
/* Take guards, and what is closed, off the ZEROED pages of a run that is no block's yet. False: it can't be. */
bool pw_spare_pages_open(void *address, uint64_t bytes);
/*
 * Let a CACHED or PENDING block, ZEROED, have pages that another left, if there are enough for half of it: those for its
 * front. True: it has, and is not ZEROED. Takes the heap's lock, not during system calls.
 */
bool pw_spare_pages_use(struct pw_block block);
/* Give all of a heap to the system; bytes. The lock is held. */
uint64_t pw_spare_pages_drop(struct pw_heap *heap);

#endif
