/*
 * address.c - the block that an access was meant for: what a fault in the heap's memory is about.
 *
 * Between two blocks on pages of their own lies a guard that is the end of one and the beginning of
 * the other; the one that is nearer was missed, and of two as near the LIVE one.
 */
#include "image/image.h"

#include "image/pattern.h"
#include "image/spans.h"

static bool is_live(const struct pw_block_info *info)
{
    return info->known && info->state == PW_STATE_LIVE;
}

/* Where `address` is, seen from a block, and how far off. */
static enum pw_relation relate(const struct pw_block_info *info, uint64_t address, uint64_t *offset)
{
    uint64_t end = info->address + info->size;
    if (address < info->address) {
        *offset = info->address - address;
        return PW_RELATION_BEFORE;
    }
    *offset = address < end ? address - info->address : address - end;
    return address < end ? PW_RELATION_INSIDE : PW_RELATION_AFTER;
}

static enum pw_kind kind_of(const struct pw_block_info *info, enum pw_relation relation)
{
    if (!is_live(info))
        return PW_KIND_USE_AFTER_FREE;
    return relation == PW_RELATION_INSIDE   ? PW_KIND_NONE
           : relation == PW_RELATION_BEFORE ? PW_KIND_UNDERFLOW
                                            : PW_KIND_OVERFLOW;
}

/* True when an access at `address` was rather meant for the next block than for the one it is in or behind. */
static bool next_was_meant(const struct pw_block_info *info, const struct pw_block_info *next,
                           uint64_t address)
{
    uint64_t end = info->address + info->size;
    /* What lies before a guard is the freed block's own. */
    uint64_t own_end = !is_live(info) && (info->flags & PW_HEAP_MAPPED) != 0
                           ? info->address + info->block_size - PW_PAGE_BYTES
                           : end;
    if (!is_live(next) || address < own_end)
        return false;
    if (!is_live(info) && (info->flags & PW_HEAP_MAPPED) == 0)
        return false;
    uint64_t after = address - end, before = next->address - address;
    return is_live(info) ? before < after : before <= after;
}

/* Among guarded blocks, where none was so far: it was meant for the last of them, as far as can be told. */
static bool is_behind_all(const struct pw_image *image, uint64_t address, struct pw_block_info *info)
{
    struct pw_region region;
    uint32_t index = pw_image_find_region(image, address);
    if (index == 0 || !pw_image_region(image, index, &region) || region.kind != PW_REGION_GUARD ||
        region.limit <= region.first || (address - region.base) >> region.shift < region.limit)
        return false;
    uint32_t start = pw_image_find_start(image, &region, region.limit - 1);
    if (start != 0)
        pw_inspect_block(image, index, start, info);
    return start != 0 && is_live(info) && address >= info->address + info->size;
}

/*
 * In the guards on a FREE run that was nobody's, as far as can be told, and behind a LIVE block: it jumped over that
 * block's own guard. The block before becomes *info.
 */
static bool is_in_moat(const struct pw_image *image, uint64_t address, struct pw_block_info *info)
{
    struct pw_region region;
    struct pw_block_info before, after;
    if (info->state != PW_STATE_FREE || !info->sealed || info->kind != PW_REGION_PAGES ||
        (info->flags & PW_HEAP_MOAT) == 0 || !pw_image_region(image, info->region, &region) ||
        pw_inspect_was_mapped(image, &region, info->granule, info->address, address))
        return false;
    pw_inspect_neighbours(image, info, &before, &after);
    if (is_live(&before))
        *info = before;
    return is_live(&before);
}

static void blame_far_before(const struct pw_image *image, const struct pw_block_info *info, uint64_t address,
                             struct pw_fault *fault)
{
    pw_inspect_neighbours(image, info, &fault->before, &fault->after);
    fault->is_certain = false;
    fault->relation = relate(info, address, &fault->offset);
    fault->kind = PW_KIND_OVERFLOW;
    fault->block = *info;
}

