/*
 * debug_unit.h - one compilation unit of DWARF: from an address to the functions that are there,
 * inlined ones first, each with file, line and column.
 *
 * DWARF is taken as hostile: a walk goes forward only, depths and counts are bounded, and what
 * libdw refuses is as if it weren't there.
 */
#ifndef PW_HEAPDUMP_DEBUG_UNIT_H
#define PW_HEAPDUMP_DEBUG_UNIT_H

#include "debug_ranges.h"

/* Strings belong to the module's debug information. */
struct source_frame {
    const char *function;  /* as in DWARF: mangled; NULL: not known */
    bool is_short_name;    /* of C++, and without its scopes and parameters: DWARF has no linkage name */
    const char *directory; /* absolute: what `file` is relative to; NULL: nothing, or not known */
    const char *file;      /* NULL: not known */
    uint32_t line;         /* 0: none */
    uint32_t column;       /* 0: none */
};

struct debug_unit {
    struct debug_unit *next; /* in its module's bucket */
    Dwarf_Die lines;         /* the unit that the line table belongs to */
    Dwarf_Die code;          /* the unit with the functions: the same, or its half in a .dwo file */
    struct debug_ranges functions;
};

/* The unit of this DIE, with an index of its functions. */
struct debug_unit *debug_unit_open(const Dwarf_Die *die);
void debug_unit_close(struct debug_unit *unit);

/*
 * The frames at `pc` (as in the DWARF), innermost first; at most `capacity` > 0 of them.
 * Returns how many, 0: nothing is known.
 */
size_t debug_unit_locate(struct debug_unit *unit, Dwarf_Addr pc, struct source_frame *frames,
                         size_t capacity);

#endif
