/*
 * guarded.c - see guarded.h
 *
 *   acquire: policy ── a run, PENDING [heap lock] ── show ── canary, size, evidence ── LIVE
 *   release: canary ── claim ── free stack ── hide, QUARANTINED, keep [heap lock]
 */
#include "front/guarded/guarded.h"

#include "check/zone.h"
#include "diag/report.h"
#include "front/guarded/hints.h"
#include "front/guarded/runs.h"
#include "front/guarded/watch.h"
#include "guard/place.h"
#include "os/memory.h"
#include "os/process.h"
#include "trace/depot.h"
#include "trace/unwind.h"

bool pw_guards_are_on;

/* Of the memory that is available, the budget unless the option names one; at full at most so much. */
enum { ASK_EVERY = 4 }; /* besides PW_GUARD_ASK_EVERY */
enum { LEAST_SUSPECT_ALIGNMENT = 8 };
enum { GUARD_SHARE = 4, FULL_SHARE = 64, FAST_SHARE = 1024 };

_Static_assert((int)PW_SIDE_BOTH == PW_GUARD_SIDE_BOTH && (int)PW_SIDE_RIGHT == PW_GUARD_SIDE_RIGHT &&
                   (int)PW_SIDE_LEFT == PW_GUARD_SIDE_LEFT,
               "the option's names are in the order of the policy's");

struct pw_guard_policy pw_guards;
/* At full the budget follows the heap up to here; 0: it does not. */
static uint64_t most_pages;
__thread struct pw_guard_turn pw_guard_turn;
static __thread uint32_t asked; /* times that the budget was asked whether it has grown */
static _Atomic bool is_told;
bool pw_guards_look_at_each;

static uint64_t budget_bytes(const struct pw_options *options)
{
    uint64_t share = options->level >= PW_LEVEL_GUARD  ? GUARD_SHARE
                     : options->level == PW_LEVEL_FULL ? FULL_SHARE
                                                       : FAST_SHARE;
    return options->guard_memory_mb != 0 ? options->guard_memory_mb << 20
                                         : pw_os_memory_available() / share;
}

void pw_guarded_follow(uint64_t live_bytes)
{
    if (most_pages != 0)
        atomic_store_explicit(&pw_guards.budget_pages, pw_guard_policy_share(live_bytes, most_pages),
                              memory_order_relaxed);
}

/* The budget refused a block; where it follows the heap, does it see now that there is more of that? */
static bool budget_has_grown(void)
{
    uint64_t before = atomic_load_explicit(&pw_guards.budget_pages, memory_order_relaxed);
    if (most_pages == 0 || asked++ % ASK_EVERY != 0)
        return false;
    pw_guarded_follow(pw_live_bytes());
    return atomic_load_explicit(&pw_guards.budget_pages, memory_order_relaxed) > before;
}

static bool take_budget(enum pw_guard_wish wish, uint32_t pages)
{
    return pw_guard_policy_take(&pw_guards, wish, &pw_guard_turn, pages) ||
           (budget_has_grown() && pw_guard_policy_take(&pw_guards, wish, &pw_guard_turn, pages));
}

void pw_guarded_start(void)
{
    const struct pw_options *options = pw_options();
    pw_guards.guards_all = options->level >= PW_LEVEL_GUARD;
    pw_guards.site_blocks = options->guard_site_blocks;
    pw_guards.sample_every = options->guard_sample_rate;
    pw_guards.side = (enum pw_guard_side)options->guard_side;
    pw_guards.key = pw_root.seal_key * 0x9E3779B97F4A7C15u;
    pw_guards.max_blocks = options->guard_max_blocks;
    pw_guards_are_on = options->level >= PW_LEVEL_FAST &&
                       (pw_guards.guards_all || pw_guards.sample_every != 0 || pw_watch_is_on ||
                        (pw_guards.site_blocks != 0 && options->level >= PW_LEVEL_FULL));
    if (!pw_guards_are_on)
        return;
    pw_hints_start();
    pw_guards_look_at_each = pw_watch_is_on || options->hints[0] != '\0';
    uint64_t pages = budget_bytes(options) >> PW_PAGE_SHIFT;
    most_pages = options->level == PW_LEVEL_FULL && options->guard_memory_mb == 0 ? pages : 0;
    pw_guards.budget_pages = most_pages == 0 ? pages : pw_guard_policy_share(0, most_pages);
    pw_os_guard_mode((enum pw_os_guard_mode)options->guard_pages);
}

