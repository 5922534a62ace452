/*
 * diff.c - heapdump diff: what grew from one target to another, by allocation stack and by size.
 *
 * Stacks of two processes, or of two runs, have other ids and other addresses: they are the same when
 * their frames are in the same modules (by build id, else by path) at the same offsets.
 */
#include "blocks.h"
#include "command_line.h"
#include "heapdump.h"
#include "site_collect.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BLOCKS = COMMAND_KEY_FIRST, KEY_LIMIT };
enum { SIDES = 2, TABLE_SITES = 20, SHOWN_FRAMES = 8, FIRST_CAPACITY = 1024 };

struct arguments {
    struct command_line line;
    struct block_filter filter;
    const char *names[SIDES];
    bool by_blocks;
    uint64_t limit;
};

struct tally {
    uint64_t blocks;
    uint64_t bytes;
};

/* One stack, on both sides. */
struct change {
    struct tally tallies[SIDES];
    uint32_t stacks[SIDES]; /* ids there; 0: it isn't there */
};

struct diff {
    const struct arguments *arguments;
    struct target *targets[SIDES];
    struct places *places[SIDES];
    struct change *changes;
    struct numbers numbers; /* of stacks' keys: indices of the changes */
    size_t capacity;
    size_t count;
    struct tally sizes[SIDES][SIZE_CLASSES];
    struct tally all[SIDES];
};

/* ---- equal stacks ---- */

static uint64_t stack_key(struct target *target, uint32_t stack)
{
    uint64_t frames[PW_MAX_FRAMES], hash = HASH_NOTHING;
    size_t count = target_stack(target, stack, frames);
    for (size_t i = 0; i < count; i++) {
        const struct pw_module *module = target_find_module(target, frames[i] - 1);
        uint64_t offset = module != NULL ? frames[i] - module->bias : frames[i];
        if (module != NULL && module->build_id_len != 0)
            hash = hash_bytes(hash, module->build_id, module->build_id_len);
        else if (module != NULL)
            hash = hash_bytes(hash, module->path, strlen(module->path));
        hash = hash_bytes(hash, &offset, sizeof offset);
    }
    return hash;
}

static void add_site(struct diff *diff, int side, const struct site *site)
{
    uint32_t index = numbers_take(&diff->numbers, stack_key(diff->targets[side], site->stack));
    if (index == diff->capacity) {
        diff->capacity = diff->capacity * 2 + FIRST_CAPACITY;
        diff->changes = heapdump_grow(diff->changes, diff->capacity, sizeof *diff->changes);
    }
    if (index == diff->count)
        diff->changes[diff->count++] = (struct change){0};
    struct change *change = &diff->changes[index];
    change->stacks[side] = site->stack;
    change->tallies[side].blocks += site->blocks;
    change->tallies[side].bytes += site->bytes;
}

/* ---- adding up one side ---- */

struct side {
    struct diff *diff;
    int index;
    struct block_filter *filter;
    struct sites sites;
};

static bool visit(void *context, const struct pw_block_info *block)
{
    struct side *side = context;
    struct diff *diff = side->diff;
    if (!block_filter_takes(side->filter, diff->targets[side->index], diff->places[side->index], block))
        return true;
    struct tally *size = &diff->sizes[side->index][size_class_of(block->size)];
    size->blocks++;
    size->bytes += block->size;
    sites_add(&side->sites, block->has_evidence ? block->alloc_stack : 0, 1, block->size);
    return true;
}

static void add_up(struct diff *diff, int index)
{
    /* Its verdicts are about the stacks of one target. */
    struct block_filter filter = diff->arguments->filter;
    struct side side = {.diff = diff, .index = index, .filter = &filter};
    target_freeze(diff->targets[index]);
    block_filter_bind(&filter, diff->targets[index]);
    blocks_walk(diff->targets[index], "reading the heap", visit, &side);
    diff->all[index] = (struct tally){side.sites.blocks, side.sites.bytes};
    sites_sort(&side.sites, false);
    for (size_t i = 0; i < side.sites.count; i++)
        add_site(diff, index, &side.sites.table[i]);
    sites_free(&side.sites);
    filter.site = NULL; /* the expression is freed once, at the end */
    block_filter_free(&filter);
}

