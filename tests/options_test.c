/* options_test.c - the options: defaults, levels and sources, values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "options_scene.h"

#include <stdio.h>

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