/* What is shown of a run and is not the block: before it and behind it. */
struct canary {
    uint64_t front, start, end, back;
};

static struct canary canary_of(struct pw_block block, size_t size)
{
    uint64_t page = pw_block_address(block), start = pw_block_start(block);
    uint64_t back = size == 0 ? start : page + ((uint64_t)pw_guarded_data_pages(block) << PW_PAGE_SHIFT);
    return (struct canary){size == 0 ? start : page, start, start + size, back};
}

static bool canary_holds(struct pw_block block, size_t size)
{
    struct canary canary = canary_of(block, size);
    return pw_zone_all_holds(canary.front, canary.start) && pw_zone_all_holds(canary.end, canary.back);
}

static void dress(struct pw_block block, size_t size)
{
    struct canary canary = canary_of(block, size);
    pw_zone_write_any(canary.front, canary.start);
    pw_zone_write_any(canary.end, canary.back);
    pw_mapped_set_requested(block, size);
}

/* At fast the depot and the unwinder are there when there are samples. */
static uint32_t stack_of(const struct pw_cache *cache, uint32_t stack, const struct pw_call *call)
{
    if (cache->level >= PW_LEVEL_FULL)
        return stack;
    uint64_t frames[PW_MAX_FRAMES];
    size_t most = pw_options()->malloc_context_size;
    if (!pw_can_unwind)
        return pw_depot_put(&call->pc, 1);
    return pw_depot_put(frames, pw_unwind_capture(frames, most, call->pc, call->frame));
}

/* At level guard the user is told once that not everything is guarded as the level promises. */
static bool is_to_be_told(void)
{
    bool expected = false;
    return pw_guards.guards_all && pw_can_unwind && atomic_compare_exchange_strong(&is_told, &expected, true);
}

static void tell_refusal(void)
{
    if (pw_options()->guard_pages != PW_OS_GUARD_NONE && is_to_be_told())
        pw_report_line("the system gives no more guard pages (vm.max_map_count, mlockall or address "
                       "space): other blocks are checked as at full from now on");
}

static void tell_shortage(void)
{
    if (!is_to_be_told())
        return;
    char storage[256];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    pw_text_str(&text, "the guarded blocks have used up their memory (guard_memory_mb=");
    pw_text_dec(&text, pw_guards.budget_pages >> (20 - PW_PAGE_SHIFT));
    if (pw_guards.max_blocks != 0) {
        pw_text_str(&text, ", guard_max_blocks=");
        pw_text_dec(&text, pw_guards.max_blocks);
    }
    pw_text_str(&text, "): most others are checked as at full from now on");
    pw_text_char(&text, '\0');
    pw_report_line(storage);
}

static uint64_t alignment_of(size_t align)
{
    uint64_t least = pw_options()->guard_perfect_align ? 1 : PW_GUARD_MALLOC_ALIGNMENT;
    return align > least ? align : least;
}

static void *acquire(struct pw_heap *heap, struct pw_guard_place place, size_t size, uint32_t flags,
                     struct pw_evidence evidence)
{
    struct pw_block block = pw_guarded_take_run(heap, place, flags, size != 0);
    if (block.region == NULL)
        return NULL;
    dress(block, size);
    *pw_region_evidence(block.region, block.granule) = evidence;
    pw_guarded_set_header(block, PW_STATE_LIVE, flags, place.offset);
    return (void *)pw_block_start(block);
}

