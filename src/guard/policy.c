/* policy.c - see policy.h */
#include "guard/policy.h"

#include "base/random.h"
#include "image/layout.h"

enum { SPARE_EVERY = 64 };
enum { LIVE_SHARE_SHIFT = 4, LEAST_BYTES = 4 << 20 };

uint64_t pw_guard_policy_share(uint64_t live, uint64_t most)
{
    uint64_t bytes = live >> LIVE_SHARE_SHIFT;
    uint64_t pages = (bytes > LEAST_BYTES ? bytes : LEAST_BYTES) / PW_PAGE_BYTES;
    return pages < most ? pages : most;
}

static uint32_t word_of(const _Atomic uint32_t *site)
{
    return site == NULL ? 0 : atomic_load_explicit(site, memory_order_relaxed);
}

static uint64_t mix(uint64_t key, uint64_t value)
{
    uint64_t state = key ^ value * 0x9E3779B97F4A7C15u;
    return pw_random_next(&state);
}

/* Is it the thread's turn for a sample? The distance is drawn anew each time, so that no rhythm is met. */
static bool has_turn(const struct pw_guard_policy *policy, struct pw_guard_turn *turn, uint64_t serial)
{
    if (pw_guard_turn_counts_down(policy, turn))
        return false;
    bool is_due = turn->countdown == 1; /* 0: the first turn is drawn now */
    turn->countdown = 1 + (uint32_t)(mix(policy->key, serial) % (2 * (uint64_t)policy->sample_every));
    return is_due;
}

enum pw_guard_wish pw_guard_policy_wants(const struct pw_guard_policy *policy,
                                         const _Atomic uint32_t *site, struct pw_guard_turn *turn,
                                         uint64_t serial, uint64_t size)
{
    uint32_t word = word_of(site);
    if ((word & PW_SITE_EVIDENCE) != 0)
        return PW_GUARD_RARE;
    /* Whatever the block is: as long as a turn is not taken, pw_guard_policy_passes asks here each time. */
    bool is_due = has_turn(policy, turn, serial);
    if (site != NULL && pw_guard_policy_may_be_first(policy, word, turn, serial, size))
        return PW_GUARD_RARE;
    if (policy->guards_all)
        return PW_GUARD_COMMON;
    if (!is_due)
        return PW_GUARD_NOT;
    uint32_t count = word & PW_SITE_COUNT;
    bool has_luck = count == 0 || policy->site_blocks == 0 ||
                    mix(policy->key, ~serial) % count < policy->site_blocks;
    return has_luck ? PW_GUARD_COMMON : PW_GUARD_NOT;
}

/* Most of what is refused is so by a look: two threads that write the counters wait for each other's cache. */
static bool take_pages(struct pw_guard_policy *policy, uint32_t pages, uint64_t limit)
{
    if (atomic_load_explicit(&policy->live_pages, memory_order_relaxed) + pages > limit)
        return false;
    uint64_t live = atomic_fetch_add_explicit(&policy->live_pages, pages, memory_order_relaxed);
    uint64_t blocks = atomic_fetch_add_explicit(&policy->live_blocks, 1, memory_order_relaxed);
    uint64_t most = policy->max_blocks;
    if (live + pages <= limit && (most == 0 || blocks < most))
        return true;
    pw_guard_policy_give(policy, pages);
    return false;
}

bool pw_guard_policy_take(struct pw_guard_policy *policy, enum pw_guard_wish wish,
                          struct pw_guard_turn *turn, uint32_t pages)
{
    uint64_t all = atomic_load_explicit(&policy->budget_pages, memory_order_relaxed);
    if (take_pages(policy, pages, wish == PW_GUARD_RARE ? all : all - all / 4)) {
        turn->firsts += wish == PW_GUARD_RARE;
        return true;
    }
    if (wish != PW_GUARD_RARE && ++turn->refused % SPARE_EVERY == 0 && take_pages(policy, pages, all))
        return true;
    atomic_store_explicit(&policy->is_short, true, memory_order_relaxed);
    return false;
}

void pw_guard_policy_give_all(struct pw_guard_policy *policy, uint64_t blocks, uint64_t pages)
{
    atomic_fetch_sub_explicit(&policy->live_pages, pages, memory_order_relaxed);
    atomic_fetch_sub_explicit(&policy->live_blocks, blocks, memory_order_relaxed);
}

void pw_guard_policy_give(struct pw_guard_policy *policy, uint32_t pages)
{
    pw_guard_policy_give_all(policy, 1, pages);
}

bool pw_guard_policy_is_right(const struct pw_guard_policy *policy, enum pw_guard_wish wish,
                              uint64_t serial)
{
    if (policy->side != PW_GUARD_SIDE_BOTH)
        return policy->side == PW_GUARD_SIDE_RIGHT;
    /* What a site does once is more often an overrun: its first blocks are exact there. */
    return wish == PW_GUARD_RARE || mix(policy->key, serial) % 2 == 0;
}

bool pw_guard_policy_is_accused(const _Atomic uint32_t *site)
{
    return (word_of(site) & PW_SITE_EVIDENCE) != 0;
}

void pw_guard_policy_count(_Atomic uint32_t *site, uint64_t size)
{
    uint32_t word = word_of(site);
    uint32_t largest = word >> PW_SITE_SIZE_SHIFT & 15, now = pw_guard_size_class(size);
    uint32_t counted = (word & PW_SITE_COUNT) < PW_SITE_COUNT ? word + 1 : word;
    if (now > largest)
        counted += (now - largest) << PW_SITE_SIZE_SHIFT;
    /* Another thread that was faster counts; a bit that was set meanwhile stays. */
    (void)atomic_compare_exchange_strong_explicit(site, &word, counted, memory_order_relaxed,
                                                  memory_order_relaxed);
}

void pw_guard_policy_accuse(_Atomic uint32_t *site)
{
    atomic_fetch_or_explicit(site, PW_SITE_EVIDENCE, memory_order_relaxed);
}
