/* public.c - see public.h */
#include "diag/public.h"

#include "diag/report_render.h"

#include <string.h>

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

/* How many frames; `stacks` is NULL where nothing is kept. */
static uint32_t set_stack(void *frames[PWHEAP_MAX_FRAMES], struct pw_public_stacks *stacks, uint32_t id)
{
    if (id == 0)
        return 0;
    if (stacks == NULL)
        return pw_public_stack(id, frames);
    struct pw_kept_stack *kept = &stacks->kept[id * 0x9e3779b1u >> (32 - PW_PUBLIC_STACKS_SHIFT)];
    if (kept->id != id) {
        kept->count = pw_public_stack(id, kept->frames);
        kept->id = id;
    }
    memcpy(frames, kept->frames, kept->count * sizeof *frames);
    return kept->count;
}

void pw_public_next_block(const struct pw_block_info *info, struct pw_public_stacks *stacks, struct pwheap_block *block)
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
    block->alloc_frame_count = set_stack(block->alloc_frames, stacks, info->has_evidence ? info->alloc_stack : 0);
    block->free_frame_count = set_stack(block->free_frames, stacks, info->has_evidence ? info->free_stack : 0);
}

void pw_public_block(const struct pw_block_info *info, struct pwheap_block *block)
{
    pw_public_next_block(info, NULL, block);
}
