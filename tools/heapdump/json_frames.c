/* json_frames.c - see json_frames.h */
#include "json_frames.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DEPTH = 64 };

static const char *const member_names[] = {
    [JSON_PC] = "\"pc\"",         [JSON_MODULE] = "\"module\"",     [JSON_BUILD_ID] = "\"build_id\"",
    [JSON_OFFSET] = "\"offset\"", [JSON_FUNCTION] = "\"function\"", [JSON_FILE] = "\"file\"",
    [JSON_LINE] = "\"line\"",     [JSON_COLUMN] = "\"column\"",
};
_Static_assert(PW_ARRAY_SIZE(member_names) == JSON_MEMBER_COUNT, "a name for every member");

const char *json_member_name(enum json_member member)
{
    return member_names[member];
}

/* The text still to be read. */
struct scan {
    const char *at;
    const char *end;
    struct json_frames *found;
};

static bool scan_value(struct scan *scan, unsigned depth, bool is_in_array);

static bool take_char(struct scan *scan, char c)
{
    if (scan->at == scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

static void skip_blanks(struct scan *scan)
{
    while (scan->at < scan->end && *scan->at != '\0' && strchr(" \t\r\n", *scan->at) != NULL)
        scan->at++;
}

static bool scan_word(struct scan *scan, struct span word)
{
    if (!span_starts_with(span_between(scan->at, scan->end), word))
        return false;
    scan->at += word.length;
    return true;
}

static bool scan_digits(struct scan *scan)
{
    const char *from = scan->at;
    while (scan->at < scan->end && isdigit((unsigned char)*scan->at))
        scan->at++;
    return scan->at > from;
}

static bool scan_number(struct scan *scan)
{
    take_char(scan, '-');
    if (!take_char(scan, '0') && !scan_digits(scan))
        return false;
    if (take_char(scan, '.') && !scan_digits(scan))
        return false;
    if (!take_char(scan, 'e') && !take_char(scan, 'E'))
        return true;
    if (!take_char(scan, '+'))
        take_char(scan, '-');
    return scan_digits(scan);
}

/* Behind a backslash. */
static bool scan_escape(struct scan *scan)
{
    if (scan->at == scan->end)
        return false;
    char c = *scan->at++;
    if (c != 'u')
        return c != '\0' && strchr("\"\\/bfnrt", c) != NULL;
    for (int i = 0; i < 4; i++)
        if (scan->at == scan->end || !isxdigit((unsigned char)*scan->at++))
            return false;
    return true;
}

static bool scan_string(struct scan *scan)
{
    if (!take_char(scan, '"'))
        return false;
    while (scan->at < scan->end) {
        unsigned char c = (unsigned char)*scan->at++;
        if (c == '"')
            return true;
        if (c < 0x20 || (c == '\\' && !scan_escape(scan)))
            return false;
    }
    return false;
}

static bool is_frame(const struct json_frame *frame)
{
    struct span file = frame->members[JSON_FILE];
    return frame->members[JSON_PC].length != 0 && frame->members[JSON_MODULE].length != 0 &&
           frame->members[JSON_OFFSET].length != 0 &&
           (file.length == 0 || span_starts_with(file, SPAN("null")));
}

/* Keep `frame` if it is one; it replaces those found inside of it. */
static void keep_frame(struct json_frames *found, const struct json_frame *frame)
{
    if (!is_frame(frame))
        return;
    while (found->count > 0 && found->frames[found->count - 1].object.at > frame->object.at)
        found->count--;
    if (found->count == found->capacity) {
        found->capacity = found->capacity * 2 + 64;
        found->frames = heapdump_grow(found->frames, found->capacity, sizeof *found->frames);
    }
    found->frames[found->count++] = *frame;
}

static void keep_member(struct json_frame *frame, struct span key, struct span value)
{
    for (size_t i = 0; i < JSON_MEMBER_COUNT; i++)
        if (key.length == strlen(member_names[i]) && memcmp(key.at, member_names[i], key.length) == 0)
            frame->members[i] = value;
}

static bool scan_member(struct scan *scan, unsigned depth, struct json_frame *frame)
{
    skip_blanks(scan);
    const char *key = scan->at;
    if (!scan_string(scan))
        return false;
    const char *key_end = scan->at;
    skip_blanks(scan);
    if (!take_char(scan, ':'))
        return false;
    skip_blanks(scan);
    const char *value = scan->at;
    if (!scan_value(scan, depth, false))
        return false;
    keep_member(frame, span_between(key, key_end), span_between(value, scan->at));
    skip_blanks(scan);
    return true;
}

static bool scan_object(struct scan *scan, unsigned depth, bool is_in_array)
{
    struct json_frame frame = {.object = {scan->at, 0}, .is_in_array = is_in_array};
    scan->at++;
    skip_blanks(scan);
    if (take_char(scan, '}'))
        return true;
    do
        if (!scan_member(scan, depth, &frame))
            return false;
    while (take_char(scan, ','));
    if (!take_char(scan, '}'))
        return false;
    frame.object = span_between(frame.object.at, scan->at);
    keep_frame(scan->found, &frame);
    return true;
}

static bool scan_array(struct scan *scan, unsigned depth)
{
    scan->at++;
    skip_blanks(scan);
    if (take_char(scan, ']'))
        return true;
    do {
        skip_blanks(scan);
        if (!scan_value(scan, depth, true))
            return false;
        skip_blanks(scan);
    } while (take_char(scan, ','));
    return take_char(scan, ']');
}

static bool scan_value(struct scan *scan, unsigned depth, bool is_in_array)
{
    if (scan->at == scan->end || depth == MOST_DEPTH)
        return false;
    switch (*scan->at) {
    case '{':
        return scan_object(scan, depth + 1, is_in_array);
    case '[':
        return scan_array(scan, depth + 1);
    case '"':
        return scan_string(scan);
    case 't':
        return scan_word(scan, SPAN("true"));
    case 'f':
        return scan_word(scan, SPAN("false"));
    case 'n':
        return scan_word(scan, SPAN("null"));
    default:
        return scan_number(scan);
    }
}

bool json_frames_find(struct span text, struct json_frames *found)
{
    struct scan scan = {.at = text.at, .end = text.at + text.length, .found = found};
    found->count = 0;
    skip_blanks(&scan);
    if (!scan_value(&scan, 0, false))
        return false;
    skip_blanks(&scan);
    return scan.at == scan.end;
}

void json_frames_free(struct json_frames *found)
{
    free(found->frames);
    *found = (struct json_frames){0};
}

/* ---- strings ---- */

/* The four digits at `at`. */
static uint32_t hex4(const char *at)
{
    char digits[5] = {at[0], at[1], at[2], at[3], '\0'};
    return (uint32_t)strtoul(digits, NULL, 16);
}

static void append_utf8(struct bytes *text, uint32_t code)
{
    if (code < 0x80) {
        bytes_char(text, (char)code);
        return;
    }
    unsigned more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char heads[] = {0, 0xC0, 0xE0, 0xF0};
    bytes_char(text, (char)(heads[more] | code >> (6 * more)));
    while (more-- > 0)
        bytes_char(text, (char)(0x80 | (code >> (6 * more) & 0x3F)));
}

/* \uXXXX, or two of them that are one character. Returns how many bytes it took, 0: it can't be. */
static size_t decode_unicode(struct span text, struct bytes *out)
{
    uint32_t code = hex4(text.at + 2);
    size_t length = 6;
    if (code >= 0xDC00 && code < 0xE000)
        return 0;
    if (code >= 0xD800 && code < 0xDC00) {
        struct span second = span_after(text, 6);
        uint32_t low = span_starts_with(second, SPAN("\\u")) ? hex4(second.at + 2) : 0;
        if (low < 0xDC00 || low >= 0xE000)
            return 0;
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        length = 12;
    }
    if (code == 0)
        return 0;
    append_utf8(out, code);
    return length;
}

bool json_string_decode(struct span json, struct bytes *text)
{
    if (json.length < 2 || json.at[0] != '"')
        return false;
    struct span rest = {json.at + 1, json.length - 2};
    while (rest.length > 0) {
        size_t used = 1;
        if (rest.at[0] != '\\') {
            bytes_char(text, rest.at[0]);
        } else if (rest.at[1] == 'u') {
            used = decode_unicode(rest, text);
        } else {
            static const char letters[] = "bfnrt";
            const char *letter = strchr(letters, rest.at[1]);
            bytes_char(text, letter != NULL ? "\b\f\n\r\t"[letter - letters] : rest.at[1]);
            used = 2;
        }
        if (used == 0)
            return false;
        rest = span_after(rest, used);
    }
    return true;
}

/* The length of the UTF-8 character at `at`, that ends in a NUL; 0: it isn't one. */
static size_t utf8_length(const unsigned char *at)
{
    size_t length = at[0] < 0x80                    ? 1
                    : at[0] >= 0xC2 && at[0] < 0xE0 ? 2
                    : at[0] >= 0xE0 && at[0] < 0xF0 ? 3
                    : at[0] >= 0xF0 && at[0] < 0xF5 ? 4
                                                    : 0;
    for (size_t i = 1; i < length; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    bool is_overlong = (at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xF0 && at[1] < 0x90);
    bool is_surrogate = at[0] == 0xED && at[1] >= 0xA0;
    bool is_too_big = at[0] == 0xF4 && at[1] >= 0x90;
    return is_overlong || is_surrogate || is_too_big ? 0 : length;
}

void json_string_encode(struct bytes *json, const char *str)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *at = (const unsigned char *)str;
    bytes_char(json, '"');
    while (*at != '\0') {
        size_t length = utf8_length(at);
        if (length == 0) {
            bytes_str(json, "\xEF\xBF\xBD");
            length = 1;
        } else if (*at < 0x20) {
            bytes_str(json, "\\u00");
            bytes_char(json, digits[*at >> 4]);
            bytes_char(json, digits[*at & 15]);
        } else {
            if (*at == '"' || *at == '\\')
                bytes_char(json, '\\');
            bytes_append(json, (const char *)at, length);
        }
        at += length;
    }
    bytes_char(json, '"');
}
