/* spare_pages.c - see spare_pages.h */
#include "heap/spare_pages.h"

#include "heap/mapped.h"
#include "os/memory.h"

enum {
    LEAST_BYTES = 8 << 20, /* that a heap may keep … */
    LIVE_SHARE_SHIFT = 2,  /* … or a quarter of what is live */
    REST_BYTES = 64 << 10, /* what is left of a lot is kept from here on */
    DROP_COST = 4,         /* a lot that was dropped cost more than one that is used saves, if few of its pages were touched */
    MOST_USE = 64,
    PAUSE = 256, /* where lots are dropped, so many are not kept at all; then it is tried again */
};

/*
 * Where a block's pages come from. It lies where the links of a FREE run do, in the evidence of the second page, so whoever
 * makes a block of a run sets it.
 */
struct backing {
    uint32_t kind; /* enum pw_os_backing */
    bool is_empty; /* its pages are gone: none are worth keeping */
    uint64_t moved; /* bytes at its front that are of another, where it is MOVED */
};
_Static_assert(sizeof(struct backing) <= sizeof(struct pw_evidence), "in its place");

static struct backing *backing_of(struct pw_block block)
{
    return (struct backing *)pw_region_evidence(block.region, block.granule + 1);
}

static bool is_allowed;

void pw_spare_pages_allow(bool allow)
{
    is_allowed = allow;
}

void pw_spare_pages_begin(struct pw_block block)
{
    *backing_of(block) = (struct backing){.kind = PW_OS_COMMON, .is_empty = false};
}

void pw_spare_pages_emptied(struct pw_block block)
{
    backing_of(block)->is_empty = true;
}

bool pw_spare_pages_has_any(struct pw_block block)
{
    return backing_of(block)->kind == PW_OS_MOVED;
}

static struct pw_heap *heap_of(struct pw_block block)
{
    return &pw_heaps[block.region->heap];
}

static uint64_t limit_of(const struct pw_heap *heap)
{
    uint64_t share = heap->live_pages << PW_PAGE_SHIFT >> LIVE_SHARE_SHIFT;
    return share > LEAST_BYTES ? share : LEAST_BYTES;
}

static struct pw_spare remove_spare(struct pw_heap *heap, uint32_t place)
{
    struct pw_spare spare = heap->spares[place];
    heap->spare_bytes -= spare.bytes;
    heap->spare_count--;
    for (uint32_t i = place; i < heap->spare_count; i++)
        heap->spares[i] = heap->spares[i + 1];
    return spare;
}

static void add_spare(struct pw_heap *heap, struct pw_spare spare)
{
    heap->spares[heap->spare_count++] = spare;
    heap->spare_bytes += spare.bytes;
}

static void keep(struct pw_heap *heap, struct pw_spare spare)
{
    struct pw_spare dropped[PW_SPARES];
    uint32_t count = 0;
    pw_heap_acquire(heap);
    while (heap->spare_count == PW_SPARES ||
           (heap->spare_count > 0 && heap->spare_bytes + spare.bytes > limit_of(heap)))
        dropped[count++] = remove_spare(heap, 0);
    add_spare(heap, spare);
    heap->spare_use -= (int32_t)count * DROP_COST;
    if (heap->spare_use < 0)
        heap->spare_use = -PAUSE;
    pw_heap_release(heap);
    for (uint32_t i = 0; i < count; i++)
        pw_os_unmap((void *)dropped[i].address, dropped[i].bytes);
}

/* Is a lot likely to be used? */
static bool is_worth_keeping(struct pw_heap *heap, uint64_t bytes)
{
    pw_heap_acquire(heap);
    bool is_worth = bytes <= limit_of(heap) && (heap->spare_use >= 0 || ++heap->spare_use == 0);
    pw_heap_release(heap);
    return is_worth;
}

/*
 * Take pages out of a block: of what it had of another and its own the larger part, for what is cut into many lots is of use
 * to few. Address 0: they can't be had, or aren't worth it.
 */
static struct pw_spare take_out(struct pw_block block)
{
    const struct backing *backing = backing_of(block);
    uint64_t start = pw_block_address(block), bytes = pw_mapped_capacity(block);
    uint64_t moved = backing->kind != PW_OS_MOVED ? 0 : backing->moved < bytes ? backing->moved : bytes;
    bool is_front = moved >= bytes - moved;
    struct pw_spare spare = {0, is_front ? moved : bytes - moved};
    if (is_allowed && !backing->is_empty && is_worth_keeping(heap_of(block), spare.bytes))
        spare.address = (uint64_t)pw_os_set_aside((void *)(start + (is_front ? 0 : moved)), spare.bytes);
    return spare;
}

