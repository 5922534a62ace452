/*
 * validate.c - the whole heap, block after block, whatever its state.
 *
 * A damaged header does not stop it: the bitmap of starts says where the next block is, so all of
 * the damage is listed, not the first. With a lock in the image it works in short steps, so that
 * nobody waits long.
 */
#include "image/image.h"

#include "image/scan.h"
#include "image/seal.h"
#include "image/spans.h"

enum { STEP_BLOCKS = 256 };
static const uint64_t step_bytes = 64 * 1024;

static bool check_bin(const struct pw_image *image, const struct pw_region *region, uint32_t index,
                      uint32_t granule, const struct pw_header_copy *header, struct pw_fault *fault)
{
    if (header->state != PW_STATE_FREE || !header->is_sealed || region->kind == PW_REGION_GUARD)
        return true;
    const char *rule = pw_bins_broken_link(image, region, index, granule, header->size);
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

/*
 * The block at or after `granule`, or 0: that its header is sound is enough, for its bit may be the
 * damaged one; else the bitmap says where the next is.
 */
static uint32_t block_from(const struct pw_image *image, const struct pw_region *region,
                           uint64_t granule)
{
    struct pw_header_copy header;
    if (granule <= region->first)
        return region->first;
    if (granule >= region->limit)
        return 0;
    bool is_block =
        pw_image_header(image, region, (uint32_t)granule, &header) && header.is_sealed;
    return is_block ? (uint32_t)granule : pw_image_next_start(image, region, (uint32_t)granule);
}

/* Check one block the long way; *next is where to look for the one after it. */
static bool check_block(const struct pw_image *image, const struct pw_region *region, uint32_t index,
                        uint32_t granule, uint64_t *next, uint64_t *bytes, struct pw_fault *fault)
{
    struct pw_header_copy header;
    *next = (uint64_t)granule + 1;
    if (!pw_image_header(image, region, granule, &header))
        return true; /* can't be read: passed over */
    if (header.is_sealed)
        *next = (uint64_t)granule + header.size;
    uint64_t cost = cost_of(image, region, &header);
    *bytes -= cost < *bytes ? cost : *bytes;
    return pw_diagnose_header(image, region, index, granule, &header, fault) &&
           check_bin(image, region, index, granule, &header, fault);
}

/* Check blocks of one region; the lock of its heap is held. */
static bool step_region(const struct pw_image *image, const struct pw_region *region,
                        struct pw_validate_cursor *cursor, uint64_t *blocks, uint64_t *bytes,
                        struct pw_fault *fault)
{
    if (region->kind == PW_REGION_SLABS) {
        bool found = pw_validate_slabs(image, region, cursor, blocks, bytes, fault);
        cursor->region += cursor->granule == 0;
        return found;
    }
    struct pw_scan scan;
    pw_scan_start(&scan, PW_IMAGE_SCRATCH(image, sizeof *scan.scratch));
    uint32_t granule = block_from(image, region, cursor->granule);
    bool is_fine = true;
    while (is_fine && granule != 0 && *blocks > 0 && *bytes > 0) {
        uint64_t next = (uint64_t)granule + pw_scan_block(image, region, &scan, granule);
        bool is_plain = pw_likely(next > granule);
        if (!is_plain)
            is_fine = check_block(image, region, cursor->region, granule, &next, bytes, fault);
        *blocks -= 1;
        scan.last_size = (uint32_t)next - granule;
        scan.last_end = is_fine ? (uint32_t)next : 0;
        granule = next >= region->limit ? 0 : is_plain ? (uint32_t)next : block_from(image, region, next);
    }
    cursor->granule = granule;
    if (granule == 0)
        cursor->region++;
    return !is_fine;
}

/* Take the lock of the cursor's region, if it still is one, and check blocks of it. */
static bool check_region(const struct pw_image *image, struct pw_validate_cursor *cursor,
                         uint64_t *blocks, uint64_t *bytes, struct pw_fault *fault)
{
    struct pw_region region;
    bool found = false;
    bool is_there = pw_image_region(image, cursor->region, &region) &&
                    (cursor->only_heap == 0 || cursor->only_heap == region.heap + 1);
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

/* Check the heads of the bins of the cursor's heap, under its lock; after the last come the regions. */
static bool check_heads(const struct pw_image *image, struct pw_validate_cursor *cursor,
                        struct pw_fault *fault)
{
    uint32_t heap = cursor->granule / PW_HEADS_A_HEAP, bin = cursor->granule % PW_HEADS_A_HEAP;
    if (cursor->only_heap != 0 && heap + 1 < cursor->only_heap) {
        cursor->granule = (cursor->only_heap - 1) * PW_HEADS_A_HEAP;
        return false;
    }
    if (cursor->only_heap != 0 && heap + 1 > cursor->only_heap)
        heap = PW_MAX_HEAPS;
    if (heap >= image->root->heap_count || heap >= PW_MAX_HEAPS) {
        cursor->region = 1;
        __atomic_signal_fence(__ATOMIC_SEQ_CST); /* else both are one load, from a page that nobody else comes to */
        cursor->granule = 0;
        return false;
    }
    uint32_t used = heap;
    while (used < image->root->heap_count && used < PW_MAX_HEAPS && !pw_image_heap_is_used(image, used))
        used++;
    if (used != heap) {
        cursor->granule = used * PW_HEADS_A_HEAP;
        return false;
    }
    if (image->lock != NULL)
        image->lock(image->context, heap);
    bool found = pw_bins_check_heads(image, heap, &bin, fault);
    if (image->unlock != NULL)
        image->unlock(image->context, heap);
    cursor->granule = heap * PW_HEADS_A_HEAP + bin;
    return found;
}

bool pw_validate_step(const struct pw_image *image, struct pw_validate_cursor *cursor,
                      uint64_t max_blocks, uint64_t max_bytes, struct pw_fault *fault)
{
    while (max_blocks > 0 && max_bytes > 0) {
        if (cursor->region == 0) {
            max_blocks--;
            if (check_heads(image, cursor, fault))
                return true;
            continue;
        }
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
