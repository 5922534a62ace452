/*
 * spans.c - the blocks of slab regions as an image has them: where they start, and what their headers say.
 *
 * All of it hangs on the entry of a span, which may be damaged like anything else. Then the headers are
 * asked: they are sealed with address and size, so the size that most of them agree to is the span's.
 */
#include "image/spans.h"

enum { VOTERS = 16, VIEW_WORDS = PW_VIEW_MAX / sizeof(uint64_t) };

static uint64_t span_address(const struct pw_region *region, uint32_t number)
{
    return region->base + ((uint64_t)number << PW_SPAN_SHIFT);
}

static uint64_t word_at(const struct pw_image *image, const struct pw_region *region, uint32_t slot,
                        bool *is_there)
{
    uint64_t scratch;
    const _Atomic uint64_t *seen = image->view(
        image->context, region->headers + (uint64_t)slot * sizeof scratch, sizeof scratch, &scratch);
    *is_there = seen != NULL;
    return seen == NULL ? 0 : atomic_load_explicit(seen, memory_order_acquire);
}

static bool is_sane(const struct pw_span *span)
{
    uint64_t shape = atomic_load_explicit(&span->shape, memory_order_relaxed);
    if (shape == 0)
        return span->fresh == 0;
    return pw_shape_is_sane(shape) && span->fresh <= pw_shape_count(shape) &&
           span->slab_class < PW_SLAB_CLASSES;
}

/* How many of the first headers fit blocks of `bytes`. */
static uint32_t count_votes(const struct pw_image *image, const uint64_t words[VOTERS], uint64_t first,
                            uint32_t bytes)
{
    uint32_t votes = 0;
    for (uint32_t i = 0; i < VOTERS; i++)
        votes += words[i] != 0 && pw_word_is_sound(image->root->seal_key, first + (uint64_t)i * bytes,
                                                   words[i], bytes >> PW_SLAB_SHIFT);
    return votes;
}

/* The index of the last of `count` header words that is not 0. */
static uint32_t last_header(const struct pw_image *image, uint64_t headers, uint32_t count)
{
    uint64_t scratch[VIEW_WORDS];
    while (count > 0) {
        uint32_t from = (count - 1) / VIEW_WORDS * VIEW_WORDS;
        const uint64_t *seen = image->view(image->context, headers + from * sizeof(uint64_t),
                                           (count - from) * sizeof(uint64_t), scratch);
        for (; seen != NULL && count > from; count--)
            if (seen[count - 1 - from] != 0)
                return count - 1;
        count = from;
    }
    return 0;
}

bool pw_spans_places(const struct pw_image *image, const struct pw_region *region, uint32_t number, uint16_t *places)
{
    uint16_t scratch;
    uint64_t table = pw_places_address(region) + offsetof(struct pw_places, of_span);
    const uint16_t *seen = image->view(image->context, table + number * sizeof scratch, sizeof scratch, &scratch);
    if (seen != NULL)
        *places = *seen;
    return seen != NULL;
}

/* The span's entry is damaged: put what its headers say in its place. */
static void recover(const struct pw_image *image, const struct pw_region *region, uint32_t number,
                    struct pw_span *span)
{
    uint64_t words[VOTERS] = {0}, first = span_address(region, number) + PW_SPAN_FRONT_BYTES;
    struct pw_span found = {.fresh = 0};
    uint16_t places = 0;
    uint64_t scratch[VOTERS];
    (void)pw_spans_places(image, region, number, &places);
    atomic_store_explicit(&found.places, places, memory_order_relaxed);
    uint64_t headers = region->headers + (uint64_t)pw_span_slot(&found, 0) * sizeof(uint64_t);
    const void *seen = image->view(image->context, headers, sizeof words, scratch);
    uint32_t most = 0, best = 0;
    if (seen != NULL)
        __builtin_memcpy(words, seen, sizeof words);
    for (uint32_t bytes = PW_SLAB_MIN_BYTES; bytes <= PW_SLAB_MAX_BYTES; bytes += 1 << PW_SLAB_SHIFT) {
        uint32_t votes = count_votes(image, words, first, bytes);
        if (votes > most) {
            most = votes;
            best = bytes;
        }
    }
    uint64_t shape = best == 0 ? 0 : pw_shape_of(best);
    found.fresh = best == 0 ? 0 : (uint16_t)(last_header(image, headers, pw_shape_count(shape)) + 1);
    atomic_store_explicit(&found.shape, shape, memory_order_relaxed);
    *span = found;
}

