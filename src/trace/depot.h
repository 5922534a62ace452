/*
 * depot.h - every distinct stack once, for good, as a 32-bit id (image/layout.h: struct pw_stack).
 *
 * Lock-free; never allocates from the heap; errno untouched; async-signal-safe; nothing to do after
 * fork(). After Scudo's and LLVM's StackDepot.
 */
#ifndef PW_TRACE_DEPOT_H
#define PW_TRACE_DEPOT_H

#include "image/layout.h"

/* Map the hash table. False: no memory; ids are then all 0. */
bool pw_depot_init(void);
/* The depot's frozen half, for the root. NULL before pw_depot_init. */
struct pw_depot_image *pw_depot_image(void);
/*
 * The id of a trace, new or known; 0: `count` is 0, there is no memory, or the depot is full (a
 * trace that is known keeps its id even then). More than PW_MAX_FRAMES frames are cut.
 */
uint32_t pw_depot_put(const uint64_t *frames, size_t count);
/* The trace of an id, at most `max` frames; the count, 0 for 0 and for any id that is none. */
size_t pw_depot_get(uint32_t id, uint64_t *frames, size_t max);
/*
 * The word that the guard pool keeps of a stack as a place that allocates (struct pw_stack.site); NULL for
 * id 0. Only for ids that pw_depot_put gave.
 */
_Atomic uint32_t *pw_depot_site(uint32_t id);
/* Bytes of address space taken so far. */
size_t pw_depot_bytes(void);

#endif
