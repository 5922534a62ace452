/* scan.c - see scan.h */
#include "image/scan.h"

#include "image/pattern.h"
#include "image/seal.h"

static const struct pw_header *header_at(const struct pw_image *image, const struct pw_region *region,
                                         struct pw_scan *scan, uint32_t granule)
{
    if (scan->headers == NULL || granule - scan->first >= PW_SCAN_HEADERS) {
        uint32_t count = region->granules - granule;
        if (count > PW_SCAN_HEADERS)
            count = PW_SCAN_HEADERS;
        if (count < PW_SCAN_HEADERS)
            return NULL; /* the end of the region: leave it to the long way */
        scan->first = granule;
        scan->headers = image->view(image->context,
                                    region->headers + (uint64_t)granule * sizeof(struct pw_header),
                                    PW_VIEW_MAX, scan->scratch == NULL ? NULL : scan->scratch->headers);
        if (scan->headers == NULL)
            return NULL;
    }
    return &scan->headers[granule - scan->first];
}

void pw_scan_start(struct pw_scan *scan, struct pw_scan_scratch *scratch)
{
    scan->scratch = scratch;
    scan->headers = NULL;
    scan->starts = NULL;
    scan->last_end = scan->last_size = 0;
}

/* Two words of the bitmap of starts from `word` on, or NULL. */
static const uint64_t *starts_at(const struct pw_image *image, const struct pw_region *region,
                                 struct pw_scan *scan, uint32_t word)
{
    uint32_t first = PW_ALIGN_DOWN(word, (uint32_t)PW_SCAN_WORDS);
    if (word - first + 2 > PW_SCAN_WORDS || first + PW_SCAN_WORDS > region->granules / 64)
        return NULL; /* the end of a window: leave it to the long way */
    if (scan->starts == NULL || scan->first_word != first) {
        scan->first_word = first;
        scan->starts = image->view(image->context, region->starts + (uint64_t)first * 8,
                                   PW_SCAN_WORDS * 8, scan->scratch == NULL ? NULL : scan->scratch->starts);
    }
    return scan->starts == NULL ? NULL : scan->starts + (word - first);
}

/* Of the granules of a block the first is a start and the others are not; the summary knows its word. */
static bool starts_are_fine(const struct pw_image *image, const struct pw_region *region,
                            struct pw_scan *scan, uint32_t granule, uint32_t size)
{
    uint32_t word = granule / 64, bit = granule % 64;
    const uint64_t *starts = size > 64 ? NULL : starts_at(image, region, scan, word);
    if (starts == NULL)
        return false;
    uint64_t bits = starts[0] >> bit | (bit == 0 ? 0 : starts[1] << (64 - bit));
    if ((bits << (64 - size)) != (uint64_t)1 << (64 - size))
        return false;
    if ((starts[0] & (((uint64_t)1 << bit) - 1)) != 0)
        return true;
    uint64_t scratch;
    const uint64_t *summary =
        image->view(image->context, region->summary + word / 64 * 8, sizeof scratch, &scratch);
    return summary != NULL && (*summary >> word % 64 & 1) != 0;
}

static PW_RACES bool zone_is_fine(const struct pw_image *image, uint64_t start, uint64_t bytes)
{
    char scratch[PW_LINE_BYTES * 4];
    if (bytes > sizeof scratch)
        return false;
    const void *seen = image->view(image->context, start, bytes, scratch);
    return seen != NULL && pw_zone_holds(image->root->zone_pattern, seen, start, bytes);
}

static bool live_is_fine(const struct pw_image *image, uint64_t address, uint64_t bytes, uint32_t slack)
{
    uint64_t end = address + bytes;
    if (image->root->level == PW_LEVEL_OFF)
        return true;
    if (slack < PW_TAIL_BYTES || slack > bytes)
        return false;
    if (image->root->level >= PW_LEVEL_FULL || slack <= 2 * PW_TAIL_BYTES)
        return zone_is_fine(image, end - slack, slack);
    return zone_is_fine(image, end - slack, PW_TAIL_BYTES) &&
           zone_is_fine(image, end - PW_TAIL_BYTES, PW_TAIL_BYTES);
}

/* A freed block that waits for its next use: poison, as far as the level fills, or zero as it ever was; and the tail. */
static PW_RACES bool freed_is_fine(const struct pw_image *image, uint64_t address, uint64_t bytes, bool is_zeroed)
{
    uint64_t filled = pw_filled_bytes(image->root, bytes);
    if (is_zeroed)
        filled = bytes - PW_TAIL_BYTES < PW_ZEROED_CHECK_BYTES ? bytes - PW_TAIL_BYTES : PW_ZEROED_CHECK_BYTES;
    if (filled > PW_VIEW_MAX)
        return false;
    const void *seen = image->view(image->context, address, filled, PW_IMAGE_SCRATCH(image, PW_VIEW_MAX));
    return seen != NULL && pw_pattern_holds(seen, filled, is_zeroed ? 0 : pw_fill_word(image->root->free_fill)) &&
           zone_is_fine(image, address + bytes - PW_TAIL_BYTES, PW_TAIL_BYTES);
}

bool pw_scan_content(const struct pw_image *image, uint64_t address, uint64_t bytes,
                     struct pw_fields fields)
{
    if (fields.state == PW_STATE_LIVE)
        return live_is_fine(image, address, bytes, fields.slack);
    bool is_freed = fields.state == PW_STATE_CACHED || fields.state == PW_STATE_QUARANTINED ||
                    fields.state == PW_STATE_FREE;
    if (!is_freed || image->root->level < PW_LEVEL_FAST)
        return is_freed;
    if ((fields.flags & PW_HEAP_HIDDEN) != 0) /* no other small block has that bit */
        return false;
    return freed_is_fine(image, address, bytes, (fields.flags & PW_HEAP_ZEROED) != 0);
}

uint32_t pw_scan_block(const struct pw_image *image, const struct pw_region *region,
                       struct pw_scan *scan, uint32_t granule)
{
    if (region->kind != PW_REGION_SMALL || granule <= region->first || granule != scan->last_end)
        return 0;
    const struct pw_header *header = header_at(image, region, scan, granule);
    if (header == NULL)
        return 0;
    uint64_t word = atomic_load_explicit(&header->word, memory_order_acquire);
    uint64_t address = region->base + ((uint64_t)granule << PW_GRANULE_SHIFT);
    uint32_t size = header->size;
    if (size == 0 || size > region->limit - granule ||
        atomic_load_explicit(&header->prev, memory_order_relaxed) != scan->last_size ||
        !pw_word_is_sealed(image->root->seal_key, address, word, size) ||
        !starts_are_fine(image, region, scan, granule, size))
        return 0;
    struct pw_fields fields = pw_word_fields(word);
    if (fields.state == PW_STATE_FREE)
        return 0;
    return pw_scan_content(image, address, (uint64_t)size << PW_GRANULE_SHIFT, fields) ? size : 0;
}
