/* cfi.c - see cfi.h. The instructions: DWARF 4, 6.4. */
#include "trace/cfi.h"

#include "trace/cfi_entry.h"

enum { REMEMBERED_ROWS = 4 };

enum {
    CFA_ADVANCE = 0x40, /* these three carry an operand in their low six bits */
    CFA_OFFSET = 0x80,
    CFA_RESTORE = 0xc0,
    CFA_NOP = 0x00,
    CFA_SET_LOC = 0x01,
    CFA_ADVANCE_1 = 0x02,
    CFA_ADVANCE_2 = 0x03,
    CFA_ADVANCE_4 = 0x04,
    CFA_OFFSET_EXTENDED = 0x05,
    CFA_RESTORE_EXTENDED = 0x06,
    CFA_UNDEFINED = 0x07,
    CFA_SAME_VALUE = 0x08,
    CFA_REGISTER = 0x09,
    CFA_REMEMBER_STATE = 0x0a,
    CFA_RESTORE_STATE = 0x0b,
    CFA_DEF_CFA = 0x0c,
    CFA_DEF_CFA_REGISTER = 0x0d,
    CFA_DEF_CFA_OFFSET = 0x0e,
    CFA_DEF_CFA_EXPRESSION = 0x0f,
    CFA_EXPRESSION = 0x10,
    CFA_OFFSET_EXTENDED_SF = 0x11,
    CFA_DEF_CFA_SF = 0x12,
    CFA_DEF_CFA_OFFSET_SF = 0x13,
    CFA_VAL_OFFSET = 0x14,
    CFA_VAL_OFFSET_SF = 0x15,
    CFA_VAL_EXPRESSION = 0x16,
    CFA_GNU_ARGS_SIZE = 0x2e,
};

struct rules {
    struct pw_cfi_rule cfa;
    struct pw_cfi_rule registers[PW_REG_COUNT];
};

/* One run through an entry's instructions. */
struct run {
    const struct pw_cfi_entry *entry;
    struct pw_reader reader;
    uint64_t pc;       /* the row for this is wanted */
    uint64_t location; /* the rules are for here and beyond */
    struct rules now;
    struct rules initial; /* after the common instructions */
    struct rules remembered[REMEMBERED_ROWS];
    size_t remembered_count;
};

/* Where rules go that nobody asks for: vector registers and the like. */
static struct pw_cfi_rule *rule_of(struct rules *rules, uint64_t reg, struct pw_cfi_rule *unused)
{
    return reg < PW_REG_COUNT ? &rules->registers[reg] : unused;
}

static void rule_set(struct run *run, uint64_t reg, enum pw_cfi_kind kind, int64_t value)
{
    struct pw_cfi_rule unused;
    if (value < INT32_MIN || value > INT32_MAX)
        run->reader.bad = true;
    *rule_of(&run->now, reg, &unused) = (struct pw_cfi_rule){.kind = (uint8_t)kind,
                                                             .value = (int32_t)value};
}

static void rule_restore(struct run *run, uint64_t reg)
{
    struct pw_cfi_rule unused;
    *rule_of(&run->now, reg, &unused) = *rule_of(&run->initial, reg, &unused);
}

/* A saved register's offset, in units of the data alignment. */
static int64_t factored(struct run *run, int64_t units)
{
    int64_t bytes;
    if (__builtin_mul_overflow(units, run->entry->data_align, &bytes)) {
        run->reader.bad = true;
        return 0;
    }
    return bytes;
}

/* Pass over an expression; the place where its length stands, from the module's start. */
static int64_t expression_skip(struct run *run)
{
    int64_t place = run->reader.at - run->entry->module;
    pw_read_skip(&run->reader, pw_read_uleb(&run->reader));
    return place;
}

static void cfa_set(struct run *run, enum pw_cfi_kind kind, uint64_t reg, int64_t value)
{
    if (reg >= PW_REG_COUNT || value < INT32_MIN || value > INT32_MAX)
        run->reader.bad = true;
    else
        run->now.cfa = (struct pw_cfi_rule){
            .kind = (uint8_t)kind, .reg = (uint8_t)reg, .value = (int32_t)value};
}

/* Change the offset only; it must be one of a register. */
static void cfa_set_offset(struct run *run, int64_t value)
{
    if (run->now.cfa.kind != PW_CFI_REGISTER)
        run->reader.bad = true;
    cfa_set(run, PW_CFI_REGISTER, run->now.cfa.reg, value);
}

static void state_remember(struct run *run)
{
    if (run->remembered_count == REMEMBERED_ROWS)
        run->reader.bad = true;
    else
        run->remembered[run->remembered_count++] = run->now;
}

static void state_restore(struct run *run)
{
    if (run->remembered_count == 0)
        run->reader.bad = true;
    else
        run->now = run->remembered[--run->remembered_count];
}

static void run_advance(struct run *run, uint64_t units)
{
    run->location += units * run->entry->code_align;
}