bool pw_spare_pages_leave(struct pw_block block)
{
    void *address = (void *)pw_block_address(block);
    uint64_t bytes = pw_mapped_capacity(block);
    struct pw_spare spare = take_out(block);
    enum pw_os_backing backing = (enum pw_os_backing)backing_of(block)->kind;
    bool done = (is_allowed && pw_os_close(address, bytes, &backing)) || pw_os_guard(address, bytes);
    backing_of(block)->kind = backing;
    if (spare.address != 0)
        keep(heap_of(block), spare);
    return done;
}

bool pw_spare_pages_return(struct pw_block block)
{
    void *address = (void *)pw_block_address(block);
    uint64_t bytes = pw_mapped_capacity(block);
    enum pw_os_backing backing = (enum pw_os_backing)backing_of(block)->kind;
    bool done = backing == PW_OS_COMMON ? pw_os_unguard(address, bytes) : pw_os_reopen(address, bytes, &backing);
    backing_of(block)->kind = backing;
    return done;
}

bool pw_spare_pages_open(void *address, uint64_t bytes)
{
    enum pw_os_backing backing = PW_OS_COMMON;
    return is_allowed ? pw_os_reopen(address, bytes, &backing) : pw_os_unguard(address, bytes);
}

/* The smallest lot of at least so many bytes, or else the largest of at least half of them; PW_SPARES: there is none. */
static uint32_t best_lot(const struct pw_heap *heap, uint64_t bytes)
{
    uint32_t best = PW_SPARES;
    uint64_t best_bytes = bytes / 2 - 1;
    for (uint32_t i = 0; i < heap->spare_count; i++) {
        uint64_t have = heap->spares[i].bytes;
        bool is_better = best_bytes < bytes ? have > best_bytes : have >= bytes && have < best_bytes;
        if (is_better) {
            best = i;
            best_bytes = have;
        }
    }
    return best;
}

/* A lot, cut to so many bytes where it has more; address 0: there is none. */
static struct pw_spare take(struct pw_heap *heap, uint64_t bytes)
{
    struct pw_spare spare = {0, 0}, rest = {0, 0};
    pw_heap_acquire(heap);
    uint32_t best = best_lot(heap, bytes);
    if (best < PW_SPARES) {
        spare = remove_spare(heap, best);
        if (heap->spare_use >= 0 && heap->spare_use < MOST_USE)
            heap->spare_use++;
    }
    if (spare.bytes > bytes) {
        rest = (struct pw_spare){spare.address + bytes, spare.bytes - bytes};
        spare.bytes = bytes;
        pw_os_disown((void *)spare.address);
        pw_os_own((void *)spare.address, bytes);
        pw_os_own((void *)rest.address, rest.bytes);
    }
    bool is_kept = rest.bytes >= REST_BYTES;
    if (is_kept)
        add_spare(heap, rest);
    pw_heap_release(heap);
    if (rest.bytes > 0 && !is_kept)
        pw_os_unmap((void *)rest.address, rest.bytes);
    return spare;
}

bool pw_spare_pages_use(struct pw_block block)
{
    struct pw_header *header = pw_block_header(block);
    struct pw_fields fields = pw_header_fields(header);
    enum pw_os_backing backing = PW_OS_COMMON;
    struct pw_spare spare = take(heap_of(block), pw_mapped_capacity(block));
    if (spare.address == 0 ||
        !pw_os_bring((void *)spare.address, (void *)pw_block_address(block), spare.bytes, &backing))
        return false;
    backing_of(block)->kind = backing;
    backing_of(block)->moved = spare.bytes;
    pw_header_write(block.region, block.granule, fields.state, fields.flags & ~PW_HEAP_ZEROED, fields.slack, header->size);
    return true;
}

uint64_t pw_spare_pages_drop(struct pw_heap *heap)
{
    uint64_t bytes = heap->spare_bytes;
    while (heap->spare_count > 0) {
        struct pw_spare spare = remove_spare(heap, 0);
        pw_os_unmap((void *)spare.address, spare.bytes);
    }
    return bytes;
}
