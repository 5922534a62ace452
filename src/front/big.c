/*
 * big.c - MAPPED blocks at every level.
 *
 *   off, fast: | block | zone |  …  | guard      full: | zone | block | zone | guard
 *
 * At full a block ends at its guard page, as closely as its alignment allows, unless guard_side=left.
 * One that is resized where it is keeps its start, and so its end may be up to pages before the guard.
 *
 * A freed one at full waits in the quarantine like the others: up to TAKE_AWAY_BYTES filled with
 * poison, above with its pages taken away, so that it costs no memory and any access faults. Another
 * block may have them (heap/spare_pages.h).
 */
#include "front/hot.h"
#include "guard/place.h"
#include "heap/spare_pages.h"
#include "os/memory.h"

/* Pages that were taken away may still take 8 bytes of page table each. */
enum { TAKE_AWAY_BYTES = 128 * 1024, TAKEN_AWAY_WEIGHT = 4096, MARKER_SHARE_SHIFT = 9, MOVE_PAGES_BYTES = 4 << 20 };
/* A block that grows by more than a quarter is put against the guard again, by a copy, up to this size. */
enum { COPY_MOST_BYTES = 1 << 20, GROWN_SHARE_SHIFT = 2 };

/* Bytes from the start of its first page to where the next block is to lie; of the thread that moves one. */
enum { NO_SEAT = UINT32_MAX };
static __thread uint32_t wanted_seat = NO_SEAT;

void pw_big_start(void)
{
    if (pw_root.level < PW_LEVEL_FULL)
        return;
    pw_os_know_limits();
    pw_heap_keep_little();
    pw_mapped_keep(TAKE_AWAY_BYTES);
    pw_mapped_have_moats(true);
    /* A mapping that is made anew is not watched any more. */
    pw_spare_pages_allow(pw_options()->guard_pages == PW_OS_GUARD_AUTO && !pw_options()->patrol_pages);
}

/* Write state and flags; a block lies where it lies as long as it is RIGHT. */
static void set_header(struct pw_block block, uint32_t state, uint32_t flags)
{
    struct pw_header *header = pw_block_header(block);
    uint32_t offset = (flags & PW_HEAP_RIGHT) != 0 ? pw_header_fields(header).slack : 0;
    pw_header_write(block.region, block.granule, state, flags, offset, header->size);
}

static uint32_t flags_of(struct pw_block block)
{
    return pw_header_fields(pw_block_header(block)).flags;
}

/* What is behind the first page's start and before the guard. */
struct extent {
    uint64_t page, guard;
};

static struct extent extent_of(struct pw_block block)
{
    uint64_t page = pw_block_address(block);
    return (struct extent){page, page + pw_mapped_capacity(block)};
}

/* Bytes from the block's start to its guard page. */
static uint64_t room_of(struct pw_block block)
{
    return extent_of(block).guard - pw_block_start(block);
}

/* Write the zones around the data of a block that is CACHED or PENDING. */
static void write_zone(struct pw_block block, size_t size)
{
    uint64_t start = pw_block_start(block);
    struct extent extent = extent_of(block);
    if (pw_root.level == PW_LEVEL_FAST)
        pw_zone_write_near(start + size);
    if (pw_root.level < PW_LEVEL_FULL)
        return;
    pw_zone_write_any(extent.page, start);
    pw_zone_write_any(start + size, extent.guard);
}

static uint64_t zone_bytes(size_t size)
{
    return pw_root.level == PW_LEVEL_OFF ? 0 : pw_zone_bytes(&pw_root, size);
}

/* Where a block is to lie that has these pages; 0: at their start. */
static uint32_t seat_for(uint64_t capacity, size_t size, size_t align)
{
    uint64_t least = pw_options()->guard_perfect_align ? 1 : PW_GUARD_MALLOC_ALIGNMENT;
    uint64_t seat = PW_ALIGN_DOWN(capacity - size, align > least ? align : least);
    return seat < PW_PAGE_BYTES ? (uint32_t)seat : 0;
}

/* Pages that a block ends with, to the guard; region NULL: it is to lie as at the other levels. */
static struct pw_block map_right(struct pw_heap *heap, size_t size, size_t align, uint32_t *seat)
{
    struct pw_block none = {NULL, 0};
    if (pw_root.level < PW_LEVEL_FULL || pw_options()->guard_side == PW_SIDE_LEFT || align > PW_PAGE_BYTES)
        return none;
    uint64_t wanted = wanted_seat != NO_SEAT && wanted_seat % align == 0 ? wanted_seat : 0;
    void *address = pw_heap_map_exactly(heap, size + wanted);
    if (address == NULL)
        return none;
    struct pw_block block = pw_block_at(pw_page_map_entry((uint64_t)address), (uint64_t)address);
    if ((flags_of(block) & PW_HEAP_GUARDED) == 0) {
        pw_heap_unmap_memory(address);
        return none;
    }
    *seat = wanted != 0 ? (uint32_t)wanted : seat_for(pw_mapped_capacity(block), size, align);
    return block;
}

