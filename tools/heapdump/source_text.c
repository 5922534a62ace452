/* source_text.c - see source_text.h */
#include "source_text.h"

#include "demangle.h"

#include "base/text.h"

#include <string.h>

const char *source_function(const struct source_style *style, const struct source_frame *frame)
{
    if (frame->function == NULL || !style->demangle)
        return frame->function;
    return demangle(frame->function);
}

/* Of libstdc++ and of libc++, as the demangler writes them. */
static const struct {
    const char *spelt_out;
    const char *name;
} short_names[] = {
    {"std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >", "std::string"},
    {"std::__cxx11::basic_string<wchar_t, std::char_traits<wchar_t>, std::allocator<wchar_t> >", "std::wstring"},
    {"std::basic_string_view<char, std::char_traits<char> >", "std::string_view"},
    {"std::__1::basic_string<char, std::__1::char_traits<char>, std::__1::allocator<char> >", "std::string"},
};

/* The bytes of one of them at the start of `text`, and its name; 0: there is none. */
static size_t spelt_out_bytes(const char *text, const char **name)
{
    for (size_t i = 0; i < PW_ARRAY_SIZE(short_names); i++) {
        size_t length = strlen(short_names[i].spelt_out);
        *name = short_names[i].name;
        if (strncmp(text, short_names[i].spelt_out, length) == 0)
            return length;
    }
    return 0;
}

const char *source_short_name(const char *name, struct bytes *text)
{
    const char *short_name;
    if (strstr(name, "basic_string") == NULL)
        return name;
    bytes_clear(text);
    while (*name != '\0') {
        size_t length = strncmp(name, "std::", 5) == 0 ? spelt_out_bytes(name, &short_name) : 0;
        if (length == 0) {
            bytes_char(text, *name++);
            continue;
        }
        bytes_str(text, short_name);
        name += length;
        if (name[0] == ' ' && name[1] == '>')
            name++; /* it stood between two of these */
    }
    return text->data;
}

/* libc's are those of _FORTIFY_SOURCE; Rust's are no headers, but what is generic in them is compiled into the program too. */
static bool is_header(const char *path)
{
    return path != NULL && (strstr(path, "include/c++/") != NULL || strncmp(path, "/rustc/", 7) == 0 ||
                            strstr(path, "/rustlib/src/rust/library/") != NULL ||
                            (strncmp(path, "/usr/include/", 13) == 0 && strstr(path, "/bits/") != NULL));
}

/* An inline function or a template of the C++, Rust or C library's sources, which the compiler put into the program. */
static bool is_of_headers(const struct source_frame *frame)
{
    if (frame->file == NULL)
        return pw_is_name_of_library(frame->function);
    return is_header(frame->file) || is_header(frame->directory);
}

size_t source_first_own(const struct source_frame *frames, size_t count, bool is_allocation)
{
    size_t own = 0;
    while (own < count &&
           (is_of_headers(&frames[own]) || (is_allocation && pw_is_name_of_allocator(frames[own].function))))
        own++;
    return own;
}

/* The prefix goes wherever it is first found, with all before it; then a "./". */
static const char *strip(const char *path, const char *prefix)
{
    if (prefix == NULL)
        return path;
    const char *found = strstr(path, prefix);
    if (found != NULL)
        path = found + strlen(prefix);
    return strncmp(path, "./", 2) == 0 ? path + 2 : path;
}

void source_path(const struct source_style *style, const struct source_frame *frame, struct bytes *path)
{
    struct bytes whole = {0};
    if (frame->directory != NULL) {
        bytes_str(&whole, frame->directory);
        bytes_char(&whole, '/');
    }
    bytes_str(&whole, frame->file);
    bytes_clear(path);
    bytes_str(path, strip(whole.data, style->strip_path_prefix));
    bytes_free(&whole);
}
