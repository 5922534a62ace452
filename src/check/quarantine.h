/*
 * quarantine.h - the queue that freed blocks wait in, so that a write through a stale pointer finds
 * poison and not somebody's data. After Scudo's and AddressSanitizer's: threads fill batches of
 * their own, and hand full ones to queues that are bounded in bytes together; what is over the bound
 * leaves them oldest first, as a rule: see pw_quarantine_take.
 *
 * The quarantine lock guards the queues; nothing else is taken with it held.
 */
#ifndef PW_CHECK_QUARANTINE_H
#define PW_CHECK_QUARANTINE_H

#include "base/base.h"

enum { PW_BATCH_BYTES = 8192, PW_BATCH_BLOCKS = (PW_BATCH_BYTES - 32) / 8 };
/* Any number names a queue, those that are equal modulo this one the same. */
enum { PW_QUARANTINE_QUEUES = 4 };

struct pw_quarantine_batch {
    struct pw_quarantine_batch *next;
    uint64_t bytes; /* of the blocks in it, zones included */
    uint64_t number; /* of the batches that were queued before it, in any queue */
    uint32_t count;
    uint32_t queue; /* that it was put into */
    void *blocks[PW_BATCH_BLOCKS];
};

/* `map` gives zeroed memory (pw_os_map); batches are used again, never unmapped. */
void pw_quarantine_init(void *(*map)(size_t bytes));
/* An empty batch; NULL: no memory. */
struct pw_quarantine_batch *pw_quarantine_new_batch(void);
/* Queue a batch in the caller's queue. */
void pw_quarantine_put(struct pw_quarantine_batch *batch, uint32_t queue);
/*
 * Take the oldest batch out if more than `limit_bytes` are in the queues, else NULL: the oldest of the caller's
 * queue if no other one has an older one by more than a quarter of all. Threads of different heaps would hand
 * each other their blocks else, and the headers of eight lie in a cache line.
 */
struct pw_quarantine_batch *pw_quarantine_take(uint64_t limit_bytes, uint32_t queue);
/* The blocks of the batch are seen to. */
void pw_quarantine_free_batch(struct pw_quarantine_batch *batch);
/* Bytes in the queues, without the threads' own batches. */
uint64_t pw_quarantine_bytes(void);

void pw_quarantine_before_fork(void);
void pw_quarantine_after_fork(void);

#endif
