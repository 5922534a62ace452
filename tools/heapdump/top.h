/*
 * top.h - private to top*.c: `heapdump top`, the sites that hold most of a live heap, and what grows.
 *
 *   top.c         the command: the loop, keys
 *   top_sample.c  one look at the process, and what changed since the last ones
 *   top_screen.c  the screen
 *
 * The process is opened anew for each sample: it is stopped while its tables are copied, and runs while
 * they are added up. A stack has the same id as long as the process lives, so a site is known by it,
 * and its name is looked up once.
 */
#ifndef PW_HEAPDUMP_TOP_H
#define PW_HEAPDUMP_TOP_H

#include "bytes.h"
#include "command_line.h"

struct top_row {
    uint32_t stack; /* depot id; 0: not known */
    uint64_t bytes;
    uint64_t blocks;
    uint64_t bytes_before; /* at the last sample */
    uint64_t bytes_at_first; /* when growth was last reset */
    char *text;            /* NULL: not looked up yet */
};

enum top_order { TOP_BY_BYTES, TOP_BY_BLOCKS, TOP_BY_GROWTH, TOP_BY_RATE };

struct top {
    struct command_line line;
    /* What the user wants. */
    enum top_order order;
    struct bytes filter; /* rows whose text has it; empty: all */
    double interval;     /* seconds */
    bool is_paused;
    bool resets;      /* growth counts from the next sample on */
    size_t first_row; /* that is shown */
    /* What was found. */
    struct top_row *rows; /* by stack */
    size_t row_count;
    struct top_row **view; /* filtered, in order */
    size_t view_count;
    unsigned level;
    uint32_t pid;
    char *program;
    uint64_t bytes, blocks, bytes_at_first;
    uint64_t stopped_ns;
    unsigned samples;
    double taken_at;  /* seconds of the monotonic clock; 0: never */
    double apart;     /* seconds between the last two samples */
};

/* Look once; names the first `visible` rows. False: the process can't be looked into; said why. */
bool top_sample(struct top *top, size_t visible);
/* Filter and sort again. */
void top_arrange(struct top *top);
void top_free(struct top *top);

int64_t top_growth(const struct top_row *row);
/* Bytes a second since the sample before; 0 of the first. */
double top_rate(const struct top *top, const struct top_row *row);

/* Of the screen below, for which ncurses is set up. */
size_t top_visible_rows(void);
/* `prompt`: what is being typed, or NULL. */
void top_draw(const struct top *top, const char *prompt);

double top_now(void);

#endif
