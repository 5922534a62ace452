/*
 * format.c - sprintf and its like. How much they write is known when it is written: so they are
 * given no more room than the block has, and where that was too little, and less than the program
 * allowed, the program would have written beyond it. See libc.h.
 */
#include "front/libc/libc.h"

#include <errno.h>
#include <stdarg.h>

/* A call of one of them, as the wrapper got it. In characters. */
struct format {
    void *to;
    size_t count; /* SIZE_MAX: sprintf */
    const void *text;
    int flag; /* of the _chk forms; -1: it is none */
    size_t room;
};

static int print(const struct format *format, size_t count, va_list arguments)
{
    if (format->flag >= 0)
        return pw_libc.__vsnprintf_chk(format->to, count, format->flag,
                                       format->room > count ? format->room : count, format->text, arguments);
    return pw_libc.vsnprintf(format->to, count, format->text, arguments);
}

/*
 * True: printed, *result is what to return. False: libc is to do it as it was asked; what is wrong has
 * been reported.
 */
static bool print_in_room(const struct pw_site *site, const struct format *format, va_list arguments,
                          int *result)
{
    uint64_t room = pw_room(format->to);
    va_list copy;
    (void)pw_check_string(site, format->text, SIZE_MAX);
    pw_check_arguments(site, format->text, false, arguments);
    if (format->count <= room || format->room <= room)
        return false;
    va_copy(copy, arguments);
    *result = print(format, room < INT32_MAX ? room : INT32_MAX, copy);
    va_end(copy);
    if (*result < 0 || (size_t)*result < room)
        return true;
    size_t needed = (size_t)*result + 1;
    pw_check_write(site, format->to, needed < format->count ? needed : format->count);
    return false;
}

/* What else than too little room makes a wide one fail. */
static bool is_conversion_error(int number)
{
    return number == EILSEQ || number == EINVAL || number == ENOMEM;
}

/* As print_in_room; how much a wide one would need it does not say. */
static bool print_wide_in_room(const struct pw_site *site, const struct format *format, va_list arguments,
                               int *result)
{
    uint64_t room = pw_room(format->to) / sizeof(wchar_t);
    int saved_errno = errno;
    va_list copy;
    (void)pw_check_wide(site, format->text, SIZE_MAX);
    pw_check_arguments(site, format->text, true, arguments);
    if (format->count <= room || room == PW_ROOM_ANY / sizeof(wchar_t) || format->room <= room)
        return false;
    va_copy(copy, arguments);
    errno = 0;
    if (format->flag >= 0)
        *result = pw_libc.__vswprintf_chk(format->to, room, format->flag, format->room, format->text, copy);
    else
        *result = pw_libc.vswprintf(format->to, room, format->text, copy);
    va_end(copy);
    if (*result < 0 && !is_conversion_error(errno))
        pw_check_write(site, format->to, (room + 1) * sizeof(wchar_t));
    errno = saved_errno;
    return *result >= 0;
}

/* In a wrapper: `print` as above, with what is between the brackets as its struct format. */
#define PRINT(print, ...) print(&site, &(struct format){__VA_ARGS__}, arguments, &result)

int pw_checked_vsprintf(char *to, const char *text, va_list arguments)
{
    int result;
    PW_CHECKED(vsprintf, if (PRINT(print_in_room, to, SIZE_MAX, text, -1, SIZE_MAX)) return result);
    return pw_libc.vsprintf(to, text, arguments);
}

int pw_checked___vsprintf_chk(char *to, int flag, size_t room, const char *text, va_list arguments)
{
    int result;
    PW_CHECKED(vsprintf, if (PRINT(print_in_room, to, SIZE_MAX, text, flag, room)) return result);
    return pw_libc.__vsprintf_chk(to, flag, room, text, arguments);
}

int pw_checked_vsnprintf(char *to, size_t count, const char *text, va_list arguments)
{
    int result;
    PW_CHECKED(vsnprintf, if (PRINT(print_in_room, to, count, text, -1, SIZE_MAX)) return result);
    return pw_libc.vsnprintf(to, count, text, arguments);
}

int pw_checked___vsnprintf_chk(char *to, size_t count, int flag, size_t room, const char *text,
                               va_list arguments)
{
    int result;
    PW_CHECKED(vsnprintf, if (PRINT(print_in_room, to, count, text, flag, room)) return result);
    return pw_libc.__vsnprintf_chk(to, count, flag, room, text, arguments);
}

int pw_checked_vswprintf(wchar_t *to, size_t count, const wchar_t *text, va_list arguments)
{
    int result;
    PW_CHECKED(vswprintf, if (PRINT(print_wide_in_room, to, count, text, -1, SIZE_MAX)) return result);
    return pw_libc.vswprintf(to, count, text, arguments);
}

int pw_checked___vswprintf_chk(wchar_t *to, size_t count, int flag, size_t room, const wchar_t *text,
                               va_list arguments)
{
    int result;
    PW_CHECKED(vswprintf, if (PRINT(print_wide_in_room, to, count, text, flag, room)) return result);
    return pw_libc.__vswprintf_chk(to, count, flag, room, text, arguments);
}

/*
 * All of a function with "...": the check, an expression that sets `is_done` and `result` or does
 * nothing, and the call to make if it did not.
 */
#define WITH_ARGUMENTS(name, last, check, call)                                                    \
    bool is_done = false;                                                                          \
    int result = 0;                                                                                \
    va_list arguments;                                                                             \
    va_start(arguments, last);                                                                     \
    PW_CHECKED(name, is_done = check);                                                             \
    if (!is_done)                                                                                  \
        result = call;                                                                             \
    va_end(arguments);                                                                             \
    return result

int pw_checked_sprintf(char *to, const char *text, ...)
{
    WITH_ARGUMENTS(sprintf, text, PRINT(print_in_room, to, SIZE_MAX, text, -1, SIZE_MAX),
                   pw_libc.vsprintf(to, text, arguments));
}

int pw_checked___sprintf_chk(char *to, int flag, size_t room, const char *text, ...)
{
    WITH_ARGUMENTS(sprintf, text, PRINT(print_in_room, to, SIZE_MAX, text, flag, room),
                   pw_libc.__vsprintf_chk(to, flag, room, text, arguments));
}

int pw_checked_snprintf(char *to, size_t count, const char *text, ...)
{
    WITH_ARGUMENTS(snprintf, text, PRINT(print_in_room, to, count, text, -1, SIZE_MAX),
                   pw_libc.vsnprintf(to, count, text, arguments));
}

int pw_checked___snprintf_chk(char *to, size_t count, int flag, size_t room, const char *text, ...)
{
    WITH_ARGUMENTS(snprintf, text, PRINT(print_in_room, to, count, text, flag, room),
                   pw_libc.__vsnprintf_chk(to, count, flag, room, text, arguments));
}

int pw_checked_swprintf(wchar_t *to, size_t count, const wchar_t *text, ...)
{
    WITH_ARGUMENTS(swprintf, text, PRINT(print_wide_in_room, to, count, text, -1, SIZE_MAX),
                   pw_libc.vswprintf(to, count, text, arguments));
}

int pw_checked___swprintf_chk(wchar_t *to, size_t count, int flag, size_t room, const wchar_t *text, ...)
{
    WITH_ARGUMENTS(swprintf, text, PRINT(print_wide_in_room, to, count, text, flag, room),
                   pw_libc.__vswprintf_chk(to, count, flag, room, text, arguments));
}
