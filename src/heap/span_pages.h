/*
 * span_pages.h - hiding pages of a span that hold nothing but FREE blocks: a few blocks that wait in the quarantine, spread
 * over all spans of a size, hold each of these spans, but few of their pages. A hidden page has no memory, and who has a
 * pointer from before into it faults at once. Inside heap only; everything needs the heap's lock.
 *
 * The blocks stay FREE, and keep header and evidence; a flag of theirs says that not all of them is there (PW_HEAP_HIDDEN).
 * What lies in other pages stays, and is looked at as ever. Before one is used the pages that it lies in are
 * shown, filled as they were.
 *
 * Invariants: as image/layout.h has them of a page that is hidden. Who frees a block looks at its zones without the lock, and of
 * these one is the end of the block before it: as much as that was LIVE with, however FREE it may be by now.
 */
#ifndef PW_HEAP_SPAN_PAGES_H
#define PW_HEAP_SPAN_PAGES_H

#include "heap/span.h"

/*
 * Hide the pages of a span in which all blocks are FREE and as they were left, tails too: what was written to stays, for
 * whoever looks at it or uses it next to tell. *bytes grows by those that were hidden. False: the system can't.
 */
bool pw_span_hide_pages(struct pw_span_place place, uint64_t *bytes);
/*
 * Block `index`, which is FREE and sound, is about to be used, and what follows it may be, for `bytes` from its start on: show what is
 * hidden of that, and of the block before it. False: the block's pages can't be had.
 */
bool pw_span_show_pages(struct pw_heap *heap, struct pw_span_place place, uint32_t index, uint64_t bytes);
/* Is what there is of a FREE block, whose header is sound, as it was left? */
bool pw_span_block_is_untouched(struct pw_span_place place, uint64_t shape, uint32_t index, uint32_t flags);

#endif
