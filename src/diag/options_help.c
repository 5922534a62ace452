/*
 * options_help.c - what PWHEAP_CHECK=help prints. Each option takes two lines:
 *
 * * quarantine_size_mb=8                  0..1048576 MiB, default 8 (off 0, fast 0)
 *       what it is, in one sentence
 */
#include "diag/options.h"
#include "diag/options_table.h"

#include <string.h>

enum { MARK_COLUMNS = 2, RANGE_COLUMN = 40, COLUMNS = 100, HELP_INDENT = 6 };

static void print_spaces(size_t count, struct pw_text *out)
{
    while (count-- > 0)
        pw_text_char(out, ' ');
}

static const char head[] =
    ". They are taken from these; the last one wins:\n"
    "    const char *pwheap_default_options(void), in the program\n"
    "    PWHEAP_OPTIONS=name=value:name=value...\n"
    "    PWHEAP_CHECK=LEVEL:name=value...; LEVEL is off, fast (when unset), full or guard\n"
    "Space , : tab newline separate; a value with one of them goes into quotes, ' or \".\n"
    "Those marked * may be changed while the program runs.\n";

static void print_head(const struct pw_options *o, struct pw_text *out)
{
    pw_text_str(out, "pwheap's options, as they are now at level ");
    pw_option_print_number(pw_option_find("level", strlen("level")), o->level, out);
    pw_text_str(out, head);
}

/* name=value into `left`, a path cut so that it fits on a line. */
static void print_assignment(const struct pw_options *o, const struct pw_option_info *info,
                             struct pw_text *left)
{
    pw_text_str(left, info->name);
    pw_text_char(left, '=');
    if (info->type != PW_TYPE_STRING) {
        pw_option_print_number(info, pw_option_number(o, info), left);
        return;
    }
    const char *string = pw_option_string(o, info);
    size_t room = COLUMNS - MARK_COLUMNS - left->length;
    pw_option_print_quoted(string, strlen(string), room, left);
}

/* ` (off 0, fast 0)`: the levels whose default is another one; guard only where it is not full's. */
static void print_other_levels(const struct pw_option_info *info, enum pw_level level,
                               struct pw_text *out)
{
    static const char *const names[] = {"off ", "fast ", "full ", "guard "};
    const char *before = " (";
    for (size_t i = 0; i < PW_ARRAY_SIZE(names); i++) {
        bool is_as_full = i == PW_LEVEL_GUARD && info->defaults[i] == info->defaults[PW_LEVEL_FULL];
        if (info->defaults[i] == info->defaults[level] || is_as_full)
            continue;
        pw_text_str(out, before);
        pw_text_str(out, names[i]);
        pw_option_print_number(info, info->defaults[i], out);
        before = ", ";
    }
    if (before[0] == ',')
        pw_text_char(out, ')');
}

static void print_default(const struct pw_option_info *info, enum pw_level level,
                          struct pw_text *out)
{
    pw_text_str(out, ", default ");
    if (info->type == PW_TYPE_STRING) {
        pw_text_str(out, "\"\"");
        return;
    }
    pw_option_print_number(info, info->defaults[level], out);
    print_other_levels(info, level, out);
}

static void print_option(const struct pw_options *o, const struct pw_option_info *info,
                         struct pw_text *out)
{
    char storage[COLUMNS + 1];
    struct pw_text left = pw_text_over(storage, sizeof storage);
    print_assignment(o, info, &left);
    pw_text_str(out, info->is_live ? "* " : "  ");
    pw_text_str(out, storage);
    size_t column = MARK_COLUMNS + left.length;
    if (column >= RANGE_COLUMN) {
        pw_text_char(out, '\n');
        column = 0;
    }
    print_spaces(RANGE_COLUMN - column, out);
    pw_option_print_range(info, out);
    print_default(info, o->level, out);
    pw_text_char(out, '\n');
    print_spaces(HELP_INDENT, out);
    pw_text_str(out, info->help);
    pw_text_char(out, '\n');
}

void pw_options_help(const struct pw_options *o, struct pw_text *out)
{
    print_head(o, out);
    for (size_t i = 0; i < pw_option_table_length; i++) {
        const struct pw_option_info *info = &pw_option_table[i];
        if (info->type != PW_TYPE_GROUP) {
            print_option(o, info, out);
            continue;
        }
        pw_text_char(out, '\n');
        pw_text_str(out, info->help);
        pw_text_char(out, '\n');
    }
}
