/*
 * report_test.c - what reports say, in each format.
 *
 * The whole texts are in tests/golden/report; PW_UPDATE_GOLDEN=1 writes them anew (then read the
 * diff). Golden files are found beside this file, or below PW_SOURCE_ROOT.
 */
#include "report_samples.h"

#include <regex.h>
#include <unistd.h>

/* -- Golden files */

static void golden_path(char *path, size_t size, const char *name, const char *extension)
{
    const char *root = getenv("PW_SOURCE_ROOT");
    if (root != NULL) {
        snprintf(path, size, "%s/tests/golden/report/%s.%s", root, name, extension);
        return;
    }
    const char *slash = strrchr(__FILE__, '/');
    snprintf(path, size, "%.*s/golden/report/%s.%s", (int)(slash - __FILE__), __FILE__, name, extension);
}

/* The process id and the time are the only things that differ from run to run. */
static void mask(char *text)
{
    char pid[32], quoted[40];
    snprintf(pid, sizeof pid, "==%d==", getpid());
    snprintf(quoted, sizeof quoted, "\"pid\":%d,", getpid());
    for (char *at; (at = strstr(text, pid)) != NULL;) {
        memcpy(at, "==PID==", 7);
        memmove(at + 7, at + strlen(pid), strlen(at + strlen(pid)) + 1);
    }
    for (char *at; (at = strstr(text, quoted)) != NULL;) {
        memcpy(at, "\"pid\":0,", 8);
        memmove(at + 8, at + strlen(quoted), strlen(at + strlen(quoted)) + 1);
    }
    for (char *at; (at = strstr(text, "\"time\":\"2")) != NULL;)
        memcpy(at + 8, "0000-00-00T00:00:00.000", 23);
}

static void expect_golden(const char *name, const char *extension, char *text)
{
    static char golden[sizeof captured];
    char path[1024];
    mask(text);
    golden_path(path, sizeof path, name, extension);
    if (getenv("PW_UPDATE_GOLDEN") != NULL) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
        return;
    }
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("no golden file %s", path);
    golden[fread(golden, 1, sizeof golden - 1, file)] = '\0';
    fclose(file);
    if (strcmp(golden, text) != 0)
        fail_msg("%s differs. Expected:\n%s\nGot:\n%s", path, golden, text);
}

static void expect_all_golden(enum pw_report_format format, const char *extension)
{
    for (size_t i = 0; i < PW_ARRAY_SIZE(samples); i++) {
        struct pw_report_config config = sample_config(format, samples[i].level);
        struct pw_fault fault = samples[i].make();
        report_of(&config, &fault);
        expect_golden(samples[i].name, extension, captured);
    }
}

static void test_every_kind_has_its_text(void **state)
{
    (void)state;
    expect_all_golden(PW_REPORT_TEXT, "text");
}

static void test_every_kind_has_its_asan_text(void **state)
{
    (void)state;
    expect_all_golden(PW_REPORT_ASAN, "asan");
}

static void test_every_kind_has_its_json(void **state)
{
    (void)state;
    expect_all_golden(PW_REPORT_JSON, "json");
}

/* -- Leaks: all that is said of some, as it is written to a log */

static void expect_leaks(enum pw_report_format format, const char *extension)
{
    static const struct pw_leak all[] = {
        {.is_direct = true, .stack = 1, .bytes = 72, .blocks = 3, .address = BLOCK},
        {.is_direct = true, .stack = 0, .bytes = 1, .blocks = 1, .address = BLOCK + 128},
        {.is_direct = false, .stack = 3, .bytes = 4096, .blocks = 2, .address = BLOCK + 256}};
    static char text[65536];
    char directory[] = "/tmp/pwheap-leaks-XXXXXX", log[64], path[128];
    assert_non_null(mkdtemp(directory));
    snprintf(log, sizeof log, "%s/log", directory);
    snprintf(path, sizeof path, "%s.%d", log, getpid());
    struct pw_report_config config = sample_config(format, PW_LEVEL_FULL);
    config.log_path = log;
    struct pw_leaks leaks = {.operation = PW_OP_EXIT, .all = all, .count = PW_ARRAY_SIZE(all)};
    pw_report_init(&config);
    assert_int_equal(pw_report_leaks(&leaks), 6);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
    expect_golden("memory-leak", extension, text);
}

