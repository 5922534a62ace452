/*
 * report_sink_test.c - where reports go, and how they look there: log files, closed and full ones,
 * terminals, the symbolizer, JSON.
 */
#include "report_scenes.h"

/* -- Files */

static void scene_log(void)
{
    close(STDERR_FILENO);
    config.log_path = path_of("log");
    report_and_end(double_free());
    pw_report_line("a note");
    char name[64];
    snprintf(name, sizeof name, "log.%d", getpid());
    char from[4096];
    strcpy(from, path_of(name));
    if (rename(from, path_of("the-log")) != 0)
        _exit(1);
}

static void test_the_log_file_takes_reports_and_notes_though_stderr_is_closed(void **state)
{
    (void)state;
    expect_survived(play(scene_log));
    assert_string_equal(captured, "");
    expect_in(file_text("the-log"), "attempting double-free");
    expect_in(file_text("the-log"), "== pwheap: a note\n");
}

static void scene_unwritable(void)
{
    config.log_path = "/nonexistent/log";
    report_and_end(double_free());
}

static void scene_full(void)
{
    char name[64];
    snprintf(name, sizeof name, "full.%d", getpid());
    if (symlink("/dev/full", path_of(name)) != 0)
        _exit(1);
    static char log[4096];
    strcpy(log, path_of("full"));
    config.log_path = log;
    report_and_end(double_free());
}

static void test_stderr_takes_what_the_log_can_t(void **state)
{
    (void)state;
    expect_survived(play(scene_unwritable));
    expect_in(captured, "== pwheap: the log file can't be written: /nonexistent/log.");
    expect_in(captured, "attempting double-free");
    expect_survived(play(scene_full));
    expect_in(captured, "attempting double-free");
    expect_in(captured, "SUMMARY");
}

static void scene_reused(void)
{
    close(STDERR_FILENO);
    pw_report_init(&config);
    if (open(path_of("database"), O_RDWR | O_CREAT | O_TRUNC, 0600) != STDERR_FILENO)
        _exit(1);
    report_and_end(double_free());
}

static void test_a_file_that_got_the_number_of_a_missing_stderr_is_left_alone(void **state)
{
    (void)state;
    expect_survived(play(scene_reused));
    assert_string_equal(file_text("database"), "");
}

static void scene_broken_pipe(void)
{
    int ends[2];
    if (pipe(ends) != 0)
        _exit(1);
    close(ends[0]);
    dup2(ends[1], STDERR_FILENO);
    report_and_end(double_free());
}

static void test_a_pipe_without_a_reader_does_not_end_the_program(void **state)
{
    (void)state;
    expect_survived(play(scene_broken_pipe));
}

/* -- Colours and prefixes */

static void scene_always(void)
{
    config.color = PW_COLOR_ALWAYS;
    config.strip_path_prefix = "/home/ada/";
    report_and_end(overflow());
}

static void scene_auto(void)
{
    config.color = PW_COLOR_AUTO;
    report_and_end(overflow());
}

static void scene_terminal(void)
{
    static char seen[65536];
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal == -1 || grantpt(terminal) != 0 || unlockpt(terminal) != 0)
        _exit(1);
    int fd = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    int file = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
    config.color = PW_COLOR_AUTO;
    config.print_summary = false;
    report_and_end(bad_free());
    ssize_t length = read(terminal, seen, sizeof seen);
    if (length <= 0 || write(file, seen, (size_t)length) != length)
        _exit(2);
}

static void test_colours_are_for_terminals_or_on_demand(void **state)
{
    (void)state;
    expect_survived(play(scene_auto));
    assert_null(strchr(captured, '\033'));
    expect_survived(play(scene_terminal));
    expect_in(captured, "\033[1m\033[31m==");
    expect_survived(play(scene_always));
    expect_in(captured, "75 69 63\033[1m\033[31m[41 42 43 44 00]\033[0m22");
    expect_in(captured, "\033[1mSUMMARY: PWHeap: heap-buffer-overflow (demo/build/demo+0x1433) in make_table\033[0m\n");
    expect_in(captured, "\033[1m\033[34mdamage found by free() in thread T0 (demo)\033[0m\n    #0 0x");
    expect_in(captured, "in parse_line (demo/build/demo+0x1233) (BuildId");
}

/* -- The symbolizer */

static const char *write_script(const char *name, const char *text)
{
    static char path[4096];
    strcpy(path, path_of(name));
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    chmod(path, 0700);
    return path;
}

static void scene_script(const char *script)
{
    config.symbolize = true;
    config.external_symbolizer_path = write_script("symbolizer", script);
    report_and_end(double_free());
}

static void scene_symbolized(void)
{
    scene_script("#!/bin/sh\n[ $1 = symbolize ] && exec sed 's|(/home/ada/demo/build/demo+0x1233)|/home/ada/demo/a.c:12:3|'\n");
}

static void scene_environment(void)
{
    scene_script("#!/bin/sh\ncat\nenv\n");
}

static void scene_failing(void)
{
    scene_script("#!/bin/sh\ncat\nexit 1\n");
}

static void scene_garbage(void)
{
    scene_script("#!/bin/sh\necho symbolize\n");
}

static void scene_slow(void)
{
    config.symbolize_timeout_ms = 100;
    scene_script("#!/bin/sh\nsleep 50\ncat\n");
}

static void scene_beside_library(void)
{
    write_script("heapdump", "#!/bin/sh\nsed 's|in parse_line|in parse_line beside.c|'\n");
    sample_modules[2] = (struct pw_module){.start = (uintptr_t)pw_report_init - 0x100000,
                                           .end = (uintptr_t)pw_report_init + 0x100000};
    snprintf(sample_modules[2].path, sizeof sample_modules[2].path, "%s/libpwheap.so.0", directory);
    config.symbolize = true;
    report_and_end(double_free());
}

