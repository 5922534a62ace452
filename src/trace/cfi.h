/*
 * cfi.h - call frame information: how to get from a place in the code to its caller.
 *
 * Read from .eh_frame through the binary search table in .eh_frame_hdr. Lock-free and
 * async-signal-safe with glibc from 2.35 on (_dl_find_object); elsewhere from the table of modules,
 * as of its last refresh. Allocates nothing, and reads nothing outside of the module.
 */
#ifndef PW_TRACE_CFI_H
#define PW_TRACE_CFI_H

#include "base/arch.h"

enum pw_cfi_kind {
    PW_CFI_SAME,          /* the caller's is what it is here */
    PW_CFI_UNDEFINED,     /* lost; of the return address: there is no caller */
    PW_CFI_AT_OFFSET,     /* saved at CFA + value */
    PW_CFI_IS_OFFSET,     /* CFA + value itself */
    PW_CFI_REGISTER,      /* in register `reg` (of the CFA: plus value) */
    PW_CFI_AT_EXPRESSION, /* saved where the expression says */
    PW_CFI_IS_EXPRESSION, /* what the expression says */
};

struct pw_cfi_rule {
    uint8_t kind; /* enum pw_cfi_kind */
    uint8_t reg;
    int32_t value; /* an expression: where it starts (its length first), from row.module */
};

/* How to undo one frame. The return address is that of column PW_REG_IP. */
struct pw_cfi_row {
    struct pw_cfi_rule cfa; /* PW_CFI_REGISTER or PW_CFI_IS_EXPRESSION */
    struct pw_cfi_rule registers[PW_REG_COUNT];
    const uint8_t *module; /* what of it may be read: up to module_end */
    const uint8_t *module_end;
    bool is_signal_frame; /* the caller was interrupted: its ip is an instruction, no return address
                           */
};

enum pw_cfi_result {
    PW_CFI_FOUND,
    PW_CFI_NO_MODULE, /* not in any module: code made at run time, or no code at all */
    PW_CFI_NO_ENTRY,  /* in a module, which says nothing about it */
    PW_CFI_BAD,       /* the module's information is damaged or of a kind that is not read here */
};

/*
 * The row for `pc`: an address within the instruction, so for a return address one less than that.
 */
enum pw_cfi_result pw_cfi_find(uint64_t pc, struct pw_cfi_row *row);

#endif
