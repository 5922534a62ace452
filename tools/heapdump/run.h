/*
 * run.h - private to run*.c: `heapdump run`, a program preloaded with the library.
 *
 *   run.c          options, what is said at the end
 *   run_program.c  which program and which library; can it be checked at all
 *   run_child.c    one run: environment, start, wait, signals
 *   run_log.c      the reports: shown as they come, and counted
 *   run_damage.c   what a report says of its block, read off its text
 *   run_again.c    --pinpoint and --thorough: more than one run
 */
#ifndef PW_HEAPDUMP_RUN_H
#define PW_HEAPDUMP_RUN_H

#include "bytes.h"

#include <sys/types.h>

/* What is to be run, and how. */
struct run {
    char **arguments; /* of the program, its name first; NULL at the end */
    const char *level;
    struct bytes options;   /* of PWHEAP_CHECK, after the level: "key=value:…" */
    const char *library;    /* --library; NULL: found */
    const char *log;        /* --log; NULL: stderr */
    bool has_color_option;
    bool is_fixed; /* no random addresses: a second run is to be like the first */
};

/* ---- run_program.c ---- */

/* The path of the program as execvp finds it, allocated; NULL: said why not. */
char *run_find_program(const char *name);
/* The path of libpwheap.so, allocated; NULL: said why not. */
char *run_find_library(const struct run *run);
/* The path of this program. */
char *run_own_path(void);
/* False: the library would have no effect on it; said why. */
bool run_can_check(const char *program);

/* ---- run_log.c ---- */

/* What the first report of a run says of its block; see run_damage.c. */
struct run_damage {
    bool is_late;       /* "damage found by", or read by a call: the store itself was not seen */
    bool is_poison;     /* what was read from a freed block was followed; the read itself was not seen */
    bool has_offset;    /* thread, number and offset are known */
    bool has_block;
    bool has_writer;    /* "written by:" */
    bool never_came;    /* the watched block … */
    uint64_t made;      /* … its thread made so many; 0: not known */
    bool came;          /* it did … */
    uint64_t came_size; /* … with so many bytes */
    uint32_t thread;    /* that allocated the block */
    uint64_t number;    /* of the allocation in its thread */
    int64_t offset;     /* of the damaged byte, from the block's start */
    uint64_t size;      /* of the block */
    struct bytes place; /* the innermost frame of the allocation, without its address */
    bool place_is_next; /* the next line is it */
};

/* Reports found so far, and what is told of the last. */
struct run_findings {
    struct run_damage damage;
    bool keeps_text; /* the reports go to `text` instead of stderr */
    struct bytes text;
    unsigned errors;
    struct bytes summary;  /* "heap-buffer-overflow file.c:3 in main" */
    struct bytes snapshot; /* path of the first one */
    unsigned snapshots;
};

/* A folder for the reports of a run, that is watched. */
struct run_log;
struct run_log *run_log_open(void); /* NULL: said why not */
/* To be polled for reading. */
int run_log_descriptor(const struct run_log *log);
/* log_path for the library. */
const char *run_log_path(const struct run_log *log);
/* Copy what is new to stderr, and to `findings`. */
void run_log_read(struct run_log *log, struct run_findings *findings);
/* The same, for the last time; the folder goes. */
void run_log_close(struct run_log *log, struct run_findings *findings);
/* A log that the library wrote elsewhere: count what is in it. */
void run_log_count_file(const char *path, struct run_findings *findings);
void run_findings_free(struct run_findings *findings);

/* ---- run_damage.c ---- */

/* Take in a line, without colours, of a report in text. */
void run_damage_read(struct run_damage *damage, unsigned errors, const char *line);

/* ---- run_again.c ---- */

/*
 * Run it, and if damage was found late, run it again, watching the damaged byte; where that run is another one,
 * run it a third time with guards on all blocks of the place; so too, at once, where a pointer from a freed block of it
 * was followed. Say what came of it. As run_once.
 */
bool run_pinpoint(struct run *run, const char *program, const char *library, struct run_findings *findings, int *status);
/* Run it with blocks right-aligned, left-aligned, and none used again; one verdict. As run_once. */
bool run_thoroughly(struct run *run, const char *program, const char *library, struct run_findings *findings, int *status);

/* ---- run_child.c ---- */

/* Add an option to those of PWHEAP_CHECK, in quotes where it needs them. False: it can't be written. */
bool run_add_option(struct run *run, const char *name, const char *value);
/*
 * In a forked child: become the program, with the library preloaded and PWHEAP_CHECK as the run has it. Reports
 * go to `log_path`; NULL: to stderr.
 */
_Noreturn void run_become(const struct run *run, const char *program, const char *library, const char *log_path);
/*
 * Run it once and wait: how it ended, as waitpid tells it. False: it could not be started; said why.
 * `findings` tells what was reported; NULL where the log is the user's.
 */
bool run_once(struct run *run, const char *program, const char *library, struct run_findings *findings, int *status);

/* ---- run.c ---- */

/* A program that ended so did something wrong, as waitpid tells it. */
bool run_has_crashed(int status);
/* What else there is to try, where nothing was found. */
#define RUN_TRY_THOROUGH "; `heapdump run --thorough' sees reads before and behind all blocks as well"

#endif
