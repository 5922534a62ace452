/* slab.c - see slab.h */
#include "heap/slab.h"

#include "base/bitmap.h"
#include "os/memory.h"
#include "os/process.h"

enum {
    DIRTY_SPANS = 128,     /* of no size and not given back: 8 MiB a heap, or … */
    DIRTY_SHARE_SHIFT = 3, /* … an eighth of those in use, if that is more */
    PURGED_AT_ONCE = 2,    /* of those, with the lock held */
    OVERDUE_FACTOR = 2,    /* so much over the limit, memory is given back at once, else seldom */
    HUGE_PAGE_SPANS = 32,  /* are 2 MiB */
};
static const uint64_t purge_interval_ns = 250 * 1000 * 1000;

/* A span, as the functions here pass it. */
struct place {
    struct pw_region *region;
    uint32_t number;
    struct pw_span *span;
};

static struct place place_at(struct pw_region *region, uint32_t number)
{
    return (struct place){region, number, pw_region_span(region, number)};
}

static struct place place_of(uint32_t reference)
{
    return place_at(pw_region_at(reference >> PW_SPAN_REF_BITS), reference & (PW_SPANS - 1));
}

static uint32_t reference_of(struct place place)
{
    return pw_region_index(place.region) << PW_SPAN_REF_BITS | place.number;
}

static uint64_t memory_of(struct place place)
{
    return place.region->base + ((uint64_t)place.number << PW_SPAN_SHIFT);
}

static uint64_t shape_of(struct place place)
{
    return atomic_load_explicit(&place.span->shape, memory_order_relaxed);
}

static uint64_t *free_bits_of(struct place place)
{
    return (uint64_t *)place.region->free_bits + place.number * (PW_SPAN_BLOCKS / 64);
}

static void seal(struct place place)
{
    place.span->check = pw_span_seal(pw_root.seal_key, memory_of(place), place.span);
}

static bool is_sound(struct place place)
{
    return place.span->check == pw_span_seal(pw_root.seal_key, memory_of(place), place.span);
}

static void add(uint32_t *head, struct place place)
{
    place.span->previous = 0;
    place.span->next = *head;
    if (*head != 0)
        place_of(*head).span->previous = reference_of(place);
    *head = reference_of(place);
}

static void leave(uint32_t *head, struct place place)
{
    struct pw_span *span = place.span;
    if (span->next != 0)
        place_of(span->next).span->previous = span->previous;
    if (span->previous != 0) {
        ENSURE(place_of(span->previous).span->next == reference_of(place));
        place_of(span->previous).span->next = span->next;
    } else {
        ENSURE(*head == reference_of(place));
        *head = span->next;
    }
    span->next = span->previous = 0;
}

/* A span of no size, in no list; region NULL: no memory. */
static struct place new_place(struct pw_heap *heap)
{
    if (heap->image.empty_spans != 0) {
        struct place place = place_of(heap->image.empty_spans);
        leave(&heap->image.empty_spans, place);
        heap->dirty_spans -= place.span->flags & PW_SPAN_DIRTY;
        return place;
    }
    struct pw_region *region = pw_region_at(heap->image.slab_region);
    uint32_t number = pw_span_of(region->limit);
    if (heap->image.slab_region == 0 || number >= PW_SPANS - 1) {
        region = pw_region_create(heap->index, PW_REGION_SLABS, PW_SLOT_BYTES >> PW_SLAB_SHIFT,
                                  PW_SLAB_SHIFT);
        if (region == NULL)
            return (struct place){NULL, 0, NULL};
        heap->regions++;
        heap->image.slab_region = pw_region_index(region);
        return place_at(region, 1);
    }
    region->limit += PW_SPAN_GRANULES;
    if (number == PW_SPANS - HUGE_PAGE_SPANS)
        pw_region_guard_end(region);
    if ((number + 1) % HUGE_PAGE_SPANS == 0 && number + 1 < PW_SPANS - 1)
        heap->populate = region->base + ((uint64_t)(number + 1) << PW_SPAN_SHIFT);
    return place_at(region, number);
}

