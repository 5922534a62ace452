/* heap.c - see heap.h */
#include "heap/heap.h"

#include "heap/bins.h"
#include "heap/mapped.h"
#include "heap/slab.h"
#include "heap/small_pages.h"
#include "os/process.h"

struct pw_heap pw_heaps[PW_MAX_HEAPS];
struct pw_heap_gate pw_heap_gates[PW_MAX_HEAPS] __attribute__((aligned(PW_HEAP_LOCK_STRIDE)));
struct pw_heap_hooks pw_heap_hooks;

enum { SMALL_REGION_GRANULES = PW_SLOT_BYTES >> PW_GRANULE_SHIFT };

#define MIB ((uint64_t)1 << 20)
#define MILLISECOND ((uint64_t)1000 * 1000)

struct pw_heap_limits pw_heap_limits = {.purge_interval_ns = 250 * MILLISECOND,
                                        .dirty_pages = 64 * MIB >> PW_PAGE_SHIFT,
                                        .overdue_pages = 128 * MIB >> PW_PAGE_SHIFT,
                                        .dirty_small_bytes = 64 * MIB,
                                        .overdue_small_bytes = 128 * MIB,
                                        .dirty_spans = 8 * MIB >> PW_SPAN_SHIFT,
                                        .overdue_spans = 16 * MIB >> PW_SPAN_SHIFT,
                                        .dirty_spans_shift = 3,
                                        .growth_bytes = 2 * MIB,
                                        .growth_share_shift = 4};

void pw_heap_keep_little(void)
{
    pw_heap_limits = (struct pw_heap_limits){.purge_interval_ns = 100 * MILLISECOND,
                                             .dirty_pages = 2 * MIB >> PW_PAGE_SHIFT,
                                             .overdue_pages = 8 * MIB >> PW_PAGE_SHIFT,
                                             .dirty_small_bytes = 2 * MIB,
                                             .overdue_small_bytes = 64 * MIB,
                                             .dirty_spans = MIB >> PW_SPAN_SHIFT,
                                             .overdue_spans = 16 * MIB >> PW_SPAN_SHIFT,
                                             .dirty_spans_shift = 5,
                                             .hides_pages = true,
                                             .growth_bytes = MIB / 2,
                                             .growth_share_shift = 6};
}

bool pw_heap_init(uint32_t count, const struct pw_heap_hooks *content_hooks)
{
    if (!pw_regions_init())
        return false;
    if (content_hooks != NULL)
        pw_heap_hooks = *content_hooks;
    pw_slab_init();
    for (uint32_t i = 0; i < PW_MAX_HEAPS; i++)
        pw_heap_gates[i].in_use = i < count;
    for (uint32_t i = 0; i < count; i++)
        pw_heaps[i].index = i;
    pw_root.heaps = (uint64_t)pw_heaps;
    pw_root.heap_stride = sizeof(struct pw_heap);
    pw_root.heap_locks = (uint64_t)pw_heap_gates;
    pw_root.heap_count = PW_MAX_HEAPS;
    return true;
}

static struct pw_heap_gate *gate_of(const struct pw_heap *heap)
{
    return &pw_heap_gates[heap - pw_heaps];
}

void pw_heap_acquire(struct pw_heap *heap)
{
    struct pw_heap_gate *gate = gate_of(heap);
    uint64_t mask = gate->blocks_signals ? pw_os_block_signals() : 0;
    pw_lock_acquire(&gate->lock);
    gate->signal_mask = mask;
}

bool pw_heap_is_held(const struct pw_heap *heap)
{
    return pw_lock_is_held(&gate_of(heap)->lock);
}

bool pw_heap_try_acquire(struct pw_heap *heap)
{
    struct pw_heap_gate *gate = gate_of(heap);
    uint64_t mask = gate->blocks_signals ? pw_os_block_signals() : 0;
    bool is_ours = pw_lock_try(&gate->lock);
    if (is_ours)
        gate->signal_mask = mask;
    else if (gate->blocks_signals)
        pw_os_restore_signals(mask);
    return is_ours;
}

