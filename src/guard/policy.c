/* policy.c - see policy.h */
#include "guard/policy.h"

#include "base/random.h"

enum { SPARE_EVERY = 64 };

static uint32_t word_of(const _Atomic uint32_t *site)
{
    return site == NULL ? 0 : atomic_load_explicit(site, memory_order_relaxed);
}

static uint64_t mix(uint64_t key, uint64_t value)
{
    uint64_t state = key ^ value * 0x9E3779B97F4A7C15u;
    return pw_random_next(&state);
}

static bool is_rare(const struct pw_guard_policy *policy, const _Atomic uint32_t *site)
{
    uint32_t word = word_of(site);
    return (word & PW_SITE_EVIDENCE) != 0 || (word & PW_SITE_COUNT) < policy->site_blocks;
}

/* Is it the thread's turn for a sample? The distance is drawn anew each time, so that no rhythm is met. */
static bool has_turn(const struct pw_guard_policy *policy, struct pw_guard_turn *turn, uint64_t serial)
{
    if (policy->sample_every == 0)
        return false;
    bool is_due = turn->countdown == 1;
    if (turn->countdown <= 1)
        turn->countdown =
            1 + (uint32_t)(mix(policy->key, serial) % (2 * (uint64_t)policy->sample_every));
    else
        turn->countdown--;
    return is_due;
}

bool pw_guard_policy_wants(const struct pw_guard_policy *policy, const _Atomic uint32_t *site,
                           struct pw_guard_turn *turn, uint64_t serial)
{
    if (policy->guards_all)
        return true;
    if (site != NULL && is_rare(policy, site))
        return true;
    if (!has_turn(policy, turn, serial))
        return false;
    uint32_t count = word_of(site) & PW_SITE_COUNT;
    return count < 1 || policy->site_blocks == 0 ||
           mix(policy->key, ~serial) % count < policy->site_blocks;
}

static bool take_pages(struct pw_guard_policy *policy, uint32_t pages, uint64_t limit)
{
    uint64_t live = atomic_fetch_add_explicit(&policy->live_pages, pages, memory_order_relaxed);
    uint64_t blocks = atomic_fetch_add_explicit(&policy->live_blocks, 1, memory_order_relaxed);
    uint64_t most = policy->max_blocks;
    if (live + pages <= limit && (most == 0 || blocks < most))
        return true;
    pw_guard_policy_give(policy, pages);
    return false;
}

bool pw_guard_policy_take(struct pw_guard_policy *policy, const _Atomic uint32_t *site,
                          struct pw_guard_turn *turn, uint32_t pages)
{
    uint64_t all = policy->budget_pages;
    bool is_preferred = is_rare(policy, site);
    if (take_pages(policy, pages, is_preferred ? all : all - all / 4))
        return true;
    if (!is_preferred && ++turn->refused % SPARE_EVERY == 0 && take_pages(policy, pages, all))
        return true;
    atomic_store_explicit(&policy->is_short, true, memory_order_relaxed);
    return false;
}

void pw_guard_policy_give(struct pw_guard_policy *policy, uint32_t pages)
{
    atomic_fetch_sub_explicit(&policy->live_pages, pages, memory_order_relaxed);
    atomic_fetch_sub_explicit(&policy->live_blocks, 1, memory_order_relaxed);
}

bool pw_guard_policy_is_right(const struct pw_guard_policy *policy, _Atomic uint32_t *site,
                              uint64_t serial)
{
    uint32_t count = word_of(site) & PW_SITE_COUNT;
    if (site != NULL && count < PW_SITE_COUNT)
        atomic_fetch_add_explicit(site, 1, memory_order_relaxed);
    if (policy->side != PW_GUARD_SIDE_BOTH)
        return policy->side == PW_GUARD_SIDE_RIGHT;
    /* What a site does once is more often an overrun: its first blocks are exact there. */
    if (site != NULL && count < policy->site_blocks)
        return true;
    return mix(policy->key, serial) % 2 == 0;
}

void pw_guard_policy_accuse(_Atomic uint32_t *site)
{
    atomic_fetch_or_explicit(site, PW_SITE_EVIDENCE, memory_order_relaxed);
}
