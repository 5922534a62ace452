/*
 * found.c - where a verdict becomes a report. Detection calls one of these with no lock held; they
 * have the damage diagnosed under the heap's lock, let go of it, and report.
 *
 *   pw_found_in_block ── pw_diagnose_block ─┐
 *   pw_found_bad_pointer ─ pw_diagnose_free ┼─ pw_found ── pw_report ── pw_report_end
 *   pw_look_at_everything ─ pw_validate_all ┘
 */
#include "front/api/statistics.h"
#include "front/entry.h"
#include "front/found/place.h"
#include "front/found/poison_source.h"
#include "front/guarded/guarded.h"
#include "front/guarded/watch.h"
#include "front/hot.h"

#include "diag/report.h"
#include "os/process.h"
#include "trace/modules.h"
#include "trace/unwind.h"

#include <errno.h>
#include <sched.h>

enum { PLACE_BYTES = 256 };

/*
 * While a look holds a heap's lock the thread counts as inside the allocator, so that a signal handler
 * that allocates goes around the cache and never waits for the lock that it interrupted.
 */
static __thread uint8_t was_open;

static void lock_heap(void *context, uint32_t heap)
{
    struct pw_cache *self = pw_self;
    (void)context;
    if (self != NULL) {
        was_open = self->open;
        pw_cache_enter(self);
    }
    pw_heap_acquire(&pw_heaps[heap]);
}

static void unlock_heap(void *context, uint32_t heap)
{
    struct pw_cache *self = pw_self;
    (void)context;
    pw_heap_release(&pw_heaps[heap]);
    if (self != NULL) {
        atomic_signal_fence(memory_order_seq_cst);
        self->open = was_open;
    }
}

/* Another thread may be between two steps of handing a block over: give it time to end them. */
static bool look_again(void *context, unsigned attempt)
{
    (void)context;
    if (attempt > 2)
        (void)sched_yield();
    return true;
}

struct pw_image pw_image_locked(void)
{
    struct pw_image image = pw_image_self();
    image.lock = lock_heap;
    image.unlock = unlock_heap;
    image.look_again = look_again;
    return image;
}

/* Make the zone before `end` whole, so that damage there is not found again and later damage is. */
static void mend_zone(uint64_t end)
{
    if (pw_root.level >= PW_LEVEL_FAST)
        pw_zone_cut(end);
}

void pw_retire(struct pw_block block)
{
    struct pw_fields fields = pw_region_fields(block.region, block.granule);
    fields.flags &= (uint8_t)~PW_HEAP_ZEROED;
    if (block.region->shift != PW_PAGE_SHIFT)
        fields.flags &= (uint8_t)~PW_HEAP_RIGHT;
    bool is_sealed = pw_header_is_sealed(block.region, block.granule);
    bool is_sound = block.region->shift == PW_SLAB_SHIFT || is_sealed;
    /* The size that was asked for is to be told by later reports, too. */
    bool tells_size = is_sealed && block.region->shift != PW_PAGE_SHIFT;
    uint32_t slack = tells_size ? fields.slack : pw_start_offset(fields.flags, fields.slack), size;
    if (is_sound) {
        size = pw_region_size(block.region, block.granule);
    } else { /* what the damaged header says of it is not to be sealed: the next start tells */
        struct pw_image image = pw_image_self();
        uint32_t next = pw_image_next_start(&image, block.region, block.granule + 1);
        size = (next == 0 ? block.region->limit : next) - block.granule;
    }
    if (block.region->shift != PW_PAGE_SHIFT)
        mend_zone(pw_region_address(block.region, block.granule + size));
    if ((fields.state & PW_HEAP_ALLOCATED) != 0 && pw_root.level >= PW_LEVEL_FULL)
        pw_region_evidence(block.region, block.granule)->free_stack = 0; /* what it has there is no stack */
    if (is_sound)
        pw_region_set(block.region, block.granule, PW_STATE_RETIRED, fields.flags, slack);
    else
        pw_header_write(block.region, block.granule, PW_STATE_RETIRED, fields.flags, slack, size);
}

