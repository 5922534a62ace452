/* options_help_test.c - how options are told: the help, get and set, the name of the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "options_scene.h"

#include <stdio.h>

enum { HELP_COLUMNS = 100, HELP_BYTES = 65536 };

static char help_buffer[HELP_BYTES];

static const char *help_of(const struct pw_options *o)
{
    struct pw_text text = pw_text_over(help_buffer, sizeof help_buffer);
    pw_options_help(o, &text);
    assert_false(text.truncated);
    return help_buffer;
}

/* ---- help ---- */

/* The place of the line that starts with "* NAME=" or "  NAME=", or NULL. */
static const char *find_line(const char *help, const char *name)
{
    char start[64];
    snprintf(start, sizeof start, " %s=", name);
    for (const char *at = help; (at = strstr(at, start)) != NULL; at++)
        if (at > help + 1 && (at[-1] == ' ' || at[-1] == '*') && at[-2] == '\n')
            return at - 1;
    return NULL;
}

static void print_range_and_default(const struct pw_option_info *info, enum pw_level level,
                                    struct pw_text *text)
{
    pw_option_print_range(info, text);
    pw_text_str(text, ", default ");
    if (info->type == PW_TYPE_STRING)
        pw_text_str(text, "\"\"");
    else
        pw_option_print_number(info, info->defaults[level], text);
}

static void help_has_every_option_exactly_once_with_value_range_default_and_meaning(void **state)
{
    (void)state;
    for (int level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        pw_options_defaults(&options, (enum pw_level)level);
        const char *help = help_of(&options);
        for (size_t i = 0; i < pw_option_table_length; i++) {
            const struct pw_option_info *info = &pw_option_table[i];
            if (info->type == PW_TYPE_GROUP)
                continue;
            const char *line = find_line(help, info->name);
            assert_non_null(line);
            assert_null(find_line(line, info->name));
            assert_int_equal(line[0], info->is_live ? '*' : ' ');
            const char *end = strchr(line, '\n');
            char storage[128];
            struct pw_text expected = pw_text_over(storage, sizeof storage);
            print_range_and_default(info, (enum pw_level)level, &expected);
            const char *found = strstr(line, storage);
            assert_true(found != NULL && found < end);
            assert_memory_equal(end + 7, info->help, strlen(info->help));
            assert_int_equal(end[7 + strlen(info->help)], '\n');
        }
    }
}

static void help_names_the_levels_whose_default_is_another(void **state)
{
    (void)state;
    pw_options_defaults(&options, PW_LEVEL_FULL);
    assert_non_null(strstr(help_of(&options), "0..1048576 MiB, default 8 (off 0, fast 0)\n"));
    pw_options_defaults(&options, PW_LEVEL_FAST);
    assert_non_null(strstr(help_of(&options), "16..2048 bytes, default 16 (full 32)\n"));
}

static void help_stays_within_100_columns_of_ascii_whatever_the_values(void **state)
{
    (void)state;
    pw_options_defaults(&options, PW_LEVEL_FULL);
    memset(options.log_path, '\x1b', sizeof options.log_path - 1);
    options.log_path[sizeof options.log_path - 1] = '\0';
    memset(options.strip_path_prefix, 'a', sizeof options.strip_path_prefix - 1);
    options.strip_path_prefix[sizeof options.strip_path_prefix - 1] = '\0';
    strcpy(options.external_symbolizer_path, "/a/path/that/ends/near/the/column/of/ranges");
    options.thread_local_quarantine_size_kb = 1048576;
    options.seed = UINT64_MAX;
    size_t column = 0;
    for (const char *c = help_of(&options); *c != '\0'; c++) {
        column = *c == '\n' ? 0 : column + 1;
        assert_true(column <= HELP_COLUMNS);
        assert_true(*c == '\n' || (*c >= ' ' && *c <= '~'));
    }
    assert_int_equal(column, 0);
}

/* "name=DEFAULT " of every option that help prints, but the level. */
static void collect_defaults(const char *help, char *text, size_t size)
{
    size_t length = 0;
    for (size_t i = 0; i < pw_option_table_length; i++) {
        const struct pw_option_info *info = &pw_option_table[i];
        if (info->type == PW_TYPE_GROUP || strcmp(info->name, "level") == 0)
            continue;
        const char *value = strstr(find_line(help, info->name), ", default ") + strlen(", default ");
        int printed = snprintf(text + length, size - length, "%s=%.*s ", info->name,
                               (int)strcspn(value, " \n"), value);
        length += (size_t)printed;
        assert_true(length < size);
    }
}

