/*
 * own_lines.h - of each stack of a report that is read line by line, the innermost line of the program's own, kept for
 * the summary: what it names by an address may, by the debug information, begin in an inlined function further in.
 */
#ifndef PW_HEAPDUMP_OWN_LINES_H
#define PW_HEAPDUMP_OWN_LINES_H

#include "report_lines.h"

enum { OWN_LINES_STACKS = 4 }; /* found, freed, allocated, written */

struct own_lines {
    size_t count; /* of stacks so far, also of those that are not kept */
    struct {
        struct bytes places; /* of its frames, a line each */
        struct bytes line;   /* "file.c:12:3 in function"; empty: not known */
        bool is_found;       /* the innermost frame of the program's own was met */
    } stacks[OWN_LINES_STACKS];
};

/* A report begins. */
void own_lines_clear(struct own_lines *own);
/* A stack begins, with its frame 0. */
void own_lines_begin(struct own_lines *own);
/* Its next frame. `line`: the first of the program's own in it, empty where that isn't known; NULL: it has none. */
void own_lines_add(struct own_lines *own, const struct code_place *place, const struct bytes *line);
/* That of the first stack that goes through the place; empty: not known. */
struct span own_lines_find(struct own_lines *own, const struct code_place *place);
void own_lines_free(struct own_lines *own);

#endif
