/*
 * threads - as many threads as one likes, on however many processors there are.
 *
 *   threads own N      each replaces random blocks of its own
 *   threads hand N     half of them allocate, half of them free, by pairs
 *   threads short N    one after the other starts, allocates, frees and ends, N at a time
 *
 * The work is the same for every N, shared among the threads.
 */
#include "load.h"

enum {
    OWN_STEPS = 6000000,
    SLOTS = 1000,
    HANDED = 40000, /* batches */
    BATCH = 100,
    QUEUE = 16,
    SHORT_LIVES = 6000,
    SHORT_BLOCKS = 300,
    MOST_THREADS = 256,
};

static unsigned threads;

struct worker {
    pthread_t thread;
    uint64_t random, bytes;
    unsigned lives;
    /* Of a pair: batches that wait. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void **waiting[QUEUE];
    unsigned first, count;
};

static struct worker workers[MOST_THREADS];

static void *own(void *argument)
{
    struct worker *self = argument;
    void *slots[SLOTS] = {NULL};
    for (unsigned i = 0; i < OWN_STEPS / threads; i++) {
        void **slot = &slots[random_below(&self->random, SLOTS)];
        if (*slot != NULL)
            self->bytes += block_end(*slot);
        *slot = block_new(random_log_size(&self->random, 16, 1024), i);
    }
    for (unsigned i = 0; i < SLOTS; i++)
        if (slots[i] != NULL)
            self->bytes += block_end(slots[i]);
    return NULL;
}

static void put(struct worker *pair, void **batch)
{
    pthread_mutex_lock(&pair->lock);
    while (pair->count == QUEUE)
        pthread_cond_wait(&pair->changed, &pair->lock);
    pair->waiting[(pair->first + pair->count++) % QUEUE] = batch;
    pthread_cond_signal(&pair->changed);
    pthread_mutex_unlock(&pair->lock);
}

static void **take(struct worker *pair)
{
    pthread_mutex_lock(&pair->lock);
    while (pair->count == 0)
        pthread_cond_wait(&pair->changed, &pair->lock);
    void **batch = pair->waiting[pair->first++ % QUEUE];
    pair->count--;
    pthread_cond_signal(&pair->changed);
    pthread_mutex_unlock(&pair->lock);
    return batch;
}

static unsigned batches(void)
{
    return HANDED / (threads / 2);
}

static void *produce(void *argument)
{
    struct worker *pair = argument;
    for (unsigned i = 0; i < batches(); i++) {
        void **batch = load_malloc(BATCH * sizeof *batch);
        for (unsigned b = 0; b < BATCH; b++)
            batch[b] = block_new(random_log_size(&pair->random, 16, 512), b);
        put(pair, batch);
    }
    return NULL;
}

static void *consume(void *argument)
{
    struct worker *pair = (struct worker *)argument - 1;
    for (unsigned i = 0; i < batches(); i++) {
        void **batch = take(pair);
        for (unsigned b = 0; b < BATCH; b++)
            pair->bytes += block_end(batch[b]);
        free(batch);
    }
    return NULL;
}

static void *live_shortly(void *argument)
{
    struct worker *self = argument;
    void *blocks[SHORT_BLOCKS];
    for (unsigned i = 0; i < SHORT_BLOCKS; i++)
        blocks[i] = block_new(random_log_size(&self->random, 16, 1024), i);
    for (unsigned i = 0; i < SHORT_BLOCKS; i++)
        self->bytes += block_end(blocks[i]);
    return NULL;
}

static void *be_followed(void *argument)
{
    struct worker *self = argument;
    for (; self->lives > 0; self->lives--) {
        pthread_t one;
        thread_start(&one, live_shortly, self);
        pthread_join(one, NULL);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 2 ? argv[1] : "";
    threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    if (threads < 2 || threads > MOST_THREADS || threads % 2 != 0)
        load_fail("threads own|hand|short N");
    uint64_t bytes = 0;
    for (unsigned i = 0; i < threads; i++) {
        struct worker *worker = &workers[i];
        worker->random = 0x1234567u + i;
        worker->lives = SHORT_LIVES / threads;
        pthread_mutex_init(&worker->lock, NULL);
        pthread_cond_init(&worker->changed, NULL);
    }
    for (unsigned i = 0; i < threads; i++)
        thread_start(&workers[i].thread,
                     mode[0] == 'o' ? own : mode[0] == 's' ? be_followed : i % 2 == 0 ? produce : consume, &workers[i]);
    for (unsigned i = 0; i < threads; i++)
        pthread_join(workers[i].thread, NULL);
    for (unsigned i = 0; i < threads; i++)
        bytes += workers[i].bytes;
    return load_done("threads", bytes);
}
