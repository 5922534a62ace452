/*
 * walk.c - heapdump walk: every block in address order, as a table, JSON Lines or CSV.
 *
 * Blocks are printed as they are met; only to sort them are 24 bytes of each kept.
 */
#include "block_filter.h"
#include "blocks.h"
#include "command_line.h"
#include "heapdump.h"
#include "message.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_CSV = COMMAND_KEY_FIRST, KEY_SORT, KEY_LIMIT, KEY_STACKS, KEY_REVERSE };
/* On a narrow terminal some columns are left out, so that the site fits. */
enum { SITE_COLUMN = 79, NARROW_SITE_COLUMN = 44, NARROW_COLUMNS = 120, LEAST_SITE_WIDTH = 20 };

enum sort { SORT_ADDRESS, SORT_SIZE, SORT_TAKEN, SORT_NUMBER, SORT_STATE, SORT_SITE };
static const char *const sort_names[] = {"addr", "size", "block_size", "seq", "state", "site"};

struct arguments {
    struct command_line line;
    struct block_filter filter;
    bool is_csv;
    bool has_stacks;
    bool is_reversed;
    enum sort sort;
    uint64_t limit;
};

/* A block to be printed once all are sorted. */
struct entry {
    uint64_t address;
    uint64_t key;
};

struct walk {
    const struct arguments *arguments;
    struct block_filter *filter;
    struct target *target;
    struct places *places;
    struct json json;
    int site_width;
    bool is_narrow;
    uint64_t printed;
    uint64_t bytes;
    uint64_t damaged;
    struct entry *entries;
    size_t entry_count;
    size_t entry_capacity;
};

/* ---- one block ---- */

static uint32_t alloc_stack(const struct pw_block_info *block)
{
    return block->has_evidence ? block->alloc_stack : 0;
}

static uint32_t free_stack(const struct pw_block_info *block)
{
    return block->has_evidence && block_was_freed(block) ? block->free_stack : 0;
}

static void write_json(struct walk *walk, const struct pw_block_info *block)
{
    struct json *json = &walk->json;
    json_object(json, NULL);
    block_json(walk->target, json, block);
    json_number(json, "stack_id", alloc_stack(block));
    json_string(json, "site", alloc_stack(block) != 0 ? places_site_text(walk->places, alloc_stack(block)) : NULL);
    if (walk->arguments->has_stacks) {
        places_json(walk->places, json, "alloc_stack", alloc_stack(block));
        places_json(walk->places, json, "free_stack", free_stack(block));
    }
    json_object_end(json);
    json_line_end(json);
}

