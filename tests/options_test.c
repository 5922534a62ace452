/* options_test.c - the options: defaults, words, values, warnings, help, get and set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "diag/options.h"
#include "diag/options_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { HELP_COLUMNS = 100, MAX_WARNINGS = 17, WARNING_BYTES = 512, HELP_BYTES = 65536 };

static struct pw_options options, other;

static struct {
    char lines[MAX_WARNINGS][WARNING_BYTES];
    int count;
} warnings;

static void collect(void *context, const char *line)
{
    assert_ptr_equal(context, &warnings);
    assert_true(warnings.count < MAX_WARNINGS);
    assert_true(strlen(line) < WARNING_BYTES - 1);
    for (const char *c = line; *c != '\0'; c++)
        assert_true(*c >= ' ' && *c <= '~');
    strcpy(warnings.lines[warnings.count++], line);
}

static void parse_all(const char *program, const char *options_env, const char *check_env)
{
    struct pw_options_sources sources = {program, options_env, check_env};
    memset(&warnings, 0, sizeof warnings);
    memset(&options, 0xA5, sizeof options);
    pw_options_parse(&options, &sources, collect, &warnings);
}

static void parse(const char *text)
{
    parse_all(NULL, text, NULL);
}

/* Parse, and expect no warning. */
static void parse_good(const char *text)
{
    parse(text);
    assert_string_equal(warnings.lines[0], "");
}

/* Parse `text`, expect this warning alone. */
static void expect_warning(const char *text, const char *warning)
{
    parse(text);
    assert_string_equal(warnings.lines[0], warning);
    assert_int_equal(warnings.count, 1);
}

static const char *get(const struct pw_options *o, const char *name)
{
    static char values[4][PW_OPTION_PATH_BYTES];
    static int next;
    char *value = values[next++ % 4];
    assert_true(pw_options_get(o, name, value, PW_OPTION_PATH_BYTES) >= 0);
    return value;
}

static void assert_options_equal(const struct pw_options *a, const struct pw_options *b)
{
    for (size_t i = 0; i < pw_option_table_length; i++)
        if (pw_option_table[i].type != PW_TYPE_GROUP)
            assert_string_equal(get(a, pw_option_table[i].name), get(b, pw_option_table[i].name));
}

static char help_buffer[HELP_BYTES];

static const char *help_of(const struct pw_options *o)
{
    struct pw_text text = pw_text_over(help_buffer, sizeof help_buffer);
    pw_options_help(o, &text);
    assert_false(text.truncated);
    return help_buffer;
}

/* ---- defaults ---- */

static void without_any_source_the_level_is_fast_and_all_is_default(void **state)
{
    (void)state;
    parse_all(NULL, NULL, NULL);
    assert_int_equal(warnings.count, 0);
    assert_int_equal(options.level, PW_LEVEL_FAST);
    pw_options_defaults(&other, PW_LEVEL_FAST);
    assert_options_equal(&options, &other);
    parse_all("", "", "");
    assert_int_equal(warnings.count, 0);
    assert_options_equal(&options, &other);
}

static void defaults_at_off_check_nothing_but_headers(void **state)
{
    (void)state;
    pw_options_defaults(&options, PW_LEVEL_OFF);
    assert_int_equal(options.level, PW_LEVEL_OFF);
    assert_int_equal(options.quarantine_size_mb, 0);
    assert_int_equal(options.thread_local_quarantine_size_kb, 0);
    assert_int_equal(options.max_free_fill_size, 0);
    assert_false(options.alloc_dealloc_mismatch);
    assert_false(options.new_delete_type_mismatch);
    assert_false(options.patrol);
    assert_false(options.check_at_exit);
    assert_false(options.handle_segv);
    assert_true(options.halt_on_error);
}

static void defaults_at_fast_are_those_of_the_design(void **state)
{
    (void)state;
    pw_options_defaults(&options, PW_LEVEL_FAST);
    assert_int_equal(options.redzone, 16);
    assert_int_equal(options.quarantine_size_mb, 0);
    assert_int_equal(options.thread_local_quarantine_size_kb, 0);
    assert_int_equal(options.max_free_fill_size, 64);
    assert_true(options.alloc_dealloc_mismatch);
    assert_true(options.new_delete_type_mismatch);
    assert_true(options.check_at_exit);
    assert_false(options.patrol);
}

