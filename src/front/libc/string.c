/* string.c - the functions that measure and copy strings. See libc.h. */
#include "front/libc/libc.h"

static void check_written(const struct pw_site *site, const char *to, const char *from, size_t read,
                          size_t written)
{
    pw_check_write(site, to, written);
    if (pw_ranges_overlap(to, from, read))
        pw_found_overlap(site, to, from, read);
}

/* strcpy: the string and its end. */
static void check_copy(const struct pw_site *site, const char *to, const char *from)
{
    size_t bytes = pw_check_string(site, from, SIZE_MAX) + 1;
    check_written(site, to, from, bytes, bytes);
}

/* strncpy: it fills up all of `count`. */
static void check_filled_copy(const struct pw_site *site, const char *to, const char *from, size_t count)
{
    size_t length = pw_check_string(site, from, count);
    check_written(site, to, from, length < count ? length + 1 : count, count);
}

/* strcat, strncat: behind the string that is there. */
static void check_append(const struct pw_site *site, const char *to, const char *from, size_t most)
{
    size_t bytes = pw_check_string(site, from, most) + 1;
    size_t before = pw_check_string(site, to, SIZE_MAX);
    check_written(site, to + before, from, bytes, bytes);
}

size_t pw_checked_strlen(const char *text)
{
    PW_CHECKED(strlen, return pw_check_string(&site, text, SIZE_MAX));
    return pw_libc.strlen(text);
}

size_t pw_checked_strnlen(const char *text, size_t count)
{
    PW_CHECKED(strnlen, return pw_check_string(&site, text, count));
    return pw_libc.strnlen(text, count);
}

char *pw_checked_strcpy(char *to, const char *from)
{
    PW_CHECKED(strcpy, check_copy(&site, to, from));
    return pw_libc.strcpy(to, from);
}

char *pw_checked___strcpy_chk(char *to, const char *from, size_t room)
{
    PW_CHECKED(strcpy, check_copy(&site, to, from));
    return pw_libc.__strcpy_chk(to, from, room);
}

char *pw_checked_stpcpy(char *to, const char *from)
{
    PW_CHECKED(stpcpy, check_copy(&site, to, from));
    return pw_libc.stpcpy(to, from);
}

char *pw_checked___stpcpy_chk(char *to, const char *from, size_t room)
{
    PW_CHECKED(stpcpy, check_copy(&site, to, from));
    return pw_libc.__stpcpy_chk(to, from, room);
}

char *pw_checked_strncpy(char *to, const char *from, size_t count)
{
    PW_CHECKED(strncpy, check_filled_copy(&site, to, from, count));
    return pw_libc.strncpy(to, from, count);
}

char *pw_checked___strncpy_chk(char *to, const char *from, size_t count, size_t room)
{
    PW_CHECKED(strncpy, check_filled_copy(&site, to, from, count));
    return pw_libc.__strncpy_chk(to, from, count, room);
}

char *pw_checked_stpncpy(char *to, const char *from, size_t count)
{
    PW_CHECKED(stpncpy, check_filled_copy(&site, to, from, count));
    return pw_libc.stpncpy(to, from, count);
}

char *pw_checked___stpncpy_chk(char *to, const char *from, size_t count, size_t room)
{
    PW_CHECKED(stpncpy, check_filled_copy(&site, to, from, count));
    return pw_libc.__stpncpy_chk(to, from, count, room);
}

char *pw_checked_strcat(char *to, const char *from)
{
    PW_CHECKED(strcat, check_append(&site, to, from, SIZE_MAX));
    return pw_libc.strcat(to, from);
}

char *pw_checked___strcat_chk(char *to, const char *from, size_t room)
{
    PW_CHECKED(strcat, check_append(&site, to, from, SIZE_MAX));
    return pw_libc.__strcat_chk(to, from, room);
}

char *pw_checked_strncat(char *to, const char *from, size_t count)
{
    PW_CHECKED(strncat, check_append(&site, to, from, count));
    return pw_libc.strncat(to, from, count);
}

char *pw_checked___strncat_chk(char *to, const char *from, size_t count, size_t room)
{
    PW_CHECKED(strncat, check_append(&site, to, from, count));
    return pw_libc.__strncat_chk(to, from, count, room);
}

char *pw_checked_strdup(const char *text)
{
    PW_CHECKED(strdup, (void)pw_check_string(&site, text, SIZE_MAX));
    return pw_libc.strdup(text);
}

char *pw_checked___strdup(const char *text)
{
    PW_CHECKED(strdup, (void)pw_check_string(&site, text, SIZE_MAX));
    return pw_libc.__strdup(text);
}

char *pw_checked_strndup(const char *text, size_t count)
{
    PW_CHECKED(strndup, (void)pw_check_string(&site, text, count));
    return pw_libc.strndup(text, count);
}

char *pw_checked___strndup(const char *text, size_t count)
{
    PW_CHECKED(strndup, (void)pw_check_string(&site, text, count));
    return pw_libc.__strndup(text, count);
}
