/*
 * frame_index.h - a sorted index of the program's own .eh_frame, where the linker made none.
 *
 * Statically linked programs have no .eh_frame_hdr, for their exceptions go another way. Theirs is
 * found by the section headers in the program's file and indexed once, at start-up.
 */
#ifndef PW_TRACE_FRAME_INDEX_H
#define PW_TRACE_FRAME_INDEX_H

#include "trace/cfi_entry.h"

/*
 * Index the module that holds `inside`, an address of code. Before there are threads. False: it
 * can't be done.
 */
bool pw_frame_index_build(uint64_t inside);
/*
 * The entry of .eh_frame that starts last at or before `pc`, and what may be read with it. NULL:
 * the index is not of the module that holds it.
 */
const uint8_t *pw_frame_index_find(uint64_t pc, struct pw_cfi_object *found);

#endif
