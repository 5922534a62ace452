/*
 * report_lines.h - read the two lines of a text report that name an address of code: a frame and the
 * summary. Pure functions; the parts found are spans of the line. Any bytes may come.
 *
 *     #0 0x55d0c1 in function (/abs/module+0x1234) (BuildId: 0123abcd)
 * SUMMARY: PWHeap: KIND (/abs/module+0x1234) (BuildId: 0123abcd) in function
 * SUMMARY: PWHeap: KIND function (/abs/module+0x1234)
 */
#ifndef PW_HEAPDUMP_REPORT_LINES_H
#define PW_HEAPDUMP_REPORT_LINES_H

#include "bytes.h"

/* "(/abs/module+0x1234)", perhaps with " (BuildId: 0123abcd)" behind it. The path may hold blanks and parentheses. */
struct code_place {
    struct span text;     /* all of it */
    struct span path;     /* without NUL */
    struct span build_id; /* hexadecimal digits; empty: not given */
    uint64_t offset;
};

struct frame_line {
    struct span indent; /* blanks */
    uint32_t number;
    struct span pc;       /* "0x55d0c1" with the blanks before it */
    struct span function; /* empty: not given */
    bool has_place;       /* false: symbolized already, or no module is known */
    struct code_place place;
    struct span end; /* the line's end: "\n", "\r\n" or nothing */
};

struct summary_line {
    struct span head;     /* "SUMMARY: PWHeap: KIND" */
    struct span function; /* empty: not given */
    struct code_place place;
    struct span end;
};

/* False: not a frame. */
bool frame_line_parse(struct span line, struct frame_line *frame);
/* False: not a summary, or not one with a place. */
bool summary_line_parse(struct span line, struct summary_line *summary);

/* True: the frames below are of a block's neighbour, or of one step of the history. */
bool brief_line_parse(struct span line);
/* True: the frames that follow are those of an allocation. */
bool allocation_line_parse(struct span line);
/* True: the frames that follow are those of a leak. */
bool leak_line_parse(struct span line);
/* True: the first line of a report. */
bool head_line_parse(struct span line);

/* "0x" and 1 to 16 digits at the start of `text`: how many bytes, 0: none. */
size_t hex_number_parse(struct span text, uint64_t *value);

#endif
