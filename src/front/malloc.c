/*
 * malloc.c - the malloc family with glibc's semantics, down to errno.
 *
 * malloc ┬ pw_quick_acquire (quick.h): off and fast, nothing out of the ordinary
 *        ├ pw_full_malloc (full.c): the same at full
 *        └ pw_allocate ┬ pw_acquire (levels.c, big.c)
 *                      └ no cache, or inside the allocator: pw_reentry_acquire (reentry.c)
 * realloc as both, pw_quick_resize_at (quick.h) and pw_reallocate (release.c)
 * free   ┬ pw_quick_release (quick.h)
 *        ├ pw_full_free (full.c)
 *        └ pw_release_slowly ┬ pw_check_release (release.c): family, size
 *                            └ pw_give_back ┬ pw_release (levels.c, big.c) ─ at full: quarantine.c
 *                                           └ pw_reentry_release (reentry.c)
 */
#include "front/entry.h"
#include "front/quick.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

void *pw_allocate(size_t size, size_t align, bool zero, const struct pw_call *call)
{
    struct pw_cache *cache = pw_thread_open();
    void *block;
    if (pw_enter(cache)) {
        block = pw_acquire(cache, size, align, zero, call);
        pw_leave(cache);
    } else {
        block = pw_reentry_acquire(size, align, zero, call);
    }
    if (pw_unlikely(block == NULL)) {
        if (!pw_options()->allocator_may_return_null)
            (void)pw_found_size(size, call);
        pw_found_no_heap(size);
        errno = ENOMEM;
    }
    return block;
}

void pw_give_back(void *pointer, const struct pw_call *call)
{
    struct pw_cache *cache = pw_thread_open();
    if (pw_enter(cache)) {
        pw_release(cache, pointer, call);
        pw_leave(cache);
    } else {
        pw_reentry_release(pointer, call);
    }
}

/* The long ways are functions of their own, so that the short ones have no struct pw_call to make room for. */
static PW_NOINLINE void *malloc_slowly(size_t size, uint64_t pc, uint64_t frame, uint64_t fp)
{
    struct pw_call call = PW_CALL_FROM(pc, frame, fp, PW_OP_MALLOC, PW_FAMILY_MALLOC);
    return pw_allocate(size, 1, false, &call);
}

static PW_NOINLINE void free_slowly(void *pointer, uint64_t pc, uint64_t frame, uint64_t fp)
{
    struct pw_call call = PW_CALL_FROM(pc, frame, fp, PW_OP_FREE, PW_FAMILY_MALLOC);
    pw_release_slowly(pointer, &call, PW_ANY_SIZE, PW_ANY_ALIGN);
}

PW_PUBLIC void *malloc(size_t size)
{
    struct pw_cache *cache = pw_self;
    enum pw_quick way = pw_way(cache);
    void *block = NULL;
    if (pw_likely(way == PW_QUICK_FAST))
        block = pw_quick_acquire_at(cache, size, false, PW_FAMILY_MALLOC, PW_LEVEL_FAST);
    else if (way == PW_QUICK_FULL)
        return pw_full.malloc(cache, size, PW_CALLER_PC, PW_CALLER_FRAME, PW_ARCH_FP(),
                              pw_how(PW_OP_MALLOC, PW_FAMILY_MALLOC, false));
    else if (way == PW_QUICK_OFF)
        block = pw_quick_acquire_at(cache, size, false, PW_FAMILY_MALLOC, PW_LEVEL_OFF);
    return pw_likely(block != NULL) ? block : malloc_slowly(size, PW_CALLER_PC, PW_CALLER_FRAME, PW_ARCH_FP());
}

PW_PUBLIC void free(void *pointer)
{
    if (pw_unlikely(pointer == NULL)) /* its entry of the page map lies where nothing else is */
        return;
    struct pw_cache *cache = pw_self;
    enum pw_quick way = pw_way(cache);
    bool is_done = false;
    if (pw_likely(way == PW_QUICK_FAST)) {
        is_done = pw_quick_release_at(cache, pointer, PW_FAMILY_MALLOC, PW_ANY_SIZE, PW_LEVEL_FAST);
    } else if (way == PW_QUICK_FULL) {
        pw_full.free(pointer, PW_ANY_SIZE, PW_CALLER_PC, PW_CALLER_FRAME, PW_ARCH_FP(),
                     pw_how(PW_OP_FREE, PW_FAMILY_MALLOC, false));
        return;
    } else if (way == PW_QUICK_OFF) {
        is_done = pw_quick_release_at(cache, pointer, PW_FAMILY_MALLOC, PW_ANY_SIZE, PW_LEVEL_OFF);
    }
    if (pw_unlikely(!is_done))
        free_slowly(pointer, PW_CALLER_PC, PW_CALLER_FRAME, PW_ARCH_FP());
}

