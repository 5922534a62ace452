/*
 * report_style.c - what is done to a finished text on its way to the reader: colours, as
 * AddressSanitizer has them, and prefixes of paths left out. Line by line, so that the symbolizer and
 * the callback get plain text and nobody else needs to know of colours.
 */
#include "diag/report_render.h"

#include <string.h>

#define COLOR_OFF "\033[0m"
#define COLOR_ERROR "\033[1m\033[31m"
#define COLOR_ACCESS "\033[1m\033[34m"
#define COLOR_PLACE "\033[1m\033[32m"
#define COLOR_HISTORY "\033[1m\033[35m"
#define COLOR_BOLD "\033[1m"
#define COLOR_DAMAGE "\033[1m\033[31m"

struct line {
    const char *start;
    size_t length; /* without the newline */
};

static bool starts_with(struct line line, const char *prefix)
{
    size_t length = strlen(prefix);
    return length <= line.length && memcmp(line.start, prefix, length) == 0;
}

static bool contains(struct line line, const char *words)
{
    return memmem(line.start, line.length, words, strlen(words)) != NULL;
}

static bool is_frame(struct line line)
{
    return starts_with(line, "    #");
}

/* A row of the hex picture: "  0x…: …". */
static bool is_row(struct line line)
{
    return starts_with(line, "  0x");
}

static const char *color_of(struct line line)
{
    if (is_frame(line) || is_row(line))
        return NULL;
    if (starts_with(line, "==") && contains(line, "==ERROR: "))
        return COLOR_ERROR;
    if (starts_with(line, "READ ") || starts_with(line, "WRITE ") || starts_with(line, "damage found by "))
        return COLOR_ACCESS;
    if (starts_with(line, "0x") && (contains(line, " is located ") || contains(line, " lies in ")))
        return COLOR_PLACE;
    if (starts_with(line, "freed by ") || starts_with(line, "allocated by ") ||
        starts_with(line, "previously allocated by "))
        return COLOR_HISTORY;
    if (starts_with(line, "SUMMARY: ") || starts_with(line, "advice: "))
        return COLOR_BOLD;
    return NULL;
}

/* Bytes of `prefix` to leave out at `at`, where a path starts; 0 for none. */
static size_t strippable(struct line line, size_t at, const char *prefix, size_t prefix_length)
{
    bool is_path = at > 0 && (line.start[at - 1] == ' ' || line.start[at - 1] == '(');
    if (prefix_length == 0 || !is_path || line.length - at < prefix_length)
        return 0;
    return memcmp(line.start + at, prefix, prefix_length) == 0 ? prefix_length : 0;
}

static void stripped_write(struct pw_text *out, struct line line, const char *prefix)
{
    size_t prefix_length = prefix != NULL ? strlen(prefix) : 0;
    for (size_t i = 0; i < line.length; i++) {
        i += strippable(line, i, prefix, prefix_length);
        if (i < line.length)
            pw_text_char(out, line.start[i]);
    }
}

/* The damaged bytes are the ones in brackets, before the text column. */
static void row_write(struct pw_text *out, struct line line)
{
    const char *bar = memchr(line.start, '|', line.length);
    size_t bytes = bar != NULL ? (size_t)(bar - line.start) : line.length;
    for (size_t i = 0; i < bytes; i++) {
        if (line.start[i] == '[')
            pw_text_str(out, COLOR_DAMAGE);
        pw_text_char(out, line.start[i]);
        if (line.start[i] == ']')
            pw_text_str(out, COLOR_OFF);
    }
    pw_text_bytes(out, line.start + bytes, line.length - bytes);
}

static void line_write(struct pw_text *out, struct line line, const char *prefix, bool colored)
{
    const char *color = colored ? color_of(line) : NULL;
    if (color != NULL)
        pw_text_str(out, color);
    if (is_frame(line) || starts_with(line, "SUMMARY: "))
        stripped_write(out, line, prefix);
    else if (colored && is_row(line))
        row_write(out, line);
    else
        pw_text_bytes(out, line.start, line.length);
    if (color != NULL)
        pw_text_str(out, COLOR_OFF);
}

bool pw_style_is_needed(const struct pw_report_config *config, bool colored)
{
    bool strips = config->strip_path_prefix != NULL && config->strip_path_prefix[0] != '\0';
    return config->format != PW_REPORT_JSON && (colored || strips);
}

void pw_style_write(struct pw_text *out, const struct pw_report_config *config, bool colored,
                    const char *text, size_t length)
{
    const char *end = text + length;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        struct line line = {.start = text, .length = (size_t)((newline != NULL ? newline : end) - text)};
        line_write(out, line, config->strip_path_prefix, colored);
        if (newline != NULL)
            pw_text_char(out, '\n');
        text += line.length + 1;
    }
}
