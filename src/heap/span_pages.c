/* span_pages.c - see span_pages.h */
#include "heap/span_pages.h"

#include "base/bitmap.h"
#include "os/memory.h"

enum { LEAST_FREE_BYTES = PW_SPAN_BYTES / 8 }; /* of a span, or it isn't looked at */

/* Pages of a span, side by side, and the blocks that lie in them at least in part. */
struct part {
    uint64_t start; /* address */
    uint64_t end;
    uint32_t pages; /* a bit for each */
    uint32_t first; /* index of a block */
    uint32_t last;
};

static uint64_t end_of(struct pw_span_place place, uint64_t shape, uint32_t index)
{
    return pw_span_block(place, shape, index) + pw_shape_bytes(shape);
}

/* The block that an address lies in; behind the last one, that. */
static uint32_t index_at(struct pw_span_place place, uint64_t shape, uint64_t address)
{
    uint32_t index = pw_shape_index(shape, (uint32_t)(address - pw_span_memory(place)));
    return index < pw_shape_count(shape) ? index : pw_shape_count(shape) - 1;
}

/* The first run of pages whose bits are set. */
static struct part first_part(struct pw_span_place place, uint64_t shape, uint32_t pages)
{
    uint32_t first = (uint32_t)__builtin_ctz(pages), count = (uint32_t)__builtin_ctz(~(pages >> first));
    struct part part = {.pages = ((1u << count) - 1) << first};
    part.start = pw_span_memory(place) + first * PW_PAGE_BYTES;
    part.end = part.start + count * PW_PAGE_BYTES;
    part.first = index_at(place, shape, part.start);
    part.last = index_at(place, shape, part.end - 1);
    return part;
}

/* What of a block, or of what follows the last one, lies in a part. */
static struct part cut_to(const struct part *part, uint64_t start, uint64_t end)
{
    return (struct part){.start = start < part->start ? part->start : start, .end = end < part->end ? end : part->end};
}

/* All pages in which all blocks are FREE, and so is the one behind them. */
static uint32_t idle_pages(struct pw_span_place place, uint64_t shape)
{
    const uint64_t *bits = pw_span_free_bits(place);
    uint64_t memory = pw_span_memory(place);
    uint32_t pages = 0;
    for (uint32_t page = 1; page < PW_SPAN_PAGES; page++) { /* the first one has the front zone of the span */
        uint64_t start = memory + page * PW_PAGE_BYTES;
        if (start >= end_of(place, shape, pw_shape_count(shape) - 1))
            break;
        uint32_t behind = index_at(place, shape, start + PW_PAGE_BYTES - 1) + 1;
        uint32_t end = behind < pw_shape_count(shape) ? behind + 1 : behind;
        if (pw_bit_next_clear(bits, end, index_at(place, shape, start)) == PW_BITMAP_NONE)
            pages |= 1u << page;
    }
    return pages;
}

/* Is a part of a FREE block, or of one's end, as it was left? */
static bool content_holds(const struct part *part, uint64_t start, uint64_t end, bool is_zeroed)
{
    struct part piece = cut_to(part, start, end);
    return piece.start >= piece.end ||
           pw_heap_hooks.is_untouched(piece.start, piece.end - piece.start + PW_TAIL_BYTES, is_zeroed);
}

static bool block_holds(struct pw_span_place place, uint64_t shape, uint32_t index, const struct part *part)
{
    uint64_t word = pw_span_word(place, index), end = end_of(place, shape, index);
    return pw_span_word_is(place, shape, index, word, PW_STATE_FREE) &&
           content_holds(part, pw_span_block(place, shape, index), end - PW_TAIL_BYTES,
                         (pw_word_fields(word).flags & PW_HEAP_ZEROED) != 0) &&
           (end > part->end || end <= part->start || pw_heap_hooks.has_tail(end));
}

/* Was what its blocks leave of the span filled? Then it is looked at as they are (span.c). */
static bool has_filled_rest(struct pw_span_place place)
{
    return (place.span->flags & PW_SPAN_FILLED) != 0;
}

static bool part_holds(struct pw_span_place place, uint64_t shape, const struct part *part)
{
    for (uint32_t i = part->first; i <= part->last; i++)
        if (!block_holds(place, shape, i, part))
            return false;
    return !has_filled_rest(place) || content_holds(part, end_of(place, shape, pw_shape_count(shape) - 1), part->end, false);
}

/* Say of the blocks of a part which of them have pages that are hidden. */
static void set_flags(struct pw_span_place place, uint64_t shape, const struct part *part)
{
    for (uint32_t i = part->first; i <= part->last; i++) {
        uint64_t word = pw_span_word(place, i);
        struct pw_fields fields = pw_word_fields(word);
        if (!pw_span_word_is(place, shape, i, word, PW_STATE_FREE))
            continue; /* damaged meanwhile: that is still to be told */
        bool is_hidden = (place.span->hidden & pw_span_pages(pw_span_block(place, shape, i), end_of(place, shape, i))) != 0;
        uint32_t flags = (fields.flags & ~PW_HEAP_HIDDEN) | (is_hidden ? PW_HEAP_HIDDEN : 0);
        pw_span_set_word(place, shape, i, PW_STATE_FREE, flags, fields.slack);
    }
}

