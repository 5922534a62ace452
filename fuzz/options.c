/*
 * options.c - harness: strings of options.
 *
 * Input: a byte that says which of the three sources are there, then their strings, each up to a NUL.
 *
 * A crash is: a crash; a warning that is no line of printable ASCII; a value that the parser gives out and
 * doesn't take back as the same; help that lacks an option or shows another value than is set; a set at run
 * time that changes what it refuses. With the highest bit of the first byte the last string is a file of suppressions, too, with
 * the next one a file of hints, of which no more is taken than what is written there.
 */
#include "diag/log_path.h"
#include "diag/options.h"
#include "guard/hints.h"
#include "harness.h"
#include "image/suppress.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { MOST_WARNINGS = 17, STRING_BYTES = 4096 /* a page */, HELP_BYTES = 65536 };

static struct pw_options options, again;
static unsigned warnings;

static const char *const names[] = {
#define NAME_GROUP(heading)
#define NAME(name, ...) #name,
    PW_OPTION_LIST(NAME_GROUP, NAME, NAME, NAME, NAME, NAME, NAME)};

static void check_warning(void *context, const char *line)
{
    (void)context;
    FUZZ_CHECK(++warnings <= MOST_WARNINGS, "more than %d warnings", MOST_WARNINGS);
    for (const char *c = line; *c != '\0'; c++)
        FUZZ_CHECK(*c >= ' ' && *c <= '~', "a warning has the byte %d", *c);
}

/* The ends of three strings: a page that nobody can touch is behind each, so that no reader gets past its NUL. */
static char *ends[3];

static void make_room(void)
{
    enum { PAGE = 4096, PART = STRING_BYTES + PAGE };
    char *room = mmap(NULL, 3 * PART, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    FUZZ_CHECK(room != MAP_FAILED, "no memory for strings");
    for (unsigned i = 0; i < 3; i++) {
        ends[i] = room + i * PART + STRING_BYTES;
        FUZZ_CHECK(mprotect(ends[i], PAGE, PROT_NONE) == 0, "a page can't be taken away");
    }
}

/* The next string of the input, NUL-terminated, right before `end`. */
static char *take_string(struct fuzz_input *input, char *end)
{
    const uint8_t *start = input->at;
    size_t length = 0;
    while (!fuzz_ended(input) && fuzz_byte(input) != 0)
        length++;
    if (length > STRING_BYTES - 1)
        length = STRING_BYTES - 1;
    char *string = end - length - 1;
    memcpy(string, start, length);
    string[length] = '\0';
    return string;
}

/* What is given out is taken back, and is the same then. */
static void check_round_trip(void)
{
    static char value[PW_OPTION_PATH_BYTES + 1], back[PW_OPTION_PATH_BYTES + 1];
    static char text[PW_OPTION_PATH_BYTES + 64];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        long length = pw_options_get(&options, names[i], value, sizeof value);
        FUZZ_CHECK(length >= 0 && (size_t)length == strlen(value), "the value of %s has no length", names[i]);
        /* A value with both kinds of quotes can't be written in one word. */
        char quote = strchr(value, '"') == NULL ? '"' : '\'';
        if (strchr(value, quote) != NULL)
            continue;
        snprintf(text, sizeof text, "%s=%c%s%c", names[i], quote, value, quote);
        struct pw_options_sources sources = {.options_env = text};
        pw_options_parse(&again, &sources, check_warning, NULL);
        (void)pw_options_get(&again, names[i], back, sizeof back);
        FUZZ_CHECK(strcmp(value, back) == 0, "%s is %s, and taken back it is %s", text, value, back);
    }
}

/* Every option is in the help, with its value unless that is too long to be shown. */
static void check_help(void)
{
    static char help[HELP_BYTES], value[PW_OPTION_PATH_BYTES + 1], wanted[128], quoted[128];
    struct pw_text text = pw_text_over(help, sizeof help);
    pw_options_help(&options, &text);
    FUZZ_CHECK(!text.truncated, "the help is too long");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        long length = pw_options_get(&options, names[i], value, sizeof value);
        bool is_plain = length > 0 && length < 20; /* shown as it is */
        for (const char *c = value; *c != '\0'; c++)
            is_plain = is_plain && *c > ' ' && *c <= '~' && *c != '"' && *c != '\'';
        snprintf(wanted, sizeof wanted, is_plain ? "%s=%s" : "%s=", names[i], value);
        snprintf(quoted, sizeof quoted, "%s=\"%s\"", names[i], value); /* as strings are shown */
        FUZZ_CHECK(strstr(help, wanted) != NULL || strstr(help, quoted) != NULL, "the help lacks %s:\n%s",
                   wanted, help);
    }
}

