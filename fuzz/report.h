/*
 * report.h - what the parts of the harness `report` share: the makers of what is told, and the checks of how.
 */
#ifndef PW_FUZZ_REPORT_H
#define PW_FUZZ_REPORT_H

#include "harness.h"
#include "diag/report.h"

/* -- report_fault.c */
/* Once: a small heap, whose blocks and stacks faults are about. */
void report_fault_start(void);
/* A fault as a finder fills it: every number within its bounds, and beyond that what the input says. */
void report_fault_take(struct fuzz_input *input, struct pw_fault *fault);
/* The depot's id of a stack, or one that it does not have. */
uint32_t report_stack_take(struct fuzz_input *input);

/* -- report_check.c */
/* `text` is one line, an object of JSON in UTF-8 with each of the words in it as a member's name. */
void report_check_json(const char *text, size_t length, const char *const names[], size_t count);
/* `text` is lines of printable ASCII; with colours, of these and the sequences that set them. */
void report_check_printable(const char *text, size_t length, bool is_coloured);
/* A report without colours has its parts, and the tools that know AddressSanitizer's find what they look for. */
void report_check_text(const char *text, const struct pw_report_config *config, const struct pw_fault *fault);

#endif
