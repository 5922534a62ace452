/* hints.c - see hints.h */
#include "guard/hints.h"

#include <string.h>

static const char word[] = "site ";
enum { WORD = sizeof word - 1, DIGITS = 16 };

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A line without its newline. */
static bool read_line(const char *line, size_t length, uint64_t *site)
{
    if (length != WORD + DIGITS || memcmp(line, word, WORD) != 0)
        return false;
    *site = 0;
    for (size_t i = WORD; i < length; i++) {
        int digit = digit_of(line[i]);
        if (digit < 0)
            return false;
        *site = *site << 4 | (uint64_t)digit;
    }
    return true;
}

void pw_hints_parse(struct pw_hints *hints, const char *text, size_t length)
{
    hints->count = 0;
    for (size_t at = 0; at < length;) {
        const char *newline = memchr(text + at, '\n', length - at);
        size_t end = newline == NULL ? length : (size_t)(newline - text);
        uint64_t site;
        if (read_line(text + at, end - at, &site))
            (void)pw_hints_add(hints, site);
        at = end + 1;
    }
}

bool pw_hints_has(const struct pw_hints *hints, uint64_t site)
{
    for (uint32_t i = 0; i < hints->count; i++)
        if (hints->sites[i] == site)
            return true;
    return false;
}

bool pw_hints_add(struct pw_hints *hints, uint64_t site)
{
    if (hints->count >= PW_HINTS_MAX || pw_hints_has(hints, site))
        return false;
    hints->sites[hints->count++] = site;
    return true;
}

void pw_hints_format(uint64_t site, char line[PW_HINT_LINE_BYTES])
{
    memcpy(line, word, WORD);
    for (unsigned i = 0; i < DIGITS; i++)
        line[WORD + i] = "0123456789abcdef"[site >> (60 - 4 * i) & 15];
    line[WORD + DIGITS] = '\n';
}
