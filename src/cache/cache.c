/* cache.c - see cache.h */
#include "cache/cache.h"

#include "base/lock.h"
#include "cache/transfer.h"

enum {
    RING_BYTES = 16384, /* what a full ring may hold, but … */
    MOST_PLACES = 128,
    FEWEST_PLACES = 4,
    KEEP_BYTES = 512, /* stays in a ring from fast on, but … */
    MOST_KEPT = 8,
    FIRST_BATCH = 4,
    TRANSFER_BYTES = 1 << 20, /* of a size, on their way from thread to thread; at full, where quarantine … */
    TRANSFER_BYTES_FULL = 1 << 16, /* … and zones take enough, and locks cost little beside the rest */
};

static struct pw_ring plan[PW_CACHE_CLASSES];
static _Atomic(struct pw_cache *) all_caches; /* grows under the lock, is read without it */
PW_WRITTEN_IN_FORK static struct pw_lock cache_lock;
static void *(*map_bytes)(size_t bytes);

static uint32_t places_of(uint32_t bytes)
{
    uint32_t fits = RING_BYTES / bytes;
    uint32_t places = MOST_PLACES;
    while (places > FEWEST_PLACES && places > fits)
        places /= 2;
    return places;
}

bool pw_cache_init(enum pw_level level, void *(*map)(size_t bytes))
{
    uint32_t first = 0;
    map_bytes = map;
    for (uint32_t block_class = 1; block_class <= PW_CACHE_CLASSES; block_class++) {
        uint32_t bytes = pw_class_bytes[block_class];
        uint32_t places = places_of(bytes);
        uint32_t keep = KEEP_BYTES / bytes;
        if (keep > MOST_KEPT)
            keep = MOST_KEPT;
        plan[block_class - 1] = (struct pw_ring){
            .mask = (uint16_t)(places - 1),
            .keep = (uint16_t)(level == PW_LEVEL_FAST ? keep : 0),
            .batch = (uint16_t)(places / 2 < FIRST_BATCH ? places / 2 : FIRST_BATCH),
            .first = (uint16_t)first,
            .bytes = bytes,
            .reciprocal = pw_class_is_slab(block_class) ? (uint32_t)pw_shape_of(bytes) : 0,
            .line = pw_line_places_of(bytes),
        };
        first += places;
    }
    ENSURE(first <= PW_CACHE_PLACES);
    (void)pw_transfer_init(level >= PW_LEVEL_FULL ? TRANSFER_BYTES_FULL : TRANSFER_BYTES, map);
    return true;
}

static struct pw_cache *reuse_locked(void)
{
    for (struct pw_cache *cache = pw_cache_first(); cache != NULL; cache = cache->next)
        if (!cache->in_use)
            return cache;
    return NULL;
}

/* Not in the list yet; NULL: no memory. */
static struct pw_cache *map_new(void)
{
    struct pw_cache *cache = map_bytes(PW_ALIGN_UP(sizeof *cache, (size_t)PW_PAGE_BYTES));
    for (uint32_t i = 0; cache != NULL && i < PW_CACHE_CLASSES; i++)
        cache->rings[i] = plan[i];
    return cache;
}

/* All under the lock: who forks meanwhile must find a cache whole, or not at all. */
struct pw_cache *pw_cache_open(uint16_t thread, struct pw_thread_image *image, struct pw_heap *heap)
{
    pw_lock_acquire(&cache_lock);
    struct pw_cache *cache = reuse_locked();
    bool is_new = cache == NULL;
    if (is_new)
        cache = map_new();
    if (cache != NULL) {
        cache->level = (uint8_t)pw_root.level;
        cache->thread = thread;
        cache->image = image;
        cache->heap = heap;
        cache->own_slabs = pw_entry_low(heap->index, PW_SLAB_SHIFT);
        cache->allocations = cache->frees = 0;
        cache->open = cache->quick = PW_QUICK_NONE;
        cache->in_use = true;
    }
    if (cache != NULL && is_new) {
        cache->next = pw_cache_first();
        atomic_store_explicit(&all_caches, cache, memory_order_release);
    }
    pw_lock_release(&cache_lock);
    return cache;
}

/* The `want` oldest blocks of a ring; how many there were. */
static uint32_t take_oldest(struct pw_cache *cache, struct pw_ring *ring, uint32_t want,
                            void *out[MOST_PLACES])
{
    uint32_t count = 0;
    for (; count < want && ring->count > 0; count++) {
        out[count] = cache->places[ring->first + ring->head];
        ring->head = (ring->head + 1) & ring->mask;
        ring->count--;
    }
    ring->foreign = (uint16_t)(ring->foreign > count ? ring->foreign - count : 0);
    return count;
}

static void give_checked(void **blocks, uint32_t count, bool (*check)(void *))
{
    uint32_t fine = 0;
    for (uint32_t i = 0; i < count; i++)
        if (check == NULL || check(blocks[i]))
            blocks[fine++] = blocks[i];
    pw_heap_give(blocks, fine);
}

