/*
 * spec.h - the files of expected reports, tests/death/NAME.reports. A section of one:
 *
 *   === a byte after the end of a block is found by free
 *   run: one_byte full               the bug and PWHEAP_CHECK; several such lines: all say the same
 *   ends: SIGABRT                    or SIGSEGV, or exit N
 *   clean: SIGABRT                   how the bug's clean twin ends; left out: exit 0
 *   needs: breakpoint                the test is skipped where the machine gives no hardware breakpoints
 *   needs: markers                   the same of guard markers (MADV_GUARD_INSTALL, Linux 6.13)
 *   ==PID==ERROR: PWHeap: …          stderr, masked (mask.h), up to the next section
 */
#ifndef PW_TESTS_DEATH_SPEC_H
#define PW_TESTS_DEATH_SPEC_H

#include <stdbool.h>
#include <stddef.h>

enum { SPEC_RUNS = 24 };

struct spec_run {
    char program[32];
    char bug[64];
    char check[160]; /* PWHEAP_CHECK: level and options */
};

struct spec {
    char *sentence;
    struct spec_run runs[SPEC_RUNS];
    size_t run_count;
    int status; /* as struct outcome has it */
    int clean_status;
    bool needs_breakpoint;
    bool needs_markers;
    char *expected;
};

struct specs {
    struct spec *all;
    size_t count;
    char *comment; /* what stands before the first section */
};

/* Exits with a message when the file can't be read or understood. */
struct specs specs_read(const char *path);
/* Write the file anew with these expectations. */
void specs_write(const char *path, const struct specs *specs);

#endif