/* Give a span in no list a size, and make it the first of that size's list; region NULL: no memory. */
static struct place open_span(struct pw_heap *heap, uint32_t slab_class)
{
    struct place place = new_place(heap);
    if (place.region == NULL)
        return place;
    uint32_t bytes = pw_class_bytes[PW_GRANULE_SIZES + 1 + slab_class];
    place.span->fresh = place.span->free = 0;
    place.span->slab_class = (uint16_t)slab_class;
    atomic_store_explicit(&place.span->shape, pw_shape_of(bytes), memory_order_release);
    seal(place);
    add(&heap->image.spans[slab_class], place);
    heap->spans_in_use++;
    if ((place.span->flags & PW_SPAN_DIRTY) == 0)
        pw_heap_count_fresh(heap, PW_SPAN_BYTES);
    return place;
}

/* Give the memory of an empty span back. It is in the list of these, or about to be. */
static uint64_t purge(struct pw_heap *heap, struct place place)
{
    uint64_t *headers = (uint64_t *)place.region->headers + pw_span_slot(place.number, 0);
    struct pw_evidence *evidence =
        (struct pw_evidence *)place.region->evidence + pw_span_slot(place.number, 0);
    if ((place.span->flags & PW_SPAN_DIRTY) == 0 ||
        !pw_os_purge((void *)memory_of(place), PW_SPAN_BYTES))
        return 0;
    (void)pw_os_purge(headers, PW_SPAN_BLOCKS * sizeof *headers);
    (void)pw_os_purge(evidence, PW_SPAN_BLOCKS * sizeof *evidence);
    place.span->flags = 0;
    seal(place);
    heap->dirty_spans--;
    return PW_SPAN_BYTES;
}

/* Purge up to `most` empty spans until no more than `keep` are dirty: the first of the list are the next to be used. */
static uint64_t purge_some(struct pw_heap *heap, uint32_t keep, uint32_t most)
{
    uint64_t given = 0;
    uint32_t kept = 0;
    for (uint32_t at = heap->image.empty_spans;
         at != 0 && heap->dirty_spans > keep && given < most * (uint64_t)PW_SPAN_BYTES;) {
        struct place place = place_of(at);
        at = place.span->next;
        if (kept < keep)
            kept += place.span->flags & PW_SPAN_DIRTY;
        else
            given += purge(heap, place);
    }
    return given;
}

static void purge_if_due(struct pw_heap *heap)
{
    uint32_t limit = heap->spans_in_use >> DIRTY_SHARE_SHIFT;
    if (limit < DIRTY_SPANS)
        limit = DIRTY_SPANS;
    if (heap->dirty_spans <= limit)
        return;
    uint64_t now = pw_os_time_ns();
    if (heap->dirty_spans <= limit * OVERDUE_FACTOR && now - heap->spans_purged_at_ns < purge_interval_ns)
        return;
    /* A few at a time, for the lock is held. */
    (void)purge_some(heap, limit / 2, PURGED_AT_ONCE);
    if (heap->dirty_spans <= limit)
        heap->spans_purged_at_ns = now;
}

/* A span whose blocks are all FREE loses its size and its headers. */
static void close_span(struct pw_heap *heap, struct place place)
{
    uint32_t blocks = place.span->fresh, slot = pw_span_slot(place.number, 0);
    leave(&heap->image.spans[place.span->slab_class], place);
    atomic_store_explicit(&place.span->shape, 0, memory_order_relaxed);
    __builtin_memset((uint64_t *)place.region->headers + slot, 0, blocks * sizeof(uint64_t));
    __builtin_memset(free_bits_of(place), 0, PW_SPAN_BLOCKS / 8);
    if (pw_root.level >= PW_LEVEL_FULL)
        __builtin_memset((struct pw_evidence *)place.region->evidence + slot, 0,
                         blocks * sizeof(struct pw_evidence));
    place.span->fresh = place.span->free = place.span->slab_class = 0;
    place.span->flags = PW_SPAN_DIRTY;
    seal(place);
    add(&heap->image.empty_spans, place);
    heap->spans_in_use--;
    heap->dirty_spans++;
}

