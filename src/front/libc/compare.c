/* compare.c - the functions that search and compare strings. See libc.h. */
#include "front/libc/libc.h"

typedef int (*compare_function)(const char *one, const char *other, size_t count);

/* They read as far as both are the same. */
static void check_compare(const struct pw_site *site, const char *one, const char *other, size_t most,
                          compare_function compare)
{
    uint64_t room_of_one = pw_room(one), room_of_other = pw_room(other);
    uint64_t room = room_of_one < room_of_other ? room_of_one : room_of_other;
    if (pw_likely(most <= room) || compare(one, other, room) != 0 ||
        pw_libc.strnlen(one, room) < room)
        return;
    pw_found_bad_access(site, room == room_of_one ? one : other, room + 1, PW_ACCESS_READ);
}

/*
 * True when the string ends in its block, or there is no block. Most end with it: then it need not be
 * followed, which a caller that stops early could not afford.
 */
static bool ends_in_room(const char *text, uint64_t room)
{
    return room == PW_ROOM_ANY ||
           (room > 0 && (text[room - 1] == '\0' || pw_libc.strnlen(text, room) < room));
}

/* True when the character or the end is within `room`. In steps, to look no further than need be. */
static bool is_found(const char *text, int character, uint64_t room)
{
    size_t step = 64;
    for (uint64_t at = 0; at < room; at += step, step *= 2) {
        step = step < room - at ? step : room - at;
        if (pw_libc.memchr(text + at, character, step) != NULL ||
            pw_libc.memchr(text + at, '\0', step) != NULL)
            return true;
    }
    return false;
}

/* Read up to that character, or to the end of the string. */
static void check_search(const struct pw_site *site, const char *text, int character)
{
    uint64_t room = pw_room(text);
    if (pw_likely(room == PW_ROOM_ANY || (room > 0 && text[room - 1] == '\0')))
        return;
    if (!is_found(text, character, room))
        pw_found_bad_access(site, text, room + 1, PW_ACCESS_READ);
}

static void check_find(const struct pw_site *site, const char *text, const char *part)
{
    uint64_t room = pw_room(text);
    size_t length = pw_check_string(site, part, SIZE_MAX);
    if (pw_unlikely(!ends_in_room(text, room)) && memmem(text, room, part, length) == NULL)
        pw_found_bad_access(site, text, room + 1, PW_ACCESS_READ);
}

static void check_two(const struct pw_site *site, const char *text, const char *part)
{
    (void)pw_check_string(site, part, SIZE_MAX);
    (void)pw_check_string(site, text, SIZE_MAX);
}

char *pw_checked_strchr(const char *text, int character)
{
    PW_CHECKED(strchr, check_search(&site, text, character));
    return pw_libc.strchr(text, character);
}

char *pw_checked_index(const char *text, int character)
{
    PW_CHECKED(index, check_search(&site, text, character));
    return pw_libc.index(text, character);
}

char *pw_checked_strchrnul(const char *text, int character)
{
    PW_CHECKED(strchrnul, check_search(&site, text, character));
    return pw_libc.strchrnul(text, character);
}

char *pw_checked_strrchr(const char *text, int character)
{
    PW_CHECKED(strrchr, (void)pw_check_string(&site, text, SIZE_MAX));
    return pw_libc.strrchr(text, character);
}

char *pw_checked_rindex(const char *text, int character)
{
    PW_CHECKED(rindex, (void)pw_check_string(&site, text, SIZE_MAX));
    return pw_libc.rindex(text, character);
}

char *pw_checked_strstr(const char *text, const char *part)
{
    PW_CHECKED(strstr, check_find(&site, text, part));
    return pw_libc.strstr(text, part);
}

char *pw_checked_strcasestr(const char *text, const char *part)
{
    PW_CHECKED(strcasestr, check_two(&site, text, part));
    return pw_libc.strcasestr(text, part);
}

int pw_checked_strcmp(const char *one, const char *other)
{
    PW_CHECKED(strcmp, check_compare(&site, one, other, SIZE_MAX, pw_libc.strncmp));
    return pw_libc.strcmp(one, other);
}

int pw_checked_strncmp(const char *one, const char *other, size_t count)
{
    PW_CHECKED(strncmp, check_compare(&site, one, other, count, pw_libc.strncmp));
    return pw_libc.strncmp(one, other, count);
}

int pw_checked_strcasecmp(const char *one, const char *other)
{
    PW_CHECKED(strcasecmp, check_compare(&site, one, other, SIZE_MAX, pw_libc.strncasecmp));
    return pw_libc.strcasecmp(one, other);
}

int pw_checked_strncasecmp(const char *one, const char *other, size_t count)
{
    PW_CHECKED(strncasecmp, check_compare(&site, one, other, count, pw_libc.strncasecmp));
    return pw_libc.strncasecmp(one, other, count);
}
