/*
 * big.c - MAPPED blocks at every level.
 *
 * A freed one at full waits in the quarantine like the others: up to TAKE_AWAY_BYTES filled with
 * poison, above with its pages taken away, so that it costs no memory and any access faults.
 */
#include "front/hot.h"
#include "os/memory.h"

/* Pages that were taken away still take 8 bytes of page table each. */
enum { TAKE_AWAY_BYTES = 128 * 1024, TAKEN_AWAY_WEIGHT = 4096, MARKER_SHARE_SHIFT = 9, MOVE_PAGES_BYTES = 4 << 20 };

static void set_header(struct pw_block block, uint32_t state, uint32_t flags)
{
    pw_header_write(block.region, block.granule, state, flags, 0, pw_block_header(block)->size);
}

static uint32_t flags_of(struct pw_block block)
{
    return pw_header_fields(pw_block_header(block)).flags;
}

/* Write the zone behind the data of a block that is CACHED or PENDING. */
static void write_zone(struct pw_block block, size_t size)
{
    uint64_t address = pw_block_address(block);
    if (pw_root.level == PW_LEVEL_FAST)
        pw_zone_write_near(address + size);
    else if (pw_root.level >= PW_LEVEL_FULL)
        pw_zone_write_all(address + size, address + pw_mapped_capacity(block));
}

static uint64_t zone_bytes(size_t size)
{
    return pw_root.level == PW_LEVEL_OFF ? 0 : pw_zone_bytes(&pw_root, size);
}

void *pw_big_acquire(struct pw_heap *heap, size_t size, size_t align, bool zero, uint16_t thread,
                     uint32_t number, uint32_t stack, const struct pw_call *call)
{
    void *address = pw_heap_map_memory(heap, size + zone_bytes(size),
                                       align < PW_PAGE_BYTES ? PW_PAGE_BYTES : align);
    if (address == NULL)
        return NULL;
    struct pw_block block =
        pw_block_at(pw_page_map_entry((uint64_t)address), (uint64_t)address);
    uint32_t flags = flags_of(block);
    if ((flags & PW_HEAP_POISONED) != 0 && pw_root.level == PW_LEVEL_FAST &&
        !pw_poison_line_holds((uint64_t)address, PW_PAGE_BYTES)) {
        pw_found_in_block((uint64_t)address, call);
        return pw_big_acquire(heap, size, align, zero, thread, number, stack, call);
    }
    set_header(block, PW_STATE_PENDING, flags & ~PW_HEAP_POISONED);
    if (zero && (flags & PW_HEAP_ZEROED) == 0)
        __builtin_memset(address, 0, size);
    write_zone(block, size);
    pw_mapped_set_requested(block, size);
    if (pw_root.level >= PW_LEVEL_FULL)
        *pw_region_evidence(block.region, block.granule) =
            (struct pw_evidence){.alloc_stack = stack, .alloc_thread = thread, .number = number};
    flags = (flags & PW_HEAP_GUARDED) | PW_HEAP_MAPPED | (uint32_t)call->family << PW_HEAP_FAMILY_SHIFT;
    set_header(block, PW_STATE_LIVE, align > 1 ? flags | PW_HEAP_ALIGNED : flags);
    return address;
}

static bool zone_holds(struct pw_block block, size_t size)
{
    uint64_t address = pw_block_address(block);
    if (pw_root.level == PW_LEVEL_OFF)
        return true;
    if (pw_root.level == PW_LEVEL_FAST)
        return pw_zone_near_holds(address + size);
    return pw_zone_all_holds(address + size, address + pw_mapped_capacity(block));
}

/*
 * A walker that saw the block LIVE may be reading its zone, and holds the lock of its heap: let it end. Later
 * ones see it PENDING. System calls on many pages take milliseconds, which nobody is to wait for.
 */
static void let_walkers_go(struct pw_block block)
{
    struct pw_heap *heap = &pw_heaps[block.region->heap];
    pw_heap_acquire(heap);
    pw_heap_release(heap);
}

static bool take_away(struct pw_block block, uint64_t capacity)
{
    let_walkers_go(block);
    return pw_os_guard((void *)pw_block_address(block), capacity);
}

/* Poison a claimed block or take its pages away, and queue it. */
static void quarantine(struct pw_cache *cache, struct pw_block block, uint32_t stack,
                       const struct pw_call *call)
{
    void *address = (void *)pw_block_address(block);
    uint64_t capacity = pw_mapped_capacity(block);
    struct pw_evidence *evidence = pw_region_evidence(block.region, block.granule);
    evidence->free_stack = stack;
    evidence->free_thread = cache->thread;
    pw_note(cache, (uint64_t)address, pw_block_extension(block)->requested, stack, call);
    uint32_t flags = flags_of(block) & ~(PW_HEAP_ZEROED | PW_HEAP_POISONED);
    uint64_t weight = capacity;
    if (capacity > TAKE_AWAY_BYTES && take_away(block, capacity)) {
        flags |= PW_HEAP_ZEROED;
        weight = TAKEN_AWAY_WEIGHT + (capacity >> MARKER_SHARE_SHIFT);
    } else {
        pw_poison_write((uint64_t)address,
                        capacity < pw_root.free_fill_max ? capacity : pw_root.free_fill_max);
        flags |= PW_HEAP_POISONED;
    }
    set_header(block, PW_STATE_QUARANTINED, flags);
    pw_quarantine_block(cache, address, weight, call);
}

