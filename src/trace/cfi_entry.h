/*
 * cfi_entry.h - the entry of .eh_frame for an address: what cfi.c runs.
 */
#ifndef PW_TRACE_CFI_ENTRY_H
#define PW_TRACE_CFI_ENTRY_H

#include "trace/cfi.h"
#include "trace/reader.h"

/* A frame description entry with its common information entry. */
struct pw_cfi_entry {
    const uint8_t *module; /* what of it may be read: up to module_end */
    const uint8_t *module_end;
    uint64_t start; /* the addresses that it is about */
    uint64_t end;
    struct pw_reader initial; /* the common instructions */
    struct pw_reader instructions;
    uint64_t code_align;
    int64_t data_align;
    bool is_signal_frame;
};

/* Where the information about some code lies. */
struct pw_cfi_object {
    const uint8_t *start; /* of what may be read: the module, or only its segment with the table */
    const uint8_t *end;
    const uint8_t *table; /* .eh_frame_hdr, NULL: there is none */
};

enum pw_cfi_result pw_cfi_find_entry(uint64_t pc, struct pw_cfi_entry *entry);
/* The entry at `at`. False: it is damaged, or none that is about code. */
bool pw_cfi_read_entry(const struct pw_cfi_object *object, const uint8_t *at,
                       struct pw_cfi_entry *entry);

#endif
