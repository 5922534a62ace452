/*
 * report.c - harness: what is told of faults, lost blocks and notes, in every format, and where to.
 *
 * Input: three bytes of configuration and one that chooses what is told; then that.
 *
 * A crash is: a crash; JSON that is none, or lacks what it always has; text with a byte that is not printable, without
 * its first line, summary or frames as tools expect them; another number of lost blocks than there are; a process that
 * does not end as the options say.
 *
 * Starting a process (the symbolizer, a child that ends) costs as much as a hundred reports: one input of 32 does.
 */
#include "report.h"

#include "diag/snapshot.h"
#include "image/seal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_OUTPUT = 1 << 19, MOST_LEAKS = 224, SOME_LEAKS = 24, STRING_BYTES = 1024, EXIT_CODE = 23 };

const char *pwheap_default_options(void)
{
    return FUZZ_OPTIONS;
}

static struct pw_report_config config;
static struct pw_fault fault;
static char output[MOST_OUTPUT + 1];
static size_t output_length;

/* ---- where it goes: all of it to one file without a name, that stdout and stderr are meanwhile */

static int file, copier; /* the log; a program that copies all but some names, for a symbolizer */
static int kept_stdout, kept_stderr;

static void sink_start(void)
{
    fuzz_output = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 100);
    file = fcntl(memfd_create("log", MFD_CLOEXEC), F_DUPFD_CLOEXEC, 100);
    FUZZ_CHECK(file >= 0, "no file for the log");
    /* A name with a file, one without, and one in JSON. */
    static const char script[] = "#!/bin/sh\nexec sed -e 's/^\\(    #.* in \\)report_fault_start .*/\\1made(int, char) made.c:12:3/' "
                                 "-e 's/^\\(    #.* in \\)LLVMFuzzerTestOneInput .*/\\1entry/' "
                                 "-e 's/\"report_fault_start\"/\"made(int, char)\"/'\n";
    copier = fcntl(memfd_create("copier", MFD_CLOEXEC), F_DUPFD_CLOEXEC, 100);
    FUZZ_CHECK(write(copier, script, sizeof script - 1) == (ssize_t)sizeof script - 1, "no symbolizer");
}

static void sink_open(void)
{
    kept_stdout = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 100);
    kept_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 100);
    FUZZ_CHECK(ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0, "the log can't be emptied");
    dup2(file, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
}

static void sink_close(void)
{
    dup2(kept_stdout, STDOUT_FILENO);
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stdout);
    close(kept_stderr);
    ssize_t got = pread(file, output, MOST_OUTPUT, 0);
    output_length = got > 0 ? (size_t)got : 0;
    output[output_length] = '\0';
}

/* ---- configuration */

static const char *take_log_path(uint8_t which)
{
    static char itself[64];
    snprintf(itself, sizeof itself, "/proc/%%p/fd/%d", file);
    const char *const paths[] = {NULL, "stdout", "stderr", "/none/log.%p.%e.%n.%%.%x", itself, "/none/plain", "", itself};
    return paths[which % 8];
}

static void configure(struct fuzz_input *input, bool is_deep)
{
    static char copies[64];
    static const char *const symbolizers[] = {"/none", copies, "/bin/true", ""};
    static const char *const prefixes[] = {NULL, "", "/", "/usr/lib/"};
    static const enum pw_report_format formats[] = {PW_REPORT_TEXT, PW_REPORT_ASAN, PW_REPORT_JSON};
    uint8_t how = fuzz_byte(input), where = fuzz_byte(input), end = fuzz_byte(input);
    snprintf(copies, sizeof copies, "/proc/%d/fd/%d", getpid(), copier);
    config = (struct pw_report_config){
        .format = formats[how % 3],
        .color = how / 3 % 4 == 0 ? PW_COLOR_ALWAYS : how / 3 % 4 == 1 ? PW_COLOR_AUTO : PW_COLOR_NEVER,
        .level = (enum pw_level)(how / 12 % 4),
        .print_summary = how / 48 % 4 != 0,
        .log_path = take_log_path(where),
        .log_exe_name = where / 8 % 2 != 0,
        .strip_path_prefix = prefixes[where / 16 % 4],
        .symbolize = is_deep && where / 64 != 0,
        .external_symbolizer_path = symbolizers[where / 64],
        .symbolize_timeout_ms = 5000,
        .halt_on_error = end % 8 != 0,
        .abort_on_error = end / 8 % 2 != 0,
        .exitcode = EXIT_CODE,
        .max_allocation_bytes = (uint64_t)(end / 16 % 4) << 30,
        .dump_on_error = is_deep && end / 64 == 3 ? 1 : 0, /* in all */
        .threads = (const struct pw_thread_image *)pw_root.threads,
        .thread_count = &pw_root.thread_count,
    };
    pw_report_init(&config);
}

static bool has_log(void)
{
    return config.log_path == NULL || strncmp(config.log_path, "/none", 5) != 0;
}

