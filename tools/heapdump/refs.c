/*
 * refs.c - heapdump refs: who points at a block, and by which chain a root leads to it.
 *
 * image/reach.h searches roots first, then blocks in the order in which they were reached; so the chain of
 * first places is a shortest one.
 */
#include "blocks.h"
#include "command_line.h"
#include "heapdump.h"
#include "message.h"
#include "places.h"
#include "reachable.h"

#include <inttypes.h>
#include <stdlib.h>

enum { KEY_LIMIT = COMMAND_KEY_FIRST, KEY_STARTS_ONLY };
enum { MOST_LINKS = 1000 };

struct arguments {
    struct command_line line;
    uint64_t address;
    bool has_address;
    bool starts_only;
    uint64_t limit; /* pointers that are shown */
};

struct refs {
    const struct arguments *arguments;
    struct reachable reachable;
    struct places *places;
    struct json json;
    struct pw_block_info block; /* that is asked for */
    uint64_t *found;            /* places of pointers to it, the first arguments->limit */
    size_t found_capacity;
    size_t found_count;
    uint64_t total;
};

/* ---- looking ---- */

static void note_found(void *context, uint64_t place, uint32_t index)
{
    struct refs *refs = context;
    if (pw_reach_block(&refs->reachable.reach, index)->address != refs->block.address)
        return;
    refs->total++;
    if (refs->found_count >= refs->arguments->limit)
        return;
    if (refs->found_count == refs->found_capacity) {
        refs->found_capacity = 2 * refs->found_capacity + 64;
        refs->found = heapdump_grow(refs->found, refs->found_capacity, sizeof *refs->found);
    }
    refs->found[refs->found_count++] = place;
}

/* The index of the block that was asked for, or PW_REACH_NO_BLOCK: it is not live. */
static uint32_t index_of_block(struct refs *refs)
{
    struct pw_reach *reach = &refs->reachable.reach;
    uint32_t index = pw_reach_find(reach, refs->block.address);
    bool is_it = index != PW_REACH_NO_BLOCK && pw_reach_block(reach, index)->address == refs->block.address;
    return is_it ? index : PW_REACH_NO_BLOCK;
}

/* Places from the block back to where the chain begins: how many, into `chain`. */
static size_t find_chain(struct refs *refs, uint32_t index, uint64_t chain[MOST_LINKS])
{
    struct pw_reach *reach = &refs->reachable.reach;
    size_t count = 0;
    while (count < MOST_LINKS) {
        uint64_t place = pw_reach_block(reach, index)->place;
        chain[count++] = place;
        struct place_info info = reachable_place(&refs->reachable, place);
        if (info.kind != PLACE_IN_BLOCK)
            break;
        index = info.block;
    }
    return count;
}

static const char *mark_text(uint32_t mark)
{
    static const char *const names[] = {"lost", "reached", "direct leak", "indirect leak"};
    return mark < PW_ARRAY_SIZE(names) ? names[mark] : "?";
}

/* ---- as text ---- */

static void write_block(struct refs *refs)
{
    const struct pw_block_info *block = &refs->block;
    printf("block 0x%" PRIx64 " of %" PRIu64 " bytes, %s", block->address, block->size, block_state_text(block));
    if (block->has_evidence && block->alloc_stack != 0)
        printf(", %s", places_site_text(refs->places, block->alloc_stack));
    putchar('\n');
}

/* Who allocated the block that a place is in. */
static void write_site_of(struct refs *refs, uint64_t place)
{
    struct place_info info = reachable_place(&refs->reachable, place);
    uint32_t stack = info.kind == PLACE_IN_BLOCK ? pw_reach_block(&refs->reachable.reach, info.block)->stack : 0;
    if (stack != 0)
        printf(", %s", places_site_text(refs->places, stack));
}

/* How far into the block that was asked for a pointer at `place` goes, where it can be read again. */
static void write_target_offset(struct refs *refs, uint64_t place)
{
    uint64_t word;
    if ((place & PLACE_REGISTER) != 0 || !target_read(refs->reachable.target, place, &word, sizeof word))
        return;
    uint64_t offset = word - refs->block.address;
    if (offset != 0 && offset < refs->block.size)
        printf(" -> + %" PRIu64, offset);
}

static void write_found(struct refs *refs)
{
    printf("\npointed at by %" PRIu64 " word%s%s\n", refs->total, refs->total == 1 ? "" : "s", refs->total > 0 ? ":" : "");
    for (size_t i = 0; i < refs->found_count; i++) {
        fputs("  ", stdout);
        reachable_place_write(&refs->reachable, stdout, refs->found[i]);
        write_target_offset(refs, refs->found[i]);
        write_site_of(refs, refs->found[i]);
        putchar('\n');
    }
    if (refs->total > refs->found_count)
        printf("  and %" PRIu64 " more (--limit)\n", refs->total - refs->found_count);
}

