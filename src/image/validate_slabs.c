/*
 * validate_slabs.c - the blocks of a slab region, span after span. Where a cursor stands at the first
 * granule of a span, which is no block's, the span itself comes next.
 */
#include "image/pattern.h"
#include "image/scan.h"
#include "image/spans.h"

enum { WINDOW_WORDS = 128 };

/* A span that is being looked at, and a window over its headers. */
struct window {
    uint32_t number;
    uint32_t fresh;
    uint64_t shape;
    uint32_t hidden;               /* pages of it, as in pw_span.hidden */
    uint32_t slot;                 /* of its first header */
    const _Atomic uint64_t *words; /* WINDOW_WORDS of them, from `first` on; NULL: none */
    uint32_t first;
    const uint64_t *free_bits; /* of the whole span; NULL: can't be read */
    uint64_t *scratch;         /* WINDOW_WORDS, as PW_IMAGE_SCRATCH has it */
};

static bool check_span(const struct pw_image *image, const struct pw_region *region, uint32_t index,
                       uint32_t number, struct pw_fault *fault)
{
    const char *rule = pw_spans_broken_rule(image, region, index, number);
    if (rule == NULL)
        return true;
    fault->kind = PW_KIND_HEADER;
    fault->broken_rule = rule;
    fault->is_certain = true;
    fault->address = region->spans + (uint64_t)number * sizeof(struct pw_span);
    return false;
}

static void open_window(const struct pw_image *image, const struct pw_region *region, uint32_t number,
                        struct window *window, uint64_t *bits_scratch)
{
    struct pw_span span;
    (void)pw_image_span(image, region, number, &span);
    window->number = number;
    window->hidden = span.hidden;
    window->fresh = span.fresh;
    window->shape = atomic_load_explicit(&span.shape, memory_order_relaxed);
    window->slot = pw_span_slot(&span, 0);
    window->words = NULL;
    window->free_bits =
        image->view(image->context, region->free_bits + (uint64_t)number * (PW_SPAN_BLOCKS / 8),
                    PW_SPAN_BLOCKS / 8, bits_scratch);
}

static const _Atomic uint64_t *word_at(const struct pw_image *image, const struct pw_region *region,
                                       struct window *window, uint32_t index)
{
    if (window->words == NULL || index - window->first >= WINDOW_WORDS) {
        window->first = PW_ALIGN_DOWN(index, (uint32_t)WINDOW_WORDS);
        window->words = image->view(
            image->context,
            region->headers + ((uint64_t)window->slot + window->first) * sizeof(uint64_t),
            WINDOW_WORDS * sizeof(uint64_t), window->scratch);
    }
    return window->words == NULL ? NULL : &window->words[index - window->first];
}

/* A FREE block none of which is there. */
static bool is_hidden(const struct window *window, uint64_t start, uint64_t stop, struct pw_fields fields)
{
    return (fields.flags & PW_HEAP_HIDDEN) != 0 && fields.state == PW_STATE_FREE &&
           (pw_span_pages(start, stop) & ~window->hidden) == 0;
}

/* In a few loads: the block is plainly fine. */
static bool is_plain(const struct pw_image *image, const struct pw_region *region,
                     struct window *window, uint32_t index, uint32_t granule)
{
    const _Atomic uint64_t *at = word_at(image, region, window, index);
    if (at == NULL || window->free_bits == NULL || index == 0)
        return false;
    uint32_t bytes = pw_shape_bytes(window->shape);
    uint64_t word = atomic_load_explicit(at, memory_order_acquire);
    uint64_t address = region->base + ((uint64_t)granule << PW_SLAB_SHIFT);
    struct pw_fields fields = pw_word_fields(word);
    bool is_free = (window->free_bits[index / 64] >> index % 64 & 1) != 0;
    return pw_word_is_sealed(image->root->seal_key, address, word, bytes >> PW_SLAB_SHIFT) &&
           is_free == (fields.state == PW_STATE_FREE) &&
           (is_hidden(window, address, address + bytes, fields) || pw_scan_content(image, address, bytes, fields));
}

/*
 * The first block from `index` on that is not plainly fine, at full and in place: is_plain for a run of blocks, without a
 * call for each. Most of what a process does when it ends is this, and each child of fork looks at all that it has of its parent.
 */
