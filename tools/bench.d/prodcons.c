/*
 * prodcons - every block is allocated by one thread and freed by another: a producer fills batches
 * of blocks, a bounded queue hands them over, a consumer checks and frees them.
 */
#include "load.h"

enum { BATCHES = 45000, BATCH = 128, QUEUE = 64, SIZE_LOW = 8, SIZE_HIGH = 500 };

struct batch {
    void *blocks[BATCH];
};

/* `lock` guards all; `filled` batches wait from `first` on. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct batch *batches[QUEUE];
    unsigned first, filled;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void queue_put(struct batch *batch)
{
    pthread_mutex_lock(&queue.lock);
    while (queue.filled == QUEUE)
        pthread_cond_wait(&queue.changed, &queue.lock);
    queue.batches[(queue.first + queue.filled) % QUEUE] = batch;
    if (queue.filled++ == 0)
        pthread_cond_signal(&queue.changed);
    pthread_mutex_unlock(&queue.lock);
}

static struct batch *queue_take(void)
{
    pthread_mutex_lock(&queue.lock);
    while (queue.filled == 0)
        pthread_cond_wait(&queue.changed, &queue.lock);
    struct batch *batch = queue.batches[queue.first];
    queue.first = (queue.first + 1) % QUEUE;
    if (queue.filled-- == QUEUE)
        pthread_cond_signal(&queue.changed);
    pthread_mutex_unlock(&queue.lock);
    return batch;
}

static void *produce(void *unused)
{
    (void)unused;
    uint64_t random = 77;
    for (unsigned i = 0; i < BATCHES; i++) {
        struct batch *batch = load_malloc(sizeof(*batch));
        for (unsigned b = 0; b < BATCH; b++)
            batch->blocks[b] = block_new(SIZE_LOW + random_below(&random, SIZE_HIGH - SIZE_LOW + 1), b);
        queue_put(batch);
    }
    return NULL;
}

int main(void)
{
    pthread_t producer;
    thread_start(&producer, produce, NULL);
    uint64_t bytes = 0;
    for (unsigned i = 0; i < BATCHES; i++) {
        struct batch *batch = queue_take();
        for (unsigned b = 0; b < BATCH; b++)
            bytes += block_end(batch->blocks[b]);
        free(batch);
    }
    pthread_join(producer, NULL);
    return load_done("prodcons", bytes);
}