static void defaults_at_full_are_those_of_the_design(void **state)
{
    (void)state;
    pw_options_defaults(&options, PW_LEVEL_FULL);
    assert_int_equal(options.redzone, 32);
    assert_int_equal(options.quarantine_size_mb, 8);
    assert_int_equal(options.thread_local_quarantine_size_kb, 1024);
    assert_int_equal(options.malloc_fill_byte, 0xbe);
    assert_int_equal(options.max_malloc_fill_size, 0);
    assert_int_equal(options.free_fill_byte, 0xef);
    assert_true(options.max_free_fill_size == PW_UNLIMITED);
    assert_true(options.alloc_dealloc_mismatch && options.new_delete_type_mismatch);
    assert_true(options.halt_on_error && options.abort_on_error);
    assert_int_equal(options.exitcode, 1);
    assert_string_equal(options.log_path, "");
    assert_false(options.log_exe_name);
    assert_int_equal(options.color, PW_COLOR_AUTO);
    assert_int_equal(options.report_format, PW_REPORT_TEXT);
    assert_int_equal(options.malloc_context_size, 32);
    assert_true(options.allocator_may_return_null);
    assert_int_equal(options.max_allocation_size_mb, 0);
    assert_int_equal(options.seed, 0);
    assert_true(options.patrol && options.check_at_exit);
    assert_int_equal(options.validate_every, 0);
    assert_int_equal(options.symbolize_timeout_ms, 10000);
    assert_false(options.help);
}

static void every_default_is_a_value_of_its_option(void **state)
{
    (void)state;
    for (size_t i = 0; i < pw_option_table_length; i++) {
        const struct pw_option_info *info = &pw_option_table[i];
        if (info->type == PW_TYPE_GROUP || info->type == PW_TYPE_STRING)
            continue;
        for (int level = PW_LEVEL_OFF; level <= PW_LEVEL_GUARD; level++) {
            char storage[32];
            uint64_t number;
            struct pw_text text = pw_text_over(storage, sizeof storage);
            pw_option_print_number(info, info->defaults[level], &text);
            assert_true(pw_option_read(info, storage, text.length, &number));
            assert_true(number == info->defaults[level]);
        }
    }
}

static void a_string_is_never_changed_while_the_program_runs(void **state)
{
    (void)state;
    for (size_t i = 0; i < pw_option_table_length; i++)
        if (pw_option_table[i].type == PW_TYPE_STRING)
            assert_false(pw_option_table[i].is_live);
}

static void no_name_is_there_twice(void **state)
{
    (void)state;
    for (size_t i = 0; i < pw_option_table_length; i++)
        if (pw_option_table[i].type != PW_TYPE_GROUP)
            assert_ptr_equal(pw_option_find(pw_option_table[i].name, strlen(pw_option_table[i].name)),
                             &pw_option_table[i]);
}

/* ---- levels and sources ---- */

static void the_level_stands_first_in_pwheap_check_and_decides_the_defaults(void **state)
{
    (void)state;
    static const char *const names[] = {"off", "fast", "full"};
    for (int level = PW_LEVEL_OFF; level <= PW_LEVEL_FULL; level++) {
        parse_all(NULL, NULL, names[level]);
        assert_int_equal(warnings.count, 0);
        pw_options_defaults(&other, (enum pw_level)level);
        assert_options_equal(&options, &other);
    }
}

static void options_given_before_the_level_is_known_outlive_its_defaults(void **state)
{
    (void)state;
    parse_all("redzone=100", "quarantine_size_mb=7", "full:patrol=0");
    assert_int_equal(warnings.count, 0);
    assert_int_equal(options.level, PW_LEVEL_FULL);
    assert_int_equal(options.redzone, 100);
    assert_int_equal(options.quarantine_size_mb, 7);
    assert_false(options.patrol);
    assert_int_equal(options.thread_local_quarantine_size_kb, 1024);
}

static void the_later_source_wins_and_in_one_source_the_later_word(void **state)
{
    (void)state;
    parse_all("exitcode=1:redzone=21:malloc_context_size=7", "exitcode=2:redzone=22", "fast:exitcode=3");
    assert_int_equal(options.exitcode, 3);
    assert_int_equal(options.redzone, 22);
    assert_int_equal(options.malloc_context_size, 7);
    parse_good("exitcode=4:exitcode=5");
    assert_int_equal(options.exitcode, 5);
}

