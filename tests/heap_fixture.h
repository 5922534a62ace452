/*
 * heap_fixture.h - heaps of a test's own, at any level, and what front does to their blocks, done by
 * hand after image/layout.h. Include after cmocka.h.
 *
 * The key, the patterns and all seeds are constants: a failure comes back. The process itself uses
 * libc's malloc.
 */
#ifndef PW_TESTS_HEAP_FIXTURE_H
#define PW_TESTS_HEAP_FIXTURE_H

#include "base/bitmap.h"
#include "base/random.h"
#include "check/zone.h"
#include "front/hooks.h"
#include "heap/mapped.h"
#include "heap/slab.h"
#include "image/image.h"
#include "os/memory.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>

enum { TEST_FILL = 0xef, TEST_HEAPS = 4 };

/* Like assert_true, and says which case it was. */
#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            print_error("not so: %s\n", #condition);                                               \
            fail_msg(__VA_ARGS__);                                                                 \
        }                                                                                          \
    } while (0)

static inline void check_errors_are_off(void)
{
    pw_os_fail_next(0, 0);
    pw_os_guard_mode(PW_OS_GUARD_AUTO);
}

/* Give all regions and tables back. */
static inline void stop_heaps(void)
{
    check_errors_are_off();
    for (uint32_t i = 1; i < pw_root.region_count; i++)
        if (pw_region_at(i)->kind != PW_REGION_NONE)
            pw_region_destroy(pw_region_at(i));
    if (pw_root.regions != 0)
        pw_os_unmap((void *)pw_root.regions, PW_MAX_REGIONS * sizeof(struct pw_region));
    if (pw_page_map != NULL)
        pw_os_unmap((void *)pw_page_map, PW_SLOT_COUNT * sizeof(uint64_t));
    pw_page_map = NULL;
    pw_root.regions = pw_root.page_map = 0;
    pw_root.region_count = 0;
    memset(pw_heaps, 0, sizeof pw_heaps);
}

/* Fresh heaps at `level` with hooks of the test's own; the first TEST_HEAPS of pw_heaps are in use. */
static inline void start_heaps_with(enum pw_level level, const struct pw_heap_hooks *hooks)
{
    stop_heaps();
    pw_root.level = level;
    pw_root.seal_key = 0x5eed0fa11eaf1e55;
    pw_zone_set(0xb6a4d2c89ee4ba92);
    pw_root.zone_min_bytes = level == PW_LEVEL_OFF ? 0 : level == PW_LEVEL_FAST ? 16 : 32;
    pw_root.zone_shift = level >= PW_LEVEL_FULL ? 3 : 0;
    pw_root.zone_max_bytes = 2048;
    pw_fill_set(&pw_root, TEST_FILL);
    pw_root.free_fill_max = level >= PW_LEVEL_FULL ? UINT64_MAX : PW_LINE_BYTES;
    assert_true(pw_heap_init(TEST_HEAPS, hooks));
}

/* The same as start-up makes them. */
static inline void start_heaps(enum pw_level level)
{
    start_heaps_with(level, pw_hooks_of(level, true));
}

/* The block that starts at `address`, which is a block's. */
static inline struct pw_block block_at(const void *address)
{
    uint64_t entry = pw_page_map_entry((uint64_t)address);
    ENSURE(entry != 0);
    return pw_block_at(entry, (uint64_t)address);
}

/* Its header; not of slabs. */
static inline struct pw_header *header_of(const void *address)
{
    return pw_block_header(block_at(address));
}

/* Where the word of a block's header is, whatever region it is in. */
static inline _Atomic uint64_t *word_of(const void *address)
{
    struct pw_block block = block_at(address);
    return pw_region_word(block.region, block.granule);
}

static inline struct pw_fields fields_of(const void *address)
{
    struct pw_block block = block_at(address);
    return pw_region_fields(block.region, block.granule);
}

static inline bool is_mapped(const void *address)
{
    return block_at(address).region->kind == PW_REGION_PAGES;
}

