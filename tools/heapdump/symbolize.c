/*
 * symbolize.c - heapdump symbolize: a filter that gives a report's frames their functions, files and
 * lines. The library's reporter starts it; people feed it logs.
 *
 *   symbolize_command ── input_next ── symbolize_text ── frame_line_parse ──┐
 *                                  └── symbolize_json ── json_frames_find ──┴── symbols_locate
 */
#include "demangle.h"
#include "heapdump.h"
#include "stream.h"
#include "symbolizer.h"

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { KEY_STRIP = 256, KEY_DEMANGLE, KEY_NO_DEMANGLE, KEY_JSON, KEY_DEBUGINFO };

struct arguments {
    struct source_style style;
    bool is_json;
    const char *debuginfo_path;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case KEY_STRIP:
        arguments->style.strip_path_prefix = arg;
        return 0;
    case KEY_DEMANGLE:
    case KEY_NO_DEMANGLE:
        arguments->style.demangle = key == KEY_DEMANGLE;
        return 0;
    case KEY_JSON:
        arguments->is_json = true;
        return 0;
    case KEY_DEBUGINFO:
        arguments->debuginfo_path = arg;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "it reads stdin; what is `%s'?", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"strip-path-prefix", KEY_STRIP, "P", 0, "Leave P, and all before it, out of the files' paths", 0},
    {"demangle", KEY_DEMANGLE, NULL, 0, "Show names of C++, Rust and D as they are written (the default)", 0},
    {"no-demangle", KEY_NO_DEMANGLE, NULL, 0, "Show names of C++, Rust and D as the linker knows them", 0},
    {"json", KEY_JSON, NULL, 0, "All lines are JSON; text is copied. Else a line that begins with { is", 0},
    {"debuginfo-path", KEY_DEBUGINFO, "PATH", 0,
     "Folders with debug files, separated by colons (:.debug:/usr/lib/debug)", 0},
    {0},
};

static const struct argp argp = {
    .options = options,
    .parser = parse_option,
    .doc = "Copy a report from stdin to stdout, with function, file and line in its frames.\v"
           "Debug information is taken from the module itself, from a file beside it "
           "(.gnu_debuglink), by build id from /usr/lib/debug, and from debuginfod where "
           "DEBUGINFOD_URLS is set. A frame of a module that can't be read or has another build id "
           "stays as it is.",
};

/* Each module takes a descriptor or two; the crashed program may have lived with few. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static struct span symbolize_line(struct symbolizer *symbolizer, const struct input_line *line,
                                  bool is_json)
{
    if (!line->is_whole) {
        symbolizer->added = 0;
        return line->bytes;
    }
    if (is_json || span_starts_with(line->bytes, SPAN("{"))) {
        symbolizer->added = 0;
        return symbolize_json(symbolizer, line->bytes);
    }
    return symbolize_text(symbolizer, line->bytes);
}

static void free_symbolizer(struct symbolizer *symbolizer)
{
    demangle_close();
    symbols_close(symbolizer->symbols);
    symbolizer_free(symbolizer);
}

/* Nobody reads any more: that is no error of ours. */
static int exit_status(const struct input *input, const struct output *output)
{
    if (output->error != 0 && output->error != EPIPE)
        fprintf(stderr, "heapdump symbolize: can't write: %s\n", strerror(output->error));
    else if (input->error != 0)
        fprintf(stderr, "heapdump symbolize: can't read: %s\n", strerror(input->error));
    else
        return HEAPDUMP_FINE;
    return HEAPDUMP_UNREADABLE;
}

int symbolize_command(int argc, char **argv)
{
    struct arguments arguments = {.style.demangle = true};
    struct output output = {.fd = STDOUT_FILENO};
    struct input input;
    struct input_line line;

    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    struct symbolizer symbolizer = {.style = arguments.style,
                                    .symbols = symbols_open(arguments.debuginfo_path)};
    input_init(&input, STDIN_FILENO, &output);
    while (output.error == 0 && input_next(&input, &line))
        output_span(&output, symbolize_line(&symbolizer, &line, arguments.is_json));
    output_flush(&output);
    int status = exit_status(&input, &output);
    input_free(&input);
    output_free(&output);
    free_symbolizer(&symbolizer);
    return status;
}
