/*
 * options_scene.h - options parsed from strings, and what was warned of: for the tests of diag/options.h.
 * Include after cmocka.h.
 */
#ifndef PW_TESTS_OPTIONS_SCENE_H
#define PW_TESTS_OPTIONS_SCENE_H

#include "diag/options.h"
#include "diag/options_table.h"

#include <string.h>

enum { MAX_WARNINGS = 17, WARNING_BYTES = 512 };

static struct pw_options options, other;

static struct {
    char lines[MAX_WARNINGS][WARNING_BYTES];
    int count;
} warnings;

static inline void collect(void *context, const char *line)
{
    assert_ptr_equal(context, &warnings);
    assert_true(warnings.count < MAX_WARNINGS);
    assert_true(strlen(line) < WARNING_BYTES - 1);
    for (const char *c = line; *c != '\0'; c++)
        assert_true(*c >= ' ' && *c <= '~');
    strcpy(warnings.lines[warnings.count++], line);
}

static inline void parse_all(const char *program, const char *options_env, const char *check_env)
{
    struct pw_options_sources sources = {program, options_env, check_env};
    memset(&warnings, 0, sizeof warnings);
    memset(&options, 0xA5, sizeof options);
    pw_options_parse(&options, &sources, collect, &warnings);
}

static inline void parse(const char *text)
{
    parse_all(NULL, text, NULL);
}

/* Parse, and expect no warning. */
static inline void parse_good(const char *text)
{
    parse(text);
    assert_string_equal(warnings.lines[0], "");
}

/* Parse `text`, expect this warning alone. */
static inline void expect_warning(const char *text, const char *warning)
{
    parse(text);
    assert_string_equal(warnings.lines[0], warning);
    assert_int_equal(warnings.count, 1);
}

static inline const char *get(const struct pw_options *o, const char *name)
{
    static char values[4][PW_OPTION_PATH_BYTES];
    static int next;
    char *value = values[next++ % 4];
    assert_true(pw_options_get(o, name, value, PW_OPTION_PATH_BYTES) >= 0);
    return value;
}

static inline void assert_options_equal(const struct pw_options *a, const struct pw_options *b)
{
    for (size_t i = 0; i < pw_option_table_length; i++)
        if (pw_option_table[i].type != PW_TYPE_GROUP)
            assert_string_equal(get(a, pw_option_table[i].name), get(b, pw_option_table[i].name));
}

#endif