/* Bytes of a block that may hold data or zone: all, less the guard page of a mapped one. */
static inline uint64_t room_of(const void *address)
{
    if (is_mapped(address))
        return pw_mapped_capacity(block_at(address));
    struct pw_block block = block_at(address);
    return (uint64_t)pw_region_size(block.region, block.granule) << block.region->shift;
}

static inline void set_state(const void *address, uint32_t state, uint32_t flags, uint32_t slack)
{
    struct pw_block block = block_at(address);
    pw_region_set(block.region, block.granule, state, flags, slack);
}

/* The mark that tells walkers to skip the block's patterns. */
static inline void mark_pending(const void *address)
{
    set_state(address, PW_STATE_PENDING, fields_of(address).flags, fields_of(address).slack);
    atomic_thread_fence(memory_order_seq_cst);
}

/* A CACHED block becomes LIVE with `size` requested bytes: its zone is written. */
static inline void make_live(void *address, uint64_t size)
{
    uint64_t start = (uint64_t)address, room = room_of(address);
    uint32_t flags = fields_of(address).flags & (PW_HEAP_MAPPED | PW_HEAP_GUARDED);
    mark_pending(address);
    if (pw_root.level == PW_LEVEL_FAST)
        pw_zone_write_near(start + size);
    else if (pw_root.level >= PW_LEVEL_FULL)
        pw_zone_write_all(start + size, start + room);
    if (is_mapped(address))
        pw_mapped_set_requested(block_at(address), size);
    set_state(address, PW_STATE_LIVE, flags, is_mapped(address) ? 0 : (uint32_t)(room - size));
}

/* A LIVE block becomes CACHED or QUARANTINED: it is poisoned. */
static inline void make_dead(void *address, enum pw_state state)
{
    uint64_t start = (uint64_t)address, room = room_of(address);
    struct pw_fields fields = fields_of(address);
    uint32_t flags = fields.flags & (PW_HEAP_MAPPED | PW_HEAP_GUARDED);
    mark_pending(address);
    if (pw_root.level == PW_LEVEL_FAST)
        pw_poison_line(start, room);
    else if (pw_root.level >= PW_LEVEL_FULL)
        pw_poison_write(start, is_mapped(address) ? room : pw_poison_bytes(room));
    if (is_mapped(address) && pw_root.level != PW_LEVEL_OFF && state == PW_STATE_QUARANTINED)
        flags |= PW_HEAP_POISONED;
    set_state(address, state, flags, fields.slack);
}

/* A LIVE block of `size` bytes as the level would have it. */
static inline void *new_block(struct pw_heap *heap, uint64_t size)
{
    void *address = NULL;
    uint64_t needed = size + pw_zone_bytes(&pw_root, size);
    if (needed > PW_HEAP_LARGE_ALLOC_THRESHOLD)
        address = pw_heap_map_memory(heap, needed, PW_PAGE_BYTES);
    else
        (void)pw_heap_take(heap, pw_granules_of(needed), 1, &address);
    if (address != NULL)
        make_live(address, size);
    return address;
}

/* A LIVE block of `size` bytes from the slabs, as the level would have it. */
static inline void *new_slab_block(struct pw_heap *heap, uint64_t size)
{
    void *address = NULL;
    (void)pw_slab_take(heap, pw_class_for(size + pw_zone_bytes(&pw_root, size)), 1, &address);
    if (address != NULL)
        make_live(address, size);
    return address;
}

/* A LIVE block goes back to the heap. */
static inline void drop_block(void *address)
{
    make_dead(address, PW_STATE_CACHED);
    if (is_mapped(address))
        pw_heap_unmap_memory(address);
    else
        pw_heap_give(&address, 1);
}

/* ---- the structure of heaps, checked the plain way ---- */

struct shape {
    uint64_t blocks, free_small, free_runs, live_pages, dirty_pages, regions;
    uint64_t dirty_small; /* bytes */
    uint64_t seams; /* places where two FREE blocks touch */
    uint64_t in_use; /* blocks that are not FREE */
    uint64_t spans, dirty_spans;
};

