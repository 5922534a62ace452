/*
 * policy.h - which blocks get guards: pure decisions over counters.
 *
 * A site is a place that allocates, by its stack; what is noted of it is one word in the depot
 * (struct pw_stack.site): how many of its blocks were guarded so far, the largest power of two among
 * their sizes, and whether damage was found in one. Words are read and written without a lock: a
 * count lost in a race does no harm.
 *
 *   site without evidence   its first `site_blocks` blocks, and the first of each larger power of two
 *                           (what grows shows its bugs late); then ever fewer: of every
 *                           `sample_every`th allocation of a thread with the odds site_blocks / count
 *                           a thread gets such blocks at most PW_GUARD_FIRSTS_AT_ONCE and one in
 *                           PW_GUARD_FIRSTS_EVERY of its allocations
 *   site with evidence      all of its blocks
 *   level guard             all blocks of all sites
 *
 * The budget holds for all of them: `budget_pages` pages and `max_blocks` blocks that are LIVE at a
 * time. Its last quarter is kept for rare blocks (the first of a site, or with evidence) and, of the
 * rest, for every SPARE_EVERYth: so what is rare and what is young still gets guards.
 */
#ifndef PW_GUARD_POLICY_H
#define PW_GUARD_POLICY_H

#include "base/base.h"

#include <stdatomic.h>

/*
 * What a block with guards costs is some thousand instructions: a program that ends soon, after thousands of
 * sites, is not to be slow by them.
 */
enum { PW_GUARD_FIRSTS_AT_ONCE = 96, PW_GUARD_FIRSTS_EVERY = 512, PW_GUARD_ASK_EVERY = 64 };

enum pw_guard_side { PW_GUARD_SIDE_BOTH, PW_GUARD_SIDE_RIGHT, PW_GUARD_SIDE_LEFT };

#define PW_SITE_EVIDENCE 0x80000000u
#define PW_SITE_SEEN 0x40000000u /* looked up in the hints */
#define PW_SITE_SIZE_SHIFT 26u /* the largest power of two, in 4 bits */
#define PW_SITE_COUNT 0x03ffffffu

struct pw_guard_policy {
    bool guards_all;       /* level guard */
    uint32_t site_blocks;  /* 0: none by site */
    uint32_t sample_every; /* allocations of a thread; 0: no samples */
    enum pw_guard_side side;
    uint64_t key;          /* of the side's hash and of the odds */
    _Atomic uint64_t budget_pages;
    uint64_t max_blocks; /* 0: as many as the pages allow */
    _Atomic uint64_t live_pages;
    _Atomic uint64_t live_blocks;
    _Atomic bool is_short; /* the budget once kept a block from being guarded */
};

/* What a thread keeps between its allocations. */
struct pw_guard_turn {
    uint32_t countdown; /* allocations to its next sample; 0: not begun */
    uint32_t refused;   /* blocks that the budget refused */
    uint32_t firsts;    /* blocks that were guarded as one of their site's first */
    uint32_t passed;    /* blocks that would have been, but for the budget */
};

/*
 * The budget where it follows the heap, for `live` bytes of it: a share, but not less than what any program
 * can spare, and not more than `most` pages.
 */
uint64_t pw_guard_policy_share(uint64_t live, uint64_t most);

/* One number for an allocation: the thread's ordinal and the thread's count. */
PW_INLINE uint64_t pw_guard_serial(uint32_t thread, uint32_t number)
{
    return (uint64_t)thread << 32 | number;
}

/* Where the highest bit of a size is, from 0; at most 15. */
PW_INLINE uint32_t pw_guard_size_class(uint64_t size)
{
    uint32_t log = size < 2 ? 0 : 63u - (uint32_t)__builtin_clzll(size);
    return log < 15 ? log : 15;
}