void pw_heap_release(struct pw_heap *heap)
{
    struct pw_heap_gate *gate = gate_of(heap);
    uint64_t mask = gate->signal_mask;
    pw_lock_release(&gate->lock);
    if (gate->blocks_signals)
        pw_os_restore_signals(mask);
}

void pw_heap_count_fresh(struct pw_heap *heap, uint64_t bytes)
{
    heap->fresh_bytes += bytes;
    uint64_t in_use = ((uint64_t)heap->spans_in_use * PW_SPAN_BYTES) + (heap->live_pages << PW_PAGE_SHIFT);
    uint64_t step = in_use >> pw_heap_limits.growth_share_shift;
    if (step < pw_heap_limits.growth_bytes)
        step = pw_heap_limits.growth_bytes;
    if (heap->fresh_bytes - heap->cleared_at < step)
        return;
    heap->cleared_at = heap->fresh_bytes;
    atomic_store_explicit(&heap->has_grown, true, memory_order_relaxed);
}

bool pw_heap_has_grown(struct pw_heap *heap)
{
    if (pw_likely(!atomic_load_explicit(&heap->has_grown, memory_order_relaxed)))
        return false;
    return atomic_exchange_explicit(&heap->has_grown, false, memory_order_relaxed);
}

struct pw_block pw_heap_block_new(struct pw_heap *heap)
{
    ENSURE(pw_heap_is_held(heap));
    struct pw_region *region = pw_region_create(heap->index, PW_REGION_SMALL, SMALL_REGION_GRANULES,
                                                PW_GRANULE_SHIFT);
    if (region == NULL)
        return (struct pw_block){NULL, 0};
    heap->regions++;
    struct pw_block block = {region, region->first};
    pw_header_write(region, block.granule, PW_STATE_FREE, PW_HEAP_ZEROED, 0,
                    region->limit - region->first);
    pw_region_mark_start(region, block.granule);
    if (pw_heap_hooks.cut != NULL) {
        pw_heap_hooks.cut(pw_block_address(block)); /* the front zone */
        pw_heap_hooks.cut(pw_block_end(block));
    }
    pw_heap_add_to_free_list(heap, block);
    return block;
}

static void set_previous(struct pw_block block, uint32_t granules)
{
    if (block.region != NULL)
        atomic_store_explicit(&pw_block_header(block)->prev, granules, memory_order_relaxed);
}

/* Shorten a block to `granules`; what was behind becomes a FREE block of its own, in no bin. */
static struct pw_block cut(struct pw_block block, uint32_t granules)
{
    struct pw_header *header = pw_block_header(block);
    struct pw_fields fields = pw_header_fields(header);
    struct pw_block rest = {block.region, block.granule + granules};
    uint32_t rest_granules = header->size - granules;
    set_previous(pw_block_next(block), rest_granules);
    pw_header_write(rest.region, rest.granule, PW_STATE_FREE, fields.flags & PW_HEAP_ZEROED, 0,
                    rest_granules);
    set_previous(rest, granules);
    pw_region_mark_start(rest.region, rest.granule);
    pw_header_write(block.region, block.granule, fields.state, fields.flags, fields.slack, granules);
    if (pw_heap_hooks.cut != NULL)
        pw_heap_hooks.cut(pw_block_address(rest));
    return rest;
}

void pw_heap_block_split(struct pw_heap *heap, struct pw_block block, uint32_t granules)
{
    ENSURE(granules > 0 && granules < pw_block_header(block)->size);
    pw_heap_add_to_free_list(heap, cut(block, granules));
}

/* True when the block can become part of a FREE neighbour with these flags. */
static bool can_merge(struct pw_block block, uint8_t zeroed)
{
    if (block.region == NULL || !pw_header_is_sealed(block.region, block.granule))
        return false;
    struct pw_fields fields = pw_header_fields(pw_block_header(block));
    return fields.state == PW_STATE_FREE && (fields.flags & PW_HEAP_ZEROED) == zeroed;
}