void pw_cache_drain_home(struct pw_cache *cache, uint32_t block_class, bool (*check)(void *block))
{
    struct pw_ring *ring = &cache->rings[block_class - 1];
    void *out[MOST_PLACES];
    uint32_t count = take_oldest(cache, ring, (uint32_t)ring->mask / 2 + 1, out);
    give_checked(out, count, check);
}

static uint32_t heap_of(const void *block)
{
    uint64_t address = (uint64_t)block;
    return pw_block_at(pw_page_map_entry(address), address).region->heap;
}

/* Blocks into the transfer caches of their heaps; how many found no room: these come first then. */
static uint32_t put_home(uint32_t block_class, void **blocks, uint32_t count)
{
    uint32_t rest = 0, end;
    for (uint32_t i = 0; i < count; i = end) {
        uint32_t heap = heap_of(blocks[i]);
        for (end = i + 1; end < count && heap_of(blocks[end]) == heap; end++)
            ;
        uint32_t kept = pw_transfer_put(heap, block_class, blocks + i, end - i);
        for (uint32_t k = i + kept; k < end; k++)
            blocks[rest++] = blocks[k];
    }
    return rest;
}

void pw_cache_drain(struct pw_cache *cache, uint32_t block_class, bool (*check)(void *block))
{
    struct pw_ring *ring = &cache->rings[block_class - 1];
    void *out[MOST_PLACES];
    uint32_t count = take_oldest(cache, ring, (uint32_t)ring->mask / 2 + 1, out);
    give_checked(out, put_home(block_class, out, count), check);
}

/* Give all but the `keep` newest blocks of a ring back to their heaps. */
static void empty_ring(struct pw_cache *cache, struct pw_ring *ring, uint32_t keep, bool (*check)(void *))
{
    void *out[MOST_PLACES];
    if (ring->count > keep)
        give_checked(out, take_oldest(cache, ring, ring->count - keep, out), check);
}

void pw_cache_flush(struct pw_cache *cache, bool (*check)(void *block))
{
    for (uint32_t i = 0; i < PW_CACHE_CLASSES; i++)
        empty_ring(cache, &cache->rings[i], 0, check);
}

void pw_cache_clear_out(struct pw_cache *cache, bool (*check)(void *block))
{
    for (uint32_t i = 0; i < PW_CACHE_CLASSES; i++) {
        struct pw_ring *ring = &cache->rings[i];
        empty_ring(cache, ring, ring->keep, check);
        ring->batch = plan[i].batch;
    }
}

void pw_cache_flush_transfer(bool (*check)(void *block))
{
    void *out[MOST_PLACES];
    uint32_t count;
    for (uint32_t heap = 0; heap < PW_TRANSFER_HEAPS; heap++)
        for (uint32_t block_class = 1; block_class <= PW_CACHE_CLASSES; block_class++)
            while ((count = pw_transfer_take(heap, block_class, out, MOST_PLACES)) > 0)
                give_checked(out, count, check);
}

void pw_cache_close(struct pw_cache *cache)
{
    pw_cache_flush(cache, NULL);
    for (uint32_t i = 0; i < PW_CACHE_CLASSES; i++)
        cache->rings[i].batch = plan[i].batch;
    pw_lock_acquire(&cache_lock);
    cache->in_use = false;
    pw_lock_release(&cache_lock);
}

struct pw_cache *pw_cache_first(void)
{
    return atomic_load_explicit(&all_caches, memory_order_acquire);
}

void pw_cache_before_fork(void)
{
    pw_lock_acquire(&cache_lock);
    pw_transfer_before_fork();
}

void pw_cache_after_fork(void)
{
    pw_transfer_after_fork();
    pw_lock_release(&cache_lock);
}

void *pw_cache_pop_any(struct pw_cache *cache, uint32_t block_class)
{
    cache->rings[block_class - 1].foreign = 0;
    return pw_cache_pop(cache, block_class, false);
}

bool pw_cache_refill(struct pw_cache *cache, uint32_t block_class)
{
    struct pw_ring *ring = &cache->rings[block_class - 1];
    void *blocks[MOST_PLACES];
    /* What must stay in comes on top. */
    uint32_t want = ring->count < ring->keep ? (uint32_t)(ring->keep - ring->count) : 0;
    want += ring->batch;
    if (ring->foreign > ring->mask / 2)
        pw_cache_drain(cache, block_class, NULL);
    uint32_t room = (uint32_t)ring->mask + 1 - ring->count;
    if (want > room)
        want = room;
    uint32_t count = pw_transfer_take(cache->heap->index, block_class, blocks, want);
    if (count == 0)
        count = pw_class_is_slab(block_class) ? pw_slab_take(cache->heap, block_class, want, blocks)
                                              : pw_heap_take(cache->heap, block_class, want, blocks);
    /* At full the last one in is the first one out: so a run of fresh blocks is handed out in the order of addresses. */
    bool is_reversed = cache->level >= PW_LEVEL_FULL;
    for (uint32_t i = 0; i < count; i++)
        (void)pw_cache_push(cache, block_class, blocks[is_reversed ? count - 1 - i : i]);
    uint32_t most = ((uint32_t)ring->mask + 1) / 2;
    ring->batch = (uint16_t)(ring->batch * 2u > most ? most : ring->batch * 2u);
    return count > 0;
}
