/*
 * validate.c - the whole heap, block after block, whatever its state.
 *
 * A damaged header does not stop it: the bitmap of starts says where the next block is, so all of
 * the damage is listed, not the first. With a lock in the image it works in short steps, so that
 * nobody waits long.
 */
#include "image/image.h"

#include "base/bitmap.h"
#include "image/scan.h"
#include "image/seal.h"

enum { STEP_BLOCKS = 1024 };
static const uint64_t step_bytes = 256 * 1024;

static const struct pw_heap_image *heap_image(const struct pw_image *image, uint32_t heap,
                                              struct pw_heap_image *scratch)
{
    if (heap >= image->root->heap_count || heap >= PW_MAX_HEAPS)
        return NULL;
    _Static_assert(sizeof(struct pw_heap_image) <= PW_VIEW_MAX, "one view");
    return image->view(image->context, image->root->heaps + (uint64_t)heap * image->root->heap_stride,
                       sizeof *scratch, scratch);
}

/* The links of the block that a reference names; most are in the region `near`, whose index is given. */
static bool free_links(const struct pw_image *image, const struct pw_region *near, uint32_t near_index,
                       uint32_t reference, struct pw_free_links *links)
{
    struct pw_region other;
    uint32_t index = reference >> PW_REF_GRANULE_BITS;
    uint32_t granule = reference & ((1u << PW_REF_GRANULE_BITS) - 1);
    if (index != near_index && !pw_image_region(image, index, &other))
        return false;
    const struct pw_region *region = index == near_index ? near : &other;
    if (region->kind != PW_REGION_SMALL || granule >= region->limit)
        return false;
    const struct pw_free_links *seen = image->view(
        image->context, region->evidence + (uint64_t)granule * sizeof *links, sizeof *links, links);
    if (seen == NULL)
        return false;
    *links = *seen;
    return true;
}

/* The rule that the bin of a FREE small block breaks, or NULL. */
static const char *broken_bin_rule(const struct pw_image *image, const struct pw_region *region,
                                   uint32_t index, uint32_t granule,
                                   const struct pw_header_copy *header)
{
    struct pw_heap_image scratch;
    const struct pw_heap_image *heap = heap_image(image, region->heap, &scratch);
    struct pw_free_links own, other;
    uint32_t me = index << PW_REF_GRANULE_BITS | granule;
    uint32_t bin = header->size <= PW_HEAP_NUM_BINS ? header->size - 1 : PW_HEAP_NUM_BINS - 1;
    if (heap == NULL || !free_links(image, region, index, me, &own))
        return NULL;
    if (!pw_bit_test(heap->bin_bitmap, bin))
        return "it is free, and the bitmap of bins says that there is none of its size";
    if (own.previous == 0 ? heap->bins[bin] != me
                          : !free_links(image, region, index, own.previous, &other) || other.next != me)
        return "it is free, and the block before it in its bin does not lead to it";
    if (own.next != 0 && (!free_links(image, region, index, own.next, &other) || other.previous != me))
        return "it is free, and the block after it in its bin does not lead back";
    return NULL;
}

static bool check_bin(const struct pw_image *image, const struct pw_region *region, uint32_t index,
                      uint32_t granule, const struct pw_header_copy *header, struct pw_fault *fault)
{
    if (region->kind != PW_REGION_SMALL || header->state != PW_STATE_FREE || !header->is_sealed)
        return true;
    const char *rule = broken_bin_rule(image, region, index, granule, header);
    if (rule == NULL)
        return true;
    fault->kind = PW_KIND_HEADER;
    fault->broken_rule = rule;
    fault->is_certain = true;
    pw_inspect_block(image, index, granule, &fault->block);
    fault->address = fault->block.address;
    fault->relation = PW_RELATION_INSIDE;
    pw_inspect_neighbours(image, &fault->block, &fault->before, &fault->after);
    return false;
}

/* Content bytes that checking a block reads. */
static uint64_t cost_of(const struct pw_image *image, const struct pw_region *region,
                        const struct pw_header_copy *header)
{
    if (header->state == PW_STATE_LIVE || (header->flags & PW_HEAP_ZEROED) != 0 ||
        image->root->level < PW_LEVEL_FULL)
        return 64;
    return (uint64_t)header->size << region->shift;
}

