/*
 * hints.h - sites that damage was found at in earlier runs: the text of the option hints=FILE.
 *
 * A site is one line, `site` and 16 hexadecimal digits: its fingerprint, which is the same in every run
 * (no addresses in it). Everything else is left out. The text comes from a file: whatever it holds, at
 * most PW_HINTS_MAX sites are kept, and nothing outside of it is read.
 */
#ifndef PW_GUARD_HINTS_H
#define PW_GUARD_HINTS_H

#include "base/base.h"

enum { PW_HINTS_MAX = 1024, PW_HINT_LINE_BYTES = 5 + 16 + 1 };

struct pw_hints {
    uint32_t count;
    uint64_t sites[PW_HINTS_MAX];
};

void pw_hints_parse(struct pw_hints *hints, const char *text, size_t length);
bool pw_hints_has(const struct pw_hints *hints, uint64_t site);
/* False: it is there already, or there is no room. */
bool pw_hints_add(struct pw_hints *hints, uint64_t site);
/* The line of a site, with its newline; not NUL-terminated. */
void pw_hints_format(uint64_t site, char line[PW_HINT_LINE_BYTES]);

#endif