static void test_leaks_have_their_texts(void **state)
{
    (void)state;
    expect_leaks(PW_REPORT_TEXT, "text");
    expect_leaks(PW_REPORT_ASAN, "asan");
    expect_leaks(PW_REPORT_JSON, "json");
}

static void test_there_is_a_sample_of_every_kind(void **state)
{
    bool has[PW_KIND_COUNT] = {[PW_KIND_NONE] = true, [PW_KIND_LEAK] = true};
    (void)state;
    for (size_t i = 0; i < PW_ARRAY_SIZE(samples); i++)
        has[samples[i].make().kind] = true;
    for (size_t kind = 0; kind < PW_KIND_COUNT; kind++)
        assert_true(has[kind]);
}

/* -- What the triage tools look for (REPORTS.md), as POSIX regular expressions. */

static bool matches(const char *text, const char *pattern)
{
    regex_t compiled;
    assert_int_equal(regcomp(&compiled, pattern, REG_EXTENDED | REG_NEWLINE | REG_NOSUB), 0);
    bool found = regexec(&compiled, text, 0, NULL, 0) == 0;
    regfree(&compiled);
    return found;
}

static const char *asan_report(struct pw_fault fault)
{
    struct pw_report_config config = sample_config(PW_REPORT_ASAN, PW_LEVEL_FULL);
    return report_of(&config, &fault);
}

static void test_triage_tools_recognise_every_asan_report(void **state)
{
    (void)state;
    for (size_t i = 0; i < PW_ARRAY_SIZE(samples); i++) {
        const char *text = asan_report(samples[i].make());
        assert_true(matches(text, "==[0-9]+==[[:space:]]*ERROR: (LeakSanitizer|AddressSanitizer|libFuzzer):"));
        assert_true(matches(text, "SUMMARY: *(AddressSanitizer|libFuzzer): ([A-Za-z_()-]+)"));
        assert_true(matches(text, ".*ERROR: (HWAddressSanitizer|AddressSanitizer)[: ]*[ ]*([^(:;]+)"));
        assert_true(matches(text, "^( *#([0-9]+) *)(0x[0-9a-f]+) *( in *.+)? *\\((.*)\\+(0x[0-9a-f]+)\\)"));
    }
}

static void test_asan_reports_of_memory_corruption_have_an_access_line_second(void **state)
{
    (void)state;
    for (size_t i = 0; i < PW_ARRAY_SIZE(samples); i++) {
        struct pw_fault fault = samples[i].make();
        if (fault.kind > PW_KIND_USE_AFTER_FREE)
            continue;
        const char *second = strchr(asan_report(fault), '\n') + 1;
        assert_true(strncmp(second, "READ of size ", 13) == 0 || strncmp(second, "WRITE of size ", 14) == 0);
        assert_true(matches(second, "[ ]*([^ ]*|Atomic [^ ]*) of size ([^ ]*) at ([^ ]*)"));
    }
}

static void test_asan_first_lines_of_misused_frees_are_asans(void **state)
{
    (void)state;
    assert_true(matches(asan_report(double_free()), "attempting double-free on 0x[0-9a-f]+ in thread T0.*:$"));
    assert_true(matches(captured, ".*(AddressSanitizer).*double-free on (unknown address |address |)([xX0-9a-fA-F]+)"));
    assert_true(matches(captured, "^SUMMARY: AddressSanitizer: double-free "));
    assert_true(matches(captured, "^freed by thread T1"));
    assert_true(matches(captured, "^previously allocated by thread T0"));
    assert_true(matches(asan_report(bad_free()),
                        "attempting free on address which was not malloc\\(\\)-ed: 0x[0-9a-f]+ in thread T0"));
    assert_true(matches(captured, "^SUMMARY: AddressSanitizer: bad-free "));
    assert_true(matches(asan_report(interior_free()), "^SUMMARY: AddressSanitizer: bad-free "));
    assert_true(matches(asan_report(family_mismatch()), "alloc-dealloc-mismatch \\(operator new \\[\\] vs free\\) on 0x"));
    assert_true(matches(asan_report(size_mismatch()), "new-delete-type-mismatch on 0x[0-9a-f]+ in thread T0.*:$"));
}