static PW_RACES uint32_t plain_until(const struct pw_image *image, const struct pw_region *region,
                                     const struct window *window, uint32_t index, uint32_t end)
{
    const struct pw_root *root = image->root;
    const _Atomic uint64_t *words = (const _Atomic uint64_t *)region->headers + window->slot;
    uint64_t key = root->seal_key, pattern = root->zone_pattern, fill = pw_fill_word(root->free_fill);
    pw_vector tail = pw_zone_vector(pattern, 0);
    uint64_t bytes = pw_shape_bytes(window->shape);
    uint64_t first = region->base + ((uint64_t)pw_span_first(window->number) << PW_SLAB_SHIFT);
    for (; index < end; index++) {
        uint64_t word = atomic_load_explicit(&words[index], memory_order_acquire);
        uint64_t start = first + index * bytes, stop = start + bytes;
        struct pw_fields fields = pw_word_fields(word);
        bool is_free = (window->free_bits[index / 64] >> index % 64 & 1) != 0;
        bool is_fine;
        if (!pw_word_is_sealed(key, start, word, (uint32_t)bytes >> PW_SLAB_SHIFT) ||
            is_free != (fields.state == PW_STATE_FREE))
            return index;
        if (is_hidden(window, start, stop, fields))
            is_fine = true;
        else if ((fields.flags & PW_HEAP_HIDDEN) != 0)
            return index;
        else if (fields.state == PW_STATE_LIVE && fields.slack >= PW_TAIL_BYTES && fields.slack <= bytes)
            is_fine = pw_zone_slack_matches(pw_zone_vector(pattern, stop - fields.slack), tail, stop - fields.slack, stop);
        else if ((fields.state == PW_STATE_QUARANTINED || fields.state == PW_STATE_CACHED || is_free) &&
                 (fields.flags & PW_HEAP_ZEROED) == 0)
            is_fine = pw_pattern_holds((const void *)start, bytes - PW_TAIL_BYTES, fill) &&
                      pw_zone_slack_matches(tail, tail, stop - PW_TAIL_BYTES, stop);
        else
            return index;
        if (!is_fine)
            return index;
    }
    return index;
}

/* May plain_until be asked? All of a freed block is filled then. */
static bool is_quick(const struct pw_image *image, const struct window *window)
{
    return image->root->level >= PW_LEVEL_FULL && image->root->free_fill_max >= PW_SLAB_MAX_BYTES &&
           window->free_bits != NULL && pw_image_is_in_place(image);
}

static bool check_block(const struct pw_image *image, const struct pw_region *region, uint32_t index,
                        uint32_t granule, struct pw_fault *fault)
{
    struct pw_header_copy header;
    return !pw_image_header(image, region, granule, &header) ||
           pw_diagnose_header(image, region, index, granule, &header, fault);
}

/* The index at which a part of a span ends that is looked at in one go: it has at most so many blocks and bytes, but one block. */
static uint32_t end_of_part(const struct window *window, uint32_t index, uint64_t size, uint64_t blocks, uint64_t bytes)
{
    uint64_t count = (bytes + size - 1) / size;
    if (count > blocks)
        count = blocks;
    return count < window->fresh - index ? index + (uint32_t)count : window->fresh;
}

/* Check blocks of a span from cursor->granule on; where it ends the cursor goes to the next span. */
static bool check_blocks(const struct pw_image *image, const struct pw_region *region,
                         struct pw_validate_cursor *cursor, uint64_t *blocks, uint64_t *bytes,
                         struct pw_fault *fault)
{
    struct window window = {.scratch = PW_IMAGE_SCRATCH(image, WINDOW_WORDS * sizeof(uint64_t))};
    open_window(image, region, pw_span_of(cursor->granule), &window, PW_IMAGE_SCRATCH(image, PW_SPAN_BLOCKS / 8));
    uint64_t size = pw_shape_bytes(window.shape);
    uint32_t index = window.shape == 0 ? 0 : pw_granule_index(window.shape, cursor->granule);
    bool is_fine = true, quick = is_quick(image, &window);
    for (; is_fine && index < window.fresh && *blocks > 0 && *bytes > 0; index++) {
        if (pw_likely(quick) && index > 0) {
            uint32_t plain = plain_until(image, region, &window, index, end_of_part(&window, index, size, *blocks, *bytes));
            *blocks -= plain - index;
            *bytes -= size * (plain - index) < *bytes ? size * (plain - index) : *bytes;
            index = plain;
            if (index == window.fresh || *blocks == 0 || *bytes == 0)
                break;
        }
        uint32_t granule = pw_span_granule(window.number, window.shape, index);
        if (pw_unlikely(!is_plain(image, region, &window, index, granule)))
            is_fine = check_block(image, region, cursor->region, granule, fault);
        *blocks -= 1;
        *bytes -= size < *bytes ? size : *bytes;
    }
    cursor->granule = index < window.fresh ? pw_span_granule(window.number, window.shape, index)
                                           : (window.number + 1) * PW_SPAN_GRANULES;
    return !is_fine;
}

bool pw_validate_slabs(const struct pw_image *image, const struct pw_region *region,
                       struct pw_validate_cursor *cursor, uint64_t *blocks, uint64_t *bytes,
                       struct pw_fault *fault)
{
    bool found = false;
    if (cursor->granule < PW_SPAN_GRANULES)
        cursor->granule = PW_SPAN_GRANULES;
    while (!found && cursor->granule < region->limit && *blocks > 0 && *bytes > 0) {
        uint32_t number = pw_span_of(cursor->granule);
        if (cursor->granule % PW_SPAN_GRANULES == 0) {
            cursor->granule = pw_span_first(number);
            found = !check_span(image, region, cursor->region, number, fault);
            *blocks -= 1;
        } else {
            found = check_blocks(image, region, cursor, blocks, bytes, fault);
        }
    }
    if (cursor->granule >= region->limit)
        cursor->granule = 0;
    return found;
}
