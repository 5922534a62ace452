/*
 * death_test.c - runs the bugs of tests/death at the levels that its .reports files name, and compares
 * the whole of what they print with what is written there; each bug's clean twin must say nothing.
 *
 *   death_test FILE…           one file of expected reports after the other
 *   death_test --write FILE…   write down what is printed now (then read it: it is a claim)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "death/mask.h"
#include "death/spec.h"
#include "program.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/resource.h>
#include <unistd.h>

static void leave_no_core(void *context)
{
    struct rlimit none = {0, 0};
    (void)context;
    (void)setrlimit(RLIMIT_CORE, &none);
}

/* A run of a bug or of its clean twin. The environment is all ours: program.h takes it for glibc's. */
struct run {
    char command[128];
    char check[512];
    char library[512];
    const char *variables[3];
    char folder[32]; /* for logs: LOGS in the options stands for it */
    struct program program;
};

/*
 * "LEVEL:OPTIONS" with the options that make reports alike; those of the test come last and win. Without
 * a word of guards at full there are none: they would find first what is to be found later.
 */
static void write_check(struct run *run, const char *check)
{
    size_t level = strcspn(check, ":");
    const char *options = check + level;
    const char *logs = strstr(options, "LOGS");
    const char *more = getenv("DEATH_OPTIONS"); /* for all of them: see death/meson.build */
    (void)snprintf(run->folder, sizeof run->folder, "%s", logs != NULL ? "/tmp/death-XXXXXX" : "");
    if (logs != NULL)
        assert_non_null(mkdtemp(run->folder));
    (void)snprintf(run->check, sizeof run->check,
                   "PWHEAP_CHECK=%.*s:symbolize=0:symbolize_timeout_ms=600000:color=never:history=0:seed=1%s%s%.*s%s%s",
                   (int)level, check,
                   more != NULL ? more : "", strstr(check, "guard") != NULL ? "" : ":guard_site_blocks=0:guard_sample_rate=0",
                   logs != NULL ? (int)(logs - options) : (int)strlen(options), options, run->folder,
                   logs != NULL ? logs + 4 : "");
}

static void prepare(struct run *run, const struct spec_run *spec, bool is_wrong)
{
    bool is_linked = strcmp(spec->program, "death_linked") == 0;
    (void)snprintf(run->command, sizeof run->command, "%s %s %s", spec->program, spec->bug,
                   is_wrong ? "wrong" : "right");
    write_check(run, is_linked ? spec->check + strlen("linked:") : spec->check);
    (void)snprintf(run->library, sizeof run->library, "LD_PRELOAD=%s", is_linked ? "" : PROGRAM_LIBRARY);
    run->variables[0] = run->check;
    run->variables[1] = is_linked ? NULL : run->library;
    run->variables[2] = NULL;
    run->program = (struct program){.command = run->command,
                                    .level = "glibc",
                                    .variables = run->variables,
                                    .prepare = leave_no_core};
}

static void fail_run(const struct run *run, const struct outcome *outcome, const char *words)
{
    (void)fprintf(stderr, "with %s %s:\n", run->check, run->variables[1] != NULL ? run->library : "");
    fail_with(&run->program, outcome, words);
}

/* Append a part to the text: what is in `report`, masked, under `title` unless that is "". */
static void add_part(FILE *text, const struct mask *mask, const char *title, const char *report)
{
    char *masked = mask_report(mask, report);
    if (*title != '\0' && *report != '\0')
        (void)fprintf(text, "--- %s\n", title);
    (void)fputs(masked, text);
    free(masked);
}

/* The logs in a folder, which goes. */
static void add_logs(FILE *text, const struct mask *mask, const char *folder)
{
    static char log[1 << 20];
    char path[512];
    DIR *open = opendir(folder);
    for (struct dirent *entry; open != NULL && (entry = readdir(open)) != NULL;) {
        (void)snprintf(path, sizeof path, "%s/%.200s", folder, entry->d_name);
        FILE *file = entry->d_name[0] != '.' ? fopen(path, "r") : NULL;
        if (file == NULL)
            continue;
        log[fread(log, 1, sizeof log - 1, file)] = '\0';
        (void)fclose(file);
        (void)unlink(path);
        (void)snprintf(path, sizeof path, "%.*s", (int)strcspn(entry->d_name, "0123456789"), entry->d_name);
        add_part(text, mask, path, log);
    }
    if (open != NULL)
        (void)closedir(open);
    (void)rmdir(folder);
}

/* What the bug prints, masked: on stderr, stdout and to logs. */
static char *reports_of(const struct spec_run *spec, struct run *run, struct outcome *outcome)
{
    char program[512], *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    (void)snprintf(program, sizeof program, "%s/%s", PROGRAM_DIRECTORY, spec->program);
    struct mask mask = {DEATH_SOURCE, program, strstr(spec->check, "symbolize=1") != NULL};
    assert_non_null(stream);
    prepare(run, spec, true);
    *outcome = program_run(&run->program);
    add_part(stream, &mask, "", outcome->err);
    add_part(stream, &mask, "stdout", outcome->out);
    if (run->folder[0] != '\0')
        add_logs(stream, &mask, run->folder);
    (void)fclose(stream);
    return text;
}

