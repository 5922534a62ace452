/* quarantine.c - into and out of the quarantine, at full. */
#include "check/quarantine.h"

#include "front/cap.h"
#include "front/quick.h"

#include <errno.h>

enum { LIVE_SHARE_SHIFT = 2 };

uint64_t pw_live_bytes(void)
{
    int64_t live = 0;
    for (struct pw_cache *cache = pw_cache_first(); cache != NULL; cache = cache->next)
        live += atomic_load_explicit(&cache->live_bytes, memory_order_relaxed);
    return live > 0 ? (uint64_t)live : 0;
}

/* Bytes that may wait: the option's, or a quarter of what is live, if that is more. */
static uint64_t limit_bytes(void)
{
    if (pw_cap_gave_up(PW_CAP_NO_QUARANTINE))
        return 0;
    uint64_t share = pw_live_bytes() >> LIVE_SHARE_SHIFT;
    uint64_t least = pw_options()->quarantine_size_mb << 20; /* 0 never gets here: there is none */
    return share > least ? share : least;
}

/*
 * A small block has waited long enough and is as it was left: let it be used again. False: it is for evict_slowly to see to;
 * nothing was done.
 */
PW_INLINE bool evict_small(struct pw_cache *cache, uint64_t address, uint64_t entry)
{
    if (pw_unlikely((entry & PW_ENTRY_SHIFT_MASK) == PW_PAGE_SHIFT))
        return false;
    struct pw_handle handle = {.address = address};
    pw_handle_find(&handle, entry);
    bool is_fine = pw_handle_is_sealed(&handle) &&
                   pw_poison_holds(handle.address, pw_poison_bytes(handle.bytes)) &&
                   pw_zone_tail_holds(handle.address + handle.bytes);
    if (pw_unlikely(!is_fine))
        return false;
    pw_recycle(cache, &handle);
    return true;
}

/* The same of a big block, or one that is not as it should be: it is verified as a part of `operation`. */
static PW_NOINLINE void evict_slowly(uint64_t address, uint64_t entry, const struct pw_call *call,
                                     enum pw_operation operation)
{
    struct pw_call evicting = *call;
    evicting.operation = operation;
    if ((entry & PW_ENTRY_SHIFT_MASK) == PW_PAGE_SHIFT)
        pw_big_evict(pw_block_at(entry, address), &evicting);
    else
        pw_found_in_block(address, &evicting);
}

PW_INLINE void evict(struct pw_cache *cache, void *block, const struct pw_call *call, enum pw_operation operation)
{
    uint64_t address = (uint64_t)block, entry = pw_quick_entry(address);
    if (pw_unlikely(!evict_small(cache, address, entry)))
        evict_slowly(address, entry, call, operation);
}

/*
 * Fetch what evict will touch of a block that leaves soon. All of it is verified, but what lies far behind its beginning the
 * processor fetches by itself. Without a branch for each line: see check/poison.h.
 */
PW_INLINE void fetch_whole(uint64_t address)
{
    enum { LINE = 64, HALF = 4 * LINE };
    uint64_t bytes = pw_handle_fetch(address);
    for (uint64_t at = LINE; at < HALF; at += LINE)
        __builtin_prefetch((void *)(address + (at < bytes ? at : bytes)));
    if (bytes > HALF)
        for (uint64_t at = HALF; at < 2 * HALF; at += LINE)
            __builtin_prefetch((void *)(address + (at < bytes ? at : bytes)));
}

/* Fetch what lies ahead of `place` in a batch that is leaving: a block, and the batch, which waited as long as its blocks. */
PW_INLINE void fetch_ahead(const struct pw_quarantine_batch *batch, uint32_t place)
{
    enum { AHEAD = 8, BATCH_AHEAD = 24 };
    __builtin_prefetch(&batch->blocks[place + BATCH_AHEAD]);
    if (pw_likely(place + AHEAD < batch->count))
        fetch_whole((uint64_t)batch->blocks[place + AHEAD]);
}