static void run_register_op(struct run *run, uint8_t op)
{
    struct pw_reader *reader = &run->reader;
    uint64_t reg = pw_read_uleb(reader);
    struct pw_cfi_rule unused;
    switch (op) {
    case CFA_OFFSET_EXTENDED:
        rule_set(run, reg, PW_CFI_AT_OFFSET, factored(run, (int64_t)pw_read_uleb(reader)));
        break;
    case CFA_OFFSET_EXTENDED_SF:
        rule_set(run, reg, PW_CFI_AT_OFFSET, factored(run, pw_read_sleb(reader)));
        break;
    case CFA_VAL_OFFSET:
        rule_set(run, reg, PW_CFI_IS_OFFSET, factored(run, (int64_t)pw_read_uleb(reader)));
        break;
    case CFA_VAL_OFFSET_SF:
        rule_set(run, reg, PW_CFI_IS_OFFSET, factored(run, pw_read_sleb(reader)));
        break;
    case CFA_EXPRESSION: rule_set(run, reg, PW_CFI_AT_EXPRESSION, expression_skip(run)); break;
    case CFA_VAL_EXPRESSION: rule_set(run, reg, PW_CFI_IS_EXPRESSION, expression_skip(run)); break;
    case CFA_RESTORE_EXTENDED: rule_restore(run, reg); break;
    case CFA_UNDEFINED: rule_set(run, reg, PW_CFI_UNDEFINED, 0); break;
    case CFA_SAME_VALUE: rule_set(run, reg, PW_CFI_SAME, 0); break;
    case CFA_REGISTER:
        rule_set(run, reg, PW_CFI_REGISTER, 0);
        rule_of(&run->now, reg, &unused)->reg = (uint8_t)pw_read_uleb(reader);
        break;
    default: reader->bad = true;
    }
}

static void run_op(struct run *run, uint8_t op)
{
    struct pw_reader *reader = &run->reader;
    uint64_t reg;
    switch (op) {
    case CFA_NOP: break;
    case CFA_ADVANCE_1: run_advance(run, pw_read_u8(reader)); break;
    case CFA_ADVANCE_2: run_advance(run, pw_read_bytes(reader, 2)); break;
    case CFA_ADVANCE_4: run_advance(run, pw_read_u32(reader)); break;
    case CFA_REMEMBER_STATE: state_remember(run); break;
    case CFA_RESTORE_STATE: state_restore(run); break;
    case CFA_DEF_CFA:
        reg = pw_read_uleb(reader);
        cfa_set(run, PW_CFI_REGISTER, reg, (int64_t)pw_read_uleb(reader));
        break;
    case CFA_DEF_CFA_SF:
        reg = pw_read_uleb(reader);
        cfa_set(run, PW_CFI_REGISTER, reg, factored(run, pw_read_sleb(reader)));
        break;
    case CFA_DEF_CFA_REGISTER:
        cfa_set(run, PW_CFI_REGISTER, pw_read_uleb(reader), run->now.cfa.value);
        break;
    case CFA_DEF_CFA_OFFSET: cfa_set_offset(run, (int64_t)pw_read_uleb(reader)); break;
    case CFA_DEF_CFA_OFFSET_SF: cfa_set_offset(run, factored(run, pw_read_sleb(reader))); break;
    case CFA_DEF_CFA_EXPRESSION: cfa_set(run, PW_CFI_IS_EXPRESSION, 0, expression_skip(run)); break;
    case CFA_GNU_ARGS_SIZE: (void)pw_read_uleb(reader); break;
    default: /* CFA_SET_LOC too: nobody writes it */ run_register_op(run, op);
    }
}

/* Until the location is past the pc, or the instructions end. */
static void run_instructions(struct run *run, struct pw_reader instructions)
{
    run->reader = instructions;
    while (pw_reader_left(&run->reader) > 0) {
        uint8_t op = pw_read_u8(&run->reader);
        uint8_t operand = op & 0x3f;
        if ((op & 0xc0) == CFA_ADVANCE)
            run_advance(run, operand);
        else if ((op & 0xc0) == CFA_OFFSET)
            rule_set(run, operand, PW_CFI_AT_OFFSET,
                     factored(run, (int64_t)pw_read_uleb(&run->reader)));
        else if ((op & 0xc0) == CFA_RESTORE)
            rule_restore(run, operand);
        else
            run_op(run, op);
        if (run->location > run->pc)
            return;
    }
}

static enum pw_cfi_result row_find(uint64_t pc, const struct pw_cfi_entry *entry,
                                   struct pw_cfi_row *row)
{
    struct run run;
    run.entry = entry;
    run.pc = pc;
    run.location = entry->start;
    run.remembered_count = 0;
    run.now = (struct rules){.cfa = {.kind = PW_CFI_UNDEFINED}};
    run_instructions(&run, entry->initial);
    if (run.reader.bad)
        return PW_CFI_BAD;
    run.initial = run.now;
    run_instructions(&run, entry->instructions);
    if (run.reader.bad || run.now.cfa.kind == PW_CFI_UNDEFINED)
        return PW_CFI_BAD;
    row->cfa = run.now.cfa;
    for (size_t i = 0; i < PW_REG_COUNT; i++)
        row->registers[i] = run.now.registers[i];
    row->module = entry->module;
    row->module_end = entry->module_end;
    row->is_signal_frame = entry->is_signal_frame;
    return PW_CFI_FOUND;
}

/*
 * A return address that no call left there but someone who set up a stack (makecontext): it is the
 * start of a function, and what lies before that says nothing. Believed if the function says that
 * nothing called it.
 */
static bool is_planted(uint64_t pc, struct pw_cfi_row *row)
{
    struct pw_cfi_entry entry;
    return pw_cfi_find_entry(pc + 1, &entry) == PW_CFI_FOUND && entry.start == pc + 1 &&
           row_find(pc + 1, &entry, row) == PW_CFI_FOUND &&
           row->registers[PW_REG_IP].kind == PW_CFI_UNDEFINED;
}

enum pw_cfi_result pw_cfi_find(uint64_t pc, struct pw_cfi_row *row)
{
    struct pw_cfi_entry entry;
    enum pw_cfi_result result = pw_cfi_find_entry(pc, &entry);
    if (result == PW_CFI_NO_ENTRY && is_planted(pc, row))
        return PW_CFI_FOUND;
    return result == PW_CFI_FOUND ? row_find(pc, &entry, row) : result;
}