/* ---- faults */

static struct {
    unsigned asked;
    bool takes, reports;
} callback;

static bool ask(void *context, const struct pwheap_error *error)
{
    FUZZ_CHECK(context == &callback && error->kind != NULL && strlen(error->text) == error->text_length, "an error without text");
    callback.asked++;
    if (callback.reports)
        (void)pw_report(&fault); /* ends the process */
    return callback.takes;
}

static const char *const fault_names[] = {"kind", "pid", "time", "address", "fingerprint", "stack", "thread", "certain"};

static void check_fault(void)
{
    const char *text = output;
    size_t length = output_length;
    if (config.format == PW_REPORT_JSON) {
        /* A note on the snapshot may follow. */
        const char *line = memchr(text, '\n', length);
        report_check_json(text, line == NULL ? length : (size_t)(line - text) + 1, fault_names,
                          sizeof fault_names / sizeof fault_names[0]);
        return;
    }
    bool is_coloured = config.color == PW_COLOR_ALWAYS;
    report_check_printable(text, length, is_coloured);
    if (!is_coloured && !config.symbolize && has_log())
        report_check_text(text, &config, &fault);
}

/* What dump_on_error left. */
static void remove_snapshot(pid_t process)
{
    char path[64];
    snprintf(path, sizeof path, "/dev/shm/pwheap-fuzz.%d", process);
    if (config.dump_on_error > 0)
        (void)unlink(path);
}

/* In a child: it is to end by SIGABRT or with the exit code, and to have said so. */
static void tell_and_end(void)
{
    sink_open();
    pid_t child = fork();
    if (child == 0) {
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        if (pw_report(&fault))
            pw_report_end(&fault);
        _exit(0);
    }
    int status = 0;
    FUZZ_CHECK(child > 0 && waitpid(child, &status, 0) == child, "no child");
    sink_close();
    remove_snapshot(child);
    bool ends = callback.reports || (config.halt_on_error && !fault.is_passed_on && !callback.takes);
    if (!ends)
        FUZZ_CHECK(status == 0, "a report ended the process with %#x", status);
    else if (config.abort_on_error)
        FUZZ_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "a process ended with %#x, not SIGABRT", status);
    else
        FUZZ_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CODE, "a process ended with %#x", status);
    if (ends && !callback.reports && config.format != PW_REPORT_JSON)
        FUZZ_CHECK(strstr(output, "ABORTING\n") != NULL, "no last line");
    if (callback.reports)
        FUZZ_CHECK(strstr(output, "while an error was being reported") != NULL, "no word of an error in an error");
}

static void tell_fault(struct fuzz_input *input, bool is_deep)
{
    uint8_t how = fuzz_byte(input);
    report_fault_take(input, &fault);
    callback.asked = 0;
    callback.takes = how % 4 == 1;
    callback.reports = is_deep && how / 8 % 4 == 3;
    bool has_callback = how % 2 == 1;
    callback.reports = callback.reports && has_callback;
    callback.takes = callback.takes && has_callback;
    (void)pw_report_set_callback(has_callback ? ask : NULL, &callback, NULL);
    uint64_t fingerprint = pw_fault_fingerprint(&fault);
    FUZZ_CHECK(fingerprint == pw_fault_fingerprint(&fault), "another fingerprint the second time");
    if (is_deep && (callback.reports || how / 8 % 4 != 0)) {
        tell_and_end();
    } else {
        sink_open();
        bool ends = pw_report(&fault);
        pw_report_after_fork(); /* as if another process went on */
        sink_close();
        remove_snapshot(getpid());
        FUZZ_CHECK(ends == (config.halt_on_error && !fault.is_passed_on && !callback.takes), "a report that halts, or doesn't");
        FUZZ_CHECK(callback.asked == has_callback, "the callback was asked %u times", callback.asked);
        if (ends)
            check_fault();
        else if (callback.takes)
            FUZZ_CHECK(output_length == 0, "what the callback took was printed");
    }
    (void)pw_report_set_callback(NULL, NULL, NULL);
}

/* ---- lost blocks */

static const char *take_string(struct fuzz_input *input)
{
    static char storage[STRING_BYTES];
    size_t length = 0;
    for (uint8_t byte; !fuzz_ended(input) && (byte = fuzz_byte(input)) != 0;)
        if (length < STRING_BYTES - 1)
            storage[length++] = (char)byte;
    storage[length] = '\0';
    return storage;
}

