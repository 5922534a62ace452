/*
 * report_numbers.c - damaged bytes as the numbers that they may be. What they are nobody can tell from the
 * bytes alone; but an array of small integers or of floating point numbers looks like nothing else.
 */
#include "diag/report_render.h"

#include <string.h>

enum { SHOWN = 4, DIGITS = 6, MILLION = 1000000 };

/* Not an address, not a small integer, no bytes that are as they come: those have other exponents. */
static bool is_plausible(double value, double most)
{
    double size = value < 0 ? -value : value;
    return size >= 1e-5 && size < most;
}

static bool is_double(uint64_t bits, double *value)
{
    memcpy(value, &bits, sizeof *value);
    return is_plausible(*value, 1e15);
}

static bool is_float(uint64_t bits, double *value)
{
    uint32_t low = (uint32_t)bits;
    float number;
    memcpy(&number, &low, sizeof number);
    *value = (double)number;
    return is_plausible(*value, 1e9);
}

/* Six places behind the point, less the zeros at their end. */
static void decimal_write(struct pw_text *text, double value)
{
    if (value < 0)
        pw_text_char(text, '-');
    double size = value < 0 ? -value : value;
    if (size >= 1e9) {
        pw_text_dec(text, (uint64_t)size);
        return;
    }
    uint64_t millionths = (uint64_t)(size * MILLION + 0.5);
    pw_text_dec(text, millionths / MILLION);
    uint64_t rest = millionths % MILLION;
    if (rest == 0)
        return;
    char digits[DIGITS + 1] = {0};
    for (int i = DIGITS; i-- > 0; rest /= 10)
        digits[i] = (char)('0' + rest % 10);
    for (int i = DIGITS; digits[i - 1] == '0'; i--)
        digits[i - 1] = '\0';
    pw_text_char(text, '.');
    pw_text_str(text, digits);
}

void pw_number_as_real(struct pw_text *text, uint64_t bits, uint32_t width)
{
    double value;
    if (width == 8 ? !is_double(bits, &value) : width != 4 || !is_float(bits, &value))
        return;
    pw_text_str(text, ", ");
    decimal_write(text, value);
    pw_text_str(text, width == 8 ? " as a double" : " as a float");
}

/* A way to read a run of words; false: no such number would be there. */
struct reading {
    uint32_t width;
    bool (*is)(uint64_t bits, double *value);
    const char *words;
};

static bool is_small_wide(uint64_t bits, double *value)
{
    int64_t number = (int64_t)bits;
    *value = (double)number;
    return number > -(1ll << 32) && number < 1ll << 32;
}

static bool is_small(uint64_t bits, double *value)
{
    int32_t number = (int32_t)(uint32_t)bits;
    *value = number;
    return number > -(1 << 24) && number < 1 << 24;
}

void pw_integer_write(struct pw_text *text, uint64_t bits, uint32_t width)
{
    double value = 0;
    bool is_small_one = width == 8 ? is_small_wide(bits, &value) : width == 4 && is_small(bits, &value);
    if (is_small_one && value < 0)
        decimal_write(text, value);
    else
        pw_text_dec(text, bits);
}

static bool reads_as(const struct pw_damage *damage, const struct reading *reading, uint32_t first, uint32_t length)
{
    if ((damage->window + first) % reading->width != 0)
        return false;
    for (uint32_t i = first; i < first + length; i += reading->width) {
        uint64_t bits = 0;
        double value;
        if (i + reading->width > damage->window_bytes)
            return false;
        memcpy(&bits, damage->found + i, reading->width); /* little-endian, as in report_bytes.c */
        if (!reading->is(bits, &value))
            return false;
    }
    return true;
}

static void list_write(struct pw_text *text, const struct pw_damage *damage, const struct reading *reading,
                       uint32_t first, uint32_t length)
{
    uint32_t count = (length + reading->width - 1) / reading->width;
    pw_text_str(text, "the numbers ");
    for (uint32_t i = 0; i < count && i < SHOWN; i++) {
        uint64_t bits = 0;
        double value;
        memcpy(&bits, damage->found + first + i * reading->width, reading->width);
        (void)reading->is(bits, &value);
        pw_text_str(text, i != 0 ? ", " : "");
        decimal_write(text, value);
    }
    pw_text_str(text, count > SHOWN ? " ... " : " ");
    pw_text_str(text, reading->words);
}

bool pw_numbers_write(struct pw_text *text, const struct pw_damage *damage, uint32_t first, uint32_t length)
{
    static const struct reading readings[] = {
        {8, is_double, "as doubles"}, {8, is_small_wide, "of 8 bytes"}, {4, is_small, "of 4 bytes"}, {4, is_float, "as floats"}};
    for (size_t i = 0; i < PW_ARRAY_SIZE(readings); i++)
        if (reads_as(damage, &readings[i], first, length)) {
            list_write(text, damage, &readings[i], first, length);
            return true;
        }
    return false;
}
