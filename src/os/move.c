/*
 * move.c - pages from one place to another without a copy, by mremap with MREMAP_DONTUNMAP.
 *
 * The kernel may stop half way: since Linux 6.17 it takes a range of several mappings, and moves them
 * one after the other (seen: ENOMEM after the first of two). What was moved then reads as zero at
 * `from`, and there may be a hole at `to`. So `to` is emptied first; then of each page the one that is
 * not zero is the right one.
 *
 * A move leaves a mapping of its own at `to`, which nothing merges with. So the moves that a process
 * gets are counted against vm.max_map_count, which is the program's.
 */
#include "os/memory.h"

#include "os/inject.h"
#include "os/mappings.h"

#include <errno.h>
#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP /* Linux 5.7 */
#define MREMAP_DONTUNMAP 4
#endif

enum { MOVES_SHARE = 64 }; /* of the mappings that a process may have, one in so many */

static _Atomic uint32_t moves;

static bool is_zero(const char *page, size_t bytes)
{
    uint64_t any = 0;
    for (size_t i = 0; i < bytes; i += sizeof any)
        any |= *(const uint64_t *)(page + i);
    return any == 0;
}

/* After a move that stopped half way: copy what is left. False: a page can't be read. */
static bool copy_rest(const char *from, char *to, size_t bytes)
{
    size_t page = pw_os_page_bytes();
    bool is_whole = true;
    for (size_t at = 0; at < bytes; at += page) {
        bool is_readable = pw_os_is_readable(from + at, 1);
        is_whole &= is_readable;
        if (is_readable && !is_zero(from + at, page))
            __builtin_memcpy(to + at, from + at, page);
    }
    return is_whole;
}

bool pw_os_move_pages(void *from, void *to, size_t bytes)
{
    if (pw_os_call_fails() || !pw_os_is_paged(from, bytes) || !pw_os_is_paged(to, bytes) || !pw_os_take_mapping(&moves, MOVES_SHARE))
        return false;
    int saved_errno = errno;
    bool done = madvise(to, bytes, MADV_DONTNEED) == 0;
    if (done && mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to) != to) {
        pw_os_close_holes(to, bytes);
        done = copy_rest(from, to, bytes);
    }
    errno = saved_errno;
    return done;
}
