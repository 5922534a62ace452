/* general.c - see general.h */
#include "trace/general.h"

#include "trace/cfi.h"
#include "trace/expression.h"

enum { GUESS_FRAME_BYTES = 64 * 1024 };

static bool expression_run(const struct pw_cfi_row *row, const struct pw_cfi_rule *rule,
                           const struct pw_general *frame, const uint64_t *start,
                           struct pw_view *view, uint64_t *value)
{
    struct pw_reader reader = pw_reader_over(row->module + rule->value, row->module_end);
    uint64_t length = pw_read_uleb(&reader);
    if (length > pw_reader_left(&reader))
        return false;
    reader.end = reader.at + length;
    return pw_expression_value(reader, frame->registers, start, view, value);
}

static bool cfa_of(const struct pw_cfi_row *row, const struct pw_general *frame,
                   struct pw_view *view, uint64_t *cfa)
{
    if (row->cfa.kind == PW_CFI_IS_EXPRESSION)
        return expression_run(row, &row->cfa, frame, NULL, view, cfa);
    *cfa = frame->registers[row->cfa.reg] + (uint64_t)(int64_t)row->cfa.value;
    return true;
}

static bool register_of(const struct pw_cfi_row *row, size_t reg, const struct pw_general *frame,
                        uint64_t cfa, struct pw_view *view, uint64_t *value)
{
    const struct pw_cfi_rule *rule = &row->registers[reg];
    uint64_t address;
    switch ((enum pw_cfi_kind)rule->kind) {
    case PW_CFI_SAME:
    case PW_CFI_UNDEFINED: /* what it was serves as well as anything */
        *value = reg == PW_REG_SP ? cfa : frame->registers[reg];
        return true;
    case PW_CFI_AT_OFFSET: return pw_view_read(view, cfa + (uint64_t)(int64_t)rule->value, value);
    case PW_CFI_IS_OFFSET: *value = cfa + (uint64_t)(int64_t)rule->value; return true;
    case PW_CFI_REGISTER:
        if (rule->reg >= PW_REG_COUNT)
            return false;
        *value = frame->registers[rule->reg];
        return true;
    case PW_CFI_AT_EXPRESSION:
        return expression_run(row, rule, frame, &cfa, view, &address) &&
               pw_view_read(view, address, value);
    case PW_CFI_IS_EXPRESSION: return expression_run(row, rule, frame, &cfa, view, value);
    }
    return false;
}

static enum pw_general_result step_by_row(const struct pw_cfi_row *row, struct pw_general *frame,
                                          struct pw_view *view)
{
    struct pw_general caller = {.is_exact = row->is_signal_frame};
    uint64_t cfa;
    if (row->registers[PW_REG_IP].kind == PW_CFI_UNDEFINED)
        return PW_GENERAL_ENDED;
    if (!cfa_of(row, frame, view, &cfa))
        return PW_GENERAL_LOST;
    for (size_t reg = 0; reg < PW_REG_COUNT; reg++)
        if (!register_of(row, reg, frame, cfa, view, &caller.registers[reg]))
            return PW_GENERAL_LOST;
    /* Stacks grow down; only a signal may have come from another one. */
    if (!row->is_signal_frame && caller.registers[PW_REG_SP] <= frame->registers[PW_REG_SP])
        return PW_GENERAL_LOST;
    if (caller.registers[PW_REG_IP] == 0 && !row->is_signal_frame)
        return PW_GENERAL_ENDED;
    *frame = caller;
    return PW_GENERAL_STEPPED;
}

bool pw_general_guess(struct pw_view *view, uint64_t *ip, uint64_t *sp, uint64_t *fp)
{
    uint64_t saved_fp;
    uint64_t return_address;
    /* Farther away it is another stack's: that of who made this coroutine. */
    if (*fp < *sp || *fp - *sp > GUESS_FRAME_BYTES || *fp % 8 != 0)
        return false;
    if (!pw_view_read(view, *fp, &saved_fp) || !pw_view_read(view, *fp + 8, &return_address))
        return false;
    if (return_address == 0)
        return false;
    *sp = *fp + 16;
    *fp = saved_fp;
    *ip = return_address;
    return true;
}

/*
 * An interrupted instruction where no code is: a jump into nothing, by a call most likely, whose
 * return address then lies on top of the stack.
 */
static bool step_out_of_nothing(struct pw_general *frame, struct pw_view *view)
{
    struct pw_cfi_row row;
    uint64_t return_address;
    uint64_t sp = frame->registers[PW_REG_SP];
    if (!frame->is_exact || !pw_view_read(view, sp, &return_address) || return_address == 0 ||
        pw_cfi_find(return_address - 1, &row) == PW_CFI_NO_MODULE)
        return false;
    frame->registers[PW_REG_IP] = return_address;
    frame->registers[PW_REG_SP] = sp + 8;
    frame->is_exact = false;
    return true;
}

static bool step_by_guess(struct pw_general *frame, struct pw_view *view)
{
    frame->is_exact = false;
    return pw_general_guess(view, &frame->registers[PW_REG_IP], &frame->registers[PW_REG_SP],
                            &frame->registers[PW_REG_FP]);
}

enum pw_general_result pw_general_step(struct pw_general *frame, struct pw_view *view)
{
    struct pw_cfi_row row;
    switch (pw_cfi_find(frame->registers[PW_REG_IP] - (frame->is_exact ? 0 : 1), &row)) {
    case PW_CFI_FOUND: return step_by_row(&row, frame, view);
    case PW_CFI_NO_ENTRY: return step_by_guess(frame, view) ? PW_GENERAL_GUESSED : PW_GENERAL_ENDED;
    case PW_CFI_NO_MODULE:
        return step_out_of_nothing(frame, view) || step_by_guess(frame, view) ? PW_GENERAL_OUTSIDE
                                                                              : PW_GENERAL_NOWHERE;
    case PW_CFI_BAD: break;
    }
    return PW_GENERAL_LOST;
}

size_t pw_general_trace(struct pw_general frame, struct pw_view *view, uint64_t *frames, size_t max,
                        bool *is_lost)
{
    size_t count = 0;
    size_t kept = 1; /* frames in no module count when one that is in a module follows */
    *is_lost = false;
    while (count < max) {
        frames[count++] = frame.registers[PW_REG_IP];
        enum pw_general_result result = pw_general_step(&frame, view);
        if (result != PW_GENERAL_OUTSIDE && result != PW_GENERAL_NOWHERE)
            kept = count;
        if (result == PW_GENERAL_LOST)
            *is_lost = true;
        if (result != PW_GENERAL_STEPPED && result != PW_GENERAL_GUESSED &&
            result != PW_GENERAL_OUTSIDE)
            break;
    }
    return kept;
}
