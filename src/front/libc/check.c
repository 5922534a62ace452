/* check.c - may libc touch these bytes? And the words for it when it may not. See libc.h. */
#include "front/libc/libc.h"

size_t pw_check_string(const struct pw_site *site, const char *text, size_t most)
{
    uint64_t room = pw_room(text);
    size_t bound = most < room ? most : (size_t)room;
    size_t length = pw_libc.strnlen(text, bound);
    if (pw_unlikely(length == bound && bound < most))
        pw_found_bad_access(site, text, room + 1, PW_ACCESS_READ);
    return length;
}

size_t pw_check_wide(const struct pw_site *site, const wchar_t *text, size_t most)
{
    uint64_t room = pw_room(text) / sizeof *text;
    size_t bound = most < room ? most : (size_t)room;
    size_t length = pw_libc.wcsnlen(text, bound);
    if (pw_unlikely(length == bound && bound < most))
        pw_found_bad_access(site, text, (room + 1) * sizeof *text, PW_ACCESS_READ);
    return length;
}

/* -- Words */

/* The heap's lock, or none where the thread is inside the allocator and may hold it. */
struct look {
    struct pw_cache *entered;
    struct pw_heap *heap;
};

static struct look look_begin(const void *address)
{
    struct look look = {.entered = NULL};
    struct pw_cache *cache = pw_thread_open();
    struct pw_block block = pw_heap_find((uint64_t)address);
    if (block.region == NULL || !pw_enter(cache))
        return look;
    look.entered = cache;
    look.heap = &pw_heaps[block.region->heap];
    pw_heap_acquire(look.heap);
    return look;
}

static void look_unlock(struct look *look)
{
    if (look->heap != NULL)
        pw_heap_release(look->heap);
}

static void look_end(const struct look *look)
{
    if (look->entered != NULL)
        pw_leave(look->entered);
}

static void blame_next(struct pw_fault *fault, const struct pw_block_info *next)
{
    struct pw_image image = pw_image_self();
    fault->kind = PW_KIND_UNDERFLOW;
    fault->relation = PW_RELATION_BEFORE;
    fault->offset = next->address - fault->address;
    fault->block = *next;
    pw_inspect_neighbours(&image, next, &fault->before, &fault->after);
}

/*
 * An access that starts between the data of two blocks was meant for the next one if it reaches that, from nearer to it
 * than to the first or from a step before it and not beyond its end (a count below zero reaches everything); or if the
 * first is nobody's and what is touched is its last bytes, the next one's zone.
 */
static bool is_meant_for_next(const struct pw_fault *fault, uint64_t end)
{
    const struct pw_block_info *next = &fault->after;
    uint64_t first_end = fault->block.address + fault->block.size;
    if (fault->address <= first_end || !next->known || next->state != PW_STATE_LIVE)
        return false;
    uint64_t after = fault->address - first_end, before = next->address - fault->address;
    if (fault->kind == PW_KIND_USE_AFTER_FREE && before <= PW_TAIL_BYTES)
        return true;
    if (end <= next->address)
        return false;
    return before < after || (before <= PW_HEAP_ALIGNMENT && end <= next->address + next->size);
}

/* Of an access that starts in no block's data: which of the two beside it is it about? */
static void choose_block(const struct pw_image *image, uint64_t address, uint64_t bytes, struct pw_fault *fault)
{
    const struct pw_block_info next = fault->after;
    struct pw_block_info first;
    /* The zone before the first block of a region or span is the end of 64 bytes. */
    uint64_t behind = PW_ALIGN_DOWN(address, (uint64_t)PW_HEAP_ALIGNMENT) + PW_HEAP_ALIGNMENT;
    if (!fault->block.known && pw_inspect_address(image, behind, &first) && first.address == behind)
        blame_next(fault, &first);
    else if (is_meant_for_next(fault, bytes <= PTRDIFF_MAX ? address + bytes : address))
        blame_next(fault, &next);
    else if (fault->kind == PW_KIND_OVERFLOW && fault->offset != 0)
        fault->is_certain = false; /* in the zone between two blocks, and next to neither */
}

static void diagnose(uint64_t address, uint64_t bytes, struct pw_fault *fault)
{
    struct pw_image image = pw_image_self();
    uint64_t room = pw_room((const void *)address);
    if (bytes <= room)
        return; /* all is well by now */
    pw_diagnose_address(&image, address + room, fault);
    if (room == 0)
        choose_block(&image, address, bytes, fault);
    pw_diagnose_zone(&image, fault); /* who reads too much may do so because somebody wrote too much */
}

static void report(const struct pw_site *site, struct pw_fault *fault, uint64_t bytes)
{
    struct pw_call call = {.pc = site->pc, .frame = site->frame, .operation = PW_OP_LIBC};
    fault->function = site->function;
    fault->access_size = bytes;
    pw_found(fault, &call);
}

PW_COLD void pw_found_bad_access(const struct pw_site *site, const void *address, uint64_t bytes,
                                 enum pw_access access)
{
    struct pw_fault fault = {.kind = PW_KIND_NONE, .access = access};
    struct look look = look_begin(address);
    diagnose((uint64_t)address, bytes, &fault);
    look_unlock(&look);
    if (fault.kind != PW_KIND_NONE)
        report(site, &fault, bytes);
    look_end(&look);
}

PW_COLD void pw_found_overlap(const struct pw_site *site, const void *to, const void *from, uint64_t bytes)
{
    struct pw_fault fault = {.kind = PW_KIND_NONE};
    struct pw_image image = pw_image_self();
    struct look look = look_begin(to);
    pw_diagnose_address(&image, (uint64_t)to, &fault);
    look_unlock(&look);
    fault.kind = PW_KIND_OVERLAP;
    fault.damage.start = (uint64_t)from;
    report(site, &fault, bytes);
    look_end(&look);
}