static void set_hidden(struct pw_span_place place, uint64_t shape, uint32_t hidden, const struct part *part)
{
    place.span->hidden = (uint16_t)hidden;
    pw_span_reseal(place);
    set_flags(place, shape, part);
}

/* A part in which all blocks are FREE, and which reads as zero, becomes what it was. */
static void fill(struct pw_span_place place, uint64_t shape, const struct part *part)
{
    uint64_t end_of_blocks = end_of(place, shape, pw_shape_count(shape) - 1);
    for (uint32_t i = part->first; i <= part->last; i++) {
        uint64_t end = end_of(place, shape, i);
        struct part piece = cut_to(part, pw_span_block(place, shape, i), end - PW_TAIL_BYTES);
        if (piece.start < piece.end && (pw_word_fields(pw_span_word(place, i)).flags & PW_HEAP_ZEROED) == 0)
            pw_heap_hooks.renewed(piece.start, piece.end - piece.start + PW_TAIL_BYTES);
        if (end > part->start && end <= part->end)
            pw_heap_hooks.cut(end);
    }
    struct part rest = cut_to(part, end_of_blocks, part->end);
    if (has_filled_rest(place) && rest.start < rest.end)
        pw_heap_hooks.renewed(rest.start, rest.end - rest.start + PW_TAIL_BYTES);
}

/* False: it can't be, and what the part held may be lost. */
static bool hide(const struct part *part)
{
    void *start = (void *)part->start;
    bool is_done = pw_os_mark(start, part->end - part->start);
    if (!is_done)
        (void)pw_os_unguard(start, part->end - part->start); /* some of it may be */
    return is_done;
}

bool pw_span_hide_pages(struct pw_span_place place, uint64_t *bytes)
{
    uint64_t shape = pw_span_shape(place);
    if (shape == 0 || place.span->free * pw_shape_bytes(shape) < LEAST_FREE_BYTES || !pw_span_is_sound(place))
        return true;
    uint32_t pages = idle_pages(place, shape) & ~(uint32_t)place.span->hidden;
    while (pages != 0) {
        struct part part = first_part(place, shape, pages);
        pages &= ~part.pages;
        if (!part_holds(place, shape, &part))
            continue;
        if (!hide(&part)) {
            fill(place, shape, &part);
            return false;
        }
        set_hidden(place, shape, place.span->hidden | part.pages, &part);
        *bytes += part.end - part.start;
    }
    return true;
}

static bool show(struct pw_heap *heap, struct pw_span_place place, uint64_t shape, uint32_t pages)
{
    while (pages != 0) {
        struct part part = first_part(place, shape, pages);
        if (!pw_os_unguard((void *)part.start, part.end - part.start))
            return false;
        pages &= ~part.pages;
        fill(place, shape, &part);
        set_hidden(place, shape, place.span->hidden & ~part.pages, &part);
        heap->pages_returned += pw_bits_count(part.pages);
    }
    return true;
}

bool pw_span_show_pages(struct pw_heap *heap, struct pw_span_place place, uint32_t index, uint64_t bytes)
{
    uint64_t shape = pw_span_shape(place), start = pw_span_block(place, shape, index), end = start + bytes;
    uint64_t end_of_span = pw_span_memory(place) + PW_SPAN_BYTES;
    uint64_t from = index == 0 ? start : pw_span_block(place, shape, index - 1);
    uint32_t needed = pw_span_pages(from, end_of(place, shape, index));
    uint32_t useful = pw_span_pages(from, end < end_of_span ? end : end_of_span);
    return (place.span->hidden & needed) == 0 || show(heap, place, shape, place.span->hidden & useful);
}

bool pw_span_block_is_untouched(struct pw_span_place place, uint64_t shape, uint32_t index, uint32_t flags)
{
    uint64_t start = pw_span_block(place, shape, index), end = end_of(place, shape, index);
    bool is_zeroed = (flags & PW_HEAP_ZEROED) != 0;
    if (pw_likely(place.span->hidden == 0))
        return pw_heap_hooks.is_untouched(start, end - start, is_zeroed);
    uint32_t pages = pw_span_pages(start, end) & ~(uint32_t)place.span->hidden;
    while (pages != 0) {
        struct part part = first_part(place, shape, pages);
        pages &= ~part.pages;
        if (!content_holds(&part, start, end - PW_TAIL_BYTES, is_zeroed))
            return false;
    }
    return true;
}
