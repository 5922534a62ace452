/*
 * print.c - printf and its like, that print elsewhere than into the program's memory: of what they are
 * given, the format and the strings among the arguments are read. See libc.h.
 */
#include "front/libc/libc.h"

/* stream: the one printed to; NULL where it is another thing. */
static void check_print(const struct pw_site *site, const FILE *stream, const void *format, bool is_wide,
                        va_list arguments)
{
    pw_check_stream(site, stream);
    bool is_in_heap = pw_room(format) != PW_ROOM_ANY;
    if (is_in_heap && is_wide)
        (void)pw_check_wide(site, format, SIZE_MAX);
    else if (is_in_heap)
        (void)pw_check_string(site, format, SIZE_MAX);
    pw_check_arguments(site, format, is_wide, arguments);
}

/* Of two functions, the one with "..." and the one with a va_list: `call` is libc's own of that. */
#define PRINT(name, stream, is_wide, call)                                                         \
    va_list arguments;                                                                             \
    va_start(arguments, text);                                                                     \
    PW_CHECKED(name, check_print(&site, stream, text, is_wide, arguments));                        \
    int result = call;                                                                             \
    va_end(arguments);                                                                             \
    return result

int pw_checked_vprintf(const char *text, va_list arguments)
{
    PW_CHECKED(vprintf, check_print(&site, NULL, text, false, arguments));
    return pw_libc.vprintf(text, arguments);
}

int pw_checked_printf(const char *text, ...)
{
    PRINT(printf, NULL, false, pw_libc.vprintf(text, arguments));
}

int pw_checked___vprintf_chk(int flag, const char *text, va_list arguments)
{
    PW_CHECKED(vprintf, check_print(&site, NULL, text, false, arguments));
    return pw_libc.__vprintf_chk(flag, text, arguments);
}

int pw_checked___printf_chk(int flag, const char *text, ...)
{
    PRINT(printf, NULL, false, pw_libc.__vprintf_chk(flag, text, arguments));
}

int pw_checked_vfprintf(FILE *stream, const char *text, va_list arguments)
{
    PW_CHECKED(vfprintf, check_print(&site, stream, text, false, arguments));
    return pw_libc.vfprintf(stream, text, arguments);
}

int pw_checked_fprintf(FILE *stream, const char *text, ...)
{
    PRINT(fprintf, stream, false, pw_libc.vfprintf(stream, text, arguments));
}

int pw_checked___vfprintf_chk(FILE *stream, int flag, const char *text, va_list arguments)
{
    PW_CHECKED(vfprintf, check_print(&site, stream, text, false, arguments));
    return pw_libc.__vfprintf_chk(stream, flag, text, arguments);
}

int pw_checked___fprintf_chk(FILE *stream, int flag, const char *text, ...)
{
    PRINT(fprintf, stream, false, pw_libc.__vfprintf_chk(stream, flag, text, arguments));
}

int pw_checked_vdprintf(int descriptor, const char *text, va_list arguments)
{
    PW_CHECKED(vdprintf, check_print(&site, NULL, text, false, arguments));
    return pw_libc.vdprintf(descriptor, text, arguments);
}

int pw_checked_dprintf(int descriptor, const char *text, ...)
{
    PRINT(dprintf, NULL, false, pw_libc.vdprintf(descriptor, text, arguments));
}

int pw_checked___vdprintf_chk(int descriptor, int flag, const char *text, va_list arguments)
{
    PW_CHECKED(vdprintf, check_print(&site, NULL, text, false, arguments));
    return pw_libc.__vdprintf_chk(descriptor, flag, text, arguments);
}

int pw_checked___dprintf_chk(int descriptor, int flag, const char *text, ...)
{
    PRINT(dprintf, NULL, false, pw_libc.__vdprintf_chk(descriptor, flag, text, arguments));
}

int pw_checked_vasprintf(char **to, const char *text, va_list arguments)
{
    PW_CHECKED(vasprintf, check_print(&site, NULL, text, false, arguments));
    return pw_libc.vasprintf(to, text, arguments);
}

int pw_checked_asprintf(char **to, const char *text, ...)
{
    PRINT(asprintf, NULL, false, pw_libc.vasprintf(to, text, arguments));
}

int pw_checked___vasprintf_chk(char **to, int flag, const char *text, va_list arguments)
{
    PW_CHECKED(vasprintf, check_print(&site, NULL, text, false, arguments));
    return pw_libc.__vasprintf_chk(to, flag, text, arguments);
}

int pw_checked___asprintf_chk(char **to, int flag, const char *text, ...)
{
    PRINT(asprintf, NULL, false, pw_libc.__vasprintf_chk(to, flag, text, arguments));
}

int pw_checked_vwprintf(const wchar_t *text, va_list arguments)
{
    PW_CHECKED(vwprintf, check_print(&site, NULL, text, true, arguments));
    return pw_libc.vwprintf(text, arguments);
}

int pw_checked_wprintf(const wchar_t *text, ...)
{
    PRINT(wprintf, NULL, true, pw_libc.vwprintf(text, arguments));
}

int pw_checked___vwprintf_chk(int flag, const wchar_t *text, va_list arguments)
{
    PW_CHECKED(vwprintf, check_print(&site, NULL, text, true, arguments));
    return pw_libc.__vwprintf_chk(flag, text, arguments);
}

int pw_checked___wprintf_chk(int flag, const wchar_t *text, ...)
{
    PRINT(wprintf, NULL, true, pw_libc.__vwprintf_chk(flag, text, arguments));
}

int pw_checked_vfwprintf(FILE *stream, const wchar_t *text, va_list arguments)
{
    PW_CHECKED(vfwprintf, check_print(&site, stream, text, true, arguments));
    return pw_libc.vfwprintf(stream, text, arguments);
}

int pw_checked_fwprintf(FILE *stream, const wchar_t *text, ...)
{
    PRINT(fwprintf, stream, true, pw_libc.vfwprintf(stream, text, arguments));
}

int pw_checked___vfwprintf_chk(FILE *stream, int flag, const wchar_t *text, va_list arguments)
{
    PW_CHECKED(vfwprintf, check_print(&site, stream, text, true, arguments));
    return pw_libc.__vfwprintf_chk(stream, flag, text, arguments);
}

int pw_checked___fwprintf_chk(FILE *stream, int flag, const wchar_t *text, ...)
{
    PRINT(fwprintf, stream, true, pw_libc.__vfwprintf_chk(stream, flag, text, arguments));
}
