/*
 * arguments.c - the strings that sprintf, printf and their like are given: each is followed to its end.
 *
 * What a format says of its arguments is only believed as long as all of it is understood: at a
 * position (`%1$s`), a modifier or a conversion that isn't here the look ends.
 */
#include "front/libc/libc.h"

/* Where in a format one is. */
struct reading {
    const void *text;
    bool is_wide;
    size_t at;
};

/* How an argument is passed, by its modifier. */
enum length { LENGTH_INT, LENGTH_LONG, LENGTH_LONG_LONG, LENGTH_LONG_DOUBLE };

/* The character there; one that no format is made of is 1. */
static char peek(const struct reading *reading)
{
    uint32_t character = reading->is_wide ? (uint32_t)((const wchar_t *)reading->text)[reading->at]
                                          : ((const unsigned char *)reading->text)[reading->at];
    return character < 128 ? (char)character : 1;
}

static bool is_flag(char character)
{
    return character == '-' || character == '+' || character == ' ' || character == '#' || character == '0' ||
           character == '\'' || character == 'I';
}

static bool skip(struct reading *reading, char character)
{
    bool is_there = peek(reading) == character;
    reading->at += is_there;
    return is_there;
}

static size_t read_number(struct reading *reading)
{
    size_t number = 0;
    for (; peek(reading) >= '0' && peek(reading) <= '9'; reading->at++)
        number = number < INT32_MAX ? number * 10 + (size_t)(peek(reading) - '0') : number;
    return number;
}

static enum length read_length(struct reading *reading)
{
    switch (peek(reading)) {
    case 'h':
        reading->at++;
        (void)skip(reading, 'h');
        return LENGTH_INT;
    case 'l':
        reading->at++;
        return skip(reading, 'l') ? LENGTH_LONG_LONG : LENGTH_LONG;
    case 'j':
    case 'z':
    case 't':
        reading->at++;
        return LENGTH_LONG;
    case 'q':
        reading->at++;
        return LENGTH_LONG_LONG;
    case 'L':
        reading->at++;
        return LENGTH_LONG_DOUBLE;
    default:
        return LENGTH_INT;
    }
}

/* A string, of which at most `most` characters are printed. */
static void check_argument(const struct pw_site *site, const void *text, bool is_wide, size_t most)
{
    if (text == NULL || pw_room(text) == PW_ROOM_ANY)
        return; /* "(null)", or none of the heap's */
    if (!is_wide)
        (void)pw_check_string(site, text, most);
    else if (most == SIZE_MAX) /* else it counts what comes of them */
        (void)pw_check_wide(site, text, most);
}

/* Over an argument that is no string; false: which that is isn't known. */
static bool skip_argument(char conversion, enum length length, va_list *arguments)
{
    switch (conversion) {
    case 'p': case 'n':
        (void)va_arg(*arguments, void *);
        return true;
    case 'd': case 'i': case 'o': case 'u': case 'x': case 'X':
        if (length == LENGTH_INT)
            (void)va_arg(*arguments, int);
        else
            (void)va_arg(*arguments, long long); /* long is passed the same */
        return true;
    case 'c': case 'C':
        (void)va_arg(*arguments, int);
        return true;
    case 'e': case 'E': case 'f': case 'F': case 'g': case 'G': case 'a': case 'A':
        if (length == LENGTH_LONG_DOUBLE)
            (void)va_arg(*arguments, long double);
        else
            (void)va_arg(*arguments, double);
        return true;
    default:
        return conversion == '%' || conversion == 'm';
    }
}

/* One conversion, behind its '%'. False: it is not understood, or the format ends. */
static bool read_conversion(const struct pw_site *site, struct reading *reading, va_list *arguments)
{
    size_t most = SIZE_MAX;
    while (is_flag(peek(reading)))
        reading->at++;
    if (skip(reading, '*'))
        (void)va_arg(*arguments, int);
    else
        (void)read_number(reading);
    if (skip(reading, '.')) {
        bool is_argument = skip(reading, '*');
        int given = is_argument ? va_arg(*arguments, int) : 0;
        most = !is_argument ? read_number(reading) : given < 0 ? SIZE_MAX : (size_t)given;
    }
    enum length length = read_length(reading);
    char conversion = peek(reading);
    reading->at += conversion != '\0';
    if (conversion != 's' && conversion != 'S')
        return skip_argument(conversion, length, arguments);
    check_argument(site, va_arg(*arguments, const void *), conversion == 'S' || length != LENGTH_INT, most);
    return true;
}

/* To the next '%', or the end. */
static void skip_text(struct reading *reading)
{
    if (!reading->is_wide) {
        const char *text = (const char *)reading->text + reading->at;
        reading->at += (size_t)(pw_libc.strchrnul(text, '%') - text);
        return;
    }
    while (peek(reading) != '\0' && peek(reading) != '%')
        reading->at++;
}

void pw_check_arguments(const struct pw_site *site, const void *format, bool is_wide, va_list arguments)
{
    struct reading reading = {format, is_wide, 0};
    va_list copy;
    va_copy(copy, arguments);
    bool goes_on = format != NULL;
    while (goes_on) {
        skip_text(&reading);
        goes_on = skip(&reading, '%') && read_conversion(site, &reading, &copy);
    }
    va_end(copy);
}