static void a_program_may_choose_its_level_and_the_environment_another(void **state)
{
    (void)state;
    parse_all("level=full", NULL, NULL);
    assert_int_equal(options.level, PW_LEVEL_FULL);
    parse_all("full,redzone=64", NULL, NULL);
    assert_int_equal(options.level, PW_LEVEL_FULL);
    assert_int_equal(options.redzone, 64);
    parse_all("level=full", "level=fast", NULL);
    assert_int_equal(options.level, PW_LEVEL_FAST);
    parse_all("level=full", "level=fast", "off");
    assert_int_equal(options.level, PW_LEVEL_OFF);
    parse_all("level=full", NULL, "redzone=48");
    assert_int_equal(options.level, PW_LEVEL_FULL);
    assert_int_equal(options.redzone, 48);
    assert_int_equal(warnings.count, 0);
}

static void guard_is_a_level_with_defaults_of_its_own(void **state)
{
    (void)state;
    parse_all(NULL, "level=guard", "guard:redzone=40");
    assert_int_equal(warnings.count, 0);
    assert_int_equal(options.level, PW_LEVEL_GUARD);
    assert_int_equal(options.redzone, 40);
    assert_int_equal(options.guard_quarantine_blocks, 1048576);
    assert_int_equal(options.quarantine_size_mb, 8);
    parse_all(NULL, "level=guard", "full");
    assert_int_equal(warnings.count, 0);
}

static void a_misspelt_level_keeps_the_level_and_names_the_nearest(void **state)
{
    (void)state;
    parse_all(NULL, NULL, "ful:redzone=40");
    assert_int_equal(warnings.count, 1);
    assert_string_equal(warnings.lines[0], "the level is off|fast|full|guard|help, not \"ful\" (did "
                                           "you mean \"full\"?); stays fast");
    assert_int_equal(options.level, PW_LEVEL_FAST);
    assert_int_equal(options.redzone, 40);
    parse_all("full", NULL, "1");
    assert_string_equal(warnings.lines[0],
                        "the level is off|fast|full|guard|help, not \"1\"; stays full");
    expect_warning("level=fulll", "option \"level\" is off|fast|full|guard, not \"fulll\" (did you "
                                  "mean \"full\"?); stays fast");
}

static void help_as_the_level_asks_for_help_and_keeps_the_level(void **state)
{
    (void)state;
    parse_all(NULL, NULL, "help");
    assert_int_equal(warnings.count, 0);
    assert_true(options.help);
    assert_int_equal(options.level, PW_LEVEL_FAST);
    parse_all(NULL, NULL, "full:help");
    assert_true(options.help);
    assert_int_equal(options.level, PW_LEVEL_FULL);
    parse_good("help=1");
    assert_true(options.help);
    assert_int_equal(warnings.count, 0);
}

/* ---- values ---- */

static void a_boolean_is_1_0_true_false_yes_or_no(void **state)
{
    (void)state;
    static const char *const good[] = {"0", "1", "false", "true", "no", "yes"};
    static const char *const bad[] = {"", "2", "on", "True", "y", "-1", "00", "tru", "true1", "0x1"};
    char text[64];
    for (size_t i = 0; i < PW_ARRAY_SIZE(good); i++) {
        snprintf(text, sizeof text, "halt_on_error=%s:atexit=%s", good[i], good[i]);
        parse_good(text);
        assert_int_equal(options.halt_on_error, i & 1);
        assert_int_equal(options.atexit, i & 1);
    }
    for (size_t i = 0; i < PW_ARRAY_SIZE(bad); i++) {
        char warning[128];
        snprintf(text, sizeof text, "halt_on_error=%s", bad[i]);
        snprintf(warning, sizeof warning, "option \"halt_on_error\" is 0|1, not \"%s\"; stays 1",
                 bad[i]);
        expect_warning(text, warning);
        assert_true(options.halt_on_error);
    }
}

static void an_integer_is_decimal_or_hexadecimal_within_its_range(void **state)
{
    (void)state;
    parse_good("redzone=16:validate_every=4294967295:malloc_context_size=0x40");
    assert_int_equal(options.redzone, 16);
    assert_true(options.validate_every == UINT32_MAX);
    assert_int_equal(options.malloc_context_size, 64);
    parse_good("redzone=0x800:malloc_context_size=0x3F:exitcode=010");
    assert_int_equal(options.redzone, 2048);
    assert_int_equal(options.malloc_context_size, 63);
    assert_int_equal(options.exitcode, 10);
}

