/*
 * set_aside.c - pages of one range for another, without giving them to the system in between: a page that
 * comes back costs a fault, which clears it; one that is moved some nanoseconds (mremap with MREMAP_DONTUNMAP).
 *
 * A range that is closed, or has pages from elsewhere, is a mapping of its own. To map it anew makes it one with
 * its neighbours again (mmap with MAP_FIXED over it): whatever a range was, that ends it.
 */
#include "os/memory.h"

#include "os/inject.h"
#include "os/mappings.h"

#include <errno.h>
#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP /* Linux 5.7 */
#define MREMAP_DONTUNMAP 4
#endif

enum { BUDGET_SHARE = 32, READ_WRITE = PROT_READ | PROT_WRITE };

static _Atomic uint32_t counts[3]; /* of ranges that are CLOSED, and MOVED */

static bool take(enum pw_os_backing kind)
{
    return pw_os_take_mapping(&counts[kind], BUDGET_SHARE);
}

static void give(enum pw_os_backing kind)
{
    if (kind != PW_OS_COMMON)
        pw_os_give_mapping(&counts[kind]);
}

/* A range became another kind, of which one was taken. */
static void become(enum pw_os_backing *backing, enum pw_os_backing kind)
{
    give(*backing);
    *backing = kind;
}

static bool map_anew(void *address, size_t bytes, int protection)
{
    return mmap(address, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == address;
}

bool pw_os_close(void *address, size_t bytes, enum pw_os_backing *backing)
{
    if (pw_os_call_fails() || !pw_os_is_paged(address, bytes) || !take(PW_OS_CLOSED))
        return false;
    int saved_errno = errno;
    bool done = map_anew(address, bytes, PROT_NONE);
    if (done)
        become(backing, PW_OS_CLOSED);
    else
        give(PW_OS_CLOSED);
    errno = saved_errno;
    return done;
}

/* The program may have protected its pages: not from who gets them. */
static void *move_out(void *address, size_t bytes)
{
    void *aside = mremap(address, bytes, bytes, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    if (aside == MAP_FAILED)
        return NULL;
    if (mprotect(aside, bytes, READ_WRITE) == 0)
        return aside;
    (void)munmap(aside, bytes);
    return NULL;
}

void *pw_os_set_aside(void *address, size_t bytes)
{
    if (pw_os_call_fails() || !pw_os_is_paged(address, bytes))
        return NULL;
    int saved_errno = errno;
    void *aside = move_out(address, bytes);
    if (aside != NULL)
        pw_os_own(aside, bytes);
    errno = saved_errno;
    return aside;
}

bool pw_os_bring(void *aside, void *to, size_t bytes, enum pw_os_backing *backing)
{
    bool may = !pw_os_call_fails() && pw_os_is_paged(to, bytes) && take(PW_OS_MOVED);
    int saved_errno = errno;
    bool done = may && mremap(aside, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to;
    if (done) {
        pw_os_disown(aside);
        become(backing, PW_OS_MOVED);
    } else {
        if (may) {
            give(PW_OS_MOVED);
            pw_os_close_holes(to, bytes);
        }
        pw_os_unmap(aside, bytes);
    }
    errno = saved_errno;
    return done;
}

bool pw_os_reopen(void *address, size_t bytes, enum pw_os_backing *backing)
{
    if (pw_os_call_fails() || !pw_os_is_paged(address, bytes))
        return false;
    int saved_errno = errno;
    bool done = map_anew(address, bytes, READ_WRITE);
    if (done)
        become(backing, PW_OS_COMMON);
    errno = saved_errno;
    return done;
}
