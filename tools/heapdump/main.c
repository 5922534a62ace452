/*
 * main.c - heapdump COMMAND …: find the command in the table and hand the rest of the line to it.
 *
 * argp reads only what stands before the command's name; the command has an argp of its own.
 */
#include "heapdump.h"

#include "base/base.h"

#include <argp.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct command commands[] = {
    {"summary", "what a heap holds, on one screen", summary_command},
    {"walk", "every block in address order, filtered and sorted", walk_command},
    {"check", "validate all of a heap, and list its damage", check_command},
    {"block", "which block an address is in or near, and whose it is", block_command},
    {"find", "the blocks that hold bytes, a string or a pointer", find_command},
    {"leaks", "blocks that nothing leads to any more, by who allocated them", leaks_command},
    {"refs", "who points at a block, and by which chain it is reached", refs_command},
    {"map", "the address space as a picture", map_command},
    {"run", "run a program with its heap checked", run_command},
    {"snapshot", "a process as a core, for heapdump and gdb", snapshot_command},
    {"sites", "who allocated what: table, tree, pprof, flame graph", sites_command},
    {"diff", "what grew from one target to another", diff_command},
    {"top", "the biggest sites of a process and their growth, live", top_command},
    {"symbolize", "a filter: a report on stdin gets functions, files and lines", symbolize_command},
};

static const struct command *command_named(const char *name)
{
    for (size_t i = 0; i < PW_ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* The end of --help: the table. argp frees what it is given. */
static char *describe_commands(void)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    if (stream == NULL)
        return NULL;
    fputs("Commands:\n", stream);
    for (size_t i = 0; i < PW_ARRAY_SIZE(commands); i++)
        fprintf(stream, "  %-11s %s\n", commands[i].name, commands[i].summary);
    fputs("\n`heapdump COMMAND --help' tells more of one.\n\n"
          "Exit status: 0 fine, 1 heap damage or leaks found, 2 wrong usage, 3 target can't be read.",
          stream);
    return fclose(stream) == 0 ? text : NULL;
}

static char *filter_help(int key, const char *text, void *input)
{
    (void)input;
    return key == ARGP_KEY_HELP_POST_DOC ? describe_commands() : (char *)(uintptr_t)text;
}

/* What stands before the command's arguments. */
struct line {
    const struct command *command;
    int first; /* index of the command's name in argv */
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct line *line = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        line->command = command_named(arg);
        if (line->command == NULL)
            argp_error(state, "there is no command `%s'", arg);
        line->first = state->next - 1;
        state->next = state->argc; /* the rest is the command's */
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "which command?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* A file opened later must not become stdin, stdout or stderr by being the lowest free number. */
static void open_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* A crashing program may have started us from its signal handler. */
static void unblock_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int hand_over(const struct line *line, int argc, char **argv)
{
    char name[64];
    snprintf(name, sizeof name, "heapdump %s", line->command->name);
    argv[line->first] = name;
    return line->command->run(argc - line->first, argv + line->first);
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse_option,
        .args_doc = "COMMAND [ARGUMENT...]",
        .doc = "Look into the heap of a program that runs on pwheap.",
        .help_filter = filter_help,
    };
    struct line line = {0};

    open_standard_descriptors();
    unblock_signals();
    argp_program_version = "heapdump " PWHEAP_VERSION;
    argp_err_exit_status = HEAPDUMP_USAGE;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &line);
    return hand_over(&line, argc, argv);
}
