/* release.c - what free, operator delete and realloc check before they give a block back. */
#include "front/cap.h"
#include "front/entry.h"
#include "front/full.h"
#include "front/guarded/guarded.h"
#include "front/quick.h"
#include "trace/cxx_runtime.h"
#include "trace/depot.h"

#include <errno.h>

/* What operator new without an alignment is for: __STDCPP_DEFAULT_NEW_ALIGNMENT__. */
enum { DEFAULT_NEW_ALIGNMENT = 16 };

static struct pw_fault mismatch(const struct pw_handle *handle, const struct pw_block *block,
                                enum pw_kind kind, const struct pw_call *call)
{
    struct pw_image image = pw_image_self();
    struct pw_fault fault = {.kind = kind, .is_certain = true, .address = handle->address};
    pw_inspect_block(&image, pw_region_index(block->region), block->granule, &fault.block);
    pw_inspect_neighbours(&image, &fault.block, &fault.before, &fault.after);
    fault.relation = PW_RELATION_INSIDE;
    fault.released_as = call->family;
    return fault;
}

/* Is what looks like another family's the same, by way of an operator new or delete that an object brought itself? */
static bool is_of_hidden_runtime(const struct pw_block *block, enum pw_family family,
                                 const struct pw_call *call)
{
    uint64_t caller;
    if (family != PW_FAMILY_MALLOC && call->family != PW_FAMILY_MALLOC)
        return false;
    bool is_known = family == PW_FAMILY_MALLOC && pw_root.level >= PW_LEVEL_FULL &&
                    pw_depot_get(pw_region_evidence(block->region, block->granule)->alloc_stack,
                                 &caller, 1) == 1;
    return is_known ? pw_cxx_may_be_new(caller) : pw_cxx_is_hidden_somewhere();
}

/* Of 1 is asked as of 2, for it was asked. Below full it is not kept what was asked for: only what the block can't have been asked for is known. */
static bool is_of_other_alignment(const struct pw_handle *handle, struct pw_block block, size_t align)
{
    if ((pw_word_fields(handle->word).flags & PW_HEAP_ALIGNED) == 0 || handle->address % align != 0)
        return true;
    return pw_root.level >= PW_LEVEL_FULL &&
           pw_region_evidence(block.region, block.granule)->align_shift != pw_align_shift(align > 1 ? align : 2);
}

bool pw_check_release(const void *pointer, const struct pw_call *call, size_t size, size_t align)
{
    uint64_t entry;
    struct pw_handle handle = pw_gate(pointer, &entry);
    if (handle.header == NULL)
        return true; /* pw_release says what is wrong with it */
    uint32_t flags = pw_word_fields(handle.word).flags;
    enum pw_family family = (enum pw_family)((flags & PW_HEAP_FAMILY_MASK) >> PW_HEAP_FAMILY_SHIFT);
    bool is_plain = align == PW_ANY_ALIGN && pw_goes_back_plainly(flags, call->family);
    if (pw_likely(is_plain && size == PW_ANY_SIZE))
        return true;
    struct pw_block block = pw_block_at(entry, handle.address);
    if ((family == PW_FAMILY_INSTANCE) != (call->family == PW_FAMILY_INSTANCE)) {
        struct pw_fault fault = mismatch(&handle, &block, PW_KIND_BAD_FREE, call);
        fault.place = "a block of another heap";
        pw_found(&fault, call);
        return false;
    }
    if (pw_root.level < PW_LEVEL_FAST)
        return true;
    if (family != call->family && pw_options()->alloc_dealloc_mismatch &&
        !is_of_hidden_runtime(&block, family, call)) {
        struct pw_fault fault = mismatch(&handle, &block, PW_KIND_FAMILY_MISMATCH, call);
        pw_found(&fault, call);
        return true;
    }
    if (!pw_options()->new_delete_type_mismatch)
        return true;
    bool wrong_size = size != PW_ANY_SIZE && size != pw_block_requested(block, handle.word);
    bool wrong_alignment = align == PW_ANY_ALIGN ? family == call->family && !is_plain
                                                 : is_of_other_alignment(&handle, block, align);
    if (wrong_size || wrong_alignment) {
        struct pw_fault fault = mismatch(&handle, &block, PW_KIND_SIZE_MISMATCH, call);
        fault.given_size = size == PW_ANY_SIZE ? fault.block.size : size;
        fault.given_alignment = align == PW_ANY_ALIGN && wrong_alignment ? DEFAULT_NEW_ALIGNMENT : align;
        pw_found(&fault, call);
    }
    return true;
}

void pw_release_slowly(void *pointer, struct pw_call *call, size_t size, size_t align)
{
    if (pointer == NULL || (pw_way(pw_self) == PW_QUICK_OFF && pw_quick_release_foreign(pw_self, pointer, size)))
        return;
    int saved_errno = errno;
    pw_stack_ahead(call, pointer);
    if (pw_check_release(pointer, call, size, align))
        pw_give_back(pointer, call);
    errno = saved_errno;
}