static void write_chain(struct refs *refs, uint32_t index)
{
    static uint64_t chain[MOST_LINKS];
    uint32_t mark = pw_reach_block(&refs->reachable.reach, index)->mark;
    if (mark != PW_REACH_REACHED)
        printf("\nlost: nothing leads to it from outside (%s)\n", mark_text(mark));
    if (mark == PW_REACH_DIRECT)
        return;
    size_t count = find_chain(refs, index, chain);
    if (mark == PW_REACH_INDIRECT)
        count--; /* the lost block that it begins with is nowhere */
    puts(mark == PW_REACH_REACHED ? "\nreached by:" : "\nlost with:");
    for (size_t i = count; i-- > 0;) {
        fputs("  ", stdout);
        reachable_place_write(&refs->reachable, stdout, chain[i]);
        write_site_of(refs, chain[i]);
        putchar('\n');
    }
}

/* ---- as JSON ---- */

static void place_json(struct refs *refs, uint64_t place)
{
    json_object(&refs->json, NULL);
    reachable_place_json(&refs->reachable, &refs->json, place);
    json_object_end(&refs->json);
}

static void write_json(struct refs *refs, uint32_t index)
{
    static uint64_t chain[MOST_LINKS];
    struct json *json = &refs->json;
    json_object(json, NULL);
    json_number(json, "version", 1);
    json_object(json, "block");
    block_json(refs->reachable.target, json, &refs->block);
    places_json(refs->places, json, "alloc_stack", refs->block.has_evidence ? refs->block.alloc_stack : 0);
    json_object_end(json);
    json_string(json, "reach", index != PW_REACH_NO_BLOCK
                                   ? mark_text(pw_reach_block(&refs->reachable.reach, index)->mark)
                                   : NULL);
    json_number(json, "pointers", refs->total);
    json_array(json, "from");
    for (size_t i = 0; i < refs->found_count; i++)
        place_json(refs, refs->found[i]);
    json_array_end(json);
    json_array(json, "chain");
    size_t count = index != PW_REACH_NO_BLOCK ? find_chain(refs, index, chain) : 0;
    for (size_t i = count; i-- > 0;)
        if (chain[i] != 0)
            place_json(refs, chain[i]);
    json_array_end(json);
    json_object_end(json);
    json_line_end(json);
}

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
    case ARGP_KEY_ARG:
        if (state->arg_num != 1)
            return command_line_take_target(&arguments->line, key, arg, state);
        arguments->has_address = parse_address(arg, &arguments->address);
        if (!arguments->has_address)
            argp_error(state, "`%s' is no address", arg);
        return 0;
    case ARGP_KEY_END:
        if (arguments->line.name != NULL && !arguments->has_address)
            argp_error(state, "of which block? An address");
        return 0;
    default:
        return command_line_take_target(&arguments->line, key, arg, state);
    }
}

static const struct argp_option options[] = {
    {"starts-only", KEY_STARTS_ONLY, NULL, 0, "Only pointers to a block's first byte count", 1},
    {"limit", KEY_LIMIT, "N", 0, "Show N of the words that point at it (20); all are counted", 1},
    {0},
};

static int look(struct refs *refs)
{
    struct reachable *reachable = &refs->reachable;
    reachable->reach.starts_only = refs->arguments->starts_only;
    reachable->reach.found = note_found;
    reachable->reach.context = refs;
    if (!pw_inspect_address(target_image(reachable->target), refs->arguments->address, &refs->block)) {
        message("0x%" PRIx64 " is in no block", refs->arguments->address);
        return HEAPDUMP_USAGE;
    }
    if (!reachable_search(reachable))
        return HEAPDUMP_UNREADABLE;
    refs->places = places_open(reachable->target, &refs->arguments->line.style);
    uint32_t index = index_of_block(refs);
    if (index == PW_REACH_NO_BLOCK)
        message("the block is %s, not live: pointers to it are not looked for", block_state_text(&refs->block));
    if (refs->arguments->line.is_json) {
        write_json(refs, index);
    } else {
        write_block(refs);
        if (index != PW_REACH_NO_BLOCK) {
            write_found(refs);
            write_chain(refs, index);
        }
    }
    places_close(refs->places);
    json_free(&refs->json);
    return HEAPDUMP_FINE;
}

int refs_command(int argc, char **argv)
{
    static const struct argp_child children[] = {{&command_line_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .args_doc = "TARGET ADDRESS",
        .doc = "Who points at a block (into it, wherever ADDRESS is), and the shortest chain that leads to it from "
               "a register, a stack, a global or other memory.\v"
               "A live process is stopped meanwhile.",
        .children = children,
    };
    struct arguments arguments = {.line = command_line_init(), .limit = 20};
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    static struct refs refs;
    refs = (struct refs){.arguments = &arguments, .json.out = stdout};
    refs.reachable.target = target_open(arguments.line.name, &arguments.line.target);
    if (refs.reachable.target == NULL)
        return HEAPDUMP_UNREADABLE;
    int status = look(&refs);
    reachable_close(&refs.reachable);
    target_close(refs.reachable.target);
    free(refs.found);
    return finish_output(status);
}
