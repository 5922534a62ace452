/*
 * diagnose_free.c - the verdict on a pointer that was given back and is no LIVE block's: given back
 * before, in the middle of a block, or nobody's at all.
 */
#include "image/image.h"

#include "image/spans.h"

/* The block is sound, but who looks it up by the entry of its span does not find it. */
static bool span_is_damaged(const struct pw_image *image, const struct pw_block_info *info)
{
    struct pw_region region;
    struct pw_span span;
    return info->kind == PW_REGION_SLABS && pw_image_region(image, info->region, &region) &&
           !pw_image_span(image, &region, pw_span_of(info->granule), &span);
}

static const char no_block[] = "heap memory that holds no block";
static const char no_block_of_this_size[] = "heap memory that holds no block; one of another size may have started here before";

/*
 * What of a FREE or CACHED block tells that it never was anybody's, or not since its memory went back to
 * the system. *was_first: a block is known to have started at `address`.
 */
static bool was_never_had(const struct pw_image *image, const struct pw_block_info *info, uint64_t address,
                          bool *was_first)
{
    struct pw_region region;
    *was_first = false;
    if ((info->state != PW_STATE_FREE && info->state != PW_STATE_CACHED) || !info->sealed)
        return false;
    if (info->kind == PW_REGION_SMALL || info->kind == PW_REGION_SLABS)
        return (info->flags & PW_HEAP_ZEROED) != 0 || info->is_renewed;
    if (info->state != PW_STATE_FREE || !pw_image_region(image, info->region, &region))
        return false;
    uint64_t granule = (address - region.base) >> region.shift;
    *was_first = pw_inspect_was_mapped(image, &region, granule, address, address);
    return !*was_first && !pw_inspect_was_mapped(image, &region, info->granule, info->address, address);
}

/* An address in front of a block, in what is no block's data. */
static void blame_block_behind(const struct pw_image *image, const struct pw_block_info *behind,
                               uint64_t address, struct pw_fault *fault)
{
    fault->kind = PW_KIND_INTERIOR_FREE;
    fault->block = *behind;
    fault->relation = PW_RELATION_BEFORE;
    fault->offset = behind->address - address;
    pw_inspect_neighbours(image, behind, &fault->before, &fault->after);
}

/* An address that no block holds: before the first block of a span, elsewhere in a region, or not ours. */
static void diagnose_free_of_no_block(const struct pw_image *image, uint64_t address,
                                      struct pw_fault *fault)
{
    struct pw_region region;
    struct pw_block_info info;
    uint32_t index = pw_image_find_region(image, address);
    fault->kind = PW_KIND_BAD_FREE;
    if (index == 0 || !pw_image_region(image, index, &region))
        return;
    bool is_slab = region.kind == PW_REGION_SLABS;
    uint64_t first = PW_ALIGN_DOWN(address, (uint64_t)PW_SPAN_BYTES) + PW_SPAN_FRONT_BYTES;
    if (is_slab && address < first && pw_inspect_address(image, first, &info)) {
        blame_block_behind(image, &info, address, fault);
        return;
    }
    fault->place = is_slab ? no_block : "the edge of a heap region";
}

/* In a block that nobody had: nobody's, but for the zone before a block that somebody has. */
static void diagnose_free_of_nobodys(const struct pw_image *image, const struct pw_block_info *info,
                                     uint64_t address, struct pw_fault *fault)
{
    struct pw_block_info before, after;
    pw_inspect_neighbours(image, info, &before, &after);
    if (after.known && after.sealed && after.state == PW_STATE_LIVE && info->kind != PW_REGION_PAGES &&
        after.address - address <= PW_TAIL_BYTES) {
        blame_block_behind(image, &after, address, fault);
        return;
    }
    fault->kind = PW_KIND_BAD_FREE;
    fault->place = info->is_renewed && address % (1u << PW_SLAB_SHIFT) == 0 ? no_block_of_this_size : no_block;
}

void pw_diagnose_free(const struct pw_image *image, uint64_t address, struct pw_fault *fault)
{
    struct pw_block_info info;
    bool was_first = false;
    fault->address = address;
    fault->is_certain = true;
    if (!pw_inspect_address(image, address, &info)) {
        diagnose_free_of_no_block(image, address, fault);
        return;
    }
    if (was_never_had(image, &info, address, &was_first)) {
        diagnose_free_of_nobodys(image, &info, address, fault);
        return;
    }
    pw_inspect_freed_size(image, &info);
    fault->block = info;
    bool is_before = address < info.address; /* on the first page of a right-aligned one */
    fault->relation = is_before ? PW_RELATION_BEFORE : PW_RELATION_INSIDE;
    fault->offset = is_before ? info.address - address : address - info.address;
    pw_inspect_neighbours(image, &info, &fault->before, &fault->after);
    if (!info.sealed) {
        fault->kind = PW_KIND_HEADER;
        fault->broken_rule = "the header's magic and seal do not fit what it says";
    } else if (info.state == PW_STATE_LIVE) {
        fault->kind = fault->offset == 0 ? PW_KIND_NONE : PW_KIND_INTERIOR_FREE;
        if (fault->offset == 0 && span_is_damaged(image, &info)) {
            fault->kind = PW_KIND_HEADER;
            fault->broken_rule = "the entry of its span does not fit its check";
        }
        if (!is_before && fault->offset >= info.size) {
            fault->relation = PW_RELATION_AFTER;
            fault->offset -= info.size;
        }
    } else if (fault->offset == 0 || was_first) {
        fault->kind = PW_KIND_DOUBLE_FREE;
    } else if (info.state == PW_STATE_FREE && info.kind == PW_REGION_SMALL &&
               address % PW_HEAP_ALIGNMENT == 0) {
        /* The block that started here may have been merged with its neighbours since. */
        fault->kind = PW_KIND_DOUBLE_FREE;
        fault->is_certain = false;
    } else {
        fault->kind = PW_KIND_INTERIOR_FREE;
    }
}