/* Resize a small block where it is, if it stays in its class; the handle is that of a LIVE one. */
static bool resize_small(const struct pw_handle *handle, size_t size)
{
    enum pw_level level = (enum pw_level)pw_root.level;
    uint64_t bytes = pw_bytes_for(size, level);
    if (bytes > handle->bytes || pw_class_bytes[pw_class_for(bytes)] != handle->bytes)
        return false;
    uint64_t end = handle->address + handle->bytes;
    uint64_t old_end = end - pw_word_fields(handle->word).slack;
    if (level == PW_LEVEL_FAST ? !pw_zone_near_holds(old_end)
                               : level >= PW_LEVEL_FULL && !pw_zone_slack_holds(old_end, end))
        return false; /* the copy's free reports it */
    uint64_t expected = handle->word;
    if (!atomic_compare_exchange_strong_explicit(handle->header, &expected,
                                                 pw_word_pending(expected, PW_STATE_LIVE),
                                                 memory_order_acq_rel, memory_order_acquire))
        return false;
    if (level == PW_LEVEL_FAST)
        pw_zone_write_near(handle->address + size);
    else if (level >= PW_LEVEL_FULL)
        pw_zone_write_slack(handle->address + size, end);
    pw_handle_set(handle, PW_STATE_LIVE, pw_word_fields(handle->word).flags,
                  (uint32_t)(handle->bytes - size));
    return true;
}

/* Who gave it its size is who a report names. */
static void note_resizer(struct pw_cache *cache, struct pw_block block, size_t size,
                         const struct pw_call *call)
{
    if (cache->level < PW_LEVEL_FULL)
        return;
    uint32_t stack = pw_stack_of(cache, call);
    pw_region_evidence(block.region, block.granule)->alloc_stack = stack;
    pw_note(cache, pw_block_start(block), size, stack, call->operation, false);
}

static bool resize_in_place(const struct pw_handle *handle, struct pw_block block, size_t size,
                            const struct pw_call *call)
{
    struct pw_cache *cache = pw_self;
    bool is_mapped = block.region->shift == PW_PAGE_SHIFT;
    if (!pw_enter(cache))
        return false;
    if (pw_unlikely(pw_cap_is_on) && is_mapped && !pw_cap_allows(cache, size, call)) {
        pw_leave(cache);
        return false; /* and so will be said of a new one */
    }
    bool done = is_mapped && pw_is_guarded(block) ? pw_guarded_resize(block, size)
                : is_mapped                       ? pw_big_resize(block, size)
                                                  : resize_small(handle, size);
    if (done)
        note_resizer(cache, block, size, call);
    pw_leave(cache);
    return done;
}

/* From the block at `pointer` to a new one. */
static void copy_content(struct pw_block from, const void *pointer, void *to, size_t bytes)
{
    uint64_t entry = pw_page_map_entry((uint64_t)to);
    struct pw_block block = pw_block_at(entry, (uint64_t)to);
    bool are_mapped = from.region->shift == PW_PAGE_SHIFT && block.region->shift == PW_PAGE_SHIFT &&
                      !pw_is_guarded(from) && !pw_is_guarded(block);
    if (!are_mapped || !pw_big_move(from, block, bytes))
        __builtin_memcpy(to, pointer, bytes);
}

void *pw_reallocate(void *pointer, size_t size, struct pw_call *call)
{
    if (pointer == NULL)
        return pw_allocate_any(size, false, call);
    if (size == 0) {
        pw_release_as(pointer, call, PW_ANY_SIZE, PW_ANY_ALIGN);
        return NULL;
    }
    pw_stack_ahead(call, pointer);
    uint64_t entry;
    struct pw_handle handle = pw_gate(pointer, &entry);
    if (handle.header == NULL) {
        pw_found_bad_pointer(pointer, call);
        errno = ENOMEM;
        return NULL;
    }
    if (!pw_check_release(pointer, call, PW_ANY_SIZE, PW_ANY_ALIGN)) {
        errno = ENOMEM;
        return NULL;
    }
    struct pw_block block = pw_block_at(entry, handle.address);
    size_t old_size = pw_block_requested(block, handle.word);
    if (size <= PTRDIFF_MAX && resize_in_place(&handle, block, size, call))
        return pointer;
    bool is_big = block.region->shift == PW_PAGE_SHIFT;
    if (is_big)
        pw_big_seat_like(pointer, old_size < size ? old_size : size);
    void *moved = pw_allocate_any(size, false, call);
    if (is_big)
        pw_big_seat_like(NULL, 0);
    if (moved == NULL)
        return NULL;
    copy_content(block, pointer, moved, old_size < size ? old_size : size);
    pw_give_back(pointer, call);
    return moved;
}
