/*
 * memory.h - the bytes of a target, read in big pieces and handed out in small ones.
 *
 * Under it is one function that reads as much as it can; above it a cache of a fixed size, so that
 * neither a heap of any size nor a lying table makes heapdump grow. Ranges may be frozen: copied
 * whole, for the time after a live target runs on.
 *
 * A page that can't be read is remembered as a hole. Nothing read is trusted here, for nothing is
 * looked at.
 */
#ifndef PW_HEAPDUMP_MEMORY_H
#define PW_HEAPDUMP_MEMORY_H

#include "base/base.h"

enum { MEMORY_PAGE_BYTES = 4096 };

/*
 * Copy `bytes` at `address`, both multiples of MEMORY_PAGE_BYTES, to `to`; returns how many came
 * before the first page that can't be read.
 */
typedef size_t memory_source(void *context, uint64_t address, void *to, size_t bytes);

struct memory;

struct memory *memory_open(memory_source *source, void *context);
void memory_close(struct memory *memory);

/* Any range: true when all of it could be read. */
bool memory_read(struct memory *memory, uint64_t address, void *to, size_t bytes);
/* As much as there is before the first hole: the number of bytes. Past the cache, for big pieces. */
size_t memory_read_some(struct memory *memory, uint64_t address, void *to, size_t bytes);

/* Read all anew from now on, but for what is frozen. */
void memory_forget(struct memory *memory);

/*
 * Keep a copy of [start, end) from now on; page by page `is_present` says which are not all zero
 * (NULL: all are). False: `budget` bytes would not do, or there is no memory; *budget is what is left.
 */
bool memory_freeze(struct memory *memory, uint64_t start, uint64_t end, const uint8_t *is_present,
                   uint64_t *budget);
/* After the last memory_freeze. What is not frozen is read anew, not taken from the cache. */
void memory_freeze_done(struct memory *memory);

#endif
