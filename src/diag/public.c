/* public.c - see public.h */
#include "diag/public.h"

#include "diag/report_render.h"

static enum pwheap_block_state public_state(uint32_t state)
{
    switch (state) {
    case PW_STATE_FREE:
        return PWHEAP_STATE_FREE;
    case PW_STATE_CACHED:
        return PWHEAP_STATE_CACHED;
    case PW_STATE_LIVE:
        return PWHEAP_STATE_LIVE;
    case PW_STATE_QUARANTINED:
        return PWHEAP_STATE_QUARANTINED;
    case PW_STATE_RETIRED:
        return PWHEAP_STATE_RETIRED;
    default:
        return PWHEAP_STATE_PENDING;
    }
}

uint32_t pw_public_stack(uint32_t id, void *frames[PWHEAP_MAX_FRAMES])
{
    uint64_t found[PW_MAX_FRAMES];
    struct pw_trace trace = pw_trace_of_stack(found, id);
    uint32_t count = trace.count < PWHEAP_MAX_FRAMES ? trace.count : PWHEAP_MAX_FRAMES;
    for (uint32_t i = 0; i < count; i++)
        frames[i] = (void *)(uintptr_t)trace.frames[i];
    return count;
}

void pw_public_block(const struct pw_block_info *info, struct pwheap_block *block)
{
    block->address = (void *)(uintptr_t)info->address;
    block->size = info->size;
    block->block_size = info->block_size;
    block->state = public_state(info->state);
    block->family = (enum pwheap_family)info->family;
    block->heap = info->heap;
    block->alloc_thread = info->has_evidence ? info->alloc_thread : 0;
    block->free_thread = info->has_evidence ? info->free_thread : 0;
    block->number = info->has_evidence ? info->number : 0;
    block->alloc_frame_count = info->has_evidence ? pw_public_stack(info->alloc_stack, block->alloc_frames) : 0;
    block->free_frame_count = info->has_evidence ? pw_public_stack(info->free_stack, block->free_frames) : 0;
}
