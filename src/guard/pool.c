/* pool.c - see pool.h */
#include "guard/pool.h"

#include "base/bitmap.h"

enum {
    FIRST_REGION_SLOTS = 2,   /* 64 MiB of address space, doubled with every further one … */
    LARGEST_REGION_SLOTS = 128, /* … up to 4 GiB: half a million blocks of a page */
};

static struct pw_header *header_at(const struct pw_region *region, uint32_t granule)
{
    return (struct pw_header *)region->headers + granule;
}

static struct pw_page_links *links_at(const struct pw_region *region, uint32_t granule)
{
    return (struct pw_page_links *)region->evidence + granule + 1;
}

static struct pw_guard_run run_of(uint64_t reference)
{
    return (struct pw_guard_run){(struct pw_region *)pw_root.regions + (reference >> 32),
                                 (uint32_t)reference};
}

static uint64_t reference_to(struct pw_guard_run run)
{
    uint64_t index = (uint64_t)(run.region - (struct pw_region *)pw_root.regions);
    return index << 32 | run.granule;
}

struct pw_guard_run pw_guard_pool_cut(struct pw_guard_pool *pool, uint32_t data_pages)
{
    struct pw_region *region = pool->region;
    uint32_t pages = data_pages + 1;
    if (region == NULL || region->granules - 1 - region->limit < pages)
        return (struct pw_guard_run){NULL, 0};
    struct pw_guard_run run = {region, region->limit};
    struct pw_header *header = header_at(region, run.granule);
    header->size = pages;
    atomic_store_explicit(&header->prev, pool->last_pages, memory_order_relaxed);
    pw_bit2_set((uint64_t *)region->starts, (uint64_t *)region->summary, run.granule);
    pool->last_pages = pages;
    region->limit += pages;
    return run;
}

struct pw_guard_run pw_guard_pool_reuse(struct pw_guard_pool *pool, uint32_t data_pages, uint32_t keep)
{
    struct pw_guard_queue *queue = &pool->kept[data_pages];
    if (queue->count <= keep)
        return (struct pw_guard_run){NULL, 0};
    struct pw_guard_run run = run_of(queue->oldest);
    queue->oldest = links_at(run.region, run.granule)->next;
    queue->count--;
    return run;
}

void pw_guard_pool_keep(struct pw_guard_pool *pool, struct pw_guard_run run, uint32_t data_pages)
{
    struct pw_guard_queue *queue = &pool->kept[data_pages];
    uint64_t reference = reference_to(run);
    links_at(run.region, run.granule)->next = 0;
    if (queue->count == 0) {
        queue->oldest = reference;
    } else {
        struct pw_guard_run newest = run_of(queue->newest);
        links_at(newest.region, newest.granule)->next = reference;
    }
    queue->newest = reference;
    queue->count++;
}

void pw_guard_pool_add(struct pw_guard_pool *pool, struct pw_region *region)
{
    region->limit = region->first;
    pool->region = region;
    pool->last_pages = 0;
    pool->hidden = region->first;
    pool->region_count++;
}

uint64_t pw_guard_pool_next_pages(const struct pw_guard_pool *pool)
{
    uint64_t slots = FIRST_REGION_SLOTS;
    for (uint32_t i = 0; i < pool->region_count && slots < LARGEST_REGION_SLOTS; i++)
        slots *= 2;
    return slots << (PW_SLOT_SHIFT - PW_PAGE_SHIFT);
}