bool pw_image_span(const struct pw_image *image, const struct pw_region *region, uint32_t number,
                   struct pw_span *span)
{
    struct pw_span scratch;
    const struct pw_span *seen =
        number < PW_SPANS ? image->view(image->context, region->spans + (uint64_t)number * sizeof scratch,
                                        sizeof scratch, &scratch)
                          : NULL;
    if (seen != NULL) {
        *span = *seen;
        if (is_sane(span) &&
            span->check == pw_span_seal(image->root->seal_key, span_address(region, number), span))
            return true;
    }
    recover(image, region, number, span);
    return false;
}

/* The span of a granule that is a block's first, and the block's index; false: it is none's. */
static bool find_block(const struct pw_image *image, const struct pw_region *region, uint32_t granule,
                       struct pw_span *span, uint32_t *index)
{
    uint32_t number = pw_span_of(granule);
    if (granule >= region->limit || granule < pw_span_first(number))
        return false;
    (void)pw_image_span(image, region, number, span);
    uint64_t shape = atomic_load_explicit(&span->shape, memory_order_relaxed);
    *index = pw_granule_index(shape, granule);
    return shape != 0 && *index < span->fresh && pw_span_granule(number, shape, *index) == granule;
}

uint32_t pw_spans_next_start(const struct pw_image *image, const struct pw_region *region,
                             uint32_t granule)
{
    for (uint32_t number = pw_span_of(granule); number < pw_span_of(region->limit); number++) {
        struct pw_span span;
        (void)pw_image_span(image, region, number, &span);
        uint64_t shape = atomic_load_explicit(&span.shape, memory_order_relaxed);
        uint32_t index = 0, first = pw_span_first(number);
        if (shape == 0)
            continue;
        if (granule > first)
            index = pw_granule_index(shape, granule - 1) + 1;
        if (index < span.fresh)
            return pw_span_granule(number, shape, index);
    }
    return 0;
}

uint32_t pw_spans_find_start(const struct pw_image *image, const struct pw_region *region,
                             uint32_t granule)
{
    uint32_t number = pw_span_of(granule);
    struct pw_span span;
    if (granule >= region->limit || granule < region->first || granule < pw_span_first(number))
        return 0;
    (void)pw_image_span(image, region, number, &span);
    uint64_t shape = atomic_load_explicit(&span.shape, memory_order_relaxed);
    uint32_t index = pw_granule_index(shape, granule);
    return shape == 0 || index >= span.fresh ? 0 : pw_span_granule(number, shape, index);
}

bool pw_spans_header(const struct pw_image *image, const struct pw_region *region, uint32_t granule,
                     struct pw_header_copy *header)
{
    struct pw_span span;
    uint32_t index;
    bool is_there;
    if (!find_block(image, region, granule, &span, &index))
        return false;
    header->place = pw_span_slot(&span, index);
    header->word = word_at(image, region, header->place, &is_there);
    header->size = pw_shape_bytes(atomic_load_explicit(&span.shape, memory_order_relaxed)) >> PW_SLAB_SHIFT;
    header->prev = index == 0 ? 0 : header->size;
    return is_there;
}

bool pw_spans_free_bit(const struct pw_image *image, const struct pw_region *region, uint32_t granule)
{
    struct pw_span span;
    uint32_t index;
    uint64_t scratch;
    if (!find_block(image, region, granule, &span, &index))
        return false;
    uint32_t bit = pw_span_of(granule) << PW_SPAN_BLOCKS_SHIFT | index;
    const uint64_t *seen = image->view(image->context, region->free_bits + bit / 64 * sizeof scratch,
                                       sizeof scratch, &scratch);
    return seen != NULL && (*seen >> bit % 64 & 1) != 0;
}
