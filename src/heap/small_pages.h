/*
 * small_pages.h - giving the memory of FREE small blocks back: a phase of blocks of 6 to 16 KiB leaves megabytes of pages
 * that no block of another size is ever cut from. Inside heap only; everything needs the heap's lock.
 */
#ifndef PW_HEAP_SMALL_PAGES_H
#define PW_HEAP_SMALL_PAGES_H

#include "heap/heap.h"

/*
 * Give whole pages inside a FREE small block that is in its bin and not ZEROED back, at most `most` bytes (a multiple of the
 * page), if there are as many as the largest small block takes and nobody wrote to them since they were freed: that stays,
 * for whoever looks or uses it next to tell. They become a ZEROED block of their own. Returns bytes.
 */
uint64_t pw_small_purge(struct pw_heap *heap, struct pw_block block, uint64_t most);
/* Blocks were given back: purge a part if too much is dirty, until half of that is. */
void pw_small_purge_if_due(struct pw_heap *heap);

#endif
