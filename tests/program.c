/* program.c - see program.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, CHUNK_BYTES = 65536 };

const char *all_levels[] = {"off", "fast", "full", NULL};

/* Guard is slow: its turn comes with the slow tests, alone. */
__attribute__((constructor)) static void choose_levels(void)
{
    const char *level = getenv("PROGRAM_LEVEL");
    if (level == NULL)
        return;
    all_levels[0] = all_levels[1] = level;
    all_levels[2] = NULL;
}

/* One end of a pipe and all that came out of it so far. */
struct stream {
    int fd;
    char *text;
    size_t length;
};

static bool read_some(struct stream *stream)
{
    stream->text = realloc(stream->text, stream->length + CHUNK_BYTES + 1);
    assert_non_null(stream->text);
    ssize_t got = read(stream->fd, stream->text + stream->length, CHUNK_BYTES);
    if (got > 0)
        stream->length += (size_t)got;
    stream->text[stream->length] = '\0';
    return got > 0;
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * Read both until they end; false: the time was up first. Of the time in which we are stopped, with all that we started, no
 * more than a slice counts.
 */
static bool collect(struct stream *out, struct stream *err)
{
    enum { SLICE_MS = 500 };
    int64_t left = PROGRAM_SECONDS * 1000;
    struct pollfd polls[2] = {{out->fd, POLLIN, 0}, {err->fd, POLLIN, 0}};
    while (polls[0].fd >= 0 || polls[1].fd >= 0) {
        int64_t start = now_ms();
        if (left <= 0 || poll(polls, 2, SLICE_MS) < 0)
            return false;
        int64_t passed = now_ms() - start;
        left -= passed < SLICE_MS ? passed : SLICE_MS;
        if (polls[0].revents != 0 && !read_some(out))
            polls[0].fd = -1;
        if (polls[1].revents != 0 && !read_some(err))
            polls[1].fd = -1;
    }
    return true;
}

static void split(char *command, const char **argv)
{
    char *rest = NULL;
    int count = 0;
    for (char *word = strtok_r(command, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        if (count == PROGRAM_ARGUMENTS)
            _exit(126);
        argv[count++] = word;
    }
}

static void choose_heap(const struct program *program)
{
    char check[1024];
    (void)unsetenv("LD_PRELOAD");
    (void)unsetenv("PWHEAP_CHECK");
    (void)unsetenv("PWHEAP_OPTIONS");
    (void)unsetenv("MALLOC_PERTURB_"); /* meson's, for glibc */
    if (strcmp(program->level, "glibc") == 0)
        return;
    if (!program->is_linked)
        (void)setenv("LD_PRELOAD", PROGRAM_LIBRARY, 1);
    const char *options = program->options != NULL ? program->options : "";
    (void)snprintf(check, sizeof check, "%s%s%s", program->level, *options != '\0' ? ":" : "", options);
    (void)setenv("PWHEAP_CHECK", check, 1);
}

static void run_in_child(const struct program *program, int out, int err)
{
    const char *argv[PROGRAM_ARGUMENTS + 1] = {NULL};
    char *words = program->argv == NULL ? strdup(program->command) : NULL;
    char path[PATH_BYTES];
    if (words != NULL)
        split(words, argv);
    for (size_t i = 0; words == NULL && i < PROGRAM_ARGUMENTS && program->argv[i] != NULL; i++)
        argv[i] = program->argv[i];
    if (argv[0][0] != '/') {
        (void)snprintf(path, sizeof path, "%s/%s", PROGRAM_DIRECTORY, argv[0]);
        argv[0] = path;
    }
    (void)signal(SIGPIPE, SIG_DFL);
    (void)dup2(out, STDOUT_FILENO);
    (void)dup2(err, STDERR_FILENO);
    (void)close_range(3, ~0U, 0);
    choose_heap(program);
    for (size_t i = 0; program->variables != NULL && program->variables[i] != NULL; i++)
        (void)putenv(strdup(program->variables[i]));
    if (program->prepare != NULL)
        program->prepare(program->context);
    (void)execv(argv[0], (char *const *)(uintptr_t)argv);
    (void)dprintf(STDERR_FILENO, "can't run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) != pid)
        assert_int_equal(errno, EINTR);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/*
 * At level guard a program that is short of memory is told so, once. What is to be the same as on glibc
 * is the rest of what stands on stderr.
 */
static void drop_notice(const struct program *program, struct stream *err)
{
    const char *words = strstr(err->text, " pwheap: the system gives no more guard pages");
    if (strcmp(program->level, "guard") != 0 || words == NULL)
        return;
    char *line = err->text + (words - err->text);
    while (line > err->text && line[-1] != '\n')
        line--;
    char *next = strchr(line, '\n');
    if (next == NULL)
        return;
    memmove(line, next + 1, strlen(next + 1) + 1);
    err->length = strlen(err->text);
}

struct outcome program_run(const struct program *program)
{
    int out[2], err[2];
    struct outcome outcome = {.status = 0};
    (void)fflush(NULL);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)setpgid(0, 0);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a program that hangs does not outlive a test that is ended for it */
        run_in_child(program, out[1], err[1]);
    }
    (void)setpgid(pid, pid);
    (void)close(out[1]);
    (void)close(err[1]);
    struct stream from_out = {out[0], calloc(1, 1), 0}, from_err = {err[0], calloc(1, 1), 0};
    outcome.timed_out = !collect(&from_out, &from_err);
    if (outcome.timed_out)
        (void)kill(-pid, SIGKILL);
    outcome.status = wait_for(pid);
    (void)close(out[0]);
    (void)close(err[0]);
    drop_notice(program, &from_err);
    outcome.out = from_out.text;
    outcome.err = from_err.text;
    outcome.out_length = from_out.length;
    outcome.err_length = from_err.length;
    return outcome;
}

void outcome_free(struct outcome *outcome)
{
    free(outcome->out);
    free(outcome->err);
    *outcome = (struct outcome){.status = 0};
}

int count_of(const char *text, const char *what)
{
    int count = 0;
    for (; (text = strstr(text, what)) != NULL; text += strlen(what))
        count++;
    return count;
}

void fail_with(const struct program *program, const struct outcome *outcome, const char *words)
{
    print_error("%s: %s (PWHEAP_CHECK=%s%s%s)\nstatus %d%s\n--- stdout\n%s--- stderr\n%s---\n",
                program->argv != NULL ? program->argv[0] : program->command, words, program->level,
                program->options != NULL ? ":" : "", program->options != NULL ? program->options : "",
                outcome->status, outcome->timed_out ? " (killed: the time was up)" : "", outcome->out,
                outcome->err);
    fail();
}

static void check(const struct program *program, const struct outcome *outcome, int status, const char *out)
{
    if (outcome->timed_out)
        fail_with(program, outcome, "hangs");
    if (outcome->status != status)
        fail_with(program, outcome, "ends with another status");
    if (outcome->err_length != 0)
        fail_with(program, outcome, "says something on stderr");
    if (strcmp(outcome->out, out) != 0) {
        print_error("--- expected\n%s", out);
        fail_with(program, outcome, "prints something else");
    }
}

static void run_and_check(const struct program *base, const char *level, int status, const char *out)
{
    struct program program = *base;
    program.level = level;
    struct outcome outcome = program_run(&program);
    check(&program, &outcome, status, out);
    outcome_free(&outcome);
}

void assert_as_on_glibc(const struct program *base, int status)
{
    struct program program = *base;
    program.level = "glibc";
    struct outcome original = program_run(&program);
    check(&program, &original, status, original.out);
    assert_ends(base, status, original.out);
    outcome_free(&original);
}

void assert_ends(const struct program *base, int status, const char *out)
{
    for (const char **level = all_levels; *level != NULL; level++)
        run_and_check(base, *level, status, out);
}

/* The kind as the SUMMARY line has it. */
static bool is_one_report(const char *err, const char *kind)
{
    char summary[128];
    (void)snprintf(summary, sizeof summary, "SUMMARY: PWHeap: %s", kind);
    const char *end = strstr(err, summary);
    return strncmp(err, "==", 2) == 0 && count_of(err, "ERROR: PWHeap: ") == 1 &&
           count_of(err, "SUMMARY: PWHeap: ") == 1 && end != NULL &&
           strchr(" \n", end[strlen(summary)]) != NULL && count_of(err, "==ABORTING\n") == 1 &&
           strcmp(err + strlen(err) - 11, "==ABORTING\n") == 0;
}

void assert_one_report(const char *err, const char *kind)
{
    if (is_one_report(err, kind))
        return;
    print_error("not one report of %s:\n%s---\n", kind, err);
    fail();
}

void assert_reports(const struct program *base, const char *kind)
{
    struct program program = *base;
    program.options = "symbolize=0";
    for (const char **level = all_levels; *level != NULL; level++) {
        program.level = *level;
        struct outcome outcome = program_run(&program);
        if (outcome.timed_out)
            fail_with(&program, &outcome, "hangs");
        if (outcome.status != -SIGABRT)
            fail_with(&program, &outcome, "does not end by SIGABRT");
        if (!is_one_report(outcome.err, kind)) {
            print_error("expected: %s\n", kind);
            fail_with(&program, &outcome, "does not give the one report");
        }
        outcome_free(&outcome);
    }
}