/* The entry of the span that an address of a slab region is in; false: it is in none, or what it says is not to be trusted. */
static bool find_span(const struct pw_image *image, uint64_t address, struct pw_span *span)
{
    struct pw_region region;
    uint32_t index = pw_image_find_region(image, address);
    if (index == 0 || !pw_image_region(image, index, &region) || region.kind != PW_REGION_SLABS)
        return false;
    uint32_t granule = (uint32_t)((address - region.base) >> region.shift);
    return granule >= PW_SPAN_GRANULES && granule < region.limit && pw_image_span(image, &region, pw_span_of(granule), span);
}

/* In a hidden page of a span of no size: all its blocks were freed, and it keeps nothing of them. */
static bool is_in_given_up(const struct pw_image *image, uint64_t address)
{
    struct pw_span span;
    return find_span(image, address, &span) && atomic_load_explicit(&span.shape, memory_order_relaxed) == 0 &&
           (span.hidden & pw_span_pages(address, address + 1)) != 0;
}

/* A block of a slab that waits to be used and was nobody's, or not since its memory went to others. */
static bool is_nobodys(const struct pw_block_info *info)
{
    return info->state == PW_STATE_FREE && info->sealed && info->kind == PW_REGION_SLABS &&
           ((info->flags & PW_HEAP_ZEROED) != 0 || info->is_renewed);
}

static bool zone_is_damaged(const struct pw_image *image, const struct pw_block_info *block)
{
    uint64_t scratch[PW_TAIL_BYTES / sizeof(uint64_t)], end = block->address + block->size;
    const void *seen = image->view(image->context, end, sizeof scratch, scratch);
    return seen != NULL && !pw_zone_holds(image->root->zone_pattern, seen, end, sizeof scratch);
}

/* Are the page of an address, and the one before it, hidden? False: the first is not. */
static bool is_in_hidden(const struct pw_image *image, uint64_t address, bool *is_first)
{
    struct pw_span span;
    uint64_t page = PW_ALIGN_DOWN(address, PW_PAGE_BYTES);
    if (!find_span(image, address, &span) || (span.hidden & pw_span_pages(page, page + 1)) == 0)
        return false;
    *is_first = (span.hidden & pw_span_pages(page - 1, page)) == 0;
    return true;
}

void pw_diagnose_run(const struct pw_image *image, struct pw_fault *fault)
{
    struct pw_block_info before = fault->before;
    bool is_first, is_nobodys_block = is_nobodys(&fault->block);
    if (fault->kind != PW_KIND_USE_AFTER_FREE || fault->block.kind != PW_REGION_SLABS ||
        !is_in_hidden(image, fault->address, &is_first))
        return;
    bool may_have_run = is_first && fault->address % PW_PAGE_BYTES < PW_LINE_BYTES;
    if (is_nobodys_block || may_have_run)
        fault->is_certain = false;
    if (is_live(&before) && (is_nobodys_block || (may_have_run && zone_is_damaged(image, &before))))
        blame_far_before(image, &before, fault->address, fault);
}

void pw_diagnose_address(const struct pw_image *image, uint64_t address, struct pw_fault *fault)
{
    struct pw_block_info info;
    fault->address = address;
    fault->is_certain = true;
    if (is_behind_all(image, address, &info)) {
        blame_far_before(image, &info, address, fault);
        return;
    }
    if (is_in_given_up(image, address)) {
        fault->kind = PW_KIND_USE_AFTER_FREE;
        fault->place = "heap memory that holds no block any more: all that were there are freed";
        fault->is_certain = false;
        return;
    }
    /* Before the first block of a region is its guard. */
    if (!pw_inspect_address(image, address, &info) &&
        (!pw_inspect_address(image, address + PW_PAGE_BYTES, &info) || !is_live(&info) ||
         info.kind == PW_REGION_SLABS))
        return;
    if (is_in_moat(image, address, &info)) {
        blame_far_before(image, &info, address, fault);
        return;
    }
    pw_inspect_neighbours(image, &info, &fault->before, &fault->after);
    if (next_was_meant(&info, &fault->after, address)) {
        info = fault->after;
        pw_inspect_neighbours(image, &info, &fault->before, &fault->after);
    }
    pw_inspect_freed_size(image, &info);
    fault->relation = relate(&info, address, &fault->offset);
    fault->kind = kind_of(&info, fault->relation);
    fault->block = info;
}
