/*
 * run.c - heapdump run [OPTION…] [--] PROGRAM [ARGUMENT…]: run a program with the library preloaded, and
 * say at the end what was found. The rest is in run_*.c; see run.h.
 */
#include "run.h"

#include "heapdump.h"
#include "message.h"

#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEY_LEVEL = 256, KEY_LIBRARY, KEY_LOG, KEY_HALT, KEY_CONTINUE, KEY_JSON, KEY_DUMP, KEY_NO_DUMP, KEY_NO_CONTENT,
       KEY_PINPOINT, KEY_THOROUGH };

static const struct argp_option options[] = {
    {"level", KEY_LEVEL, "LEVEL", 0, "off, fast, full (default) or guard", 1},
    {"option", 'O', "KEY=VALUE", 0, "Any option of pwheap; `PWHEAP_CHECK=help' lists them", 1},
    {"halt", KEY_HALT, NULL, 0, "End the program at the first error (default)", 1},
    {"continue", KEY_CONTINUE, NULL, 0, "Report each different error, and go on", 1},
    {"log", KEY_LOG, "PATH", 0, "Write reports to PATH.PID, not to stderr", 1},
    {"json", KEY_JSON, NULL, 0, "Reports as JSON Lines", 1},
    {"dump", KEY_DUMP, "PATH", 0, "Where the snapshot of the first error goes (pwheap.%e.%p.%n.core)", 2},
    {"no-dump", KEY_NO_DUMP, NULL, 0, "No snapshot", 2},
    {"no-content", KEY_NO_CONTENT, NULL, 0, "Leave the program's data out of the snapshot", 2},
    {"pinpoint", KEY_PINPOINT, NULL, 0, "Damage found late: run again, and stop at the store that did it", 1},
    {"thorough", KEY_THOROUGH, NULL, 0, "Run four times: overruns, underruns, to the byte, nothing used again", 1},
    {"library", KEY_LIBRARY, "FILE", 0, "libpwheap.so, where it is not beside heapdump", 3},
    {0},
};

/* A run, as the command line wants it. */
struct line {
    struct run run;
    bool makes_no_dump;
    bool pinpoints;
    bool is_thorough;
    bool is_json;
};

static void add(struct line *line, struct argp_state *state, const char *name, const char *value)
{
    if (!run_add_option(&line->run, name, value))
        argp_error(state, "a value of an option can't have both kinds of quotes: %s", value);
}

static void add_pair(struct line *line, struct argp_state *state, const char *pair)
{
    const char *equals = strchr(pair, '=');
    if (equals == NULL || equals == pair)
        argp_error(state, "an option is KEY=VALUE, not `%s'", pair);
    char *name = strndup(pair, (size_t)(equals - pair));
    line->run.has_color_option = line->run.has_color_option || strcmp(name, "color") == 0;
    add(line, state, name, equals + 1);
    free(name);
}

