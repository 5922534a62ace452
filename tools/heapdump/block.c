/*
 * block.c - heapdump block: which block an address is in or near, and all that is known of it.
 */
#include "block_picture.h"
#include "blocks.h"
#include "command_line.h"
#include "heapdump.h"
#include "pointers.h"

#include <inttypes.h>
#include <string.h>

enum { KEY_BYTES = COMMAND_KEY_FIRST, KEY_NO_REFS };
static const uint64_t shown_bytes = 256;

struct arguments {
    struct command_line line;
    struct address_argument address;
    uint64_t bytes; /* of the picture */
    bool has_no_refs;
};

struct look {
    struct target *target;
    struct places *places;
    const struct arguments *arguments;
    struct pw_fault where;  /* of the address: block, relation, offset, neighbours */
    struct pw_fault damage; /* of the block; kind PW_KIND_NONE: none */
    struct pointers *pointers; /* to the block; NULL: it isn't live, or they were not looked for */
};

/* ---- an address outside of the heap ---- */

static void write_elsewhere(const struct look *look)
{
    uint64_t address = look->arguments->address.address;
    const struct target_segment *segment = target_find_segment(look->target, address);
    printf("0x%" PRIx64 " is in no block of the heap: ", address);
    if (segment == NULL) {
        puts("nothing is mapped there");
        return;
    }
    const struct spot *spot = places_spot(look->places, address);
    printf("it is in %s [0x%" PRIx64 ",0x%" PRIx64 ")", segment->path[0] != '\0' ? segment->path : "memory without a name",
           segment->start, segment->end);
    if (spot->module != NULL)
        printf(", at +0x%" PRIx64 " of its file", address - spot->module->bias);
    if (spot->places[0].function != NULL)
        printf(", in %s", spot->places[0].function);
    putchar('\n');
}

/* ---- as text ---- */

static void write_location(const struct look *look)
{
    static const char *const words[] = {"at", "before", "inside of", "after"};
    const struct pw_block_info *block = &look->where.block;
    enum pw_relation relation = look->where.relation;
    if (relation == PW_RELATION_INSIDE && look->where.offset == 0)
        printf("0x%" PRIx64 " is the start of a", look->arguments->address.address);
    else
        printf("0x%" PRIx64 " is %" PRIu64 " byte%s %s a", look->arguments->address.address, look->where.offset,
               look->where.offset == 1 ? "" : "s", words[(unsigned)relation % PW_ARRAY_SIZE(words)]);
    printf(" %" PRIu64 "-byte block [0x%" PRIx64 ",0x%" PRIx64 ")\n", block->size, block->address,
           block->address + block->size);
}

static void write_words(struct look *look, const struct pw_block_info *block)
{
    printf("%s, %" PRIu64 " bytes of %" PRIu64 ", %s", block_state_text(block), block->size, block->block_size,
           block_family_text(block));
    for (unsigned n = 0; block_flag(block, n) != NULL; n++)
        printf(", %s", block_flag(block, n));
    if (block_has_thread(block)) {
        const char *name = target_thread_name(look->target, block->alloc_thread);
        printf(", allocation number %u of thread T%u", block->number, block->alloc_thread);
        if (name[0] != '\0')
            printf(" (%s)", name);
    }
    printf(", heap %u, region %u\n", block->heap, block->region);
}

static void write_event(struct look *look, const char *what, bool has_thread, uint32_t thread, uint32_t stack)
{
    printf("%s by thread ", what);
    const char *name = has_thread ? target_thread_name(look->target, thread) : "";
    if (has_thread)
        printf("T%u", thread);
    else
        putchar('?');
    if (name[0] != '\0')
        printf(" (%s)", name);
    puts(" here:");
    places_write_stack(look->places, stdout, stack, PW_MAX_FRAMES);
    putchar('\n');
}

static void write_history(struct look *look)
{
    const struct pw_block_info *block = &look->where.block;
    bool was_freed = block_was_freed(block) && block->has_evidence && block->free_stack != 0;
    bool has_thread = block_has_thread(block);
    if (!block->has_evidence) {
        puts("who allocated and freed a block is kept at PWHEAP_CHECK=full\n");
        return;
    }
    if (was_freed)
        write_event(look, "freed", has_thread, block->free_thread, block->free_stack);
    if (block->alloc_stack != 0)
        write_event(look, was_freed ? "previously allocated" : "allocated", has_thread, block->alloc_thread,
                    block->alloc_stack);
    if (!was_freed && block->alloc_stack == 0)
        puts("no stack was kept for it\n");
}

static void write_damage(const struct look *look)
{
    const struct pw_fault *damage = &look->damage;
    if (damage->kind == PW_KIND_NONE)
        return;
    printf("DAMAGED: %s", pw_kind_name(damage->kind));
    if (damage->broken_rule != NULL)
        printf(": %s", damage->broken_rule);
    else
        printf(", %" PRIu64 " byte%s at 0x%" PRIx64, damage->damage.damaged, damage->damage.damaged == 1 ? "" : "s",
               damage->damage.start);
    puts("; `heapdump check' has the report\n");
}

static void write_neighbour(struct look *look, const char *where, const struct pw_block_info *block)
{
    if (!block->known) {
        printf("block %s it: none\n", where);
        return;
    }
    printf("block %s it: 0x%" PRIx64 ", ", where, block->address);
    write_words(look, block);
    if (block->has_evidence && block->alloc_stack != 0 && block->state != PW_STATE_FREE &&
        block->state != PW_STATE_CACHED)
        printf("    %s\n", places_site_text(look->places, block->alloc_stack));
}