static void check_leaks(uint64_t told, uint64_t all, const struct pw_leaks *leaks, bool has_users_words)
{
    bool is_json = config.format == PW_REPORT_JSON;
    FUZZ_CHECK(told <= all, "%llu lost blocks of %llu", (unsigned long long)told, (unsigned long long)all);
    uint64_t suppressed = 0;
    for (uint32_t i = 0; leaks->suppressions != NULL && i < leaks->suppressions->count; i++)
        suppressed += leaks->suppressions->all[i].blocks;
    FUZZ_CHECK(callback.takes || told + suppressed == all, "%llu lost blocks, told are %llu, suppressed %llu",
               (unsigned long long)all, (unsigned long long)told, (unsigned long long)suppressed);
    if (is_json) {
        for (const char *line = output; *line != '\0' && has_log(); line = strchr(line, '\n') + 1)
            report_check_json(line, (size_t)(strchr(line, '\n') + 1 - line), NULL, 0);
        return;
    }
    if (!has_users_words)
        report_check_printable(output, output_length, config.color == PW_COLOR_ALWAYS);
    bool is_plain = told > 0 && config.color != PW_COLOR_ALWAYS && config.print_summary;
    FUZZ_CHECK(!is_plain || strstr(output, "allocation(s).\n") != NULL, "lost blocks without a summary:\n%s", output);
}

static void tell_leaks(struct fuzz_input *input)
{
    static struct pw_leak all[MOST_LEAKS];
    static struct pw_suppressions suppressions;
    uint8_t how = fuzz_byte(input), direct = fuzz_byte(input), count = fuzz_byte(input);
    /* Seldom so many that they are printed in two parts. */
    struct pw_leaks leaks = {.operation = PW_OP_EXIT, .all = all, .count = count < 250 ? count % (SOME_LEAKS + 1) : MOST_LEAKS,
                             .max_leaks = how / 4 % 4 * 2, .print_suppressions = how / 16 % 2 != 0};
    uint64_t blocks = 0;
    for (uint32_t i = 0; i < leaks.count; i++) {
        all[i] = (struct pw_leak){.is_direct = i < direct, .stack = report_stack_take(input), .bytes = fuzz_word(input),
                                  .blocks = 1u + fuzz_byte(input), .address = 0x10000 + i};
        blocks += all[i].blocks;
    }
    if (how / 32 % 4 != 0) {
        const char *text = take_string(input);
        pw_suppressions_read(&suppressions, text, strlen(text));
        leaks.suppressions = &suppressions;
    }
    /* What a suppression is written as is the user's own, and printed as it is. */
    leaks.print_suppressions = leaks.print_suppressions && how / 32 % 4 == 1;
    bool is_own = leaks.print_suppressions;
    callback.takes = how % 4 == 1;
    callback.reports = false;
    (void)pw_report_set_callback(how % 2 == 1 ? ask : NULL, &callback, NULL);
    sink_open();
    uint64_t told = pw_report_leaks(&leaks);
    sink_close();
    (void)pw_report_set_callback(NULL, NULL, NULL);
    check_leaks(told, blocks, &leaks, is_own);
}

/* ---- notes, signals, snapshots */

static void tell_note(struct fuzz_input *input)
{
    static const char *const names[] = {"note", "pid", "time"};
    const char *string = take_string(input);
    sink_open();
    pw_report_line(string);
    sink_close();
    if (config.format == PW_REPORT_JSON && has_log())
        report_check_json(output, output_length, names, 3);
    else if (config.format != PW_REPORT_JSON)
        FUZZ_CHECK(memmem(output, output_length, "== pwheap: ", 11) != NULL, "a note without its head: %s", output);
}

/* Of a name only such a number comes as a program may be sent, and that does not stand for a fault. */
static void ask_signal(struct fuzz_input *input)
{
    int number = pw_snapshot_signal_number(take_string(input));
    FUZZ_CHECK(number >= 0 && number <= 64 && number != SIGKILL && number != SIGSTOP && number != SIGSEGV &&
                   number != SIGBUS && number != SIGABRT && number != SIGILL && number != SIGFPE && number != SIGTRAP,
               "a snapshot by signal %d", number);
}

static void tell_snapshot(struct fuzz_input *input)
{
    static char storage[PW_SNAPSHOT_PATH_BYTES + 128];
    static struct pw_snapshot snapshot;
    struct pw_text text = pw_text_over(storage, sizeof storage);
    uint8_t error = fuzz_byte(input);
    snapshot.path = take_string(input);
    pw_snapshot_tell(&snapshot, error, &text);
    FUZZ_CHECK(strncmp(storage, error == 0 ? "snapshot: " : "no snapshot: ", 10) == 0, "a snapshot is told as %s", storage);
}

static bool is_deep(const struct fuzz_input *input)
{
    return fuzz_sum(input) >> 27 == 0;
}

static void start(void)
{
    static bool is_started;
    if (is_started)
        return;
    is_started = true;
    sink_start();
    report_fault_start();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {.at = data, .left = size};
    start();
    bool deep = is_deep(&input);
    configure(&input, deep);
    switch (fuzz_byte(&input) % 8) {
    case 0:
        tell_leaks(&input);
        break;
    case 1:
        tell_note(&input);
        break;
    case 2:
        ask_signal(&input);
        break;
    case 3:
        tell_snapshot(&input);
        break;
    default:
        tell_fault(&input, deep);
    }
    return 0;
}