/* See to the next block of the batch that is leaving. */
static void let_go(struct pw_cache *cache, const struct pw_call *call)
{
    struct pw_quarantine_batch *batch = cache->leaving;
    uint32_t place = cache->left++;
    fetch_ahead(batch, place);
    evict(cache, batch->blocks[place], call, PW_OP_QUARANTINE);
    if (place + 1 < batch->count)
        return;
    cache->leaving = NULL;
    pw_quarantine_free_batch(batch);
}

static void let_all_go(struct pw_cache *cache, const struct pw_call *call)
{
    while (cache->leaving != NULL)
        let_go(cache, call);
}

/* Queue the thread's own batch. */
static void put_own(struct pw_cache *cache)
{
    struct pw_quarantine_batch *batch = cache->batch;
    cache->batch = NULL;
    if (batch != NULL && batch->count > 0)
        pw_quarantine_put(batch, cache->heap->index);
    else if (batch != NULL)
        pw_quarantine_free_batch(batch);
}

/* Let go of what has waited longest until no more than `limit` bytes wait, but for the last batch, which is leaving then. */
static void shorten(struct pw_cache *cache, uint64_t limit, const struct pw_call *call)
{
    struct pw_quarantine_batch *batch;
    while ((batch = pw_quarantine_take(limit, cache->heap->index)) != NULL) {
        let_all_go(cache, call);
        cache->left = 0;
        cache->leaving = batch;
    }
}

/* The thread's own batch is full. */
static PW_NOINLINE void turn_over(struct pw_cache *cache, const struct pw_call *call)
{
    int saved_errno = errno;
    let_all_go(cache, call);
    put_own(cache);
    pw_note_others(cache);
    shorten(cache, limit_bytes(), call);
    errno = saved_errno;
}

void pw_quarantine_flush(struct pw_cache *cache, const struct pw_call *call)
{
    turn_over(cache, call);
    let_all_go(cache, call);
}

bool pw_quarantine_empty(struct pw_cache *cache, const struct pw_call *call)
{
    bool had_some = cache->leaving != NULL;
    put_own(cache);
    pw_note_others(cache);
    shorten(cache, 0, call);
    had_some = had_some || cache->leaving != NULL;
    let_all_go(cache, call);
    return had_some;
}

/* Bytes of blocks that a thread keeps in its own batch. */
static uint64_t batch_bytes(void)
{
    return (uint64_t)pw_options()->thread_local_quarantine_size_kb << 10;
}

/*
 * Each free lets a block go, so that one that was just verified is the one that is used next, while it is in the
 * processor's cache.
 */
bool pw_quarantine_quickly(struct pw_cache *cache, uint64_t address, uint64_t bytes)
{
    struct pw_quarantine_batch *batch = cache->batch, *leaving = cache->leaving;
    if (pw_unlikely(batch == NULL || pw_options()->quarantine_size_mb == 0 || batch->count + 1 == PW_BATCH_BLOCKS ||
                    batch->bytes + bytes >= batch_bytes()))
        return false;
    if (pw_likely(leaving != NULL)) {
        uint32_t place = cache->left;
        uint64_t first = (uint64_t)leaving->blocks[place];
        if (pw_unlikely(place + 1 == leaving->count) || !evict_small(cache, first, pw_quick_entry(first)))
            return false;
        fetch_ahead(leaving, place);
        cache->left = place + 1;
    }
    batch->blocks[batch->count++] = (void *)address;
    batch->bytes += bytes;
    return true;
}

void pw_quarantine_block(struct pw_cache *cache, void *block, uint64_t bytes,
                         const struct pw_call *call)
{
    if (cache->batch == NULL)
        cache->batch = pw_quarantine_new_batch();
    if (cache->batch == NULL || pw_options()->quarantine_size_mb == 0) {
        evict(cache, block, call, call->operation);
        return;
    }
    cache->batch->blocks[cache->batch->count++] = block;
    cache->batch->bytes += bytes;
    if (pw_unlikely(cache->batch->count == PW_BATCH_BLOCKS || cache->batch->bytes >= batch_bytes()))
        turn_over(cache, call);
    if (cache->leaving != NULL)
        let_go(cache, call);
}
