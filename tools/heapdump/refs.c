/* refs.c - heapdump refs: who points at a block, and by which chain a root leads to it. See pointers.h. */
#include "blocks.h"
#include "command_line.h"
#include "heapdump.h"
#include "message.h"
#include "pointers.h"

#include <inttypes.h>

enum { KEY_LIMIT = COMMAND_KEY_FIRST, KEY_STARTS_ONLY };

struct arguments {
    struct command_line line;
    struct address_argument address;
    bool starts_only;
    uint64_t limit; /* pointers that are shown */
};

/* ---- the command ---- */

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->line;
        return 0;
    case KEY_STARTS_ONLY:
        arguments->starts_only = true;
        return 0;
    case KEY_LIMIT:
        if (!parse_bytes(arg, &arguments->limit))
            argp_error(state, "--limit=%s: that is no number", arg);
        return 0;
    default:
        return command_line_take_address(&arguments->line, &arguments->address, "of which block? An address", key, arg,
                                         state);
    }
}

static const struct argp_option options[] = {
    {"starts-only", KEY_STARTS_ONLY, NULL, 0, "Only pointers to a block's first byte count", 1},
    {"limit", KEY_LIMIT, "N", 0, "Show N of the words that point at it (20); all are counted", 1},
    {0},
};

static void write_block(struct pointers *pointers)
{
    const struct pw_block_info *block = &pointers->block;
    printf("block 0x%" PRIx64 " of %" PRIu64 " bytes, %s", block->address, block->size, block_state_text(block));
    if (block->has_evidence && block->alloc_stack != 0)
        printf(", %s", places_site_text(pointers->places, block->alloc_stack));
    putchar('\n');
}

static void write_json(struct pointers *pointers)
{
    struct json json = {.out = stdout};
    const struct pw_block_info *block = &pointers->block;
    json_object(&json, NULL);
    json_number(&json, "version", 1);
    json_object(&json, "block");
    block_json(pointers->reachable.target, &json, block);
    places_json(pointers->places, &json, "alloc_stack", block->has_evidence ? block->alloc_stack : 0);
    json_object_end(&json);
    pointers_json(pointers, &json);
    json_object_end(&json);
    json_line_end(&json);
    json_free(&json);
}

static int search(struct pointers *pointers, const struct arguments *arguments)
{
    struct target *target = pointers->reachable.target;
    if (!pw_inspect_address(target_image(target), arguments->address.address, &pointers->block)) {
        message("0x%" PRIx64 " is in no block", arguments->address.address);
        return HEAPDUMP_USAGE;
    }
    if (!pointers_search(pointers))
        return HEAPDUMP_UNREADABLE;
    bool is_known = pointers->index != PW_REACH_NO_BLOCK;
    pointers->places = places_open(target, &arguments->line.style);
    if (!is_known)
        message("the block's header is damaged: pointers to it are not looked for");
    if (arguments->line.is_json) {
        write_json(pointers);
    } else {
        write_block(pointers);
        if (is_known) {
            putchar('\n');
            pointers_write_with_chain(pointers);
        }
    }
    places_close(pointers->places);
    return HEAPDUMP_FINE;
}

static int look(struct target *target, void *input)
{
    static struct pointers pointers; /* large */
    const struct arguments *arguments = input;
    pointers = (struct pointers){.reachable.target = target, .limit = arguments->limit};
    pointers.reachable.reach.starts_only = arguments->starts_only;
    int status = search(&pointers, arguments);
    pointers_free(&pointers);
    return status;
}

int refs_command(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .args_doc = "TARGET ADDRESS",
        .doc = "Who points at a block (into it, wherever ADDRESS is), and the shortest chain that leads to it from "
               "a register, a stack, a global or other memory.\v"
               "A live process is stopped meanwhile.",
        .children = command_line_children,
    };
    struct arguments arguments = {.line = command_line_init(), .limit = POINTERS_SHOWN};
    return command_line_run(&arguments.line, &argp, argc, argv, &arguments, look);
}