static void scene_no_symbolizer(void)
{
    config.symbolize = true;
    setenv("PATH", "/none", 1);
    report_and_end(double_free());
    report_and_end(overflow_fast());
}

static void scene_wrong_symbolizer(void)
{
    config.halt_on_error = true;
    config.symbolize = true;
    config.external_symbolizer_path = "/none";
    report_and_end(double_free());
}

static void test_the_symbolizer_puts_files_and_lines_in(void **state)
{
    (void)state;
    expect_survived(play(scene_symbolized));
    expect_in(captured, "    #0 0x555500001233 in parse_line /home/ada/demo/a.c:12:3 (BuildId");
    expect_in(captured, "SUMMARY: PWHeap: double-free /home/ada/demo/a.c:12:3 in parse_line\n");
    assert_null(strstr(captured, "no files and lines"));
    expect_survived(play(scene_beside_library));
    expect_in(captured, "in parse_line beside.c");
}

static void test_the_symbolizer_is_not_given_what_would_steer_the_library(void **state)
{
    (void)state;
    expect_survived(play(scene_environment));
    expect_in(captured, "A_NAME_OF_OURS=kept\n");
    assert_null(strstr(captured, "PWHEAP_"));
    assert_null(strstr(captured, "LD_PRELOAD"));
}

static void test_a_symbolizer_that_fails_costs_nothing_of_the_report(void **state)
{
    static void (*const scenes[])(void) = {scene_failing, scene_garbage, scene_slow};
    (void)state;
    for (size_t i = 0; i < PW_ARRAY_SIZE(scenes); i++) {
        expect_survived(play(scenes[i]));
        expect_in(captured, "    #0 0x555500001233 in parse_line (/home/ada/demo/build/demo+0x1233)");
        assert_int_equal(count_of(captured, "ERROR: PWHeap"), 1);
        expect_in(captured, "no files and lines: heapdump could not be run, or not in time (symbolize_timeout_ms); ");
    }
}

static void test_that_there_is_no_symbolizer_is_told_once_after_the_first_report(void **state)
{
    (void)state;
    expect_survived(play(scene_no_symbolizer));
    assert_int_equal(count_of(captured, "ERROR: PWHeap"), 2);
    assert_int_equal(count_of(captured, "no files and lines: there is no heapdump here, beside libpwheap.so or in PATH; "
                                        "`heapdump symbolize <LOG` finds them later\n"),
                     1);
    play(scene_wrong_symbolizer);
    expect_in(captured, "== pwheap: no files and lines: external_symbolizer_path is no program; "
                        "`heapdump symbolize <LOG` finds them later\n==");
}

/* -- Notes, JSON, no configuration */

static void scene_json(void)
{
    static char long_note[4000];
    config.halt_on_error = true;
    config.format = PW_REPORT_JSON;
    pw_report_init(&config);
    pw_report_line("a \"note\"");
    memset(long_note, 1, sizeof long_note - 1);
    pw_report_line(long_note);
    report_and_end(double_free());
}

static void test_notes_are_json_among_json_and_nothing_else_is_printed(void **state)
{
    (void)state;
    play(scene_json);
    assert_int_equal(strncmp(captured, "{\"version\":1,\"pid\":", 19), 0);
    expect_in(captured, ",\"note\":\"a \\\"note\\\"\"}\n{\"version\":1,");
    expect_in(captured, "\\u0001\\u0001\"}\n{\"version\":1,");
    assert_int_equal(count_of(captured, "\n"), 3);
    assert_null(strstr(captured, "ABORTING"));
}

static void scene_unconfigured(void)
{
    static char note[4000];
    memset(note, 'x', sizeof note - 1);
    pw_report_line(note);
    struct pw_fault fault = double_free();
    if (pw_report(&fault))
        pw_report_end(&fault);
}

static void test_before_it_is_configured_a_report_is_text_on_stderr(void **state)
{
    (void)state;
    int status = play(scene_unconfigured);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    expect_in(captured, "xxx\n==");
    expect_in(captured, "ERROR: PWHeap: attempting double-free on 0x7f1200000440 in thread T0:\n");
}

/* The library looks at the environment that the process was started with: start again with ours. */
static void start_with_environment(char **argv)
{
    if (getenv("A_NAME_OF_OURS") != NULL)
        return;
    setenv("A_NAME_OF_OURS", "kept", 1);
    setenv("PWHEAP_CHECK", "full", 1);
    setenv("PWHEAP_OPTIONS", "color=never", 1);
    setenv("LD_PRELOAD", "", 1);
    setenv("TERM", "xterm", 1);
    execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    (void)argc;
    start_with_environment(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_it_is_configured_a_report_is_text_on_stderr),
        cmocka_unit_test(test_the_log_file_takes_reports_and_notes_though_stderr_is_closed),
        cmocka_unit_test(test_stderr_takes_what_the_log_can_t),
        cmocka_unit_test(test_a_file_that_got_the_number_of_a_missing_stderr_is_left_alone),
        cmocka_unit_test(test_a_pipe_without_a_reader_does_not_end_the_program),
        cmocka_unit_test(test_colours_are_for_terminals_or_on_demand),
        cmocka_unit_test(test_the_symbolizer_puts_files_and_lines_in),
        cmocka_unit_test(test_the_symbolizer_is_not_given_what_would_steer_the_library),
        cmocka_unit_test(test_a_symbolizer_that_fails_costs_nothing_of_the_report),
        cmocka_unit_test(test_that_there_is_no_symbolizer_is_told_once_after_the_first_report),
        cmocka_unit_test(test_notes_are_json_among_json_and_nothing_else_is_printed),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