static void test_a_blank_line_ends_the_first_stack(void **state)
{
    (void)state;
    for (size_t i = 0; i < PW_ARRAY_SIZE(samples); i++) {
        const char *first = strstr(asan_report(samples[i].make()), "    #0 ");
        assert_non_null(first);
        const char *blank = strstr(first, "\n\n");
        const char *again = strstr(first + 1, "    #0 ");
        assert_non_null(blank);
        assert_true(again == NULL || blank < again);
    }
}

/* -- Text */

static const char *text_report(struct pw_fault fault)
{
    struct pw_report_config config = sample_config(PW_REPORT_TEXT, PW_LEVEL_FULL);
    return report_of(&config, &fault);
}

static void expect_in(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" is not in:\n%s", words, text);
}

static void test_frames_show_the_call_but_of_an_access_the_instruction(void **state)
{
    (void)state;
    expect_in(text_report(overflow()), "    #0 0x555500001233 in parse_line (/home/ada/demo/build/demo+0x1233)");
    expect_in(text_report(overflow_access()), "    #0 0x555500001234 in parse_line (/home/ada/demo/build/demo+0x1234)");
    expect_in(captured, "    #1 0x555500001055 in main");
    expect_in(captured, "at pc 0x555500001234 in thread T0");
}

static void test_modules_are_refreshed_but_not_in_a_signal_handler(void **state)
{
    (void)state;
    refreshes = 0;
    text_report(overflow_access());
    assert_int_equal(refreshes, 0);
    text_report(overflow());
    assert_int_equal(refreshes, 1);
}

static void test_the_library_s_own_frames_are_left_out(void **state)
{
    (void)state;
    sample_modules[2] = (struct pw_module){.start = (uintptr_t)pw_report_init - 0x100000,
                                           .end = (uintptr_t)pw_report_init + 0x100000,
                                           .path = "/usr/lib/libpwheap.so.0"};
    struct pw_fault fault = double_free();
    memmove(fault.frames + 2, fault.frames, 3 * sizeof fault.frames[0]);
    fault.frames[0] = fault.frames[1] = (uintptr_t)pw_report_init + 1;
    fault.frame_count = 5;
    expect_in(text_report(fault), "    #0 0x555500001233 in parse_line");
    assert_null(strstr(captured, "libpwheap"));
    fault.frame_count = 2;
    expect_in(text_report(fault), "(/usr/lib/libpwheap.so.0+");
    sample_modules[2] = (struct pw_module){.path = ""};
}

static void test_summary_of_late_damage_is_the_allocation_s_first_frame_of_the_program(void **state)
{
    (void)state;
    struct pw_fault fault = overflow();
    expect_in(text_report(fault), "SUMMARY: PWHeap: heap-buffer-overflow (/home/ada/demo/build/demo+0x1433) in make_table\n");
    fault.block.alloc_stack = 3; /* strdup, called by parse_line */
    expect_in(text_report(fault), "SUMMARY: PWHeap: heap-buffer-overflow (/home/ada/demo/build/demo+0x1233) in parse_line\n");
    fault.block.alloc_stack = 4; /* the same by way of std::vector */
    expect_in(text_report(fault), "SUMMARY: PWHeap: heap-buffer-overflow (/home/ada/demo/build/demo+0x1233) in parse_line\n");
    expect_in(text_report(overflow_access()), "in parse_line\n");
    fault.frame_count = 0;
    fault.block.has_evidence = false;
    expect_in(text_report(fault), "SUMMARY: PWHeap: heap-buffer-overflow\n");
    struct pw_report_config config = sample_config(PW_REPORT_TEXT, PW_LEVEL_FULL);
    config.print_summary = false;
    assert_null(strstr(report_of(&config, &fault), "SUMMARY"));
}

