/* full.h - the usual case of malloc and free at full. */
#ifndef PW_FRONT_FULL_H
#define PW_FRONT_FULL_H

#include "front/hot.h"

/* A small block, or NULL: take the long way. call->stack is set once it is known; errno is kept. */
void *pw_full_malloc(size_t size, bool zero, struct pw_call *call);
/*
 * Give back `pointer`, of `size` bytes or PW_ANY_SIZE; false: take the long way. call->stack is set once it is known; errno is
 * kept.
 */
bool pw_full_free(void *pointer, size_t size, struct pw_call *call);
/* Check, claim, poison a LIVE small block and put it into the quarantine; the cache is entered. */
void pw_full_release(struct pw_cache *cache, const struct pw_handle *handle, uint64_t entry, const struct pw_call *call);

#endif