void pw_big_release(struct pw_cache *cache, struct pw_block block, uint64_t word,
                    const struct pw_call *call)
{
    struct pw_header *header = pw_block_header(block);
    uint64_t address = pw_block_address(block);
    struct pw_extension *extension = pw_block_extension(block);
    uint32_t stack = pw_stack_of(cache, call);
    size_t size = extension->requested;
    if ((size > pw_mapped_capacity(block) ||
         extension->check != pw_extension_check(pw_root.seal_key, address, size) ||
         !zone_holds(block, size)) &&
        pw_found_in_block(address, call))
        return;
    uint64_t expected = word;
    if (!atomic_compare_exchange_strong_explicit(&header->word, &expected,
                                                 pw_word_pending(word, PW_STATE_LIVE),
                                                 memory_order_acq_rel, memory_order_acquire)) {
        pw_found_bad_pointer((void *)address, call);
        return;
    }
    cache->frees++;
    pw_cache_count_live(cache, -(int64_t)size);
    if (cache->level >= PW_LEVEL_FULL) {
        quarantine(cache, block, stack, call);
        return;
    }
    uint32_t flags = flags_of(block) & (PW_HEAP_MAPPED | PW_HEAP_GUARDED);
    if (cache->level == PW_LEVEL_FAST) {
        pw_poison_line(address, PW_PAGE_BYTES);
        flags |= PW_HEAP_POISONED;
    }
    set_header(block, PW_STATE_CACHED, flags);
    pw_heap_unmap_memory((void *)address);
}

void pw_big_evict(struct pw_block block, const struct pw_call *call)
{
    uint64_t address = pw_block_address(block);
    uint64_t capacity = pw_mapped_capacity(block);
    uint32_t flags = flags_of(block);
    if (!pw_header_is_sealed(block.region, block.granule)) {
        pw_found_in_block(address, call);
        return;
    }
    if ((flags & PW_HEAP_ZEROED) != 0) {
        if (!pw_os_unguard((void *)address, capacity))
            return; /* stays out of use: address space lost, not memory */
    } else if (!pw_poison_holds(address, capacity < pw_root.free_fill_max ? capacity
                                                                          : pw_root.free_fill_max)) {
        pw_found_in_block(address, call);
        return;
    }
    set_header(block, PW_STATE_CACHED, flags & (PW_HEAP_MAPPED | PW_HEAP_GUARDED | PW_HEAP_ZEROED));
    pw_heap_unmap_memory((void *)address);
}

bool pw_big_resize(struct pw_block block, size_t size)
{
    uint64_t needed = size + zone_bytes(size);
    uint64_t capacity = pw_mapped_capacity(block);
    struct pw_fields fields = pw_header_fields(pw_block_header(block));
    if (needed <= PW_HEAP_LARGE_ALLOC_THRESHOLD ||
        !zone_holds(block, pw_block_extension(block)->requested))
        return false; /* the copy's free reports what is wrong with the zone */
    set_header(block, PW_STATE_PENDING, fields.flags);
    bool fits = needed <= capacity || pw_mapped_grow(block, needed);
    if (fits && needed < capacity / 2)
        pw_mapped_shrink(block, needed);
    if (fits) {
        write_zone(block, size);
        pw_mapped_set_requested(block, size);
    }
    uint32_t flags = (fields.flags & ~PW_HEAP_GUARDED) | (flags_of(block) & PW_HEAP_GUARDED);
    set_header(block, PW_STATE_LIVE, flags);
    return fits;
}

/* Walkers skip the patterns of both meanwhile: their zones go with the pages, and are written again. */
bool pw_big_move(struct pw_block from, struct pw_block to, size_t bytes)
{
    uint64_t from_address = pw_block_address(from), to_address = pw_block_address(to);
    uint64_t from_size = pw_block_extension(from)->requested;
    if (bytes < MOVE_PAGES_BYTES || (from_address | to_address) % PW_PAGE_BYTES != 0 ||
        !zone_holds(from, from_size))
        return false; /* the copy's free reports what is wrong with the zone */
    uint32_t from_flags = flags_of(from), to_flags = flags_of(to);
    set_header(from, PW_STATE_PENDING, from_flags);
    set_header(to, PW_STATE_PENDING, to_flags);
    let_walkers_go(from);
    let_walkers_go(to);
    bool is_moved = pw_os_move_pages((void *)from_address, (void *)to_address,
                                     PW_ALIGN_UP(bytes, PW_PAGE_BYTES));
    write_zone(from, from_size);
    write_zone(to, pw_block_extension(to)->requested);
    set_header(from, PW_STATE_LIVE, from_flags);
    set_header(to, PW_STATE_LIVE, to_flags);
    return is_moved;
}
