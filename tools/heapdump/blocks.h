/*
 * blocks.h - every block of a target, in address order, with a progress bar; what a block is, in words.
 */
#ifndef PW_HEAPDUMP_BLOCKS_H
#define PW_HEAPDUMP_BLOCKS_H

#include "json_write.h"
#include "target.h"

/* As pw_image_walk. `what` is the words of the bar. */
uint64_t blocks_walk(struct target *target, const char *what,
                     bool (*visit)(void *context, const struct pw_block_info *block), void *context);

/* How far into the heap `address` is, from 0 to 1: for progress bars of other walks. */
double blocks_fraction(struct target *target, uint64_t address);

/* The members of the block's object, as reports have them (REPORTS.md), but for its stacks. */
void block_json(struct target *target, struct json *json, const struct pw_block_info *block);
/* Its state; "damaged" where its header is. */
const char *block_state_text(const struct pw_block_info *block);
/* "malloc", "aligned", "new" … */
const char *block_family_text(const struct pw_block_info *block);
/* The n-th of its flags that are set ("mapped" …), or NULL. */
const char *block_flag(const struct pw_block_info *block, unsigned n);
/* Can these members be believed: has the block such a thing at this level, in this state? */
bool block_has_thread(const struct pw_block_info *block);
bool block_was_freed(const struct pw_block_info *block);

#endif