void pw_found_history(struct pw_fault *fault)
{
    /* What nobody had yet may be made of many that others had: of them the one that was written to. */
    bool is_whole = fault->block.known && !fault->block.is_renewed;
    uint64_t address = is_whole ? fault->block.address : fault->address;
    uint64_t bytes = is_whole ? fault->block.size : fault->damage.length;
    bytes = bytes != 0 ? bytes : 1;
    for (struct pw_cache *cache = pw_cache_first(); cache != NULL; cache = cache->next)
        if (cache->history != NULL)
            pw_history_collect(cache->history, address, bytes, fault->past_here,
                               &fault->past_here_count);
    if (pw_self != NULL && pw_self->history != NULL)
        pw_history_collect(pw_self->history, 0, 0, fault->past_thread, &fault->past_thread_count);
}

void pw_found(struct pw_fault *fault, const struct pw_call *call)
{
    fault->operation = call->operation;
    fault->pc = call->pc;
    fault->thread = pw_thread_ordinal();
    size_t most = pw_options()->malloc_context_size;
    fault->is_passed_on = call->signal_context != NULL;
    fault->frame_count = (uint32_t)(
        call->signal_context != NULL
            ? pw_unwind_from_signal(fault->frames, most, call->signal_context)
            : pw_unwind_capture(fault->frames, most, call->pc, call->frame));
    pw_found_history(fault);
    pw_threads_refresh_names();
    bool ends = pw_report(fault);
    if (pw_options()->print_stats && call->signal_context == NULL)
        pw_print_statistics();
    if (!ends)
        return;
    pw_watch_end();
    pw_report_end(fault);
}

/* What is wrong in the block or in front of it, seen under the lock of its heap. */
static bool diagnose(struct pw_block block, struct pw_fault *fault)
{
    struct pw_image image = pw_image_self();
    image.look_again = look_again;
    struct pw_heap *heap = &pw_heaps[block.region->heap];
    uint32_t index = pw_region_index(block.region);
    pw_heap_acquire(heap);
    bool is_fine = pw_diagnose_block(&image, index, block.granule, fault);
    if (is_fine && block.granule > block.region->first) {
        uint32_t before = pw_region_find_start(block.region, block.granule - 1);
        is_fine = before == 0 || pw_diagnose_block(&image, index, before, fault);
    }
    if (is_fine) {
        uint32_t after = pw_image_next_start(&image, block.region, block.granule + 1);
        bool is_apart = block.region->shift == PW_SLAB_SHIFT && pw_block_next(block).granule != after;
        is_fine = after == 0 || is_apart || pw_diagnose_block(&image, index, after, fault);
    }
    pw_heap_release(heap);
    return !is_fine;
}

bool pw_found_in_block(uint64_t address, const struct pw_call *call)
{
    struct pw_block block = pw_block_at(pw_page_map_entry(address), address);
    struct pw_fault fault = {.kind = PW_KIND_NONE};
    if (!diagnose(block, &fault))
        return false;
    int saved_errno = errno;
    pw_guarded_accuse(&fault.block);
    pw_found(&fault, call);
    if (block.region->shift != PW_PAGE_SHIFT)
        mend_zone(address);
    pw_retire(block);
    errno = saved_errno;
    return true;
}

void pw_found_bad_pointer(const void *pointer, const struct pw_call *call)
{
    struct pw_image image = pw_image_self();
    struct pw_fault fault = {.kind = PW_KIND_NONE};
    struct pw_block block = pw_heap_find((uint64_t)pointer);
    struct pw_heap *heap = block.region != NULL ? &pw_heaps[block.region->heap] : NULL;
    if (heap != NULL)
        pw_heap_acquire(heap);
    pw_diagnose_free(&image, (uint64_t)pointer, &fault);
    if (heap != NULL)
        pw_heap_release(heap);
    if (fault.kind == PW_KIND_NONE)
        return;
    int saved_errno = errno;
    char words[PLACE_BYTES];
    struct pw_text place = pw_text_over(words, sizeof words);
    fault.is_poison = fault.kind == PW_KIND_BAD_FREE && pw_poison_is(fault.address);
    fault.is_zone = fault.kind == PW_KIND_BAD_FREE && pw_poison_is_zone(fault.address);
    if (fault.kind == PW_KIND_BAD_FREE && fault.place == NULL && !fault.block.known) {
        pw_threads_refresh_names();
        pw_modules_refresh_if_changed();
        pw_place_write(&place, (uint64_t)pointer);
        fault.place = place.length > 0 ? words : NULL;
    }
    pw_found(&fault, call);
    errno = saved_errno;
}

