/*
 * options.h - what the user may choose: read once at start-up, from strings that the caller gives.
 *
 * Runs at the very first malloc of a process: no allocation, no stdio, no locks, no system calls;
 * errno is left alone. The options themselves are in options_list.h.
 */
#ifndef PW_DIAG_OPTIONS_H
#define PW_DIAG_OPTIONS_H

#include "base/base.h"
#include "base/text.h"
#include "diag/log_path.h"
#include "diag/options_list.h"
#include "image/layout.h"
#include "os/memory.h"

enum pw_side { PW_SIDE_BOTH, PW_SIDE_RIGHT, PW_SIDE_LEFT };
enum pw_color { PW_COLOR_AUTO, PW_COLOR_ALWAYS, PW_COLOR_NEVER };
enum pw_report_format { PW_REPORT_TEXT, PW_REPORT_JSON, PW_REPORT_ASAN };

#define PW_FIELD_GROUP(heading)
#define PW_FIELD_BOOL(name, defaults, when, help) bool name;
#define PW_FIELD_BYTE(name, defaults, when, help) uint8_t name;
#define PW_FIELD_INTEGER(name, unit, defaults, min, max, when, help) uint32_t name;
#define PW_FIELD_SIZE(name, unit, defaults, min, max, when, help) uint64_t name;
#define PW_FIELD_CHOICE(name, type, names, defaults, when, help) type name;
#define PW_FIELD_STRING(name, capacity, help) char name[capacity];

/*
 * Every option by its name, in its unit. Invariant: each value is within its range, each string
 * NUL-terminated. Large (three paths): not for a small stack.
 */
struct pw_options {
    PW_OPTION_LIST(PW_FIELD_GROUP, PW_FIELD_BOOL, PW_FIELD_BYTE, PW_FIELD_INTEGER, PW_FIELD_SIZE,
                   PW_FIELD_CHOICE, PW_FIELD_STRING)
};

/*
 * The options of this process: written by start-up before the first thread, and then by
 * pw_options_set alone. All zero before that.
 */
extern struct pw_options pw_options_storage;

PW_INLINE const struct pw_options *pw_options(void)
{
    return &pw_options_storage;
}

/* Set every option to its default at `level`, and o->level to it. */
void pw_options_defaults(struct pw_options *o, enum pw_level level);

/*
 * Where options come from; a later one wins. Each is a NUL-terminated string of any bytes, or NULL.
 * Under AT_SECURE the caller leaves out what is of the environment.
 */
struct pw_options_sources {
    const char *program;     /* what pwheap_default_options() of the program gave */
    const char *options_env; /* PWHEAP_OPTIONS */
    const char *check_env;   /* PWHEAP_CHECK */
};

/*
 * Given one line, printable ASCII without prefix and newline, as pw_report_line takes it. Called
 * only when all options are set, so that it may look at log_path; the line is gone after the call.
 */
typedef void (*pw_options_warn)(void *context, const char *line);

/*
 * Set every option of `o`: the defaults of the level that the sources choose (fast when none does),
 * then what they say. Words are separated by space , : tab newline; each is name=value (the value
 * may be in ' or "), or one of off, fast, full, guard, help alone. Anything else is left out with a
 * warning; at most 16 of these, then a line that counts the rest. `warn` may be NULL.
 * When o->help is set afterwards, the caller prints pw_options_help.
 */
void pw_options_parse(struct pw_options *o, const struct pw_options_sources *sources,
                      pw_options_warn warn, void *context);

/*
 * The value of an option as the parser takes it, into `value` (cut at `size` bytes and
 * NUL-terminated; NULL when size is 0). Its full length, or -1 when there is no such option.
 * Async-signal-safe.
 */
long pw_options_get(const struct pw_options *o, const char *name, char *value, size_t size);

enum pw_option_status {
    PW_OPTION_OK,
    PW_OPTION_NO_SUCH,
    PW_OPTION_BAD_VALUE,
    PW_OPTION_FIXED /* can't be changed while the program runs */
};

/*
 * Change an option while the program runs. Readers in other threads see the old or the new value,
 * never a mix. Async-signal-safe.
 */
enum pw_option_status pw_options_set(struct pw_options *o, const char *name, const char *value);

/*
 * Every option with its value, range, unit, default and meaning, in groups, at most 100 columns
 * wide: some 7 KiB, so `out` had better have a flush function. Ends with a newline.
 */
void pw_options_help(const struct pw_options *o, struct pw_text *out);

#endif
