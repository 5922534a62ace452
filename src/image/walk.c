/* walk.c - every block, in address order. */
#include "image/image.h"

enum { CHUNK = 32 };

/* The index of the region with the lowest base above `after`, or 0. */
static uint32_t next_region(const struct pw_image *image, uint64_t after)
{
    uint32_t best = 0;
    uint64_t best_base = UINT64_MAX;
    uint32_t count = atomic_load_explicit(&image->root->region_count, memory_order_acquire);
    for (uint32_t index = 1; index < count && index < PW_MAX_REGIONS; index++) {
        struct pw_region region;
        if (pw_image_region(image, index, &region) && region.base > after && region.base < best_base) {
            best = index;
            best_base = region.base;
        }
    }
    return best;
}

/* Blocks from `*granule` on into `chunk`; `*granule` is set to where to go on, 0 at the end. */
static unsigned take_chunk(const struct pw_image *image, uint32_t index,
                           const struct pw_region *region, uint32_t *granule,
                           struct pw_block_info chunk[CHUNK])
{
    unsigned count = 0;
    uint32_t at = pw_image_next_start(image, region, *granule);
    while (at != 0 && count < CHUNK) {
        pw_inspect_in_region(image, region, index, at, &chunk[count]);
        /* A header that can't be read is passed over. */
        uint64_t size = chunk[count].known ? chunk[count].block_size >> region->shift : 1;
        uint64_t next = at + size;
        at = next > at && next < region->limit ? pw_image_next_start(image, region, (uint32_t)next) : 0;
        count += chunk[count].known;
    }
    *granule = at;
    return count;
}

/* The same under the lock of the region's heap; 0 when the region is gone. */
static unsigned take_chunk_locked(const struct pw_image *image, uint32_t index,
                                  const struct pw_region *region, uint32_t *granule,
                                  struct pw_block_info chunk[CHUNK])
{
    struct pw_region now;
    unsigned count = 0;
    if (image->lock != NULL)
        image->lock(image->context, region->heap);
    if (pw_image_region(image, index, &now) && now.base == region->base && now.heap == region->heap)
        count = take_chunk(image, index, &now, granule, chunk);
    else
        *granule = 0;
    if (image->unlock != NULL)
        image->unlock(image->context, region->heap);
    return count;
}

uint64_t pw_image_walk(const struct pw_image *image,
                 bool (*visit)(void *context, const struct pw_block_info *block), void *context)
{
    uint64_t visited = 0;
    struct pw_block_info chunk[CHUNK];
    struct pw_region region;
    for (uint32_t index = next_region(image, 0); index != 0; index = next_region(image, region.base)) {
        if (!pw_image_region(image, index, &region))
            break;
        uint32_t granule = region.first;
        while (granule != 0) {
            unsigned count = take_chunk_locked(image, index, &region, &granule, chunk);
            for (unsigned i = 0; i < count; i++) {
                visited++;
                if (!visit(context, &chunk[i]))
                    return visited;
            }
        }
    }
    return visited;
}
