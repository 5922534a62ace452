/*
 * state.h - what the files of front share: the thread's cache, the call that came in, and who sees
 * to what. The call trees and the lock order are in docs/internals.md.
 */
#ifndef PW_FRONT_STATE_H
#define PW_FRONT_STATE_H

#include "cache/cache.h"
#include "diag/history.h"
#include "diag/options.h"
#include "heap/mapped.h"
#include "image/image.h"

/* A call into the allocator: who made it, and as what. */
struct pw_call {
    uint64_t pc;    /* return address of the entry point */
    uint64_t frame; /* stack pointer right after that return */
    uint64_t fp;    /* what the frame pointer may be then, 0: not known: see pw_unwind_capture_id */
    enum pw_operation operation;
    enum pw_family family;
    uint32_t stack; /* the id of its stack once that is known (pw_stack_ahead), else 0 */
    void *signal_context; /* the call is a signal handler's look at the heap; else NULL */
};

/* To be written in the entry point itself. */
#define PW_CALLER_PC ((uint64_t)__builtin_return_address(0))
#define PW_CALLER_FRAME ((uint64_t)__builtin_dwarf_cfa())
#define PW_CALL(operation_, family_)                                                               \
    PW_CALL_FROM(PW_CALLER_PC, PW_CALLER_FRAME, PW_ARCH_FP(), operation_, family_)
/* With what the entry point handed on of these. */
#define PW_CALL_FROM(pc_, frame_, fp_, operation_, family_)                                        \
    ((struct pw_call){.pc = (pc_),                                                                 \
                      .frame = (frame_),                                                           \
                      .fp = (fp_),                                                                 \
                      .operation = (operation_),                                                   \
                      .family = (family_)})

/* The calling thread's cache; NULL before its first call and after its last. */
extern __thread struct pw_cache *pw_self __attribute__((visibility("hidden")));

/* The heaps that threads share, and after them the one that only reentry.c takes from. */
enum { PW_MOST_SHARED_HEAPS = 4 };
extern uint32_t pw_shared_heaps __attribute__((visibility("hidden")));

/*
 * start.c: true once stacks may be unwound: not before the constructor, for the loader may be in the
 * middle of its work then (in a static program even of setting up what unwinding asks).
 */
extern bool pw_can_unwind __attribute__((visibility("hidden")));
/* start.c: ready once the process's heap is set up. */
extern _Atomic bool pw_is_ready __attribute__((visibility("hidden")));
/* Set up if nobody has; false: no memory, or the calling thread is in the middle of it. */
bool pw_start(void);
/* Options were changed while the program runs: tell those who keep a copy. */
void pw_options_changed(void);

/* True while the thread may use its cache: not before it has one, not inside the allocator. */
PW_INLINE bool pw_enter(struct pw_cache *cache)
{
    if (pw_unlikely(cache == NULL || pw_cache_is_busy(cache)))
        return false;
    pw_cache_enter(cache);
    return true;
}

/* threads.c ------------------------------------------------------------------------------------ */

struct pw_cache *pw_thread_open_slow(void);
/* The calling thread's cache, opened if need be; NULL: it can't have one (start-up, its end, no memory). */
PW_INLINE struct pw_cache *pw_thread_open(void)
{
    return pw_likely(pw_self != NULL) ? pw_self : pw_thread_open_slow();
}
/* The calling thread's number in reports, also of one that never used the heap or has given its cache back. */
uint16_t pw_thread_ordinal(void);
/* Bring the names in the thread table up to date, for a report. */
void pw_threads_refresh_names(void);
/* Which short ways the options leave open may have changed: tell all threads; others than the caller from their next call on. */
void pw_threads_choose_ways(void);
/* In the child of fork: only the calling thread is left. */
void pw_threads_after_fork(void);
/* Make the key whose destructor gives caches back. Once, at start-up. */
void pw_threads_start(void);
/* Say where their table is. Before the first thread has a cache. */
void pw_threads_init(void);

