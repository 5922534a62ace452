/* core_keep.c - which memory the library's own tables take: all that a core without contents keeps. */
#include "image/core.h"
#include "image/image.h"

static void keep(struct pw_core_work *work, uint64_t start, uint64_t bytes)
{
    if (start != 0 && bytes != 0 && start + bytes > start && work->kept_count < PW_CORE_MAX_RANGES)
        work->kept[work->kept_count++] = (struct pw_core_range){start, start + bytes};
}

static void keep_depot(struct pw_core_work *work, const struct pw_image *image)
{
    uint64_t scratch[PW_VIEW_MAX / sizeof(uint64_t)];
    uint64_t depot = image->root->depot;
    keep(work, depot, sizeof(struct pw_depot_image));
    for (uint64_t i = 0; depot != 0 && i < PW_DEPOT_MAX_CHUNKS; i++) {
        const uint64_t *chunk = image->view(image->context, depot + i * sizeof *chunk, sizeof *chunk, scratch);
        if (chunk != NULL)
            keep(work, *chunk, (uint64_t)1 << PW_DEPOT_CHUNK_SHIFT);
    }
}

void pw_core_keep_tables(struct pw_core_work *work, const struct pw_image *image, uint64_t root)
{
    const struct pw_root *r = image->root;
    uint32_t regions = r->region_count < PW_MAX_REGIONS ? r->region_count : PW_MAX_REGIONS;
    uint64_t heaps = r->heap_count < PW_MAX_HEAPS ? r->heap_count : PW_MAX_HEAPS;
    work->kept_count = 0;
    keep(work, root, sizeof *r);
    keep(work, r->regions, PW_MAX_REGIONS * sizeof(struct pw_region));
    keep(work, r->heaps, heaps * r->heap_stride);
    keep(work, r->heap_locks, heaps * PW_HEAP_LOCK_STRIDE);
    keep(work, r->threads, (PW_MAX_THREADS + 1) * sizeof(struct pw_thread_image));
    keep(work, r->modules, PW_MAX_MODULES * sizeof(struct pw_module));
    keep(work, r->page_map, PW_SLOT_COUNT * sizeof(uint64_t));
    for (uint32_t i = 1; i < regions; i++) {
        struct pw_region region;
        if (pw_image_region(image, i, &region))
            keep(work, region.mapping, region.mapping_bytes);
    }
    keep_depot(work, image);
}
