/* suppress.c - see suppress.h */
#include "image/suppress.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void read_line(struct pw_suppressions *suppressions, const char *line, size_t length, uint32_t number)
{
    static const char prefix[] = "leak:";
    enum { PREFIX = sizeof prefix - 1 };
    while (length > 0 && is_space(*line)) {
        line++;
        length--;
    }
    while (length > 0 && is_space(line[length - 1]))
        length--;
    if (length == 0 || *line == '#')
        return;
    if (length <= PREFIX || __builtin_memcmp(line, prefix, PREFIX) != 0) {
        if (suppressions->bad_line == 0)
            suppressions->bad_line = number;
        return;
    }
    if (suppressions->count == PW_MOST_SUPPRESSIONS) {
        suppressions->is_cut = true;
        return;
    }
    suppressions->all[suppressions->count++] =
        (struct pw_suppression){.pattern = line + PREFIX, .length = (uint32_t)(length - PREFIX)};
}

void pw_suppressions_read(struct pw_suppressions *suppressions, const char *text, size_t length)
{
    uint32_t number = 1;
    suppressions->count = suppressions->bad_line = 0;
    suppressions->is_cut = false;
    for (size_t at = 0; at < length; number++) {
        size_t end = at;
        while (end < length && text[end] != '\n')
            end++;
        read_line(suppressions, text + at, end - at, number);
        at = end + 1;
    }
}

/* Where `part` is in name[from …), or `none`. */
static size_t find_part(const char *name, size_t length, size_t from, const char *part, size_t part_length,
                        size_t none)
{
    for (size_t at = from; at + part_length <= length; at++)
        if (__builtin_memcmp(name + at, part, part_length) == 0)
            return at;
    return none;
}

/*
 * The parts between the asterisks in their order, each at the first place where it is. The last of a
 * pattern that ends with $ has to be at the end.
 */
static bool matches(const char *pattern, size_t pattern_length, const char *name, size_t length)
{
    bool at_start = pattern_length > 0 && pattern[0] == '^';
    bool at_end = pattern_length > at_start && pattern[pattern_length - 1] == '$';
    size_t stop = pattern_length - at_end, at = 0;
    bool is_first = true;
    for (size_t start = at_start; start <= stop;) {
        size_t end = start;
        while (end < stop && pattern[end] != '*')
            end++;
        size_t part = end - start;
        bool is_last = end == stop;
        if (is_last && at_end) {
            if (length - at < part || (is_first && at_start && part != length))
                return false;
            return __builtin_memcmp(name + length - part, pattern + start, part) == 0;
        }
        size_t found = find_part(name, length, at, pattern + start, part, length + 1);
        if (found > length || (is_first && at_start && found != 0))
            return false;
        at = found + part;
        is_first = false;
        start = end + 1;
    }
    return true;
}

struct pw_suppression *pw_suppressions_match(struct pw_suppressions *suppressions, const char *name,
                                             size_t length)
{
    for (uint32_t i = 0; i < suppressions->count; i++)
        if (matches(suppressions->all[i].pattern, suppressions->all[i].length, name, length))
            return &suppressions->all[i];
    return NULL;
}
