/*
 * thread.c - see thread.h
 *
 * Chunks that are never given back, a count of entries ever used, and a stack of free ones (R. K.
 * Treiber, 1986) whose head carries a tag against ABA.
 */
#include "trace/thread.h"

#include "os/memory.h"

enum {
    CHUNK_ENTRIES = 16,
    MAX_THREADS = 32768, /* at once; more are served without memory */
    MAX_CHUNKS = MAX_THREADS / CHUNK_ENTRIES,
};
#define ENTRY_BYTES PW_ALIGN_UP(sizeof(struct pw_trace_thread), (size_t)64)
#define CHUNK_BYTES PW_ALIGN_UP(CHUNK_ENTRIES *ENTRY_BYTES, (size_t)4096)

_Thread_local struct pw_trace_thread *pw_trace_thread_current
    __attribute__((tls_model("initial-exec")));

/*
 * What a thread has that has given its own back: always busy. Traces in its last destructors are
 * taken without memory, slowly; a memory that was taken for them would never come back.
 */
static struct pw_trace_thread ended; /* made busy where it is used: with an initial value fork would copy 35 pages' entries for it */

/* Of index 0, the first thread's: what is touched of it lies with the library's other data. Its place in the first chunk is empty. */
static _Alignas(4096) struct pw_trace_thread first;

static _Atomic(char *) chunks[MAX_CHUNKS];
PW_WRITTEN_IN_FORK static _Atomic uint32_t used;
PW_WRITTEN_IN_FORK static _Atomic uint64_t free_head;              /* tag << 32 | index + 1 */
static _Atomic uint32_t free_next[MAX_THREADS]; /* of a free one: index + 1, 0: it is the last */

static struct pw_trace_thread *thread_at(uint32_t index)
{
    if (index == 0)
        return &first;
    char *chunk = atomic_load_explicit(&chunks[index / CHUNK_ENTRIES], memory_order_acquire);
    return (struct pw_trace_thread *)(chunk + (size_t)(index % CHUNK_ENTRIES) * ENTRY_BYTES);
}

static struct pw_trace_thread *free_pop(void)
{
    uint64_t head = atomic_load_explicit(&free_head, memory_order_acquire);
    while ((uint32_t)head != 0) {
        uint32_t index = (uint32_t)head - 1;
        uint64_t next = ((head >> 32) + 1) << 32 |
                        atomic_load_explicit(&free_next[index], memory_order_relaxed);
        if (atomic_compare_exchange_weak_explicit(&free_head, &head, next, memory_order_acq_rel,
                                                  memory_order_acquire))
            return thread_at(index);
    }
    return NULL;
}

static void free_push(uint32_t index)
{
    uint64_t head = atomic_load_explicit(&free_head, memory_order_relaxed);
    uint64_t next;
    do {
        atomic_store_explicit(&free_next[index], (uint32_t)head, memory_order_relaxed);
        next = ((head >> 32) + 1) << 32 | (index + 1);
    } while (!atomic_compare_exchange_weak_explicit(&free_head, &head, next, memory_order_acq_rel,
                                                    memory_order_relaxed));
}

static bool chunk_ensure(uint32_t index)
{
    if (atomic_load_explicit(&chunks[index], memory_order_acquire) != NULL)
        return true;
    char *mapping = pw_os_map(CHUNK_BYTES);
    char *expected = NULL;
    if (mapping == NULL)
        return false;
    if (!atomic_compare_exchange_strong_explicit(&chunks[index], &expected, mapping,
                                                 memory_order_acq_rel, memory_order_acquire))
        pw_os_unmap(mapping, CHUNK_BYTES);
    return true;
}

static struct pw_trace_thread *thread_new(void)
{
    uint32_t index = atomic_load_explicit(&used, memory_order_relaxed);
    do {
        if (index >= MAX_THREADS || (index > 0 && !chunk_ensure(index / CHUNK_ENTRIES)))
            return NULL;
    } while (!atomic_compare_exchange_weak_explicit(&used, &index, index + 1, memory_order_acq_rel,
                                                    memory_order_relaxed));
    struct pw_trace_thread *thread = thread_at(index);
    thread->index = index;
    return thread;
}

void pw_trace_thread_init(void)
{
    pw_os_own(&first, sizeof first);
}

struct pw_trace_thread *pw_trace_thread_make(void)
{
    struct pw_trace_thread *thread = free_pop();
    if (thread == NULL)
        thread = thread_new();
    if (thread == NULL)
        return NULL;
    thread->busy = false;
    pw_walk_init(&thread->walk);
    pw_trace_thread_current = thread;
    return thread;
}

void pw_trace_thread_exit(void)
{
    struct pw_trace_thread *thread = pw_trace_thread_current;
    if (thread == NULL || thread->busy)
        return;
    ended.busy = true;
    pw_trace_thread_current = &ended;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    free_push(thread->index);
}

void pw_trace_thread_after_fork(void)
{
    atomic_store_explicit(&free_head, 0, memory_order_relaxed);
    uint32_t count = atomic_load_explicit(&used, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++)
        if (thread_at(i) != pw_trace_thread_current)
            free_push(i);
}