/* For a block that is suspected: as close to its guard as what it can hold allows. */
static uint64_t natural_alignment(size_t size, size_t align)
{
    uint64_t natural = size & (0 - size);
    return natural < PW_GUARD_MALLOC_ALIGNMENT && align <= natural ? natural : alignment_of(align);
}

/* How a block is to be guarded. */
struct plan {
    enum pw_guard_wish wish;
    bool is_right;
    uint64_t align;
};

static struct plan plan_block(const struct pw_cache *cache, size_t size, size_t align,
                              uint32_t stack, const _Atomic uint32_t *site)
{
    uint64_t serial = pw_guard_serial(cache->thread, cache->allocations + 1);
    struct plan plan = {.wish = pw_guard_policy_wants(&pw_guards, site, &pw_guard_turn, serial, size)};
    if (pw_unlikely(pw_watch_is_on) && pw_watch_wants_guard(cache, stack, &plan.is_right)) {
        plan.wish = PW_GUARD_RARE;
        plan.align = natural_alignment(size, align);
    } else if (plan.wish != PW_GUARD_NOT && pw_guard_policy_is_accused(site)) {
        /* Nobody asked for that: pointers keep the three low bits that programs put marks in. */
        uint64_t natural = size % LEAST_SUSPECT_ALIGNMENT != 0 ? LEAST_SUSPECT_ALIGNMENT : size & (0 - size);
        plan.is_right = pw_guard_policy_is_right(&pw_guards, plan.wish, serial);
        plan.align = alignment_of(align);
        if (natural < plan.align && natural >= align)
            plan.align = natural;
    } else if (plan.wish != PW_GUARD_NOT) {
        plan.is_right = pw_guard_policy_is_right(&pw_guards, plan.wish, serial);
        plan.align = alignment_of(align);
    }
    return plan;
}

/* The allocation may be to be guarded. */
static void *acquire_if_wanted(struct pw_cache *cache, struct pw_heap *heap, size_t size, size_t align,
                               uint32_t stack, const struct pw_call *call)
{
    _Atomic uint32_t *site = pw_depot_site(stack);
    if (site != NULL)
        pw_hints_meet(stack, site);
    struct plan plan = plan_block(cache, size, align, stack, site);
    if (pw_likely(plan.wish == PW_GUARD_NOT))
        return NULL;
    uint32_t pages = pw_guard_pages(size);
    if (!take_budget(plan.wish, pages)) {
        tell_shortage();
        return NULL;
    }
    if (site != NULL)
        pw_guard_policy_count(site, size);
    struct pw_guard_place place = pw_guard_place(size, plan.align, plan.is_right);
    uint32_t flags = PW_HEAP_MAPPED | PW_HEAP_GUARDED | (plan.is_right && size != 0 ? PW_HEAP_RIGHT : 0) |
                     (align > 1 ? PW_HEAP_ALIGNED : 0) |
                     (uint32_t)call->family << PW_HEAP_FAMILY_SHIFT;
    struct pw_evidence evidence = {.alloc_stack = stack_of(cache, stack, call),
                                   .align_shift = pw_align_shift(align),
                                   .alloc_thread = cache->thread,
                                   .number = cache->allocations + 1};
    void *block = acquire(heap, place, size, flags, evidence);
    if (block == NULL) {
        pw_guard_policy_give(&pw_guards, pages);
        tell_refusal();
    }
    return block;
}

void *pw_guarded_acquire(struct pw_cache *cache, struct pw_heap *heap, size_t size, size_t align,
                         uint32_t stack, const struct pw_call *call)
{
    if (size > PW_HEAP_LARGE_ALLOC_THRESHOLD || align > PW_PAGE_BYTES)
        return NULL;
    if (pw_likely(pw_guarded_passes(cache, size, stack)))
        return NULL;
    return acquire_if_wanted(cache, heap, size, align, stack, call);
}

