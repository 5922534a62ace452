/*
 * full.c - malloc and free of a small block at full: when nothing is out of the ordinary, in one go, for
 * most of the time at full is spent here. Else it gives up before it has changed anything, and the long way
 * (pw_allocate, pw_release_slowly) does it all and says what is wrong. The stack is captured while what the rest will touch
 * is on its way from memory.
 */
#include "front/full.h"

#include "front/entry.h"
#include "front/guarded/guarded.h"
#include "front/leaving.h"
#include "trace/unwind.h"

/* Who called, and as what: see full.h. */
struct caller {
    uint64_t how, pc, frame, fp;
};

PW_INLINE struct pw_call call_of(const struct caller *caller, uint32_t stack)
{
    struct pw_call call = PW_CALL_FROM(caller->pc, caller->frame, caller->fp, pw_how_operation(caller->how),
                                       pw_how_family(caller->how));
    call.stack = stack;
    return call;
}

/* The threads that are here may unwind, and are under no cap: see pw_threads_choose_ways. */
PW_INLINE uint32_t stack_of(const struct caller *caller)
{
    uint32_t known = (uint32_t)(caller->how >> PW_HOW_STACK_SHIFT);
    if (pw_unlikely(known != 0))
        return known;
    uint32_t max = pw_options()->malloc_context_size;
    uint32_t id = pw_unwind_usual_id(max, caller->pc, caller->frame, caller->fp);
    return pw_likely(id != 0) ? id : pw_unwind_other_id(max, caller->pc, caller->frame, caller->fp);
}

/* The block beside another: its word, address and size in granules. */
struct neighbour {
    uint64_t word; /* 0: there is none */
    uint64_t address;
    uint32_t size;
};

PW_INLINE_RACES struct neighbour neighbour_of(struct pw_block block)
{
    if (block.region == NULL)
        return (struct neighbour){.word = 0};
    return (struct neighbour){
        .word = atomic_load_explicit(pw_region_word(block.region, block.granule), memory_order_acquire),
        .address = pw_block_address(block),
        .size = pw_region_size(block.region, block.granule)};
}

PW_INLINE_RACES struct neighbour neighbour_before(const struct pw_handle *handle, uint64_t entry)
{
    if (pw_unlikely(!pw_entry_is_slab(entry)))
        return neighbour_of(pw_block_previous(pw_block_at(entry, handle->address)));
    bool is_first = handle->address % PW_SPAN_BYTES == PW_SPAN_FRONT_BYTES;
    return (struct neighbour){
        .word = is_first ? 0 : atomic_load_explicit(handle->header - 1, memory_order_acquire),
        .address = handle->address - handle->bytes,
        .size = handle->size};
}

/* In a slab, the words behind the last block that was handed out are 0. */
PW_INLINE_RACES struct neighbour neighbour_behind(const struct pw_handle *handle, uint64_t entry)
{
    if (pw_unlikely(!pw_entry_is_slab(entry)))
        return neighbour_of(pw_block_next(pw_block_at(entry, handle->address)));
    return (struct neighbour){.word = atomic_load_explicit(handle->header + 1, memory_order_acquire),
                              .address = handle->address + handle->bytes,
                              .size = handle->size};
}

/*
 * Every byte between the data of the block before and this one, and this one's own zone. Of the blocks around this
 * one all may change meanwhile; pw_found_in_block looks again, with the lock.
 */
PW_INLINE_RACES bool zones_hold(const struct pw_handle *handle, uint64_t entry)
{
    uint64_t end = handle->address + handle->bytes;
    if (!pw_zone_slack_holds(end - pw_word_fields(handle->word).slack, end) ||
        !pw_zone_tail_holds(handle->address))
        return false;
    struct neighbour before = neighbour_before(handle, entry);
    struct pw_fields fields = pw_word_fields(before.word);
    if (fields.state != PW_STATE_LIVE ||
        !pw_word_is_sealed(pw_root.seal_key, before.address, before.word, before.size))
        return true;
    return pw_zone_slack_holds(handle->address - fields.slack, handle->address);
}

PW_INLINE_RACES bool next_is_sealed(const struct pw_handle *handle, uint64_t entry)
{
    struct neighbour next = neighbour_behind(handle, entry);
    return next.word == 0 || pw_word_is_sound(pw_root.seal_key, next.address, next.word, next.size);
}

