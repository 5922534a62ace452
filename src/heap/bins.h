/* bins.h - looking a block up in the bins; the rest of them is in heap.h. */
#ifndef PW_HEAP_BINS_H
#define PW_HEAP_BINS_H

#include "heap/heap.h"

/* A FREE block of at least `granules`, still in its bin: the smallest bin first; region NULL: none. */
struct pw_block pw_bins_find(struct pw_heap *heap, uint32_t granules);
/* The blocks of the last bin, one after the other, those of 16 KiB and more; region NULL: no more. */
struct pw_block pw_bins_largest(struct pw_heap *heap);
struct pw_block pw_bins_next(struct pw_block block);

#endif
