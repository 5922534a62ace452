/* report_check.c - is what was told well formed (report.h)? */
#include "report.h"

#include <stdio.h>
#include <string.h>

enum { MOST_DEPTH = 16 };

/* ---- JSON: a reader of its own, for the one under test is no judge of itself */

struct reader {
    const unsigned char *at, *end;
    unsigned depth;
};

static unsigned char next_of(struct reader *reader)
{
    FUZZ_CHECK(reader->at < reader->end, "JSON that is cut");
    return *reader->at++;
}

static void take_word(struct reader *reader, const char *word)
{
    for (; *word != '\0'; word++)
        FUZZ_CHECK(next_of(reader) == (unsigned char)*word, "JSON that lacks a part of %s", word);
}

static void take_escape(struct reader *reader)
{
    unsigned char c = next_of(reader);
    if (c != 'u') {
        FUZZ_CHECK(strchr("\"\\/bfnrt", c) != NULL && c != '\0', "JSON with the escape %d", c);
        return;
    }
    for (unsigned i = 0; i < 4; i++) {
        c = next_of(reader);
        FUZZ_CHECK((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'), "JSON with \\u and %d", c);
    }
}

/* What follows the first byte of a character of UTF-8: its value, that is not one of a shorter form nor a surrogate. */
static void take_character(struct reader *reader, unsigned char first)
{
    unsigned more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    uint32_t value = first & (0x3Fu >> more), least[] = {0, 0x80, 0x800, 0x10000};
    FUZZ_CHECK(first >= 0xC0 && first < 0xF8, "JSON with the byte %#x", first);
    for (unsigned i = 0; i < more; i++) {
        unsigned char c = next_of(reader);
        FUZZ_CHECK((c & 0xC0) == 0x80, "JSON with a character that is cut by %#x", c);
        value = value << 6 | (c & 0x3F);
    }
    FUZZ_CHECK(value >= least[more] && value <= 0x10FFFF && (value < 0xD800 || value > 0xDFFF), "JSON with the character %#x",
               value);
}

static void take_string(struct reader *reader)
{
    take_word(reader, "\"");
    for (unsigned char c; (c = next_of(reader)) != '"';) {
        FUZZ_CHECK(c >= 0x20, "JSON with the byte %d in a string", c);
        if (c == '\\')
            take_escape(reader);
        else if (c >= 0x80)
            take_character(reader, c);
    }
}

static void take_number(struct reader *reader)
{
    unsigned digits = 0;
    if (*reader->at == '-')
        reader->at++;
    bool begins_with_zero = *reader->at == '0';
    for (; reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9'; reader->at++)
        digits++;
    FUZZ_CHECK(digits > 0 && (digits == 1 || !begins_with_zero), "JSON with no number at: %.20s", (const char *)reader->at);
}

static void take_value(struct reader *reader);

/* An object's or an array's members, after its opening one. */
static void take_members(struct reader *reader, char last)
{
    FUZZ_CHECK(++reader->depth <= MOST_DEPTH, "JSON deeper than %d", MOST_DEPTH);
    if (reader->at < reader->end && *reader->at == (unsigned char)last) {
        reader->at++;
        reader->depth--;
        return;
    }
    for (unsigned char c = ','; c == ',';) {
        if (last == '}') {
            take_string(reader);
            take_word(reader, ":");
        }
        take_value(reader);
        c = next_of(reader);
        FUZZ_CHECK(c == ',' || c == (unsigned char)last, "JSON with %c after a value", c);
    }
    reader->depth--;
}

static void take_value(struct reader *reader)
{
    FUZZ_CHECK(reader->at < reader->end, "JSON that is cut");
    switch (*reader->at) {
    case '{':
        reader->at++;
        take_members(reader, '}');
        break;
    case '[':
        reader->at++;
        take_members(reader, ']');
        break;
    case '"':
        take_string(reader);
        break;
    case 't':
        take_word(reader, "true");
        break;
    case 'f':
        take_word(reader, "false");
        break;
    case 'n':
        take_word(reader, "null");
        break;
    default:
        take_number(reader);
    }
}

void report_check_json(const char *text, size_t length, const char *const names[], size_t count)
{
    struct reader reader = {(const unsigned char *)text, (const unsigned char *)text + length, 0};
    FUZZ_CHECK(length > 0 && text[0] == '{', "JSON that is no object: %.100s", text);
    take_value(&reader);
    take_word(&reader, "\n");
    FUZZ_CHECK(reader.at == reader.end, "JSON with something behind it");
    for (size_t i = 0; i < count; i++) {
        char member[64];
        snprintf(member, sizeof member, "\"%s\":", names[i]);
        FUZZ_CHECK(memmem(text, length, member, strlen(member)) != NULL, "JSON without %s:\n%s", member, text);
    }
}

/* ---- text */

void report_check_printable(const char *text, size_t length, bool is_coloured)
{
    FUZZ_CHECK(length == 0 || text[length - 1] == '\n', "a report without its last newline");
    for (size_t i = 0; i < length; i++)
        FUZZ_CHECK(text[i] == '\n' || (text[i] >= ' ' && text[i] <= '~') || (is_coloured && text[i] == '\x1b'),
                   "a report with the byte %d at %zu:\n%s", text[i], i, text);
}

/* "    #0 0x… in function (module+0x…)", as asan_symbolize reads it. */
static void check_frame(const char *line, unsigned number)
{
    char begin[16];
    snprintf(begin, sizeof begin, "    #%u 0x", number);
    const char *end = strchr(line, '\n'), *module = memmem(line, (size_t)(end - line), " (", 2);
    FUZZ_CHECK(strncmp(line, begin, strlen(begin)) == 0 && module != NULL, "frame %u is no frame:\n%s", number, line);
    FUZZ_CHECK(memmem(module, (size_t)(end - module), "+0x", 3) != NULL || strncmp(module, " (<unknown module>)", 19) == 0,
               "frame %u is of no module:\n%s", number, line);
}

static void check_frames(const char *text)
{
    unsigned number = 0;
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        bool is_frame = strncmp(line, "    #", 5) == 0;
        if (is_frame)
            check_frame(line, number);
        number = is_frame ? number + 1 : 0;
    }
}

/* "SUMMARY: AddressSanitizer: kind", the kind of letters, '-', '_' and brackets. */
static void check_summary(const char *text, bool is_asan, const struct pw_fault *fault)
{
    const char *name = is_asan ? "SUMMARY: AddressSanitizer: " : "SUMMARY: PWHeap: ";
    const char *summary = strstr(text, name);
    FUZZ_CHECK(summary != NULL && summary > text && summary[-1] == '\n', "no summary:\n%s", text);
    const char *kind = summary + strlen(name);
    size_t length = strspn(kind, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-()");
    FUZZ_CHECK(length > 2 && (kind[length] == ' ' || kind[length] == '\n'), "a summary of no kind:\n%s", summary);
    FUZZ_CHECK(is_asan || strncmp(kind, pw_kind_name(fault->kind), length) == 0, "a summary of another kind:\n%s", summary);
}

void report_check_text(const char *text, const struct pw_report_config *config, const struct pw_fault *fault)
{
    bool is_asan = config->format == PW_REPORT_ASAN;
    char begin[64];
    int length = snprintf(begin, sizeof begin, "==ERROR: %s: ", is_asan ? "AddressSanitizer" : "PWHeap");
    const char *first = text + 2 + strspn(text + 2, "0123456789");
    FUZZ_CHECK(text[0] == '=' && text[1] == '=' && strncmp(first, begin, (size_t)length) == 0, "no first line:\n%s", text);
    check_frames(text);
    /* ClusterFuzz: a blank line ends the first stack. */
    FUZZ_CHECK(strstr(text, "\n\n") != NULL, "no end of the first stack:\n%s", text);
    if (config->print_summary)
        check_summary(text, is_asan, fault);
    else
        FUZZ_CHECK(strstr(text, "SUMMARY:") == NULL, "a summary that is not wanted:\n%s", text);
    bool is_access = fault->access != PW_ACCESS_NONE && (fault->kind == PW_KIND_OVERFLOW || fault->kind == PW_KIND_UNDERFLOW ||
                                                         fault->kind == PW_KIND_USE_AFTER_FREE);
    if (is_asan && is_access)
        FUZZ_CHECK(strstr(text, " of size ") != NULL && strstr(text, " of size ") < strstr(text, "\n\n"),
                   "no size of the access:\n%s", text);
}
