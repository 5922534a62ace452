/*
 * block_picture.h - bytes of a block as rows of hex and text, with marks: where its zone begins, and the
 * address that was asked for.
 */
#ifndef PW_HEAPDUMP_BLOCK_PICTURE_H
#define PW_HEAPDUMP_BLOCK_PICTURE_H

#include "target.h"

/* About `bytes` of the block around `address`, the zone behind it included. On stdout. */
void block_picture_write(struct target *target, const struct pw_block_info *block, uint64_t address,
                         uint64_t bytes);
/* One row: 16 bytes at `row`; those in [start, end) are shown, `mark` is in brackets. */
void block_picture_row(struct target *target, uint64_t row, uint64_t start, uint64_t end, uint64_t mark);

#endif
