/*
 * places.h - which places in the tables of a slab region (headers, evidence) a span's blocks have. For span.c and slab.c alone.
 *
 * A span of 40 blocks needs 40 places, one of 1,000 needs 1,000: each gets as many when it is given its size, in lots of 64,
 * the first that are free. So the tables are as large as what there is of blocks, and what is used of them lies together.
 * Below full, where there is no evidence, each span has always the same: then malloc need not look at the span (front/quick.h).
 *
 * Invariants, under the heap's lock: the bit of a lot is set exactly where a span of a size has it, and nobody has two; places
 * that no span has are 0, and so are those that a span has for blocks that were never handed out. A span of no size has lot 0,
 * which is nobody's: who holds a pointer into it finds no header.
 */
#ifndef PW_HEAP_PLACES_H
#define PW_HEAP_PLACES_H

#include "heap/span.h"

/*
 * Places for `count` blocks; the caller reseals the span, here and in the next. False: there are not so many side by side, and
 * nothing was done. In a region whose spans have none yet, there are.
 */
bool pw_places_take(struct pw_span_place place, uint32_t count);
/* Give those of `count` blocks up again; they are 0. */
void pw_places_give(struct pw_span_place place, uint32_t count);
/* Give the memory of the end of the tables back, if at least so many lots there were used and are not any more. */
void pw_places_purge(struct pw_region *region, uint32_t least);
/* Give the memory of a span's own places back, if it has any; it has no size, and they are 0. */
void pw_places_purge_fixed(struct pw_span_place place);

#endif