static inline uint64_t count_bits(const uint64_t *words, uint64_t bits)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < bits; i++)
        count += pw_bit_test(words, i);
    return count;
}

static inline bool bytes_are(const void *start, uint64_t bytes, uint8_t value)
{
    const uint8_t *at = start;
    return bytes == 0 || (at[0] == value && memcmp(at, at + 1, bytes - 1) == 0);
}

/* Has the page at `address` memory? */
static inline bool is_resident(const void *address)
{
    unsigned char vector = 0;
    assert_int_equal(mincore((void *)PW_ALIGN_DOWN((uint64_t)address, PW_PAGE_BYTES), 1, &vector), 0);
    return (vector & 1) != 0;
}

/* What of a ZEROED block is looked at: its front and its end. */
static inline void check_zeroed(struct pw_block block)
{
    enum { MOST = 256 * 1024 };
    bool is_run = block.region->kind == PW_REGION_PAGES;
    uint64_t start = pw_block_address(block);
    struct pw_fields fields = pw_header_fields(pw_block_header(block));
    if (is_run && fields.state == PW_STATE_FREE && (fields.flags & PW_HEAP_MOAT) != 0)
        return; /* there are guards in it */
    if (is_run && fields.state == PW_STATE_QUARANTINED)
        return; /* closed */
    bool has_tail = !is_run && pw_root.level != PW_LEVEL_OFF;
    uint64_t bytes = pw_block_end(block) - start - (has_tail ? PW_TAIL_BYTES : 0);
    if (is_run && (pw_header_fields(pw_block_header(block)).flags & PW_HEAP_GUARDED) != 0)
        bytes -= PW_PAGE_BYTES;
    uint64_t part = bytes < MOST ? bytes : MOST;
    CHECK(bytes_are((void *)start, part, 0), "the front of a ZEROED block of %llu bytes",
          (unsigned long long)bytes);
    CHECK(bytes_are((void *)(start + bytes - part), part, 0), "the end of a ZEROED block of %llu bytes",
          (unsigned long long)bytes);
}

static inline void check_region_shape(struct pw_region *region, struct shape *shape)
{
    uint32_t previous = 0, granule = region->first;
    uint64_t blocks = 0;
    bool was_free = false;
    uint32_t was_zeroed = 0;
    while (granule < region->limit) {
        struct pw_block block = {region, granule};
        struct pw_header *header = pw_block_header(block);
        struct pw_fields fields = pw_header_fields(header);
        CHECK(pw_header_is_sealed(region, granule), "granule %u", granule);
        CHECK(header->prev == previous, "granule %u: prev %u, not %u", granule, header->prev, previous);
        CHECK(header->size > 0 && header->size <= region->limit - granule, "granule %u", granule);
        CHECK(pw_bit_test((uint64_t *)region->starts, granule), "granule %u", granule);
        bool is_free = fields.state == PW_STATE_FREE;
        shape->in_use += !is_free;
        if (is_free && region->kind == PW_REGION_SMALL) {
            shape->free_small++;
            shape->dirty_small += (fields.flags & PW_HEAP_ZEROED) == 0 ? (uint64_t)header->size << region->shift : 0;
        }
        if (region->kind == PW_REGION_PAGES) {
            CHECK((fields.flags & PW_HEAP_MAPPED) != 0, "granule %u", granule);
            CHECK(header->size >= 2, "a run of %u pages", header->size);
            uint32_t data = header->size - ((fields.flags & PW_HEAP_GUARDED) != 0);
            shape->free_runs += is_free;
            shape->live_pages += is_free ? 0 : header->size;
            shape->dirty_pages += is_free && (fields.flags & PW_HEAP_ZEROED) == 0 ? data : 0;
        }
        if ((fields.flags & PW_HEAP_ZEROED) != 0)
            check_zeroed(block);
        /* Small blocks merge at once unless one is known to be zero and the other not. */
        if (is_free && was_free) {
            shape->seams++;
            CHECK(region->kind == PW_REGION_PAGES || was_zeroed != (fields.flags & PW_HEAP_ZEROED),
                  "granule %u could have been merged with the one before", granule);
        }
        was_free = is_free;
        was_zeroed = fields.flags & PW_HEAP_ZEROED;
        previous = header->size;
        granule += header->size;
        blocks++;
    }
    CHECK(granule == region->limit, "the blocks end at granule %u, not %u", granule, region->limit);
    const uint64_t *starts = (const uint64_t *)region->starts;
    CHECK(count_bits(starts, region->granules) == blocks, "%llu starts for %llu blocks",
          (unsigned long long)count_bits(starts, region->granules), (unsigned long long)blocks);
    for (uint64_t i = 0; i < PW_BITMAP_WORDS(region->granules); i++)
        CHECK(pw_bit_test((uint64_t *)region->summary, i) == (starts[i] != 0), "summary bit %llu",
              (unsigned long long)i);
    shape->blocks += blocks;
    shape->regions++;
}

