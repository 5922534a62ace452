/*
 * text.h - build text in a buffer of the caller's: no stdio, no allocation, async-signal-safe.
 *
 * Invariant: length < capacity and buffer[length] == 0, whatever is appended; what does not fit
 * is dropped and `truncated` set. With a `flush` function the buffer is emptied instead.
 */
#ifndef PW_BASE_TEXT_H
#define PW_BASE_TEXT_H

#include "base/base.h"

struct pw_text {
    char *buffer;
    size_t capacity; /* bytes, the closing NUL included */
    size_t length;   /* bytes, without it */
    bool truncated;
    /* Called with the text so far when the buffer is full; may be NULL. */
    void (*flush)(void *context, const char *bytes, size_t length);
    void *context;
};

/* A text over `size` bytes at `buffer` (size > 0). */
struct pw_text pw_text_over(char *buffer, size_t size);

void pw_text_char(struct pw_text *text, char c);
void pw_text_str(struct pw_text *text, const char *str);
void pw_text_bytes(struct pw_text *text, const char *bytes, size_t length);
void pw_text_dec(struct pw_text *text, uint64_t value);
void pw_text_int(struct pw_text *text, int64_t value);
/* "0x" and at least `digits` hexadecimal digits (0: as many as needed). */
void pw_text_hex(struct pw_text *text, uint64_t value, unsigned digits);
/* The digits alone, at least `digits` of them. */
void pw_text_hex_digits(struct pw_text *text, uint64_t value, unsigned digits);
/* Hand what is buffered to `flush`. */
void pw_text_flush(struct pw_text *text);

/* The last part of a path. */
const char *pw_path_basename(const char *path);
bool pw_has_prefix(const char *str, const char *prefix);
/* True: a function of the library of C++ or Rust, by its mangled name; what is generic in it lies in the program. */
bool pw_is_name_of_library(const char *function);
/* True: by its name a function that hands on what malloc gave, as xmalloc, g_malloc0_n or png_calloc do. */
bool pw_is_name_of_allocator(const char *function);
/* True: libc, the C++ library, the loader or pwheap, by the path of the module; its code is no place of the program's own. */
bool pw_is_path_of_runtime(const char *path);

#endif
