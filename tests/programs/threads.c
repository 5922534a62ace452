/* threads.c - threads that come, go, pass blocks on, and allocate in odd moments. */
#include "common.h"

#include <limits.h>
#include <malloc.h>

static pthread_t start(void *(*body)(void *), void *context)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, body, context) == 0);
    return thread;
}

static void *join(pthread_t thread)
{
    void *result;
    CHECK(pthread_join(thread, &result) == 0);
    return result;
}

/* -- A thousand threads */

static void *live_and_leave_one(void *number)
{
    uint32_t salt = (uint32_t)(uintptr_t)number;
    churn(300, 2000, salt + 1);
    note_free(note_new(100 * KIB, salt));
    return note_new(50 + salt % 500, salt);
}

static void come_and_go(void)
{
    enum { THREADS = 1000, AT_ONCE = 4, WARM_UP = 100, GROWTH = 24 * MIB };
    size_t before = 0;
    for (uintptr_t i = 0; i < THREADS; i += AT_ONCE) {
        pthread_t threads[AT_ONCE];
        for (uintptr_t j = 0; j < AT_ONCE; j++)
            threads[j] = start(live_and_leave_one, (void *)(i + j));
        for (uintptr_t j = 0; j < AT_ONCE; j++)
            note_free(join(threads[j]));
        if (i == WARM_UP)
            before = resident_bytes();
    }
    size_t after = resident_bytes();
    if (after > before + GROWTH)
        (void)fprintf(stderr, "memory grew from %zu to %zu bytes\n", before, after);
    (void)printf("%d threads came and went\n", THREADS);
}

static size_t cached_blocks(void)
{
    return mallinfo2().smblks;
}

static void *fill_a_cache(void *cached)
{
    void *blocks[500];
    size_t most = 0;
    for (size_t i = 0; i < 500; i++) {
        blocks[i] = malloc(1 + i);
        size_t now = i % 20 == 0 ? cached_blocks() : 0; /* they are cleared out now and then */
        most = now > most ? now : most;
    }
    for (size_t i = 0; i < 500; i++)
        free(blocks[i]);
    size_t now = cached_blocks();
    *(size_t *)cached = now > most ? now : most;
    return NULL;
}

/* mallinfo's smblks are the blocks in the caches of threads. */
static void cache(void)
{
    size_t during = 0;
    (void)join(start(fill_a_cache, &during)); /* what the first thread brings with it stays */
    free(malloc(10));
    size_t before = cached_blocks();
    (void)join(start(fill_a_cache, &during));
    size_t after = cached_blocks();
    const char *level = getenv("PWHEAP_CHECK");
    bool has_caches = level == NULL || strncmp(level, "guard", 5) != 0; /* blocks on pages of their own have none */
    CHECK(!has_caches || during > before);
    CHECK(after <= before);
    (void)printf("the cache was given back\n");
}

/* -- Blocks that are freed by another thread */

enum { QUEUE = 256, PASSED = 30000, PAIRS = 3 };
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct note *notes[QUEUE];
    unsigned count;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void *produce(void *number)
{
    uint64_t seed = (uintptr_t)number + 1;
    for (uint32_t i = 0; i < PASSED; i++) {
        size_t size = 8 + next_random(&seed) % (i % 512 == 0 ? 50000 : 700);
        struct note *note = note_new(size, i);
        (void)pthread_mutex_lock(&queue.lock);
        while (queue.count == QUEUE)
            (void)pthread_cond_wait(&queue.changed, &queue.lock);
        queue.notes[queue.count++] = note;
        (void)pthread_cond_broadcast(&queue.changed);
        (void)pthread_mutex_unlock(&queue.lock);
    }
    return NULL;
}

static void *consume(void *sum)
{
    for (uint32_t i = 0; i < PASSED; i++) {
        (void)pthread_mutex_lock(&queue.lock);
        while (queue.count == 0)
            (void)pthread_cond_wait(&queue.changed, &queue.lock);
        struct note *note = queue.notes[--queue.count];
        (void)pthread_cond_broadcast(&queue.changed);
        (void)pthread_mutex_unlock(&queue.lock);
        *(uint64_t *)sum += note->size;
        note_free(note);
    }
    return NULL;
}

static void cross(void)
{
    pthread_t producers[PAIRS], consumers[PAIRS];
    uint64_t sums[PAIRS] = {0}, sum = 0;
    for (uintptr_t i = 0; i < PAIRS; i++) {
        producers[i] = start(produce, (void *)i);
        consumers[i] = start(consume, &sums[i]);
    }
    for (size_t i = 0; i < PAIRS; i++) {
        (void)join(producers[i]);
        (void)join(consumers[i]);
        sum += sums[i];
    }
    (void)printf("seeds 1 to %d: %llu bytes passed on\n", PAIRS, (unsigned long long)sum);
}

/* -- Destructors of thread-specific data */

enum { KEYS = 3 };
static pthread_key_t keys[KEYS];
static _Atomic unsigned destroyed;

