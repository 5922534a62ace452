/*
 * target_report.h - damage of a target in the words of a report: the text or the JSON that the library
 * itself would have written (diag/report_render.h), with files and lines.
 *
 * The rendering is the library's own code. What it asks of the process that it runs in (a stack of the
 * depot, the module of an address) is answered from the target here: target_report.c defines these
 * functions in place of trace/'s, so one target at a time can be reported on.
 */
#ifndef PW_HEAPDUMP_TARGET_REPORT_H
#define PW_HEAPDUMP_TARGET_REPORT_H

#include "source_text.h"
#include "target.h"

#include <stdio.h>

struct target_report;

struct target_report *target_report_open(struct target *target, const struct source_style *style, bool is_json);
void target_report_close(struct target_report *report);

/* One report: its text, or its line. fault->operation is taken to be PW_OP_EXTERNAL. */
void target_report_write(struct target_report *report, FILE *out, const struct pw_fault *fault);

#endif
