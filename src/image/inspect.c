/* inspect.c - what is known of a block. */
#include "image/image.h"
#include "image/seal.h"
#include "image/spans.h"

/* The requested size that the table keeps of a MAPPED block at `address`; false: it has none, or another's. */
static bool kept_size(const struct pw_image *image, const struct pw_region *region, uint64_t granule,
                      uint64_t address, uint64_t *requested)
{
    struct pw_extension scratch;
    const struct pw_extension *seen = image->view(
        image->context, region->headers + (granule + 1) * sizeof scratch, sizeof scratch, &scratch);
    if (seen == NULL)
        return false;
    *requested = __atomic_load_n(&seen->requested, __ATOMIC_RELAXED);
    return __atomic_load_n(&seen->check, __ATOMIC_RELAXED) ==
           pw_extension_check(image->root->seal_key, address, *requested);
}

bool pw_inspect_was_mapped(const struct pw_image *image, const struct pw_region *region, uint64_t granule,
                           uint64_t start, uint64_t address)
{
    uint64_t requested;
    return granule + 1 < region->limit && kept_size(image, region, granule, start, &requested) &&
           address >= start && address - start <= requested;
}

/* The requested size of a sealed header's block. */
static uint64_t requested_size(const struct pw_image *image, const struct pw_region *region,
                               uint32_t granule, const struct pw_header_copy *header, bool *is_sealed)
{
    uint64_t bytes = (uint64_t)header->size << region->shift;
    bool is_live = header->state == PW_STATE_LIVE || header->state == PW_STATE_PENDING;
    if (region->shift != PW_PAGE_SHIFT) {
        bool is_known = is_live || (header->slack != 0 && header->slack != PW_SLACK_NEVER_HAD);
        uint64_t kept = is_known ? header->slack : PW_TAIL_BYTES;
        return kept <= bytes ? bytes - kept : 0;
    }
    uint64_t offset = pw_start_offset(header->flags, header->slack);
    uint64_t capacity = bytes > PW_PAGE_BYTES + offset ? bytes - PW_PAGE_BYTES - offset : 0;
    if (header->state == PW_STATE_FREE || header->size < 2)
        return capacity;
    uint64_t address = region->base + ((uint64_t)granule << region->shift) + offset;
    uint64_t requested;
    if (!kept_size(image, region, granule, address, &requested) || requested > capacity) {
        if (header->state == PW_STATE_LIVE)
            *is_sealed = false; /* while PENDING it is being written */
        return capacity;
    }
    return requested;
}

/* Of a block that is freed just now it may be what was before or what comes after. */
static PW_RACES void inspect_evidence(const struct pw_image *image, const struct pw_region *region,
                                      uint32_t place, struct pw_block_info *info)
{
    if (image->root->level < PW_LEVEL_FULL && region->kind != PW_REGION_GUARD)
        return;
    struct pw_evidence scratch;
    const struct pw_evidence *seen = image->view(
        image->context, region->evidence + (uint64_t)place * sizeof scratch, sizeof scratch, &scratch);
    if (seen == NULL)
        return;
    info->has_evidence = true;
    info->alloc_stack = seen->alloc_stack;
    if ((info->state & PW_HEAP_ALLOCATED) == 0)
        info->free_stack = seen->free_stack;
    else if (info->state == PW_STATE_LIVE && seen->align_shift > 0 && seen->align_shift < 64)
        info->alignment = (uint64_t)1 << seen->align_shift;
    if (info->state == PW_STATE_FREE && region->kind == PW_REGION_SMALL)
        return; /* links in place of the rest */
    info->alloc_thread = seen->alloc_thread;
    info->free_thread = seen->free_thread;
    info->number = seen->number;
}

