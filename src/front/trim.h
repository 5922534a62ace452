/*
 * trim.h - giving back what is free: to the heaps, to the system.
 *
 * The calling thread has entered its cache and holds no lock.
 */
#ifndef PW_FRONT_TRIM_H
#define PW_FRONT_TRIM_H

#include "front/state.h"

/*
 * Empty the thread's cache and the transfer caches, and give the memory of what is free back to the system;
 * bytes. Address space stays. Freed blocks in the quarantine wait on.
 */
uint64_t pw_trim(struct pw_cache *cache);

/* The same with the quarantine, which is emptied first. */
uint64_t pw_trim_all(struct pw_cache *cache, const struct pw_call *call);

/*
 * An allocation got no memory: let all that waits or is cached be used again, and give regions without a block in use
 * back, address space and all. True: it may be worth another try.
 */
bool pw_make_room(struct pw_cache *cache, const struct pw_call *call);

#endif
