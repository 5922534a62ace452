/*
 * expression.h - DWARF expressions, as far as unwind information uses them (DWARF 4, 2.5).
 */
#ifndef PW_TRACE_EXPRESSION_H
#define PW_TRACE_EXPRESSION_H

#include "base/arch.h"
#include "trace/reader.h"
#include "trace/view.h"

/*
 * Evaluate over the registers of the frame. `start`, when not NULL, is on the stack at the
 * beginning. False: damaged, of an unknown kind, or memory that can't be read.
 */
bool pw_expression_value(struct pw_reader expression, const uint64_t registers[PW_REG_COUNT],
                         const uint64_t *start, struct pw_view *view, uint64_t *value);

#endif
