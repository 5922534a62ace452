/*
 * stream.h - lines in, bytes out, with bounded memory; any bytes, NUL too.
 *
 * What was written is handed to the descriptor when 64 KiB are together and before every wait for
 * more input, so that a filter in a pipe shows each line as soon as it has it.
 */
#ifndef PW_HEAPDUMP_STREAM_H
#define PW_HEAPDUMP_STREAM_H

#include "bytes.h"

enum { STREAM_LINE_BYTES = 1 << 20 };

struct output {
    int fd;
    int error; /* errno of the first write that failed, 0: none. After it nothing more is written. */
    struct bytes pending;
};

struct input {
    int fd;
    int error; /* errno of the read that failed, 0: none */
    bool is_at_end;
    bool is_in_long_line;
    char *buffer;
    size_t start; /* what lies from start to end is read and not yet handed out */
    size_t end;
    size_t searched; /* up to here there is no newline; start <= searched <= end */
    struct output *output; /* flushed before a wait */
};

struct input_line {
    struct span bytes; /* with its newline, where the input had one; until the next call */
    bool is_whole;     /* false: a piece of a line over STREAM_LINE_BYTES */
};

void input_init(struct input *input, int fd, struct output *output);
/* False: the end, or an error. */
bool input_next(struct input *input, struct input_line *line);
void input_free(struct input *input);

void output_span(struct output *output, struct span span);
void output_flush(struct output *output);
void output_free(struct output *output);

#endif