/* Where block `index` of a span is. */
static uint64_t block_address(struct place place, uint64_t shape, uint32_t index)
{
    return memory_of(place) + PW_SPAN_FRONT_BYTES + (uint64_t)index * pw_shape_bytes(shape);
}

static void set_word(struct place place, uint64_t shape, uint32_t index, uint32_t state,
                     uint32_t flags, uint32_t slack)
{
    _Atomic uint64_t *word =
        (_Atomic uint64_t *)place.region->headers + pw_span_slot(place.number, index);
    atomic_store_explicit(word,
                          pw_word_make(pw_root.seal_key, block_address(place, shape, index), state, flags,
                                       slack, pw_shape_bytes(shape) >> PW_SLAB_SHIFT),
                          memory_order_release);
}

static uint64_t get_word(struct place place, uint32_t index)
{
    _Atomic uint64_t *word =
        (_Atomic uint64_t *)place.region->headers + pw_span_slot(place.number, index);
    return atomic_load_explicit(word, memory_order_acquire);
}

static bool word_is(struct place place, uint64_t shape, uint32_t index, uint64_t word, uint32_t state)
{
    return pw_word_fields(word).state == state &&
           pw_word_is_sealed(pw_root.seal_key, block_address(place, shape, index), word,
                             pw_shape_bytes(shape) >> PW_SLAB_SHIFT);
}

/* A write into a FREE block goes unseen when its span is closed: so the span stays, for whoever looks or uses the block next. */
static bool may_close(struct place place)
{
    uint64_t shape = shape_of(place);
    for (uint32_t i = 0; pw_heap_hooks.is_untouched != NULL && i < place.span->fresh; i++) {
        uint64_t word = get_word(place, i);
        if (!word_is(place, shape, i, word, PW_STATE_FREE) ||
            !pw_heap_hooks.is_untouched(block_address(place, shape, i), pw_shape_bytes(shape),
                                        (pw_word_fields(word).flags & PW_HEAP_ZEROED) != 0))
            return false;
    }
    return true;
}

/* FREE blocks become CACHED. One whose header is damaged stays out, for the validator to tell. */
static uint32_t take_free(struct place place, uint32_t want, void **out)
{
    uint64_t *bits = free_bits_of(place), shape = shape_of(place);
    uint32_t count = 0;
    for (uint32_t w = 0; w < PW_SPAN_BLOCKS / 64 && place.span->free > 0 && count < want; w++) {
        while (bits[w] != 0 && count < want) {
            uint32_t index = w * 64 + (uint32_t)__builtin_ctzll(bits[w]);
            uint64_t word = get_word(place, index);
            bits[w] &= bits[w] - 1;
            place.span->free = (uint16_t)(place.span->free - (place.span->free > 0));
            if (!word_is(place, shape, index, word, PW_STATE_FREE))
                continue;
            struct pw_fields fields = pw_word_fields(word);
            set_word(place, shape, index, PW_STATE_CACHED, fields.flags, fields.slack);
            out[count++] = (void *)block_address(place, shape, index);
        }
    }
    return count;
}

/* Blocks that were never handed out become CACHED. */
static uint32_t take_fresh(struct place place, uint32_t want, void **out)
{
    uint64_t shape = shape_of(place);
    uint32_t left = pw_shape_count(shape) - place.span->fresh, bytes = pw_shape_bytes(shape);
    uint32_t count = left < want ? left : want;
    bool is_dirty = (place.span->flags & PW_SPAN_DIRTY) != 0;
    if (count == 0)
        return 0;
    if (pw_heap_hooks.cut != NULL && place.span->fresh == 0)
        pw_heap_hooks.cut(block_address(place, shape, 0)); /* the front zone */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = place.span->fresh + i;
        uint64_t address = block_address(place, shape, index);
        if (is_dirty && pw_heap_hooks.renewed != NULL)
            pw_heap_hooks.renewed(address, bytes);
        if (pw_heap_hooks.cut != NULL)
            pw_heap_hooks.cut(address + bytes);
        set_word(place, shape, index, PW_STATE_CACHED, is_dirty ? 0 : PW_HEAP_ZEROED,
                 is_dirty ? PW_SLACK_NEVER_HAD : 0);
        out[i] = (void *)address;
    }
    place.span->fresh = (uint16_t)(place.span->fresh + count);
    seal(place);
    return count;
}

