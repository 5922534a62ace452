/*
 * symbolizer.h - what `heapdump symbolize` does to one line. Text and JSON know nothing of each other.
 */
#ifndef PW_HEAPDUMP_SYMBOLIZER_H
#define PW_HEAPDUMP_SYMBOLIZER_H

#include "json_frames.h"
#include "own_lines.h"
#include "source_text.h"
#include "symbols.h"

struct symbolizer {
    struct source_style style;
    struct symbols *symbols;
    uint32_t added; /* frames that inlining added so far to the stack that is being read */
    bool is_allocation; /* the stack is that of the block's allocation */
    bool is_leak;       /* the stack is that of a leak, and suppressions have the names as they are */
    bool is_brief;  /* the stack is a neighbour's or of the history: two lines of the program's own */
    uint32_t shown; /* of those */
    struct own_lines own;
    struct source_frame frames[SYMBOLS_FRAMES];
    /* Kept for their memory; each use empties its own first. */
    struct bytes output;
    struct bytes name;
    struct bytes path;
    struct bytes line;
    struct bytes value;
    struct bytes module;
    struct bytes build_id;
    struct bytes function;
    struct json_frames json;
};

/* What is to be printed in place of `line`, a whole one; until the next call. */
struct span symbolize_text(struct symbolizer *symbolizer, struct span line);
struct span symbolize_json(struct symbolizer *symbolizer, struct span line);
/* What it keeps; `symbols` is the caller's. */
void symbolizer_free(struct symbolizer *symbolizer);

#endif
