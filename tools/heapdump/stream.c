/* stream.c - see stream.h */
#include "stream.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    OUTPUT_BYTES = 1 << 16,
    /* Room for a longest line and a read besides, so that moving it to the front is rare. */
    INPUT_BYTES = STREAM_LINE_BYTES + (1 << 16),
};

/* After a read or write that failed: true when it is worth another try. Waits if need be. */
static bool may_retry(int fd, short events)
{
    if (errno == EINTR)
        return true;
    if (errno != EAGAIN)
        return false;
    struct pollfd wait = {.fd = fd, .events = events};
    return poll(&wait, 1, -1) >= 0 || errno == EINTR;
}

void output_flush(struct output *output)
{
    struct span rest = {output->pending.data, output->pending.length};
    while (rest.length > 0 && output->error == 0) {
        ssize_t written = write(output->fd, rest.at, rest.length);
        if (written >= 0)
            rest = span_after(rest, (size_t)written);
        else if (!may_retry(output->fd, POLLOUT))
            output->error = errno;
    }
    bytes_clear(&output->pending);
}

void output_span(struct output *output, struct span span)
{
    bytes_span(&output->pending, span);
    if (output->pending.length >= OUTPUT_BYTES)
        output_flush(output);
}

void output_free(struct output *output)
{
    bytes_free(&output->pending);
}

void input_init(struct input *input, int fd, struct output *output)
{
    *input = (struct input){.fd = fd, .output = output, .buffer = heapdump_grow(NULL, INPUT_BYTES, 1)};
}

void input_free(struct input *input)
{
    free(input->buffer);
}

static void move_to_front(struct input *input)
{
    memmove(input->buffer, input->buffer + input->start, input->end - input->start);
    input->searched -= input->start;
    input->end -= input->start;
    input->start = 0;
}

/* Read what there is. False: the end, or an error. */
static bool fill(struct input *input)
{
    if (input->start == input->end)
        input->start = input->end = input->searched = 0;
    if (input->end == INPUT_BYTES)
        move_to_front(input);
    output_flush(input->output);
    for (;;) {
        ssize_t got = read(input->fd, input->buffer + input->end, INPUT_BYTES - input->end);
        if (got > 0) {
            input->end += (size_t)got;
            return true;
        }
        if (got == 0 || !may_retry(input->fd, POLLIN)) {
            input->error = got == 0 ? 0 : errno;
            input->is_at_end = true;
            return false;
        }
    }
}

/* Hand out the next `length` bytes, which end a line or don't. */
static void take(struct input *input, struct input_line *line, size_t length, bool ends_line)
{
    bool is_short = length <= STREAM_LINE_BYTES && !input->is_in_long_line;
    *line = (struct input_line){.bytes = {input->buffer + input->start, length},
                                .is_whole = ends_line && is_short};
    input->is_in_long_line = !ends_line;
    input->start += length;
    input->searched = input->start;
}

bool input_next(struct input *input, struct input_line *line)
{
    for (;;) {
        const char *newline =
            memchr(input->buffer + input->searched, '\n', input->end - input->searched);
        size_t held = input->end - input->start;
        if (newline != NULL) {
            take(input, line, (size_t)(newline + 1 - (input->buffer + input->start)), true);
            return true;
        }
        input->searched = input->end;
        if (held >= STREAM_LINE_BYTES || (input->is_at_end && held > 0)) {
            take(input, line, held, input->is_at_end);
            return true;
        }
        if (input->is_at_end)
            return false;
        fill(input);
    }
}
