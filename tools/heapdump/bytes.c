/* bytes.c - see bytes.h */
#include "bytes.h"

#include "heapdump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *heapdump_grow(void *old, size_t count, size_t size)
{
    void *new = reallocarray(old, count, size);
    if (new == NULL) {
        fputs("heapdump: out of memory\n", stderr);
        exit(HEAPDUMP_UNREADABLE);
    }
    return new;
}

char *heapdump_copy(const char *str)
{
    size_t bytes = strlen(str) + 1;
    return memcpy(heapdump_grow(NULL, bytes, 1), str, bytes);
}

char *make_printable(char *str)
{
    enum { DELETE = 127 };
    for (char *c = str; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == DELETE)
            *c = '?';
    return str;
}

struct span span_of(const char *str)
{
    return (struct span){str, strlen(str)};
}

struct span span_after(struct span span, size_t count)
{
    return (struct span){span.at + count, span.length - count};
}

bool span_starts_with(struct span span, struct span prefix)
{
    return span.length >= prefix.length && memcmp(span.at, prefix.at, prefix.length) == 0;
}

struct span span_between(const char *from, const char *to)
{
    return (struct span){from, (size_t)(to - from)};
}

void bytes_append(struct bytes *bytes, const char *data, size_t length)
{
    if (bytes->data == NULL || length >= bytes->capacity - bytes->length) {
        bytes->capacity = bytes->length + length + bytes->capacity / 2 + 64;
        bytes->data = heapdump_grow(bytes->data, bytes->capacity, 1);
    }
    if (length != 0)
        memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
    bytes->data[bytes->length] = '\0';
}

void bytes_span(struct bytes *bytes, struct span span)
{
    bytes_append(bytes, span.at, span.length);
}

void bytes_str(struct bytes *bytes, const char *str)
{
    bytes_append(bytes, str, strlen(str));
}

void bytes_char(struct bytes *bytes, char c)
{
    bytes_append(bytes, &c, 1);
}

void bytes_unsigned(struct bytes *bytes, uint64_t value)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    bytes_append(bytes, digits, (size_t)length);
}

void bytes_clear(struct bytes *bytes)
{
    bytes->length = 0;
    if (bytes->data != NULL)
        bytes->data[0] = '\0';
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){0};
}
