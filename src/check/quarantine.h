/*
 * quarantine.h - the queue that freed blocks wait in, so that a write through a stale pointer finds
 * poison and not somebody's data. After Scudo's and AddressSanitizer's: threads fill batches of
 * their own, and hand full ones to one queue that is bounded in bytes; what is over the bound
 * leaves it oldest first.
 *
 * The quarantine lock guards the queue; nothing else is taken with it held.
 */
#ifndef PW_CHECK_QUARANTINE_H
#define PW_CHECK_QUARANTINE_H

#include "base/base.h"

enum { PW_BATCH_BYTES = 8192, PW_BATCH_BLOCKS = (PW_BATCH_BYTES - 24) / 8 };

struct pw_quarantine_batch {
    struct pw_quarantine_batch *next;
    uint64_t bytes; /* of the blocks in it, zones included */
    uint32_t count;
    void *blocks[PW_BATCH_BLOCKS];
};

/* `map` gives zeroed memory (pw_os_map); batches are used again, never unmapped. */
void pw_quarantine_init(void *(*map)(size_t bytes));
/* An empty batch; NULL: no memory. */
struct pw_quarantine_batch *pw_quarantine_new_batch(void);
/* Queue a batch. */
void pw_quarantine_put(struct pw_quarantine_batch *batch);
/* Take the oldest batch out if more than `limit_bytes` are in the queue, else NULL. */
struct pw_quarantine_batch *pw_quarantine_take(uint64_t limit_bytes);
/* The blocks of the batch are seen to. */
void pw_quarantine_free_batch(struct pw_quarantine_batch *batch);
/* Bytes in the queue, without the threads' own batches. */
uint64_t pw_quarantine_bytes(void);

void pw_quarantine_before_fork(void);
void pw_quarantine_after_fork(void);

#endif
