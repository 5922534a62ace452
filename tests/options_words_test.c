/* options_words_test.c - how a source of options is read: words, quotes, unknown names, and any bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "options_scene.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

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
        cmocka_unit_test(any_strings_give_valid_options_and_no_byte_outside_them_is_read),
        cmocka_unit_test(a_very_long_source_is_read_in_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
