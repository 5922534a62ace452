/*
 * options.c - the table of options, their values, and get and set. The strings that options come
 * in are read by options_parse.c.
 */
#include "diag/options.h"
#include "diag/options_table.h"

#include <string.h>

struct pw_options pw_options_storage;

#define LEVELS(off, fast, full, guard) {off, fast, full, guard}
#define PLACE(field)                                                                               \
    .name = #field, .offset = offsetof(struct pw_options, field),                                  \
    .bytes = sizeof(((struct pw_options *)NULL)->field)

#define INFO_GROUP(heading) {.type = PW_TYPE_GROUP, .name = "", .help = heading},
#define INFO_BOOL(field, values, when, text)                                                       \
    {.type = PW_TYPE_BOOL, PLACE(field), .help = text, .unit = "", .defaults = LEVELS values,      \
     .max = 1, .is_live = PW_WHEN_##when},
#define INFO_BYTE(field, values, when, text)                                                       \
    {.type = PW_TYPE_BYTE, PLACE(field), .help = text, .unit = "", .defaults = LEVELS values,      \
     .max = UINT8_MAX, .is_live = PW_WHEN_##when},
#define INFO_NUMBER(field, units, values, least, most, when, text)                                 \
    {.type = PW_TYPE_NUMBER, PLACE(field), .help = text, .unit = units, .defaults = LEVELS values, \
     .min = least, .max = most, .is_live = PW_WHEN_##when},
#define INFO_CHOICE(field, enumeration, list, values, when, text)                                  \
    {.type = PW_TYPE_CHOICE, PLACE(field), .help = text, .unit = "", .names = list,                \
     .defaults = LEVELS values, .is_live = PW_WHEN_##when},
#define INFO_STRING(field, capacity, text)                                                         \
    {.type = PW_TYPE_STRING, PLACE(field), .help = text, .unit = "bytes", .max = (capacity)-1},

const struct pw_option_info pw_option_table[] = {PW_OPTION_LIST(
    INFO_GROUP, INFO_BOOL, INFO_BYTE, INFO_NUMBER, INFO_NUMBER, INFO_CHOICE, INFO_STRING)};
const size_t pw_option_table_length = PW_ARRAY_SIZE(pw_option_table);

_Static_assert(sizeof(enum pw_level) == 4 && sizeof(enum pw_color) == 4 &&
                   sizeof(enum pw_report_format) == 4,
               "a CHOICE is stored as 32 bits");
_Static_assert(PW_LEVEL_OFF == 0 && PW_LEVEL_FAST == 1 && PW_LEVEL_FULL == 2 &&
                   PW_LEVEL_GUARD == 3 && PW_COLOR_AUTO == 0 && PW_COLOR_ALWAYS == 1 &&
                   PW_COLOR_NEVER == 2 && PW_REPORT_TEXT == 0 && PW_REPORT_JSON == 1 &&
                   PW_REPORT_ASAN == 2,
               "the names of a CHOICE are in the order of its values");

static bool is_equal(const char *a, size_t a_length, const char *b, size_t b_length)
{
    return a_length == b_length && memcmp(a, b, a_length) == 0;
}

const struct pw_option_info *pw_option_find(const char *name, size_t length)
{
    for (size_t i = 0; i < pw_option_table_length; i++) {
        const struct pw_option_info *info = &pw_option_table[i];
        if (info->type != PW_TYPE_GROUP && is_equal(info->name, strlen(info->name), name, length))
            return info;
    }
    return NULL;
}

const char *pw_option_choice(const char *names, uint64_t index, size_t *length)
{
    for (; index > 0; index--) {
        names = strchr(names, '|');
        if (names == NULL)
            return NULL;
        names++;
    }
    *length = strcspn(names, "|");
    return names;
}

/* The place of `value` among names joined by '|'; false: it is none of them. */
static bool find_choice(const char *names, const char *value, size_t length, uint64_t *number)
{
    size_t name_length;
    const char *name;
    for (uint64_t i = 0; (name = pw_option_choice(names, i, &name_length)) != NULL; i++) {
        if (is_equal(name, name_length, value, length)) {
            *number = i;
            return true;
        }
    }
    return false;
}

static bool read_bool(const char *value, size_t length, uint64_t *number)
{
    if (!find_choice("0|1|false|true|no|yes", value, length, number))
        return false;
    *number &= 1;
    return true;
}

static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A') + 10;
    return UINT32_MAX;
}

static bool read_number(const char *value, size_t length, uint64_t *number)
{
    unsigned base = 10;
    if (length > 2 && value[0] == '0' && (value[1] == 'x' || value[1] == 'X')) {
        base = 16;
        value += 2;
        length -= 2;
    }
    if (length == 0)
        return false;
    *number = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned digit = digit_value(value[i]);
        if (digit >= base || __builtin_mul_overflow(*number, base, number) ||
            __builtin_add_overflow(*number, digit, number))
            return false;
    }
    return true;
}

/* "unlimited" is a word of the options whose limit it is. */
static bool takes_unlimited(const struct pw_option_info *info)
{
    return info->type == PW_TYPE_NUMBER && info->max == PW_UNLIMITED;
}

bool pw_option_read(const struct pw_option_info *info, const char *value, size_t length,
                    uint64_t *number)
{
    if (info->type == PW_TYPE_BOOL)
        return read_bool(value, length, number);
    if (info->type == PW_TYPE_CHOICE)
        return find_choice(info->names, value, length, number);
    if (takes_unlimited(info) && find_choice("unlimited", value, length, number)) {
        *number = PW_UNLIMITED;
        return true;
    }
    return read_number(value, length, number) && *number >= info->min && *number <= info->max;
}

/* One atomic store, for other threads may read it. */
static void store_number(struct pw_options *o, const struct pw_option_info *info, uint64_t number)
{
    void *field = (char *)o + info->offset;
    if (info->bytes == sizeof(uint8_t))
        __atomic_store_n((uint8_t *)field, (uint8_t)number, __ATOMIC_RELAXED);
    else if (info->bytes == sizeof(uint32_t))
        __atomic_store_n((uint32_t *)field, (uint32_t)number, __ATOMIC_RELAXED);
    else
        __atomic_store_n((uint64_t *)field, number, __ATOMIC_RELAXED);
}

uint64_t pw_option_number(const struct pw_options *o, const struct pw_option_info *info)
{
    const void *field = (const char *)o + info->offset;
    if (info->bytes == sizeof(uint8_t))
        return __atomic_load_n((const uint8_t *)field, __ATOMIC_RELAXED);
    if (info->bytes == sizeof(uint32_t))
        return __atomic_load_n((const uint32_t *)field, __ATOMIC_RELAXED);
    return __atomic_load_n((const uint64_t *)field, __ATOMIC_RELAXED);
}

const char *pw_option_string(const struct pw_options *o, const struct pw_option_info *info)
{
    return (const char *)o + info->offset;
}

bool pw_option_assign(struct pw_options *o, const struct pw_option_info *info, const char *value,
                      size_t length)
{
    if (info->type == PW_TYPE_STRING) {
        if (length > info->max)
            return false;
        char *string = (char *)o + info->offset;
        memcpy(string, value, length);
        string[length] = '\0';
        return true;
    }
    uint64_t number;
    if (!pw_option_read(info, value, length, &number))
        return false;
    store_number(o, info, number);
    return true;
}

void pw_options_defaults(struct pw_options *o, enum pw_level level)
{
    for (size_t i = 0; i < pw_option_table_length; i++) {
        const struct pw_option_info *info = &pw_option_table[i];
        if (info->type == PW_TYPE_STRING)
            ((char *)o)[info->offset] = '\0';
        else if (info->type != PW_TYPE_GROUP)
            store_number(o, info, info->defaults[level]);
    }
    o->level = level;
}

void pw_option_print_number(const struct pw_option_info *info, uint64_t number, struct pw_text *out)
{
    size_t length;
    const char *name;
    if (info->type == PW_TYPE_BYTE) {
        pw_text_hex(out, number, 2);
    } else if (info->type == PW_TYPE_CHOICE) {
        name = pw_option_choice(info->names, number, &length);
        if (name != NULL)
            pw_text_bytes(out, name, length);
    } else if (takes_unlimited(info) && number == PW_UNLIMITED) {
        pw_text_str(out, "unlimited");
    } else {
        pw_text_dec(out, number);
    }
}

void pw_option_print_range(const struct pw_option_info *info, struct pw_text *out)
{
    if (info->type == PW_TYPE_BOOL) {
        pw_text_str(out, "0|1");
        return;
    }
    if (info->type == PW_TYPE_CHOICE) {
        pw_text_str(out, info->names);
        return;
    }
    if (info->type == PW_TYPE_STRING) {
        pw_text_str(out, "up to ");
        pw_text_dec(out, info->max);
    } else {
        pw_option_print_number(info, info->min, out);
        pw_text_str(out, "..");
        pw_option_print_number(info, info->max, out);
    }
    if (info->unit[0] != '\0') {
        pw_text_char(out, ' ');
        pw_text_str(out, info->unit);
    }
}

static size_t shown_width(char c)
{
    return c >= ' ' && c <= '~' ? 1 : 4;
}

static void print_shown(char c, struct pw_text *out)
{
    if (shown_width(c) == 1) {
        pw_text_char(out, c);
        return;
    }
    pw_text_str(out, "\\x");
    pw_text_hex_digits(out, (uint8_t)c, 2);
}

void pw_option_print_quoted(const char *bytes, size_t length, size_t columns, struct pw_text *out)
{
    char quote = memchr(bytes, '"', length) == NULL ? '"' : '\'';
    size_t room = columns - 2;
    size_t total = 0;
    for (size_t i = 0; i < length && total <= room; i++)
        total += shown_width(bytes[i]);
    bool is_cut = total > room;
    room -= is_cut ? 3 : 0;
    pw_text_char(out, quote);
    for (size_t i = 0; i < length && shown_width(bytes[i]) <= room; i++) {
        room -= shown_width(bytes[i]);
        print_shown(bytes[i], out);
    }
    pw_text_str(out, is_cut ? "..." : "");
    pw_text_char(out, quote);
}

long pw_options_get(const struct pw_options *o, const char *name, char *value, size_t size)
{
    const struct pw_option_info *info = name == NULL ? NULL : pw_option_find(name, strlen(name));
    if (info == NULL)
        return -1;
    char storage[24]; /* of the longest number or name of a value */
    struct pw_text number = pw_text_over(storage, sizeof storage);
    const char *text = storage;
    if (info->type == PW_TYPE_STRING)
        text = pw_option_string(o, info);
    else
        pw_option_print_number(info, pw_option_number(o, info), &number);
    size_t length = strlen(text);
    if (size > 0) {
        size_t taken = length < size ? length : size - 1;
        memcpy(value, text, taken);
        value[taken] = '\0';
    }
    return (long)length;
}

enum pw_option_status pw_options_set(struct pw_options *o, const char *name, const char *value)
{
    const struct pw_option_info *info = name == NULL ? NULL : pw_option_find(name, strlen(name));
    if (info == NULL)
        return PW_OPTION_NO_SUCH;
    if (!info->is_live)
        return PW_OPTION_FIXED;
    if (value == NULL || !pw_option_assign(o, info, value, strlen(value)))
        return PW_OPTION_BAD_VALUE;
    return PW_OPTION_OK;
}