/* What is wrong with a block that is being given back, if anything; false: it is LIVE and as it should be by now. */
static PW_NOINLINE bool is_damaged(uint64_t address, const struct caller *caller, uint32_t stack)
{
    struct pw_call call = call_of(caller, stack);
    return pw_found_in_block(address, &call);
}

static PW_NOINLINE void bad_pointer(uint64_t address, const struct caller *caller, uint32_t stack)
{
    struct pw_call call = call_of(caller, stack);
    pw_found_bad_pointer((void *)address, &call);
}

/*
 * Queue a QUARANTINED block that weighs `bytes`; false: it is for pw_quarantine_block to do, and nothing was done.
 * Each free lets a block go, so that one that was just verified is the one that is used next, while it is in the
 * processor's cache.
 */
static PW_NOINLINE bool quarantine_quickly(struct pw_cache *cache, uint64_t address, uint64_t bytes)
{
    struct pw_quarantine_batch *batch = cache->batch, *leaving = cache->leaving;
    if (pw_unlikely(batch == NULL || pw_options()->quarantine_size_mb == 0 || batch->count + 1 == PW_BATCH_BLOCKS ||
                    batch->bytes + bytes >= pw_batch_bytes()))
        return false;
    if (pw_likely(leaving != NULL)) {
        uint32_t place = cache->left;
        uint64_t first = (uint64_t)leaving->blocks[place];
        if (pw_unlikely(place + 1 == leaving->count) || !pw_evict_small(cache, first, pw_quick_entry(first)))
            return false;
        pw_fetch_ahead(leaving, place);
        cache->left = place + 1;
    }
    batch->blocks[batch->count++] = (void *)address;
    batch->bytes += bytes;
    return true;
}

static PW_NOINLINE void quarantine_slowly(struct pw_cache *cache, const struct pw_handle *handle,
                                          const struct caller *caller, uint32_t stack)
{
    struct pw_call call = call_of(caller, stack);
    pw_quarantine_block(cache, (void *)handle->address, handle->bytes, &call);
}

/* Check, claim, poison a LIVE block and put it into the quarantine; the cache is entered. */
PW_INLINE void release(struct pw_cache *cache, const struct pw_handle *handle, uint64_t entry, uint32_t stack,
                       const struct caller *caller)
{
    if (pw_unlikely(!zones_hold(handle, entry) || !next_is_sealed(handle, entry)) &&
        is_damaged(handle->address, caller, stack))
        return;
    uint64_t expected = handle->word;
    if (!atomic_compare_exchange_strong_explicit(handle->header, &expected,
                                                 pw_word_pending(expected, PW_STATE_LIVE),
                                                 memory_order_acq_rel, memory_order_acquire)) {
        bad_pointer(handle->address, caller, stack);
        return;
    }
    struct pw_evidence *evidence = pw_handle_evidence(handle, entry);
    evidence->free_stack = stack;
    evidence->free_thread = cache->thread;
    if (evidence->alloc_thread != cache->thread)
        pw_note_others(cache);
    pw_note(cache, handle->address, handle->bytes - pw_word_fields(handle->word).slack, stack,
            pw_how_operation(caller->how), true);
    pw_poison_write(handle->address, pw_poison_bytes(handle->bytes));
    pw_cache_count_live(cache, -(int64_t)handle->bytes);
    cache->frees++;
    struct pw_fields fields = pw_word_fields(handle->word);
    pw_handle_set(handle, PW_STATE_QUARANTINED, fields.flags, fields.slack);
    if (pw_unlikely(!quarantine_quickly(cache, handle->address, handle->bytes)))
        quarantine_slowly(cache, handle, caller, stack);
}

void pw_full_release(struct pw_cache *cache, const struct pw_handle *handle, uint64_t entry, const struct pw_call *call)
{
    struct caller caller = {
        .how = pw_how_of(call, false), .pc = call->pc, .frame = call->frame, .fp = call->fp};
    release(cache, handle, entry, pw_stack_of(cache, call), &caller);
}