PW_PUBLIC void cfree(void *pointer);
PW_PUBLIC void cfree(void *pointer)
{
    struct pw_call call = PW_CALL(PW_OP_FREE, PW_FAMILY_MALLOC);
    pw_release_as(pointer, &call, PW_ANY_SIZE, PW_ANY_ALIGN);
}

PW_PUBLIC void free_sized(void *pointer, size_t size);
PW_PUBLIC void free_sized(void *pointer, size_t size)
{
    struct pw_call call = PW_CALL(PW_OP_FREE, PW_FAMILY_MALLOC);
    pw_release_as(pointer, &call, size, PW_ANY_ALIGN);
}

PW_PUBLIC void free_aligned_sized(void *pointer, size_t align, size_t size);
PW_PUBLIC void free_aligned_sized(void *pointer, size_t align, size_t size)
{
    struct pw_call call = PW_CALL(PW_OP_FREE, PW_FAMILY_MALLOC);
    pw_release_as(pointer, &call, size, align);
}

/* A function of its own, so that calloc has its caller's frame pointer still. */
static PW_NOINLINE void *calloc_as(size_t count, size_t size, uint64_t pc, uint64_t frame, uint64_t fp)
{
    size_t bytes;
    bool overflows = __builtin_mul_overflow(count, size, &bytes);
    void *block = overflows ? NULL : pw_quick_acquire(pw_self, bytes, true, PW_FAMILY_MALLOC);
    if (pw_likely(block != NULL))
        return block;
    struct pw_call call = PW_CALL_FROM(pc, frame, fp, PW_OP_CALLOC, PW_FAMILY_MALLOC);
    if (overflows) {
        pw_found_calloc_overflow(count, size, &call);
        errno = ENOMEM;
        return NULL;
    }
    return pw_allocate_any(bytes, true, &call);
}

PW_PUBLIC void *calloc(size_t count, size_t size)
{
    return calloc_as(count, size, PW_CALLER_PC, PW_CALLER_FRAME, PW_ARCH_FP());
}

/* The usual case at off and fast: a slab's block that becomes another's; NULL: nothing was done, take the long way. */
PW_INLINE void *realloc_quickly(struct pw_cache *cache, void *pointer, size_t size, enum pw_level level,
                                const struct pw_call *call)
{
    if (pointer == NULL)
        return pw_quick_acquire_at(cache, size, false, PW_FAMILY_MALLOC, level);
    struct pw_handle handle = {.address = (uint64_t)pointer};
    uint64_t entry = pw_page_map_entry(handle.address);
    if (size == 0 || size > pw_quick_most(level) || !pw_quick_takes(cache, entry, level) ||
        !pw_quick_gate(&handle, entry, PW_FAMILY_MALLOC, level))
        return NULL;
    if (pw_quick_resize_at(cache, &handle, size, level))
        return pointer;
    void *moved = pw_quick_acquire_at(cache, size, false, PW_FAMILY_MALLOC, level);
    if (moved == NULL)
        return NULL;
    size_t old_size = pw_quick_requested(&handle);
    __builtin_memcpy(moved, pointer, old_size < size ? old_size : size);
    if (pw_unlikely(!pw_quick_put(cache, &handle, level, false)))
        pw_give_back(pointer, call);
    return moved;
}

static PW_NOINLINE void *realloc_as(void *pointer, size_t size, uint64_t pc, uint64_t frame, uint64_t fp)
{
    struct pw_call call = PW_CALL_FROM(pc, frame, fp, PW_OP_REALLOC, PW_FAMILY_MALLOC);
    struct pw_cache *cache = pw_self;
    enum pw_quick way = pw_way(cache);
    void *block = NULL;
    if (way == PW_QUICK_FAST)
        block = realloc_quickly(cache, pointer, size, PW_LEVEL_FAST, &call);
    else if (way == PW_QUICK_OFF)
        block = realloc_quickly(cache, pointer, size, PW_LEVEL_OFF, &call);
    return pw_likely(block != NULL) ? block : pw_reallocate(pointer, size, &call);
}