static void tell_difference(const char *expected, const char *masked)
{
    char *left = strdup(expected), *right = strdup(masked);
    char *next[2] = {left, right};
    for (;;) {
        char *a = strsep(&next[0], "\n"), *b = strsep(&next[1], "\n");
        if (a != NULL && b != NULL && strcmp(a, b) == 0)
            continue;
        (void)fprintf(stderr, "first difference:\n  expected: %s\n  printed:  %s\n",
                      a != NULL ? a : "(the end)", b != NULL ? b : "(the end)");
        break;
    }
    (void)fprintf(stderr, "--- printed, masked:\n%s---\n", masked);
    free(left);
    free(right);
}

static void check_bug(const struct spec *spec, const struct spec_run *spec_run)
{
    struct run run;
    struct outcome outcome;
    char *masked = reports_of(spec_run, &run, &outcome);
    if (strcmp(masked, spec->expected) != 0) {
        tell_difference(spec->expected, masked);
        fail_run(&run, &outcome, "prints something else");
    }
    if (outcome.status != spec->status)
        fail_run(&run, &outcome, "ends in another way");
    outcome_free(&outcome);
    free(masked);
}

/* A program that watches a byte says where it is, whatever becomes of it. */
static bool only_tells_of_the_watch(const char *err)
{
    for (const char *line = err; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        const char *words = strstr(line, "== pwheap: watch: ");
        if (words == NULL || words > line + length)
            return false;
        line += length + (line[length] == '\n');
    }
    return true;
}

static void check_clean_twin(const struct spec *spec, const struct spec_run *spec_run)
{
    struct run run;
    prepare(&run, spec_run, false);
    struct outcome outcome = program_run(&run.program);
    if (!only_tells_of_the_watch(outcome.err))
        fail_run(&run, &outcome, "is clean and says something");
    if (outcome.status != spec->clean_status)
        fail_run(&run, &outcome, "is clean and ends in another way");
    outcome_free(&outcome);
    if (run.folder[0] != '\0')
        assert_int_equal(rmdir(run.folder), 0); /* no log either */
}

/* May this process have hardware breakpoints that send signals? Containers and virtual machines may not. */
static bool has_breakpoints(void)
{
    static char byte;
    struct perf_event_attr attributes = {.type = PERF_TYPE_BREAKPOINT,
                                         .size = sizeof attributes,
                                         .sample_period = 1,
                                         .bp_type = HW_BREAKPOINT_W,
                                         .bp_addr = (uint64_t)(uintptr_t)&byte,
                                         .bp_len = HW_BREAKPOINT_LEN_1,
                                         .exclude_kernel = 1,
                                         .exclude_hv = 1,
                                         .remove_on_exec = 1,
                                         .sigtrap = 1};
    long fd = syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd >= 0)
        (void)close((int)fd);
    return fd >= 0;
}

static bool has_markers(void)
{
    enum { GUARD_INSTALL = 102 };
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool has_them = page != MAP_FAILED && madvise(page, 4096, GUARD_INSTALL) == 0;
    if (page != MAP_FAILED)
        (void)munmap(page, 4096);
    return has_them;
}

static bool has_failed;

/* With DEATH_STOP in the environment what comes after the first failure is left out (tools/mutants). */
static void check_spec(void **state)
{
    const struct spec *spec = *state;
    bool misses = (spec->needs_breakpoint && !has_breakpoints()) || (spec->needs_markers && !has_markers());
    if ((has_failed && getenv("DEATH_STOP") != NULL) || misses)
        skip();
    has_failed = true;
    for (size_t i = 0; i < spec->run_count; i++) {
        check_bug(spec, &spec->runs[i]);
        check_clean_twin(spec, &spec->runs[i]);
    }
    has_failed = false;
}

static int test_file(const char *path)
{
    struct specs specs = specs_read(path);
    struct CMUnitTest *tests = calloc(specs.count, sizeof *tests);
    assert_non_null(tests);
    for (size_t i = 0; i < specs.count; i++)
        tests[i] = (struct CMUnitTest){
            .name = specs.all[i].sentence, .test_func = check_spec, .initial_state = &specs.all[i]};
    int failed = _cmocka_run_group_tests(path, tests, specs.count, NULL, NULL);
    free(tests);
    return failed;
}

static void write_file(const char *path)
{
    struct specs specs = specs_read(path);
    for (size_t i = 0; i < specs.count; i++) {
        struct run run;
        struct outcome outcome;
        specs.all[i].expected = reports_of(&specs.all[i].runs[0], &run, &outcome);
        specs.all[i].status = outcome.status;
    }
    specs_write(path, &specs);
}

int main(int argc, char **argv)
{
    int failed = 0;
    bool writes = argc > 1 && strcmp(argv[1], "--write") == 0;
    for (int i = writes ? 2 : 1; i < argc; i++)
        if (writes)
            write_file(argv[i]);
        else
            failed += test_file(argv[i]);
    return failed != 0;
}
