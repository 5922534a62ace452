/*
 * cap.h - hard_rss_limit_mb: what the process may have resident, the library's own memory included.
 *
 * As the limit comes near the library gives up, in this order and for good, and says so each time: the
 * quarantine (freed blocks are verified and used again at once), new stacks (the caller alone is kept), new
 * guarded blocks. At the limit allocations fail with ENOMEM, until enough was freed and given back.
 *
 * It is looked at every so many allocations, and for each that is large. Pages that the program was given and
 * has not touched yet are not foreseen.
 */
#ifndef PW_FRONT_CAP_H
#define PW_FRONT_CAP_H

#include "front/state.h"

enum pw_cap_step { PW_CAP_ROOM, PW_CAP_NO_QUARANTINE, PW_CAP_NO_STACKS, PW_CAP_NO_GUARDS };

/* How much has been given up. */
extern _Atomic uint32_t pw_cap_step __attribute__((visibility("hidden")));
/* There is a limit. Set once, by pw_cap_start. */
extern bool pw_cap_is_on __attribute__((visibility("hidden")));
/* The last look found the limit reached. */
extern _Atomic bool pw_cap_is_reached __attribute__((visibility("hidden")));

void pw_cap_start(void);
/* Look how near the limit is, with `more` bytes on top, and give up what is due; the cache is entered, no lock held. */
void pw_cap_look(struct pw_cache *cache, uint64_t more, const struct pw_call *call);
/* May an allocation of `size` bytes be served? */
bool pw_cap_allows(struct pw_cache *cache, uint64_t size, const struct pw_call *call);

PW_INLINE bool pw_cap_gave_up(enum pw_cap_step step)
{
    return pw_unlikely(pw_cap_is_on) &&
           atomic_load_explicit(&pw_cap_step, memory_order_relaxed) >= (uint32_t)step;
}

#endif
