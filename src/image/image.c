/* image.c - reading the frozen structures, every index and count bounded. */
#include "image/image.h"

#include "image/seal.h"
#include "image/spans.h"

static const void *view_self(void *context, uint64_t address, uint64_t bytes, void *scratch)
{
    (void)context;
    (void)bytes;
    (void)scratch;
    return (const void *)address;
}

struct pw_image pw_image_self(void)
{
    return (struct pw_image){.root = &pw_root, .view = view_self};
}

bool pw_image_is_in_place(const struct pw_image *image)
{
    return image->view == view_self;
}

static bool is_sane(const struct pw_region *region)
{
    if (region->kind != PW_REGION_SMALL && region->kind != PW_REGION_PAGES &&
        region->kind != PW_REGION_GUARD && region->kind != PW_REGION_SLABS)
        return false;
    uint32_t shift = region->kind == PW_REGION_SMALL   ? PW_GRANULE_SHIFT
                     : region->kind == PW_REGION_SLABS ? PW_SLAB_SHIFT
                                                       : PW_PAGE_SHIFT;
    if (region->kind == PW_REGION_SLABS &&
        (region->granules != PW_SLOT_BYTES >> PW_SLAB_SHIFT || region->first != pw_span_first(1) ||
         region->limit % PW_SPAN_GRANULES != 0))
        return false;
    return region->shift == shift && region->base % PW_SLOT_BYTES == 0 && region->base != 0 &&
           region->base >> PW_ADDRESS_BITS == 0 && region->first > 0 &&
           region->first < region->limit && region->limit <= region->granules;
}

/*
 * The entry is copied before the lock of its heap is taken, to know which lock that is, and once more with it held:
 * meanwhile its `limit` may grow.
 */
static PW_RACES void copy_region(struct pw_region *region, const struct pw_region *seen)
{
    *region = *seen;
}

bool pw_image_region(const struct pw_image *image, uint32_t index, struct pw_region *region)
{
    uint32_t count = atomic_load_explicit(&image->root->region_count, memory_order_acquire);
    if (index == 0 || index >= count || count > PW_MAX_REGIONS)
        return false;
    struct pw_region scratch;
    const struct pw_region *seen =
        image->view(image->context, image->root->regions + (uint64_t)index * sizeof scratch,
                    sizeof scratch, &scratch);
    if (seen == NULL)
        return false;
    copy_region(region, seen);
    return is_sane(region);
}

static uint32_t gate_word(const struct pw_image *image, uint32_t heap, uint32_t which)
{
    uint32_t scratch[2];
    if (heap >= image->root->heap_count || heap >= PW_MAX_HEAPS)
        return 0;
    const uint32_t *words =
        image->view(image->context, image->root->heap_locks + (uint64_t)heap * PW_HEAP_LOCK_STRIDE,
                    sizeof scratch, scratch);
    return words == NULL ? 0 : words[which];
}

bool pw_image_heap_is_held(const struct pw_image *image, uint32_t heap)
{
    return gate_word(image, heap, 0) != 0;
}

bool pw_image_heap_is_used(const struct pw_image *image, uint32_t heap)
{
    return gate_word(image, heap, 1) != 0;
}

const struct pw_heap_image *pw_image_heap(const struct pw_image *image, uint32_t heap, struct pw_heap_image *scratch)
{
    _Static_assert(sizeof(struct pw_heap_image) <= PW_VIEW_MAX, "one view");
    if (heap >= image->root->heap_count || heap >= PW_MAX_HEAPS)
        return NULL;
    return image->view(image->context, image->root->heaps + (uint64_t)heap * image->root->heap_stride,
                       sizeof *scratch, scratch);
}

uint32_t pw_image_find_region(const struct pw_image *image, uint64_t address)
{
    uint32_t count = atomic_load_explicit(&image->root->region_count, memory_order_acquire);
    for (uint32_t index = 1; index < count && index < PW_MAX_REGIONS; index++) {
        struct pw_region region;
        if (pw_image_region(image, index, &region) && address >= region.base &&
            (address - region.base) >> region.shift < region.granules)
            return index;
    }
    return 0;
}

/*
 * The first set bit of a bitmap at or after `from` and below `bits`, or `bits`. Read in lines that
 * never cross a page; a line that can't be read has none.
 */
static uint64_t next_bit(const struct pw_image *image, uint64_t table, uint64_t bits, uint64_t from)
{
    enum { LINE_WORDS = 64 };
    uint64_t scratch[LINE_WORDS];
    uint64_t index = from / 64, last = (bits + 63) / 64;
    uint64_t mask = ~(uint64_t)0 << from % 64;
    while (from < bits && index < last) {
        uint64_t end = PW_ALIGN_UP(index + 1, (uint64_t)LINE_WORDS);
        end = end < last ? end : last;
        const uint64_t *words =
            image->view(image->context, table + index * 8, (end - index) * 8, scratch);
        for (uint64_t i = 0; words != NULL && i < end - index; i++, mask = ~(uint64_t)0) {
            if ((words[i] & mask) == 0)
                continue;
            uint64_t found = (index + i) * 64 + (uint64_t)__builtin_ctzll(words[i] & mask);
            return found < bits ? found : bits;
        }
        mask = ~(uint64_t)0;
        index = end;
    }
    return bits;
}