PW_PUBLIC void *realloc(void *pointer, size_t size)
{
    return realloc_as(pointer, size, PW_CALLER_PC, PW_CALLER_FRAME, PW_ARCH_FP());
}

PW_PUBLIC void *reallocarray(void *pointer, size_t count, size_t size)
{
    size_t bytes;
    if (pw_likely(!__builtin_mul_overflow(count, size, &bytes)))
        return realloc_as(pointer, bytes, PW_CALLER_PC, PW_CALLER_FRAME, PW_ARCH_FP());
    struct pw_call call = PW_CALL(PW_OP_REALLOC, PW_FAMILY_MALLOC);
    pw_found_calloc_overflow(count, size, &call);
    errno = ENOMEM;
    return NULL;
}

/* What memalign makes of an alignment that is no power of two: the next one up; 0: too large. */
static size_t round_alignment(size_t align)
{
    if (align > SIZE_MAX / 2 + 1)
        return 0;
    size_t rounded = 1;
    while (rounded < align)
        rounded *= 2;
    return rounded;
}

static void *allocate_aligned(size_t align, size_t size, const struct pw_call *call)
{
    size_t rounded = round_alignment(align);
    if (rounded == 0) {
        pw_found_alignment(align, call);
        errno = EINVAL;
        return NULL;
    }
    if (size > PTRDIFF_MAX || rounded > PTRDIFF_MAX) {
        errno = ENOMEM;
        return NULL;
    }
    return pw_allocate(size, rounded == 1 ? 2 : rounded, false, call);
}

PW_PUBLIC void *memalign(size_t align, size_t size)
{
    struct pw_call call = PW_CALL(PW_OP_ALIGNED, PW_FAMILY_MALLOC);
    return allocate_aligned(align, size, &call);
}

PW_PUBLIC void *aligned_alloc(size_t align, size_t size)
{
    struct pw_call call = PW_CALL(PW_OP_ALIGNED, PW_FAMILY_MALLOC);
    return allocate_aligned(align, size, &call);
}

PW_PUBLIC int posix_memalign(void **result, size_t align, size_t size)
{
    struct pw_call call = PW_CALL(PW_OP_ALIGNED, PW_FAMILY_MALLOC);
    if (!PW_IS_POW2(align) || align % sizeof(void *) != 0) {
        pw_found_alignment(align, &call);
        return EINVAL;
    }
    int saved_errno = errno;
    void *block = allocate_aligned(align, size, &call);
    errno = saved_errno;
    if (block == NULL)
        return ENOMEM;
    *result = block;
    return 0;
}

PW_PUBLIC void *valloc(size_t size)
{
    struct pw_call call = PW_CALL(PW_OP_ALIGNED, PW_FAMILY_MALLOC);
    return allocate_aligned(PW_PAGE_BYTES, size, &call);
}

PW_PUBLIC void *pvalloc(size_t size); /* musl has none */
PW_PUBLIC void *pvalloc(size_t size)
{
    struct pw_call call = PW_CALL(PW_OP_ALIGNED, PW_FAMILY_MALLOC);
    if (size > PTRDIFF_MAX - PW_PAGE_BYTES) {
        errno = ENOMEM;
        return NULL;
    }
    return allocate_aligned(PW_PAGE_BYTES, PW_ALIGN_UP(size, PW_PAGE_BYTES), &call);
}

PW_PUBLIC size_t malloc_usable_size(void *pointer)
{
    struct pw_call call = PW_CALL(PW_OP_USABLE_SIZE, PW_FAMILY_MALLOC);
    if (pointer == NULL)
        return 0;
    uint64_t entry;
    struct pw_handle handle = pw_gate(pointer, &entry);
    if (handle.header == NULL) {
        pw_found_bad_pointer(pointer, &call);
        return 0;
    }
    return pw_block_requested(pw_block_at(entry, handle.address), handle.word);
}