/* ---- showing ---- */

static int64_t delta(const struct tally tallies[SIDES], bool by_blocks)
{
    return by_blocks ? (int64_t)(tallies[1].blocks - tallies[0].blocks)
                     : (int64_t)(tallies[1].bytes - tallies[0].bytes);
}

static int compare_grown(const void *left, const void *right)
{
    int64_t a = delta(((const struct change *)left)->tallies, false);
    int64_t b = delta(((const struct change *)right)->tallies, false);
    return (a < b) - (a > b);
}

static int compare_grown_blocks(const void *left, const void *right)
{
    int64_t a = delta(((const struct change *)left)->tallies, true);
    int64_t b = delta(((const struct change *)right)->tallies, true);
    return (a < b) - (a > b);
}

/* Only what changed, the most grown first. */
static void sort_changes(struct diff *diff)
{
    size_t kept = 0;
    for (size_t i = 0; i < diff->count; i++) {
        const struct change *change = &diff->changes[i];
        if (delta(change->tallies, false) != 0 || delta(change->tallies, true) != 0)
            diff->changes[kept++] = *change;
    }
    diff->count = kept;
    if (kept > 1)
        qsort(diff->changes, kept, sizeof *diff->changes,
              diff->arguments->by_blocks ? compare_grown_blocks : compare_grown);
}

/* "+1.5 MiB" */
static const char *signed_bytes(char text[BYTES_TEXT + 1], int64_t bytes)
{
    text[0] = bytes < 0 ? '-' : '+';
    bytes_text(text + 1, bytes < 0 ? (uint64_t)-bytes : (uint64_t)bytes);
    return text;
}

static void write_change(const struct tally tallies[SIDES], const char *what)
{
    char change[BYTES_TEXT + 1], before[BYTES_TEXT], after[BYTES_TEXT];
    printf("%11s %+11" PRId64 " %11s %11s  %s\n", signed_bytes(change, delta(tallies, false)), delta(tallies, true),
           bytes_text(before, tallies[0].bytes), bytes_text(after, tallies[1].bytes), what);
}

static void write_sites(const struct diff *diff)
{
    printf("%11s %11s %11s %11s  %s\n", "bytes", "blocks", "before", "after", "allocated from");
    for (size_t i = 0; i < diff->count && i < diff->arguments->limit; i++) {
        const struct change *change = &diff->changes[i];
        int side = change->stacks[1] != 0 ? 1 : 0;
        uint32_t stack = change->stacks[side];
        write_change(change->tallies, stack != 0 ? places_site_text(diff->places[side], stack) : "not known");
        places_write_stack(diff->places[side], stdout, stack, SHOWN_FRAMES);
    }
    if (diff->count > diff->arguments->limit)
        printf("and %zu more sites that changed (--limit)\n", diff->count - (size_t)diff->arguments->limit);
}

static void write_sizes(const struct diff *diff)
{
    char what[BYTES_TEXT + 16] = "up to ";
    puts("\nby size");
    for (size_t i = 0; i < SIZE_CLASSES; i++) {
        struct tally tallies[SIDES] = {diff->sizes[0][i], diff->sizes[1][i]};
        bytes_text(what + sizeof "up to " - 1, (uint64_t)16 << i);
        if (delta(tallies, false) != 0 || delta(tallies, true) != 0)
            write_change(tallies, what);
    }
    putchar('\n');
    write_change(diff->all, "all");
}

static void tally_json(struct json *json, const char *name, const struct tally *tally)
{
    json_object(json, name);
    json_number(json, "size", tally->bytes);
    json_number(json, "blocks", tally->blocks);
    json_object_end(json);
}

static void tallies_json(struct json *json, const struct tally *before, const struct tally *after)
{
    tally_json(json, "before", before);
    tally_json(json, "after", after);
}