void pw_inspect_header(const struct pw_image *image, const struct pw_region *region, uint32_t index,
                       uint32_t granule, const struct pw_header_copy *header,
                       struct pw_block_info *info)
{
    *info = (struct pw_block_info){.known = true};
    info->sealed = header->is_sealed;
    info->state = header->state;
    info->is_hidden = region->kind == PW_REGION_SLABS && header->state == PW_STATE_FREE &&
                      (header->flags & PW_HEAP_HIDDEN) != 0;
    info->flags = (uint8_t)(header->flags & ~(info->is_hidden ? PW_HEAP_HIDDEN : 0));
    info->is_renewed = region->kind == PW_REGION_SLABS && header->is_sealed && header->slack == PW_SLACK_NEVER_HAD;
    bool is_free_run = region->kind == PW_REGION_PAGES &&
                       (header->state == PW_STATE_FREE || header->state == PW_STATE_CACHED);
    info->family = is_free_run ? PW_FAMILY_MALLOC /* PW_HEAP_MOAT is in its place */
                               : (enum pw_family)((header->flags & PW_HEAP_FAMILY_MASK) >> PW_HEAP_FAMILY_SHIFT);
    info->region = index;
    info->granule = granule;
    info->kind = (enum pw_region_kind)region->kind;
    info->heap = region->heap;
    info->address = region->base + ((uint64_t)granule << region->shift);
    if (!header->is_sealed && region->kind != PW_REGION_SLABS) {
        /* The bitmap of starts still tells how far it can reach. */
        uint32_t next = pw_image_next_start(image, region, granule + 1);
        info->block_size = (uint64_t)((next == 0 ? region->limit : next) - granule) << region->shift;
        info->size = info->block_size;
    } else if (!header->is_sealed) {
        info->size = info->block_size = (uint64_t)header->size << region->shift;
    } else {
        uint64_t offset =
            region->shift == PW_PAGE_SHIFT ? pw_start_offset(header->flags, header->slack) : 0;
        info->address += offset;
        info->block_size = ((uint64_t)header->size << region->shift) - offset;
        info->size = requested_size(image, region, granule, header, &info->sealed);
    }
}

void pw_inspect_in_region(const struct pw_image *image, const struct pw_region *region, uint32_t index,
                          uint32_t granule, struct pw_block_info *info)
{
    struct pw_header_copy header;
    info->known = false;
    if (granule >= region->limit || !pw_image_header(image, region, granule, &header))
        return;
    pw_inspect_header(image, region, index, granule, &header, info);
    inspect_evidence(image, region, header.place, info);
}

void pw_inspect_block(const struct pw_image *image, uint32_t index, uint32_t granule,
                      struct pw_block_info *info)
{
    struct pw_region region;
    *info = (struct pw_block_info){.known = false};
    if (pw_image_region(image, index, &region))
        pw_inspect_in_region(image, &region, index, granule, info);
}

void pw_inspect_freed_size(const struct pw_image *image, struct pw_block_info *info)
{
    struct pw_region region;
    uint64_t requested;
    if (info->known && info->sealed && info->state == PW_STATE_FREE && info->kind == PW_REGION_PAGES &&
        pw_image_region(image, info->region, &region) && info->granule + 1 < region.limit &&
        kept_size(image, &region, info->granule, info->address, &requested) && requested <= info->size)
        info->size = requested;
}

bool pw_inspect_address(const struct pw_image *image, uint64_t address, struct pw_block_info *info)
{
    *info = (struct pw_block_info){.known = false};
    uint32_t index = pw_image_find_region(image, address);
    struct pw_region region;
    if (index == 0 || !pw_image_region(image, index, &region))
        return false;
    uint32_t granule = (uint32_t)((address - region.base) >> region.shift);
    uint32_t start = pw_image_find_start(image, &region, granule);
    if (start == 0 || granule < region.first)
        return false;
    pw_inspect_block(image, index, start, info);
    return info->known;
}

void pw_inspect_neighbours(const struct pw_image *image, const struct pw_block_info *info,
                           struct pw_block_info *before, struct pw_block_info *after)
{
    *before = *after = (struct pw_block_info){.known = false};
    struct pw_region region;
    if (!info->known || !pw_image_region(image, info->region, &region))
        return;
    uint32_t previous = pw_image_find_start(image, &region, info->granule - 1);
    if (previous != 0)
        pw_inspect_block(image, info->region, previous, before);
    uint32_t next = pw_image_next_start(image, &region, info->granule + 1);
    bool adjoins = next == info->granule + (info->block_size >> region.shift);
    if (next != 0 && (adjoins || region.kind != PW_REGION_SLABS))
        pw_inspect_block(image, info->region, next, after);
}
