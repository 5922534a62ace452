/*
 * uncached.c - blocks that do not go through a thread's cache: from a given heap, and back. For
 * reentry.c and for heap instances.
 */
#include "front/guarded/guarded.h"
#include "front/hot.h"

static void *dress(void *block, size_t size, size_t align, bool zero, uint16_t thread,
                   uint32_t number, uint32_t stack, const struct pw_call *call)
{
    struct pw_handle handle = pw_handle_of(block);
    uint32_t flags = (uint32_t)call->family << PW_HEAP_FAMILY_SHIFT;
    if (align > 1)
        flags |= PW_HEAP_ALIGNED;
    if (pw_root.level >= PW_LEVEL_FULL) {
        struct pw_block place = pw_block_at(pw_page_map_entry(handle.address), handle.address);
        *pw_region_evidence(place.region, place.granule) =
            (struct pw_evidence){.alloc_stack = stack,
                                 .align_shift = pw_align_shift(align),
                                 .alloc_thread = thread,
                                 .number = number};
        pw_dress(&handle, size, zero, flags, PW_LEVEL_FULL);
    } else if (pw_root.level == PW_LEVEL_FAST) {
        pw_dress(&handle, size, zero, flags, PW_LEVEL_FAST);
    } else {
        pw_dress(&handle, size, zero, flags, PW_LEVEL_OFF);
    }
    return block;
}

void *pw_take_from(struct pw_heap *heap, size_t size, size_t align, bool zero, uint16_t thread,
                   uint32_t number, uint32_t stack, const struct pw_call *call)
{
    if (size > PTRDIFF_MAX)
        return NULL;
    uint64_t bytes = pw_bytes_for(size, (enum pw_level)pw_root.level);
    if (bytes > PW_HEAP_LARGE_ALLOC_THRESHOLD || align > PW_HEAP_LARGE_ALLOC_THRESHOLD)
        return pw_big_acquire(heap, size, align, zero, thread, number, stack, call);
    void *block = NULL;
    if (align > PW_HEAP_ALIGNMENT)
        block = pw_heap_take_aligned(heap, pw_granules_of(bytes), align);
    else if (bytes > PW_SLAB_MAX_BYTES)
        (void)pw_heap_take(heap, pw_granules_of(bytes), 1, &block);
    else
        (void)pw_slab_take(heap, pw_class_aligned(bytes, align), 1, &block);
    return block == NULL ? NULL : dress(block, size, align, zero, thread, number, stack, call);
}

static bool zone_holds(const struct pw_handle *handle, struct pw_block block)
{
    uint64_t size = pw_block_requested(block, handle->word);
    if (block.region->shift == PW_PAGE_SHIFT)
        return size <= pw_mapped_capacity(block) && pw_big_zone_holds(block, size);
    return pw_root.level == PW_LEVEL_OFF || pw_zone_near_holds(handle->address + size);
}

bool pw_claim(void *pointer, const struct pw_call *call)
{
    uint64_t entry;
    struct pw_handle handle = pw_gate(pointer, &entry);
    if (handle.header == NULL) {
        pw_found_bad_pointer(pointer, call);
        return false;
    }
    struct pw_block block = pw_block_at(entry, handle.address);
    bool is_mapped = block.region->shift == PW_PAGE_SHIFT;
    if (is_mapped && pw_is_guarded(block))
        return pw_guarded_claim(block, handle.word, call);
    if (!zone_holds(&handle, block) && pw_found_in_block(handle.address, call))
        return false;
    uint64_t expected = handle.word;
    if (!atomic_compare_exchange_strong_explicit(handle.header, &expected,
                                                 pw_word_pending(expected, PW_STATE_LIVE),
                                                 memory_order_acq_rel, memory_order_acquire)) {
        pw_found_bad_pointer(pointer, call);
        return false;
    }
    if (!is_mapped && pw_root.level >= PW_LEVEL_FAST)
        pw_poison_write(handle.address, pw_poison_bytes(handle.bytes));
    struct pw_fields fields = pw_word_fields(handle.word);
    if (is_mapped)
        pw_header_write(block.region, block.granule, PW_STATE_CACHED,
                        fields.flags & (PW_HEAP_MAPPED | PW_HEAP_GUARDED), 0, handle.size);
    else
        pw_handle_set(&handle, PW_STATE_CACHED, 0, fields.slack);
    return true;
}
