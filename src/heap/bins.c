/*
 * bins.c - the free lists of small blocks: doubly linked through the evidence table, so that nothing
 * of them lies in the program's memory. A bitmap tells which bins have blocks.
 *
 * The last bin holds all blocks of 16 KiB and more; those never used (ZEROED) come after the
 * others there, so that recycled memory goes first.
 */
#include "heap/bins.h"

#include "base/bitmap.h"

static struct pw_free_links *links_of(struct pw_block block)
{
    return (struct pw_free_links *)pw_region_evidence(block.region, block.granule);
}

static uint32_t reference_of(struct pw_block block)
{
    return pw_region_index(block.region) << PW_REF_GRANULE_BITS | block.granule;
}

static struct pw_block block_of(uint32_t reference)
{
    struct pw_block block = {pw_region_at(reference >> PW_REF_GRANULE_BITS),
                             reference & ((1u << PW_REF_GRANULE_BITS) - 1)};
    return block;
}

static uint32_t bin_of(struct pw_block block)
{
    return pw_heap_get_bin_index((uint64_t)pw_block_header(block)->size << PW_GRANULE_SHIFT);
}

static bool is_zeroed(struct pw_block block)
{
    return (pw_header_fields(pw_block_header(block)).flags & PW_HEAP_ZEROED) != 0;
}

/* Put the block behind `previous` (0: at the head) of its bin. */
static void insert(struct pw_heap *heap, uint32_t bin, struct pw_block block, uint32_t previous)
{
    uint32_t *place = previous == 0 ? &heap->image.bins[bin] : &links_of(block_of(previous))->next;
    struct pw_free_links *links = links_of(block);
    links->previous = previous;
    links->next = *place;
    *place = reference_of(block);
    if (links->next != 0)
        links_of(block_of(links->next))->previous = reference_of(block);
    pw_bit_set(heap->image.bin_bitmap, bin);
}

static uint64_t dirty_bytes_of(struct pw_block block)
{
    return is_zeroed(block) ? 0 : (uint64_t)pw_block_header(block)->size << PW_GRANULE_SHIFT;
}

void pw_heap_add_to_free_list(struct pw_heap *heap, struct pw_block block)
{
    ENSURE(pw_heap_is_held(heap));
    uint32_t bin = bin_of(block);
    uint32_t head = heap->image.bins[bin];
    bool goes_behind = head != 0 && bin == PW_HEAP_NUM_BINS - 1 && is_zeroed(block);
    insert(heap, bin, block, goes_behind ? head : 0);
    heap->dirty_small_bytes += dirty_bytes_of(block);
}

void pw_heap_remove_from_free_list(struct pw_heap *heap, struct pw_block block)
{
    ENSURE(pw_heap_is_held(heap));
    uint32_t bin = bin_of(block);
    struct pw_free_links *links = links_of(block);
    heap->dirty_small_bytes -= dirty_bytes_of(block);
    if (links->next != 0)
        links_of(block_of(links->next))->previous = links->previous;
    if (links->previous != 0) {
        ENSURE(links_of(block_of(links->previous))->next == reference_of(block));
        links_of(block_of(links->previous))->next = links->next;
        return;
    }
    ENSURE(heap->image.bins[bin] == reference_of(block));
    heap->image.bins[bin] = links->next;
    if (links->next == 0)
        pw_bit_clear(heap->image.bin_bitmap, bin);
}

struct pw_block pw_bins_find(struct pw_heap *heap, uint32_t granules)
{
    size_t bin = pw_bit_next(heap->image.bin_bitmap, PW_HEAP_NUM_BINS,
                             pw_heap_get_bin_index((uint64_t)granules << PW_GRANULE_SHIFT));
    if (bin == PW_BITMAP_NONE)
        return (struct pw_block){NULL, 0};
    uint32_t reference = heap->image.bins[bin];
    while (reference != 0 && pw_block_header(block_of(reference))->size < granules)
        reference = links_of(block_of(reference))->next;
    if (reference == 0)
        return (struct pw_block){NULL, 0};
    return block_of(reference);
}

static struct pw_block block_or_none(uint32_t reference)
{
    return reference == 0 ? (struct pw_block){NULL, 0} : block_of(reference);
}

struct pw_block pw_bins_largest(struct pw_heap *heap)
{
    return block_or_none(heap->image.bins[PW_HEAP_NUM_BINS - 1]);
}

struct pw_block pw_bins_next(struct pw_block block)
{
    return block_or_none(links_of(block)->next);
}
