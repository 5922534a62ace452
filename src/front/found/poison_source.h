/*
 * poison_source.h - a fault at an address made of the fill of freed memory, or of the pattern beside blocks: which
 * block it was read from, or from beside which.
 */
#ifndef PW_FRONT_POISON_SOURCE_H
#define PW_FRONT_POISON_SOURCE_H

#include "image/fault.h"

/* Is it the fill of freed memory, as a pointer, or near to that? */
bool pw_poison_is(uint64_t value);
/* `address`, or a register, that holds the fill of freed memory or an address near to it; 0: none does. */
uint64_t pw_poison_find(const void *signal_context, uint64_t address);
/* Is it the pattern of zones, as a pointer that was read at an aligned place, or near to that? */
bool pw_poison_is_zone(uint64_t value);
/*
 * The same of that. In registers it is looked for where the access was to what is no address at all: our own functions
 * leave the pattern in registers, too.
 */
uint64_t pw_poison_find_zone(const void *signal_context, uint64_t address, bool is_no_address);
/*
 * What registers or the top of the stack still point into is named in fault->block, relation and offset, if it is one
 * freed block and no second one; where fault->is_zone is set, one live block that they point before or behind. Takes no lock.
 */
void pw_poison_blame(const void *signal_context, struct pw_fault *fault);

/* Is fault->address what a call or a jump read from memory, to go there? */
bool pw_poison_is_jump(const void *signal_context, const struct pw_fault *fault);

#endif
