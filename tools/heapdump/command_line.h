/*
 * command_line.h - what the commands that look into a target have in common: the options -e,
 * --debuginfo-path, --strip-path-prefix, --no-demangle and --json, numbers with units, the output's end.
 */
#ifndef PW_HEAPDUMP_COMMAND_LINE_H
#define PW_HEAPDUMP_COMMAND_LINE_H

#include "source_text.h"
#include "target.h"

#include <argp.h>
#include <stdio.h>

struct command_line {
    const char *name; /* of the target: the command sets it; of `-- PROGRAM` it is set before */
    struct target_options target;
    struct source_style style;
    bool is_json;
};

/*
 * `children` of a command's struct argp. The command's parser gives them its struct command_line on ARGP_KEY_INIT:
 * state->child_inputs[0] = &line, which command_line_init has filled. A command that goes through blocks has those of
 * block_filter.h.
 */
extern const struct argp command_line_argp;
extern const struct argp_child command_line_children[];
struct command_line command_line_init(void);

/*
 * argp_parse, with what stands behind `--` as the target: a program and its arguments. `input` is argp's, and `line` in it.
 */
void command_line_parse(struct command_line *line, const struct argp *argp, int argc, char **argv, void *input);
/*
 * All of a command: parse, open the target, look at it, close it, flush. The exit status is what `look` returns;
 * HEAPDUMP_UNREADABLE where there is nothing to look at, or nobody to write to.
 */
int command_line_run(struct command_line *line, const struct argp *argp, int argc, char **argv, void *input,
                     int (*look)(struct target *target, void *input));

/* For a command's parser: `arg` is the target; a second one, or none, is an error. */
error_t command_line_take_target(struct command_line *line, int key, char *arg, struct argp_state *state);

/* Of a command's parser: the option --limit, a number above 0; another is an error. */
void command_line_take_limit(const char *arg, uint64_t *limit, struct argp_state *state);

/* The address that stands behind the target. */
struct address_argument {
    uint64_t address;
    bool is_given;
};
/* The same for a command that takes a target and an address; `question` is what it says when that is missing. */
error_t command_line_take_address(struct command_line *line, struct address_argument *address, const char *question,
                                  int key, char *arg, struct argp_state *state);

/* Keys of the commands' own options start here. */
enum { COMMAND_KEY_FIRST = 512 };

/*
 * A number of bytes: 4096, 0x1000, 4K, 4KiB, 1M, 2G. False: it is none.
 */
bool parse_bytes(const char *text, uint64_t *bytes);
/* "MIN-MAX", "MIN-", "-MAX" or one number, each as parse_bytes takes it. */
bool parse_range(const char *text, uint64_t *least_value, uint64_t *most_value);
/* An address: hexadecimal, with or without 0x. */
bool parse_address(const char *text, uint64_t *address);

/* Room for a number of bytes as people read it: "1.5 MiB". */
enum { BYTES_TEXT = 24 };
const char *bytes_text(char text[BYTES_TEXT], uint64_t bytes);
/* A count with thin groups: "1,234,567". */
const char *count_text(char text[2 * BYTES_TEXT], uint64_t count);

/* Flush stdout: `status`, or HEAPDUMP_UNREADABLE with a message when it can't be written. */
int finish_output(int status);
/* Of the terminal that stdout is, 0: it is none. */
unsigned terminal_columns(void);
unsigned terminal_lines(void);

#endif
