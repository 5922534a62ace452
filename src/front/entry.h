/*
 * entry.h - what the entry points (malloc family, operator new and delete, pwheap.h) are made of.
 * Everything here is called by a thread that is outside the allocator.
 */
#ifndef PW_FRONT_ENTRY_H
#define PW_FRONT_ENTRY_H

#include "front/full.h"

#define PW_ANY_SIZE SIZE_MAX
#define PW_ANY_ALIGN 0

/* A block or NULL and ENOMEM. align 1: whatever; else a power of two, and noted as asked for. */
void *pw_allocate(size_t size, size_t align, bool zero, const struct pw_call *call);
/* The same at whatever alignment. */
PW_INLINE void *pw_allocate_any(size_t size, bool zero, const struct pw_call *call)
{
    struct pw_cache *cache = pw_self;
    if (pw_is_full(cache))
        return pw_full.malloc(cache, size, call->pc, call->frame, call->fp, pw_how_of(call, zero));
    return pw_allocate(size, 1, zero, call);
}
/* Give back what pw_check_release let pass. */
void pw_give_back(void *pointer, const struct pw_call *call);
/* Check family, size and alignment of a release; false: the pointer is not to be released. Reports. */
bool pw_check_release(const void *pointer, const struct pw_call *call, size_t size, size_t align);
/* Both, errno kept; NULL is nothing. The stack of the call is put into it. */
void pw_release_slowly(void *pointer, struct pw_call *call, size_t size, size_t align);
/* The same, the usual case at full first. */
PW_INLINE void pw_release_as(void *pointer, struct pw_call *call, size_t size, size_t align)
{
    if (align == PW_ANY_ALIGN && pw_is_full(pw_self))
        pw_full.free(pointer, size, call->pc, call->frame, call->fp, pw_how_of(call, false));
    else
        pw_release_slowly(pointer, call, size, align);
}
void *pw_reallocate(void *pointer, size_t size, struct pw_call *call);

/* Misuse that fails with errno, and is reported only when allocator_may_return_null=0; true: reported. */
bool pw_found_size(size_t size, const struct pw_call *call);
/* An allocation of `size` bytes failed: say so once where the heap never had any memory, for then all of them will. */
void pw_found_no_heap(size_t size);
void pw_found_calloc_overflow(size_t count, size_t size, const struct pw_call *call);
void pw_found_alignment(size_t align, const struct pw_call *call);

#endif
