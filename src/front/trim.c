/* trim.c - see trim.h */
#include "front/trim.h"

static void empty_caches(struct pw_cache *cache)
{
    pw_cache_flush(cache, pw_leaving_check(cache));
    pw_cache_flush_transfer(pw_leaving_check(cache));
}

uint64_t pw_trim(struct pw_cache *cache)
{
    empty_caches(cache);
    return pw_heap_trim();
}

uint64_t pw_trim_all(struct pw_cache *cache, const struct pw_call *call)
{
    (void)pw_quarantine_empty(cache, call);
    return pw_trim(cache);
}

bool pw_make_room(struct pw_cache *cache, const struct pw_call *call)
{
    bool had_waiting = cache->level >= PW_LEVEL_FULL && pw_quarantine_empty(cache, call);
    empty_caches(cache);
    return pw_heap_give_regions_back() != 0 || had_waiting;
}
