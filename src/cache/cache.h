/*
 * cache.h - per-thread caches: what stands in front of the heaps, so that malloc and free of a small
 * block take no lock.
 *
 * For each class of block sizes (heap/slab.h) a cache has a ring of CACHED blocks. At fast the oldest comes out first, and
 * some always stay in: that is the quarantine of that level. At off and full it is the newest: at full blocks have waited
 * in the quarantine, and the last one was verified just now, so that it is in the processor's cache. At off blocks of another
 * heap stay at the old end until they go home: two threads that are handed parts of one cache line fight for it.
 * A ring that is empty is refilled by a run cut under one lock, one that is full drained in a batch.
 *
 * A cache is used by its thread alone and only while `open` says busy: an allocation from a signal
 * handler, an unwinder or an atfork handler that interrupts its thread inside the allocator finds it
 * busy and goes another way (front/reentry.c). Caches outlive their threads and are used again.
 */
#ifndef PW_CACHE_CACHE_H
#define PW_CACHE_CACHE_H

#include "cache/known.h"
#include "heap/slab.h"
#include "image/pattern.h"

enum { PW_CACHE_CLASSES = PW_CLASSES };

/*
 * What a thread may do with its cache: nothing while it is inside the allocator, else take the short way of its level
 * (front/quick.h, front/full.c), or none if an option stands against that.
 */
enum pw_quick { PW_QUICK_BUSY, PW_QUICK_NONE, PW_QUICK_OFF, PW_QUICK_FAST, PW_QUICK_FULL };

struct pw_history;

struct pw_ring {
    uint32_t head;  /* place of the oldest */
    uint32_t count;
    uint16_t mask;  /* places - 1 */
    uint16_t keep;  /* so many stay in (not at level off) */
    uint16_t batch; /* what the next refill takes; doubles up to half of the places */
    uint16_t first; /* index of its places in `places` */
    uint32_t bytes; /* of a block */
    uint32_t reciprocal; /* of slabs' blocks: the low half of their spans' shape */
    struct pw_line_places line; /* where they are poisoned at fast */
    uint16_t foreign; /* so many of the oldest are another heap's, and not handed out (only at level off) */
};
_Static_assert(sizeof(struct pw_ring) == 32, "two a cache line, and found by a shift");

/* At least the places of all rings; asserted in cache.c. */
enum { PW_CACHE_PLACES = 4864 };

struct pw_cache {
    /* enum pw_quick: one byte that says both whether the thread is inside the allocator and which way it may go. */
    volatile uint8_t open;
    uint8_t quick;   /* what `open` is outside; another thread may change it, which counts from the next pw_leave on */
    uint16_t thread; /* ordinal */
    uint32_t own_slabs; /* pw_entry_low of its heap's slabs */
    struct pw_heap *heap;
    struct pw_thread_image *image; /* its entry of the thread table */
    uint64_t thread_pointer;       /* of its thread: where libc keeps what is known of it */
    uint32_t allocations; /* count so far: the `number` of the next one less 1 */
    uint32_t frees;
    uint32_t chores_at; /* the value of `allocations` at which something is due (front/chores.c) */
    /* Allocated less freed by this thread, at full; may be negative. Others read it, its thread writes. */
    _Atomic int64_t live_bytes;
    uint8_t level;        /* enum pw_level */
    uint8_t exit_rounds;  /* times that its thread's end has been put off */
    /* Batches of the quarantine (front/quarantine.c): one that leaves it, whose blocks from `left` on are still to be
       seen to, and one that the thread is filling; NULL: none. The first has at least one of those. */
    struct pw_quarantine_batch *leaving;
    uint32_t left;
    struct pw_quarantine_batch *batch;
    struct pw_history *history; /* diag/history.h: the ring that its threads use; NULL: none */
    struct pw_cache *next;   /* list of all caches, newest first */
    bool in_use;             /* by a thread that lives; under the cache lock */
    struct pw_ring rings[PW_CACHE_CLASSES];
    struct pw_known_block known[PW_KNOWN_BLOCKS];
    void *places[PW_CACHE_PLACES];
};

