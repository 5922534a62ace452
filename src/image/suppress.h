/*
 * suppress.h - suppression files in LeakSanitizer's syntax: a line each, `leak:TEMPLATE`, `#` for
 * comments. A leak is not told if a function, file or module of its stack matches a template: it has
 * it as a part, where `*` is any text, `^` at the start the name's start, `$` at the end its end.
 */
#ifndef PW_IMAGE_SUPPRESS_H
#define PW_IMAGE_SUPPRESS_H

#include "base/base.h"

enum { PW_MOST_SUPPRESSIONS = 1024 };

struct pw_suppression {
    const char *pattern; /* in the file's text; not NUL-terminated */
    uint32_t length;
    uint64_t blocks; /* suppressed so far */
    uint64_t bytes;
};

struct pw_suppressions {
    struct pw_suppression all[PW_MOST_SUPPRESSIONS];
    uint32_t count;
    uint32_t bad_line; /* number of the first one that is none of these; 0: there is none */
    bool is_cut;       /* there are more of them */
};

/* Read a file's text, which has to stay. */
void pw_suppressions_read(struct pw_suppressions *suppressions, const char *text, size_t length);
/* The first that matches one of the names of a frame (`length` bytes), or NULL. */
struct pw_suppression *pw_suppressions_match(struct pw_suppressions *suppressions, const char *name,
                                             size_t length);

#endif
