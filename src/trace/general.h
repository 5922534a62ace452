/*
 * general.h - the unwinder for everything: all registers, all rules, expressions, signal frames.
 *
 * About a microsecond a frame. walk.h is the quick one for the frames that nearly all programs
 * consist of; both give the same answer where both know one. No allocation, no lock, and
 * async-signal-safe (as far as cfi.h is).
 */
#ifndef PW_TRACE_GENERAL_H
#define PW_TRACE_GENERAL_H

#include "base/arch.h"
#include "trace/view.h"

/* A frame: its registers by DWARF number, with ip in PW_REG_IP. */
struct pw_general {
    uint64_t registers[PW_REG_COUNT];
    bool is_exact; /* ip is an instruction that was interrupted, not a return address */
};

enum pw_general_result {
    PW_GENERAL_STEPPED, /* to the caller */
    PW_GENERAL_ENDED,   /* this was the outermost frame */
    PW_GENERAL_GUESSED, /* to the caller, by the frame pointer: the frame is in a module */
    PW_GENERAL_OUTSIDE, /* the same, from a frame that is in no module, if it is a frame at all */
    PW_GENERAL_LOST,    /* no way from here */
    PW_GENERAL_NOWHERE, /* no way from here, and this is in no module */
};

enum pw_general_result pw_general_step(struct pw_general *frame, struct pw_view *view);

/*
 * The trace from `frame` on, its own ip first; at least that is stored. `is_lost` says whether it
 * broke off at unwind information that could not be followed.
 */
size_t pw_general_trace(struct pw_general frame, struct pw_view *view, uint64_t *frames, size_t max,
                        bool *is_lost);

/*
 * The return address behind a frame pointer, if it looks like one: the step of code without unwind
 * information.
 */
bool pw_general_guess(struct pw_view *view, uint64_t *ip, uint64_t *sp, uint64_t *fp);

#endif