static bool has_room(struct place place)
{
    return place.span->free > 0 || place.span->fresh < pw_shape_count(shape_of(place));
}

static bool is_listed(const uint32_t *head, struct place place)
{
    return place.span->previous != 0 || *head == reference_of(place);
}

uint32_t pw_slab_take(struct pw_heap *heap, uint32_t block_class, uint32_t want, void **out)
{
    uint32_t slab_class = block_class - PW_GRANULE_SIZES - 1, count = 0;
    uint32_t *head = &heap->image.spans[slab_class];
    pw_heap_acquire(heap);
    while (count < want) {
        struct place place;
        if (*head != 0)
            place = place_of(*head);
        else if (count > 0)
            break;
        else
            place = open_span(heap, slab_class);
        if (place.region == NULL)
            break;
        uint32_t before = count;
        if (is_sound(place)) {
            count += take_free(place, want - count, out + count);
            count += take_fresh(place, want - count, out + count);
        }
        /* One that is damaged hands out nothing; the validator tells of it. */
        if (!has_room(place) || count == before)
            leave(head, place);
    }
    uint64_t ahead = heap->populate;
    heap->populate = 0;
    pw_heap_release(heap);
    if (pw_unlikely(ahead != 0))
        (void)pw_os_populate((void *)ahead, PW_PAGE_BYTES);
    return count;
}

void pw_slab_give(struct pw_heap *heap, struct pw_region *region, uint64_t address)
{
    uint32_t granule = pw_region_granule(region, address);
    struct place place = place_at(region, pw_span_of(granule));
    uint64_t shape = shape_of(place);
    uint32_t index = pw_granule_index(shape, granule);
    if (!is_sound(place))
        return;
    struct pw_fields fields = pw_word_fields(get_word(place, index));
    set_word(place, shape, index, PW_STATE_FREE, fields.flags & PW_HEAP_ZEROED, fields.slack);
    pw_bit_set(free_bits_of(place), index);
    place.span->free++;
    uint32_t *head = &heap->image.spans[place.span->slab_class];
    if (!is_listed(head, place))
        add(head, place);
    /* One span of each size stays, empty or not. */
    bool is_only_one = *head == reference_of(place) && place.span->next == 0;
    if (place.span->free == place.span->fresh && !is_only_one && may_close(place)) {
        close_span(heap, place);
        purge_if_due(heap);
    }
}

uint64_t pw_slab_trim(struct pw_heap *heap, struct pw_region *region)
{
    uint64_t given = 0;
    for (uint32_t number = 1; number < pw_span_of(region->limit); number++) {
        struct place place = place_at(region, number);
        if (!is_sound(place))
            continue;
        if (shape_of(place) != 0 && place.span->free == place.span->fresh && may_close(place))
            close_span(heap, place);
        if (shape_of(place) == 0)
            given += purge(heap, place);
    }
    return given;
}

/* Can the span go? Of a damaged one nothing is known. */
static bool is_idle(struct place place)
{
    return is_sound(place) && place.span->free == place.span->fresh && may_close(place);
}

bool pw_slab_abandon(struct pw_heap *heap, struct pw_region *region)
{
    uint32_t end = pw_span_of(region->limit);
    for (uint32_t number = 1; number < end; number++)
        if (!is_idle(place_at(region, number)))
            return false;
    for (uint32_t number = 1; number < end; number++) {
        struct place place = place_at(region, number);
        if (shape_of(place) != 0) {
            leave(&heap->image.spans[place.span->slab_class], place);
            heap->spans_in_use--;
        } else {
            leave(&heap->image.empty_spans, place);
            heap->dirty_spans -= place.span->flags & PW_SPAN_DIRTY;
        }
    }
    if (heap->image.slab_region == pw_region_index(region))
        heap->image.slab_region = 0;
    return true;
}
