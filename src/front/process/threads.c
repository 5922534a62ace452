/*
 * threads.c - a cache for every thread: opened at its first allocation, given back at its end.
 *
 * The end is told by a pthread key's destructor. Other keys' destructors may allocate after ours, so
 * ours asks to be called again for as many rounds as there are, and gives the cache back in the
 * last one; what comes after that goes through reentry.c.
 */
#include "front/guarded/guarded.h"
#include "front/guarded/watch.h"
#include "front/state.h"
#include "os/memory.h"
#include "os/process.h"
#include "trace/unwind.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>

__thread struct pw_cache *pw_self;
/* True when the thread gave its cache back, or is getting one. */
static __thread bool has_no_cache;
/* The ordinal and one of a thread that has no cache: not yet, none any more, or there was no memory for one. 0: none. */
static __thread uint32_t ordinal_kept;

static pthread_key_t key;
static bool has_key;

/* Not mapped: its first page lies with the library's other data, and fork copies no page of page tables for it alone. */
static struct pw_thread_image thread_table[PW_MAX_THREADS + 1];

static struct pw_thread_image *thread_entry(uint16_t thread)
{
    return &thread_table[thread];
}

/* The next ordinal; those past the table share its last entry. The count never says more than the table has. */
static uint16_t new_thread(void)
{
    uint32_t ordinal = atomic_load_explicit(&pw_root.thread_count, memory_order_relaxed);
    while (ordinal < PW_MAX_THREADS &&
           !atomic_compare_exchange_weak_explicit(&pw_root.thread_count, &ordinal, ordinal + 1, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
    if (ordinal == PW_MAX_THREADS)
        ordinal = PW_MAX_THREADS - 1;
    struct pw_thread_image *entry = thread_entry((uint16_t)ordinal);
    entry->tid = pw_os_thread_id();
    pw_os_thread_name(entry->name);
    atomic_store_explicit(&entry->alive, 1, memory_order_release);
    return (uint16_t)ordinal;
}

uint16_t pw_thread_ordinal(void)
{
    if (pw_self != NULL)
        return pw_self->thread;
    if (ordinal_kept == 0)
        ordinal_kept = new_thread() + 1u;
    return (uint16_t)(ordinal_kept - 1);
}

static void thread_ends(void *value)
{
    struct pw_cache *cache = value;
    struct pw_call call = PW_CALL(PW_OP_QUARANTINE, PW_FAMILY_MALLOC);
    if (cache->exit_rounds++ < PTHREAD_DESTRUCTOR_ITERATIONS - 1 &&
        pthread_setspecific(key, cache) == 0)
        return;
    pw_cache_enter(cache);
    pw_os_thread_name(cache->image->name);
    pw_quarantine_flush(cache, &call);
    pw_cache_flush(cache, pw_leaving_check(cache));
    pw_unwind_thread_exit();
    pw_self = NULL;
    has_no_cache = true;
    ordinal_kept = cache->thread + 1u;
    cache->image->allocations += cache->allocations;
    cache->image->frees += cache->frees;
    atomic_store_explicit(&cache->image->alive, 0, memory_order_release);
    pw_leave(cache);
    pw_cache_close(cache);
    pw_unwind_thread_exit();
}

void pw_threads_init(void)
{
    pw_root.threads = (uint64_t)thread_table;
    pw_os_own(thread_table, sizeof thread_table); /* of no use to who looks for pointers, and large */
}

void pw_threads_start(void)
{
    has_key = pthread_key_create(&key, thread_ends) == 0;
    if (has_key && pw_self != NULL)
        (void)pthread_setspecific(key, pw_self);
}

static uint8_t quick_of(enum pw_level level)
{
    const struct pw_options *options = pw_options();
    bool has_no_more_to_do = options->max_malloc_fill_size == 0 && options->validate_every == 0 &&
                             options->hard_rss_limit_mb == 0;
    bool is_plain = options->max_allocation_size_mb == 0 && options->alloc_dealloc_mismatch && !pw_guards_are_on;
    if (!has_no_more_to_do)
        return PW_QUICK_NONE;
    if (level == PW_LEVEL_OFF)
        return PW_QUICK_OFF;
    if (level >= PW_LEVEL_FULL)
        return pw_can_unwind && !pw_watch_is_on ? PW_QUICK_FULL : PW_QUICK_NONE;
    return is_plain ? PW_QUICK_FAST : PW_QUICK_NONE;
}

void pw_threads_choose_ways(void)
{
    for (struct pw_cache *cache = pw_cache_first(); cache != NULL; cache = cache->next) {
        cache->quick = quick_of((enum pw_level)cache->level);
        pw_chores_plan(cache);
    }
    struct pw_cache *self = pw_self;
    if (self != NULL && !pw_cache_is_busy(self))
        self->open = self->quick;
}

static void open_history(struct pw_cache *cache)
{
    uint32_t length = pw_options()->history;
    if (length != 0 && cache->level >= PW_LEVEL_FULL && cache->history == NULL)
        cache->history = pw_history_open(length, pw_regions_map_beside);
    pw_note_others(cache);
}

struct pw_cache *pw_thread_open_slow(void)
{
    if (has_no_cache || !pw_start())
        return NULL;
    int saved_errno = errno;
    has_no_cache = true; /* what the following calls allocate goes around it */
    uint16_t thread = ordinal_kept != 0 ? (uint16_t)(ordinal_kept - 1) : new_thread();
    struct pw_cache *cache =
        pw_cache_open(thread, thread_entry(thread), &pw_heaps[thread % pw_shared_heaps]);
    if (cache != NULL) {
        cache->exit_rounds = 0;
        cache->thread_pointer = (uint64_t)__builtin_thread_pointer();
        cache->open = cache->quick = quick_of((enum pw_level)cache->level);
        pw_chores_plan(cache);
        open_history(cache);
        if (has_key)
            (void)pthread_setspecific(key, cache);
        pw_self = cache;
    }
    /* Without one each call tries again: a heap instance gives nothing until then, and malloc is slow. */
    ordinal_kept = cache == NULL ? thread + 1u : 0;
    has_no_cache = false;
    errno = saved_errno;
    return cache;
}

void pw_threads_refresh_names(void)
{
    struct pw_cache *self = pw_self;
    if (self != NULL)
        pw_os_thread_name(self->image->name);
    for (struct pw_cache *cache = pw_cache_first(); cache != NULL; cache = cache->next) {
        if (cache == self || !cache->in_use || cache->image == NULL)
            continue;
        char path_storage[64], name[16];
        struct pw_text path = pw_text_over(path_storage, sizeof path_storage);
        pw_text_str(&path, "/proc/self/task/");
        pw_text_dec(&path, cache->image->tid);
        pw_text_str(&path, "/comm");
        int64_t length = pw_os_read_file(path_storage, name, sizeof name);
        for (int64_t i = 0; i + 1 < length; i++)
            cache->image->name[i] = name[i];
        if (length > 0)
            cache->image->name[length - 1] = '\0';
    }
}

void pw_threads_after_fork(void)
{
    struct pw_cache *self = pw_self;
    for (struct pw_cache *cache = pw_cache_first(); cache != NULL; cache = cache->next) {
        if (cache == self || !cache->in_use)
            continue;
        atomic_store_explicit(&cache->image->alive, 0, memory_order_relaxed);
        /* One caught in the middle of an operation is left as it is, with what it holds. */
        if (!pw_cache_is_busy(cache))
            cache->in_use = false;
    }
    if (self != NULL)
        self->image->tid = pw_os_thread_id();
}
