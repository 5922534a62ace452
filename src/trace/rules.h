/*
 * rules.h - one frame's unwind information in 64 bits, and a cache of it by address.
 *
 * The cache is shared by all threads, lock-free, and never wrong: an entry is two words, the rule
 * and the key xor the rule (after R. Hyatt and T. Mann, "A lock-less transposition table", 2002), so
 * that words of two different writers don't match any key.
 */
#ifndef PW_TRACE_RULES_H
#define PW_TRACE_RULES_H

#include "base/base.h"

#include <stdatomic.h>

enum pw_rule_kind {
    PW_RULE_NONE,
    PW_RULE_SP,      /* CFA = sp + offset */
    PW_RULE_FP,      /* CFA = fp + offset */
    PW_RULE_DEREF,   /* CFA = the word at fp + offset, caller's fp = the word at fp: a realigned stack */
    PW_RULE_END,     /* the outermost frame */
    PW_RULE_CHAIN,   /* code of a module without unwind information: perhaps it keeps frame pointers */
    PW_RULE_OUTSIDE, /* in no module: the same, if it is code at all; never cached */
    PW_RULE_COMPLEX, /* what general.c is for */
};

/*
 * Bits 0..31: offset, signed; 32..47: where the caller's fp is saved, from the CFA, signed bytes, 0:
 * it is what it is here; 48..51: enum pw_rule_kind. The return address is at CFA - 8.
 */
typedef uint64_t pw_rule;

PW_INLINE enum pw_rule_kind pw_rule_kind(pw_rule rule)
{
    return (enum pw_rule_kind)(rule >> 48);
}

PW_INLINE int64_t pw_rule_offset(pw_rule rule)
{
    return (int32_t)rule;
}

PW_INLINE int64_t pw_rule_fp_slot(pw_rule rule)
{
    return (int16_t)(rule >> 32);
}

PW_INLINE pw_rule pw_rule_make(enum pw_rule_kind kind, int32_t offset, int16_t fp_slot)
{
    return (uint64_t)kind << 48 | (uint64_t)(uint16_t)fp_slot << 32 | (uint32_t)offset;
}

enum { PW_RULES_BITS = 14 }; /* 256 KiB, touched as it fills */

struct pw_rules_entry {
    _Atomic uint64_t check; /* key xor rule */
    _Atomic uint64_t rule;
};

extern struct pw_rules_entry pw_rules[1 << PW_RULES_BITS];

/* Odd: each pc has its key. The upper bits choose the entry. */
#define PW_RULES_MULTIPLIER 0x9E3779B97F4A7C15u

/* Find the rule in the module's unwind information, and remember it. */
pw_rule pw_rules_fill(uint64_t pc);

/* The rule for a pc (not 0): a return address less one. */
PW_INLINE pw_rule pw_rules_find(uint64_t pc)
{
    uint64_t key = pc * PW_RULES_MULTIPLIER;
    struct pw_rules_entry *entry = &pw_rules[key >> (64 - PW_RULES_BITS)];
    pw_rule rule = atomic_load_explicit(&entry->rule, memory_order_relaxed);
    if (pw_likely((atomic_load_explicit(&entry->check, memory_order_relaxed) ^ rule) == key))
        return rule;
    return pw_rules_fill(pc);
}

/* Forget all: code went away, and other code may take its place. */
void pw_rules_forget(void);

#endif
