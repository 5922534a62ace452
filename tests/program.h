/*
 * program.h - run a program of tests/programs (or any other) in a process of its own, on pwheap at
 * a level or on plain glibc, and look at what it printed and how it ended. Include after cmocka.h.
 *
 * PROGRAM_DIRECTORY and PROGRAM_LIBRARY come from the build: where the programs are, and the
 * library to preload. The driver itself runs on plain glibc.
 */
#ifndef PW_TESTS_PROGRAM_H
#define PW_TESTS_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

enum { PROGRAM_ARGUMENTS = 12, PROGRAM_SECONDS = 100 };

struct program {
    /* "name argument …" of tests/programs; an absolute path is taken as it is. */
    const char *command;
    /* When not NULL: the arguments as they are, and `command` is not looked at. */
    const char *const *argv;
    /* off, fast, full: preloaded with PWHEAP_CHECK so. "default": preloaded without the variable.
     * "glibc": not preloaded. "linked": not preloaded, but with PWHEAP_CHECK=`options`. */
    const char *level;
    const char *options;          /* joined to PWHEAP_CHECK with ':'; may be NULL */
    const char *const *variables; /* more of the environment, NULL at the end; may be NULL */
    void (*prepare)(void *);      /* run in the child before exec: limits, descriptors, user; may be NULL */
    void *context;
    bool keeps_output; /* stdout and stderr are left as prepare makes them */
};

/* How it ended: the exit status, or minus the signal. Output is NUL-terminated, and the caller's to free. */
struct outcome {
    int status;
    bool timed_out;
    char *out;
    char *err;
    size_t out_length;
    size_t err_length;
};

struct outcome program_run(const struct program *program);
void outcome_free(struct outcome *outcome);

/* How many times `what` is in `text`. */
int count_of(const char *text, const char *what);

extern const char *const all_levels[]; /* off, fast, full, NULL */

/* On glibc and at every level: status 0, nothing on stderr, the same on stdout. */
void assert_runs_as_on_glibc(const char *command);
/* At every level (glibc can't be asked to): status 0, `expected` on stdout, nothing on stderr. */
void assert_runs(const char *command, const char *expected);
/* At every level: ends by SIGABRT after one whole report of `kind`; stdout is `out`. */
void assert_reports(const char *command, const char *kind, const char *out);
/* One whole report of `kind` is all that is in `err`. */
void assert_one_report(const char *err, const char *kind);

/* Fail, with all that is known of how the program ran. */
void fail_with(const struct program *program, const struct outcome *outcome, const char *words);

/* A test whose name is the sentence that it proves. */
#define AS_ON_GLIBC(sentence, command)                                                             \
    static void sentence(void **state)                                                             \
    {                                                                                              \
        (void)state;                                                                               \
        assert_runs_as_on_glibc(command);                                                          \
    }

#define RUNS(sentence, command, expected)                                                          \
    static void sentence(void **state)                                                             \
    {                                                                                              \
        (void)state;                                                                               \
        assert_runs(command, expected);                                                            \
    }

#define REPORTS(sentence, command, kind, out)                                                      \
    static void sentence(void **state)                                                             \
    {                                                                                              \
        (void)state;                                                                               \
        assert_reports(command, kind, out);                                                        \
    }

#endif
