/*
 * report_json_test.c - reports as JSON: always one valid line, whatever names and bytes come in; and
 * a fingerprint that groups. The whole objects are golden in report_test.c.
 */
#include "report_samples.h"

/* -- A strict reader of JSON (RFC 8259): where the value at `at` ends, or NULL. */
static const char *value_end(const char *at);

static const char *utf8_end(const char *at)
{
    unsigned char lead = (unsigned char)*at;
    int rest = lead < 0x80 ? 0 : lead >= 0xC2 && lead < 0xE0 ? 1 : lead >= 0xE0 && lead < 0xF0 ? 2 : 3;
    if ((lead >= 0x80 && lead < 0xC2) || lead > 0xF4)
        return NULL;
    for (at++; rest > 0; rest--, at++)
        if (((unsigned char)*at & 0xC0) != 0x80)
            return NULL;
    return at;
}

static const char *string_end(const char *at)
{
    if (*at++ != '"')
        return NULL;
    while (at != NULL && *at != '"') {
        if ((unsigned char)*at < 0x20)
            return NULL;
        if (*at != '\\')
            at = utf8_end(at);
        else if (at[1] == 'u' && strspn(at + 2, "0123456789abcdef") >= 4)
            at += 6;
        else if (at[1] != '\0' && strchr("\"\\/bfnrt", at[1]) != NULL)
            at += 2;
        else
            return NULL;
    }
    return at != NULL ? at + 1 : NULL;
}

static const char *members_end(const char *at, char close, bool has_names)
{
    if (*++at == close)
        return at + 1;
    for (;; at++) {
        if (has_names && ((at = string_end(at)) == NULL || *at++ != ':'))
            return NULL;
        if ((at = value_end(at)) == NULL)
            return NULL;
        if (*at == close)
            return at + 1;
        if (*at != ',')
            return NULL;
    }
}

static const char *value_end(const char *at)
{
    static const char *const words[] = {"null", "true", "false"};
    if (*at == '{')
        return members_end(at, '}', true);
    if (*at == '[')
        return members_end(at, ']', false);
    if (*at == '"')
        return string_end(at);
    for (size_t i = 0; i < PW_ARRAY_SIZE(words); i++)
        if (strncmp(at, words[i], strlen(words[i])) == 0)
            return at + strlen(words[i]);
    size_t digits = strspn(at, "0123456789");
    return digits != 0 ? at + digits : NULL;
}

static void expect_json_line(const char *text)
{
    const char *end = value_end(text);
    if (text[0] != '{' || end == NULL || strcmp(end, "\n") != 0)
        fail_msg("not a line of JSON: %.300s", text);
}

static const char *json_report(struct pw_fault fault)
{
    struct pw_report_config config = sample_config(PW_REPORT_JSON, PW_LEVEL_FULL);
    report_of(&config, &fault);
    expect_json_line(captured);
    return captured;
}

static void expect_in(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("%s is not in:\n%s", words, text);
}

static void test_every_report_is_one_line_of_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < PW_ARRAY_SIZE(samples); i++)
        json_report(samples[i].make());
}

static void test_names_are_escaped(void **state)
{
    static char saved[PW_MODULE_PATH_BYTES];
    (void)state;
    memcpy(saved, sample_modules[0].path, sizeof saved);
    strcpy(sample_modules[0].path, "/a \"b\"\\c\n\x01\x7f \xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9b");
    expect_in(json_report(overflow()), "\"/a \\\"b\\\"\\\\c\\u000a\\u0001\\u007f \xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x9b\"");
    /* a lone lead, a lone continuation, overlong forms, a surrogate, beyond Unicode, cut by the end */
    strcpy(sample_modules[0].path, "\xc3( \x80 \xc0\xaf \xe0\x80\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xff \xe2\x82");
    expect_in(json_report(overflow()), "\"\\u00c3( \\u0080 \\u00c0\\u00af \\u00e0\\u0080\\u00af \\u00ed\\u00a0\\u0080 "
                                       "\\u00f4\\u0090\\u0080\\u0080 \\u00ff \\u00e2\\u0082\"");
    memcpy(sample_modules[0].path, saved, sizeof saved);
    strcpy(sample_threads[1].name, "a\"\x1b\xff");
    struct pw_fault fault = double_free();
    fault.thread = 1;
    expect_in(json_report(fault), "\"thread\":{\"id\":1,\"name\":\"a\\\"\\u001b\\u00ff\"}");
    strcpy(sample_threads[1].name, "worker-1");
}

static void test_a_report_that_is_too_long_loses_frames_not_its_end(void **state)
{
    static char saved[PW_MODULE_PATH_BYTES];
    (void)state;
    memcpy(saved, sample_modules[0].path, sizeof saved);
    memset(sample_modules[0].path, 1, sizeof saved - 1);
    struct pw_fault fault = double_free();
    fault.frame_count = PW_MAX_FRAMES;
    for (uint32_t i = 0; i < PW_MAX_FRAMES; i++)
        fault.frames[i] = DEMO + 0x1000 + 8 * i;
    size_t long_one = strlen(json_report(fault));
    memcpy(sample_modules[0].path, saved, sizeof saved);
    assert_true(long_one > 50000 && long_one < 256 * 1024);
}

static void test_damage_is_given_as_digits_found_and_expected(void **state)
{
    (void)state;
    struct pw_fault fault = overflow();
    expect_in(json_report(fault), "\"found\":\"4142434400\",\"expected\":\"91aecbe805\"");
    memset(fault.damage.is_known + 9, 0, 2);
    expect_in(json_report(fault), "\"found\":\"4142434400\",\"expected\":\"91....e805\"");
    fault.damage.length = 1000; /* more than the window holds */
    expect_in(json_report(fault), "\"length\":1000,");
    fault.damage.start = 5;
    expect_in(json_report(fault), "\"found\":null,\"expected\":null");
    expect_in(json_report(double_free()), "\"found\":null,\"expected\":null,\"damage\":null");
}