static void test_the_picture_marks_damage_at_the_edges_of_rows_and_window(void **state)
{
    (void)state;
    struct pw_fault fault = overflow();
    sample_damage(&fault, BLOCK, 0, BLOCK, "\1", 1);
    expect_in(text_report(fault), ":[01]ae ");
    sample_damage(&fault, BLOCK, 0, BLOCK + 15, "\1\2", 2);
    expect_in(text_report(fault), " 3f[01]|");
    expect_in(captured, ":[02]ae ");
    sample_damage(&fault, BLOCK, 0, BLOCK + 63, "\1", 1);
    expect_in(text_report(fault), " 3f[01]|");
    sample_damage(&fault, BLOCK, 0, BLOCK, "", 0);
    memset(fault.damage.found, 1, sizeof fault.damage.found);
    fault.damage.length = fault.damage.damaged = 4096;
    expect_in(text_report(fault), "4096 bytes from 0x7f1200000440 on are not what pwheap left there:\n");
    expect_in(captured, ":[01 01 01 01 01 01 01 01 01 01 01 01 01 01 01 01]|................|\n");
    fault.damage.window_bytes = 8;
    expect_in(text_report(fault), ":[01 01 01 01 01 01 01 01]                        |........|\n");
    fault.damage.window_bytes = 0;
    assert_null(strstr(text_report(fault), "are not what pwheap left there"));
}

static void test_what_the_damage_looks_like_is_said(void **state)
{
    (void)state;
    struct pw_fault fault = overflow();
    expect_in(text_report(fault), "found \"ABCD\\0\"\n");
    sample_damage(&fault, BLOCK, 0, BLOCK + 8, "a\"b\\\n\t", 6);
    expect_in(text_report(fault), "found \"a\\\"b\\\\\\n\\t\"\n");
    expect_in(text_report(overflow_one_zero()), "found one zero byte: ");
    sample_damage(&fault, BLOCK, 0, BLOCK + 8, "\0\0\0\0", 4);
    expect_in(text_report(fault), "found 4 zero bytes\n");
    sample_damage(&fault, BLOCK, 0, BLOCK + 8, "\xff\xff\0\0", 4);
    expect_in(text_report(fault), "found the number 65535 (0x0000ffff)\n");
    sample_damage(&fault, BLOCK, 0, BLOCK + 8, "\xff\xff\xff\xff", 4);
    expect_in(text_report(fault), "found the number -1 (0xffffffff)\n");
    sample_damage(&fault, BLOCK, 0, BLOCK + 8, "\xfe\xff\xff\xff\xff\xff\xff\xff", 8);
    expect_in(text_report(fault), "found the number -2 (0xfffffffffffffffe)\n");
    expect_in(text_report(use_after_free()), "(0x0000555500001200), an address in /home/ada/demo/build/demo\n");
    fault = use_after_free();
    fault.damage.pointee = (struct pw_pointee){true, PW_STATE_LIVE, 0x555500001200, 56};
    expect_in(text_report(fault), "found the address 0x555500001200, the start of a live 56-byte block\n");
    fault.damage.pointee = (struct pw_pointee){true, PW_STATE_QUARANTINED, 0x5555000011f0, 56};
    expect_in(text_report(fault), "0x555500001200, 16 bytes inside of a quarantined 56-byte block\n");
    fault.damage.pointee = (struct pw_pointee){true, PW_STATE_FREE, 0x5555000011f0, 56};
    expect_in(text_report(fault), "found the address 0x555500001200, of the heap\n");
    for (uint64_t inside = 0; inside <= 8; inside += 8) {
        uint64_t own_address = BLOCK + inside;
        sample_damage(&fault, BLOCK, 0, BLOCK + 8, &own_address, sizeof own_address);
        fault.damage.pointee = (struct pw_pointee){true, PW_STATE_QUARANTINED, BLOCK, 48};
        expect_in(text_report(fault), inside == 0 ? ", the start of this block itself\n"
                                                  : ", 8 bytes inside of this block itself\n");
    }
    fault = use_after_free();
    sample_damage(&fault, BLOCK, 0, BLOCK + 7, "\xff\1\2", 3);
    assert_null(strstr(text_report(fault), "  found "));
}

