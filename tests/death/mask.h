/*
 * mask.h - a report without what differs from run to run, so that all the rest can be compared.
 *
 *   addresses in or near the block    P, P+24, P-4 (P is the start of the block)
 *   other addresses                   0x…
 *   process ids                       PID
 *   frames in the test program        #0 in FUNCTION at MARK, where MARK is the comment that ends the line
 *                                     of source (bugs.h); main and what called it are left out
 *   frames elsewhere                  (outside) for any number of them; (in libpwheap), which shall not be
 *   a report's SUMMARY line           at MARK in FUNCTION
 *   allocation numbers, heaps, regions, idle neighbours: …
 *
 * Anything that does not have exactly the shape of REPORTS.md stays, and so does not compare equal.
 */
#ifndef PW_TESTS_DEATH_MASK_H
#define PW_TESTS_DEATH_MASK_H

#include <stdbool.h>

/* `source`: the folder of the programs' source; `program`: the whole path of the one that ran. */
struct mask {
    const char *source;
    const char *program;
    bool is_symbolized; /* frames have files and lines; else modules and offsets */
};

/* To be freed. */
char *mask_report(const struct mask *mask, const char *report);

#endif
