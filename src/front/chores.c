/* chores.c - what is done now and then as the program allocates: validate_every and the patrol. */
#include "diag/patrol.h"
#include "front/state.h"

enum { PATROL_EVERY = 128 };

void pw_chores_plan(struct pw_cache *cache)
{
    uint32_t every = pw_options()->validate_every;
    uint32_t next = 0;
    if (cache->level >= PW_LEVEL_FULL && pw_options()->patrol)
        next = PATROL_EVERY;
    if (every != 0 && (next == 0 || every < next))
        next = every;
    /* 0 is met only when the count wraps, after 2^32 allocations. */
    cache->chores_at = next == 0 ? 0 : cache->allocations + next;
}

void pw_chores(struct pw_cache *cache, const struct pw_call *call)
{
    uint32_t every = pw_options()->validate_every;
    uint32_t now = cache->allocations;
    pw_chores_plan(cache);
    if (every != 0 && now % every == 0) {
        (void)pw_look_at_everything(PW_OP_VALIDATE, call);
        return;
    }
    if (cache->level < PW_LEVEL_FULL || !pw_options()->patrol)
        return;
    struct pw_image image = pw_image_locked();
    struct pw_fault fault = {.kind = PW_KIND_NONE};
    if (!pw_patrol_step(&image, &fault))
        return;
    struct pw_call patrol = *call;
    patrol.operation = PW_OP_PATROL;
    pw_found(&fault, &patrol);
}
