/* wide.c - the same for wide characters; counts are of characters. See libc.h. */
#include "front/libc/libc.h"

static uint64_t bytes_of(size_t count)
{
    return pw_libc_product(count, sizeof(wchar_t));
}

static void check_written(const struct pw_site *site, const wchar_t *to, const wchar_t *from,
                          size_t read, size_t written)
{
    pw_check_write(site, to, bytes_of(written));
    if (pw_ranges_overlap(to, from, bytes_of(read)))
        pw_found_overlap(site, to, from, bytes_of(read));
}

static void check_copy(const struct pw_site *site, const wchar_t *to, const wchar_t *from)
{
    size_t count = pw_check_wide(site, from, SIZE_MAX) + 1;
    check_written(site, to, from, count, count);
}

static void check_filled_copy(const struct pw_site *site, const wchar_t *to, const wchar_t *from,
                              size_t count)
{
    size_t length = pw_check_wide(site, from, count);
    check_written(site, to, from, length < count ? length + 1 : count, count);
}

static void check_append(const struct pw_site *site, const wchar_t *to, const wchar_t *from, size_t most)
{
    size_t count = pw_check_wide(site, from, most) + 1;
    size_t before = pw_check_wide(site, to, SIZE_MAX);
    check_written(site, to + before, from, count, count);
}

static void check_compare(const struct pw_site *site, const wchar_t *one, const wchar_t *other, size_t most)
{
    uint64_t room_of_one = pw_room(one) / sizeof *one, room_of_other = pw_room(other) / sizeof *one;
    uint64_t room = room_of_one < room_of_other ? room_of_one : room_of_other;
    if (pw_likely(most <= room || room == PW_ROOM_ANY / sizeof *one) ||
        pw_libc.wcsncmp(one, other, room) != 0 || pw_libc.wcsnlen(one, room) < room)
        return;
    pw_found_bad_access(site, room == room_of_one ? one : other, (room + 1) * sizeof *one, PW_ACCESS_READ);
}

/* Up to that character, to the end of the string, or to the end of what is to be searched. */
static void check_search(const struct pw_site *site, const wchar_t *text, wchar_t character, size_t count,
                         bool ends_at_null)
{
    uint64_t room = pw_room(text) / sizeof *text;
    if (pw_likely(count <= room || room == PW_ROOM_ANY / sizeof *text) ||
        pw_libc.wmemchr(text, character, room) != NULL ||
        (ends_at_null && pw_libc.wcsnlen(text, room) < room))
        return;
    pw_found_bad_access(site, text, (room + 1) * sizeof *text, PW_ACCESS_READ);
}

static void check_move(const struct pw_site *site, const wchar_t *to, const wchar_t *from, size_t count)
{
    pw_check_read(site, from, bytes_of(count));
    pw_check_write(site, to, bytes_of(count));
}

static void check_both(const struct pw_site *site, const wchar_t *one, const wchar_t *other, size_t count)
{
    pw_check_read(site, one, bytes_of(count));
    pw_check_read(site, other, bytes_of(count));
}

size_t pw_checked_wcslen(const wchar_t *text)
{
    PW_CHECKED(wcslen, return pw_check_wide(&site, text, SIZE_MAX));
    return pw_libc.wcslen(text);
}

size_t pw_checked_wcsnlen(const wchar_t *text, size_t count)
{
    PW_CHECKED(wcsnlen, return pw_check_wide(&site, text, count));
    return pw_libc.wcsnlen(text, count);
}

wchar_t *pw_checked_wcscpy(wchar_t *to, const wchar_t *from)
{
    PW_CHECKED(wcscpy, check_copy(&site, to, from));
    return pw_libc.wcscpy(to, from);
}

wchar_t *pw_checked___wcscpy_chk(wchar_t *to, const wchar_t *from, size_t room)
{
    PW_CHECKED(wcscpy, check_copy(&site, to, from));
    return pw_libc.__wcscpy_chk(to, from, room);
}

wchar_t *pw_checked_wcpcpy(wchar_t *to, const wchar_t *from)
{
    PW_CHECKED(wcpcpy, check_copy(&site, to, from));
    return pw_libc.wcpcpy(to, from);
}

wchar_t *pw_checked___wcpcpy_chk(wchar_t *to, const wchar_t *from, size_t room)
{
    PW_CHECKED(wcpcpy, check_copy(&site, to, from));
    return pw_libc.__wcpcpy_chk(to, from, room);
}

wchar_t *pw_checked_wcsncpy(wchar_t *to, const wchar_t *from, size_t count)
{
    PW_CHECKED(wcsncpy, check_filled_copy(&site, to, from, count));
    return pw_libc.wcsncpy(to, from, count);
}

wchar_t *pw_checked___wcsncpy_chk(wchar_t *to, const wchar_t *from, size_t count, size_t room)
{
    PW_CHECKED(wcsncpy, check_filled_copy(&site, to, from, count));
    return pw_libc.__wcsncpy_chk(to, from, count, room);
}

