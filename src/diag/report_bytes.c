/*
 * report_bytes.c - the picture of damaged memory, and what the bytes look like they are.
 *
 *   0x7f0000000010: 41 41 41 41 41 41 41 41[42 43 44]9c 3e 11 57 a0 |AAAAAAAABCD.>.W.|
 *         expected:                         1f 77 d2
 */
#include "diag/report_render.h"

#include "trace/modules.h"

#include <string.h>

enum { ROW = 16, ADDRESS_DIGITS = 12 };

bool pw_damage_is_shown(const struct pw_damage *damage)
{
    return damage->window_bytes != 0 && damage->window_bytes <= PW_DAMAGE_WINDOW;
}

/* True: byte `index` of the window is known to be other than it should be. */
bool pw_damage_has(const struct pw_damage *damage, uint32_t index)
{
    return index < damage->window_bytes && damage->is_known[index] != 0 &&
           damage->found[index] != damage->expected[index];
}

static bool is_printable(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7f;
}

/* What stands before cell `index` of the row at `row`; index ROW is the row's end. */
static char separator(const struct pw_damage *damage, uint32_t row, uint32_t index)
{
    bool left = index > 0 && pw_damage_has(damage, row + index - 1);
    bool right = index < ROW && pw_damage_has(damage, row + index);
    if (left == right)
        return ' ';
    return right ? '[' : ']';
}

static void found_row(struct pw_text *text, const struct pw_damage *damage, uint32_t row)
{
    pw_text_str(text, "  ");
    pw_text_hex(text, damage->window + row, ADDRESS_DIGITS);
    pw_text_char(text, ':');
    for (uint32_t i = 0; i < ROW; i++) {
        pw_text_char(text, separator(damage, row, i));
        if (row + i < damage->window_bytes)
            pw_text_hex_digits(text, damage->found[row + i], 2);
        else
            pw_text_str(text, "  ");
    }
    pw_text_char(text, separator(damage, row, ROW));
    pw_text_char(text, '|');
    for (uint32_t i = row; i < row + ROW && i < damage->window_bytes; i++)
        pw_text_char(text, is_printable(damage->found[i]) ? (char)damage->found[i] : '.');
    pw_text_str(text, "|\n");
}

/* Under a row with damage: what the damaged bytes should be. */
static void expected_row(struct pw_text *text, const struct pw_damage *damage, uint32_t row)
{
    uint32_t last = 0;
    for (uint32_t i = 0; i < ROW; i++)
        if (pw_damage_has(damage, row + i))
            last = i + 1;
    if (last == 0)
        return;
    pw_text_str(text, "        expected:");
    for (uint32_t i = 0; i < last; i++) {
        pw_text_char(text, ' ');
        if (pw_damage_has(damage, row + i))
            pw_text_hex_digits(text, damage->expected[row + i], 2);
        else
            pw_text_str(text, "  ");
    }
    pw_text_char(text, '\n');
}

/* The damaged run that the window shows, from its first damaged byte to its last: false, none. */
static bool shown_run(const struct pw_damage *damage, uint32_t *first, uint32_t *length)
{
    uint32_t end = 0;
    *first = PW_DAMAGE_WINDOW;
    for (uint32_t i = 0; i < damage->window_bytes; i++) {
        if (!pw_damage_has(damage, i))
            continue;
        if (*first == PW_DAMAGE_WINDOW)
            *first = i;
        end = i + 1;
    }
    *length = end - (end != 0 ? *first : 0);
    return end != 0;
}

static bool is_text(const uint8_t *bytes, uint32_t length)
{
    bool has_letter = false;
    for (uint32_t i = 0; i < length; i++) {
        bool is_space = bytes[i] == '\n' || bytes[i] == '\t' || bytes[i] == '\r';
        bool is_end = bytes[i] == '\0' && i + 1 == length;
        if (!is_printable(bytes[i]) && !is_space && !is_end)
            return false;
        has_letter = has_letter || is_printable(bytes[i]);
    }
    return has_letter;
}

static void quoted_write(struct pw_text *text, const uint8_t *bytes, uint32_t length)
{
    pw_text_char(text, '"');
    for (uint32_t i = 0; i < length; i++) {
        static const char specials[] = "\0\n\t\r\"\\";
        static const char names[] = "0ntr\"\\";
        const char *special = memchr(specials, bytes[i], sizeof specials - 1);
        if (special != NULL) {
            pw_text_char(text, '\\');
            pw_text_char(text, names[special - specials]);
        } else {
            pw_text_char(text, (char)bytes[i]);
        }
    }
    pw_text_char(text, '"');
}

