/*
 * entry.h - the way from the program into the unwinder, and what it did to the frame pointer.
 *
 * A trace starts at the allocator's caller, whose ip and sp are known. Its fp is not: the functions
 * between may have saved it and use the register. Their frames have fixed sizes; so a way, once
 * unwound, is known again by its return addresses at the same distances from the caller's sp.
 */
#ifndef PW_TRACE_ENTRY_H
#define PW_TRACE_ENTRY_H

#include "base/base.h"

struct pw_entry {
    uint64_t caller_pc;    /* where the program goes on */
    uint64_t caller_frame; /* and its sp then */
    uint64_t ip;           /* where we are */
    uint64_t sp;
    uint64_t fp;
};

enum { PW_ENTRY_STEPS = 6, PW_ENTRY_PATHS = 4 };

struct pw_entry_path {
    uint64_t ip;       /* 0: not in use */
    uint64_t height;   /* caller_frame - sp */
    uint32_t fp_below; /* caller_frame - address of the saved fp; 0: it is in the register */
    uint32_t steps;
    uint32_t below[PW_ENTRY_STEPS]; /* caller_frame - address of the return address */
    uint64_t returns[PW_ENTRY_STEPS];
};

struct pw_entry_memory {
    uint32_t next; /* to be replaced */
    struct pw_entry_path paths[PW_ENTRY_PATHS];
};

/* The frame pointer at the caller. False: it can't be told. */
bool pw_entry_fp(struct pw_entry_memory *memory, const struct pw_entry *entry, uint64_t *fp);

#endif