static void a_bad_integer_warns_with_the_range_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "15",  "2049", "0",    "-32", "+32", "32k",
                                      "3 2", "0x",  "0xg",  "1e3",  "x20", "4294967328",
                                      "99999999999999999999999999", "18446744073709551648"};
    for (size_t i = 0; i < PW_ARRAY_SIZE(bad); i++) {
        char text[64], warning[128];
        snprintf(text, sizeof text, "redzone='%s'", bad[i]);
        snprintf(warning, sizeof warning,
                 "option \"redzone\" is 16..2048 bytes, not \"%s\"; stays 16", bad[i]);
        expect_warning(text, warning);
        assert_int_equal(options.redzone, 16);
    }
}

static void a_size_takes_unlimited_where_that_is_its_limit(void **state)
{
    (void)state;
    parse_good("max_malloc_fill_size=unlimited,max_free_fill_size=9223372036854775807");
    assert_true(options.max_malloc_fill_size == PW_UNLIMITED);
    assert_true(options.max_free_fill_size == PW_UNLIMITED);
    expect_warning("max_free_fill_size=9223372036854775808",
                   "option \"max_free_fill_size\" is 0..unlimited bytes, not "
                   "\"9223372036854775808\"; stays 64");
    expect_warning("quarantine_size_mb=unlimited",
                   "option \"quarantine_size_mb\" is 0..1048576 MiB, not \"unlimited\"; stays 0");
    parse_good("seed=18446744073709551615");
    assert_true(options.seed == UINT64_MAX);
    expect_warning("seed=18446744073709551616",
                   "option \"seed\" is 0..18446744073709551615, not \"18446744073709551616\"; "
                   "stays 0");
}

static void a_byte_is_at_most_255(void **state)
{
    (void)state;
    parse_good("malloc_fill_byte=0xFF:free_fill_byte=0");
    assert_int_equal(options.malloc_fill_byte, 255);
    assert_int_equal(options.free_fill_byte, 0);
    expect_warning("free_fill_byte=256",
                   "option \"free_fill_byte\" is 0x00..0xff, not \"256\"; stays 0xef");
}

static void a_choice_is_one_of_its_names_and_a_near_miss_is_told(void **state)
{
    (void)state;
    parse_good("color=always:report_format=json");
    assert_int_equal(options.color, PW_COLOR_ALWAYS);
    assert_int_equal(options.report_format, PW_REPORT_JSON);
    parse_good("color=never:report_format=asan");
    assert_int_equal(options.color, PW_COLOR_NEVER);
    assert_int_equal(options.report_format, PW_REPORT_ASAN);
    expect_warning("color=alwys", "option \"color\" is auto|always|never, not \"alwys\" (did you "
                                  "mean \"always\"?); stays auto");
    expect_warning("color=1", "option \"color\" is auto|always|never, not \"1\"; stays auto");
    expect_warning("color=auto|always", "option \"color\" is auto|always|never, not "
                                        "\"auto|always\" (did you mean \"always\"?); stays auto");
}

static void a_string_takes_any_bytes_up_to_its_length(void **state)
{
    (void)state;
    char text[PW_OPTION_PATH_BYTES + 32] = "log_path=";
    size_t start = strlen(text);
    memset(text + start, 'a', PW_OPTION_PATH_BYTES - 1);
    text[start] = '\xff';
    parse_good(text);
    assert_int_equal(strlen(options.log_path), PW_OPTION_PATH_BYTES - 1);
    assert_string_equal(options.log_path, text + start);
    text[start + PW_OPTION_PATH_BYTES - 1] = 'b';
    expect_warning(text, "option \"log_path\" holds up to 4095 bytes, not 4096; stays \"\"");
    assert_string_equal(options.log_path, "");
    parse_good("log_path=/tmp/x:log_path=");
    assert_string_equal(options.log_path, "");
}

static void a_bad_value_keeps_the_good_one_given_before(void **state)
{
    (void)state;
    parse_all(NULL, "redzone=64", "full:redzone=1");
    assert_int_equal(options.redzone, 64);
    assert_string_equal(warnings.lines[0],
                        "option \"redzone\" is 16..2048 bytes, not \"1\"; stays 64");
}

/* ---- words ---- */

