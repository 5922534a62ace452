/* command_line.c - see command_line.h */
#include "command_line.h"

#include "heapdump.h"
#include "message.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { KEY_DEBUGINFO = 256, KEY_STRIP, KEY_NO_DEMANGLE, KEY_JSON };

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "Every target:", 10},
    {"executable", 'e', "FILE", 0, "The program of a core that is not where the core says", 10},
    {"debuginfo-path", KEY_DEBUGINFO, "PATH", 0,
     "Folders with debug files, separated by colons (:.debug:/usr/lib/debug)", 10},
    {"strip-path-prefix", KEY_STRIP, "P", 0, "Leave P, and all before it, out of the files' paths", 10},
    {"no-demangle", KEY_NO_DEMANGLE, NULL, 0, "Show names of C++, Rust and D as the linker knows them", 10},
    {"json", KEY_JSON, NULL, 0, "JSON Lines: an object a line", 10},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct command_line *line = state->input;
    switch (key) {
    case 'e':
        line->target.executable = arg;
        return 0;
    case KEY_DEBUGINFO:
        line->target.debuginfo_path = arg;
        return 0;
    case KEY_STRIP:
        line->style.strip_path_prefix = arg;
        return 0;
    case KEY_NO_DEMANGLE:
        line->style.demangle = false;
        return 0;
    case KEY_JSON:
        line->is_json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp command_line_argp = {
    .options = options,
    .parser = parse_option,
    .doc = "\vA target is a PID, a core file, or `-- PROGRAM ARGUMENT...', after all else: a program that is run, and looked "
           "at where it ends.",
};

const struct argp_child command_line_children[] = {{&command_line_argp, 0, NULL, 0}, {0}};

struct command_line command_line_init(void)
{
    return (struct command_line){.style.demangle = true};
}

/* The program behind `--`; argv ends before it. NULL: there is none. */
static char **cut_program(int *argc, char **argv)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--") != 0)
            continue;
        char **program = &argv[i + 1];
        *argc = i;
        argv[i] = NULL;
        return *program != NULL ? program : NULL;
    }
    return NULL;
}

void command_line_parse(struct command_line *line, const struct argp *argp, int argc, char **argv, void *input)
{
    line->target.program = cut_program(&argc, argv);
    if (line->target.program != NULL)
        line->name = line->target.program[0];
    (void)argp_parse(argp, argc, argv, 0, NULL, input);
}

int command_line_run(struct command_line *line, const struct argp *argp, int argc, char **argv, void *input,
                     int (*look)(struct target *target, void *input))
{
    command_line_parse(line, argp, argc, argv, input);
    struct target *target = target_open(line->name, &line->target);
    int status = target != NULL ? look(target, input) : HEAPDUMP_UNREADABLE;
    target_close(target);
    return finish_output(status);
}

error_t command_line_take_target(struct command_line *line, int key, char *arg, struct argp_state *state)
{
    if (key == ARGP_KEY_NO_ARGS && line->name == NULL)
        argp_error(state, "which target? A PID, a core file, or `-- PROGRAM ARGUMENT...' to run one");
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (line->name != NULL)
        argp_error(state, "one target at a time; what is `%s'?", arg);
    line->name = arg;
    return 0;
}

void command_line_take_limit(const char *arg, uint64_t *limit, struct argp_state *state)
{
    if (!parse_bytes(arg, limit) || *limit == 0)
        argp_error(state, "--limit=%s: that is no number above 0", arg);
}

error_t command_line_take_address(struct command_line *line, struct address_argument *address, const char *question,
                                  int key, char *arg, struct argp_state *state)
{
    if (key == ARGP_KEY_END && line->name != NULL && !address->is_given)
        argp_error(state, "%s", question);
    if (key == ARGP_KEY_END)
        return 0;
    if (key != ARGP_KEY_ARG || line->name == NULL)
        return command_line_take_target(line, key, arg, state);
    if (address->is_given || !parse_address(arg, &address->address))
        argp_error(state, "`%s' is no address", arg);
    address->is_given = true;
    return 0;
}

/* ---- numbers ---- */

/* What is behind the digits: "", K, M, G, T, with "B" or "iB" or without. */
static bool parse_unit(const char *text, unsigned *shift)
{
    static const char units[] = "KMGT";
    *shift = 0;
    if (*text == '\0' || strcmp(text, "B") == 0)
        return true;
    const char *unit = strchr(units, *text & ~0x20);
    if (unit == NULL)
        return false;
    *shift = 10 * (unsigned)(unit - units + 1);
    return text[1] == '\0' || strcmp(text + 1, "B") == 0 || strcmp(text + 1, "iB") == 0;
}

bool parse_bytes(const char *text, uint64_t *bytes)
{
    char *end;
    unsigned shift;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 0);
    if (errno != 0 || !parse_unit(end, &shift) || value > UINT64_MAX >> shift)
        return false;
    *bytes = value << shift;
    return true;
}

bool parse_range(const char *text, uint64_t *least_value, uint64_t *most_value)
{
    char first[64];
    const char *dash = strchr(text, '-');
    *least_value = 0;
    *most_value = UINT64_MAX;
    if (dash == NULL) {
        bool is_number = parse_bytes(text, least_value);
        *most_value = *least_value;
        return is_number;
    }
    size_t length = (size_t)(dash - text);
    if (length >= sizeof first || (length == 0 && dash[1] == '\0'))
        return false;
    memcpy(first, text, length);
    first[length] = '\0';
    return (length == 0 || parse_bytes(first, least_value)) &&
           (dash[1] == '\0' || parse_bytes(dash + 1, most_value)) && *least_value <= *most_value;
}

bool parse_address(const char *text, uint64_t *address)
{
    char *end;
    errno = 0;
    if (text[0] == '\0' || strchr("+- \t", text[0]) != NULL)
        return false;
    *address = strtoull(text, &end, 16);
    return *end == '\0' && errno == 0;
}

const char *bytes_text(char text[BYTES_TEXT], uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    if (bytes < 10000) {
        snprintf(text, BYTES_TEXT, "%" PRIu64 " B", bytes);
        return text;
    }
    double value = (double)bytes / 1024;
    size_t unit = 0;
    for (; value >= 10000 && unit + 1 < PW_ARRAY_SIZE(units); unit++)
        value /= 1024;
    snprintf(text, BYTES_TEXT, value < 100 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}

const char *count_text(char text[2 * BYTES_TEXT], uint64_t count)
{
    char digits[BYTES_TEXT];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
    char *to = text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return text;
}

/* ---- output ---- */

int finish_output(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (errno == EPIPE)
        return status; /* nobody reads any more */
    message("can't write: %s", strerror(errno));
    return HEAPDUMP_UNREADABLE;
}

static struct winsize terminal_size(void)
{
    struct winsize size = {0};
    if (isatty(STDOUT_FILENO) && (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0))
        size = (struct winsize){.ws_col = 80, .ws_row = 24};
    return size;
}

unsigned terminal_columns(void)
{
    return terminal_size().ws_col;
}

unsigned terminal_lines(void)
{
    return terminal_size().ws_row;
}