/* reentry.c ------------------------------------------------------------------------------------ */

/*
 * The way around the cache: for a thread that has none, or is interrupted inside the allocator.
 * Blocks come without a stack from a heap that is used for nothing else.
 */
void *pw_reentry_acquire(size_t size, size_t align, bool zero, const struct pw_call *call);
/* Claim and put aside a LIVE block for the next thread that refills. */
void pw_reentry_release(void *block, const struct pw_call *call);
/* Give what was put aside to the heaps; called where no lock is held. */
void pw_reentry_settle(void);

/* found.c -------------------------------------------------------------------------------------- */

/* Report a fault that the calling thread found in `call`; returns where it may go on. */
void pw_found(struct pw_fault *fault, const struct pw_call *call);
/* What was done last with the fault's memory, and by the calling thread. */
void pw_found_history(struct pw_fault *fault);
/*
 * Diagnose the block that starts at `address`, whose patterns or header are wrong, report it and retire
 * the block. False: all is well by now; what looked wrong was another thread handing it over. errno is kept.
 */
bool pw_found_in_block(uint64_t address, const struct pw_call *call);
/* Something is wrong with a pointer given to free or its like: say what. errno is kept. */
void pw_found_bad_pointer(const void *pointer, const struct pw_call *call);
/* A whole look over the heap; number of faults reported. */
uint64_t pw_look_at_everything(enum pw_operation operation, const struct pw_call *call);
/* The image of this process with its locks. */
struct pw_image pw_image_locked(void);
/* Take a damaged block that is nobody's out of service. */
void pw_retire(struct pw_block block);

/* The thread has got blocks that may have been another thread's: see diag/history.h. */
PW_INLINE void pw_note_others(struct pw_cache *cache)
{
    if (cache->history != NULL)
        pw_history_refresh(cache->history);
}

/* Put an operation on a block into the history of the thread, where one is kept. */
PW_INLINE void pw_note(struct pw_cache *cache, uint64_t address, uint64_t size, uint32_t stack,
                       enum pw_operation operation, bool is_release)
{
    if (pw_likely(cache->history == NULL))
        return;
    pw_history_note(cache->history, &(struct pw_past){.address = address,
                                                      .size = size,
                                                      .stack = stack,
                                                      .thread = cache->thread,
                                                      .operation = (uint8_t)operation,
                                                      .is_release = is_release});
}

/* levels.c ------------------------------------------------------------------------------------- */

/* What is to be asked of blocks that go from caches back to the heap, where nobody looks any more; or NULL. */
typedef bool pw_check_of_block(void *block);
pw_check_of_block *pw_leaving_check(const struct pw_cache *cache);

/* Get and give back at the level of the cache; the cache is entered. NULL: no memory. */
void *pw_acquire(struct pw_cache *cache, size_t size, size_t align, bool zero,
                 const struct pw_call *call);
void pw_release(struct pw_cache *cache, void *block, const struct pw_call *call);
/* A CACHED block of a class after its ring was found empty; NULL: no memory. */
void *pw_refill(struct pw_cache *cache, uint32_t block_class, const struct pw_call *call);
/* Put a CACHED block into its ring when that is full. */
void pw_overflow(struct pw_cache *cache, uint32_t block_class, void *block);
/* The id of the stack of a call, at full; else 0. */
uint32_t pw_stack_of(const struct pw_cache *cache, const struct pw_call *call);
/*
 * A call that is about to give back or resize `pointer`, at full: have its stack taken now, while the
 * memory that the block's checks need is fetched. Other levels, and inside the allocator: nothing.
 */
void pw_stack_ahead(struct pw_call *call, const void *pointer);

/* chores.c: what is due every so many allocations --------------------------------------------- */

void pw_chores(struct pw_cache *cache, const struct pw_call *call);
/* Set when the next are due. */
void pw_chores_plan(struct pw_cache *cache);

/* uncached.c: past the cache ------------------------------------------------------------------- */