static void the_defaults_that_help_prints_read_back_as_the_defaults(void **state)
{
    (void)state;
    static const char *const names[] = {"off", "fast", "full"};
    for (int level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        char text[8192];
        pw_options_defaults(&other, (enum pw_level)level);
        collect_defaults(help_of(&other), text, sizeof text);
        parse_all("log_path=x:redzone=77:color=never:halt_on_error=0:seed=4", text, names[level]);
        assert_int_equal(warnings.count, 0);
        assert_options_equal(&options, &other);
    }
}

static void the_values_that_help_prints_read_back_as_the_values(void **state)
{
    (void)state;
    parse_good("full:redzone=99:log_path='/x \"y\"':color=never:max_malloc_fill_size=unlimited");
    memcpy(&other, &options, sizeof other);
    char text[8192];
    size_t length = 0;
    const char *help = help_of(&other);
    for (size_t i = 0; i < pw_option_table_length; i++) {
        if (pw_option_table[i].type == PW_TYPE_GROUP)
            continue;
        const char *line = find_line(help, pw_option_table[i].name) + 2;
        size_t width = (size_t)(strstr(line, "  ") - line);
        memcpy(text + length, line, width);
        text[length + width] = ':';
        length += width + 1;
    }
    text[length] = '\0';
    parse_good(text);
    assert_options_equal(&options, &other);
}

static void count_bytes(void *context, const char *bytes, size_t length)
{
    (void)bytes;
    *(size_t *)context += length;
}

static void help_goes_through_a_small_buffer_that_is_flushed(void **state)
{
    (void)state;
    size_t total = 0;
    char storage[64];
    pw_options_defaults(&options, PW_LEVEL_FULL);
    struct pw_text text = pw_text_over(storage, sizeof storage);
    text.flush = count_bytes;
    text.context = &total;
    pw_options_help(&options, &text);
    pw_text_flush(&text);
    assert_int_equal(total, strlen(help_of(&options)));
}

/* ---- get and set ---- */

static void get_tells_each_value_as_the_parser_takes_it(void **state)
{
    (void)state;
    parse_good("full:log_path=/tmp/log:color=never:exitcode=0x10");
    assert_string_equal(get(&options, "level"), "full");
    assert_string_equal(get(&options, "color"), "never");
    assert_string_equal(get(&options, "exitcode"), "16");
    assert_string_equal(get(&options, "free_fill_byte"), "0xef");
    assert_string_equal(get(&options, "max_free_fill_size"), "unlimited");
    assert_string_equal(get(&options, "halt_on_error"), "1");
    assert_string_equal(get(&options, "log_path"), "/tmp/log");
}

static void get_tells_the_full_length_and_cuts_the_value(void **state)
{
    (void)state;
    char value[5] = "####";
    parse_good("full:log_path=/tmp/log");
    assert_int_equal(pw_options_get(&options, "log_path", value, 0), 8);
    assert_string_equal(value, "####");
    assert_int_equal(pw_options_get(&options, "log_path", NULL, 0), 8);
    assert_int_equal(pw_options_get(&options, "log_path", value, sizeof value), 8);
    assert_string_equal(value, "/tmp");
    assert_int_equal(pw_options_get(&options, "level", value, 1), 4);
    assert_string_equal(value, "");
}

static void get_of_no_option_is_minus_1(void **state)
{
    (void)state;
    char value[5] = "####";
    assert_int_equal(pw_options_get(&options, "redzon", value, sizeof value), -1);
    assert_int_equal(pw_options_get(&options, "", value, sizeof value), -1);
    assert_int_equal(pw_options_get(&options, NULL, value, sizeof value), -1);
    assert_string_equal(value, "####");
}

