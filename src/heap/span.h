/*
 * span.h - a span of a slab region (slab.h): where it is and what it says, and its life: it gets a size (open), loses it
 * when all of its blocks are FREE (close), and gives its memory back (purge). For slab.c alone. All under the heap's lock.
 */
#ifndef PW_HEAP_SPAN_H
#define PW_HEAP_SPAN_H

#include "heap/slab.h"

struct pw_span_place {
    struct pw_region *region;
    uint32_t number;
    struct pw_span *span;
};

PW_INLINE struct pw_span_place pw_span_at(struct pw_region *region, uint32_t number)
{
    return (struct pw_span_place){region, number, pw_region_span(region, number)};
}

PW_INLINE struct pw_span_place pw_span_of_reference(uint32_t reference)
{
    return pw_span_at(pw_region_at(reference >> PW_SPAN_REF_BITS), reference & (PW_SPANS - 1));
}

PW_INLINE uint32_t pw_span_reference(struct pw_span_place place)
{
    return pw_region_index(place.region) << PW_SPAN_REF_BITS | place.number;
}

PW_INLINE uint64_t pw_span_memory(struct pw_span_place place)
{
    return place.region->base + ((uint64_t)place.number << PW_SPAN_SHIFT);
}

PW_INLINE uint64_t pw_span_shape(struct pw_span_place place)
{
    return atomic_load_explicit(&place.span->shape, memory_order_relaxed);
}

PW_INLINE uint64_t *pw_span_free_bits(struct pw_span_place place)
{
    return (uint64_t *)place.region->free_bits + place.number * (PW_SPAN_BLOCKS / 64);
}

PW_INLINE void pw_span_reseal(struct pw_span_place place)
{
    place.span->check = pw_span_seal(pw_root.seal_key, pw_span_memory(place), place.span);
}

PW_INLINE bool pw_span_is_sound(struct pw_span_place place)
{
    return place.span->check == pw_span_seal(pw_root.seal_key, pw_span_memory(place), place.span);
}

/* Into a list whose first span is *head, and out of it. */
PW_INLINE void pw_span_join(uint32_t *head, struct pw_span_place place)
{
    place.span->previous = 0;
    place.span->next = *head;
    if (*head != 0)
        pw_span_of_reference(*head).span->previous = pw_span_reference(place);
    *head = pw_span_reference(place);
}

PW_INLINE void pw_span_leave(uint32_t *head, struct pw_span_place place)
{
    struct pw_span *span = place.span;
    if (span->next != 0)
        pw_span_of_reference(span->next).span->previous = span->previous;
    if (span->previous != 0) {
        ENSURE(pw_span_of_reference(span->previous).span->next == pw_span_reference(place));
        pw_span_of_reference(span->previous).span->next = span->next;
    } else {
        ENSURE(*head == pw_span_reference(place));
        *head = span->next;
    }
    span->next = span->previous = 0;
}

/* Where block `index` of a span is. */
PW_INLINE uint64_t pw_span_block(struct pw_span_place place, uint64_t shape, uint32_t index)
{
    return pw_span_memory(place) + PW_SPAN_FRONT_BYTES + (uint64_t)index * pw_shape_bytes(shape);
}

/* The header word of block `index`: make it, read it, and is it that of such a block? */
PW_INLINE void pw_span_set_word(struct pw_span_place place, uint64_t shape, uint32_t index, uint32_t state,
                                uint32_t flags, uint32_t slack)
{
    _Atomic uint64_t *word =
        (_Atomic uint64_t *)place.region->headers + pw_span_slot(place.span, index);
    atomic_store_explicit(word,
                          pw_word_make(pw_root.seal_key, pw_span_block(place, shape, index), state, flags,
                                       slack, pw_shape_bytes(shape) >> PW_SLAB_SHIFT),
                          memory_order_release);
}

PW_INLINE uint64_t pw_span_word(struct pw_span_place place, uint32_t index)
{
    _Atomic uint64_t *word =
        (_Atomic uint64_t *)place.region->headers + pw_span_slot(place.span, index);
    return atomic_load_explicit(word, memory_order_acquire);
}

PW_INLINE bool pw_span_word_is(struct pw_span_place place, uint64_t shape, uint32_t index, uint64_t word,
                               uint32_t state)
{
    return pw_word_fields(word).state == state &&
           pw_word_is_sealed(pw_root.seal_key, pw_span_block(place, shape, index), word,
                             pw_shape_bytes(shape) >> PW_SLAB_SHIFT);
}

/* Give a span of no size one, and make it the first of that size's list; region NULL: no memory. */
struct pw_span_place pw_span_open(struct pw_heap *heap, uint32_t slab_class);
/*
 * Are all of its blocks FREE and as they were left? A write into one would go unseen when the span is closed: so it stays,
 * for whoever looks or uses the block next.
 */
bool pw_span_may_close(struct pw_span_place place);
/* Such a one loses its size and its headers; if pages of it are hidden, all are now. It keeps them where the system wants it so. */
void pw_span_close(struct pw_heap *heap, struct pw_span_place place);
/* Give the memory of a span of no size back, which is in the list of these, or about to be; bytes. */
uint64_t pw_span_purge(struct pw_heap *heap, struct pw_span_place place);
/* Give some back if there is too much of it. */
void pw_span_purge_if_due(struct pw_heap *heap);

#endif
