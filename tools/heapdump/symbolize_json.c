/*
 * symbolize_json.c - a line of a JSON report: its frames get "function", "file", "line" and "column",
 * and where functions were inlined, an array of frames gets one more for each.
 */
#include "report_lines.h"
#include "symbolizer.h"

static bool decode(struct span json, struct bytes *text)
{
    bytes_clear(text);
    return json_string_decode(json, text);
}

/* A member that may be missing, null or no string: all of that is "". */
static const char *decode_optional(struct span json, struct bytes *text)
{
    if (!decode(json, text))
        bytes_clear(text);
    bytes_append(text, "", 0);
    return text->data;
}

/* "0x1234" */
static bool decode_offset(struct span json, uint64_t *offset)
{
    struct span text = span_after(json, 1);
    return json.length > 2 && hex_number_parse(text, offset) == text.length - 1;
}

static size_t locate(struct symbolizer *symbolizer, const struct json_frame *frame)
{
    struct code_address address;
    if (!decode(frame->members[JSON_MODULE], &symbolizer->module) || symbolizer->module.length == 0 ||
        symbolizer->module.data[0] != '/' || !decode_offset(frame->members[JSON_OFFSET], &address.offset))
        return 0;
    address.module = symbolizer->module.data;
    address.build_id = decode_optional(frame->members[JSON_BUILD_ID], &symbolizer->build_id);
    address.function = decode_optional(frame->members[JSON_FUNCTION], &symbolizer->function);
    return symbols_locate(symbolizer->symbols, &address, symbolizer->frames);
}

static void append_member(struct bytes *output, const char *name, uint64_t value)
{
    bytes_str(output, ",\"");
    bytes_str(output, name);
    bytes_str(output, "\":");
    bytes_unsigned(output, value);
}

static void append_source(struct symbolizer *symbolizer, const struct source_frame *source)
{
    struct bytes *output = &symbolizer->output;
    if (source->file == NULL)
        return;
    source_path(&symbolizer->style, source, &symbolizer->path);
    bytes_str(output, ",\"file\":");
    json_string_encode(output, symbolizer->path.data);
    if (source->line != 0)
        append_member(output, "line", source->line);
    if (source->column != 0)
        append_member(output, "column", source->column);
}

/* The object as it stands, but for the function's name, and with more members at its end. */
static void append_frame(struct symbolizer *symbolizer, const struct json_frame *frame,
                         const struct source_frame *source)
{
    struct bytes *output = &symbolizer->output;
    struct span old = frame->members[JSON_FUNCTION];
    const char *from = frame->object.at;
    const char *brace = from + frame->object.length - 1;
    const char *function = source_function(&symbolizer->style, source);
    if (function != NULL && old.length != 0) {
        bytes_span(output, span_between(from, old.at));
        json_string_encode(output, function);
        from = old.at + old.length;
    }
    bytes_span(output, span_between(from, brace));
    if (function != NULL && old.length == 0) {
        bytes_str(output, ",\"function\":");
        json_string_encode(output, function);
    }
    append_source(symbolizer, source);
    bytes_char(output, '}');
}

static void append_frames(struct symbolizer *symbolizer, const struct json_frame *frame, size_t count)
{
    if (!frame->is_in_array)
        count = 1; /* there is room for the innermost only */
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            bytes_char(&symbolizer->output, ',');
        append_frame(symbolizer, frame, &symbolizer->frames[i]);
    }
}

struct span symbolize_json(struct symbolizer *symbolizer, struct span line)
{
    struct bytes *output = &symbolizer->output;
    const char *copied = line.at;
    if (!json_frames_find(line, &symbolizer->json))
        return line;
    bytes_clear(output);
    for (size_t i = 0; i < symbolizer->json.count; i++) {
        const struct json_frame *frame = &symbolizer->json.frames[i];
        size_t count = locate(symbolizer, frame);
        if (count == 0)
            continue;
        bytes_span(output, span_between(copied, frame->object.at));
        append_frames(symbolizer, frame, count);
        copied = frame->object.at + frame->object.length;
    }
    bytes_span(output, span_between(copied, line.at + line.length));
    return (struct span){output->data, output->length};
}