static void words_are_separated_by_space_comma_colon_tab_and_newline(void **state)
{
    (void)state;
    parse_good("redzone=20 exitcode=2,malloc_context_size=3:patrol=1\tatexit=1\nseed=9");
    assert_int_equal(options.redzone, 20);
    assert_int_equal(options.exitcode, 2);
    assert_int_equal(options.malloc_context_size, 3);
    assert_true(options.patrol && options.atexit);
    assert_int_equal(options.seed, 9);
    parse_good(" :,\t\n redzone=20 , : exitcode=2 ::");
    assert_int_equal(options.redzone, 20);
    assert_int_equal(options.exitcode, 2);
    parse_good(" :,\t\n ");
}

static void a_value_in_quotes_may_hold_separators_and_the_other_quote(void **state)
{
    (void)state;
    parse_good("log_path=\"/tmp/a:b, c\td'\":strip_path_prefix='x=\"y\"',redzone='64'");
    assert_string_equal(options.log_path, "/tmp/a:b, c\td'");
    assert_string_equal(options.strip_path_prefix, "x=\"y\"");
    assert_int_equal(options.redzone, 64);
    parse_good("log_path=''");
    assert_string_equal(options.log_path, "");
    parse_good("log_path=/tmp/it's");
    assert_string_equal(options.log_path, "/tmp/it's");
}

static void a_quote_that_is_not_closed_warns_and_ends_the_source(void **state)
{
    (void)state;
    parse_all(NULL, "log_path=\"/tmp/x:redzone=64", "full");
    assert_int_equal(warnings.count, 1);
    assert_string_equal(warnings.lines[0],
                        "option \"log_path\": the closing quote is missing; stays \"\"");
    assert_int_equal(options.redzone, 32);
}

static void text_right_after_a_closing_quote_warns(void **state)
{
    (void)state;
    expect_warning(
        "log_path=\"/tmp/x\"y:redzone=64",
        "option \"log_path\": a separator must follow the closing quote; stays \"\"");
    assert_int_equal(options.redzone, 64);
}

static void an_option_without_a_value_warns(void **state)
{
    (void)state;
    expect_warning("redzone", "option \"redzone\" has no value; stays 16");
    parse_all(NULL, NULL, "full redzone");
    assert_string_equal(warnings.lines[0], "option \"redzone\" has no value; stays 32");
}

/* ---- unknown names ---- */

static void an_unknown_option_names_the_nearest_known_one(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"quarantin_size_mb", "quarantine_size_mb"}, {"quarantine_mb", "quarantine_size_mb"},
        {"halt-on-error", "halt_on_error"},          {"logpath", "log_path"},
        {"colour", "color"},                         {"handle_sgv", "handle_segv"},
        {"REDZONE", "redzone"},                      {"max_free_fill_sizes", "max_free_fill_size"}};
    for (size_t i = 0; i < PW_ARRAY_SIZE(pairs); i++) {
        char text[64], warning[128];
        snprintf(text, sizeof text, "%s=1", pairs[i][0]);
        snprintf(warning, sizeof warning, "unknown option \"%s\"; did you mean \"%s\"?", pairs[i][0],
                 pairs[i][1]);
        expect_warning(text, warning);
    }
}

static void a_name_that_is_like_none_points_to_the_help_as_well(void **state)
{
    (void)state;
    parse("xyzzyxyzzy=1");
    assert_int_equal(warnings.count, 1);
    assert_non_null(strstr(warnings.lines[0], "unknown option \"xyzzyxyzzy\"; the nearest is \""));
    assert_non_null(strstr(warnings.lines[0], "PWHEAP_CHECK=help lists them all"));
}

static void options_of_what_is_not_built_are_unknown(void **state)
{
    (void)state;
    static const char *const names[] = {"max_heap_profile_size", "soft_rss_limit_mb"};
    for (size_t i = 0; i < PW_ARRAY_SIZE(names); i++) {
        char text[64], warning[64];
        snprintf(text, sizeof text, "%s=1", names[i]);
        snprintf(warning, sizeof warning, "unknown option \"%s\"; ", names[i]);
        parse(text);
        assert_int_equal(warnings.count, 1);
        assert_ptr_equal(strstr(warnings.lines[0], warning), warnings.lines[0]);
    }
}

