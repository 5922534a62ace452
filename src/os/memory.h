/*
 * memory.h - address space from the kernel: one system call a function, its contract beside it.
 *
 * All addresses and lengths are multiples of the page size. Nothing here allocates, locks or
 * touches errno. A failure is a return value; pw_os_fail_next makes it happen for tests.
 */
#ifndef PW_OS_MEMORY_H
#define PW_OS_MEMORY_H

#include "base/base.h"

#include <stdatomic.h>

/* What the kernel calls a page. Ranges that are not of whole pages are declined where it matters. */
size_t pw_os_page_bytes(void);

PW_INLINE bool pw_os_is_paged(const void *address, size_t bytes)
{
    return (((uintptr_t)address | bytes) & (pw_os_page_bytes() - 1)) == 0;
}

/*
 * Read what the system allows (vm.max_map_count; else Linux's default counts). Once, at start-up: later the process may have shut
 * itself into a sandbox that kills it for opening a file.
 */
void pw_os_know_limits(void);

/* Readable, writable, zero, not accounted until touched. NULL: the kernel has none. */
void *pw_os_map(size_t bytes);
/* The same, and a child that fork makes writes into the same pages. */
void *pw_os_map_shared(size_t bytes);
/* The same, starting on a multiple of `align`, a power of two of at least a page. */
void *pw_os_map_aligned(size_t bytes, size_t align);
/*
 * Would the kernel promise so much at once? (vm.overcommit_memory; what pw_os_map gives is not
 * promised.) To be asked for blocks that are huge by the program's own wish.
 */
bool pw_os_has_room(size_t bytes);
/*
 * Is there so much address space at once that pw_os_map could have (RLIMIT_AS, RLIMIT_DATA)? Tried, not asked for: getrlimit
 * is a call that sandboxes kill for.
 */
bool pw_os_has_address_space(size_t bytes);
/* Address space that nobody can touch. */
void *pw_os_reserve(size_t bytes);
/* Make a part of a reservation readable and writable. */
bool pw_os_commit(void *address, size_t bytes);
void pw_os_unmap(void *address, size_t bytes);

/*
 * What is mapped by the functions above is the library's own; so is what is told by pw_os_own, until
 * pw_os_disown. Entries of the table whose end is not above their start say nothing.
 */
struct pw_os_range {
    _Atomic uint64_t start;
    _Atomic uint64_t end;
};
void pw_os_own(const void *address, size_t bytes);
void pw_os_disown(const void *address);
const struct pw_os_range *pw_os_own_ranges(uint32_t *capacity);

/*
 * Make pages fault on access from now on; their contents are lost. MADV_GUARD_INSTALL (Linux 6.13)
 * where there is, else mprotect within a budget of a quarter of vm.max_map_count. False: neither.
 */
bool pw_os_guard(void *address, size_t bytes);
/* Undo it, for the same range, however it was done: the pages read as zero again. */
bool pw_os_unguard(void *address, size_t bytes);
/* The same as pw_os_guard by markers, or not at all; pw_os_unguard undoes it for any range that holds it. */
bool pw_os_mark(void *address, size_t bytes);
/* Are there markers, and may they be used? pw_os_mark may fail all the same, of memory that is locked. */
bool pw_os_marks(void);

/*
 * For memory of which few pages are to be seen: hide makes pages fault on access and gives their
 * memory back, show lets hidden ones be used again, reading as zero. By markers as above. Where
 * mprotect has to do, hidden pages next to each other are one mapping, and only what is shown
 * counts against the budget (`was_shown`: the range is one that pw_os_show gave). `is_filled`: the
 * pages are about to be written to, and are best had at once.
 */
bool pw_os_hide(void *address, size_t bytes, bool was_shown);
bool pw_os_show(void *address, size_t bytes, bool is_filled);

/* What pw_os_guard may use from now on; guards that exist stay, and can be undone. */
enum pw_os_guard_mode { PW_OS_GUARD_AUTO, PW_OS_GUARD_PROTECT, PW_OS_GUARD_NONE };
void pw_os_guard_mode(enum pw_os_guard_mode mode);

/*
 * Let the kernel back whole aligned 2 MiB (or what the machine has) of this with one page where it likes: fewer faults, and
 * fewer misses of the TLB. False: it doesn't know how, which is no harm.
 */
bool pw_os_prefer_huge_pages(void *address, size_t bytes);
/*
 * Have the pages at hand that a write would have to wait for (MADV_POPULATE_WRITE, Linux 5.14). False: that can't be, or
 * nothing writable is there: no harm, and no signal.
 */
bool pw_os_populate(void *address, size_t bytes);
/* Give the memory back, keep the address space: the pages read as zero again (guards stay). */
bool pw_os_purge(void *address, size_t bytes);
/*
 * Move the pages at `from` to `to` (both mapped, writable, the same length). Afterwards `from` holds
 * zeroes or, of pages that had to be copied, what it held. False: nothing was moved (the process had its
 * share of moves, or `from` can't be read), what `to` held may be lost. `to` takes over the protection
 * and the name of `from`, not its userfaultfd registration.
 */
bool pw_os_move_pages(void *from, void *to, size_t bytes);
/*
 * What became of the mapping that a range was made in. A range that is CLOSED faults on access and has no memory; one
 * that is MOVED is in use, with pages from elsewhere. Both are mappings of their own, so there is a budget for each: a
 * 32nd of vm.max_map_count. The functions below are told where a range stands, and keep that up to date.
 */
enum pw_os_backing { PW_OS_COMMON, PW_OS_CLOSED, PW_OS_MOVED };
/*
 * Close a range. What it costs does not depend on its length, as with pw_os_guard, only on the pages that were touched. False: it
 * can't be, or the budget is used up; what the range held may be lost.
 */
bool pw_os_close(void *address, size_t bytes, enum pw_os_backing *backing);
/*
 * Move the pages of a range to an address that it returns, where they are readable and writable: the library's own, to be used with
 * pw_os_bring or given up with pw_os_unmap. The range reads as zero then. NULL: they couldn't be moved, for example because they
 * are of more than one mapping; what the range held may be lost.
 */
void *pw_os_set_aside(void *address, size_t bytes);
/*
 * Have pages that were set aside at `to`, which is writable and as long. They hold what they held. False: `to` reads as
 * zero; the pages are gone in either case.
 */
bool pw_os_bring(void *aside, void *to, size_t bytes, enum pw_os_backing *backing);
/* Make a range COMMON, readable, writable and zero, whatever guards it has. False: it stays as it is. */
bool pw_os_reopen(void *address, size_t bytes, enum pw_os_backing *backing);
/* Make pages read-only: for structures that must not change after start-up. */
bool pw_os_seal(void *address, size_t bytes);
/* Let /proc/PID/maps say "[anon:name]" (Linux 5.17, else nothing). Mappings of different names don't merge. */
void pw_os_name(void *address, size_t bytes, const char *name);

/*
 * True when the `bytes` at `address`, any address and count, can be read; asked without touching
 * them, a system call a page (rt_sigprocmask, which no sandbox forbids).
 */
bool pw_os_is_readable(const void *address, size_t bytes);

/*
 * Fault injection for tests: the n-th call from now of those above that can fail fails (n from 1;
 * 0: never), and every `every`-th later one as well when it is not 0. pw_os_is_readable is a
 * question, not one of them.
 */
void pw_os_fail_next(uint64_t n, uint64_t every);
/* Calls of those above so far. */
uint64_t pw_os_memory_calls(void);

#endif
