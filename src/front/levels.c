/* levels.c - acquire and release at whatever level, and the slow halves of the fast ones. */
#include "front/cap.h"
#include "front/full.h"
#include "front/guarded/guarded.h"
#include "front/guarded/watch.h"
#include "front/quick.h"
#include "front/trim.h"

#include "trace/depot.h"
#include "trace/unwind.h"

struct pw_full pw_full = {.malloc = pw_full_malloc, .free = pw_full_free};

PW_WRITTEN_EARLY uint64_t pw_fast_most;

void pw_ways_start(void)
{
    pw_fast_most = PW_SLAB_MAX_BYTES - pw_root.zone_min_bytes;
    if (pw_options()->wide_vectors && pw_full_malloc_wide != NULL && pw_has_wide_vectors())
        pw_full = (struct pw_full){.malloc = pw_full_malloc_wide, .free = pw_full_free_wide};
}

uint32_t pw_stack_of(const struct pw_cache *cache, const struct pw_call *call)
{
    if (cache->level < PW_LEVEL_FULL)
        return 0;
    if (call->stack != 0)
        return call->stack;
    if (pw_unlikely(!pw_can_unwind) || pw_cap_gave_up(PW_CAP_NO_STACKS))
        return pw_depot_put(&call->pc, 1);
    return pw_unwind_capture_id(pw_options()->malloc_context_size, call->pc, call->frame, call->fp);
}

void pw_stack_ahead(struct pw_call *call, const void *pointer)
{
    struct pw_cache *cache = pw_self;
    if (call->stack != 0 || cache == NULL || cache->level < PW_LEVEL_FULL || !pw_enter(cache))
        return;
    (void)pw_handle_fetch((uint64_t)pointer);
    call->stack = pw_stack_of(cache, call);
    pw_leave(cache);
}

/* A block is leaving its ring for the heap at level fast: is its poison intact? */
static bool may_leave(void *block)
{
    struct pw_handle handle = pw_handle_of(block);
    if (pw_cached_is_intact(&handle, PW_LEVEL_FAST))
        return true;
    struct pw_call call = PW_CALL(PW_OP_QUARANTINE, PW_FAMILY_MALLOC);
    return !pw_found_in_block(handle.address, &call);
}

pw_check_of_block *pw_leaving_check(const struct pw_cache *cache)
{
    return cache->level == PW_LEVEL_FAST ? may_leave : NULL;
}

/* Blocks that nobody asks for any more must not hold memory while the heap grows. */
static void clear_out(struct pw_cache *cache)
{
    pw_cache_clear_out(cache, pw_leaving_check(cache));
    pw_cache_flush_transfer(pw_leaving_check(cache));
    pw_slab_hide_pages(cache->heap);
}

void *pw_refill(struct pw_cache *cache, uint32_t block_class, const struct pw_call *call)
{
    (void)call;
    bool is_fifo = cache->level == PW_LEVEL_FAST;
    pw_note_others(cache);
    pw_reentry_settle();
    if (pw_unlikely(pw_heap_has_grown(cache->heap)))
        clear_out(cache);
    while (pw_cache_refill(cache, block_class)) {
        void *block = pw_cache_pop(cache, block_class, is_fifo);
        if (block != NULL)
            return block;
    }
    /* No memory: what was to stay in is better than nothing. */
    return pw_cache_pop_any(cache, block_class);
}

void pw_overflow(struct pw_cache *cache, uint32_t block_class, void *block)
{
    /* Small granule blocks are only asked for with an alignment, and then of the heap. */
    if (pw_class_bytes[block_class] <= PW_SLAB_MAX_BYTES && !pw_class_is_slab(block_class))
        pw_cache_drain_home(cache, block_class, pw_leaving_check(cache));
    else
        pw_cache_drain(cache, block_class, pw_leaving_check(cache));
    struct pw_handle handle = {.address = (uint64_t)block, .block_class = block_class};
    (void)pw_put(cache, &handle, pw_page_map_entry(handle.address), (enum pw_level)cache->level);
}