/* A block for the entered cache, or NULL: take the long way. */
PW_INLINE void *acquire(struct pw_cache *cache, size_t size, const struct caller *caller)
{
    if (pw_unlikely(size > PW_SLAB_MAX_BYTES || cache->allocations + 1 == cache->chores_at))
        return NULL;
    uint64_t bytes = pw_bytes_for(size, PW_LEVEL_FULL);
    if (pw_unlikely(bytes > PW_SLAB_MAX_BYTES))
        return NULL;
    struct pw_ring *ring = pw_ring_for(cache, bytes);
    if (pw_unlikely(ring->count == 0))
        return NULL;
    void *const *places = &cache->places[ring->first];
    uint32_t place = (ring->head + ring->count - 1) & ring->mask;
    struct pw_handle handle = pw_quick_handle(ring, (uint64_t)places[place], PW_LEVEL_FULL);
    handle.word = atomic_load_explicit(handle.header, memory_order_relaxed);
    struct pw_evidence *evidence = pw_entry_evidence(pw_quick_entry(handle.address), handle.header);
    __builtin_prefetch(evidence, 1);
    pw_fetch_ends(handle.address, handle.bytes);
    pw_fetch_ends((uint64_t)places[(place - 1) & ring->mask], ring->bytes); /* for the next one */
    uint32_t stack = stack_of(caller);
    if ((pw_guards_are_on && pw_unlikely(!pw_guarded_passes(cache, size, stack))) ||
        pw_unlikely(!pw_cached_is_intact(&handle, PW_LEVEL_FULL)))
        return NULL;
    ring->count--;
    cache->allocations++;
    *evidence = (struct pw_evidence){
        .alloc_stack = stack, .alloc_thread = cache->thread, .number = cache->allocations};
    pw_cache_count_live(cache, (int64_t)handle.bytes);
    pw_dress(&handle, size, (caller->how & PW_HOW_ZERO) != 0,
             (uint32_t)pw_how_family(caller->how) << PW_HEAP_FAMILY_SHIFT, PW_LEVEL_FULL);
    pw_note(cache, handle.address, size, stack, pw_how_operation(caller->how), false);
    return (void *)handle.address;
}

static PW_NOINLINE void *allocate_slowly(size_t size, const struct caller *caller)
{
    struct pw_call call = call_of(caller, (uint32_t)(caller->how >> PW_HOW_STACK_SHIFT));
    return pw_allocate(size, 1, (caller->how & PW_HOW_ZERO) != 0, &call);
}

void *pw_full_malloc(struct pw_cache *cache, size_t size, uint64_t pc, uint64_t frame, uint64_t fp, uint64_t how)
{
    const struct caller caller = {.how = how, .pc = pc, .frame = frame, .fp = fp};
    pw_cache_enter(cache);
    void *block = acquire(cache, size, &caller);
    pw_leave(cache);
    return pw_likely(block != NULL) ? block : allocate_slowly(size, &caller);
}

/* Is it LIVE, and is that how its kind is given back? */
PW_INLINE bool is_in_order(const struct pw_handle *handle, uint64_t how, size_t size)
{
    struct pw_fields fields = pw_word_fields(handle->word);
    return pw_word_goes_back_plainly(handle->word, pw_how_family(how)) && pw_handle_is_sealed(handle) &&
           (size == SIZE_MAX || size == handle->bytes - fields.slack);
}

/* False: take the long way. */
PW_INLINE bool free_usual(void *pointer, size_t size, const struct caller *caller)
{
    struct pw_cache *cache = pw_self;
    struct pw_handle handle = {.address = (uint64_t)pointer};
    uint64_t entry = pw_page_map_entry(handle.address);
    if (pw_unlikely(!pw_entry_is_slab(entry)))
        return false;
    pw_cache_enter(cache);
    pw_handle_find(&handle, entry);
    pw_fetch_ends(handle.address, handle.bytes);
    __builtin_prefetch((void *)(handle.address - 1)); /* the zone before it */
    __builtin_prefetch(pw_handle_evidence(&handle, entry), 1);
    uint32_t stack = stack_of(caller);
    bool is_usual = is_in_order(&handle, caller->how, size);
    if (pw_likely(is_usual))
        release(cache, &handle, entry, stack, caller);
    pw_leave(cache);
    return is_usual;
}

static PW_NOINLINE void free_slowly(void *pointer, size_t size, const struct caller *caller)
{
    struct pw_call call = call_of(caller, (uint32_t)(caller->how >> PW_HOW_STACK_SHIFT));
    pw_release_slowly(pointer, &call, size, PW_ANY_ALIGN);
}

void pw_full_free(void *pointer, size_t size, uint64_t pc, uint64_t frame, uint64_t fp, uint64_t how)
{
    const struct caller caller = {.how = how, .pc = pc, .frame = frame, .fp = fp};
    if (pw_unlikely(!free_usual(pointer, size, &caller)))
        free_slowly(pointer, size, &caller);
}