/* Are the pages that the bytes from `start` to `end` lie in, which are in one span, hidden? A bit for each that is. */
static inline uint32_t hidden_pages(const struct pw_span *span, uint64_t start, uint64_t end)
{
    return span->hidden & pw_span_pages(start, end);
}

/* In hidden pages are FREE blocks alone, which say so, and none right before another. And they fault. */
static inline void check_hidden(struct pw_region *region, uint32_t number)
{
    struct pw_span *span = pw_region_span(region, number);
    uint64_t form = span->shape, memory = region->base + ((uint64_t)number << PW_SPAN_SHIFT);
    for (uint32_t i = 0; i < pw_shape_count(form); i++) {
        struct pw_block block = {region, pw_span_granule(number, form, i)};
        uint64_t start = pw_block_address(block), end = start + pw_shape_bytes(form);
        struct pw_fields fields = i < span->fresh ? pw_region_fields(region, block.granule) : (struct pw_fields){.state = 0};
        uint64_t before = i == 0 ? start : start - pw_shape_bytes(form);
        CHECK(fields.state == PW_STATE_FREE || hidden_pages(span, before, end) == 0, "span %u, block %u", number, i);
        CHECK(fields.state != PW_STATE_FREE || ((fields.flags & PW_HEAP_HIDDEN) != 0) == (hidden_pages(span, start, end) != 0),
              "span %u, block %u", number, i);
    }
    for (uint32_t page = 0; page < PW_SPAN_PAGES; page++)
        CHECK(pw_os_is_readable((void *)(memory + page * PW_PAGE_BYTES), 1) == ((span->hidden >> page & 1) == 0), "span %u, page %u",
              number, page);
    CHECK(form == 0 ? span->hidden == 0 || span->hidden == 0xffff : (span->hidden & 1) == 0, "span %u", number);
}

/* The blocks of a span of a size. */
static inline void check_span_shape(struct pw_region *region, uint32_t number, struct shape *shape)
{
    struct pw_span *span = pw_region_span(region, number);
    const _Atomic uint64_t *words = (const _Atomic uint64_t *)region->headers + pw_span_slot(span, 0);
    const uint64_t *bits = (const uint64_t *)region->free_bits + number * (PW_SPAN_BLOCKS / 64);
    uint64_t form = span->shape, is_free = 0;
    CHECK(pw_shape_is_sane(form) && span->fresh <= pw_shape_count(form), "span %u", number);
    for (uint32_t i = 0; i < span->fresh; i++) {
        struct pw_block block = {region, pw_span_granule(number, form, i)};
        struct pw_fields fields = pw_region_fields(region, block.granule);
        CHECK(pw_header_is_sealed(region, block.granule), "span %u, block %u", number, i);
        CHECK(pw_bit_test(bits, i) == (fields.state == PW_STATE_FREE), "span %u, block %u", number, i);
        is_free += fields.state == PW_STATE_FREE;
        if ((fields.flags & PW_HEAP_ZEROED) != 0 && (fields.state != PW_STATE_FREE || (fields.flags & PW_HEAP_HIDDEN) == 0))
            check_zeroed(block);
    }
    CHECK(is_free == span->free, "span %u: %u FREE, not %u", number, (unsigned)is_free, span->free);
    CHECK(count_bits(bits, PW_SPAN_BLOCKS) == is_free, "span %u", number);
    for (uint32_t i = span->fresh; i < PW_ALIGN_UP(pw_shape_count(form), 64); i++)
        CHECK(words[i] == 0, "span %u: a header of block %u, which was never handed out", number, i);
    shape->blocks += span->fresh;
    shape->in_use += span->fresh - is_free;
    shape->spans++;
}

