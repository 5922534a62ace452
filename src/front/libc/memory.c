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

static void check_move(const struct pw_site *site, const void *to, const void *from, size_t count)
{
    pw_check_read(site, from, count);
    pw_check_write(site, to, count);
}

static void check_both(const struct pw_site *site, const void *one, const void *other, size_t count)
{
    pw_check_read(site, one, count);
    pw_check_read(site, other, count);
}

void *pw_checked_memcpy(void *to, const void *from, size_t count)
{
    PW_CHECKED(memcpy, pw_check_copy(&site, to, from, count));
    return pw_libc.memcpy(to, from, count);
}

void *pw_checked___memcpy_chk(void *to, const void *from, size_t count, size_t room)
{
    PW_CHECKED(memcpy, pw_check_copy(&site, to, from, count));
    return pw_libc.__memcpy_chk(to, from, count, room);
}

void *pw_checked_mempcpy(void *to, const void *from, size_t count)
{
    PW_CHECKED(mempcpy, pw_check_copy(&site, to, from, count));
    return pw_libc.mempcpy(to, from, count);
}

void *pw_checked___mempcpy_chk(void *to, const void *from, size_t count, size_t room)
{
    PW_CHECKED(mempcpy, pw_check_copy(&site, to, from, count));
    return pw_libc.__mempcpy_chk(to, from, count, room);
}

void *pw_checked_memmove(void *to, const void *from, size_t count)
{
    PW_CHECKED(memmove, check_move(&site, to, from, count));
    return pw_libc.memmove(to, from, count);
}

void *pw_checked___memmove_chk(void *to, const void *from, size_t count, size_t room)
{
    PW_CHECKED(memmove, check_move(&site, to, from, count));
    return pw_libc.__memmove_chk(to, from, count, room);
}

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

void *pw_checked_memset(void *to, int byte, size_t count)
{
    PW_CHECKED(memset, pw_check_write(&site, to, count));
    return pw_libc.memset(to, byte, count);
}

void *pw_checked___memset_chk(void *to, int byte, size_t count, size_t room)
{
    PW_CHECKED(memset, pw_check_write(&site, to, count));
    return pw_libc.__memset_chk(to, byte, count, room);
}

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

int pw_checked_memcmp(const void *one, const void *other, size_t count)
{
    PW_CHECKED(memcmp, check_both(&site, one, other, count));
    return pw_libc.memcmp(one, other, count);
}

int pw_checked_bcmp(const void *one, const void *other, size_t count)
{
    PW_CHECKED(bcmp, check_both(&site, one, other, count));
    return pw_libc.bcmp(one, other, count);
}
