/*
 * stress - lists of blocks that live together, and blocks that travel: two threads build linked
 * groups of blocks, keep some, free some, and exchange others through a table that both use without
 * a lock. Threads end and start between rounds. (In the manner of mimalloc's mstress.)
 */
#include "load.h"

enum { THREADS = 2, ROUNDS = 25, STEPS = 12000, KEPT = 600, TABLE = 1000, GROUP_MAX = 16 };

struct node {
    struct node *next;
    uint64_t size; /* of this node, header included */
    unsigned char body[];
};

static struct node *table[TABLE]; /* exchanged atomically */

struct worker {
    uint64_t random, made, ended;
};

static struct node *group_new(struct worker *worker)
{
    struct node *group = NULL;
    for (size_t left = 1 + random_below(&worker->random, GROUP_MAX); left > 0; left--) {
        size_t size = sizeof(struct node) + random_log_size(&worker->random, 8, 4096);
        struct node *node = load_malloc(size);
        *node = (struct node){.next = group, .size = size};
        node->body[size - sizeof(struct node) - 1] = (unsigned char)size;
        worker->made += size;
        group = node;
    }
    return group;
}

static void group_end(struct worker *worker, struct node *group)
{
    while (group != NULL) {
        struct node *next = group->next;
        if (group->body[group->size - sizeof(struct node) - 1] != (unsigned char)group->size)
            load_fail("a block lost its contents");
        worker->ended += group->size;
        free(group);
        group = next;
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct node *kept[KEPT] = {0};
    for (unsigned step = 0; step < STEPS; step++) {
        struct node **own = &kept[random_below(&worker->random, KEPT)];
        group_end(worker, *own);
        *own = group_new(worker);
        if (step % 4 == 0) {
            struct node **shared = &table[random_below(&worker->random, TABLE)];
            *own = __atomic_exchange_n(shared, *own, __ATOMIC_ACQ_REL);
        }
    }
    for (unsigned i = 0; i < KEPT; i++)
        group_end(worker, kept[i]);
    return NULL;
}

int main(void)
{
    struct worker workers[THREADS] = {{.random = 1001}, {.random = 2002}};
    for (unsigned round = 0; round < ROUNDS; round++) {
        pthread_t threads[THREADS];
        for (unsigned i = 0; i < THREADS; i++)
            thread_start(&threads[i], work, &workers[i]);
        for (unsigned i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < TABLE; i++)
        group_end(&workers[0], table[i]);
    uint64_t made = workers[0].made + workers[1].made;
    if (made != workers[0].ended + workers[1].ended)
        load_fail("bytes made and bytes ended differ");
    return load_done("stress", made);
}