/*
 * A signal's look doesn't end at the first error, for the signal has its own effect after it; what ran over a hundred
 * blocks is told by a few of them.
 */
enum { SIGNAL_MOST = 3 };

struct look {
    struct pw_call call;
    uint64_t faults;
    uint64_t most; /* that are reported */
};

static void report_found(void *context, const struct pw_fault *found)
{
    struct look *look = context;
    struct pw_fault fault = *found;
    pw_guarded_accuse(&fault.block);
    if (++look->faults <= look->most)
        pw_found(&fault, &look->call);
}

static void tell_the_rest(uint64_t count)
{
    char storage[160];
    struct pw_text line = pw_text_over(storage, sizeof storage);
    pw_text_dec(&line, count);
    pw_text_str(&line, count == 1 ? " more block is damaged" : " more blocks are damaged");
    pw_text_str(&line, ": halt_on_error=0 reports each, `heapdump check` lists those of a core");
    pw_report_line(storage);
}

uint64_t pw_look_at_everything(enum pw_operation operation, const struct pw_call *call)
{
    bool is_bounded = call->signal_context != NULL && pw_options()->halt_on_error;
    struct look look = {.call = *call, .most = is_bounded ? SIGNAL_MOST : UINT64_MAX};
    struct pw_image image = pw_image_locked();
    look.call.operation = operation;
    uint64_t count = pw_validate_all(&image, report_found, &look);
    if (look.faults > look.most)
        tell_the_rest(look.faults - look.most);
    return count;
}

void pw_found_no_heap(size_t size)
{
    enum { SMALL_BYTES = 64 << 10 }; /* a first request that is large says nothing of the heap */
    static _Atomic bool is_told;
    char storage[256];
    struct pw_text line = pw_text_over(storage, sizeof storage);
    if (pw_root.region_count != 0 || size > SMALL_BYTES || atomic_exchange(&is_told, true))
        return;
    uint64_t limit = pw_os_address_space_limit();
    pw_text_str(&line, "the system gives no memory for the heap, so every allocation fails");
    if (limit != UINT64_MAX) {
        pw_text_str(&line, ": the address space is limited to ");
        pw_text_dec(&line, limit >> 20);
        pw_text_str(&line, " MiB (ulimit -v or -d), and the heap begins with more than 100");
    }
    pw_report_line(storage);
}

static bool misuse_is_reported(void)
{
    return !pw_options()->allocator_may_return_null;
}

bool pw_found_size(size_t size, const struct pw_call *call)
{
    struct pw_fault fault = {.kind = PW_KIND_SIZE_TOO_BIG, .is_certain = true, .access_size = size};
    uint64_t most = pw_options()->max_allocation_size_mb;
    if (size <= PTRDIFF_MAX && (most == 0 || size >> 20 < most))
        return false;
    pw_found(&fault, call);
    return true;
}

void pw_found_calloc_overflow(size_t count, size_t size, const struct pw_call *call)
{
    struct pw_fault fault = {.kind = PW_KIND_CALLOC_OVERFLOW,
                             .is_certain = true,
                             .access_size = count,
                             .given_size = size};
    if (misuse_is_reported())
        pw_found(&fault, call);
}

void pw_found_alignment(size_t align, const struct pw_call *call)
{
    struct pw_fault fault = {
        .kind = PW_KIND_BAD_ALIGNMENT, .is_certain = true, .given_alignment = align};
    if (misuse_is_reported())
        pw_found(&fault, call);
}