/* Of a site with this word: is this one of its first blocks, and has the thread any of those left? */
PW_INLINE bool pw_guard_policy_may_be_first(const struct pw_guard_policy *policy, uint32_t word,
                                            const struct pw_guard_turn *turn, uint64_t serial, uint64_t size)
{
    uint32_t largest = word >> PW_SITE_SIZE_SHIFT & 15;
    bool is_first = (word & PW_SITE_COUNT) < policy->site_blocks ||
                    (policy->site_blocks != 0 && pw_guard_size_class(size) > largest);
    return is_first && (policy->guards_all ||
                        turn->firsts < PW_GUARD_FIRSTS_AT_ONCE + (uint32_t)serial / PW_GUARD_FIRSTS_EVERY);
}

/*
 * Would the budget refuse a block? Of PW_GUARD_ASK_EVERY times one is let through, so that it is asked whether it has
 * grown.
 */
PW_INLINE bool pw_guard_policy_is_used_up(const struct pw_guard_policy *policy, struct pw_guard_turn *turn)
{
    return atomic_load_explicit(&policy->live_pages, memory_order_relaxed) >=
               atomic_load_explicit(&policy->budget_pages, memory_order_relaxed) &&
           ++turn->passed % PW_GUARD_ASK_EVERY != 0;
}

/* Count this allocation for the thread's next sample; false: its turn has come, and the next is to be drawn. */
PW_INLINE bool pw_guard_turn_counts_down(const struct pw_guard_policy *policy, struct pw_guard_turn *turn)
{
    if (policy->sample_every == 0)
        return true;
    if (turn->countdown <= 1)
        return false;
    turn->countdown--;
    return true;
}

/*
 * Is it plain that this allocation is not to be guarded, as of nearly all? Then it counts for the thread's next
 * sample; false: ask pw_guard_policy_wants.
 */
PW_INLINE bool pw_guard_policy_passes(const struct pw_guard_policy *policy, const _Atomic uint32_t *site,
                                      struct pw_guard_turn *turn, uint64_t serial, uint64_t size)
{
    uint32_t word = site == NULL ? 0 : atomic_load_explicit(site, memory_order_relaxed);
    if (policy->guards_all || (word & PW_SITE_EVIDENCE) != 0 ||
        (site != NULL && pw_guard_policy_may_be_first(policy, word, turn, serial, size) &&
         !pw_guard_policy_is_used_up(policy, turn)))
        return false;
    return pw_guard_turn_counts_down(policy, turn);
}

enum pw_guard_wish { PW_GUARD_NOT, PW_GUARD_COMMON, PW_GUARD_RARE };

/* Is this allocation at a site (NULL: not known) to be guarded, but for the budget? `size` in bytes. */
enum pw_guard_wish pw_guard_policy_wants(const struct pw_guard_policy *policy,
                                         const _Atomic uint32_t *site, struct pw_guard_turn *turn,
                                         uint64_t serial, uint64_t size);
/* Take `pages` of the budget for a block that is wanted; false: it is used up. */
bool pw_guard_policy_take(struct pw_guard_policy *policy, enum pw_guard_wish wish,
                          struct pw_guard_turn *turn, uint32_t pages);
void pw_guard_policy_give(struct pw_guard_policy *policy, uint32_t pages);
/* The same for many blocks, of `pages` all together. */
void pw_guard_policy_give_all(struct pw_guard_policy *policy, uint64_t blocks, uint64_t pages);
/* Which side of the block is exact. */
bool pw_guard_policy_is_right(const struct pw_guard_policy *policy, enum pw_guard_wish wish,
                              uint64_t serial);
/* Was damage found in a block of the site (NULL: not known)? */
bool pw_guard_policy_is_accused(const _Atomic uint32_t *site);
/* Note that a block of the site was guarded. */
void pw_guard_policy_count(_Atomic uint32_t *site, uint64_t size);
/* Damage was found in a block of the site: it gets guards on all of its blocks from now on. */
void pw_guard_policy_accuse(_Atomic uint32_t *site);

#endif