/* Damage behind the block: these numbers, of `bytes` bytes in all. */
static const char *report_with_numbers(const void *numbers, size_t bytes)
{
    struct pw_fault fault = overflow();
    sample_damage(&fault, BLOCK, 0, BLOCK + 8, numbers, bytes);
    return text_report(fault);
}

static void test_damage_that_may_be_numbers_is_told_as_such(void **state)
{
    (void)state;
    expect_in(report_with_numbers((double[]){1.5}, 8), "found the number 4609434218613702656 (0x3ff8000000000000), 1.5 as a double\n");
    expect_in(report_with_numbers((double[]){-12345.0625}, 8), "), -12345.0625 as a double\n");
    expect_in(report_with_numbers((float[]){0.25f}, 4), "found the number 1048576000 (0x3e800000), 0.25 as a float\n");
    expect_in(report_with_numbers((double[]){34, 1e10, 0.00002}, 24), "found the numbers 34, 10000000000, 0.00002 as doubles\n");
    expect_in(report_with_numbers((float[]){1, -2.5f, 1e6f}, 12), "found the numbers 1, -2.5, 1000000 as floats\n");
    expect_in(report_with_numbers((int32_t[]){48, -49, 50, 51, 52}, 20), "found the numbers 48, -49, 50, 51 ... of 4 bytes\n");
    expect_in(report_with_numbers((int64_t[]){48, -49}, 16), "found the numbers 48, -49 of 8 bytes\n");
    assert_null(strstr(report_with_numbers((uint64_t[]){0x7f1200000440, 0xfedcba9876543210}, 16), "  found "));
}

/* One byte of a freed block changed: the one at `offset` holds `found`. */
static const char *report_with_fill(struct pw_fault fault, size_t offset, const char *found)
{
    sample_damage(&fault, BLOCK, 0, BLOCK + offset, found, 1);
    sample_poison(&fault);
    return text_report(fault);
}

static void test_a_count_in_freed_memory_is_told(void **state)
{
    (void)state;
    struct pw_fault fault = use_after_free();
    expect_in(report_with_fill(fault, 8, "\xee"), "found the fill less 1: a count in it that was decremented?\n");
    expect_in(report_with_fill(fault, 12, "\xf1"), "found the fill and 2 more: a count in it that was incremented?\n");
    expect_in(report_with_fill(fault, 9, "\xee"), "found the number 238 (0xee)\n");
    expect_in(report_with_fill(fault, 8, "\xe0"), "found the number 224 (0xe0)\n");
    expect_in(report_with_fill(overflow(), 8, "\xee"), "found the number 238 (0xee)\n");
}

static void test_threads_without_a_known_name_have_none(void **state)
{
    (void)state;
    struct pw_fault fault = double_free();
    fault.thread = 2;
    expect_in(text_report(fault), " in thread T2:\n");
    fault.thread = 60000;
    expect_in(text_report(fault), " in thread T60000:\n");
    fault.thread = 1;
    expect_in(text_report(fault), " in thread T1 (worker-1):\n");
}

static void test_what_a_free_block_no_longer_tells_is_not_made_up(void **state)
{
    (void)state;
    struct pw_fault fault = double_free();
    fault.block.state = PW_STATE_FREE;
    fault.block.number = 0; /* its place is taken by the bin's links, as are the threads' */
    expect_in(text_report(fault), "\nfreed by thread T? here:\n");
    expect_in(captured, "\npreviously allocated by thread T? here:\n");
    expect_in(captured, "\nblock: free, 64 bytes, heap 0, region 1\n");
    fault.after = fault.block;
    const char *after = strstr(text_report(fault), "\nblock after it: ");
    assert_null(strstr(after, "    #0 ")); /* of an owner that is long gone */
}