/* A line a stack, a line a size, then the sum; "what" tells them apart. */
static void write_json(const struct diff *diff)
{
    struct json json = {.out = stdout};
    for (size_t i = 0; i < diff->count && i < diff->arguments->limit; i++) {
        const struct change *change = &diff->changes[i];
        int side = change->stacks[1] != 0 ? 1 : 0;
        json_object(&json, NULL);
        json_string(&json, "what", "site");
        tallies_json(&json, &change->tallies[0], &change->tallies[1]);
        places_json(diff->places[side], &json, "alloc_stack", change->stacks[side]);
        json_object_end(&json);
        json_line_end(&json);
    }
    for (size_t i = 0; i <= SIZE_CLASSES; i++) {
        bool is_sum = i == SIZE_CLASSES;
        const struct tally *before = is_sum ? &diff->all[0] : &diff->sizes[0][i];
        const struct tally *after = is_sum ? &diff->all[1] : &diff->sizes[1][i];
        if (!is_sum && before->blocks == 0 && after->blocks == 0)
            continue;
        json_object(&json, NULL);
        json_string(&json, "what", is_sum ? "all" : "size");
        if (!is_sum)
            json_number(&json, "up_to", (uint64_t)16 << i);
        tallies_json(&json, before, after);
        json_object_end(&json);
        json_line_end(&json);
    }
    json_free(&json);
}

/* ---- the command ---- */

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->filter;
        state->child_inputs[1] = &arguments->line;
        return 0;
    case KEY_BLOCKS:
        arguments->by_blocks = true;
        return 0;
    case KEY_LIMIT:
        command_line_take_limit(arg, &arguments->limit, state);
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num >= SIDES)
            argp_error(state, "two targets are compared; what is `%s'?", arg);
        arguments->names[state->arg_num] = arg;
        return 0;
    case ARGP_KEY_END:
        if (arguments->line.target.program != NULL && state->arg_num == SIDES - 1)
            arguments->names[SIDES - 1] = arguments->line.name;
        else if (state->arg_num != SIDES || arguments->line.target.program != NULL)
            argp_error(state, "two targets are compared: the earlier and the later one");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"blocks", KEY_BLOCKS, NULL, 0, "By number of blocks, not by bytes", 1},
    {"limit", KEY_LIMIT, "N", 0, "No more than N sites (20)", 1},
    {0},
};

static void compare(struct diff *diff)
{
    for (int side = 0; side < SIDES; side++)
        add_up(diff, side);
    sort_changes(diff);
    if (diff->arguments->line.is_json) {
        write_json(diff);
        return;
    }
    write_sites(diff);
    write_sizes(diff);
}

int diff_command(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .args_doc = "BEFORE AFTER",
        .doc = "What grew from one target to another, by allocation stack and by size.\v"
               "Each is a PID or a core, the second one also `-- PROGRAM ARGUMENT...'. Compares live blocks; --state asks for others.",
        .children = block_filter_children,
    };
    static struct diff diff; /* large */
    struct arguments arguments = {.line = command_line_init(), .filter = block_filter_init(), .limit = TABLE_SITES};
    command_line_parse(&arguments.line, &argp, argc, argv, &arguments);
    block_filter_default_live(&arguments.filter);
    diff = (struct diff){.arguments = &arguments};
    bool is_open = true;
    for (int side = 0; side < SIDES && is_open; side++) {
        struct target_options how = arguments.line.target;
        how.program = side == SIDES - 1 ? how.program : NULL;
        diff.targets[side] = target_open(arguments.names[side], &how);
        is_open = diff.targets[side] != NULL;
        diff.places[side] = is_open ? places_open(diff.targets[side], &arguments.line.style) : NULL;
    }
    if (is_open)
        compare(&diff);
    for (int side = 0; side < SIDES; side++) {
        if (diff.places[side] != NULL)
            places_close(diff.places[side]);
        target_close(diff.targets[side]);
    }
    block_filter_free(&arguments.filter);
    numbers_free(&diff.numbers);
    free(diff.changes);
    return finish_output(is_open ? HEAPDUMP_FINE : HEAPDUMP_UNREADABLE);
}
