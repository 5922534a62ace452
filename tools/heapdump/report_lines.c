/* report_lines.c - see report_lines.h */
#include "report_lines.h"

#include <ctype.h>
#include <string.h>

enum { MOST_NUMBER_DIGITS = 8, MOST_HEX_DIGITS = 16 };

static size_t count_hex_digits(struct span text)
{
    size_t count = 0;
    while (count < text.length && isxdigit((unsigned char)text.at[count]))
        count++;
    return count;
}

static size_t count_blanks(struct span text)
{
    size_t count = 0;
    while (count < text.length && text.at[count] == ' ')
        count++;
    return count;
}

static unsigned hex_digit_value(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

size_t hex_number_parse(struct span text, uint64_t *value)
{
    if (!span_starts_with(text, SPAN("0x")))
        return 0;
    struct span digits = span_after(text, 2);
    digits.length = count_hex_digits(digits);
    if (digits.length == 0 || digits.length > MOST_HEX_DIGITS)
        return 0;
    *value = 0;
    for (size_t i = 0; i < digits.length; i++)
        *value = *value << 4 | hex_digit_value(digits.at[i]);
    return digits.length + 2;
}

/* Cut the line's end off `line`. */
static struct span cut_end(struct span *line)
{
    size_t length = line->length;
    while (length > 0 && strchr("\r\n ", line->at[length - 1]) != NULL && line->at[length - 1] != '\0')
        length--;
    struct span end = span_after(*line, length);
    line->length = length;
    return end;
}

/* The first " (/" of `text`, where a place begins; NULL: none. */
static const char *find_place(struct span text)
{
    return text.length == 0 ? NULL : memmem(text.at, text.length, " (/", 3);
}

/* " (BuildId: 0123abcd)" at the start of *rest is cut off it, its digits are returned. */
static struct span take_build_id(struct span *rest)
{
    struct span head = SPAN(" (BuildId: ");
    if (!span_starts_with(*rest, head))
        return (struct span){0};
    struct span digits = span_after(*rest, head.length);
    size_t count = count_hex_digits(digits);
    if (count == digits.length || digits.at[count] != ')')
        return (struct span){0};
    *rest = span_after(digits, count + 1);
    digits.length = count;
    return digits;
}

/*
 * "+0x1234)" at `at`, the end of a place that begins at text.at, and what follows it: nothing, or
 * with `may_follow` also something after a blank. Fills `place` and *rest.
 */
static bool place_ends_at(struct span text, size_t at, bool may_follow, struct code_place *place,
                          struct span *rest)
{
    struct span tail = span_after(text, at + 1);
    size_t number = hex_number_parse(tail, &place->offset);
    if (number == 0 || number == tail.length || tail.at[number] != ')')
        return false;
    *rest = span_after(tail, number + 1);
    place->build_id = take_build_id(rest);
    place->path = span_between(text.at + 1, text.at + at);
    place->text = span_between(text.at, rest->at);
    return rest->length == 0 || (may_follow && rest->at[0] == ' ');
}

/* `text` begins with "(/". A path may itself hold "+0x1)", so the last one that fits is it. */
static bool place_parse(struct span text, bool may_follow, struct code_place *place, struct span *rest)
{
    for (size_t at = text.length; at-- > 2;)
        if (text.at[at] == '+' && place_ends_at(text, at, may_follow, place, rest))
            return memchr(place->path.at, '\0', place->path.length) == NULL;
    return false;
}

/* "#12" after blanks. 0: no, else its length with the blanks. */
static size_t take_number(struct span line, struct frame_line *frame)
{
    size_t blanks = count_blanks(line);
    struct span text = span_after(line, blanks);
    size_t digits = 0;
    if (!span_starts_with(text, SPAN("#")))
        return 0;
    frame->number = 0;
    for (; digits + 1 < text.length && isdigit((unsigned char)text.at[digits + 1]); digits++) {
        if (digits == MOST_NUMBER_DIGITS)
            return 0;
        frame->number = frame->number * 10 + (uint32_t)(text.at[digits + 1] - '0');
    }
    frame->indent = (struct span){line.at, blanks};
    return digits == 0 ? 0 : blanks + 1 + digits;
}

bool frame_line_parse(struct span line, struct frame_line *frame)
{
    *frame = (struct frame_line){0};
    frame->end = cut_end(&line);
    size_t number = take_number(line, frame);
    if (number == 0)
        return false;
    struct span text = span_after(line, number);
    size_t blanks = count_blanks(text);
    uint64_t pc;
    size_t digits = hex_number_parse(span_after(text, blanks), &pc);
    if (digits == 0)
        return false;
    frame->pc = (struct span){text.at, blanks + digits};
    struct span rest;
    text = span_after(text, frame->pc.length);
    const char *place = find_place(text);
    if (place == NULL)
        return true;
    struct span before = span_between(text.at, place);
    frame->has_place = place_parse(span_after(text, before.length + 1), false, &frame->place, &rest);
    if (span_starts_with(before, SPAN(" in ")))
        frame->function = span_after(before, 4);
    return true;
}

/* "SUMMARY: PWHeap: KIND": its length, 0: it isn't there. */
static size_t summary_head_length(struct span line)
{
    static const char *const starts[] = {"SUMMARY: PWHeap: ", "SUMMARY: AddressSanitizer: "};
    for (size_t i = 0; i < PW_ARRAY_SIZE(starts); i++) {
        struct span start = span_of(starts[i]);
        if (!span_starts_with(line, start))
            continue;
        struct span kind = span_after(line, start.length);
        const char *blank = kind.length == 0 ? NULL : memchr(kind.at, ' ', kind.length);
        return blank == NULL ? 0 : (size_t)(blank - line.at);
    }
    return 0;
}

bool summary_line_parse(struct span line, struct summary_line *summary)
{
    *summary = (struct summary_line){0};
    summary->end = cut_end(&line);
    size_t head = summary_head_length(line);
    if (head == 0)
        return false;
    summary->head = (struct span){line.at, head};
    struct span text = span_after(line, head);
    const char *place = find_place(text);
    struct span rest;
    if (place == NULL || !place_parse(span_between(place + 1, line.at + line.length), true,
                                      &summary->place, &rest))
        return false;
    if (place > text.at)
        summary->function = span_between(text.at + 1, place);
    else if (span_starts_with(rest, SPAN(" in ")))
        summary->function = span_after(rest, 4);
    return summary->function.length != 0 || rest.length == 0;
}

static bool holds(struct span line, struct span part)
{
    return line.length != 0 && memmem(line.at, line.length, part.at, part.length) != NULL;
}

/* "block before it: 0x…" or "  malloc(), 24 bytes at 0x…" */
bool brief_line_parse(struct span line)
{
    return span_starts_with(line, SPAN("block before it: ")) || span_starts_with(line, SPAN("block after it: ")) ||
           (count_blanks(line) == 2 && holds(line, SPAN(" bytes at 0x")));
}

/* "allocated by thread T0 here:" */
bool allocation_line_parse(struct span line)
{
    return span_starts_with(line, SPAN("allocated by thread ")) || span_starts_with(line, SPAN("previously allocated by thread "));
}

bool leak_line_parse(struct span line)
{
    return span_starts_with(line, SPAN("Direct leak of ")) || span_starts_with(line, SPAN("Indirect leak of "));
}

bool head_line_parse(struct span line)
{
    return span_starts_with(line, SPAN("==")) && holds(line, SPAN("==ERROR: "));
}
