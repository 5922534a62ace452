/* quarantine.c - into and out of the quarantine, at full. */

#include "front/cap.h"
#include "front/leaving.h"

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

/* What pw_evict_small does, of a big block, or one that is not as it should be: it is verified as a part of `operation`. */
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
    if (pw_unlikely(!pw_evict_small(cache, address, entry)))
        evict_slowly(address, entry, call, operation);
}

/* See to the next block of the batch that is leaving. */
static void let_go(struct pw_cache *cache, const struct pw_call *call)
{
    struct pw_quarantine_batch *batch = cache->leaving;
    uint32_t place = cache->left++;
    pw_fetch_ahead(batch, place);
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

/*
 * Let a batch that threads of another heap filled go home at once: with blocks of theirs a thread would write to the headers
 * beside those that they write to, from then on.
 */
static void send_home(struct pw_quarantine_batch *batch, const struct pw_call *call)
{
    enum { AT_ONCE = 64 };
    void *blocks[AT_ONCE];
    uint32_t count = 0;
    for (uint32_t place = 0; place < batch->count; place++) {
        uint64_t address = (uint64_t)batch->blocks[place], entry = pw_quick_entry(address);
        pw_fetch_ahead(batch, place);
        struct pw_handle handle = pw_intact_small(address, entry);
        if (pw_unlikely(handle.header == NULL)) {
            evict_slowly(address, entry, call, PW_OP_QUARANTINE);
            continue;
        }
        pw_handle_set(&handle, PW_STATE_CACHED, 0, pw_word_fields(handle.word).slack);
        blocks[count++] = (void *)address;
        if (count == AT_ONCE) {
            pw_heap_give(blocks, count);
            count = 0;
        }
    }
    pw_heap_give(blocks, count);
    pw_quarantine_free_batch(batch);
}

/* Let go of what has waited longest until no more than `limit` bytes wait, but for the last batch, which is leaving then. */
static void shorten(struct pw_cache *cache, uint64_t limit, const struct pw_call *call)
{
    struct pw_quarantine_batch *batch;
    while ((batch = pw_quarantine_take(limit, cache->heap->index)) != NULL) {
        if (batch->queue != cache->heap->index) {
            send_home(batch, call);
            continue;
        }
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
    if (pw_unlikely(cache->batch->count == PW_BATCH_BLOCKS || cache->batch->bytes >= pw_batch_bytes()))
        turn_over(cache, call);
    if (cache->leaving != NULL)
        let_go(cache, call);
}