/* pwheap_option_set of the last string, cut at its first '='. */
static void check_set(char *string)
{
    static char before[PW_OPTION_PATH_BYTES + 1], after[PW_OPTION_PATH_BYTES + 1];
    char *equals = strchr(string, '=');
    if (equals == NULL)
        return;
    *equals = '\0';
    before[0] = after[0] = '\0';
    (void)pw_options_get(&options, string, before, sizeof before);
    enum pw_option_status status = pw_options_set(&options, string, equals + 1);
    long known = pw_options_get(&options, string, after, sizeof after);
    FUZZ_CHECK((status == PW_OPTION_NO_SUCH) == (known < 0), "%s is known, or it is not", string);
    FUZZ_CHECK(status == PW_OPTION_OK || strcmp(before, after) == 0, "a refused value of %s was set", string);
}

/* The name of the log: with a place for the process's number, or that appended. */
static void check_log_path(void)
{
    static char expanded[PW_OPTION_PATH_BYTES + 64];
    struct pw_log_name name = {options.log_path, options.log_exe_name, "/usr/bin/program", 4711, 3};
    struct pw_text text = pw_text_over(expanded, sizeof expanded - 1);
    enum pw_log_target target = pw_log_path_expand(&name, &text);
    FUZZ_CHECK(target == PW_LOG_FILE || text.length == 0, "a log that is no file has the name %s", expanded);
    bool is_simple = strchr(options.log_path, '%') == NULL;
    if (target == PW_LOG_FILE && is_simple && !text.truncated)
        FUZZ_CHECK(text.length > 5 && memcmp(expanded + text.length - 5, ".4711", 5) == 0, "%s has no number", expanded);
}

/* The last string as a file of suppressions: patterns are parts of it, and each matches itself as a name. */
static void check_suppressions(const char *text)
{
    static struct pw_suppressions suppressions;
    size_t length = strlen(text);
    pw_suppressions_read(&suppressions, text, length);
    for (uint32_t i = 0; i < suppressions.count; i++) {
        const struct pw_suppression *one = &suppressions.all[i];
        FUZZ_CHECK(one->pattern >= text && one->pattern + one->length <= text + length, "a pattern is not of the text");
        bool is_plain = memchr(one->pattern, '*', one->length) == NULL && memchr(one->pattern, '^', one->length) == NULL &&
                        memchr(one->pattern, '$', one->length) == NULL;
        bool is_found = pw_suppressions_match(&suppressions, one->pattern, one->length) != NULL;
        FUZZ_CHECK(!is_plain || is_found, "pattern %u does not match itself", i);
    }
    (void)pw_suppressions_match(&suppressions, "main", 4);
}

/* The last string as a file of hints: each site is there as it is written, and once. */
static void check_hints(const char *text)
{
    static struct pw_hints hints;
    char line[PW_HINT_LINE_BYTES];
    size_t length = strlen(text);
    pw_hints_parse(&hints, text, length);
    FUZZ_CHECK(hints.count <= PW_HINTS_MAX, "%u hints", hints.count);
    for (uint32_t i = 0; i < hints.count; i++) {
        pw_hints_format(hints.sites[i], line);
        FUZZ_CHECK(memmem(text, length, line, sizeof line - 1) != NULL, "hint %u is not written there: %.21s", i, line);
        FUZZ_CHECK(!pw_hints_add(&hints, hints.sites[i]), "hint %u is taken twice", i);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {.at = data, .left = size};
    uint8_t which = fuzz_byte(&input);
    struct pw_options_sources sources = {.program = NULL};
    const char **places[] = {&sources.program, &sources.options_env, &sources.check_env};
    char *last = NULL;
    if (ends[0] == NULL)
        make_room();
    for (unsigned i = 0; i < 3; i++)
        if ((which >> i & 1) != 0)
            *places[i] = last = take_string(&input, ends[i]);
    warnings = 0;
    pw_options_parse(&options, &sources, check_warning, NULL);
    warnings = 0;
    check_log_path();
    /* The expensive half: for one input of four. */
    if (which % 64 / 8 % 4 == 0) {
        check_round_trip();
        check_help();
    }
    if (last != NULL && which >= 128)
        check_suppressions(last);
    if (last != NULL && which / 64 % 2 != 0)
        check_hints(last);
    if (last != NULL)
        check_set(last);
    return 0;
}