/* Check blocks of one region; the lock of its heap is held. */
static bool step_region(const struct pw_image *image, const struct pw_region *region,
                        struct pw_validate_cursor *cursor, uint64_t *blocks, uint64_t *bytes,
                        struct pw_fault *fault)
{
    struct pw_scan scan;
    pw_scan_start(&scan);
    uint32_t granule = cursor->granule < region->first ? region->first : cursor->granule;
    /* A block whose start the bitmap lost is still one; where blocks were merged meanwhile none is left. */
    struct pw_header_copy first;
    if (!pw_image_header(image, region, granule, &first) || !first.is_sealed)
        granule = pw_image_next_start(image, region, granule);
    while (granule != 0 && *blocks > 0 && *bytes > 0) {
        struct pw_header_copy header;
        uint32_t plain = pw_scan_block(image, region, &scan, granule);
        if (pw_likely(plain != 0)) {
            *blocks -= 1;
            scan.last_size = plain;
            scan.last_end = granule + plain;
            granule = scan.last_end >= region->limit ? 0 : scan.last_end;
            cursor->granule = granule;
            continue;
        }
        if (!pw_image_header(image, region, granule, &header))
            break;
        uint64_t cost = cost_of(image, region, &header);
        *bytes -= cost < *bytes ? cost : *bytes;
        *blocks -= 1;
        bool is_fine = pw_diagnose_header(image, region, cursor->region, granule, &header, fault) &&
                       check_bin(image, region, cursor->region, granule, &header, fault);
        uint32_t next = granule + header.size;
        if (!header.is_sealed)
            next = pw_image_next_start(image, region, granule + 1);
        cursor->granule = next >= region->limit ? 0 : next;
        scan.last_end = is_fine ? next : 0;
        scan.last_size = header.size;
        granule = cursor->granule;
        if (!is_fine) {
            if (granule == 0)
                cursor->region++;
            return true;
        }
    }
    if (granule == 0) {
        cursor->region++;
        cursor->granule = 0;
    }
    return false;
}

/* Take the lock of the cursor's region, if it still is one, and check blocks of it. */
static bool check_region(const struct pw_image *image, struct pw_validate_cursor *cursor,
                         uint64_t *blocks, uint64_t *bytes, struct pw_fault *fault)
{
    struct pw_region region;
    bool found = false;
    bool is_there = pw_image_region(image, cursor->region, &region);
    uint32_t heap = region.heap;
    if (is_there && image->lock != NULL)
        image->lock(image->context, heap);
    /* It may have gone, or become another heap's, before the lock was ours. */
    if (is_there && pw_image_region(image, cursor->region, &region) && region.heap == heap) {
        found = step_region(image, &region, cursor, blocks, bytes, fault);
    } else {
        cursor->region++;
        cursor->granule = 0;
    }
    if (is_there && image->unlock != NULL)
        image->unlock(image->context, heap);
    return found;
}

bool pw_validate_step(const struct pw_image *image, struct pw_validate_cursor *cursor,
                      uint64_t max_blocks, uint64_t max_bytes, struct pw_fault *fault)
{
    if (cursor->region == 0)
        cursor->region = 1;
    while (max_blocks > 0 && max_bytes > 0) {
        uint32_t count = atomic_load_explicit(&image->root->region_count, memory_order_acquire);
        if (cursor->region >= count || cursor->region >= PW_MAX_REGIONS) {
            cursor->is_done = true;
            return false;
        }
        if (check_region(image, cursor, &max_blocks, &max_bytes, fault))
            return true;
    }
    return false;
}

uint64_t pw_validate_all(const struct pw_image *image,
                         void (*found)(void *context, const struct pw_fault *fault), void *context)
{
    struct pw_validate_cursor cursor = {.region = 0};
    uint64_t faults = 0;
    while (!cursor.is_done) {
        struct pw_fault fault = {.kind = PW_KIND_NONE};
        if (!pw_validate_step(image, &cursor, STEP_BLOCKS, step_bytes, &fault))
            continue;
        faults++;
        found(context, &fault);
    }
    return faults;
}