static void after_16_warnings_the_rest_is_counted(void **state)
{
    (void)state;
    parse("a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1 j=1 k=1 l=1 m=1 n=1 o=1 p=1");
    assert_int_equal(warnings.count, 16);
    parse_all("a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1", "i=1 j=1 k=1 l=1 m=1 n=1 o=1 p=1", "guard:q=1:r=1");
    assert_int_equal(warnings.count, 17);
    assert_string_equal(warnings.lines[16], "2 more warnings about options, left out");
}

static void what_a_warning_quotes_is_printable_and_short(void **state)
{
    (void)state;
    expect_warning("color=\x1b[31m\xff", "option \"color\" is auto|always|never, not "
                                         "\"\\x1b[31m\\xff\"; stays auto");
    char text[1024];
    memset(text, '\x01', sizeof text);
    memcpy(text, "color=", 6);
    text[sizeof text - 1] = '\0';
    parse(text);
    assert_int_equal(warnings.count, 1);
    assert_non_null(strstr(warnings.lines[0], "\\x01...\"; stays auto"));
    memset(text, 'n', sizeof text - 1);
    parse(text);
    assert_non_null(strstr(warnings.lines[0], "nnn...\"; the nearest is \""));
}

static bool warned_when_set;
static void look_at_the_options(void *context, const char *line)
{
    (void)context;
    (void)line;
    warned_when_set = strcmp(options.log_path, "/tmp/log") == 0 && options.redzone == 99;
}

static void all_options_are_set_when_the_first_warning_comes(void **state)
{
    (void)state;
    struct pw_options_sources sources = {"bad=1", "log_path=/tmp/log", "full:redzone=99"};
    warned_when_set = false;
    pw_options_parse(&options, &sources, look_at_the_options, NULL);
    assert_true(warned_when_set);
}

