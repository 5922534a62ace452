/* full.h - the usual case of malloc and free at full. */
#ifndef PW_FRONT_FULL_H
#define PW_FRONT_FULL_H

#include "front/hot.h"

/*
 * What a call is, in one register: enum pw_operation, enum pw_family, whether the block is to be zero, and the id of its
 * stack, 0: not known yet. With that, pc, frame and fp as in struct pw_call, which is made only where something is wrong.
 */
enum { PW_HOW_FAMILY_SHIFT = 8, PW_HOW_ZERO = 1 << 16, PW_HOW_STACK_SHIFT = 32 };

PW_INLINE uint64_t pw_how(enum pw_operation operation, enum pw_family family, bool zero)
{
    return (uint64_t)operation | (uint64_t)family << PW_HOW_FAMILY_SHIFT | (zero ? PW_HOW_ZERO : 0);
}

PW_INLINE uint64_t pw_how_of(const struct pw_call *call, bool zero)
{
    return pw_how(call->operation, call->family, zero) | (uint64_t)call->stack << PW_HOW_STACK_SHIFT;
}

PW_INLINE enum pw_operation pw_how_operation(uint64_t how)
{
    return (enum pw_operation)(how & 0xff);
}

PW_INLINE enum pw_family pw_how_family(uint64_t how)
{
    return (enum pw_family)(how >> PW_HOW_FAMILY_SHIFT & 0xff);
}

/*
 * A block of any size for the thread whose cache is `cache`, where pw_is_full says so: the usual case in one go, else
 * by pw_allocate.
 */
typedef void *pw_full_malloc_way(struct pw_cache *cache, size_t size, uint64_t pc, uint64_t frame, uint64_t fp,
                                 uint64_t how);
/* Give back `pointer`, of `size` bytes or SIZE_MAX: whatever. The same: the usual case, else by pw_release_slowly. errno is kept. */
typedef void pw_full_free_way(void *pointer, size_t size, uint64_t pc, uint64_t frame, uint64_t fp, uint64_t how);

/*
 * full.c is compiled twice where there are such processors, for those with vectors of 32 bytes the second time; pw_full is
 * the one for this processor, from pw_ways_start on.
 */
pw_full_malloc_way pw_full_malloc;
pw_full_free_way pw_full_free;
extern pw_full_malloc_way pw_full_malloc_wide __attribute__((weak, visibility("hidden")));
extern pw_full_free_way pw_full_free_wide __attribute__((weak, visibility("hidden")));
struct pw_full {
    pw_full_malloc_way *malloc;
    pw_full_free_way *free;
};
extern struct pw_full pw_full __attribute__((visibility("hidden")));
/* levels.c: choose, when the options are known; and the same for fast. */
void pw_ways_start(void);
/* Check, claim, poison a LIVE small block and put it into the quarantine; the cache is entered. */
void pw_full_release(struct pw_cache *cache, const struct pw_handle *handle, uint64_t entry, const struct pw_call *call);

/* Has the thread's cache the short way of full open? */
PW_INLINE bool pw_is_full(const struct pw_cache *cache)
{
    return pw_way(cache) == PW_QUICK_FULL;
}

#endif
