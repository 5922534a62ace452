/* symbolize_text.c - the lines of a text report; the shapes of the lines are in report_lines.h. */
#include "report_lines.h"
#include "symbolizer.h"

static const char *copy(struct bytes *bytes, struct span span)
{
    bytes_clear(bytes);
    bytes_span(bytes, span);
    return bytes->data;
}

static size_t locate(struct symbolizer *symbolizer, const struct code_place *place, struct span function)
{
    struct code_address address = {
        .module = copy(&symbolizer->module, place->path),
        .build_id = copy(&symbolizer->build_id, place->build_id),
        .function = copy(&symbolizer->function, function),
        .offset = place->offset,
    };
    return symbols_locate(symbolizer->symbols, &address, symbolizer->frames);
}

static void append_function(struct symbolizer *symbolizer, const struct source_frame *frame)
{
    const char *function = source_function(&symbolizer->style, frame);
    bytes_str(&symbolizer->output, function != NULL ? function : "??");
}

/* file:line:column */
static void append_source(struct symbolizer *symbolizer, const struct source_frame *frame)
{
    struct bytes *output = &symbolizer->output;
    source_path(&symbolizer->style, frame, &symbolizer->path);
    bytes_append(output, symbolizer->path.data, symbolizer->path.length);
    if (frame->line != 0) {
        bytes_char(output, ':');
        bytes_unsigned(output, frame->line);
    }
    if (frame->column != 0) {
        bytes_char(output, ':');
        bytes_unsigned(output, frame->column);
    }
}

static void append_number(struct symbolizer *symbolizer, const struct frame_line *frame)
{
    bytes_span(&symbolizer->output, frame->indent);
    bytes_char(&symbolizer->output, '#');
    bytes_unsigned(&symbolizer->output, (uint64_t)frame->number + symbolizer->added);
    bytes_span(&symbolizer->output, frame->pc);
}

static void append_frame(struct symbolizer *symbolizer, const struct frame_line *frame,
                         const struct source_frame *source)
{
    append_number(symbolizer, frame);
    bytes_str(&symbolizer->output, " in ");
    append_function(symbolizer, source);
    bytes_char(&symbolizer->output, ' ');
    if (source->file != NULL)
        append_source(symbolizer, source);
    else
        bytes_span(&symbolizer->output, frame->place.text);
    bytes_span(&symbolizer->output, frame->end);
}

static void append_frames(struct symbolizer *symbolizer, const struct frame_line *frame, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        append_frame(symbolizer, frame, &symbolizer->frames[i]);
        if (i + 1 < count)
            symbolizer->added++;
    }
}

static struct span symbolize_frame(struct symbolizer *symbolizer, struct span line,
                                   const struct frame_line *frame)
{
    if (frame->number == 0)
        symbolizer->added = 0;
    size_t count = frame->has_place ? locate(symbolizer, &frame->place, frame->function) : 0;
    if (count == 0 && symbolizer->added == 0)
        return line;
    bytes_clear(&symbolizer->output);
    if (count != 0) {
        append_frames(symbolizer, frame, count);
    } else {
        append_number(symbolizer, frame);
        bytes_span(&symbolizer->output,
                   span_between(frame->pc.at + frame->pc.length, line.at + line.length));
    }
    return (struct span){symbolizer->output.data, symbolizer->output.length};
}

static struct span symbolize_summary(struct symbolizer *symbolizer, struct span line,
                                     const struct summary_line *summary)
{
    struct bytes *output = &symbolizer->output;
    size_t count = locate(symbolizer, &summary->place, summary->function);
    if (count == 0)
        return line;
    size_t own = source_first_own(symbolizer->frames, count);
    const struct source_frame *innermost = &symbolizer->frames[own < count ? own : 0];
    bytes_clear(output);
    bytes_span(output, summary->head);
    bytes_char(output, ' ');
    if (innermost->file != NULL)
        append_source(symbolizer, innermost);
    else
        bytes_span(output, summary->place.text);
    bytes_str(output, " in ");
    append_function(symbolizer, innermost);
    bytes_span(output, summary->end);
    return (struct span){output->data, output->length};
}

struct span symbolize_text(struct symbolizer *symbolizer, struct span line)
{
    struct frame_line frame;
    struct summary_line summary;
    if (frame_line_parse(line, &frame))
        return symbolize_frame(symbolizer, line, &frame);
    symbolizer->added = 0;
    if (summary_line_parse(line, &summary))
        return symbolize_summary(symbolizer, line, &summary);
    return line;
}
