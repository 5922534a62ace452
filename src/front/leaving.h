/* leaving.h - small blocks on their way out of the quarantine: what its short way (full.c) and its long one do alike. */
#ifndef PW_FRONT_LEAVING_H
#define PW_FRONT_LEAVING_H

#include "check/quarantine.h"
#include "front/quick.h"

/*
 * The block at `address`, of that entry, if it is small, has waited long enough and is as it was left. Else header NULL: it is
 * for quarantine.c to see to; nothing was done.
 */
PW_INLINE struct pw_handle pw_intact_small(uint64_t address, uint64_t entry)
{
    struct pw_handle handle = {.address = address};
    if (pw_unlikely((entry & PW_ENTRY_SHIFT_MASK) == PW_PAGE_SHIFT))
        return handle;
    pw_handle_find(&handle, entry);
    bool is_fine = pw_handle_is_sealed(&handle) &&
                   pw_poison_holds(handle.address, pw_poison_bytes(handle.bytes)) &&
                   pw_zone_tail_holds(handle.address + handle.bytes);
    if (pw_unlikely(!is_fine))
        handle.header = NULL;
    return handle;
}

/* Let such a block be used again; false: it is no such one. */
PW_INLINE bool pw_evict_small(struct pw_cache *cache, uint64_t address, uint64_t entry)
{
    struct pw_handle handle = pw_intact_small(address, entry);
    if (pw_unlikely(handle.header == NULL))
        return false;
    pw_recycle(cache, &handle);
    return true;
}

/*
 * Fetch what evict will touch of a block that leaves soon. All of it is verified, but what lies far behind its beginning the
 * processor fetches by itself. Without a branch for each line: see check/poison.h.
 */
PW_INLINE void pw_fetch_whole(uint64_t address)
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
PW_INLINE void pw_fetch_ahead(const struct pw_quarantine_batch *batch, uint32_t place)
{
    enum { AHEAD = 8, BATCH_AHEAD_BYTES = 192 };
    __builtin_prefetch((const void *)((uint64_t)&batch->blocks[place] + BATCH_AHEAD_BYTES)); /* behind its end it does no harm */
    if (pw_likely(place + AHEAD < batch->count))
        pw_fetch_whole((uint64_t)batch->blocks[place + AHEAD]);
}

/* Bytes of blocks that a thread keeps in its own batch. */
PW_INLINE uint64_t pw_batch_bytes(void)
{
    return (uint64_t)pw_options()->thread_local_quarantine_size_kb << 10;
}

#endif