/* A LIVE block of any size from `heap`; NULL: no memory. Takes the heap's lock. */
void *pw_take_from(struct pw_heap *heap, size_t size, size_t align, bool zero, uint16_t thread,
                   uint32_t number, uint32_t stack, const struct pw_call *call);
/* Check a LIVE block and make it CACHED, its caller's to give to pw_heap_free; false: reported. */
bool pw_claim(void *pointer, const struct pw_call *call);

/* big.c: MAPPED blocks ------------------------------------------------------------------------- */

/* At start-up, when the level is known. */
void pw_big_start(void);
void *pw_big_acquire(struct pw_heap *heap, size_t size, size_t align, bool zero, uint16_t thread,
                     uint32_t number, uint32_t stack, const struct pw_call *call);
/* Check and claim a LIVE MAPPED block and give it back (or, at full, to the quarantine). */
void pw_big_release(struct pw_cache *cache, struct pw_block block, uint64_t word,
                    const struct pw_call *call);
/* Try to make it `size` bytes where it is. */
bool pw_big_resize(struct pw_block block, size_t size);
/*
 * Move the pages with the first `bytes` of one LIVE MAPPED block to another, if there are so many that it
 * pays; false: copy them. What `from` holds then is nothing to rely on.
 */
bool pw_big_move(struct pw_block from, struct pw_block to, size_t bytes);
/*
 * Until it is called with NULL, MAPPED blocks that the calling thread gets are to lie in their page as the one
 * at `pointer`, if its `bytes` are so many that their pages may be moved.
 */
void pw_big_seat_like(const void *pointer, size_t bytes);
/* Are the zones around a LIVE MAPPED block of `size` bytes as they were left? */
bool pw_big_zone_holds(struct pw_block block, size_t size);
/* A MAPPED block leaves the quarantine. */
void pw_big_evict(struct pw_block block, const struct pw_call *call);

/* quarantine.c (full) -------------------------------------------------------------------------- */

/* Bytes of LIVE blocks that are not guarded, about. */
uint64_t pw_live_bytes(void);
/* Queue a QUARANTINED block that weighs `bytes`, and let the next one go that has waited long enough. */
void pw_quarantine_block(struct pw_cache *cache, void *block, uint64_t bytes,
                         const struct pw_call *call);
/* The thread's own batch goes to the queue, and what is over the limit leaves it. */
void pw_quarantine_flush(struct pw_cache *cache, const struct pw_call *call);
/* There is no memory: let all that waits be used again. False: nothing waited. */
bool pw_quarantine_empty(struct pw_cache *cache, const struct pw_call *call);

/*
 * libc/own.c: look up libc's own functions if nobody has, and check calls of them or not as the options
 * say. Not there in libpwheap.a, which checks none.
 */
void pw_libc_configure(void) __attribute__((weak, visibility("hidden")));

/* signals.c, snapshot.c, fork.c --------------------------------------------------------------- */

void pw_signals_start(void);
/* snapshot.c: what snapshots need of the heap; the number of dump_signal, 0 for none; that it came. */
void pw_snapshot_start_up(void);
int pw_snapshot_signal(void);
void pw_snapshot_on_signal(const void *context);
/* In the child of fork: nobody is making one. */
void pw_snapshots_after_fork(void);
void pw_fork_start(void);

/* An alignment, a power of two, as the evidence of a block keeps it. */
PW_INLINE uint32_t pw_align_shift(size_t align)
{
    return (uint32_t)__builtin_ctzll(align);
}

/* Requested bytes of a LIVE block whose header has been checked. */
PW_INLINE uint64_t pw_block_requested(struct pw_block block, uint64_t word)
{
    if (block.region->shift == PW_PAGE_SHIFT)
        return pw_block_extension(block)->requested;
    uint64_t bytes = (uint64_t)pw_region_size(block.region, block.granule) << block.region->shift;
    return bytes - pw_word_fields(word).slack;
}

#endif