static void set_changes_what_is_live_and_nothing_else(void **state)
{
    (void)state;
    pw_options_defaults(&options, PW_LEVEL_FULL);
    assert_int_equal(pw_options_set(&options, "halt_on_error", "0"), PW_OPTION_OK);
    assert_false(options.halt_on_error);
    assert_int_equal(pw_options_set(&options, "report_format", "json"), PW_OPTION_OK);
    assert_int_equal(options.report_format, PW_REPORT_JSON);
    assert_int_equal(pw_options_set(&options, "max_allocation_size_mb", "100"), PW_OPTION_OK);
    assert_int_equal(options.max_allocation_size_mb, 100);
    memcpy(&other, &options, sizeof other);
    assert_int_equal(pw_options_set(&options, "redzone", "64"), PW_OPTION_FIXED);
    assert_int_equal(pw_options_set(&options, "level", "off"), PW_OPTION_FIXED);
    assert_int_equal(pw_options_set(&options, "log_path", "/tmp/x"), PW_OPTION_FIXED);
    assert_int_equal(pw_options_set(&options, "exitcode", "256"), PW_OPTION_BAD_VALUE);
    assert_int_equal(pw_options_set(&options, "exitcode", NULL), PW_OPTION_BAD_VALUE);
    assert_int_equal(pw_options_set(&options, "exit_code", "2"), PW_OPTION_NO_SUCH);
    assert_int_equal(pw_options_set(&options, NULL, "2"), PW_OPTION_NO_SUCH);
    assert_memory_equal(&options, &other, sizeof other);
}

/* ---- the name of the log ---- */

static const char *expand(const char *log_path, bool log_exe_name)
{
    static char storage[128];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    struct pw_log_name name = {log_path, log_exe_name, "/usr/bin/prog", 42, 7};
    assert_int_equal(pw_log_path_expand(&name, &text), PW_LOG_FILE);
    return storage;
}

static void a_log_gets_the_process_id_and_on_demand_the_program_appended(void **state)
{
    (void)state;
    assert_string_equal(expand("/tmp/log", false), "/tmp/log.42");
    assert_string_equal(expand("/tmp/log", true), "/tmp/log.prog.42");
    assert_string_equal(expand("/tmp/100%%", false), "/tmp/100%.42");
}

static void a_log_path_with_escapes_is_expanded_and_taken_as_it_is(void **state)
{
    (void)state;
    assert_string_equal(expand("/tmp/%e-%p-%n.log", false), "/tmp/prog-42-7.log");
    assert_string_equal(expand("/tmp/%p", true), "/tmp/42");
    assert_string_equal(expand("%%%p%%", false), "%42%");
}

static void an_unknown_escape_in_a_log_path_stands_for_itself(void **state)
{
    (void)state;
    assert_string_equal(expand("/tmp/%x%", false), "/tmp/%x%.42");
    assert_string_equal(expand("%", false), "%.42");
}

static void stderr_and_stdout_are_no_files(void **state)
{
    (void)state;
    char storage[16];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    struct pw_log_name name = {.log_path = NULL, .program = ""};
    assert_int_equal(pw_log_path_expand(&name, &text), PW_LOG_STDERR);
    name.log_path = "";
    assert_int_equal(pw_log_path_expand(&name, &text), PW_LOG_STDERR);
    name.log_path = "stderr";
    assert_int_equal(pw_log_path_expand(&name, &text), PW_LOG_STDERR);
    name.log_path = "stdout";
    assert_int_equal(pw_log_path_expand(&name, &text), PW_LOG_STDOUT);
    assert_int_equal(text.length, 0);
    name.log_path = "/a/path/longer/than/that";
    assert_int_equal(pw_log_path_expand(&name, &text), PW_LOG_FILE);
    assert_true(text.truncated);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_has_every_option_exactly_once_with_value_range_default_and_meaning),
        cmocka_unit_test(help_names_the_levels_whose_default_is_another),
        cmocka_unit_test(help_stays_within_100_columns_of_ascii_whatever_the_values),
        cmocka_unit_test(the_defaults_that_help_prints_read_back_as_the_defaults),
        cmocka_unit_test(the_values_that_help_prints_read_back_as_the_values),
        cmocka_unit_test(help_goes_through_a_small_buffer_that_is_flushed),
        cmocka_unit_test(get_tells_each_value_as_the_parser_takes_it),
        cmocka_unit_test(get_tells_the_full_length_and_cuts_the_value),
        cmocka_unit_test(get_of_no_option_is_minus_1),
        cmocka_unit_test(set_changes_what_is_live_and_nothing_else),
        cmocka_unit_test(a_log_gets_the_process_id_and_on_demand_the_program_appended),
        cmocka_unit_test(a_log_path_with_escapes_is_expanded_and_taken_as_it_is),
        cmocka_unit_test(an_unknown_escape_in_a_log_path_stands_for_itself),
        cmocka_unit_test(stderr_and_stdout_are_no_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
