/* symbolize_text.c - the lines of a text report; the shapes of the lines are in report_lines.h. */
#include "report_lines.h"
#include "symbolizer.h"

#include "base/text.h"

enum { BRIEF_LINES = 2 };

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

static void append_function(struct symbolizer *symbolizer, struct bytes *output, const struct source_frame *frame)
{
    const char *function = source_function(&symbolizer->style, frame);
    if (function != NULL && !symbolizer->is_leak)
        function = source_short_name(function, &symbolizer->name);
    bytes_str(output, function != NULL ? function : "??");
}

/* file:line:column */
static void append_source(struct symbolizer *symbolizer, struct bytes *output, const struct source_frame *frame)
{
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
    uint64_t number = symbolizer->is_brief ? symbolizer->shown : (uint64_t)frame->number + symbolizer->added;
    bytes_span(&symbolizer->output, frame->indent);
    bytes_char(&symbolizer->output, '#');
    bytes_unsigned(&symbolizer->output, number);
    bytes_span(&symbolizer->output, frame->pc);
}

static void append_frame(struct symbolizer *symbolizer, const struct frame_line *frame,
                         const struct source_frame *source)
{
    append_number(symbolizer, frame);
    bytes_str(&symbolizer->output, " in ");
    append_function(symbolizer, &symbolizer->output, source);
    bytes_char(&symbolizer->output, ' ');
    if (source->file != NULL)
        append_source(symbolizer, &symbolizer->output, source);
    else
        bytes_span(&symbolizer->output, frame->place.text);
    bytes_span(&symbolizer->output, frame->end);
}

/* As it came, but for its number. */
static void append_same(struct symbolizer *symbolizer, const struct frame_line *frame, struct span line)
{
    append_number(symbolizer, frame);
    bytes_span(&symbolizer->output, span_between(frame->pc.at + frame->pc.length, line.at + line.length));
}

static void append_frames(struct symbolizer *symbolizer, const struct frame_line *frame, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        append_frame(symbolizer, frame, &symbolizer->frames[i]);
        if (i + 1 < count)
            symbolizer->added++;
    }
}

/* The program's own among them; where none is, the innermost. */
static void append_brief(struct symbolizer *symbolizer, const struct frame_line *frame, size_t count)
{
    size_t own = source_first_own(symbolizer->frames, count, symbolizer->shown == 0);
    for (size_t i = own < count ? own : 0; i < count && symbolizer->shown < BRIEF_LINES; i++) {
        if (i != 0 && source_first_own(&symbolizer->frames[i], 1, false) != 0)
            continue;
        append_frame(symbolizer, frame, &symbolizer->frames[i]);
        symbolizer->shown++;
    }
}

static struct span brief_frame(struct symbolizer *symbolizer, struct span line, const struct frame_line *frame,
                               size_t count)
{
    bytes_clear(&symbolizer->output);
    if (count != 0) {
        append_brief(symbolizer, frame, count);
    } else if (symbolizer->shown < BRIEF_LINES) {
        append_same(symbolizer, frame, line);
        symbolizer->shown++;
    }
    return (struct span){symbolizer->output.data, symbolizer->output.length};
}

/* "file.c:12:3 in function", into symbolizer->line; empty where the file isn't known. */
static void write_line(struct symbolizer *symbolizer, const struct source_frame *frame)
{
    bytes_clear(&symbolizer->line);
    if (frame->file == NULL)
        return;
    append_source(symbolizer, &symbolizer->line, frame);
    bytes_str(&symbolizer->line, " in ");
    append_function(symbolizer, &symbolizer->line, frame);
}

/* For the summary. A frame without debug information is taken for the program's own if its module may be. */
static void note_own(struct symbolizer *symbolizer, const struct frame_line *frame, size_t count)
{
    if (frame->number == 0)
        own_lines_begin(&symbolizer->own);
    if (!frame->has_place)
        return;
    bytes_clear(&symbolizer->line);
    size_t own = source_first_own(symbolizer->frames, count, symbolizer->is_allocation);
    bool is_own = (count == 0 || own < count) && !pw_is_path_of_runtime(copy(&symbolizer->module, frame->place.path));
    if (is_own && count == 0)
        is_own = !pw_is_name_of_library(copy(&symbolizer->function, frame->function)) &&
                 !(symbolizer->is_allocation && pw_is_name_of_allocator(symbolizer->function.data));
    if (is_own && own < count)
        write_line(symbolizer, &symbolizer->frames[own]);
    own_lines_add(&symbolizer->own, &frame->place, is_own ? &symbolizer->line : NULL);
}

static struct span symbolize_frame(struct symbolizer *symbolizer, struct span line,
                                   const struct frame_line *frame)
{
    if (frame->number == 0)
        symbolizer->added = 0;
    size_t count = frame->has_place ? locate(symbolizer, &frame->place, frame->function) : 0;
    if (symbolizer->is_brief)
        return brief_frame(symbolizer, line, frame, count);
    note_own(symbolizer, frame, count);
    if (count == 0 && symbolizer->added == 0)
        return line;
    bytes_clear(&symbolizer->output);
    if (count != 0)
        append_frames(symbolizer, frame, count);
    else
        append_same(symbolizer, frame, line);
    return (struct span){symbolizer->output.data, symbolizer->output.length};
}

/* " file.c:12:3 in function" of the frame that the summary names. */
static bool append_named(struct symbolizer *symbolizer, const struct summary_line *summary)
{
    struct bytes *output = &symbolizer->output;
    size_t count = locate(symbolizer, &summary->place, summary->function);
    if (count == 0)
        return false;
    size_t own = source_first_own(symbolizer->frames, count, false);
    const struct source_frame *innermost = &symbolizer->frames[own < count ? own : 0];
    if (innermost->file != NULL)
        append_source(symbolizer, output, innermost);
    else
        bytes_span(output, summary->place.text);
    bytes_str(output, " in ");
    append_function(symbolizer, output, innermost);
    return true;
}

static struct span symbolize_summary(struct symbolizer *symbolizer, struct span line,
                                     const struct summary_line *summary)
{
    struct bytes *output = &symbolizer->output;
    struct span own = own_lines_find(&symbolizer->own, &summary->place);
    bytes_clear(output);
    bytes_span(output, summary->head);
    bytes_char(output, ' ');
    if (own.length != 0)
        bytes_span(output, own);
    else if (!append_named(symbolizer, summary))
        return line;
    bytes_span(output, summary->end);
    return (struct span){output->data, output->length};
}

struct span symbolize_text(struct symbolizer *symbolizer, struct span line)
{
    struct frame_line frame;
    struct summary_line summary;
    if (frame_line_parse(line, &frame))
        return symbolize_frame(symbolizer, line, &frame);
    symbolizer->added = symbolizer->shown = 0;
    symbolizer->is_brief = brief_line_parse(line);
    symbolizer->is_allocation = allocation_line_parse(line);
    symbolizer->is_leak = leak_line_parse(line);
    if (head_line_parse(line))
        own_lines_clear(&symbolizer->own);
    if (summary_line_parse(line, &summary))
        return symbolize_summary(symbolizer, line, &summary);
    return line;
}

void symbolizer_free(struct symbolizer *symbolizer)
{
    bytes_free(&symbolizer->output);
    bytes_free(&symbolizer->name);
    bytes_free(&symbolizer->path);
    bytes_free(&symbolizer->line);
    own_lines_free(&symbolizer->own);
    bytes_free(&symbolizer->value);
    bytes_free(&symbolizer->module);
    bytes_free(&symbolizer->build_id);
    bytes_free(&symbolizer->function);
    json_frames_free(&symbolizer->json);
}