/* Allocates in every round that there is. */
static void destroy(void *value)
{
    struct note *note = value;
    atomic_fetch_add(&destroyed, 1);
    churn(50, 3000, note->salt + 1);
    struct note *next = note_new(note->size + 200, note->salt + 1);
    uint32_t round = note->salt % 100;
    note_free(note);
    note_free(note_new(60 * KIB, 1));
    if (round + 1 < PTHREAD_DESTRUCTOR_ITERATIONS)
        CHECK(pthread_setspecific(keys[next->salt / 100], next) == 0);
    else
        note_free(next);
}

static void *have_data(void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < KEYS; i++)
        CHECK(pthread_setspecific(keys[i], note_new(100, i * 100)) == 0);
    return NULL;
}

/* Its first allocation is in a destructor. */
static void *have_only_a_key(void *unused)
{
    static struct note note = {.size = sizeof note, .salt = PTHREAD_DESTRUCTOR_ITERATIONS - 1};
    (void)unused;
    struct note *copy = malloc(sizeof note);
    *copy = note;
    CHECK(pthread_setspecific(keys[0], copy) == 0);
    return NULL;
}

static void keys_run(void)
{
    for (size_t i = 0; i < KEYS; i++)
        CHECK(pthread_key_create(&keys[i], destroy) == 0);
    for (int i = 0; i < 50; i++) {
        pthread_t one = start(have_data, NULL), other = start(have_only_a_key, NULL);
        (void)join(one);
        (void)join(other);
    }
    (void)printf("%u destructors ran\n", atomic_load(&destroyed));
}

/* -- Cancellation */

static _Atomic unsigned got_through;

/* With a cancellation pending all along: malloc and the others are no cancellation points. */
static void *allocate_cancelled(void *unused)
{
    (void)unused;
    CHECK(pthread_cancel(pthread_self()) == 0);
    churn(2000, 3000, 11);
    churn(50, 200 * KIB, 12);
    (void)malloc_trim(0);
    (void)mallinfo2();
    atomic_fetch_add(&got_through, 1);
    pthread_testcancel();
    CHECK(false);
    return NULL;
}

static void cancel(void)
{
    for (int i = 0; i < 20; i++)
        CHECK(join(start(allocate_cancelled, NULL)) == PTHREAD_CANCELED);
    churn(1000, 3000, 13);
    (void)printf("%u threads allocated while they were being cancelled\n", atomic_load(&got_through));
}

/* -- The least of stacks */

static void *allocate_everything(void *unused)
{
    (void)unused;
    for (size_t size = 8; size < 200 * KIB; size = size * 3 / 2 + 1) {
        struct note *note = note_new(size, 4);
        note = realloc(note, size + 100);
        note_check(note);
        note = realloc(note, size);
        note_free(note);
        free(calloc(size, 1));
        free(aligned_alloc(256, size));
    }
    return NULL;
}

static void small_stack(void)
{
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, (size_t)PTHREAD_STACK_MIN) == 0);
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, &attributes, allocate_everything, NULL) == 0);
        (void)join(thread);
    }
    (void)printf("threads of the least stack allocated\n");
}

/* -- All at once, and the end of the process among them */

static pthread_barrier_t barrier;
static _Atomic unsigned running;

static void *first_malloc_together(void *number)
{
    (void)pthread_barrier_wait(&barrier);
    note_free(note_new(100, (uint32_t)(uintptr_t)number));
    churn(2000, 5000, (uintptr_t)number + 1);
    return NULL;
}

static void together(void)
{
    enum { THREADS = 16 };
    pthread_t threads[THREADS];
    CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        threads[i] = start(first_malloc_together, (void *)i);
    for (size_t i = 0; i < THREADS; i++)
        (void)join(threads[i]);
    (void)printf("all of them began at once\n");
}

static void *churn_forever(void *number)
{
    atomic_fetch_add(&running, 1);
    for (uintptr_t seed = (uintptr_t)number + 1; seed != 0; seed++)
        churn(200, seed % 8 == 0 ? 60 * KIB : 3000, seed);
    return NULL;
}

static void start_forever(void)
{
    enum { THREADS = 6 };
    for (uintptr_t i = 0; i < THREADS; i++)
        (void)start(churn_forever, (void *)i);
    while (atomic_load(&running) < THREADS)
        churn(10, 1000, 1);
    churn(2000, 3000, 2);
}

static void leave(void)
{
    start_forever();
    (void)printf("main returns\n");
}

static void *outlive_main(void *main_thread)
{
    (void)join((pthread_t)(uintptr_t)main_thread);
    churn(2000, 5000, 3);
    (void)printf("a thread outlived main\n");
    return NULL;
}

static void main_first(void)
{
    pthread_t other = start(outlive_main, (void *)(uintptr_t)pthread_self());
    CHECK(pthread_detach(other) == 0);
    note_free(note_new(100, 1));
    pthread_exit(NULL);
}

static void leave_by_abort(void)
{
    start_forever();
    (void)printf("main aborts\n");
    (void)fflush(stdout);
    abort();
}

int main(int argc, char **argv)
{
    static const struct mode modes[] = {
        {"come_and_go", come_and_go}, {"cache", cache},     {"cross", cross},
        {"keys", keys_run},           {"cancel", cancel},   {"small_stack", small_stack},
        {"together", together},       {"leave", leave},     {"leave_by_abort", leave_by_abort},
        {"main_first", main_first},
    };
    return RUN_MODE(argc, argv, modes);
}