static struct pw_block map_left(struct pw_heap *heap, size_t size, size_t align)
{
    void *address = pw_heap_map_memory(heap, size + zone_bytes(size),
                                       align < PW_PAGE_BYTES ? PW_PAGE_BYTES : align);
    return address == NULL ? (struct pw_block){NULL, 0}
                           : pw_block_at(pw_page_map_entry((uint64_t)address), (uint64_t)address);
}

/* Pages for a block that needn't be zero, if it has none. One that pages will be moved to has no use for them. */
static void have_pages(struct pw_block block, bool zero)
{
    pw_spare_pages_begin(block);
    if (!zero && wanted_seat == NO_SEAT && (flags_of(block) & PW_HEAP_ZEROED) != 0 &&
        pw_mapped_capacity(block) > TAKE_AWAY_BYTES)
        (void)pw_spare_pages_use(block);
}

void *pw_big_acquire(struct pw_heap *heap, size_t size, size_t align, bool zero, uint16_t thread,
                     uint32_t number, uint32_t stack, const struct pw_call *call)
{
    uint32_t seat = 0;
    struct pw_block block = map_right(heap, size, align, &seat);
    if (block.region == NULL)
        block = map_left(heap, size, align);
    if (block.region == NULL)
        return NULL;
    uint64_t page = pw_block_address(block);
    if (pw_root.level >= PW_LEVEL_FULL)
        have_pages(block, zero);
    uint32_t flags = flags_of(block);
    if ((flags & PW_HEAP_POISONED) != 0 && pw_root.level == PW_LEVEL_FAST &&
        !pw_poison_line_holds(page, PW_PAGE_BYTES)) {
        pw_found_in_block(page, call);
        return pw_big_acquire(heap, size, align, zero, thread, number, stack, call);
    }
    uint32_t right = seat != 0 ? PW_HEAP_RIGHT : 0;
    pw_header_write(block.region, block.granule, PW_STATE_PENDING, (flags & ~PW_HEAP_POISONED) | right,
                    seat, pw_block_header(block)->size);
    if (zero && (flags & PW_HEAP_ZEROED) == 0)
        __builtin_memset((void *)(page + seat), 0, size);
    write_zone(block, size);
    pw_mapped_set_requested(block, size);
    if (pw_root.level >= PW_LEVEL_FULL)
        *pw_region_evidence(block.region, block.granule) =
            (struct pw_evidence){.alloc_stack = stack,
                                 .align_shift = pw_align_shift(align),
                                 .alloc_thread = thread,
                                 .number = number};
    flags = (flags & PW_HEAP_GUARDED) | PW_HEAP_MAPPED | right |
            (uint32_t)call->family << PW_HEAP_FAMILY_SHIFT;
    set_header(block, PW_STATE_LIVE, align > 1 ? flags | PW_HEAP_ALIGNED : flags);
    return (void *)(page + seat);
}