/* Nobody else has the span's places in the tables, and it has those that the table of places says. */
static inline void check_span_places(struct pw_region *region, uint32_t number, uint64_t *had)
{
    struct pw_places *places = pw_region_places(region);
    struct pw_span *span = pw_region_span(region, number);
    uint32_t first = pw_span_slot(span, 0) >> PW_PLACES_SHIFT;
    CHECK(places->of_span[number] == span->places, "span %u", number);
    CHECK(span->shape == 0 || !pw_places_are_fixed() || span->places == pw_places_fixed(number), "span %u has lot %u", number,
          (unsigned)span->places);
    for (uint32_t i = 0; i < pw_shape_count(span->shape); i += 1 << PW_PLACES_SHIFT) {
        uint32_t lot = first + (i >> PW_PLACES_SHIFT);
        CHECK(!pw_bit_test(had, lot), "lot %u of span %u is another's", lot, number);
        CHECK(lot > 0 && pw_bit_test(places->taken, lot) && lot < places->end, "lot %u of span %u", lot, number);
        pw_bit_set(had, lot);
    }
}

static inline void check_slab_region_shape(struct pw_region *region, struct shape *shape)
{
    uint64_t had[PW_BITMAP_WORDS(PW_PLACES_LOTS)] = {0};
    struct pw_places *places = pw_region_places(region);
    CHECK(region->limit % PW_SPAN_GRANULES == 0, "granule %u", region->limit);
    for (uint32_t number = 1; number < pw_span_of(region->limit); number++) {
        struct pw_span *span = pw_region_span(region, number);
        uint64_t address = region->base + ((uint64_t)number << PW_SPAN_SHIFT);
        CHECK(span->check == pw_span_seal(pw_root.seal_key, address, span), "span %u", number);
        if (span->shape != 0)
            check_span_shape(region, number, shape);
        else
            shape->dirty_spans += span->flags & PW_SPAN_DIRTY;
        CHECK(span->shape != 0 || span->fresh == 0, "span %u", number);
        check_span_places(region, number, had);
        check_hidden(region, number);
    }
    CHECK(count_bits(had, PW_PLACES_LOTS) == count_bits(places->taken, PW_PLACES_LOTS), "lots that nobody has");
    shape->regions++;
}

/* Every span with room is in the list of its size, every one of no size in theirs. */
static inline void check_span_lists(const struct pw_heap *heap)
{
    uint64_t listed = 0, expected = 0;
    for (uint32_t which = 0; which <= PW_SLAB_CLASSES; which++) {
        uint32_t previous = 0;
        for (uint32_t at = which < PW_SLAB_CLASSES ? heap->image.spans[which] : heap->image.empty_spans;
             at != 0; listed++) {
            struct pw_span *span = pw_region_span(pw_region_at(at >> PW_SPAN_REF_BITS), at & (PW_SPANS - 1));
            CHECK(span->previous == previous, "list %u", which);
            CHECK(which == PW_SLAB_CLASSES ? span->shape == 0 : span->slab_class == which, "list %u", which);
            previous = at;
            at = span->next;
        }
    }
    for (uint32_t i = 1; i < pw_root.region_count; i++) {
        struct pw_region *region = pw_region_at(i);
        if (region->kind != PW_REGION_SLABS || region->heap != heap->index)
            continue;
        for (uint32_t number = 1; number < pw_span_of(region->limit); number++) {
            struct pw_span *span = pw_region_span(region, number);
            expected += span->shape == 0 || span->free > 0 || span->fresh < pw_shape_count(span->shape);
        }
    }
    assert_int_equal(listed, expected);
}

