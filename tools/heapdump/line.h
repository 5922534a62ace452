/*
 * line.h - a line of text, read piece by piece. What is not there, or is no number that fits, is not taken, and `*at`
 * stays where it was.
 */
#ifndef HEAPDUMP_LINE_H
#define HEAPDUMP_LINE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Is `text` next? */
static inline bool line_take(const char **at, const char *text)
{
    size_t length = strlen(text);
    if (strncmp(*at, text, length) != 0)
        return false;
    *at += length;
    return true;
}

/* A number without a sign, after spaces. */
static inline bool line_number(const char **at, int base, uint64_t *value)
{
    const char *start = *at + strspn(*at, " \t");
    char *end;
    errno = 0;
    unsigned long long number = strtoull(start, &end, base);
    if (end == start || errno != 0 || *start == '-' || *start == '+')
        return false;
    *at = end;
    *value = number;
    return true;
}

/* `before`, a number, `after`. */
static inline bool line_counts(const char **at, const char *before, uint64_t *value, const char *after)
{
    const char *start = *at;
    if (line_take(at, before) && line_number(at, 10, value) && line_take(at, after))
        return true;
    *at = start;
    return false;
}

#endif
