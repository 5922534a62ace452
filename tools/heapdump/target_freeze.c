/*
 * target_freeze.c - let a live process go: as it is, or after its heap's tables were copied. See target.h.
 *
 * What was never touched is not copied: the kernel says which pages are there, the others read as zero.
 */
#include "target_parts.h"

#include "message.h"

#include <stdlib.h>
#include <unistd.h>

void target_resume(struct target *target)
{
    target_live_resume(target);
}

/* Freeze the pages of [start, start + bytes) that are there. */
static bool freeze_range(struct target *target, uint64_t start, uint64_t bytes, uint64_t *budget)
{
    static const uint64_t most_bytes = (uint64_t)1 << 40;
    if (bytes == 0 || bytes > most_bytes || start > UINT64_MAX - bytes)
        return bytes == 0;
    uint64_t first = PW_ALIGN_DOWN(start, (uint64_t)MEMORY_PAGE_BYTES);
    size_t pages = (size_t)((start + bytes - first + MEMORY_PAGE_BYTES - 1) / MEMORY_PAGE_BYTES);
    uint8_t *is_present = malloc(pages);
    bool is_known = is_present != NULL && target_live_present(target, first, pages, is_present);
    bool is_done = memory_freeze(target->memory, start, start + bytes, is_known ? is_present : NULL, budget);
    free(is_present);
    return is_done;
}

static bool freeze_regions(struct target *target, uint64_t *budget)
{
    uint32_t count = atomic_load_explicit(&target->root.region_count, memory_order_relaxed);
    for (uint32_t i = 1; i < count; i++) {
        struct pw_region region;
        progress_set((double)i / count);
        if (pw_image_region(&target->image, i, &region) &&
            !freeze_range(target, region.mapping, region.mapping_bytes, budget))
            return false;
    }
    return true;
}

static bool freeze_depot(struct target *target, uint64_t *budget)
{
    uint64_t chunk;
    if (!freeze_range(target, target->root.depot, sizeof(struct pw_depot_image), budget))
        return false;
    for (uint64_t i = 0; i < PW_DEPOT_MAX_CHUNKS; i++) {
        if (!target_read(target, target->root.depot + i * sizeof chunk, &chunk, sizeof chunk) || chunk == 0)
            break;
        if (!freeze_range(target, chunk, (uint64_t)1 << PW_DEPOT_CHUNK_SHIFT, budget))
            return false;
    }
    return true;
}

static bool freeze_tables(struct target *target, uint64_t *budget)
{
    const struct pw_root *root = &target->root;
    return freeze_range(target, root->regions, (uint64_t)root->region_count * sizeof(struct pw_region), budget) &&
           freeze_range(target, root->heaps, (uint64_t)root->heap_count * root->heap_stride, budget) &&
           freeze_range(target, root->threads, (uint64_t)root->thread_count * sizeof(struct pw_thread_image),
                        budget) &&
           freeze_range(target, root->modules, (uint64_t)root->module_count * sizeof(struct pw_module), budget) &&
           freeze_depot(target, budget) && freeze_regions(target, budget);
}

/* Half of what the machine could give without swapping. */
static uint64_t freeze_budget(void)
{
    uint64_t available = (uint64_t)sysconf(_SC_AVPHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    return available / 2;
}

void target_freeze(struct target *target)
{
    if (target->live == NULL || target->image.view == NULL)
        return;
    uint64_t budget = freeze_budget();
    progress_start("copying the heap's tables");
    bool is_whole = freeze_tables(target, &budget);
    progress_end();
    memory_freeze_done(target->memory);
    if (is_whole)
        target_live_resume(target);
}
