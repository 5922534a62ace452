/*
 * find.c - heapdump find: the blocks that hold some bytes, a string or a pointer.
 *
 * Blocks are read in pieces that overlap by the length of what is sought. A live process stays stopped:
 * a thing that moves while it is looked for would be missed.
 */
#include "block_filter.h"
#include "block_picture.h"
#include "blocks.h"
#include "command_line.h"
#include "heapdump.h"
#include "message.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_HEX = COMMAND_KEY_FIRST, KEY_STRING, KEY_POINTER, KEY_INTO, KEY_LIMIT };
enum { PIECE_BYTES = 1 << 18, MOST_SOUGHT = 4096 };

struct arguments {
    struct command_line line;
    struct block_filter filter;
    uint8_t sought[MOST_SOUGHT];
    size_t sought_bytes; /* 0: nothing was asked for */
    bool is_pointer;     /* only at multiples of 8 */
    bool is_into;        /* a pointer to anywhere in the block of `address` */
    uint64_t address;
    uint64_t limit;
};

struct find {
    struct arguments *arguments;
    struct target *target;
    struct places *places;
    struct json json;
    uint64_t start, end; /* with is_into: the addresses that are pointed to */
    uint64_t found;
    uint8_t piece[PIECE_BYTES];
};

/* ---- showing ---- */

static void write_found(struct find *find, const struct pw_block_info *block, uint64_t at)
{
    if (find->arguments->line.is_json) {
        struct json *json = &find->json;
        json_object(json, NULL);
        json_address(json, "address", at);
        json_number(json, "offset", at - block->address);
        json_object(json, "block");
        block_json(find->target, json, block);
        places_json(find->places, json, "alloc_stack", block->has_evidence ? block->alloc_stack : 0);
        json_object_end(json);
        json_object_end(json);
        json_line_end(json);
        return;
    }
    printf("0x%" PRIx64 ": %" PRIu64 " bytes inside of %" PRIu64 "-byte block 0x%" PRIx64 ", %s", at,
           at - block->address, block->size, block->address, block_state_text(block));
    if (block->has_evidence && block->alloc_stack != 0)
        printf(", %s", places_site_text(find->places, block->alloc_stack));
    putchar('\n');
    uint64_t row = PW_ALIGN_DOWN(at, (uint64_t)16);
    block_picture_row(find->target, row, block->address, block->address + block->size, UINT64_MAX - 1);
}

/* False: enough. */
static bool note_found(struct find *find, const struct pw_block_info *block, uint64_t at)
{
    find->found++;
    write_found(find, block, at);
    return find->found < find->arguments->limit;
}

/* ---- looking ---- */

/* `bytes` of the block at `address` are in find->piece. */
static bool search_words(struct find *find, const struct pw_block_info *block, uint64_t address, size_t bytes)
{
    for (size_t i = 0; i + sizeof(uint64_t) <= bytes; i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, find->piece + i, sizeof word);
        if (word >= find->start && word < find->end && !note_found(find, block, address + i))
            return false;
    }
    return true;
}

static bool search_bytes(struct find *find, const struct pw_block_info *block, uint64_t address, size_t bytes)
{
    const struct arguments *arguments = find->arguments;
    const uint8_t *from = find->piece, *end = find->piece + bytes;
    for (;;) {
        const uint8_t *at = memmem(from, (size_t)(end - from), arguments->sought, arguments->sought_bytes);
        if (at == NULL)
            return true;
        if (!note_found(find, block, address + (uint64_t)(at - find->piece)))
            return false;
        from = at + 1;
    }
}

/* Pages that can't be read (guards, of a core that is cut) are passed over. */
static bool search_block(struct find *find, const struct pw_block_info *block)
{
    const struct arguments *arguments = find->arguments;
    size_t overlap = arguments->is_pointer ? 0 : arguments->sought_bytes - 1;
    uint64_t at = block->address, end = at + block->size;
    while (at < end && end - at > overlap) {
        size_t bytes = (size_t)least(end - at, PIECE_BYTES);
        size_t got = target_read_some(find->target, at, find->piece, bytes);
        bool goes_on = arguments->is_pointer ? search_words(find, block, at, got) : search_bytes(find, block, at, got);
        if (!goes_on)
            return false;
        at = got == bytes ? at + bytes - (at + bytes < end ? overlap : 0)
                          : PW_ALIGN_DOWN(at + got, (uint64_t)PW_PAGE_BYTES) + PW_PAGE_BYTES;
    }
    return true;
}

static bool visit(void *context, const struct pw_block_info *block)
{
    struct find *find = context;
    if (!block_filter_takes(&find->arguments->filter, find->target, find->places, block))
        return true;
    return search_block(find, block);
}

