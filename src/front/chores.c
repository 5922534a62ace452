/* chores.c - what is done now and then as the program allocates: validate_every and the patrol. */
#include "diag/patrol.h"
#include "front/cap.h"
#include "front/state.h"

enum { PATROL_EVERY = 128 };

void pw_chores_plan(struct pw_cache *cache)
{
    uint32_t every = pw_options()->validate_every;
    bool patrols = cache->level >= PW_LEVEL_FULL && pw_options()->patrol;
    uint32_t now = cache->allocations;
    uint32_t next = now - 1; /* met only when the count wraps, after 2^32 allocations */
    if (patrols || pw_cap_is_on)
        next = now - now % PATROL_EVERY + PATROL_EVERY;
    if (every != 0 && every - now % every < next - now)
        next = now - now % every + every;
    cache->chores_at = next;
}

static void patrol(const struct pw_cache *cache, const struct pw_call *call)
{
    struct pw_image image = pw_image_locked();
    struct pw_fault fault = {.kind = PW_KIND_NONE};
    if (!pw_patrol_step(&image, cache->heap->index, pw_options()->patrol_pages, &fault))
        return;
    struct pw_call found = *call;
    found.operation = PW_OP_PATROL;
    pw_found(&fault, &found);
}

void pw_chores(struct pw_cache *cache, const struct pw_call *call)
{
    uint32_t every = pw_options()->validate_every;
    uint32_t now = cache->allocations;
    pw_chores_plan(cache);
    if (pw_cap_is_on)
        pw_cap_look(cache, 0, call);
    if (every != 0 && now % every == 0)
        (void)pw_look_at_everything(PW_OP_VALIDATE, call);
    else if (cache->level >= PW_LEVEL_FULL && pw_options()->patrol)
        patrol(cache, call);
}
