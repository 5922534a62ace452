/*
 * page_map.h - from any address to the header that it may belong to, in one load and a few shifts.
 *
 * The map has one 64-bit entry for every slot (32 MiB) of the address space; it is mapped whole and
 * touched where there are regions:
 *
 *   63      48 47           12 11  8 7     0
 *   | region  | headers >> 12 | heap | shift |     0: nothing of ours
 *
 * `headers` is the address of the header of the slot's first granule; of a slab region, that of its
 * first header, and its spans lie PW_SPANS_BEFORE_HEADERS before it. `shift` tells the kinds of regions
 * apart; `heap` is the index of the region's heap, so that a thread sees which blocks are its own. Entries
 * are written under the region lock and read without any; a slot is never shared between regions.
 */
#ifndef PW_HEAP_PAGE_MAP_H
#define PW_HEAP_PAGE_MAP_H

#include "image/slab.h"

extern _Atomic uint64_t *pw_page_map __attribute__((visibility("hidden")));

#define PW_ENTRY_SHIFT_MASK ((uint64_t)0xff)
#define PW_ENTRY_HEAP_SHIFT 8u
#define PW_ENTRY_HEAP_MASK ((uint64_t)0xf00) /* the indices from its largest value on are one */
#define PW_ENTRY_HEADERS_MASK ((uint64_t)0xfffffffff000)
#define PW_ENTRY_REGION_SHIFT 48u

/* The entry for an address, 0 for what is not ours. Any value may be asked for. */
PW_INLINE uint64_t pw_page_map_entry(uint64_t address)
{
    uint64_t slot = address >> PW_SLOT_SHIFT;
    if (pw_unlikely(slot >= PW_SLOT_COUNT))
        return 0;
    return atomic_load_explicit(&pw_page_map[slot], memory_order_relaxed);
}

/* The low bits of the entries of a heap's regions of one kind. */
PW_INLINE uint32_t pw_entry_low(uint32_t heap, uint32_t shift)
{
    uint32_t most = PW_ENTRY_HEAP_MASK >> PW_ENTRY_HEAP_SHIFT;
    return (heap < most ? heap : most) << PW_ENTRY_HEAP_SHIFT | shift;
}

PW_INLINE bool pw_entry_has_low(uint64_t entry, uint32_t low)
{
    return (entry & (PW_ENTRY_HEAP_MASK | PW_ENTRY_SHIFT_MASK)) == low;
}

/* The header slot of the granule that holds `address`; entry is that of the address and not 0. */
PW_INLINE struct pw_header *pw_entry_header(uint64_t entry, uint64_t address)
{
    uint64_t granule = (address & (PW_SLOT_BYTES - 1)) >> (entry & PW_ENTRY_SHIFT_MASK);
    return (struct pw_header *)(entry & PW_ENTRY_HEADERS_MASK) + granule;
}

/* The table of places and spans of a slab region. */
#define PW_SPANS_TABLE_BYTES (sizeof(struct pw_places) + PW_SPANS * sizeof(struct pw_span))
/* The spans, and the guard page behind them. */
#define PW_SPANS_BEFORE_HEADERS (PW_ALIGN_UP(PW_SPANS_TABLE_BYTES, PW_PAGE_BYTES) - sizeof(struct pw_places) + PW_PAGE_BYTES)
/* Its table of headers, and the guard page behind that. */
#define PW_HEADERS_BEFORE_EVIDENCE (PW_TABLE_PLACES * sizeof(uint64_t) + PW_PAGE_BYTES)

PW_INLINE bool pw_entry_is_slab(uint64_t entry)
{
    return (entry & PW_ENTRY_SHIFT_MASK) == PW_SLAB_SHIFT;
}

/* The span that holds `address`; entry is that of the address, and a slab's. */
PW_INLINE struct pw_span *pw_entry_span(uint64_t entry, uint64_t address)
{
    struct pw_span *spans =
        (struct pw_span *)((entry & PW_ENTRY_HEADERS_MASK) - PW_SPANS_BEFORE_HEADERS);
    return &spans[address >> PW_SPAN_SHIFT & (PW_SPANS - 1)];
}

/* The word of the block with that index of the span that holds `address`. */
PW_INLINE _Atomic uint64_t *pw_entry_word_at(uint64_t entry, uint64_t address, uint32_t index)
{
    return (_Atomic uint64_t *)(entry & PW_ENTRY_HEADERS_MASK) + pw_span_slot(pw_entry_span(entry, address), index);
}

/* The word of the block that may start at `address`, in a span of this shape; some word of the table for any address. */
PW_INLINE _Atomic uint64_t *pw_entry_word(uint64_t entry, uint64_t address, uint64_t shape)
{
    return pw_entry_word_at(entry, address, pw_shape_index(shape, (uint32_t)address & (PW_SPAN_BYTES - 1)));
}

/* The same of a block, which is known to be one. */
PW_INLINE _Atomic uint64_t *pw_entry_word_of_block(uint64_t entry, uint64_t block, uint64_t shape)
{
    return pw_entry_word_at(entry, block, (uint32_t)pw_shape_index_of_block(shape, block));
}

/* The same where places are fixed, without a look at the span. */
PW_INLINE _Atomic uint64_t *pw_entry_word_fixed(uint64_t entry, uint64_t block, uint64_t shape)
{
    _Static_assert(PW_SPAN_SHIFT >= PW_SPAN_BLOCKS_SHIFT, "one shift");
    uint64_t first = block >> (PW_SPAN_SHIFT - PW_SPAN_BLOCKS_SHIFT) & (uint64_t)(PW_SPANS - 1) << PW_SPAN_BLOCKS_SHIFT;
    return (_Atomic uint64_t *)(entry & PW_ENTRY_HEADERS_MASK) + (first | pw_shape_index_of_block(shape, block));
}

/* The evidence of the block with that word; both tables have a slot for each block. */
PW_INLINE struct pw_evidence *pw_entry_evidence(uint64_t entry, const _Atomic uint64_t *word)
{
    uint64_t headers = entry & PW_ENTRY_HEADERS_MASK;
    uint64_t place = ((uint64_t)word - headers) * (sizeof(struct pw_evidence) / sizeof(uint64_t));
    return (struct pw_evidence *)(headers + PW_HEADERS_BEFORE_EVIDENCE + place);
}

PW_INLINE struct pw_region *pw_entry_region(uint64_t entry)
{
    return (struct pw_region *)pw_root.regions + (entry >> PW_ENTRY_REGION_SHIFT);
}

#endif
