/* instruction.h - private to os: what an x86-64 instruction does with its memory operand. Pure: reads the bytes given. */
#ifndef PW_OS_INSTRUCTION_H
#define PW_OS_INSTRUCTION_H

#include "base/base.h"

enum { PW_INSTRUCTION_MAX_BYTES = 15 };

struct pw_instruction_access {
    bool is_known;  /* false: it has no memory operand, or is none that is known here */
    bool is_write;  /* it writes the operand (and perhaps reads it too) */
    uint32_t bytes; /* size of the operand; 0: not known */
};

/*
 * The access of the instruction whose first `length` bytes are at `code`. Of string instructions that
 * read and write (movs) the write is told. After the opcode maps of Intel's manual, volume 2, appendix A.
 */
struct pw_instruction_access pw_instruction_decode(const uint8_t *code, size_t length);

/* Where an operand lies: registers by their numbers in the instruction set, -1: none. */
struct pw_instruction_slot {
    int base, index;
    uint32_t scale;
    int64_t offset;
    bool is_relative; /* `offset` is from the instruction on */
};

/* True: it is a call or a jump whose target is read from memory, from *slot. */
bool pw_instruction_branch(const uint8_t *code, size_t length, struct pw_instruction_slot *slot);

#endif