static void write_text(struct look *look)
{
    const struct pw_block_info *block = &look->where.block;
    write_location(look);
    write_words(look, block);
    putchar('\n');
    write_damage(look);
    write_history(look);
    block_picture_write(look->target, block, look->arguments->address.address, look->arguments->bytes);
    putchar('\n');
    write_neighbour(look, "before", &look->where.before);
    write_neighbour(look, "after", &look->where.after);
    if (look->pointers != NULL) {
        putchar('\n');
        pointers_write(look->pointers);
    }
}

/* ---- as JSON ---- */

static void member_json(struct look *look, struct json *json, const char *name, const struct pw_block_info *block)
{
    if (!block->known) {
        json_null(json, name);
        return;
    }
    bool was_freed = block_was_freed(block);
    json_object(json, name);
    block_json(look->target, json, block);
    places_json(look->places, json, "alloc_stack", block->has_evidence ? block->alloc_stack : 0);
    places_json(look->places, json, "free_stack", block->has_evidence && was_freed ? block->free_stack : 0);
    json_object_end(json);
}

static void write_json(struct look *look)
{
    static const char *const relations[] = {NULL, "before", "inside", "after"};
    struct json json = {.out = stdout};
    const struct target_segment *segment = target_find_segment(look->target, look->arguments->address.address);
    json_object(&json, NULL);
    json_number(&json, "version", 1);
    json_number(&json, "pid", target_pid(look->target));
    json_address(&json, "address", look->arguments->address.address);
    json_number(&json, "offset", look->where.offset);
    json_string(&json, "relation", relations[(unsigned)look->where.relation % PW_ARRAY_SIZE(relations)]);
    json_string(&json, "mapping", segment != NULL ? segment->path : NULL);
    json_string(&json, "damage", look->damage.kind != PW_KIND_NONE ? pw_kind_name(look->damage.kind) : NULL);
    json_string(&json, "broken_rule", look->damage.broken_rule);
    member_json(look, &json, "block", &look->where.block);
    json_array(&json, "neighbours");
    member_json(look, &json, NULL, &look->where.before);
    member_json(look, &json, NULL, &look->where.after);
    json_array_end(&json);
    if (look->pointers != NULL)
        pointers_json(look->pointers, &json);
    json_object_end(&json);
    json_line_end(&json);
    json_free(&json);
}

/* ---- the command ---- */

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->line;
        return 0;
    case KEY_BYTES:
        if (!parse_bytes(arg, &arguments->bytes))
            argp_error(state, "--bytes=%s: that is no number of bytes", arg);
        return 0;
    case KEY_NO_REFS:
        arguments->has_no_refs = true;
        return 0;
    default:
        return command_line_take_address(&arguments->line, &arguments->address, "which address?", key, arg, state);
    }
}

static const struct argp_option options[] = {
    {"bytes", KEY_BYTES, "N", 0, "Show N bytes of the block (256)", 0},
    {"no-refs", KEY_NO_REFS, NULL, 0, "Don't look for who points at it: quicker in a large heap", 0},
    {0},
};

/* Of a freed block, too: who still has its address? In a bin it may be several by now. */
static bool find_pointers(struct look *look, struct pointers *pointers)
{
    const struct pw_block_info *block = &look->where.block;
    *pointers = (struct pointers){.reachable.target = look->target, .block = *block, .places = look->places,
                                  .limit = POINTERS_SHOWN};
    if (look->arguments->has_no_refs || !block->known || !block->sealed || block->state == PW_STATE_FREE)
        return true;
    if (!pointers_search(pointers))
        return false;
    look->pointers = pointers->index != PW_REACH_NO_BLOCK ? pointers : NULL;
    return true;
}

static int look_at(struct look *look)
{
    static struct pointers pointers; /* large */
    const struct pw_image *image = target_image(look->target);
    pw_diagnose_address(image, look->arguments->address.address, &look->where);
    const struct pw_block_info *block = &look->where.block;
    if (block->known)
        (void)pw_diagnose_block(image, block->region, block->granule, &look->damage);
    bool is_done = find_pointers(look, &pointers);
    if (look->arguments->line.is_json)
        write_json(look);
    else if (block->known)
        write_text(look);
    else
        write_elsewhere(look);
    pointers_free(&pointers);
    return !is_done ? HEAPDUMP_UNREADABLE : look->damage.kind != PW_KIND_NONE ? HEAPDUMP_FOUND : HEAPDUMP_FINE;
}

static int look(struct target *target, void *input)
{
    const struct arguments *arguments = input;
    struct look look = {.arguments = arguments, .target = target};
    look.places = places_open(target, &arguments->line.style);
    int status = look_at(&look);
    places_close(look.places);
    return status;
}

int block_command(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .args_doc = "TARGET ADDRESS",
        .doc = "Which block an address is in or near: its state, who allocated and freed it, its bytes, its "
               "neighbours, who points at it.\vThe address is hexadecimal. Exit status 1: the block is damaged.",
        .children = command_line_children,
    };
    struct arguments arguments = {.line = command_line_init(), .bytes = shown_bytes};
    return command_line_run(&arguments.line, &argp, argc, argv, &arguments, look);
}