/* Plan the rings for a level; `map` gives zeroed pages (pw_os_map), NULL when there are none. */
bool pw_cache_init(enum pw_level level, void *(*map)(size_t bytes));
/* A cache for the calling thread, new or left by another; NULL: no memory. */
struct pw_cache *pw_cache_open(uint16_t thread, struct pw_thread_image *image, struct pw_heap *heap);
/* Its thread is about to end: give all of its blocks back. The quarantine's batch is the caller's. */
void pw_cache_close(struct pw_cache *cache);
/* Give the blocks of all rings back to their heaps; `check` as in pw_cache_drain. */
void pw_cache_flush(struct pw_cache *cache, bool (*check)(void *block));
/* The same, but those that have to stay in do. */
void pw_cache_clear_out(struct pw_cache *cache, bool (*check)(void *block));
/* The same for what is in the transfer cache; `check` as in pw_cache_drain. */
void pw_cache_flush_transfer(bool (*check)(void *block));
/* Any cache, for a look at all of them; then cache->next. */
struct pw_cache *pw_cache_first(void);

/* fork: the list's lock. In the child, the caches of the threads that are gone stay as they are. */
void pw_cache_before_fork(void);
void pw_cache_after_fork(void);

/* Refill the ring of a class; false: no memory. */
bool pw_cache_refill(struct pw_cache *cache, uint32_t block_class);
/*
 * Make room in a full ring: its older half goes to the transfer cache, or back to
 * the heaps; `check`, if not NULL, sees each of these first and says whether it may go. */
void pw_cache_drain(struct pw_cache *cache, uint32_t block_class, bool (*check)(void *block));
/* The same, but all that leaves goes back to the heaps: for sizes that no refill ever asks for. */
void pw_cache_drain_home(struct pw_cache *cache, uint32_t block_class, bool (*check)(void *block));

/* A block of a class, CACHED; NULL: refill first. The oldest, as is right at fast, or the newest. */
PW_INLINE void *pw_cache_pop(struct pw_cache *cache, uint32_t block_class, bool is_fifo)
{
    struct pw_ring *ring = &cache->rings[block_class - 1];
    if (is_fifo) {
        if (pw_unlikely(ring->count <= ring->keep))
            return NULL;
        void *block = cache->places[ring->first + ring->head];
        ring->head = (ring->head + 1) & ring->mask;
        ring->count--;
        return block;
    }
    if (pw_unlikely(ring->count <= ring->foreign))
        return NULL;
    ring->count--;
    return cache->places[ring->first + ((ring->head + ring->count) & ring->mask)];
}

/* Any block of a class that is there: there is no other. */
void *pw_cache_pop_any(struct pw_cache *cache, uint32_t block_class);

/* Put a CACHED block into a ring that is not full. */
PW_INLINE void pw_cache_append(struct pw_cache *cache, struct pw_ring *ring, void *block)
{
    cache->places[ring->first + ((ring->head + ring->count) & ring->mask)] = block;
    ring->count++;
}

/* Put a CACHED block in; false: the ring is full. */
PW_INLINE bool pw_cache_push(struct pw_cache *cache, uint32_t block_class, void *block)
{
    struct pw_ring *ring = &cache->rings[block_class - 1];
    if (pw_unlikely(ring->count > ring->mask))
        return false;
    pw_cache_append(cache, ring, block);
    return true;
}

/* The same of another heap's block at off, behind those that came before it. */
PW_INLINE bool pw_cache_push_foreign(struct pw_cache *cache, uint32_t block_class, void *block)
{
    struct pw_ring *ring = &cache->rings[block_class - 1];
    void **place = &cache->places[ring->first + ((ring->head + ring->foreign) & ring->mask)];
    /* The oldest of those that may be handed out becomes the newest, for there is no room before it. */
    if (pw_unlikely(!pw_cache_push(cache, block_class, *place)))
        return false;
    *place = block;
    ring->foreign++;
    return true;
}

PW_INLINE bool pw_cache_is_busy(const struct pw_cache *cache)
{
    return cache->open == PW_QUICK_BUSY;
}

/* Begin to use a cache that is not busy, and end. */
PW_INLINE void pw_cache_enter(struct pw_cache *cache)
{
    cache->open = PW_QUICK_BUSY;
    atomic_signal_fence(memory_order_seq_cst);
}

PW_INLINE void pw_leave(struct pw_cache *cache)
{
    atomic_signal_fence(memory_order_seq_cst);
    cache->open = cache->quick;
}

/* The thread has `bytes` more (or less) than before. */
PW_INLINE void pw_cache_count_live(struct pw_cache *cache, int64_t bytes)
{
    int64_t live = atomic_load_explicit(&cache->live_bytes, memory_order_relaxed);
    atomic_store_explicit(&cache->live_bytes, live + bytes, memory_order_relaxed);
}

#endif
