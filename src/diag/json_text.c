/* json_text.c - see json_text.h */
#include "diag/json_text.h"

/* -- Strings */

/* Bytes of the valid UTF-8 sequence of more than one byte at `str` (NUL-terminated); 0: it is none. */
static size_t utf8_length(const unsigned char *str)
{
    static const struct {
        unsigned char mask, lead, least_second, most_second, length;
    } forms[] = {
        {0xFF, 0xE0, 0xA0, 0xBF, 3}, {0xFF, 0xED, 0x80, 0x9F, 3}, /* no overlong ones, no surrogates */
        {0xFF, 0xF0, 0x90, 0xBF, 4}, {0xFF, 0xF4, 0x80, 0x8F, 4}, {0xFE, 0xC0, 1, 0, 0},
        {0xE0, 0xC0, 0x80, 0xBF, 2}, {0xF0, 0xE0, 0x80, 0xBF, 3}, {0xFC, 0xF0, 0x80, 0xBF, 4},
    };
    for (size_t i = 0; i < PW_ARRAY_SIZE(forms); i++) {
        if ((str[0] & forms[i].mask) != forms[i].lead)
            continue;
        if (str[1] < forms[i].least_second || str[1] > forms[i].most_second)
            return 0;
        for (size_t k = 2; k < forms[i].length; k++)
            if ((str[k] & 0xC0) != 0x80)
                return 0;
        return forms[i].length;
    }
    return 0;
}

static void escaped_write(struct pw_text *text, unsigned char c)
{
    pw_text_str(text, "\\u00");
    pw_text_hex_digits(text, c, 2);
}

static void string_write(struct pw_text *text, const char *str)
{
    pw_text_char(text, '"');
    while (*str != '\0') {
        unsigned char c = (unsigned char)*str;
        size_t length = c >= 0x80 ? utf8_length((const unsigned char *)str) : 1;
        if (length == 0 || c < 0x20 || c == 0x7f) {
            escaped_write(text, c);
            str++;
            continue;
        }
        if (c == '"' || c == '\\')
            pw_text_char(text, '\\');
        pw_text_bytes(text, str, length);
        str += length;
    }
    pw_text_char(text, '"');
}

/* -- Members: the names are ours, so they need no escaping */

void pw_json_name(struct pw_text *text, const char *name)
{
    char last = text->length > 0 ? text->buffer[text->length - 1] : '{';
    if (last != '{' && last != '[')
        pw_text_char(text, ',');
    if (name == NULL)
        return;
    pw_text_char(text, '"');
    pw_text_str(text, name);
    pw_text_str(text, "\":");
}

void pw_json_number(struct pw_text *text, const char *name, uint64_t value)
{
    pw_json_name(text, name);
    pw_text_dec(text, value);
}

void pw_json_string(struct pw_text *text, const char *name, const char *value)
{
    pw_json_name(text, name);
    if (value != NULL)
        string_write(text, value);
    else
        pw_text_str(text, "null");
}

void pw_json_bool(struct pw_text *text, const char *name, bool value)
{
    pw_json_name(text, name);
    pw_text_str(text, value ? "true" : "false");
}

void pw_json_address(struct pw_text *text, const char *name, uint64_t value)
{
    pw_json_name(text, name);
    pw_text_char(text, '"');
    pw_text_hex(text, value, 0);
    pw_text_char(text, '"');
}

void pw_json_null(struct pw_text *text, const char *name)
{
    pw_json_name(text, name);
    pw_text_str(text, "null");
}
