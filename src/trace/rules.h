/*
 * rules.h - one frame's unwind information in 30 bits, and a cache of it by address.
 *
 * The cache is shared by all threads, lock-free, and never wrong: an entry is one word that holds
 * the rule and enough of the address to tell it from all others that the entry may be for.
 */
#ifndef PW_TRACE_RULES_H
#define PW_TRACE_RULES_H

#include "base/base.h"

#include <stdatomic.h>

enum pw_rule_kind {
    PW_RULE_NONE,
    PW_RULE_SP,    /* CFA = sp + offset */
    PW_RULE_FP,    /* CFA = fp + offset */
    PW_RULE_DEREF, /* CFA = the word at fp + offset, caller's fp = the word at fp: a realigned stack
                    */
    PW_RULE_END,   /* the outermost frame */
    PW_RULE_CHAIN, /* code of a module without unwind information: perhaps it keeps frame pointers
                    */
    PW_RULE_OUTSIDE, /* in no module: the same, if it is code at all; never cached */
    PW_RULE_COMPLEX, /* what general.c is for */
};

/*
 * Bits 0..2: enum pw_rule_kind; 3..9: where the caller's fp is saved, in words below the CFA, 0: it
 * is what it is here; 10..29: offset in words, signed. The return address is at CFA - 8. What does
 * not fit is COMPLEX.
 */
typedef uint32_t pw_rule;

enum {
    PW_RULE_SLOT_SHIFT = 3,
    PW_RULE_SLOT_BITS = 7,
    PW_RULE_OFFSET_SHIFT = 10,
    PW_RULE_OFFSET_BITS = 20,
    PW_RULE_BITS = 30,
    PW_RULE_WORD = 8,
};

PW_INLINE enum pw_rule_kind pw_rule_kind(pw_rule rule)
{
    return (enum pw_rule_kind)(rule & ((1 << PW_RULE_SLOT_SHIFT) - 1));
}

/* Bytes. */
PW_INLINE int64_t pw_rule_offset(pw_rule rule)
{
    int32_t words = (int32_t)(rule << (32 - PW_RULE_BITS)) >> (32 - PW_RULE_OFFSET_BITS);
    return (int64_t)words * PW_RULE_WORD;
}

/* Bytes below the CFA; 0: not saved. */
PW_INLINE uint64_t pw_rule_fp_below(pw_rule rule)
{
    uint64_t words = (rule >> PW_RULE_SLOT_SHIFT) & ((1 << PW_RULE_SLOT_BITS) - 1);
    return words * PW_RULE_WORD;
}

/* offset and fp_below as above. */
pw_rule pw_rule_make(enum pw_rule_kind kind, int64_t offset, int64_t fp_below);

/*
 * An entry: the rule, a one, and what tells the address: the lower three bits of it, and above them what the index does
 * not say of its page. The page, scrambled by an odd number modulo 2^36, is one-to-one; its upper bits say which page of
 * the table, so that a program whose calls lie close together touches few; the place there is that of the address within
 * its own page, in steps of 8 bytes, turned by bits of the scrambled page. 0: not in use.
 */
enum {
    PW_RULES_KEY_BITS = 48, /* of addresses */
    PW_RULES_BITS = 15,     /* 256 KiB, touched as it fills */
    PW_RULES_CODE_SHIFT = 12,
    PW_RULES_CODE_BITS = PW_RULES_KEY_BITS - PW_RULES_CODE_SHIFT,
    PW_RULES_STEP_SHIFT = 3,
    PW_RULES_PLACE_BITS = PW_RULES_CODE_SHIFT - PW_RULES_STEP_SHIFT,
    PW_RULES_PAGE_BITS = PW_RULES_BITS - PW_RULES_PLACE_BITS,
    PW_RULES_TURN_SHIFT = 64 - PW_RULES_PAGE_BITS - PW_RULES_PLACE_BITS,
};
#define PW_RULES_MULTIPLIER 0x9E3779B97F4A7C15u
#define PW_RULES_SCRAMBLE (PW_RULES_MULTIPLIER << (64 - PW_RULES_CODE_BITS)) /* the scrambled page comes in the upper bits */

_Static_assert(PW_RULE_BITS + 1 + PW_RULES_STEP_SHIFT + PW_RULES_CODE_BITS - PW_RULES_PAGE_BITS == 64, "an entry is one word");

extern _Atomic uint64_t pw_rules[1 << PW_RULES_BITS];

struct pw_rules_key {
    size_t index;
    uint64_t tag; /* what an entry for the address holds besides the rule */
};

/* For an address of PW_RULES_KEY_BITS. */
PW_INLINE struct pw_rules_key pw_rules_key(uint64_t pc)
{
    uint64_t page = (pc >> PW_RULES_CODE_SHIFT) * PW_RULES_SCRAMBLE;
    uint64_t place = (pc >> PW_RULES_STEP_SHIFT ^ page >> PW_RULES_TURN_SHIFT) & ((1u << PW_RULES_PLACE_BITS) - 1);
    uint64_t low = pc & ((1u << PW_RULES_STEP_SHIFT) - 1);
    return (struct pw_rules_key){
        .index = page >> (64 - PW_RULES_PAGE_BITS) << PW_RULES_PLACE_BITS | place,
        .tag = page << PW_RULES_PAGE_BITS | low << (PW_RULE_BITS + 1) | (uint64_t)1 << PW_RULE_BITS,
    };
}

/* Find the rule in the module's unwind information, and remember it. */
pw_rule pw_rules_fill(uint64_t pc);

/* The rule for a pc: an address within the instruction, so a return address less one. */
PW_INLINE pw_rule pw_rules_find(uint64_t pc)
{
    struct pw_rules_key key = pw_rules_key(pc);
    uint64_t rule = atomic_load_explicit(&pw_rules[key.index], memory_order_relaxed) ^ key.tag;
    if (pw_likely(rule >> PW_RULE_BITS == 0 && pc >> PW_RULES_KEY_BITS == 0))
        return (pw_rule)rule;
    return pw_rules_fill(pc);
}

/* Forget all: code went away, and other code may take its place. */
void pw_rules_forget(void);
/* How often that was. */
extern _Atomic uint32_t pw_rules_generation;

#endif
