/* rules.c - see rules.h */
#include "trace/rules.h"

#include "trace/cfi.h"
#include "trace/learnt.h"
#include "trace/reader.h"

enum {
    OP_DEREF = 0x06,
    OP_BREG_FP = 0x70 + PW_REG_FP,
};

_Alignas(4096) _Atomic uint64_t pw_rules[1 << PW_RULES_BITS];
PW_WRITTEN_EARLY _Atomic uint32_t pw_rules_generation;

pw_rule pw_rule_make(enum pw_rule_kind kind, int64_t offset, int64_t fp_below)
{
    int64_t offset_words = offset / PW_RULE_WORD;
    int64_t slot_words = fp_below / PW_RULE_WORD;
    int64_t offset_limit = (int64_t)1 << (PW_RULE_OFFSET_BITS - 1);
    if (offset % PW_RULE_WORD != 0 || offset_words < -offset_limit ||
        offset_words >= offset_limit || fp_below % PW_RULE_WORD != 0 || slot_words < 0 ||
        slot_words >= 1 << PW_RULE_SLOT_BITS)
        return PW_RULE_COMPLEX;
    uint32_t offset_bits = (uint32_t)offset_words & (((uint32_t)1 << PW_RULE_OFFSET_BITS) - 1);
    return offset_bits << PW_RULE_OFFSET_SHIFT | (uint32_t)slot_words << PW_RULE_SLOT_SHIFT |
           (uint32_t)kind;
}

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
    if (!is_fp_plus || !is_deref || fp->kind != PW_CFI_AT_EXPRESSION)
        return PW_RULE_COMPLEX;
    struct pw_reader slot = expression_of(row, fp);
    if (pw_read_u8(&slot) != OP_BREG_FP || pw_read_sleb(&slot) != 0 || pw_reader_left(&slot) != 0 ||
        slot.bad)
        return PW_RULE_COMPLEX;
    return pw_rule_make(PW_RULE_DEREF, offset, 0);
}

static pw_rule rule_of_row(const struct pw_cfi_row *row)
{
    const struct pw_cfi_rule *fp = &row->registers[PW_REG_FP];
    const struct pw_cfi_rule *ip = &row->registers[PW_REG_IP];
    if (ip->kind == PW_CFI_UNDEFINED)
        return PW_RULE_END;
    if (row->is_signal_frame || ip->kind != PW_CFI_AT_OFFSET || ip->value != -8 ||
        row->registers[PW_REG_SP].kind != PW_CFI_SAME)
        return PW_RULE_COMPLEX;
    if (row->cfa.kind == PW_CFI_IS_EXPRESSION)
        return rule_of_realigned(row);
    int64_t fp_below = 0;
    if (fp->kind == PW_CFI_AT_OFFSET && fp->value != 0)
        fp_below = -(int64_t)fp->value;
    else if (fp->kind != PW_CFI_SAME)
        return PW_RULE_COMPLEX;
    if (row->cfa.reg == PW_REG_SP)
        return pw_rule_make(PW_RULE_SP, row->cfa.value, fp_below);
    if (row->cfa.reg == PW_REG_FP)
        return pw_rule_make(PW_RULE_FP, row->cfa.value, fp_below);
    return PW_RULE_COMPLEX;
}

static pw_rule rule_make(uint64_t pc)
{
    struct pw_cfi_row row;
    switch (pw_cfi_find(pc, &row)) {
    case PW_CFI_FOUND: return rule_of_row(&row);
    case PW_CFI_NO_ENTRY: return PW_RULE_CHAIN;
    case PW_CFI_BAD: return PW_RULE_COMPLEX;
    case PW_CFI_NO_MODULE: break;
    }
    return PW_RULE_OUTSIDE;
}

PW_NOINLINE pw_rule pw_rules_fill(uint64_t pc)
{
    pw_rule rule = pc >> PW_RULES_KEY_BITS == 0 ? rule_make(pc) : PW_RULE_OUTSIDE;
    /* Code outside may become a module's: ask again the next time. */
    if (pw_rule_kind(rule) == PW_RULE_OUTSIDE)
        return rule;
    struct pw_rules_key key = pw_rules_key(pc);
    atomic_store_explicit(&pw_rules[key.index], key.tag | rule, memory_order_relaxed);
    pw_learnt_tell(pc);
    return rule;
}

void pw_rules_forget(void)
{
    for (size_t i = 0; i < PW_ARRAY_SIZE(pw_rules); i++)
        if (atomic_load_explicit(&pw_rules[i], memory_order_relaxed) != 0)
            atomic_store_explicit(&pw_rules[i], 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&pw_rules_generation, 1, memory_order_relaxed);
}
