/*
 * options_table.h - the list of options as a table, for the parser, the help and the tests.
 *
 * Invariant: defaults are within min..max; the field has `bytes`, at `offset` of struct pw_options.
 */
#ifndef PW_DIAG_OPTIONS_TABLE_H
#define PW_DIAG_OPTIONS_TABLE_H

#include "diag/options.h"

enum pw_option_type {
    PW_TYPE_GROUP, /* no option: `help` is the heading of those that follow */
    PW_TYPE_BOOL,
    PW_TYPE_BYTE,
    PW_TYPE_NUMBER,
    PW_TYPE_CHOICE,
    PW_TYPE_STRING
};
enum { PW_WHEN_FIXED, PW_WHEN_LIVE };

struct pw_option_info {
    const char *name;  /* "" of a group */
    const char *help;
    const char *unit;  /* "" none */
    const char *names; /* CHOICE: of the values 0, 1, …, joined by '|' */
    uint64_t defaults[PW_LEVEL_GUARD + 1];
    uint64_t min;
    uint64_t max; /* STRING: most bytes without the NUL */
    uint32_t offset;
    uint32_t bytes;
    enum pw_option_type type;
    bool is_live;
};

extern const struct pw_option_info pw_option_table[];
extern const size_t pw_option_table_length;

/* The entry of an option, or NULL. */
const struct pw_option_info *pw_option_find(const char *name, size_t length);

/* The `index`th of names joined by '|' and its length, or NULL past the last. */
const char *pw_option_choice(const char *names, uint64_t index, size_t *length);
/* Read a value as a number: true when it is one of the option's. Not for strings. */
bool pw_option_read(const struct pw_option_info *info, const char *value, size_t length,
                    uint64_t *number);
/* Set the option to a value of `length` bytes. False: not a value of it, and nothing changed. */
bool pw_option_assign(struct pw_options *o, const struct pw_option_info *info, const char *value,
                      size_t length);

/* The field as a number (not of a string) / as a string (of a string only). */
uint64_t pw_option_number(const struct pw_options *o, const struct pw_option_info *info);
const char *pw_option_string(const struct pw_options *o, const struct pw_option_info *info);
/* `number` as a value of the option, as pw_option_read takes it. */
void pw_option_print_number(const struct pw_option_info *info, uint64_t number,
                            struct pw_text *out);
/* The values it takes: "0|1", "auto|always|never", "16..2048 bytes", "up to 4095 bytes". */
void pw_option_print_range(const struct pw_option_info *info, struct pw_text *out);
/*
 * Bytes from outside in quotes, fit for a terminal: what is not printable ASCII as \xHH, and "..."
 * where something is cut off, in at most `columns` columns.
 */
void pw_option_print_quoted(const char *bytes, size_t length, size_t columns, struct pw_text *out);

#endif