bool pw_quick_release_foreign(struct pw_cache *cache, void *pointer, size_t size)
{
    struct pw_handle handle = {.address = (uint64_t)pointer};
    uint64_t entry = pw_page_map_entry(handle.address);
    return pw_is_foreign(cache, entry) && pw_quick_gate(&handle, entry, PW_FAMILY_MALLOC, PW_LEVEL_OFF) &&
           (size == SIZE_MAX || size == pw_quick_requested(&handle)) &&
           pw_quick_put(cache, &handle, PW_LEVEL_OFF, true);
}

static void fill_new(void *block, size_t size)
{
    uint64_t most = pw_options()->max_malloc_fill_size;
    if (most > 0)
        __builtin_memset(block, pw_options()->malloc_fill_byte, size < most ? size : most);
}

/* A CACHED small block, looked at, for `bytes` (zone included) at an alignment; header NULL: no memory. */
static struct pw_handle take_block(struct pw_cache *cache, uint64_t bytes, size_t align,
                                   const struct pw_call *call)
{
    bool is_fifo = cache->level == PW_LEVEL_FAST;
    uint32_t block_class = align > PW_SLAB_ALIGNMENT && align <= PW_HEAP_ALIGNMENT
                               ? pw_class_aligned(bytes, align)
                               : pw_class_for(bytes);
    for (;;) {
        void *block;
        if (align > PW_HEAP_ALIGNMENT) {
            pw_note_others(cache);
            block = pw_heap_take_aligned(cache->heap, pw_granules_of(bytes), align);
        } else {
            block = pw_cache_pop(cache, block_class, is_fifo);
        }
        if (block == NULL && align <= PW_HEAP_ALIGNMENT)
            block = pw_refill(cache, block_class, call);
        if (block == NULL)
            return (struct pw_handle){.header = NULL};
        struct pw_handle handle = pw_handle_of(block);
        bool is_intact = cache->level >= PW_LEVEL_FULL   ? pw_cached_is_intact(&handle, PW_LEVEL_FULL)
                         : cache->level == PW_LEVEL_FAST ? pw_cached_is_intact(&handle, PW_LEVEL_FAST)
                                                         : true;
        if (is_intact || !pw_found_in_block(handle.address, call))
            return handle;
    }
}

static void *small_acquire(struct pw_cache *cache, size_t size, uint64_t bytes, size_t align,
                           bool zero, uint32_t stack, const struct pw_call *call)
{
    struct pw_handle handle = take_block(cache, bytes, align, call);
    if (handle.header == NULL)
        return NULL;
    uint32_t flags = (uint32_t)call->family << PW_HEAP_FAMILY_SHIFT;
    if (align > 1)
        flags |= PW_HEAP_ALIGNED;
    if (++cache->allocations == cache->chores_at)
        pw_chores(cache, call);
    if (cache->level >= PW_LEVEL_FULL) {
        *pw_handle_evidence(&handle, pw_page_map_entry(handle.address)) = (struct pw_evidence){
            .alloc_stack = stack,
            .align_shift = pw_align_shift(align),
            .alloc_thread = cache->thread,
            .number = cache->allocations};
        pw_cache_count_live(cache, (int64_t)handle.bytes);
        pw_dress(&handle, size, zero, flags, PW_LEVEL_FULL);
    } else if (cache->level == PW_LEVEL_FAST) {
        pw_dress(&handle, size, zero, flags, PW_LEVEL_FAST);
    } else {
        pw_dress(&handle, size, zero, flags, PW_LEVEL_OFF);
    }
    if (!zero)
        fill_new((void *)handle.address, size);
    return (void *)handle.address;
}

/* A block of the guard pool, whose fresh pages are zero; NULL: this one is to be as others are. */
static void *guarded_acquire(struct pw_cache *cache, size_t size, size_t align, bool zero,
                             uint32_t stack, const struct pw_call *call)
{
    void *block = pw_guarded_acquire(cache, cache->heap, size, align, stack, call);
    if (block == NULL)
        return NULL;
    if (++cache->allocations == cache->chores_at)
        pw_chores(cache, call);
    if (!zero)
        fill_new(block, size);
    return block;
}

