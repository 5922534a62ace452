/*
 * libc.h - the calls of libc that are checked (level full and above; option check_libc_calls; those with a
 * directory from fast on): what the files of this folder share.
 *
 * What the program calls memcpy is one jump through a pointer: at off and fast to libc's own, else to
 * the checked one, which looks at the ranges that libc is about to read and write, and calls libc's
 * own, which it leaves result and errno to.
 *
 *   memcpy                       libc/entry.c
 *   ├─ libc's memcpy             off, fast
 *   └─ pw_checked_memcpy         libc/memory.c: both ranges plainly fit: on to libc's memcpy; else
 *      ├─ pw_libc_checks         before all is set up: look up libc's own functions
 *      ├─ pw_check_copy
 *      │  ├─ pw_room             libc/room.h: page map; in a heap: where the block is, its header
 *      │  └─ pw_found_bad_access libc/check.c: it does not fit; look again under the heap's lock, and report
 *      └─ pw_libc.memcpy         libc's own
 *
 * No lock, no allocation, no system call, unless there is something to report (or there are vectors that may not be
 * readable: descriptor.c). The address of a LIVE block finds that block's header whatever other threads do, so who passes
 * one never sees a report.
 *
 * These files are in libpwheap.so alone: in a static program libc.a has functions of these names, and
 * nothing is checked there. Built with sibling calls, without builtins, and without own_calls.h.
 */
#ifndef PW_FRONT_LIBC_H
#define PW_FRONT_LIBC_H

#include "front/libc/hardened.h"
#include "front/libc/list.h"
#include "front/libc/room.h"

#include <dirent.h>
#include <iconv.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/uio.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

/* What is called in the place of NAME, where calls are checked: pw_checked_NAME. */
#define PW_LIBC_DECLARE(name) extern __typeof__(name) pw_checked_##name;
PW_LIBC_LIST(PW_LIBC_DECLARE)

/* libc's own versions, by name. Written once, before mode is anything but PW_LIBC_UNKNOWN. */
#define PW_LIBC_FIELD(name) __typeof__(&name) name;
struct pw_libc {
    PW_LIBC_LIST(PW_LIBC_FIELD)
};
extern struct pw_libc pw_libc __attribute__((visibility("hidden")));

/* What is checked, each with what is before it. UNKNOWN: not looked up yet, and every call is led to its checked version. */
enum pw_libc_mode { PW_LIBC_UNKNOWN, PW_LIBC_PLAIN, PW_LIBC_FOLDERS, PW_LIBC_CHECKED };
extern _Atomic uint8_t pw_libc_mode __attribute__((visibility("hidden")));

/* libc/own.c: look up what is to be looked up, and what is checked then. */
enum pw_libc_mode pw_libc_look_up(void);

PW_INLINE bool pw_libc_is_checked(void)
{
    return atomic_load_explicit(&pw_libc_mode, memory_order_relaxed) == PW_LIBC_CHECKED;
}

PW_INLINE bool pw_libc_checks_from(enum pw_libc_mode least)
{
    return pw_likely(atomic_load_explicit(&pw_libc_mode, memory_order_relaxed) >= least) || pw_libc_look_up() >= least;
}

PW_INLINE bool pw_libc_checks(void)
{
    return pw_libc_checks_from(PW_LIBC_CHECKED);
}

/* libc/entry.c: lead the calls that `mode` checks to their checked versions, all others to libc's own functions. */
void pw_libc_lead(enum pw_libc_mode mode);

/* The program's call. */
struct pw_site {
    uint64_t pc;
    uint64_t frame;
    const char *function;
};

/* Do `check` if `condition`, with `site` to say where the call is. */
#define PW_CHECKED_IF(condition, name, pc, frame, check)                                           \
    do {                                                                                           \
        if (condition) {                                                                           \
            struct pw_site site = {pc, frame, #name};                                              \
            check;                                                                                 \
        }                                                                                          \
    } while (0)
#define PW_CHECKED_FROM(name, pc, frame, check) PW_CHECKED_IF(pw_libc_checks(), name, pc, frame, check)
/* The same in a checked version itself. */
#define PW_CHECKED(name, check) PW_CHECKED_FROM(name, PW_CALLER_PC, PW_CALLER_FRAME, check)

/* Report an access to [address, address + bytes) that is still wrong now. */
void pw_found_bad_access(const struct pw_site *site, const void *address, uint64_t bytes,
                         enum pw_access access);
/* Report a copy between ranges that overlap. */
void pw_found_overlap(const struct pw_site *site, const void *to, const void *from, uint64_t bytes);

PW_INLINE void pw_check_range(const struct pw_site *site, const void *address, uint64_t bytes,
                              enum pw_access access)
{
    uint64_t entry = pw_page_map_entry((uint64_t)address), room;
    if (entry == 0)
        return;
    if (!pw_entry_is_slab(entry))
        room = pw_room_in_no_slab(entry, (uint64_t)address);
    else if (pw_likely(pw_fits_in_slab(entry, (uint64_t)address, bytes)))
        return;
    else
        room = pw_room_in_heap((uint64_t)address);
    if (pw_unlikely(bytes > room))
        pw_found_bad_access(site, address, bytes, access);
}

PW_INLINE void pw_check_read(const struct pw_site *site, const void *address, uint64_t bytes)
{
    pw_check_range(site, address, bytes, PW_ACCESS_READ);
}

PW_INLINE void pw_check_write(const struct pw_site *site, const void *address, uint64_t bytes)
{
    pw_check_range(site, address, bytes, PW_ACCESS_WRITE);
}

/* libc's own ones (stdin and its like) are in no heap; all others begin with a FILE. */
PW_INLINE void pw_check_stream(const struct pw_site *site, const FILE *stream)
{
    pw_check_write(site, stream, sizeof(FILE));
}

/* count * size, or as much as there can't be. */
PW_INLINE uint64_t pw_libc_product(size_t count, size_t size)
{
    uint64_t product;
    return __builtin_mul_overflow(count, size, &product) ? PW_ROOM_ANY - 1 : product;
}

PW_INLINE bool pw_ranges_overlap(const void *to, const void *from, uint64_t bytes)
{
    uint64_t one = (uint64_t)to, other = (uint64_t)from;
    uint64_t distance = one > other ? one - other : other - one;
    return distance < bytes && distance != 0;
}

/* Both ranges of a copy, and that they don't overlap; the same range twice is let pass, as libc does. */
PW_INLINE void pw_check_copy(const struct pw_site *site, const void *to, const void *from, uint64_t bytes)
{
    pw_check_read(site, from, bytes);
    pw_check_write(site, to, bytes);
    if (pw_unlikely(pw_ranges_overlap(to, from, bytes)))
        pw_found_overlap(site, to, from, bytes);
}

/*
 * The string at `text`, followed to its end but at most over `most` characters and not out of its
 * block: its length. Where it ends in neither way, that is reported, and what fits is its length.
 */
size_t pw_check_string(const struct pw_site *site, const char *text, size_t most);
size_t pw_check_wide(const struct pw_site *site, const wchar_t *text, size_t most);
/* libc/arguments.c: the format of sprintf or its like, char or wchar_t, and the strings among its arguments. */
void pw_check_arguments(const struct pw_site *site, const void *format, bool is_wide, va_list arguments);

#endif