uint32_t pw_image_next_start(const struct pw_image *image, const struct pw_region *region,
                             uint32_t granule)
{
    if (region->kind == PW_REGION_SLABS)
        return pw_spans_next_start(image, region, granule);
    uint64_t found = next_bit(image, region->starts, region->limit, granule);
    return found < region->limit ? (uint32_t)found : 0;
}

static uint64_t read_word(const struct pw_image *image, uint64_t address)
{
    uint64_t scratch;
    const uint64_t *seen = image->view(image->context, address, sizeof scratch, &scratch);
    return seen == NULL ? 0 : *seen;
}

/* Of a block within one word of the bitmap: all is plainly right. */
static bool starts_are_plain(const struct pw_image *image, const struct pw_region *region,
                             uint32_t granule, uint32_t size)
{
    uint64_t word = granule / 64, bit = (uint64_t)1 << granule % 64;
    if (granule % 64 + (uint64_t)size > 64)
        return false;
    uint64_t starts = read_word(image, region->starts + word * 8);
    uint64_t own = (size == 64 ? ~(uint64_t)0 : ((uint64_t)1 << size) - 1) << granule % 64;
    if ((starts & own) != bit)
        return false;
    return (starts & (bit - 1)) != 0 ||
           (read_word(image, region->summary + word / 64 * 8) >> word % 64 & 1) != 0;
}

const char *pw_image_broken_start_rule(const struct pw_image *image, const struct pw_region *region,
                                       uint32_t granule, uint32_t size)
{
    if (starts_are_plain(image, region, granule, size))
        return NULL;
    uint64_t next = (uint64_t)granule + size;
    uint64_t words = ((uint64_t)region->limit + 63) / 64;
    if (next_bit(image, region->starts, next, granule) != granule)
        return "the bitmap of block starts does not know it";
    if (next_bit(image, region->starts, next, (uint64_t)granule + 1) != next)
        return "the bitmap of block starts names a block inside it";
    /* Of the blocks of a word, the first answers for its bit of the summary. */
    uint64_t word = granule / 64;
    bool is_first = next_bit(image, region->starts, next, word * 64) == granule;
    if (is_first && next_bit(image, region->summary, words, word) != word)
        return "the summary of block starts does not know it";
    uint64_t next_word = next < region->limit ? next / 64 : words;
    if (next_word > word && next_bit(image, region->summary, next_word, word + 1) != next_word)
        return "the summary of block starts names a block inside it";
    return NULL;
}

uint32_t pw_image_find_start(const struct pw_image *image, const struct pw_region *region,
                             uint32_t granule)
{
    if (region->kind == PW_REGION_SLABS)
        return pw_spans_find_start(image, region, granule);
    if (granule >= region->limit)
        return 0;
    uint64_t index = granule / 64;
    uint64_t word = read_word(image, region->starts + index * 8) & (~(uint64_t)0 >> (63 - granule % 64));
    /* The summary says which word before it has a bit. */
    if (word == 0) {
        if (index == 0)
            return 0;
        uint64_t up = (index - 1) / 64;
        uint64_t words =
            read_word(image, region->summary + up * 8) & (~(uint64_t)0 >> (63 - (index - 1) % 64));
        while (words == 0) {
            if (up == 0)
                return 0;
            words = read_word(image, region->summary + --up * 8);
        }
        index = up * 64 + 63 - (uint64_t)__builtin_clzll(words);
        word = read_word(image, region->starts + index * 8);
        if (word == 0)
            return 0;
    }
    return (uint32_t)(index * 64 + 63 - (uint64_t)__builtin_clzll(word));
}

/* Word, size and prev of a header of a small or page region. */
static bool read_header(const struct pw_image *image, const struct pw_region *region, uint32_t granule,
                        struct pw_header_copy *header)
{
    struct pw_header scratch;
    const struct pw_header *seen =
        image->view(image->context, region->headers + (uint64_t)granule * sizeof scratch,
                    sizeof scratch, &scratch);
    if (seen == NULL || granule >= region->granules)
        return false;
    header->word = atomic_load_explicit(&seen->word, memory_order_acquire);
    header->size = seen->size;
    header->place = granule;
    header->prev = atomic_load_explicit(&seen->prev, memory_order_relaxed);
    return true;
}

bool pw_image_header(const struct pw_image *image, const struct pw_region *region, uint32_t granule,
                     struct pw_header_copy *header)
{
    bool is_read = region->kind == PW_REGION_SLABS ? pw_spans_header(image, region, granule, header)
                                                   : read_header(image, region, granule, header);
    if (!is_read)
        return false;
    struct pw_fields fields = pw_word_fields(header->word);
    header->state = fields.state;
    header->flags = fields.flags;
    header->slack = fields.slack;
    uint64_t address = region->base + ((uint64_t)granule << region->shift);
    if (region->shift == PW_PAGE_SHIFT)
        address += pw_start_offset(fields.flags, fields.slack);
    header->is_sealed = header->size > 0 && header->size <= region->limit - granule &&
                        pw_word_is_sound(image->root->seal_key, address, header->word, header->size);
    return true;
}