/* "the address 0x…, 8 bytes inside of a live 24-byte block", or of the one that is reported; false: it leads to no block. */
static bool address_write(struct pw_text *text, const struct pw_fault *fault, uint64_t value)
{
    const struct pw_pointee *block = &fault->damage.pointee;
    bool is_somebodys = block->state == PW_STATE_LIVE || block->state == PW_STATE_QUARANTINED;
    if (!block->known || value < block->address)
        return false;
    uint64_t offset = value - block->address;
    pw_text_str(text, "the address ");
    pw_text_hex(text, value, 0);
    if (!is_somebodys || offset > block->size) {
        pw_text_str(text, ", of the heap");
        return true;
    }
    pw_text_str(text, ", ");
    if (offset != 0)
        pw_text_dec(text, offset);
    pw_text_str(text, offset != 0 ? " bytes inside of " : "the start of ");
    if (fault->block.known && fault->block.address == block->address) {
        pw_text_str(text, "this block itself");
        return true;
    }
    pw_text_str(text, "a ");
    pw_text_str(text, pw_state_name(block->state));
    pw_text_char(text, ' ');
    pw_text_dec(text, block->size);
    pw_text_str(text, "-byte block");
    return true;
}

/* The aligned number of 2, 4 or 8 bytes that starts where the run starts and holds it all. */
static bool number_write(struct pw_text *text, const struct pw_fault *fault, uint32_t first, uint32_t length)
{
    const struct pw_damage *damage = &fault->damage;
    uint32_t width = 1;
    while (width < length)
        width *= 2;
    uint64_t value = 0;
    if (width > 8 || (damage->window + first) % width != 0 || first + width > damage->window_bytes)
        return false;
    memcpy(&value, damage->found + first, width); /* both machines that we run on are little-endian */
    if (width == 8 && address_write(text, fault, value))
        return true;
    pw_text_str(text, "the number ");
    pw_integer_write(text, value, width);
    pw_text_str(text, " (");
    pw_text_hex(text, value, 2 * width);
    pw_text_char(text, ')');
    pw_number_as_real(text, value, width);
    const struct pw_module *module = width == 8 ? pw_modules_find(value) : NULL;
    if (module != NULL) {
        pw_text_str(text, ", an address in ");
        pw_text_str(text, module->path);
    }
    return true;
}

static bool is_zero(const uint8_t *bytes, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/*
 * What a reference count does to a freed object: one less, in its lowest byte, and nothing else. The aligned place
 * is one of its first byte.
 */
static bool count_write(struct pw_text *text, const struct pw_fault *fault, uint32_t first, uint32_t length)
{
    enum { SMALL = 4, LEAST_WIDTH = 4 };
    const struct pw_damage *damage = &fault->damage;
    int change = damage->found[first] - damage->expected[first];
    if (fault->kind != PW_KIND_USE_AFTER_FREE || length != 1 || (damage->window + first) % LEAST_WIDTH != 0 ||
        change < -SMALL || change > SMALL)
        return false;
    pw_text_str(text, "the fill ");
    pw_text_str(text, change < 0 ? "less " : "and ");
    pw_text_dec(text, (uint64_t)(change < 0 ? -change : change));
    pw_text_str(text, change < 0 ? ": a count in it that was decremented?" : " more: a count in it that was incremented?");
    return true;
}

static void meaning_write(struct pw_text *text, const struct pw_fault *fault)
{
    const struct pw_damage *damage = &fault->damage;
    bool is_next_byte = fault->kind == PW_KIND_OVERFLOW && fault->offset == 0;
    uint32_t first;
    uint32_t length;
    if (!shown_run(damage, &first, &length))
        return;
    const uint8_t *bytes = damage->found + first;
    size_t before = text->length;
    pw_text_str(text, "  found ");
    if (length == 1 && bytes[0] == 0) {
        pw_text_str(text, "one zero byte");
        pw_text_str(text, is_next_byte ? ": the end of a string that had no room for it?" : "");
    } else if (is_zero(bytes, length)) {
        pw_text_dec(text, length);
        pw_text_str(text, " zero bytes");
    } else if (is_text(bytes, length)) {
        quoted_write(text, bytes, length);
    } else if (!count_write(text, fault, first, length) && !number_write(text, fault, first, length) &&
               (length <= sizeof(uint64_t) || !pw_numbers_write(text, damage, first, length))) {
        text->length = before; /* nothing that one could name */
        text->buffer[before] = '\0';
        return;
    }
    pw_text_char(text, '\n');
}

static void extent_write(struct pw_text *text, const struct pw_damage *damage)
{
    pw_text_dec(text, damage->damaged);
    if (damage->damaged != damage->length) {
        pw_text_str(text, " of ");
        pw_text_dec(text, damage->length);
    }
    pw_text_str(text, damage->length == 1 ? " byte at " : " bytes from ");
    pw_text_hex(text, damage->start, 0);
    pw_text_str(text, damage->length == 1 ? " is" : " on are");
    pw_text_str(text, " not what pwheap left there:\n");
}

void pw_damage_write(struct pw_text *text, const struct pw_fault *fault)
{
    const struct pw_damage *damage = &fault->damage;
    if (!pw_damage_is_shown(damage))
        return;
    extent_write(text, damage);
    for (uint32_t row = 0; row < damage->window_bytes; row += ROW) {
        found_row(text, damage, row);
        expected_row(text, damage, row);
    }
    meaning_write(text, fault);
    pw_text_char(text, '\n');
}