static void test_aligned_is_a_family_of_its_own(void **state)
{
    (void)state;
    struct pw_fault fault = overflow();
    fault.block.flags = PW_HEAP_ALIGNED;
    expect_in(json_report(fault), "\"family\":\"aligned\",\"flags\":[\"aligned\"]");
    fault.block.family = PW_FAMILY_NEW;
    expect_in(json_report(fault), "\"family\":\"new\"");
}

/* -- Fingerprints */

static uint64_t fingerprint_of(struct pw_fault fault)
{
    uint64_t fingerprint = pw_fault_fingerprint(&fault);
    char words[64];
    snprintf(words, sizeof words, "\"fingerprint\":\"%016llx\"", (unsigned long long)fingerprint);
    expect_in(json_report(fault), words);
    assert_true(captured_error.fingerprint == fingerprint);
    return fingerprint;
}

static void test_fingerprints_tell_kinds_and_stacks_apart_and_nothing_else(void **state)
{
    (void)state;
    struct pw_fault fault = double_free();
    uint64_t first = fingerprint_of(fault);
    fault.address = fault.block.address += 4096;
    fault.thread = 1;
    fault.frames[3] = DEMO + 0x1500; /* the fourth */
    fault.frame_count = 4;
    assert_true(fingerprint_of(fault) == first);
    fault.frames[2]++;
    assert_true(fingerprint_of(fault) != first);
    fault = double_free();
    fault.block.alloc_stack = 3;
    assert_true(fingerprint_of(fault) != first);
    fault = double_free();
    fault.kind = PW_KIND_BAD_FREE;
    assert_true(fingerprint_of(fault) != first);
}

static void test_fingerprints_survive_another_place_in_memory(void **state)
{
    (void)state;
    uint64_t first = fingerprint_of(bad_free());
    uint64_t slide = 0x10000000;
    sample_modules[0].start += slide;
    sample_modules[0].end += slide;
    sample_modules[0].bias += slide;
    struct pw_fault fault = bad_free();
    fault.frames[0] += slide;
    fault.frames[1] += slide;
    assert_true(fingerprint_of(fault) == first);
    sample_modules[0].start -= slide;
    sample_modules[0].end -= slide;
    sample_modules[0].bias -= slide;
}

static void test_late_damage_is_known_by_its_allocation_not_by_who_found_it(void **state)
{
    (void)state;
    struct pw_fault fault = overflow();
    uint64_t first = fingerprint_of(fault);
    fault.frames[0] = DEMO + 0x1810;
    fault.operation = PW_OP_QUARANTINE;
    assert_true(fingerprint_of(fault) == first);
    fault.block.alloc_stack = 3;
    assert_true(fingerprint_of(fault) != first);
    fault = overflow_access();
    first = fingerprint_of(fault);
    fault.frames[0] = DEMO + 0x1810;
    assert_true(fingerprint_of(fault) != first);
}

/* At exit all programs stand in libc, at the same place. */
static void test_late_damage_of_an_unknown_block_is_known_by_the_programs_frames(void **state)
{
    (void)state;
    struct pw_fault fault = overflow();
    fault.block.has_evidence = false;
    enum { OF_LIBC = 3 };
    for (uint32_t i = 0; i < OF_LIBC; i++)
        fault.frames[i] = LIBC + 0x270ca;
    fault.frames[OF_LIBC] = DEMO + 0x1234;
    fault.frame_count = OF_LIBC + 1;
    uint64_t first = fingerprint_of(fault);
    fault.frames[0]++;
    assert_true(fingerprint_of(fault) == first);
    fault.frames[OF_LIBC]++;
    assert_true(fingerprint_of(fault) != first);
}

static void test_the_pc_is_that_of_the_first_frame_as_in_the_text(void **state)
{
    (void)state;
    struct pw_fault fault = overflow();
    fault.pc = fault.frames[0] = DEMO + 0x1234;
    expect_in(json_report(fault), "\"pc\":\"0x555500001233\",\"offset\"");
    fault = overflow_access();
    fault.pc = fault.frames[0] = DEMO + 0x1234;
    expect_in(json_report(fault), "\"pc\":\"0x555500001234\",\"offset\"");
}

static void test_dates_are_right(void **state)
{
    (void)state;
    json_report(overflow());
    time_t now = time(NULL);
    char day[16];
    bool is_today = false;
    for (int i = -1; i <= 0; i++) { /* midnight may have passed meanwhile */
        time_t then = now + i;
        strftime(day, sizeof day, "%Y-%m-%dT%H", gmtime(&then));
        is_today = is_today || strstr(captured, day) != NULL;
    }
    assert_true(is_today);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_report_is_one_line_of_json),
        cmocka_unit_test(test_names_are_escaped),
        cmocka_unit_test(test_a_report_that_is_too_long_loses_frames_not_its_end),
        cmocka_unit_test(test_damage_is_given_as_digits_found_and_expected),
        cmocka_unit_test(test_aligned_is_a_family_of_its_own),
        cmocka_unit_test(test_fingerprints_tell_kinds_and_stacks_apart_and_nothing_else),
        cmocka_unit_test(test_fingerprints_survive_another_place_in_memory),
        cmocka_unit_test(test_late_damage_is_known_by_its_allocation_not_by_who_found_it),
        cmocka_unit_test(test_late_damage_of_an_unknown_block_is_known_by_the_programs_frames),
        cmocka_unit_test(test_the_pc_is_that_of_the_first_frame_as_in_the_text),
        cmocka_unit_test(test_dates_are_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
