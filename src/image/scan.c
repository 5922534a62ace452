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
                                    PW_VIEW_MAX, scan->scratch);
        if (scan->headers == NULL)
            return NULL;
    }
    return &scan->headers[granule - scan->first];
}

void pw_scan_start(struct pw_scan *scan)
{
    scan->headers = NULL;
    scan->starts_at = 1;
    scan->last_end = scan->last_size = 0;
}

static bool starts_here(const struct pw_image *image, const struct pw_region *region,
                        struct pw_scan *scan, uint32_t granule, uint32_t size)
{
    if (scan->starts_at != granule / 64 * 64) {
        uint64_t scratch;
        const uint64_t *seen =
            image->view(image->context, region->starts + granule / 64 * 8, sizeof scratch, &scratch);
        if (seen == NULL)
            return false;
        scan->starts = *seen;
        scan->starts_at = granule / 64 * 64;
    }
    /* Its own bit, and none inside it; of a block that reaches into the next word it is not plain. */
    if (granule % 64 + size > 64)
        return false;
    uint64_t own = size == 64 ? ~(uint64_t)0 : (((uint64_t)1 << size) - 1) << granule % 64;
    return (scan->starts & own) == (uint64_t)1 << granule % 64;
}

static bool zone_is_fine(const struct pw_image *image, uint64_t start, uint64_t bytes)
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

/* A freed block that waits for its next use: poison, as far as the level fills, and the tail. */
static bool freed_is_fine(const struct pw_image *image, uint64_t address, uint64_t bytes)
{
    char scratch[PW_LINE_BYTES * 16];
    uint64_t filled = bytes - PW_TAIL_BYTES;
    if (filled > image->root->free_fill_max)
        filled = image->root->free_fill_max;
    if (filled > sizeof scratch)
        return false;
    const void *seen = image->view(image->context, address, filled, scratch);
    return seen != NULL && pw_pattern_holds(seen, filled, pw_fill_word(image->root->free_fill)) &&
           zone_is_fine(image, address + bytes - PW_TAIL_BYTES, PW_TAIL_BYTES);
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
    if (size == 0 || size > region->limit - granule || size > 64 ||
        !starts_here(image, region, scan, granule, size) ||
        atomic_load_explicit(&header->prev, memory_order_relaxed) != scan->last_size ||
        !pw_word_is_sealed(image->root->seal_key, address, word, size))
        return 0;
    struct pw_fields fields = pw_word_fields(word);
    uint64_t bytes = (uint64_t)size << PW_GRANULE_SHIFT;
    bool is_fine = false;
    if (fields.state == PW_STATE_LIVE)
        is_fine = live_is_fine(image, address, bytes, fields.slack);
    else if ((fields.state == PW_STATE_CACHED || fields.state == PW_STATE_QUARANTINED) &&
             image->root->level >= PW_LEVEL_FAST && (fields.flags & PW_HEAP_ZEROED) == 0)
        is_fine = freed_is_fine(image, address, bytes);
    return is_fine ? size : 0;
}
