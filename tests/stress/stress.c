/*
 * stress.c - everything at once: threads that allocate, resize, hand blocks to each other and free them, end
 * and are started anew; walks, validations, snapshots, forks; a signal handler that allocates. Every block's
 * contents are checked whenever somebody has it in hand; any report of the heap ends the program.
 *
 *   stress [-t THREADS] [-n OPERATIONS of each thread] [-s SECONDS: until then at least] [-r SEED] [-q]
 *
 * -q: nothing but allocations, walks and validations, for checkers that the rest is too much for. What is random is so by the seed, but for the order of the threads.
 */
#include "pwheap/pwheap.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_THREADS = 64, MAILBOXES = 256, OWN_BLOCKS = 64, LIFE_OPERATIONS = 20000 };

/* Stands at the start of every block; the rest of it is `fill`. */
struct head {
    size_t size;
    unsigned char fill;
};

static _Atomic(struct head *) mailboxes[MAILBOXES];
static unsigned long operations = 20000, seed = 1;
static unsigned thread_count = 4;
static double seconds;
static bool is_quiet;
static _Atomic unsigned long done, walks, validations, forks, snapshots, handled;
static _Atomic bool may_end;
static pthread_key_t key;
static sem_t finished;

struct worker {
    pthread_t thread;
    uint64_t random;
    unsigned long left; /* operations */
    struct head *own[OWN_BLOCKS];
};
static struct worker workers[MOST_THREADS];

