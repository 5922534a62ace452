/*
 * sites.c - heapdump sites: blocks and bytes by the stack that allocated them, as a table, a tree, or for
 * pprof, speedscope and flame graphs.
 */
#include "command_line.h"
#include "heapdump.h"
#include "message.h"
#include "site_collect.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { KEY_TREE = COMMAND_KEY_FIRST, KEY_FOLDED, KEY_PPROF, KEY_SPEEDSCOPE, KEY_BLOCKS, KEY_LIMIT, KEY_STACKS };
enum { TABLE_SITES = 20 };

enum form { FORM_TABLE, FORM_TREE, FORM_FOLDED, FORM_PPROF, FORM_SPEEDSCOPE };

struct arguments {
    struct command_line line;
    struct block_filter filter;
    enum form form;
    const char *output; /* NULL: stdout */
    bool by_blocks;
    bool has_stacks;
    uint64_t limit; /* 0: not given */
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->filter;
        state->child_inputs[1] = &arguments->line;
        return 0;
    case KEY_TREE:
    case KEY_FOLDED:
    case KEY_PPROF:
    case KEY_SPEEDSCOPE:
        arguments->form = (enum form)(key - KEY_TREE + FORM_TREE);
        return 0;
    case KEY_STACKS:
        arguments->has_stacks = true;
        return 0;
    case KEY_BLOCKS:
        arguments->by_blocks = true;
        return 0;
    case KEY_LIMIT:
        command_line_take_limit(arg, &arguments->limit, state);
        return 0;
    case 'o':
        arguments->output = arg;
        return 0;
    case ARGP_KEY_END:
        if (arguments->form == FORM_PPROF && arguments->output == NULL && isatty(STDOUT_FILENO))
            argp_error(state, "a profile is no text: give it a file with -o");
        return 0;
    default:
        return command_line_take_target(&arguments->line, key, arg, state);
    }
}

static const struct argp_option options[] = {
    {"stacks", KEY_STACKS, NULL, 0, "The table with the whole stack of each site", 1},
    {"tree", KEY_TREE, NULL, 0, "A tree of calls, outermost first", 1},
    {"folded", KEY_FOLDED, NULL, 0, "A line a stack, for flame graphs", 1},
    {"pprof", KEY_PPROF, NULL, 0, "A profile for pprof", 1},
    {"speedscope", KEY_SPEEDSCOPE, NULL, 0, "A profile for speedscope.app", 1},
    {"output", 'o', "FILE", 0, "Write it there", 1},
    {"blocks", KEY_BLOCKS, NULL, 0, "By number of blocks, not by bytes", 1},
    {"limit", KEY_LIMIT, "N", 0, "No more than N sites (a table has 20)", 1},
    {0},
};

static bool write_form(const struct arguments *arguments, const struct site_output *output, FILE *out)
{
    switch (arguments->form) {
    case FORM_TREE:
        sites_write_tree(output);
        return true;
    case FORM_FOLDED:
        sites_write_folded(output, out);
        return true;
    case FORM_PPROF:
        return sites_write_pprof(output, out);
    case FORM_SPEEDSCOPE:
        sites_write_speedscope(output, out);
        return true;
    default:
        if (arguments->line.is_json)
            sites_write_json(output);
        else
            sites_write_table(output);
        return true;
    }
}

/* To stdout, or to the file of -o. */
static int write_sites(const struct arguments *arguments, const struct site_output *output)
{
    FILE *out = stdout;
    if (arguments->output != NULL && (out = freopen(arguments->output, "we", stdout)) == NULL) {
        message("can't write %s: %s", arguments->output, strerror(errno));
        return HEAPDUMP_UNREADABLE;
    }
    if (!write_form(arguments, output, out) && !ferror(out)) {
        message("the profile can't be compressed");
        return HEAPDUMP_UNREADABLE;
    }
    return HEAPDUMP_FINE;
}

static int look(struct target *target, void *input)
{
    struct arguments *arguments = input;
    struct sites sites = {0};
    struct places *places = places_open(target, &arguments->line.style);
    if (target_image(target)->root->level < PW_LEVEL_FULL)
        message("who allocated what is kept at PWHEAP_CHECK=full; this process runs at a lower level");
    target_freeze(target);
    block_filter_default_live(&arguments->filter);
    block_filter_bind(&arguments->filter, target);
    uint64_t damaged = sites_collect(&sites, target, places, &arguments->filter);
    sites_sort(&sites, arguments->by_blocks);
    bool is_table = arguments->form == FORM_TABLE && !arguments->line.is_json;
    struct site_output output = {.target = target, .places = places, .sites = &sites, .by_blocks = arguments->by_blocks,
                                 .has_stacks = arguments->has_stacks,
                                 .limit = arguments->limit != 0 ? arguments->limit : is_table ? TABLE_SITES : UINT64_MAX};
    int status = write_sites(arguments, &output);
    if (damaged != 0) {
        message("%" PRIu64 " blocks have damaged headers and are missing; see `heapdump check'", damaged);
        status = status == HEAPDUMP_FINE ? HEAPDUMP_FOUND : status;
    }
    sites_free(&sites);
    places_close(places);
    block_filter_free(&arguments->filter);
    return status;
}

int sites_command(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .args_doc = "TARGET",
        .doc = "Bytes and blocks by the stack that allocated them.\v"
               "Sums up live blocks; --state asks for others. Stacks are kept at PWHEAP_CHECK=full.",
        .children = block_filter_children,
    };
    struct arguments arguments = {.line = command_line_init(), .filter = block_filter_init()};
    return command_line_run(&arguments.line, &argp, argc, argv, &arguments, look);
}