static void check_level(struct line *line, struct argp_state *state, const char *level)
{
    static const char *const levels[] = {"off", "fast", "full", "guard"};
    for (size_t i = 0; i < PW_ARRAY_SIZE(levels); i++)
        if (strcmp(level, levels[i]) == 0)
            line->run.level = levels[i];
    if (line->run.level == NULL || strcmp(line->run.level, level) != 0)
        argp_error(state, "there is no level `%s'", level);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct line *line = state->input;
    switch (key) {
    case KEY_LEVEL:
        check_level(line, state, arg);
        return 0;
    case KEY_LIBRARY:
        line->run.library = arg;
        return 0;
    case KEY_LOG:
        line->run.log = arg;
        return 0;
    case KEY_HALT:
    case KEY_CONTINUE:
        add(line, state, "halt_on_error", key == KEY_HALT ? "1" : "0");
        return 0;
    case KEY_PINPOINT:
        line->pinpoints = true;
        return 0;
    case KEY_THOROUGH:
        line->is_thorough = true;
        return 0;
    case KEY_JSON:
        line->is_json = true;
        add(line, state, "report_format", "json");
        return 0;
    case KEY_DUMP:
        add(line, state, "dump_path", arg);
        return 0;
    case KEY_NO_DUMP:
        line->makes_no_dump = true;
        return 0;
    case KEY_NO_CONTENT:
        add(line, state, "dump_content", "0");
        return 0;
    case 'O':
        add_pair(line, state, arg);
        return 0;
    case ARGP_KEY_ARG:
        line->run.arguments = &state->argv[state->next - 1];
        state->next = state->argc; /* the rest is the program's */
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which program?");
        return 0;
    case ARGP_KEY_END:
        if (line->pinpoints && line->is_thorough)
            argp_error(state, "--pinpoint and --thorough are two different things");
        if ((line->pinpoints || line->is_thorough) && (line->is_json || line->run.log != NULL))
            argp_error(state, "--pinpoint and --thorough read the reports: as text, and on stderr");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

bool run_has_crashed(int status)
{
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE || number == SIGABRT;
}

/* One line, for who sits before it. */
static void tell(const struct run *run, const struct run_findings *findings, int status)
{
    const char *name = run->arguments[0];
    if (!isatty(STDERR_FILENO))
        return;
    if (findings->errors == 0 && run->log != NULL && strchr(run->log, '%') != NULL)
        message("%s has ended; what was found is in %s", name, run->log);
    else if (findings->errors == 0 && run_has_crashed(status))
        message("%s: nothing was found in its heap, but it ended by signal %d" RUN_TRY_THOROUGH, name, WTERMSIG(status));
    else if (findings->errors == 0)
        message("%s: nothing was found in its heap", name);
    else
        message("%s: %u error%s: %s%s%s%s", name, findings->errors, findings->errors == 1 ? "" : "s, the last one",
                findings->summary.data != NULL ? findings->summary.data : "see the report",
                findings->snapshots > 0 ? "; snapshot: " : "", findings->snapshots > 0 ? findings->snapshot.data : "",
                findings->snapshots > 1 ? " and more" : "");
}

/* End as the program did: a shell is to see the same. */
static int end_like(int status)
{
    struct rlimit none = {0, 0};
    if (!WIFSIGNALED(status))
        return WEXITSTATUS(status);
    (void)setrlimit(RLIMIT_CORE, &none); /* the core that matters is the program's */
    (void)signal(WTERMSIG(status), SIG_DFL);
    (void)raise(WTERMSIG(status));
    return 128 + WTERMSIG(status);
}

static int run_and_tell(struct line *line)
{
    struct run *run = &line->run;
    struct run_findings findings = {0};
    char *program = run_find_program(run->arguments[0]);
    char *library = program != NULL && run_can_check(program) ? run_find_library(run) : NULL;
    char *own = run_own_path();
    int status = 0, answer = HEAPDUMP_UNREADABLE;
    if (own[0] != '\0')
        (void)run_add_option(run, "external_symbolizer_path", own);
    (void)run_add_option(run, "dump_on_error", line->makes_no_dump ? "0" : "1");
    bool (*how)(struct run *, const char *, const char *, struct run_findings *, int *) =
        line->pinpoints ? run_pinpoint : line->is_thorough ? run_thoroughly : run_once;
    bool has_run = library != NULL && how(run, program, library, &findings, &status);
    if (has_run)
        tell(run, &findings, status);
    else if (program == NULL)
        answer = HEAPDUMP_NOT_RUN;
    run_findings_free(&findings);
    bytes_free(&run->options);
    free(program);
    free(library);
    free(own);
    return has_run ? end_like(status) : answer;
}

int run_command(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .args_doc = "[--] PROGRAM [ARGUMENT...]",
        .doc = "Run a program with its heap checked. Its exit status is heapdump's; 3: it can't be checked, 127: it "
               "can't be run. At the first error it leaves a snapshot for heapdump and gdb.",
    };
    struct line line = {0};
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &line);
    return run_and_tell(&line);
}