/* Make `right`, in no bin, a part of `left`, in no bin, right before it. */
static void join(struct pw_block left, struct pw_block right, uint8_t zeroed)
{
    uint32_t size = pw_block_header(left)->size + pw_block_header(right)->size;
    uint64_t seam = pw_block_address(right);
    pw_region_clear_start(right.region, right.granule);
    pw_header_write(left.region, left.granule, PW_STATE_FREE, zeroed, 0, size);
    set_previous(pw_block_next(left), size);
    if (pw_heap_hooks.joined != NULL)
        pw_heap_hooks.joined(seam, zeroed != 0);
}

struct pw_block pw_heap_block_merge(struct pw_heap *heap, struct pw_block block)
{
    uint8_t zeroed = pw_header_fields(pw_block_header(block)).flags & PW_HEAP_ZEROED;
    struct pw_block next = pw_block_next(block);
    if (can_merge(next, zeroed)) {
        pw_heap_remove_from_free_list(heap, next);
        join(block, next, zeroed);
    }
    struct pw_block previous = pw_block_previous(block);
    if (can_merge(previous, zeroed)) {
        pw_heap_remove_from_free_list(heap, previous);
        join(previous, block, zeroed);
        return previous;
    }
    return block;
}

/* Make a block that is in no bin CACHED. */
static void hand_out(struct pw_block block)
{
    struct pw_header *header = pw_block_header(block);
    uint8_t zeroed = pw_header_fields(header).flags & PW_HEAP_ZEROED;
    if (pw_heap_hooks.taken != NULL)
        pw_heap_hooks.taken(pw_block_address(block), (uint64_t)header->size << PW_GRANULE_SHIFT, zeroed != 0);
    pw_header_write(block.region, block.granule, PW_STATE_CACHED, zeroed, 0, header->size);
}

/* Cut up to `want` blocks of `granules` off the front of a block in no bin; the rest goes to its bin. */
static uint32_t carve(struct pw_heap *heap, struct pw_block block, uint32_t granules, uint32_t want,
                      void **out)
{
    struct pw_region *region = block.region;
    uint8_t zeroed = pw_header_fields(pw_block_header(block)).flags & PW_HEAP_ZEROED;
    uint32_t size = pw_block_header(block)->size;
    uint32_t count = size / granules < want ? size / granules : want;
    struct pw_block next = pw_block_next(block);
    for (uint32_t i = 0; i < count; i++) {
        struct pw_block piece = {region, block.granule + i * granules};
        uint64_t end = pw_region_address(region, piece.granule + granules);
        if (i > 0) {
            pw_region_mark_start(region, piece.granule);
            set_previous(piece, granules);
        }
        if (pw_heap_hooks.cut != NULL && (i + 1) * granules < size)
            pw_heap_hooks.cut(end);
        if (pw_heap_hooks.taken != NULL)
            pw_heap_hooks.taken(pw_block_address(piece), (uint64_t)granules << PW_GRANULE_SHIFT, zeroed != 0);
        pw_header_write(region, piece.granule, PW_STATE_CACHED, zeroed, 0, granules);
        out[i] = (void *)pw_block_address(piece);
    }
    if (zeroed)
        pw_heap_count_fresh(heap, (uint64_t)count * granules << PW_GRANULE_SHIFT);
    uint32_t left = size - count * granules;
    set_previous(next, left == 0 ? granules : left);
    if (left > 0) {
        struct pw_block rest = {region, block.granule + count * granules};
        pw_header_write(region, rest.granule, PW_STATE_FREE, zeroed, 0, left);
        set_previous(rest, granules);
        pw_region_mark_start(region, rest.granule);
        pw_heap_add_to_free_list(heap, rest);
    }
    return count;
}

uint32_t pw_heap_take(struct pw_heap *heap, uint32_t granules, uint32_t want, void **out)
{
    uint32_t count = 0;
    pw_heap_acquire(heap);
    while (count < want) {
        struct pw_block block = pw_bins_find(heap, granules);
        if (block.region == NULL) {
            if (count > 0)
                break;
            block = pw_heap_block_new(heap);
            if (block.region == NULL)
                break;
        }
        pw_heap_remove_from_free_list(heap, block);
        count += carve(heap, block, granules, want - count, out + count);
    }
    pw_heap_release(heap);
    return count;
}