/* RFC 4180: in quotes, quotes doubled. */
static void write_quoted(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static void write_csv(struct walk *walk, const struct pw_block_info *block)
{
    printf("0x%" PRIx64 ",%" PRIu64 ",%" PRIu64 ",%s,%s,%u,%u,", block->address, block->size, block->block_size,
           block_state_text(block), block_family_text(block), block->heap, block->region);
    if (block_has_thread(block))
        printf("%u,%u,", block->alloc_thread, block->number);
    else
        printf(",,");
    printf("%u,", alloc_stack(block));
    write_quoted(alloc_stack(block) != 0 ? places_site_text(walk->places, alloc_stack(block)) : "");
    putchar('\n');
}

static void write_row(struct walk *walk, const struct pw_block_info *block)
{
    char thread[16] = "", number[16] = "";
    if (block_has_thread(block)) {
        snprintf(thread, sizeof thread, "T%u", block->alloc_thread);
        snprintf(number, sizeof number, "%u", block->number);
    }
    if (walk->is_narrow)
        printf("%14" PRIx64 " %10" PRIu64 " %-11s %5s ", block->address, block->size, block_state_text(block), thread);
    else
        printf("%14" PRIx64 " %10" PRIu64 " %10" PRIu64 " %-11s %-8s %3u %5s %9s ", block->address, block->size,
               block->block_size, block_state_text(block), block_family_text(block), block->heap, thread, number);
    if (alloc_stack(block) != 0)
        printf("%.*s", walk->site_width, places_site_text(walk->places, alloc_stack(block)));
    putchar('\n');
    if (!walk->arguments->has_stacks)
        return;
    places_write_stack(walk->places, stdout, alloc_stack(block), PW_MAX_FRAMES);
    if (free_stack(block) != 0) {
        puts("  freed by");
        places_write_stack(walk->places, stdout, free_stack(block), PW_MAX_FRAMES);
    }
}

static void write_block(struct walk *walk, const struct pw_block_info *block)
{
    if (walk->arguments->line.is_json)
        write_json(walk, block);
    else if (walk->arguments->is_csv)
        write_csv(walk, block);
    else
        write_row(walk, block);
}

static void write_head(const struct walk *walk)
{
    if (walk->arguments->line.is_json)
        return;
    if (walk->arguments->is_csv)
        puts("addr,size,block_size,state,family,heap,region,thread,seq,stack_id,site");
    else if (walk->is_narrow)
        printf("%14s %10s %-11s %5s %s\n", "address", "size", "state", "T", "site");
    else
        printf("%14s %10s %10s %-11s %-8s %3s %5s %9s %s\n", "address", "size", "taken", "state", "family", "hp",
               "T", "seq", "site");
}

/* ---- sorting ---- */

static uint64_t key_of(const struct walk *walk, const struct pw_block_info *block)
{
    switch (walk->arguments->sort) {
    case SORT_SIZE:
        return block->size;
    case SORT_TAKEN:
        return block->block_size;
    case SORT_NUMBER:
        return block_has_thread(block) ? block->number : 0;
    case SORT_STATE:
        return block->sealed ? block->state : UINT64_MAX;
    case SORT_SITE: /* those of one stack together */
        return alloc_stack(block);
    default:
        return block->address;
    }
}

static void keep(struct walk *walk, const struct pw_block_info *block)
{
    if (walk->entry_count == walk->entry_capacity) {
        walk->entry_capacity = walk->entry_capacity * 2 + 4096;
        walk->entries = heapdump_grow(walk->entries, walk->entry_capacity, sizeof *walk->entries);
    }
    walk->entries[walk->entry_count++] = (struct entry){block->address, key_of(walk, block)};
}

/* qsort takes no context: how far it is, in comparisons. */
static struct {
    uint64_t done, expected;
} comparisons;
enum { COMPARISONS_A_LOOK = 1 << 16 };

/* Those with equal keys as the walk met them. */
static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    if (++comparisons.done % COMPARISONS_A_LOOK == 0 && progress_is_due())
        progress_set((double)comparisons.done / (double)comparisons.expected);
    if (a->key != b->key)
        return a->key > b->key ? 1 : -1;
    return (a->address > b->address) - (a->address < b->address);
}

static void write_sorted(struct walk *walk)
{
    if (walk->entry_count > 1) {
        unsigned rounds = 64 - (unsigned)__builtin_clzll(walk->entry_count);
        comparisons.done = 0;
        comparisons.expected = (uint64_t)walk->entry_count * rounds;
        progress_start("sorting");
        qsort(walk->entries, walk->entry_count, sizeof *walk->entries, compare);
        progress_end();
    }
    for (size_t i = 0; i < walk->entry_count && i < walk->arguments->limit; i++) {
        size_t at = walk->arguments->is_reversed ? walk->entry_count - 1 - i : i;
        struct pw_block_info block;
        if (pw_inspect_address(target_image(walk->target), walk->entries[at].address, &block))
            write_block(walk, &block);
    }
}

/* ---- the walk ---- */

static bool is_sorted(const struct walk *walk)
{
    return walk->arguments->sort != SORT_ADDRESS || walk->arguments->is_reversed;
}

