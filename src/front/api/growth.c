/*
 * growth.c - what was allocated since some moment and is still there, by who allocated it.
 *
 * Every block knows which of its thread's allocations it was (image/layout.h: evidence, at full). So
 * a checkpoint is no list of blocks, but how far each thread had counted.
 */
#include "diag/public.h"
#include "front/state.h"
#include "image/sites.h"
#include "os/memory.h"
#include "pwheap/pwheap.h"

#include <errno.h>

enum { SITES = 65536 };

struct pwheap_checkpoint {
    uint32_t thread_count;
    uint32_t counts[PW_MAX_THREADS + 1]; /* of allocations, by the thread's ordinal */
};

PW_PUBLIC struct pwheap_checkpoint *pwheap_checkpoint(void)
{
    if (!pw_start() || pw_root.level < PW_LEVEL_FULL) {
        errno = ENOTSUP;
        return NULL;
    }
    struct pwheap_checkpoint *checkpoint = pw_os_map(sizeof *checkpoint);
    if (checkpoint == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    const struct pw_thread_image *threads = (const struct pw_thread_image *)pw_root.threads;
    checkpoint->thread_count = atomic_load_explicit(&pw_root.thread_count, memory_order_acquire);
    for (uint32_t i = 0; i < checkpoint->thread_count; i++)
        checkpoint->counts[i] = (uint32_t)threads[i].allocations; /* of those that have ended */
    for (struct pw_cache *cache = pw_cache_first(); cache != NULL; cache = cache->next)
        if (cache->in_use && cache->thread < checkpoint->thread_count)
            checkpoint->counts[cache->thread] = cache->allocations;
    return checkpoint;
}

PW_PUBLIC void pwheap_checkpoint_free(struct pwheap_checkpoint *checkpoint)
{
    if (checkpoint != NULL)
        pw_os_unmap(checkpoint, sizeof *checkpoint);
}

struct growth {
    const struct pwheap_checkpoint *since;
    struct pw_sites sites;
};

/* Blocks without a number (allocated where a thread had no cache) can't be told from old ones. */
static bool is_new(const struct pwheap_checkpoint *since, const struct pw_block_info *block)
{
    if (block->state != PW_STATE_LIVE || !block->has_evidence || block->number == 0 ||
        block->alloc_thread >= PW_MAX_THREADS - 1)
        return false;
    return block->alloc_thread >= since->thread_count ||
           (int32_t)(block->number - since->counts[block->alloc_thread]) > 0;
}

static bool add_new(void *context, const struct pw_block_info *block)
{
    struct growth *growth = context;
    if (is_new(growth->since, block))
        pw_sites_add(&growth->sites, 0, block->alloc_stack, block->address, block->size);
    return true;
}

static void tell(const struct pw_sites *sites,
                 bool (*visit)(void *context, const struct pwheap_site *site), void *context)
{
    for (uint32_t i = 0; i < sites->count; i++) {
        struct pwheap_site site = {.bytes = sites->all[i].bytes, .blocks = sites->all[i].blocks};
        site.frame_count = pw_public_stack(sites->all[i].stack, site.frames);
        if (!visit(context, &site))
            return;
    }
}

PW_PUBLIC size_t pwheap_diff(const struct pwheap_checkpoint *since,
                             bool (*visit)(void *context, const struct pwheap_site *site), void *context)
{
    if (since == NULL)
        return 0;
    struct growth growth = {.since = since, .sites = {.capacity = SITES}};
    growth.sites.all = pw_os_map(SITES * sizeof *growth.sites.all);
    size_t blocks = 0;
    if (growth.sites.all == NULL)
        return 0;
    struct pw_image image = pw_image_locked();
    (void)pw_image_walk(&image, add_new, &growth);
    pw_sites_sort(&growth.sites);
    for (uint32_t i = 0; i < growth.sites.count; i++)
        blocks += growth.sites.all[i].blocks;
    blocks += growth.sites.rest_blocks;
    if (visit != NULL)
        tell(&growth.sites, visit, context);
    pw_os_unmap(growth.sites.all, SITES * sizeof *growth.sites.all);
    return blocks;
}