void *pw_heap_take_aligned(struct pw_heap *heap, uint32_t granules, uint64_t align)
{
    uint32_t align_granules = (uint32_t)(align >> PW_GRANULE_SHIFT);
    uint32_t room = granules + (align_granules > 1 ? align_granules - 1 : 0);
    void *result = NULL;
    pw_heap_acquire(heap);
    struct pw_block block = pw_bins_find(heap, room);
    if (block.region == NULL)
        block = pw_heap_block_new(heap);
    if (block.region != NULL) {
        pw_heap_remove_from_free_list(heap, block);
        uint64_t address = pw_block_address(block);
        uint32_t front = (uint32_t)((PW_ALIGN_UP(address, align) - address) >> PW_GRANULE_SHIFT);
        if (front > 0) {
            struct pw_block rest = cut(block, front);
            pw_heap_add_to_free_list(heap, block);
            block = rest;
        }
        if (pw_block_header(block)->size > granules)
            pw_heap_block_split(heap, block, granules);
        hand_out(block);
        result = (void *)pw_block_address(block);
    }
    pw_heap_release(heap);
    return result;
}

/* Give a CACHED block of a small region back; the lock of its heap is held. */
static void give_locked(struct pw_heap *heap, struct pw_block block)
{
    struct pw_header *header = pw_block_header(block);
    uint32_t zeroed = pw_header_fields(header).flags & PW_HEAP_ZEROED;
    pw_header_write(block.region, block.granule, PW_STATE_FREE, zeroed, 0, header->size);
    pw_heap_add_to_free_list(heap, pw_heap_block_merge(heap, block));
    pw_small_purge_if_due(heap);
}

void pw_heap_give(void **blocks, uint32_t count)
{
    struct pw_heap *held = NULL;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t address = (uint64_t)blocks[i];
        struct pw_block block = pw_block_at(pw_page_map_entry(address), address);
        struct pw_heap *heap = &pw_heaps[block.region->heap];
        if (heap != held) {
            if (held != NULL)
                pw_heap_release(held);
            pw_heap_acquire(heap);
            held = heap;
        }
        if (block.region->shift == PW_SLAB_SHIFT)
            pw_slab_give(heap, block.region, address);
        else
            give_locked(heap, block);
    }
    if (held != NULL)
        pw_heap_release(held);
}

void *pw_heap_alloc(struct pw_heap *heap, uint64_t bytes)
{
    if (bytes > PTRDIFF_MAX)
        return NULL;
    if (bytes > PW_HEAP_LARGE_ALLOC_THRESHOLD)
        return pw_heap_map_memory(heap, bytes, PW_PAGE_BYTES);
    void *block = NULL;
    (void)pw_heap_take(heap, pw_granules_of(bytes), 1, &block);
    return block;
}

void pw_heap_free(void *block)
{
    uint64_t entry = pw_page_map_entry((uint64_t)block);
    ENSURE(entry != 0);
    /* Its user may have written to it. */
    struct pw_block known = pw_block_at(entry, (uint64_t)block);
    struct pw_fields fields = pw_region_fields(known.region, known.granule);
    pw_region_set(known.region, known.granule, fields.state, fields.flags & ~PW_HEAP_ZEROED, fields.slack);
    if ((entry & PW_ENTRY_SHIFT_MASK) == PW_PAGE_SHIFT)
        pw_heap_unmap_memory(block);
    else
        pw_heap_give(&block, 1);
}

struct pw_block pw_heap_find(uint64_t address)
{
    uint64_t entry = pw_page_map_entry(address);
    if (entry == 0)
        return (struct pw_block){NULL, 0};
    struct pw_block block = pw_block_at(entry, address);
    if (block.granule < block.region->first || block.granule >= block.region->limit)
        return (struct pw_block){NULL, 0};
    block.granule = pw_region_find_start(block.region, block.granule);
    return block.granule == 0 ? (struct pw_block){NULL, 0} : block;
}