bool pw_big_zone_holds(struct pw_block block, size_t size)
{
    uint64_t start = pw_block_start(block);
    struct extent extent = extent_of(block);
    if (pw_root.level == PW_LEVEL_OFF)
        return true;
    if (pw_root.level == PW_LEVEL_FAST)
        return pw_zone_near_holds(start + size);
    return pw_zone_all_holds(extent.page, start) && pw_zone_all_holds(start + size, extent.guard);
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

static bool take_away(struct pw_block block)
{
    let_walkers_go(block);
    return pw_spare_pages_leave(block);
}

static uint64_t poison_bytes(struct pw_block block)
{
    uint64_t room = room_of(block);
    return room < pw_root.free_fill_max ? room : pw_root.free_fill_max;
}

/* Poison a claimed block or take its pages away, and queue it. */
static void quarantine(struct pw_cache *cache, struct pw_block block, uint32_t stack,
                       const struct pw_call *call)
{
    uint64_t start = pw_block_start(block);
    uint64_t capacity = pw_mapped_capacity(block);
    struct pw_evidence *evidence = pw_region_evidence(block.region, block.granule);
    evidence->free_stack = stack;
    evidence->free_thread = cache->thread;
    pw_note_others(cache);
    pw_note(cache, start, pw_block_extension(block)->requested, stack, call->operation, true);
    uint32_t flags = flags_of(block) & ~(PW_HEAP_ZEROED | PW_HEAP_POISONED);
    uint64_t weight = capacity;
    if ((capacity > TAKE_AWAY_BYTES || pw_spare_pages_has_any(block)) && take_away(block)) {
        flags |= PW_HEAP_ZEROED;
        weight = TAKEN_AWAY_WEIGHT + (capacity >> MARKER_SHARE_SHIFT);
    } else {
        pw_poison_write(start, poison_bytes(block));
        flags |= PW_HEAP_POISONED;
    }
    set_header(block, PW_STATE_QUARANTINED, flags);
    pw_quarantine_block(cache, (void *)start, weight, call);
}

void pw_big_release(struct pw_cache *cache, struct pw_block block, uint64_t word,
                    const struct pw_call *call)
{
    struct pw_header *header = pw_block_header(block);
    uint64_t address = pw_block_start(block);
    struct pw_extension *extension = pw_block_extension(block);
    uint32_t stack = pw_stack_of(cache, call);
    size_t size = extension->requested;
    if ((size > room_of(block) ||
         extension->check != pw_extension_check(pw_root.seal_key, address, size) ||
         !pw_big_zone_holds(block, size)) &&
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
    uint64_t start = pw_block_start(block);
    uint32_t flags = flags_of(block);
    if (!pw_header_is_sealed(block.region, block.granule)) {
        pw_found_in_block(start, call);
        return;
    }
    void *page = (void *)pw_block_address(block);
    bool is_open = true;
    if ((flags & PW_HEAP_ZEROED) != 0) {
        is_open = pw_spare_pages_return(block);
    } else if (!pw_poison_holds(start, poison_bytes(block))) {
        pw_found_in_block(start, call);
        return;
    }
    set_header(block, PW_STATE_CACHED, flags & (PW_HEAP_MAPPED | PW_HEAP_GUARDED | PW_HEAP_ZEROED));
    if (is_open)
        pw_heap_unmap_memory(page);
    else
        pw_heap_unmap_closed(page);
}

/* Would it lie elsewhere as a new one, and does it grow by so much that copying is no loss? */
static bool is_to_be_copied(struct pw_block block, size_t old_size, size_t size)
{
    return (flags_of(block) & PW_HEAP_RIGHT) != 0 && size <= COPY_MOST_BYTES && size > old_size &&
           size - old_size > old_size >> GROWN_SHARE_SHIFT &&
           (room_of(block) < size || room_of(block) - size >= PW_GUARD_MALLOC_ALIGNMENT);
}

bool pw_big_resize(struct pw_block block, size_t size)
{
    struct pw_fields fields = pw_header_fields(pw_block_header(block));
    uint64_t capacity = pw_mapped_capacity(block), seat = pw_block_start(block) - pw_block_address(block);
    /* At full a guard page is zone enough. */
    bool needs_zone = pw_root.level < PW_LEVEL_FULL || (fields.flags & PW_HEAP_GUARDED) == 0;
    uint64_t zone = needs_zone ? zone_bytes(size) : 0;
    uint64_t needed = seat + size + zone, old_size = pw_block_extension(block)->requested;
    if (size + zone_bytes(size) <= PW_HEAP_LARGE_ALLOC_THRESHOLD || is_to_be_copied(block, old_size, size) ||
        !pw_big_zone_holds(block, old_size))
        return false; /* the copy's free reports what is wrong with the zone */
    set_header(block, PW_STATE_PENDING, fields.flags);
    bool fits = needed <= capacity || pw_mapped_grow(block, needed);
    if (fits && needed < capacity / 2)
        pw_mapped_shrink(block, needed);
    if (fits) {
        write_zone(block, size);
        pw_mapped_set_requested(block, size);
        if (pw_root.level >= PW_LEVEL_FULL)
            pw_cache_count_live(pw_self, (int64_t)size - (int64_t)old_size);
    }
    uint32_t flags = (fields.flags & ~PW_HEAP_GUARDED) | (flags_of(block) & PW_HEAP_GUARDED);
    set_header(block, PW_STATE_LIVE, flags);
    return fits;
}

void pw_big_seat_like(const void *pointer, size_t bytes)
{
    bool is_wanted = pointer != NULL && bytes >= MOVE_PAGES_BYTES;
    wanted_seat = is_wanted ? (uint32_t)((uint64_t)pointer % PW_PAGE_BYTES) : NO_SEAT;
}

/* Walkers skip the patterns of both meanwhile: their zones go with the pages, and are written again. */
bool pw_big_move(struct pw_block from, struct pw_block to, size_t bytes)
{
    struct extent source = extent_of(from), target = extent_of(to);
    uint64_t seat = pw_block_start(from) - source.page;
    uint64_t from_size = pw_block_extension(from)->requested;
    if (bytes < MOVE_PAGES_BYTES || pw_block_start(to) - target.page != seat ||
        !pw_big_zone_holds(from, from_size))
        return false; /* the copy's free reports what is wrong with the zone */
    uint32_t from_flags = flags_of(from), to_flags = flags_of(to);
    set_header(from, PW_STATE_PENDING, from_flags);
    set_header(to, PW_STATE_PENDING, to_flags);
    let_walkers_go(from);
    let_walkers_go(to);
    bool is_moved = pw_os_move_pages((void *)source.page, (void *)target.page,
                                     PW_ALIGN_UP(seat + bytes, PW_PAGE_BYTES));
    if (is_moved && pw_root.level >= PW_LEVEL_FULL)
        pw_spare_pages_emptied(from);
    write_zone(from, from_size);
    write_zone(to, pw_block_extension(to)->requested);
    set_header(from, PW_STATE_LIVE, from_flags);
    set_header(to, PW_STATE_LIVE, to_flags);
    return is_moved;
}
