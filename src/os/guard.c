/*
 * guard.c - pages that fault on access: MADV_GUARD_INSTALL, else mprotect within a budget.
 *
 * The two may be mixed: guard markers are refused for locked memory (mlock), where mprotect still
 * does. A guard carries no record of how it was made: pw_os_unguard takes the markers off (a no-op
 * without any) and, where mprotect was used as well, looks whether the range still faults.
 *
 * protected_guards counts the guards made with mprotect; each may cost two mappings of the
 * vm.max_map_count that the whole program has.
 */
#include "os/memory.h"

#include "os/inject.h"
#include "os/mappings.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

#ifndef MADV_GUARD_INSTALL /* Linux 6.13 */
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

enum { MAPPINGS_PER_GUARD = 2, PROTECT_SHARE = 4 * MAPPINGS_PER_GUARD }; /* a quarter of all mappings */

static _Atomic int guard_mode = PW_OS_GUARD_AUTO;
enum { MARKERS_UNKNOWN, MARKERS_WORK, MARKERS_MISSING };
static _Atomic int markers; /* one of these; asked once */

static _Atomic uint32_t protected_guards;
/* True once pages were hidden by mprotect: from then on pw_os_show counts and asks for both ways. */
static _Atomic bool hides_by_protection;

void pw_os_guard_mode(enum pw_os_guard_mode mode)
{
    atomic_store_explicit(&guard_mode, mode, memory_order_relaxed);
}

static bool take_protect_budget(void)
{
    return pw_os_take_mapping(&protected_guards, PROTECT_SHARE);
}

static void give_protect_budget(void)
{
    pw_os_give_mapping(&protected_guards);
}

/*
 * Do markers make a page fault here? Tried on a page of our own, and looked at: there are emulators
 * that take advice they don't know for done. In a program that locks all it maps the answer is no.
 */
static int probe_markers(void)
{
    size_t bytes = pw_os_page_bytes();
    void *page = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return MARKERS_UNKNOWN;
    bool work = madvise(page, bytes, MADV_GUARD_INSTALL) == 0 && !pw_os_is_readable(page, 1);
    (void)munmap(page, bytes);
    return work ? MARKERS_WORK : MARKERS_MISSING;
}

static bool markers_work(void)
{
    int support = atomic_load_explicit(&markers, memory_order_relaxed);
    if (support == MARKERS_UNKNOWN) {
        support = probe_markers();
        atomic_store_explicit(&markers, support, memory_order_relaxed);
    }
    return support == MARKERS_WORK;
}

static bool guard_with_markers(void *address, size_t bytes)
{
    return markers_work() && madvise(address, bytes, MADV_GUARD_INSTALL) == 0;
}

bool pw_os_marks(void)
{
    int saved_errno = errno;
    bool has_them = atomic_load_explicit(&guard_mode, memory_order_relaxed) == PW_OS_GUARD_AUTO && markers_work();
    errno = saved_errno;
    return has_them;
}

bool pw_os_mark(void *address, size_t bytes)
{
    if (pw_os_call_fails() || !pw_os_is_paged(address, bytes) ||
        atomic_load_explicit(&guard_mode, memory_order_relaxed) != PW_OS_GUARD_AUTO)
        return false;
    int saved_errno = errno;
    bool done = guard_with_markers(address, bytes);
    errno = saved_errno;
    return done;
}

/* The pages are given back first, so that a guard costs no memory. */
static bool guard_with_protection(void *address, size_t bytes)
{
    if (!take_protect_budget())
        return false;
    (void)madvise(address, bytes, MADV_DONTNEED);
    if (mprotect(address, bytes, PROT_NONE) == 0)
        return true;
    give_protect_budget();
    return false;
}

bool pw_os_guard(void *address, size_t bytes)
{
    if (pw_os_call_fails() || !pw_os_is_paged(address, bytes))
        return false;
    int mode = atomic_load_explicit(&guard_mode, memory_order_relaxed);
    if (mode == PW_OS_GUARD_NONE)
        return false;
    int saved_errno = errno;
    bool done = (mode == PW_OS_GUARD_AUTO && guard_with_markers(address, bytes)) ||
                guard_with_protection(address, bytes);
    errno = saved_errno;
    return done;
}

bool pw_os_hide(void *address, size_t bytes, bool was_shown)
{
    int mode = atomic_load_explicit(&guard_mode, memory_order_relaxed);
    if (pw_os_call_fails() || mode == PW_OS_GUARD_NONE || !pw_os_is_paged(address, bytes))
        return false;
    int saved_errno = errno;
    bool done = mode == PW_OS_GUARD_AUTO && guard_with_markers(address, bytes);
    if (!done) {
        (void)madvise(address, bytes, MADV_DONTNEED);
        done = mprotect(address, bytes, PROT_NONE) == 0;
        if (done)
            atomic_store_explicit(&hides_by_protection, true, memory_order_relaxed);
    }
    if (done && was_shown && atomic_load_explicit(&hides_by_protection, memory_order_relaxed))
        give_protect_budget();
    errno = saved_errno;
    return done;
}

bool pw_os_show(void *address, size_t bytes, bool is_filled)
{
    if (pw_os_call_fails() || !pw_os_is_paged(address, bytes))
        return false;
    int saved_errno = errno;
    bool marked = atomic_load_explicit(&markers, memory_order_relaxed) == MARKERS_WORK;
    bool done = !marked || madvise(address, bytes, MADV_GUARD_REMOVE) == 0;
    if (done && atomic_load_explicit(&hides_by_protection, memory_order_relaxed)) {
        done = take_protect_budget();
        if (done && mprotect(address, bytes, PROT_READ | PROT_WRITE) != 0) {
            give_protect_budget();
            done = false;
        }
    }
    if (done && is_filled && marked)
        (void)pw_os_populate(address, bytes); /* where there is no such, by faults */
    errno = saved_errno;
    return done;
}

/* What a stray write put there between giving back and protecting goes, in locked memory too. */
static bool unprotect(char *address, size_t bytes)
{
    if (mprotect(address, bytes, PROT_READ | PROT_WRITE) != 0)
        return false;
    if (madvise(address, bytes, MADV_DONTNEED) != 0)
        for (size_t i = 0; i < bytes; i++)
            ((volatile char *)address)[i] = 0;
    give_protect_budget();
    return true;
}

bool pw_os_unguard(void *address, size_t bytes)
{
    if (pw_os_call_fails() || !pw_os_is_paged(address, bytes))
        return false;
    int saved_errno = errno;
    bool marked = atomic_load_explicit(&markers, memory_order_relaxed) == MARKERS_WORK;
    bool done = !marked || madvise(address, bytes, MADV_GUARD_REMOVE) == 0;
    if (done && atomic_load_explicit(&protected_guards, memory_order_relaxed) != 0 &&
        (!marked || !pw_os_is_readable(address, 1)))
        done = unprotect(address, bytes);
    errno = saved_errno;
    return done;
}