static bool visit(void *context, const struct pw_block_info *block)
{
    struct walk *walk = context;
    walk->damaged += !block->sealed;
    if (!block_filter_takes(walk->filter, walk->target, walk->places, block))
        return true;
    walk->printed++;
    walk->bytes += block->size;
    if (is_sorted(walk)) {
        keep(walk, block);
        return true;
    }
    write_block(walk, block);
    return walk->printed < walk->arguments->limit;
}

static void write_all(struct walk *walk)
{
    write_head(walk);
    blocks_walk(walk->target, "reading the heap", visit, walk);
    if (is_sorted(walk))
        write_sorted(walk);
    char count[2 * BYTES_TEXT], bytes[BYTES_TEXT];
    if (!walk->arguments->line.is_json && !walk->arguments->is_csv)
        printf("%s blocks, %s\n", count_text(count, walk->printed), bytes_text(bytes, walk->bytes));
}

/* ---- the command ---- */

static error_t parse_sort(struct arguments *arguments, const char *name, struct argp_state *state)
{
    for (size_t i = 0; i < PW_ARRAY_SIZE(sort_names); i++)
        if (strcmp(sort_names[i], name) == 0) {
            arguments->sort = (enum sort)i;
            return 0;
        }
    argp_error(state, "--sort=%s: it is addr, size, block_size, seq, state or site", name);
    return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->filter;
        state->child_inputs[1] = &arguments->line;
        return 0;
    case KEY_CSV:
        arguments->is_csv = true;
        return 0;
    case KEY_STACKS:
        arguments->has_stacks = true;
        return 0;
    case KEY_REVERSE:
        arguments->is_reversed = true;
        return 0;
    case KEY_SORT:
        return parse_sort(arguments, arg, state);
    case KEY_LIMIT:
        command_line_take_limit(arg, &arguments->limit, state);
        return 0;
    default:
        return command_line_take_target(&arguments->line, key, arg, state);
    }
}

static const struct argp_option options[] = {
    {"sort", KEY_SORT, "KEY", 0, "addr (the default), size, block_size, seq, state, site", 1},
    {"reverse", KEY_REVERSE, NULL, 0, "The last first", 1},
    {"limit", KEY_LIMIT, "N", 0, "No more than N blocks", 1},
    {"stacks", KEY_STACKS, NULL, 0, "Each block's stacks below it", 1},
    {"csv", KEY_CSV, NULL, 0, "Comma-separated, with a head", 1},
    {0},
};

static void choose_columns(struct walk *walk)
{
    int columns = (int)terminal_columns();
    walk->is_narrow = columns != 0 && columns < NARROW_COLUMNS;
    int left = columns - (walk->is_narrow ? NARROW_SITE_COLUMN : SITE_COLUMN);
    walk->site_width = columns == 0 ? INT16_MAX : left > LEAST_SITE_WIDTH ? left : LEAST_SITE_WIDTH;
}

static int look(struct target *target, void *input)
{
    struct arguments *arguments = input;
    struct walk walk = {.target = target, .arguments = arguments, .filter = &arguments->filter, .json.out = stdout};
    choose_columns(&walk);
    target_freeze(target);
    block_filter_bind(walk.filter, target);
    walk.places = places_open(target, &arguments->line.style);
    write_all(&walk);
    places_close(walk.places);
    block_filter_free(walk.filter);
    json_free(&walk.json);
    free(walk.entries);
    if (walk.damaged != 0)
        message("%" PRIu64 " blocks have damaged headers; see `heapdump check'", walk.damaged);
    return walk.damaged != 0 ? HEAPDUMP_FOUND : HEAPDUMP_FINE;
}

int walk_command(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .args_doc = "TARGET",
        .doc = "Every block of a heap in address order, whatever its state.\v"
               "Stacks, threads and sequence numbers are kept at PWHEAP_CHECK=full.",
        .children = block_filter_children,
    };
    struct arguments arguments = {.line = command_line_init(), .filter = block_filter_init(), .limit = UINT64_MAX};
    return command_line_run(&arguments.line, &argp, argc, argv, &arguments, look);
}
