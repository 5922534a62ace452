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
    /* "name argument …"; a name without a slash at its start is one of tests/programs. */
    const char *command;
    /* When not NULL: the arguments as they are, and `command` is not looked at. NULL at the end. */
    const char *const *argv;
    const char *level;            /* PWHEAP_CHECK begins with it; "glibc": the library is not preloaded */
    const char *options;          /* … and goes on with them, after a ':'; may be NULL */
    bool is_linked;               /* with the library, which is then not preloaded */
    const char *const *variables; /* more of the environment, NULL at the end; may be NULL */
    void (*prepare)(void *);      /* run in the child before exec: limits, descriptors, user; may be NULL */
    void *context;
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

extern const char *all_levels[]; /* off, fast, full, NULL; or what PROGRAM_LEVEL says, twice */

/*
 * The next run `base` (its level is not looked at) at every level, and expect it to end with `status`,
 * and nothing on stderr. assert_as_on_glibc: with the same on stdout as on glibc, where it has to end
 * alike; assert_ends: with `out` on stdout, where glibc can't be asked to.
 */
void assert_as_on_glibc(const struct program *base, int status);
void assert_ends(const struct program *base, int status, const char *out);
/* At every level: ends by SIGABRT after one whole report of `kind`. */
void assert_reports(const struct program *base, const char *kind);
/* One whole report of `kind` is all that is in `err`. */
void assert_one_report(const char *err, const char *kind);

/* Fail, with all that is known of how the program ran. */
void fail_with(const struct program *program, const struct outcome *outcome, const char *words);

/* Tests whose names are the sentences that they prove. */
#define AS_ON_GLIBC_ENDING(sentence, words, status)                                                \
    static void sentence(void **state)                                                             \
    {                                                                                              \
        (void)state;                                                                               \
        assert_as_on_glibc(&(struct program){.command = (words)}, status);                         \
    }
#define AS_ON_GLIBC(sentence, words) AS_ON_GLIBC_ENDING(sentence, words, 0)

#define PRINTS(sentence, words, out)                                                               \
    static void sentence(void **state)                                                             \
    {                                                                                              \
        (void)state;                                                                               \
        assert_ends(&(struct program){.command = (words)}, 0, out);                                \
    }

#define REPORTS(sentence, words, kind)                                                             \
    static void sentence(void **state)                                                             \
    {                                                                                              \
        (void)state;                                                                               \
        assert_reports(&(struct program){.command = (words)}, kind);                               \
    }

#endif