static void test_a_report_that_is_too_long_is_cut_and_keeps_its_end(void **state)
{
    (void)state;
    static char rule[400 * 1024];
    memset(rule, 'x', sizeof rule - 1);
    struct pw_fault fault = header();
    fault.broken_rule = rule;
    expect_in(text_report(fault), "\n(the report is cut here: it was too long)\nSUMMARY: PWHeap: header-corruption (");
    assert_int_equal(captured[strlen(captured) - 1], '\n');
    assert_true(strlen(captured) < 256 * 1024);
}

static void test_garbage_in_a_fault_stays_within_bounds(void **state)
{
    (void)state;
    struct pw_fault fault;
    uint64_t random = 1;
    for (int round = 0; round < 3000; round++) {
        for (size_t i = 0; i < sizeof fault; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            ((uint8_t *)&fault)[i] = (uint8_t)(random >> 56);
        }
        fault.place = fault.broken_rule = fault.function = NULL;
        fault.is_certain = round & 1;
        fault.is_watched = round & 2;
        fault.is_poison = round & 8;
        fault.is_zone = round & 16;
        fault.block.is_renewed = round & 32;
        fault.block.is_hidden = fault.before.is_hidden = fault.after.is_hidden = round & 64;
        fault.is_passed_on = round & 4;
        bool *flags[] = {&fault.block.known,        &fault.before.known,        &fault.after.known,
                         &fault.block.sealed,       &fault.before.sealed,       &fault.after.sealed,
                         &fault.block.has_evidence, &fault.before.has_evidence, &fault.after.has_evidence,
                         &fault.damage.pointee.known};
        for (size_t i = 0; i < PW_ARRAY_SIZE(flags); i++)
            *flags[i] = true;
        for (size_t i = 0; i < PW_PAST_SHOWN; i++)
            fault.past_here[i].is_release = fault.past_thread[i].is_release = i % 2 == 0;
        fault.kind = (enum pw_kind)(round % (PW_KIND_COUNT + 3));
        if (round % 4 != 0)
            fault.damage.window_bytes %= PW_DAMAGE_WINDOW + 1;
        struct pw_report_config config = sample_config((enum pw_report_format)(round % 3), PW_LEVEL_FULL);
        report_of(&config, &fault);
        assert_true(strlen(captured) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaks_have_their_texts),
        cmocka_unit_test(test_there_is_a_sample_of_every_kind),
        cmocka_unit_test(test_every_kind_has_its_text),
        cmocka_unit_test(test_every_kind_has_its_asan_text),
        cmocka_unit_test(test_every_kind_has_its_json),
        cmocka_unit_test(test_triage_tools_recognise_every_asan_report),
        cmocka_unit_test(test_asan_reports_of_memory_corruption_have_an_access_line_second),
        cmocka_unit_test(test_asan_first_lines_of_misused_frees_are_asans),
        cmocka_unit_test(test_a_blank_line_ends_the_first_stack),
        cmocka_unit_test(test_frames_show_the_call_but_of_an_access_the_instruction),
        cmocka_unit_test(test_modules_are_refreshed_but_not_in_a_signal_handler),
        cmocka_unit_test(test_the_library_s_own_frames_are_left_out),
        cmocka_unit_test(test_summary_of_late_damage_is_the_allocation_s_first_frame_of_the_program),
        cmocka_unit_test(test_the_picture_marks_damage_at_the_edges_of_rows_and_window),
        cmocka_unit_test(test_what_the_damage_looks_like_is_said),
        cmocka_unit_test(test_damage_that_may_be_numbers_is_told_as_such),
        cmocka_unit_test(test_a_count_in_freed_memory_is_told),
        cmocka_unit_test(test_threads_without_a_known_name_have_none),
        cmocka_unit_test(test_what_a_free_block_no_longer_tells_is_not_made_up),
        cmocka_unit_test(test_a_report_that_is_too_long_is_cut_and_keeps_its_end),
        cmocka_unit_test(test_garbage_in_a_fault_stays_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
