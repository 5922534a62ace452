/* memory.c - memcpy and what else works on ranges of bytes. See libc.h. */
#include "front/libc/libc.h"

/* Up to the byte that ends the search, or all of it. */
static void check_search(const struct pw_site *site, const void *bytes, int byte, size_t count)
{
    uint64_t room = pw_room(bytes);
    if (pw_unlikely(count > room) && pw_libc.memchr(bytes, byte, room) == NULL)
        pw_found_bad_access(site, bytes, room + 1, PW_ACCESS_READ);
}

/* memccpy stops behind that byte. */
static void check_copy_until(const struct pw_site *site, const void *to, const void *from, int byte,
                             size_t count)
{
    check_search(site, from, byte, count);
    uint64_t room = pw_room(from);
    size_t most = count < room ? count : (size_t)room;
    const char *end = pw_libc.memchr(from, byte, most);
    size_t copied = end != NULL ? (size_t)(end + 1 - (const char *)from) : most;
    pw_check_write(site, to, copied);
    if (pw_ranges_overlap(to, from, copied))
        pw_found_overlap(site, to, from, copied);
}

PW_INLINE void check_move(const struct pw_site *site, const void *to, const void *from, size_t count)
{
    pw_check_read(site, from, count);
    pw_check_write(site, to, count);
}

PW_INLINE void check_both(const struct pw_site *site, const void *one, const void *other, size_t count)
{
    pw_check_read(site, one, count);
    pw_check_read(site, other, count);
}

#define UNPACK(...) __VA_ARGS__
/*
 * The checked version of a function that is called very often. Where it is plain that nothing is wrong it calls nothing,
 * so it saves no register, and jumps to libc's own. Else nothing is decided: the long way checks again, and reports.
 */
#define CHECKED(result, name, as, parameters, arguments, is_plain, check)                          \
    static PW_NOINLINE result check_##name(uint64_t pc, uint64_t frame, UNPACK parameters)         \
    {                                                                                              \
        PW_CHECKED_FROM(as, pc, frame, check);                                                     \
        return pw_libc.name arguments;                                                             \
    }                                                                                              \
    result pw_checked_##name parameters                                                            \
    {                                                                                              \
        if (pw_likely(pw_libc_is_checked() && (is_plain)))                                         \
            return pw_libc.name arguments;                                                         \
        return check_##name(PW_CALLER_PC, PW_CALLER_FRAME, UNPACK arguments);                      \
    }

PW_INLINE bool is_plain_copy(const void *to, const void *from, size_t count)
{
    return pw_fits_plainly(from, count) && pw_fits_plainly(to, count) && !pw_ranges_overlap(to, from, count);
}

PW_INLINE bool is_plain_pair(const void *one, const void *other, size_t count)
{
    return pw_fits_plainly(one, count) && pw_fits_plainly(other, count);
}

CHECKED(void *, memcpy, memcpy, (void *to, const void *from, size_t count), (to, from, count),
        is_plain_copy(to, from, count), pw_check_copy(&site, to, from, count))

CHECKED(void *, __memcpy_chk, memcpy, (void *to, const void *from, size_t count, size_t room), (to, from, count, room),
        is_plain_copy(to, from, count), pw_check_copy(&site, to, from, count))

CHECKED(void *, mempcpy, mempcpy, (void *to, const void *from, size_t count), (to, from, count),
        is_plain_copy(to, from, count), pw_check_copy(&site, to, from, count))

CHECKED(void *, __mempcpy_chk, mempcpy, (void *to, const void *from, size_t count, size_t room), (to, from, count, room),
        is_plain_copy(to, from, count), pw_check_copy(&site, to, from, count))

CHECKED(void *, memmove, memmove, (void *to, const void *from, size_t count), (to, from, count),
        is_plain_pair(to, from, count), check_move(&site, to, from, count))

CHECKED(void *, __memmove_chk, memmove, (void *to, const void *from, size_t count, size_t room), (to, from, count, room),
        is_plain_pair(to, from, count), check_move(&site, to, from, count))

void pw_checked_bcopy(const void *from, void *to, size_t count)
{
    PW_CHECKED(bcopy, check_move(&site, to, from, count));
    pw_libc.bcopy(from, to, count);
}

void *pw_checked_memccpy(void *to, const void *from, int byte, size_t count)
{
    PW_CHECKED(memccpy, check_copy_until(&site, to, from, byte, count));
    return pw_libc.memccpy(to, from, byte, count);
}

CHECKED(void *, memset, memset, (void *to, int byte, size_t count), (to, byte, count),
        pw_fits_plainly(to, count), pw_check_write(&site, to, count))

CHECKED(void *, __memset_chk, memset, (void *to, int byte, size_t count, size_t room), (to, byte, count, room),
        pw_fits_plainly(to, count), pw_check_write(&site, to, count))

void pw_checked_bzero(void *to, size_t count)
{
    PW_CHECKED(bzero, pw_check_write(&site, to, count));
    pw_libc.bzero(to, count);
}

void pw_checked_explicit_bzero(void *to, size_t count)
{
    PW_CHECKED(explicit_bzero, pw_check_write(&site, to, count));
    pw_libc.explicit_bzero(to, count);
}

void pw_checked___explicit_bzero_chk(void *to, size_t count, size_t room)
{
    PW_CHECKED(explicit_bzero, pw_check_write(&site, to, count));
    pw_libc.__explicit_bzero_chk(to, count, room);
}

void *pw_checked_memchr(const void *bytes, int byte, size_t count)
{
    PW_CHECKED(memchr, check_search(&site, bytes, byte, count));
    return pw_libc.memchr(bytes, byte, count);
}

void *pw_checked_rawmemchr(const void *bytes, int byte)
{
    PW_CHECKED(rawmemchr, check_search(&site, bytes, byte, SIZE_MAX));
    return pw_libc.rawmemchr(bytes, byte);
}

void *pw_checked_memrchr(const void *bytes, int byte, size_t count)
{
    PW_CHECKED(memrchr, pw_check_read(&site, bytes, count));
    return pw_libc.memrchr(bytes, byte, count);
}

CHECKED(int, memcmp, memcmp, (const void *one, const void *other, size_t count), (one, other, count),
        is_plain_pair(one, other, count), check_both(&site, one, other, count))

CHECKED(int, bcmp, bcmp, (const void *one, const void *other, size_t count), (one, other, count),
        is_plain_pair(one, other, count), check_both(&site, one, other, count))