/* ---- the command line ---- */

static bool parse_hex(struct arguments *arguments, const char *text)
{
    size_t count = 0;
    text += strncmp(text, "0x", 2) == 0 ? 2 : 0;
    for (; *text != '\0'; text++) {
        if (*text == ' ')
            continue;
        char digits[3] = {text[0], text[1], '\0'};
        if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]) || count == MOST_SOUGHT)
            return false;
        arguments->sought[count++] = (uint8_t)strtoul(digits, NULL, 16);
        text++;
    }
    arguments->sought_bytes = count;
    return count > 0;
}

static void take_sought(int key, const char *arg, struct arguments *arguments, struct argp_state *state)
{
    if (arguments->sought_bytes != 0)
        argp_error(state, "one of --hex, --string and --pointer at a time");
    if (key == KEY_HEX) {
        if (!parse_hex(arguments, arg))
            argp_error(state, "--hex=%s: that is no bytes in hexadecimal (at most %d)", arg, MOST_SOUGHT);
    } else if (key == KEY_STRING) {
        arguments->sought_bytes = strlen(arg);
        if (arguments->sought_bytes == 0 || arguments->sought_bytes > MOST_SOUGHT)
            argp_error(state, "--string: 1 to %d bytes", MOST_SOUGHT);
        memcpy(arguments->sought, arg, arguments->sought_bytes);
    } else {
        if (!parse_address(arg, &arguments->address))
            argp_error(state, "--pointer=%s: that is no address", arg);
        arguments->is_pointer = true;
        arguments->sought_bytes = sizeof(uint64_t);
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->filter;
        state->child_inputs[1] = &arguments->line;
        return 0;
    case KEY_HEX:
    case KEY_STRING:
    case KEY_POINTER:
        take_sought(key, arg, arguments, state);
        return 0;
    case KEY_INTO:
        arguments->is_into = true;
        return 0;
    case KEY_LIMIT:
        command_line_take_limit(arg, &arguments->limit, state);
        return 0;
    case ARGP_KEY_END:
        if (arguments->line.name != NULL && arguments->sought_bytes == 0)
            argp_error(state, "what is to be found? --string, --hex or --pointer");
        return 0;
    default:
        return command_line_take_target(&arguments->line, key, arg, state);
    }
}

static const struct argp_option options[] = {
    {"string", KEY_STRING, "TEXT", 0, "These characters", 1},
    {"hex", KEY_HEX, "BYTES", 0, "These bytes: 7f454c46, or '7f 45 4c 46'", 1},
    {"pointer", KEY_POINTER, "ADDRESS", 0, "This address, at a multiple of 8", 1},
    {"into", KEY_INTO, NULL, 0, "With --pointer: also any other address in its block", 1},
    {"limit", KEY_LIMIT, "N", 0, "Stop after N", 1},
    {0},
};

/* What a pointer may be. False: said why. */
static bool set_pointed(struct find *find)
{
    struct pw_block_info block;
    uint64_t address = find->arguments->address;
    find->start = address;
    find->end = address + 1;
    if (!find->arguments->is_into)
        return true;
    if (!pw_inspect_address(target_image(find->target), address, &block)) {
        message("0x%" PRIx64 " is in no block", address);
        return false;
    }
    find->start = block.address;
    find->end = block.address + (block.size > 0 ? block.size : 1);
    return true;
}

static int find_all(struct find *find)
{
    char count[2 * BYTES_TEXT];
    struct arguments *arguments = find->arguments;
    if (!set_pointed(find))
        return HEAPDUMP_USAGE;
    block_filter_default_live(&arguments->filter);
    block_filter_bind(&arguments->filter, find->target);
    find->places = places_open(find->target, &arguments->line.style);
    blocks_walk(find->target, "looking through the heap", visit, find);
    if (!arguments->line.is_json)
        printf("found %s time%s\n", count_text(count, find->found), find->found == 1 ? "" : "s");
    places_close(find->places);
    block_filter_free(&arguments->filter);
    json_free(&find->json);
    return HEAPDUMP_FINE;
}

static int look(struct target *target, void *input)
{
    static struct find find; /* large */
    find = (struct find){.arguments = input, .target = target, .json.out = stdout};
    return find_all(&find);
}

int find_command(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .args_doc = "TARGET",
        .doc = "The blocks that hold some bytes, a string or a pointer.\v"
               "Looks through live blocks; --state asks for others. A live process is stopped meanwhile.",
        .children = block_filter_children,
    };
    static struct arguments arguments;
    arguments = (struct arguments){.line = command_line_init(), .filter = block_filter_init(), .limit = UINT64_MAX};
    return command_line_run(&arguments.line, &argp, argc, argv, &arguments, look);
}
