/*
 * bytes.h - bytes in memory that grows, and parts of such.
 *
 * Invariant: data is NULL, or data[length] == 0 and length < capacity. Out of memory ends heapdump
 * with exit status 3: nothing that it holds would be lost by that.
 */
#ifndef PW_HEAPDUMP_BYTES_H
#define PW_HEAPDUMP_BYTES_H

#include "base/base.h"

struct bytes {
    char *data;
    size_t length;
    size_t capacity;
};

/* Bytes of someone else's; not NUL-terminated. Empty: length 0. */
struct span {
    const char *at;
    size_t length;
};

#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})

struct span span_of(const char *str);
/* What is left of `span` without its first `count` bytes (count <= length). */
struct span span_after(struct span span, size_t count);
bool span_starts_with(struct span span, struct span prefix);
/* From `from` up to, not with, `to`: both of the same text. */
struct span span_between(const char *from, const char *to);

void bytes_append(struct bytes *bytes, const char *data, size_t length);
void bytes_span(struct bytes *bytes, struct span span);
void bytes_str(struct bytes *bytes, const char *str);
void bytes_char(struct bytes *bytes, char c);
void bytes_unsigned(struct bytes *bytes, uint64_t value);
void bytes_clear(struct bytes *bytes);
void bytes_free(struct bytes *bytes);

static inline uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* malloc, realloc that don't fail. */
void *heapdump_grow(void *old, size_t count, size_t size);
/* A copy of a string. */
char *heapdump_copy(const char *str);
/* `str` with '?' for its control characters: a core's names are its maker's, and a terminal would obey them. */
char *make_printable(char *str);

#endif
