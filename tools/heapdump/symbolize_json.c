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

/* The value that `member` is to have, into `value`; left empty where nothing is known. */
static void append_value(struct symbolizer *symbolizer, enum json_member member,
                         const struct source_frame *source, struct bytes *value)
{
    const char *function;
    switch (member) {
    case JSON_FUNCTION:
        function = source_function(&symbolizer->style, source);
        if (function != NULL)
            json_string_encode(value, function);
        else
            bytes_str(value, "null");
        break;
    case JSON_FILE:
        if (source->file == NULL)
            break;
        source_path(&symbolizer->style, source, &symbolizer->path);
        json_string_encode(value, symbolizer->path.data);
        break;
    case JSON_LINE:
        if (source->line != 0)
            bytes_unsigned(value, source->line);
        break;
    case JSON_COLUMN:
        if (source->column != 0)
            bytes_unsigned(value, source->column);
        break;
    default:
        break;
    }
}

/* The member that is to be changed and comes first at or after `from`; JSON_MEMBER_COUNT: none. */
static enum json_member next_member(const struct json_frame *frame, const char *from)
{
    enum json_member next = JSON_MEMBER_COUNT;
    for (enum json_member member = JSON_FUNCTION; member < JSON_MEMBER_COUNT; member++) {
        struct span value = frame->members[member];
        if (value.length != 0 && value.at >= from &&
            (next == JSON_MEMBER_COUNT || value.at < frame->members[next].at))
            next = member;
    }
    return next;
}

/* The object as it stands but for what is known now: in its place if it has one, else at the end. */
static void append_frame(struct symbolizer *symbolizer, const struct json_frame *frame,
                         const struct source_frame *source)
{
    struct bytes *output = &symbolizer->output;
    struct bytes *value = &symbolizer->value;
    const char *from = frame->object.at;
    enum json_member member;
    while ((member = next_member(frame, from)) != JSON_MEMBER_COUNT) {
        struct span old = frame->members[member];
        bytes_clear(value);
        append_value(symbolizer, member, source, value);
        bytes_span(output, span_between(from, old.at));
        bytes_span(output, value->length != 0 ? (struct span){value->data, value->length} : old);
        from = old.at + old.length;
    }
    bytes_span(output, span_between(from, frame->object.at + frame->object.length - 1));
    for (member = JSON_FUNCTION; member < JSON_MEMBER_COUNT; member++) {
        bytes_clear(value);
        append_value(symbolizer, member, source, value);
        if (frame->members[member].length != 0 || value->length == 0)
            continue;
        bytes_char(output, ',');
        bytes_str(output, json_member_name(member));
        bytes_char(output, ':');
        bytes_span(output, (struct span){value->data, value->length});
    }
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