static inline uint64_t count_bin(const struct pw_heap *heap, uint32_t bin)
{
    uint64_t count = 0;
    uint32_t previous = 0;
    for (uint32_t at = heap->image.bins[bin]; at != 0;) {
        struct pw_block block = {pw_region_at(at >> PW_REF_GRANULE_BITS),
                                 at & ((1u << PW_REF_GRANULE_BITS) - 1)};
        struct pw_free_links *links =
            (struct pw_free_links *)pw_region_evidence(block.region, block.granule);
        uint32_t size = pw_block_header(block)->size;
        CHECK(pw_header_fields(pw_block_header(block)).state == PW_STATE_FREE, "bin %u", bin);
        CHECK(pw_heap_get_bin_index((uint64_t)size << PW_GRANULE_SHIFT) == bin,
              "a block of %u granules in bin %u", size, bin);
        CHECK(links->previous == previous, "bin %u", bin);
        previous = at;
        at = links->next;
        count++;
    }
    CHECK(pw_bit_test(heap->image.bin_bitmap, bin) == (count > 0), "the bitmap's bit of bin %u", bin);
    return count;
}

static inline uint64_t count_page_bin(const struct pw_heap *heap, uint32_t bin)
{
    uint64_t count = 0, previous = 0;
    for (uint64_t at = heap->image.page_bins[bin]; at != 0;) {
        struct pw_block run = {pw_region_at((uint32_t)(at >> 32)), (uint32_t)at};
        struct pw_page_links *links =
            (struct pw_page_links *)pw_region_evidence(run.region, run.granule + 1);
        CHECK(pw_header_fields(pw_block_header(run)).state == PW_STATE_FREE, "page bin %u", bin);
        CHECK(links->previous == previous, "page bin %u", bin);
        previous = at;
        at = links->next;
        count++;
    }
    CHECK(pw_bit_test(heap->image.page_bitmap, bin) == (count > 0), "the bit of page bin %u", bin);
    return count;
}

/* Everything that must hold of a heap that nobody works on; returns what it consists of. */
static inline struct shape check_shape(struct pw_heap *heap)
{
    struct shape shape = {.blocks = 0};
    for (uint32_t i = 1; i < pw_root.region_count; i++) {
        struct pw_region *region = pw_region_at(i);
        if (region->kind == PW_REGION_NONE || region->heap != heap->index)
            continue;
        if (region->kind == PW_REGION_SLABS)
            check_slab_region_shape(region, &shape);
        else
            check_region_shape(region, &shape);
    }
    uint64_t small = 0, runs = 0;
    for (uint32_t bin = 0; bin < PW_HEAP_NUM_BINS; bin++)
        small += count_bin(heap, bin);
    for (uint32_t bin = 0; bin < PW_PAGE_BINS; bin++)
        runs += count_page_bin(heap, bin);
    assert_int_equal(small, shape.free_small);
    assert_int_equal(runs, shape.free_runs);
    assert_int_equal(heap->regions, shape.regions);
    assert_int_equal(heap->live_pages, shape.live_pages);
    assert_int_equal(heap->dirty_pages, shape.dirty_pages);
    assert_int_equal(heap->dirty_small_bytes, shape.dirty_small);
    assert_int_equal(heap->spans_in_use, shape.spans);
    assert_int_equal(heap->dirty_spans, shape.dirty_spans);
    check_span_lists(heap);
    assert_false(pw_heap_is_held(heap));
    return shape;
}

