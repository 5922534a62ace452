/* rules.c - see rules.h */
#include "trace/rules.h"

#include "trace/cfi.h"
#include "trace/reader.h"

enum {
    OP_DEREF = 0x06,
    OP_BREG_FP = 0x70 + PW_REG_FP,
};

_Alignas(64) struct pw_rules_entry pw_rules[1 << PW_RULES_BITS];

/* The block of an expression rule. */
static struct pw_reader expression_of(const struct pw_cfi_row *row, const struct pw_cfi_rule *rule)
{
    struct pw_reader reader = pw_reader_over(row->module + rule->value, row->module_end);
    uint64_t length = pw_read_uleb(&reader);
    if (length > pw_reader_left(&reader))
        reader.bad = true;
    else
        reader.end = reader.at + length;
    return reader;
}

/*
 * A function that aligns its stack keeps the way back in a slot by its frame pointer:
 * CFA = *(fp + n), caller's fp at fp + 0. Compilers write it just so.
 */
static pw_rule rule_of_realigned(const struct pw_cfi_row *row)
{
    const struct pw_cfi_rule *fp = &row->registers[PW_REG_FP];
    struct pw_reader cfa = expression_of(row, &row->cfa);
    bool is_fp_plus = pw_read_u8(&cfa) == OP_BREG_FP;
    int64_t offset = pw_read_sleb(&cfa);
    bool is_deref = pw_read_u8(&cfa) == OP_DEREF && pw_reader_left(&cfa) == 0 && !cfa.bad;
    if (!is_fp_plus || !is_deref || offset != (int32_t)offset || fp->kind != PW_CFI_AT_EXPRESSION)
        return pw_rule_make(PW_RULE_COMPLEX, 0, 0);
    struct pw_reader slot = expression_of(row, fp);
    if (pw_read_u8(&slot) != OP_BREG_FP || pw_read_sleb(&slot) != 0 || pw_reader_left(&slot) != 0 || slot.bad)
        return pw_rule_make(PW_RULE_COMPLEX, 0, 0);
    return pw_rule_make(PW_RULE_DEREF, (int32_t)offset, 0);
}

static pw_rule rule_of_row(const struct pw_cfi_row *row)
{
    const struct pw_cfi_rule *fp = &row->registers[PW_REG_FP];
    const struct pw_cfi_rule *ip = &row->registers[PW_REG_IP];
    if (ip->kind == PW_CFI_UNDEFINED)
        return pw_rule_make(PW_RULE_END, 0, 0);
    if (row->is_signal_frame || ip->kind != PW_CFI_AT_OFFSET || ip->value != -8 ||
        row->registers[PW_REG_SP].kind != PW_CFI_SAME)
        return pw_rule_make(PW_RULE_COMPLEX, 0, 0);
    if (row->cfa.kind == PW_CFI_IS_EXPRESSION)
        return rule_of_realigned(row);
    int16_t slot = 0;
    if (fp->kind == PW_CFI_AT_OFFSET && fp->value == (int16_t)fp->value && fp->value != 0)
        slot = (int16_t)fp->value;
    else if (fp->kind != PW_CFI_SAME)
        return pw_rule_make(PW_RULE_COMPLEX, 0, 0);
    if (row->cfa.reg == PW_REG_SP)
        return pw_rule_make(PW_RULE_SP, row->cfa.value, slot);
    if (row->cfa.reg == PW_REG_FP)
        return pw_rule_make(PW_RULE_FP, row->cfa.value, slot);
    return pw_rule_make(PW_RULE_COMPLEX, 0, 0);
}

static pw_rule rule_make(uint64_t pc)
{
    struct pw_cfi_row row;
    switch (pw_cfi_find(pc, &row)) {
    case PW_CFI_FOUND:
        return rule_of_row(&row);
    case PW_CFI_NO_ENTRY:
        return pw_rule_make(PW_RULE_CHAIN, 0, 0);
    case PW_CFI_BAD:
        return pw_rule_make(PW_RULE_COMPLEX, 0, 0);
    case PW_CFI_NO_MODULE:
        break;
    }
    return pw_rule_make(PW_RULE_OUTSIDE, 0, 0);
}

PW_NOINLINE pw_rule pw_rules_fill(uint64_t pc)
{
    pw_rule rule = rule_make(pc);
    if (pw_rule_kind(rule) == PW_RULE_OUTSIDE)
        return rule;
    uint64_t key = pc * PW_RULES_MULTIPLIER;
    struct pw_rules_entry *entry = &pw_rules[key >> (64 - PW_RULES_BITS)];
    atomic_store_explicit(&entry->rule, rule, memory_order_relaxed);
    atomic_store_explicit(&entry->check, key ^ rule, memory_order_relaxed);
    return rule;
}

void pw_rules_forget(void)
{
    for (size_t i = 0; i < PW_ARRAY_SIZE(pw_rules); i++) {
        if (atomic_load_explicit(&pw_rules[i].check, memory_order_relaxed) == 0)
            continue;
        atomic_store_explicit(&pw_rules[i].check, 0, memory_order_relaxed);
        atomic_store_explicit(&pw_rules[i].rule, 0, memory_order_relaxed);
    }
}