static void fail(const char *what, const struct head *block)
{
    fprintf(stderr, "stress: %s: block %p, seed %lu, %u threads\n", what, (const void *)block, seed, thread_count);
    abort();
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* ---- blocks ---- */

static size_t random_size(uint64_t *state)
{
    uint64_t random = next_random(state);
    size_t base = sizeof(struct head);
    switch (random % 16) {
    case 0:
        return base + (random >> 8) % 200000;
    case 1:
        return base + 16000 + (random >> 8) % 800;
    case 2:
    case 3:
        return base + (random >> 8) % 5000;
    default:
        return base + (random >> 8) % 300;
    }
}

/* Large ones only at their ends. */
static void touch(struct head *block, bool is_check)
{
    unsigned char *bytes = (unsigned char *)(block + 1);
    size_t count = block->size - sizeof *block, end = count < 512 ? count : 512;
    if (!is_check) {
        memset(bytes, block->fill, end);
        memset(bytes + count - end, block->fill, end);
        return;
    }
    for (size_t i = 0; i < end; i++)
        if (bytes[i] != block->fill || bytes[count - 1 - i] != block->fill)
            fail("contents have changed", block);
}

static struct head *dress(struct head *block, size_t size, uint64_t *state)
{
    if (block == NULL)
        fail("no memory", block);
    if (malloc_usable_size(block) != size)
        fail("another usable size", block);
    *block = (struct head){size, (unsigned char)next_random(state)};
    touch(block, false);
    return block;
}

static struct head *allocate(uint64_t *state)
{
    size_t size = random_size(state);
    uint64_t how = next_random(state);
    void *block = NULL;
    if (how % 8 == 0) {
        block = calloc(1, size);
        for (size_t i = 0; block != NULL && i < size && i < 512; i++)
            if (((unsigned char *)block)[i] != 0)
                fail("calloc's block is not zero", block);
    } else if (how % 8 == 1) {
        if (posix_memalign(&block, (size_t)16 << how / 8 % 9, size) != 0)
            block = NULL;
    } else {
        block = malloc(size);
    }
    return dress(block, size, state);
}

static void release(struct head *block)
{
    if (block == NULL)
        return;
    touch(block, true);
    free(block);
}

static struct head *resize(struct head *block, uint64_t *state)
{
    size_t size = random_size(state);
    struct head before = *block;
    touch(block, true);
    struct head *moved = realloc(block, size);
    if (moved == NULL || moved->size != before.size || moved->fill != before.fill)
        fail("realloc has lost contents", moved);
    return dress(moved, size, state);
}

/* ---- what else goes on ---- */

static bool look(void *context, const struct pwheap_block *block)
{
    size_t *bytes = context;
    *bytes += block->block_size;
    return block->block_size != 0;
}

static void walk(void)
{
    size_t bytes = 0;
    if (pwheap_walk(look, &bytes) == 0)
        fail("the walk sees nothing", NULL);
    walks++;
}

/* The child goes on with the heap that it got. */
static void fork_child(uint64_t *state)
{
    pid_t child = fork();
    if (child == 0) {
        for (unsigned i = 0; i < 50; i++) {
            struct head *block = allocate(state);
            release(i % 2 == 0 ? block : resize(block, state));
        }
        _exit(pwheap_validate() == 0 ? 0 : 1);
    }
    int status = 1;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        fail("the child of fork has not ended well", NULL);
    forks++;
}

static void snapshot(void)
{
    char path[64];
    static _Atomic unsigned number;
    snprintf(path, sizeof path, "/tmp/pwheap-stress.%d.%u", (int)getpid(), number++);
    if (pwheap_dump(path) != 0)
        fail(strerror(errno), NULL);
    unlink(path);
    snapshots++;
}

static void on_alarm(int number)
{
    (void)number;
    void *block = malloc(100);
    if (block != NULL)
        memset(block, 1, 100);
    free(block);
    handled++;
}

/* Destructors of threads allocate, too. */
static void at_thread_end(void *value)
{
    free(value);
    free(malloc(33));
}

static void do_rare(struct worker *worker, uint64_t random)
{
    if (random % 4096 == 0) {
        walk();
    } else if (random % 4096 == 1 && random >> 32 & 1) {
        if (pwheap_validate() != 0)
            fail("damage is found", NULL);
        validations++;
    } else if (!is_quiet && random % 8192 == 2) {
        fork_child(&worker->random);
    } else if (!is_quiet && random % 262144 == 3) {
        snapshot();
    }
}

static void step(struct worker *worker)
{
    uint64_t random = next_random(&worker->random);
    struct head **slot = &worker->own[random >> 8 & (OWN_BLOCKS - 1)];
    do_rare(worker, random >> 16);
    switch (random % 4) {
    case 0: /* hand it over, and free what was there */
        release(atomic_exchange(&mailboxes[random >> 16 & (MAILBOXES - 1)], *slot));
        *slot = NULL;
        break;
    case 1:
        if (*slot != NULL)
            *slot = resize(*slot, &worker->random);
        break;
    default:
        release(*slot);
        *slot = allocate(&worker->random);
    }
}

/* A thread lives for some operations and leaves its blocks to the others. */
static void *live(void *argument)
{
    struct worker *worker = argument;
    unsigned long count = 0;
    pthread_setspecific(key, malloc(50));
    while (worker->left > 0 || !may_end) {
        step(worker);
        worker->left -= worker->left > 0;
        if (++count == LIFE_OPERATIONS && !is_quiet)
            break;
    }
    done += count;
    /* Checkers have their own end of a thread, which comes before the library's: theirs live on. */
    if (is_quiet) {
        sem_post(&finished);
        for (;;)
            pause();
    }
    for (unsigned i = 0; i < OWN_BLOCKS; i++) {
        release(atomic_exchange(&mailboxes[i], worker->own[i]));
        worker->own[i] = NULL;
    }
    return NULL;
}

static void run(void)
{
    time_t end = time(NULL) + (time_t)seconds;
    may_end = seconds == 0;
    for (unsigned i = 0; i < thread_count; i++) {
        workers[i] = (struct worker){.random = seed * 1000 + i, .left = operations};
        pthread_create(&workers[i].thread, NULL, live, &workers[i]);
    }
    for (unsigned i = 0; i < thread_count && is_quiet; i++) {
        sem_wait(&finished);
        may_end = true;
    }
    for (unsigned running = is_quiet ? 0 : thread_count; running > 0;) {
        running = 0;
        may_end = may_end || time(NULL) >= end;
        for (unsigned i = 0; i < thread_count; i++) {
            if (workers[i].thread == 0)
                continue;
            pthread_join(workers[i].thread, NULL);
            workers[i].thread = 0;
            if (workers[i].left == 0 && may_end)
                continue;
            pthread_create(&workers[i].thread, NULL, live, &workers[i]);
            running++;
        }
    }
}

int main(int count, char **arguments)
{
    for (int option; (option = getopt(count, arguments, "t:n:s:r:q")) != -1;) {
        if (option == 't')
            thread_count = (unsigned)strtoul(optarg, NULL, 0) % (MOST_THREADS + 1);
        else if (option == 'n')
            operations = strtoul(optarg, NULL, 0);
        else if (option == 's')
            seconds = strtod(optarg, NULL);
        else if (option == 'r')
            seed = strtoul(optarg, NULL, 0);
        else if (option == 'q')
            is_quiet = true;
        else
            return 2;
    }
    pthread_key_create(&key, at_thread_end);
    if (!is_quiet) {
        struct itimerval every = {{0, 5000}, {0, 5000}};
        signal(SIGALRM, on_alarm);
        setitimer(ITIMER_REAL, &every, NULL);
    }
    sem_init(&finished, 0, 0);
    run();
    for (unsigned i = 0; i < MAILBOXES; i++)
        release(mailboxes[i]);
    if (pwheap_validate() != 0)
        fail("damage is found at the end", NULL);
    printf("%lu operations, %lu walks, %lu validations, %lu forks, %lu snapshots, %lu signals; seed %lu\n", done,
           walks, validations, forks, snapshots, handled, seed);
    return 0;
}