/* ---- the validator's findings ---- */

enum { MOST_FAULTS = 4096 };
struct findings {
    uint64_t count;
    struct pw_fault faults[MOST_FAULTS];
};

static inline void note_fault(void *context, const struct pw_fault *fault)
{
    struct findings *findings = context;
    if (findings->count < MOST_FAULTS)
        findings->faults[findings->count] = *fault;
    findings->count++;
}

static inline void print_findings(const struct findings *findings)
{
    for (uint64_t i = 0; i < findings->count && i < 16; i++) {
        const struct pw_fault *fault = &findings->faults[i];
        print_error("  %s at 0x%llx, block 0x%llx (%llu of %llu bytes, %s), relation %d, offset %llu, %s\n",
                    pw_kind_name(fault->kind), (unsigned long long)fault->address,
                    (unsigned long long)fault->block.address, (unsigned long long)fault->block.size,
                    (unsigned long long)fault->block.block_size, pw_state_name(fault->block.state),
                    (int)fault->relation, (unsigned long long)fault->offset,
                    fault->broken_rule != NULL ? fault->broken_rule : "no rule");
    }
}

static inline struct findings *validate(void)
{
    static struct findings findings;
    struct pw_image image = pw_image_self();
    findings.count = 0;
    uint64_t faults = pw_validate_all(&image, note_fault, &findings);
    assert_int_equal(faults, findings.count);
    return &findings;
}

static inline void assert_nothing_found(const char *when)
{
    struct findings *findings = validate();
    if (findings->count == 0)
        return;
    print_findings(findings);
    fail_msg("%llu faults in a healthy heap, %s", (unsigned long long)findings->count, when);
}

/* As front does it where other threads run. */
static inline void lock_for_image(void *context, uint32_t heap)
{
    (void)context;
    pw_heap_acquire(&pw_heaps[heap]);
}

static inline void unlock_for_image(void *context, uint32_t heap)
{
    (void)context;
    pw_heap_release(&pw_heaps[heap]);
}

/*
 * Make every call for memory that `run` makes fail in turn, alone and with every third one after it, or some of them
 * where there are many: no block is lost, the heap is sound, and the next run has all that it wants. `run` gives all
 * back that it took and returns how many things it could not have. How many runs fell short; `look`, unless it is
 * NULL, is shown the heap after a run with nothing failing.
 */
static inline uint32_t fail_each_call(struct pw_heap *heap, uint32_t (*run)(void), void (*look)(const struct shape *))
{
    enum { ALL_OF = 150, FIRST = 20, STEP = 17 };
    start_heaps(PW_LEVEL_FULL);
    uint64_t before = pw_os_memory_calls();
    assert_int_equal(run(), 0);
    uint64_t calls = pw_os_memory_calls() - before;
    assert_true(calls > 30);
    uint32_t short_runs = 0;
    for (uint64_t n = 1; n <= calls; n += n < FIRST || calls < ALL_OF ? 1 : STEP)
        for (uint64_t every = 0; every < 4; every += 3) {
            start_heaps(PW_LEVEL_FULL);
            pw_os_fail_next(n, every);
            short_runs += run() > 0;
            pw_os_fail_next(0, 0);
            CHECK(check_shape(heap).in_use == 0, "call %u, every %u", (unsigned)n, (unsigned)every);
            assert_nothing_found("after a system call failed");
            CHECK(run() == 0, "call %u, every %u", (unsigned)n, (unsigned)every);
            struct shape shape = check_shape(heap);
            if (look != NULL)
                look(&shape);
        }
    return short_runs;
}

static inline bool look_again_for_image(void *context, unsigned attempt)
{
    (void)context;
    if (attempt > 2)
        (void)sched_yield();
    return true;
}

static inline struct pw_image locked_image(void)
{
    struct pw_image image = pw_image_self();
    image.lock = lock_for_image;
    image.unlock = unlock_for_image;
    image.look_again = look_again_for_image;
    return image;
}

#endif