/* Claimed, so that nobody takes its pages away: is the block as it was left? */
static bool is_intact(struct pw_block block)
{
    struct pw_extension extension = *pw_block_extension(block);
    return extension.requested <= PW_HEAP_LARGE_ALLOC_THRESHOLD &&
           extension.check ==
               pw_extension_check(pw_root.seal_key, pw_block_start(block), extension.requested) &&
           canary_holds(block, extension.requested);
}

bool pw_guarded_claim(struct pw_block block, uint64_t word, const struct pw_call *call)
{
    _Atomic uint64_t *place = &pw_block_header(block)->word;
    uint64_t address = pw_block_start(block);
    for (;;) {
        uint64_t expected = word;
        if (!atomic_compare_exchange_strong_explicit(place, &expected,
                                                     pw_word_pending(word, PW_STATE_LIVE),
                                                     memory_order_acq_rel, memory_order_acquire)) {
            pw_found_bad_pointer((void *)address, call);
            return false;
        }
        if (pw_likely(is_intact(block)))
            return true;
        atomic_store_explicit(place, word, memory_order_release);
        if (pw_found_in_block(address, call))
            return false;
    }
}

void pw_guarded_settle(struct pw_block block)
{
    uint32_t pages = pw_guarded_data_pages(block);
    pw_guarded_keep_run(block, pw_block_extension(block)->requested);
    pw_guard_policy_give(&pw_guards, pages);
}

void pw_guarded_forget(struct pw_heap *heap)
{
    uint64_t pages = 0, blocks = pw_guarded_drop_runs(heap, &pages);
    pw_guard_policy_give_all(&pw_guards, blocks, pages);
}

void pw_guarded_release(struct pw_cache *cache, struct pw_block block, uint64_t word,
                        const struct pw_call *call)
{
    uint32_t stack = stack_of(cache, pw_stack_of(cache, call), call);
    if (!pw_guarded_claim(block, word, call))
        return;
    struct pw_evidence *evidence = pw_region_evidence(block.region, block.granule);
    evidence->free_stack = stack;
    evidence->free_thread = cache->thread;
    pw_note_others(cache);
    pw_note(cache, pw_block_start(block), pw_block_extension(block)->requested, stack, call->operation, true);
    cache->frees++;
    pw_guarded_settle(block);
}

bool pw_guarded_resize(struct pw_block block, size_t size)
{
    struct pw_fields fields = pw_header_fields(pw_block_header(block));
    bool is_right = (fields.flags & PW_HEAP_RIGHT) != 0;
    size_t old_size = pw_block_extension(block)->requested;
    if (size == 0 || old_size == 0 || size > PW_HEAP_LARGE_ALLOC_THRESHOLD ||
        pw_guard_pages(size) != pw_guarded_data_pages(block))
        return false;
    struct pw_guard_place place = pw_guard_place(size, alignment_of(1), is_right);
    uint64_t word = atomic_load_explicit(&pw_block_header(block)->word, memory_order_acquire);
    if (place.offset != pw_start_offset(fields.flags, fields.slack) || !canary_holds(block, old_size) ||
        !atomic_compare_exchange_strong_explicit(&pw_block_header(block)->word, &word,
                                                 pw_word_pending(word, PW_STATE_LIVE),
                                                 memory_order_acq_rel, memory_order_acquire))
        return false; /* the copy's free reports what is wrong */
    dress(block, size);
    pw_guarded_set_header(block, PW_STATE_LIVE, fields.flags, fields.slack);
    return true;
}

void pw_guarded_accuse(const struct pw_block_info *block)
{
    uint64_t first;
    if (!block->known || !block->has_evidence || pw_depot_get(block->alloc_stack, &first, 1) == 0)
        return;
    pw_guard_policy_accuse(pw_depot_site(block->alloc_stack));
    pw_hints_note(block->alloc_stack);
}