static void without_a_writer_of_warnings_the_values_are_the_same(void **state)
{
    (void)state;
    struct pw_options_sources sources = {"bad=1:redzone=1", "redzone=70:level=guard", "=:x"};
    parse_all(sources.program, sources.options_env, sources.check_env);
    pw_options_parse(&other, &sources, NULL, NULL);
    assert_options_equal(&options, &other);
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

/* ---- any bytes ---- */

enum { FUZZ_ROUNDS = 100000, FUZZ_BYTES = 300 };

static size_t random_below(uint64_t *random, size_t limit)
{
    return (size_t)(pw_random_next(random) % limit);
}

/* A piece of a source: an option's name, a word that matters to the parser, or any bytes. */
static size_t random_piece(uint64_t *random, char *piece, size_t size)
{
    static const char *const words[] = {"=", ":", "=", ":", "\"", "'", ",", "\n", "full", "guard",
                                        "off", "help", "level=", "1", "0", "0x", "unlimited", "yes",
                                        "99999999999999999999", "always", "16", "-1", "|", "%p"};
    const char *word = words[random_below(random, PW_ARRAY_SIZE(words))];
    size_t kind = random_below(random, 8);
    if (kind < 3)
        word = pw_option_table[random_below(random, pw_option_table_length)].name;
    if (kind < 7)
        return (size_t)snprintf(piece, size, "%s", word);
    size_t length = random_below(random, 9);
    for (size_t i = 0; i < length; i++)
        piece[i] = (char)(1 + random_below(random, 255));
    return length;
}

/* A random string that ends right before `end`. */
static const char *random_source(uint64_t *random, char *end)
{
    char text[FUZZ_BYTES + 64];
    size_t length = 0;
    for (size_t pieces = random_below(random, 20); pieces > 0 && length < FUZZ_BYTES; pieces--)
        length += random_piece(random, text + length, 64);
    text[length] = '\0';
    return memcpy(end - length - 1, text, length + 1);
}

/* Two pages of which the second can't be touched: the end of the first. */
static char *page_end(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
    return pages + page;
}

static void assert_all_within_range(const struct pw_options *o)
{
    assert_true(o->level <= PW_LEVEL_GUARD);
    for (size_t i = 0; i < pw_option_table_length; i++) {
        const struct pw_option_info *info = &pw_option_table[i];
        char storage[32];
        uint64_t number;
        if (info->type == PW_TYPE_GROUP)
            continue;
        if (info->type == PW_TYPE_STRING) {
            assert_true(memchr(pw_option_string(o, info), '\0', info->bytes) != NULL);
            continue;
        }
        struct pw_text text = pw_text_over(storage, sizeof storage);
        pw_option_print_number(info, pw_option_number(o, info), &text);
        assert_true(pw_option_read(info, storage, text.length, &number));
        assert_true(number == pw_option_number(o, info));
    }
}

static void any_strings_give_valid_options_and_no_byte_outside_them_is_read(void **state)
{
    (void)state;
    const char *given = getenv("PWHEAP_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    print_message("PWHEAP_TEST_SEED=%llu\n", (unsigned long long)seed);
    uint64_t random = seed;
    char *ends[3] = {page_end(), page_end(), page_end()};
    for (int round = 0; round < FUZZ_ROUNDS; round++) {
        errno = 12345;
        parse_all(random_source(&random, ends[0]), random_source(&random, ends[1]),
                  random_source(&random, ends[2]));
        assert_int_equal(errno, 12345);
        assert_all_within_range(&options);
    }
}

static void a_very_long_source_is_read_in_linear_time(void **state)
{
    (void)state;
    enum { BYTES = 1 << 20 };
    char *text = malloc(BYTES);
    assert_non_null(text);
    static const char bytes[] = {'=', ':', '"', 'a', ' ', '\''};
    for (size_t i = 0; i < sizeof bytes; i++) {
        memset(text, bytes[i], BYTES - 1);
        text[BYTES - 1] = '\0';
        parse(text);
        assert_true(warnings.count <= MAX_WARNINGS);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_any_source_the_level_is_fast_and_all_is_default),
        cmocka_unit_test(defaults_at_off_check_nothing_but_headers),
        cmocka_unit_test(defaults_at_fast_are_those_of_the_design),
        cmocka_unit_test(defaults_at_full_are_those_of_the_design),
        cmocka_unit_test(every_default_is_a_value_of_its_option),
        cmocka_unit_test(a_string_is_never_changed_while_the_program_runs),
        cmocka_unit_test(no_name_is_there_twice),
        cmocka_unit_test(the_level_stands_first_in_pwheap_check_and_decides_the_defaults),
        cmocka_unit_test(options_given_before_the_level_is_known_outlive_its_defaults),
        cmocka_unit_test(the_later_source_wins_and_in_one_source_the_later_word),
        cmocka_unit_test(a_program_may_choose_its_level_and_the_environment_another),
        cmocka_unit_test(guard_is_a_level_with_defaults_of_its_own),
        cmocka_unit_test(a_misspelt_level_keeps_the_level_and_names_the_nearest),
        cmocka_unit_test(help_as_the_level_asks_for_help_and_keeps_the_level),
        cmocka_unit_test(a_boolean_is_1_0_true_false_yes_or_no),
        cmocka_unit_test(an_integer_is_decimal_or_hexadecimal_within_its_range),
        cmocka_unit_test(a_bad_integer_warns_with_the_range_and_changes_nothing),
        cmocka_unit_test(a_size_takes_unlimited_where_that_is_its_limit),
        cmocka_unit_test(a_byte_is_at_most_255),
        cmocka_unit_test(a_choice_is_one_of_its_names_and_a_near_miss_is_told),
        cmocka_unit_test(a_string_takes_any_bytes_up_to_its_length),
        cmocka_unit_test(a_bad_value_keeps_the_good_one_given_before),
        cmocka_unit_test(words_are_separated_by_space_comma_colon_tab_and_newline),
        cmocka_unit_test(a_value_in_quotes_may_hold_separators_and_the_other_quote),
        cmocka_unit_test(a_quote_that_is_not_closed_warns_and_ends_the_source),
        cmocka_unit_test(text_right_after_a_closing_quote_warns),
        cmocka_unit_test(an_option_without_a_value_warns),
        cmocka_unit_test(an_unknown_option_names_the_nearest_known_one),
        cmocka_unit_test(a_name_that_is_like_none_points_to_the_help_as_well),
        cmocka_unit_test(options_of_what_is_not_built_are_unknown),
        cmocka_unit_test(after_16_warnings_the_rest_is_counted),
        cmocka_unit_test(what_a_warning_quotes_is_printable_and_short),
        cmocka_unit_test(all_options_are_set_when_the_first_warning_comes),
        cmocka_unit_test(without_a_writer_of_warnings_the_values_are_the_same),
        cmocka_unit_test(
            help_has_every_option_exactly_once_with_value_range_default_and_meaning),
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
        cmocka_unit_test(any_strings_give_valid_options_and_no_byte_outside_them_is_read),
        cmocka_unit_test(a_very_long_source_is_read_in_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