wchar_t *pw_checked_wcpncpy(wchar_t *to, const wchar_t *from, size_t count)
{
    PW_CHECKED(wcpncpy, check_filled_copy(&site, to, from, count));
    return pw_libc.wcpncpy(to, from, count);
}

wchar_t *pw_checked_wcscat(wchar_t *to, const wchar_t *from)
{
    PW_CHECKED(wcscat, check_append(&site, to, from, SIZE_MAX));
    return pw_libc.wcscat(to, from);
}

wchar_t *pw_checked___wcscat_chk(wchar_t *to, const wchar_t *from, size_t room)
{
    PW_CHECKED(wcscat, check_append(&site, to, from, SIZE_MAX));
    return pw_libc.__wcscat_chk(to, from, room);
}

wchar_t *pw_checked_wcsncat(wchar_t *to, const wchar_t *from, size_t count)
{
    PW_CHECKED(wcsncat, check_append(&site, to, from, count));
    return pw_libc.wcsncat(to, from, count);
}

wchar_t *pw_checked___wcsncat_chk(wchar_t *to, const wchar_t *from, size_t count, size_t room)
{
    PW_CHECKED(wcsncat, check_append(&site, to, from, count));
    return pw_libc.__wcsncat_chk(to, from, count, room);
}

wchar_t *pw_checked_wcsdup(const wchar_t *text)
{
    PW_CHECKED(wcsdup, (void)pw_check_wide(&site, text, SIZE_MAX));
    return pw_libc.wcsdup(text);
}

int pw_checked_wcscmp(const wchar_t *one, const wchar_t *other)
{
    PW_CHECKED(wcscmp, check_compare(&site, one, other, SIZE_MAX));
    return pw_libc.wcscmp(one, other);
}

int pw_checked_wcsncmp(const wchar_t *one, const wchar_t *other, size_t count)
{
    PW_CHECKED(wcsncmp, check_compare(&site, one, other, count));
    return pw_libc.wcsncmp(one, other, count);
}

wchar_t *pw_checked_wcschr(const wchar_t *text, wchar_t character)
{
    PW_CHECKED(wcschr, check_search(&site, text, character, SIZE_MAX, true));
    return pw_libc.wcschr(text, character);
}

wchar_t *pw_checked_wcsrchr(const wchar_t *text, wchar_t character)
{
    PW_CHECKED(wcsrchr, (void)pw_check_wide(&site, text, SIZE_MAX));
    return pw_libc.wcsrchr(text, character);
}

wchar_t *pw_checked_wmemcpy(wchar_t *to, const wchar_t *from, size_t count)
{
    PW_CHECKED(wmemcpy, pw_check_copy(&site, to, from, bytes_of(count)));
    return pw_libc.wmemcpy(to, from, count);
}

wchar_t *pw_checked___wmemcpy_chk(wchar_t *to, const wchar_t *from, size_t count, size_t room)
{
    PW_CHECKED(wmemcpy, pw_check_copy(&site, to, from, bytes_of(count)));
    return pw_libc.__wmemcpy_chk(to, from, count, room);
}

wchar_t *pw_checked_wmempcpy(wchar_t *to, const wchar_t *from, size_t count)
{
    PW_CHECKED(wmempcpy, pw_check_copy(&site, to, from, bytes_of(count)));
    return pw_libc.wmempcpy(to, from, count);
}

wchar_t *pw_checked___wmempcpy_chk(wchar_t *to, const wchar_t *from, size_t count, size_t room)
{
    PW_CHECKED(wmempcpy, pw_check_copy(&site, to, from, bytes_of(count)));
    return pw_libc.__wmempcpy_chk(to, from, count, room);
}

wchar_t *pw_checked_wmemmove(wchar_t *to, const wchar_t *from, size_t count)
{
    PW_CHECKED(wmemmove, check_move(&site, to, from, count));
    return pw_libc.wmemmove(to, from, count);
}

wchar_t *pw_checked___wmemmove_chk(wchar_t *to, const wchar_t *from, size_t count, size_t room)
{
    PW_CHECKED(wmemmove, check_move(&site, to, from, count));
    return pw_libc.__wmemmove_chk(to, from, count, room);
}

wchar_t *pw_checked_wmemset(wchar_t *to, wchar_t character, size_t count)
{
    PW_CHECKED(wmemset, pw_check_write(&site, to, bytes_of(count)));
    return pw_libc.wmemset(to, character, count);
}

wchar_t *pw_checked___wmemset_chk(wchar_t *to, wchar_t character, size_t count, size_t room)
{
    PW_CHECKED(wmemset, pw_check_write(&site, to, bytes_of(count)));
    return pw_libc.__wmemset_chk(to, character, count, room);
}

wchar_t *pw_checked_wmemchr(const wchar_t *text, wchar_t character, size_t count)
{
    PW_CHECKED(wmemchr, check_search(&site, text, character, count, false));
    return pw_libc.wmemchr(text, character, count);
}

int pw_checked_wmemcmp(const wchar_t *one, const wchar_t *other, size_t count)
{
    PW_CHECKED(wmemcmp, check_both(&site, one, other, count));
    return pw_libc.wmemcmp(one, other, count);
}
