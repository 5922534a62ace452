/*
 * place.h - where in its pages a guarded block lies.
 *
 *   right:  | canary | block | slack | guard      the slack is what alignment asks for, less than `align`
 *   left:   | block | canary         | guard      before it is the guard of the run before
 */
#ifndef PW_GUARD_PLACE_H
#define PW_GUARD_PLACE_H

#include "guard/pool.h"

enum { PW_GUARD_MALLOC_ALIGNMENT = 16 }; /* what programs may rely on */

struct pw_guard_place {
    uint32_t pages;  /* of data */
    uint32_t offset; /* bytes from the start of the first page to the block; less than a page */
};

/* Pages of data for a block of `size` bytes. One of 0 bytes has a page of its own that is never shown. */
PW_INLINE uint32_t pw_guard_pages(uint64_t size)
{
    return size == 0 ? 1 : (uint32_t)((size + PW_PAGE_BYTES - 1) >> PW_PAGE_SHIFT);
}

/* `align` is a power of two, at most a page. */
PW_INLINE struct pw_guard_place pw_guard_place(uint64_t size, uint64_t align, bool is_right)
{
    struct pw_guard_place place = {.pages = pw_guard_pages(size)};
    if (is_right && size != 0)
        place.offset =
            (uint32_t)PW_ALIGN_DOWN(((uint64_t)place.pages << PW_PAGE_SHIFT) - size, align);
    return place;
}

#endif