/* Of a size that may be had at all; NULL: no memory. */
static void *serve(struct pw_cache *cache, size_t size, size_t align, bool zero, uint32_t stack,
                   const struct pw_call *call)
{
    uint64_t bytes = pw_bytes_for(size, (enum pw_level)cache->level);
    if (bytes <= PW_HEAP_LARGE_ALLOC_THRESHOLD && align <= PW_HEAP_LARGE_ALLOC_THRESHOLD)
        return small_acquire(cache, size, bytes, align, zero, stack, call);
    void *block = pw_big_acquire(cache->heap, size, align, zero, cache->thread, cache->allocations + 1,
                                 stack, call);
    if (block == NULL)
        return NULL;
    if (++cache->allocations == cache->chores_at)
        pw_chores(cache, call);
    if (cache->level >= PW_LEVEL_FULL)
        pw_cache_count_live(cache, (int64_t)size);
    if (!zero)
        fill_new(block, size);
    return block;
}

static void *acquire(struct pw_cache *cache, size_t size, size_t align, bool zero, uint32_t stack,
                     const struct pw_call *call)
{
    uint64_t most = pw_options()->max_allocation_size_mb;
    /* No room that could be made is enough for more than there are addresses. */
    if ((size | align) >> PW_ADDRESS_BITS != 0 || (most != 0 && size >> 20 >= most && size > most << 20))
        return NULL;
    if (pw_unlikely(pw_cap_is_on) && !pw_cap_allows(cache, size, call))
        return NULL;
    if (pw_unlikely(size > PW_HEAP_LARGE_ALLOC_THRESHOLD))
        pw_note_others(cache);
    if (pw_guards_are_on) {
        void *guarded = guarded_acquire(cache, size, align, zero, stack, call);
        if (guarded != NULL)
            return guarded;
    }
    void *block = serve(cache, size, align, zero, stack, call);
    if (pw_unlikely(block == NULL) && pw_make_room(cache, call))
        block = serve(cache, size, align, zero, stack, call);
    return block;
}

void *pw_acquire(struct pw_cache *cache, size_t size, size_t align, bool zero,
                 const struct pw_call *call)
{
    uint32_t stack = pw_stack_of(cache, call);
    void *block = acquire(cache, size, align, zero, stack, call);
    if (block != NULL)
        pw_note(cache, (uint64_t)block, size, stack, call->operation, false);
    if (pw_unlikely(pw_watch_is_on) && block != NULL)
        pw_watch_acquired(cache, block, size, stack);
    return block;
}

static void release(struct pw_cache *cache, void *pointer, const struct pw_call *call)
{
    uint64_t entry;
    struct pw_handle handle = pw_gate(pointer, &entry);
    if (handle.header == NULL) {
        pw_found_bad_pointer(pointer, call);
        return;
    }
    bool is_mapped = (entry & PW_ENTRY_SHIFT_MASK) == PW_PAGE_SHIFT;
    if (pw_unlikely(is_mapped) && pw_is_guarded(pw_block_at(entry, handle.address)))
        pw_guarded_release(cache, pw_block_at(entry, handle.address), handle.word, call);
    else if (pw_unlikely(is_mapped))
        pw_big_release(cache, pw_block_at(entry, handle.address), handle.word, call);
    else if (cache->level >= PW_LEVEL_FULL)
        pw_full_release(cache, &handle, entry, call);
    else if (cache->level == PW_LEVEL_FAST)
        pw_small_release(cache, &handle, entry, call, PW_LEVEL_FAST);
    else
        pw_small_release(cache, &handle, entry, call, PW_LEVEL_OFF);
}

void pw_release(struct pw_cache *cache, void *pointer, const struct pw_call *call)
{
    if (pw_likely(!pw_watch_is_on)) {
        release(cache, pointer, call);
        return;
    }
    pw_watch_releasing(pointer);
    release(cache, pointer, call);
    pw_watch_released(pointer);
}
