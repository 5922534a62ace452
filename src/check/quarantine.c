/* quarantine.c - see quarantine.h */
#include "check/quarantine.h"

#include "base/lock.h"

_Static_assert(sizeof(struct pw_quarantine_batch) == PW_BATCH_BYTES, "two pages");

enum { BATCHES_A_MAPPING = 8, LATE_SHARE_SHIFT = 2 };

PW_WRITTEN_IN_FORK static struct pw_lock lock;
static struct queue {
    struct pw_quarantine_batch *oldest, *newest;
} queues[PW_QUARANTINE_QUEUES];
static uint64_t queued, queued_before; /* batches that are in them, and that ever were */
static struct pw_quarantine_batch *spare;           /* empty ones, linked by next */
static struct pw_quarantine_batch *fresh;           /* never used: not touched before, for each is a page */
static uint32_t fresh_count;
static uint64_t queued_bytes;
static void *(*map_bytes)(size_t bytes);

void pw_quarantine_init(void *(*map)(size_t bytes))
{
    map_bytes = map;
}

static struct pw_quarantine_batch *take_fresh_locked(void)
{
    if (fresh_count == 0) {
        fresh = map_bytes((size_t)PW_BATCH_BYTES * BATCHES_A_MAPPING);
        fresh_count = fresh == NULL ? 0 : BATCHES_A_MAPPING;
    }
    return fresh_count == 0 ? NULL : &fresh[--fresh_count];
}

static struct pw_quarantine_batch *take_spare_locked(void)
{
    struct pw_quarantine_batch *batch = spare;
    if (batch != NULL)
        spare = batch->next;
    return batch;
}

struct pw_quarantine_batch *pw_quarantine_new_batch(void)
{
    pw_lock_acquire(&lock);
    struct pw_quarantine_batch *batch = take_spare_locked();
    if (batch == NULL)
        batch = take_fresh_locked();
    pw_lock_release(&lock);
    if (batch != NULL) {
        batch->next = NULL;
        batch->bytes = 0;
        batch->count = 0;
    }
    return batch;
}

void pw_quarantine_free_batch(struct pw_quarantine_batch *batch)
{
    pw_lock_acquire(&lock);
    batch->next = spare;
    spare = batch;
    pw_lock_release(&lock);
}

void pw_quarantine_put(struct pw_quarantine_batch *batch, uint32_t queue)
{
    struct queue *own = &queues[queue % PW_QUARANTINE_QUEUES];
    pw_lock_acquire(&lock);
    batch->next = NULL;
    batch->number = queued_before++;
    batch->queue = queue;
    if (own->newest != NULL)
        own->newest->next = batch;
    else
        own->oldest = batch;
    own->newest = batch;
    queued++;
    queued_bytes += batch->bytes;
    pw_lock_release(&lock);
}

/* Which queue is to give one? NULL: all are empty. */
static struct queue *choose_locked(struct queue *own)
{
    struct queue *first = NULL;
    for (size_t i = 0; i < PW_QUARANTINE_QUEUES; i++)
        if (queues[i].oldest != NULL && (first == NULL || queues[i].oldest->number < first->oldest->number))
            first = &queues[i];
    if (first == NULL || own->oldest == NULL)
        return first;
    return own->oldest->number - first->oldest->number > queued >> LATE_SHARE_SHIFT ? first : own;
}

struct pw_quarantine_batch *pw_quarantine_take(uint64_t limit_bytes, uint32_t queue)
{
    struct pw_quarantine_batch *batch = NULL;
    pw_lock_acquire(&lock);
    struct queue *from = queued_bytes > limit_bytes ? choose_locked(&queues[queue % PW_QUARANTINE_QUEUES]) : NULL;
    if (from != NULL) {
        batch = from->oldest;
        from->oldest = batch->next;
        if (from->oldest == NULL)
            from->newest = NULL;
        queued--;
        queued_bytes -= batch->bytes;
    }
    pw_lock_release(&lock);
    return batch;
}

uint64_t pw_quarantine_bytes(void)
{
    pw_lock_acquire(&lock);
    uint64_t bytes = queued_bytes;
    pw_lock_release(&lock);
    return bytes;
}

void pw_quarantine_before_fork(void)
{
    pw_lock_acquire(&lock);
}

void pw_quarantine_after_fork(void)
{
    pw_lock_release(&lock);
}
