/*
 * larson - a server's life: threads replace random blocks of a set of slots, and after some rounds
 * each hands its slots to a new thread and ends. So most blocks are freed by another thread than
 * the one that allocated them, and thread caches come and go. (After Larson and Krishnan, 1998.)
 */
#include "load.h"

enum { CHAINS = 2, GENERATIONS = 40, SLOTS = 5000, ROUNDS = 120000, SIZE_LOW = 8, SIZE_HIGH = 1000 };

struct chain {
    void *slots[SLOTS];
    uint64_t random;
    uint64_t freed_bytes;
    int generation;
};

static struct chain chains[CHAINS];

static size_t chain_next_size(struct chain *chain)
{
    return SIZE_LOW + random_below(&chain->random, SIZE_HIGH - SIZE_LOW + 1);
}

/* One generation. The next one is started last: from there on the chain is its. */
static void *chain_run(void *argument)
{
    struct chain *chain = argument;
    for (int round = 0; round < ROUNDS; round++) {
        void **slot = &chain->slots[random_below(&chain->random, SLOTS)];
        chain->freed_bytes += block_end(*slot);
        *slot = block_new(chain_next_size(chain), (uint64_t)round);
    }
    if (++chain->generation < GENERATIONS) {
        pthread_t next;
        thread_start(&next, chain_run, chain);
        return (void *)next;
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[CHAINS];
    for (int i = 0; i < CHAINS; i++) {
        chains[i].random = 0x1234567u + (unsigned)i;
        for (int slot = 0; slot < SLOTS; slot++)
            chains[i].slots[slot] = block_new(chain_next_size(&chains[i]), (uint64_t)slot);
        thread_start(&threads[i], chain_run, &chains[i]);
    }

    uint64_t result = 0;
    for (int i = 0; i < CHAINS; i++) {
        void *next = (void *)threads[i];
        while (next != NULL) {
            void *after = NULL;
            pthread_join((pthread_t)next, &after);
            next = after;
        }
        for (int slot = 0; slot < SLOTS; slot++)
            chains[i].freed_bytes += block_end(chains[i].slots[slot]);
        result += chains[i].freed_bytes;
    }
    return load_done("larson", result);
}
