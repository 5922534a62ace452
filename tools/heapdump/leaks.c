/*
 * leaks.c - heapdump leaks: blocks that nothing leads to any more, by who allocated them, in the words of
 * the library's own report (docs/reports.md).
 */
#include "command_line.h"
#include "heapdump.h"
#include "message.h"
#include "places.h"
#include "reachable.h"

#include "image/sites.h"
#include "image/suppress.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_SUPPRESSIONS = COMMAND_KEY_FIRST, KEY_STARTS_ONLY, KEY_BLOCKS, KEY_LIMIT };
enum { SITES = 1 << 18 };

struct arguments {
    struct command_line line;
    const char *suppressions; /* a file; NULL: none */
    bool starts_only;
    bool lists_blocks;
    uint64_t limit; /* groups that are shown */
};

struct leaks {
    const struct arguments *arguments;
    struct reachable reachable;
    struct places *places;
    struct json json;
    struct pw_sites sites;
    struct pw_suppressions suppressions;
    char *suppressions_text;
    uint64_t reached_blocks, reached_bytes;
    uint64_t lost_blocks, lost_bytes; /* without the suppressed ones */
    uint64_t shown;                   /* groups */
};

/* ---- adding up ---- */

static void add_up(struct leaks *leaks)
{
    const struct pw_reach *reach = &leaks->reachable.reach;
    leaks->sites.capacity = SITES;
    leaks->sites.all = heapdump_grow(NULL, SITES, sizeof *leaks->sites.all);
    memset(leaks->sites.all, 0, SITES * sizeof *leaks->sites.all);
    for (uint32_t i = 0; i < reach->count; i++) {
        const struct pw_reach_block *block = pw_reach_block(reach, i);
        if (block->mark == PW_REACH_REACHED) {
            leaks->reached_blocks += block->is_owned;
            leaks->reached_bytes += block->is_owned ? block->size : 0;
            continue;
        }
        pw_sites_add(&leaks->sites, block->mark, block->stack, block->address, block->size);
    }
    pw_sites_sort(&leaks->sites);
}

/* ---- suppressions ---- */

static bool read_suppressions(struct leaks *leaks)
{
    const char *path = leaks->arguments->suppressions;
    FILE *file = path != NULL ? fopen(path, "re") : NULL;
    size_t length = 0, capacity = 0;
    if (path == NULL)
        return true;
    if (file == NULL) {
        message("can't read %s: %s", path, strerror(errno));
        return false;
    }
    for (size_t got = 1; got > 0; length += got) {
        if (length == capacity)
            leaks->suppressions_text = heapdump_grow(leaks->suppressions_text, capacity = 2 * capacity + 4096, 1);
        got = fread(leaks->suppressions_text + length, 1, capacity - length, file);
    }
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed) {
        message("can't read %s: %s", path, strerror(errno));
        return false;
    }
    pw_suppressions_read(&leaks->suppressions, leaks->suppressions_text, length);
    if (leaks->suppressions.bad_line != 0)
        message("%s:%u: not leak:TEMPLATE; such lines are left out", path, leaks->suppressions.bad_line);
    if (leaks->suppressions.is_cut)
        message("%s: only the first %d are taken", path, PW_MOST_SUPPRESSIONS);
    return true;
}

static struct pw_suppression *match(struct leaks *leaks, const char *name)
{
    return name == NULL ? NULL : pw_suppressions_match(&leaks->suppressions, name, strlen(name));
}

static struct pw_suppression *match_spot(struct leaks *leaks, const struct spot *spot)
{
    struct pw_suppression *found = spot->module != NULL ? match(leaks, spot->module->path) : NULL;
    for (size_t i = 0; i < spot->place_count && found == NULL; i++) {
        found = match(leaks, spot->places[i].function);
        if (found == NULL)
            found = match(leaks, spot->places[i].file);
    }
    return found;
}

static bool is_suppressed(struct leaks *leaks, const struct pw_site *site)
{
    uint64_t frames[PW_MAX_FRAMES];
    size_t count = leaks->suppressions.count == 0 ? 0 : target_stack(leaks->reachable.target, site->stack, frames);
    for (size_t i = 0; i < count; i++) {
        struct pw_suppression *found = match_spot(leaks, places_call(leaks->places, frames[i]));
        if (found == NULL)
            continue;
        found->blocks += site->blocks;
        found->bytes += site->bytes;
        return true;
    }
    return false;
}

static void write_suppressions(const struct leaks *leaks)
{
    static const char rule[] = "-----------------------------------------------------";
    bool has_begun = false;
    for (uint32_t i = 0; i < leaks->suppressions.count; i++) {
        const struct pw_suppression *used = &leaks->suppressions.all[i];
        if (used->blocks == 0)
            continue;
        if (!has_begun)
            printf("%s\nSuppressions used:\n  count      bytes template\n", rule);
        has_begun = true;
        printf("%7" PRIu64 " %10" PRIu64 " %.*s\n", used->blocks, used->bytes, (int)used->length, used->pattern);
    }
    if (has_begun)
        printf("%s\n\n", rule);
}

/* ---- writing ---- */

static bool belongs(const struct pw_reach_block *block, const struct pw_site *site)
{
    return block->mark == site->kind && block->stack == site->stack &&
           (site->stack != 0 || block->size == site->size);
}

static void list_blocks(const struct leaks *leaks, const struct pw_site *site)
{
    const struct pw_reach *reach = &leaks->reachable.reach;
    for (uint32_t i = 0; i < reach->count; i++) {
        const struct pw_reach_block *block = pw_reach_block(reach, i);
        if (belongs(block, site))
            printf("  0x%" PRIx64 ", %" PRIu64 " bytes\n", (uint64_t)block->address, block->size);
    }
}

static void write_site(struct leaks *leaks, const struct pw_site *site)
{
    struct target *target = leaks->reachable.target;
    if (leaks->shown == 0)
        printf("==%u==ERROR: PWHeap: detected memory leaks\n\n", target_pid(target));
    printf("%s leak of %" PRIu64 " byte(s) in %" PRIu64 " object(s) allocated from:\n",
           site->kind == PW_REACH_DIRECT ? "Direct" : "Indirect", site->bytes, site->blocks);
    if (site->stack != 0)
        places_write_stack(leaks->places, stdout, site->stack, PW_MAX_FRAMES);
    else
        puts(target_image(target)->root->level < PW_LEVEL_FULL
                 ? "    (who allocated a block is kept at PWHEAP_CHECK=full)"
                 : "    (no stack was kept)");
    if (leaks->arguments->lists_blocks)
        list_blocks(leaks, site);
    putchar('\n');
}

static void blocks_json(struct leaks *leaks, const struct pw_site *site)
{
    const struct pw_reach *reach = &leaks->reachable.reach;
    json_array(&leaks->json, "addresses");
    for (uint32_t i = 0; i < reach->count; i++)
        if (belongs(pw_reach_block(reach, i), site))
            json_address(&leaks->json, NULL, pw_reach_block(reach, i)->address);
    json_array_end(&leaks->json);
}

static void site_json(struct leaks *leaks, const struct pw_site *site)
{
    struct json *json = &leaks->json;
    json_object(json, NULL);
    json_number(json, "version", 1);
    json_number(json, "pid", target_pid(leaks->reachable.target));
    json_string(json, "kind", pw_kind_name(PW_KIND_LEAK));
    json_address(json, "address", site->first);
    json_bool(json, "direct", site->kind == PW_REACH_DIRECT);
    json_number(json, "bytes", site->bytes);
    json_number(json, "blocks", site->blocks);
    places_json(leaks->places, json, "alloc_stack", site->stack);
    if (leaks->arguments->lists_blocks)
        blocks_json(leaks, site);
    json_object_end(json);
    json_line_end(json);
}

static void write_sites(struct leaks *leaks)
{
    for (uint32_t i = 0; i < leaks->sites.count; i++) {
        const struct pw_site *site = &leaks->sites.all[i];
        if (is_suppressed(leaks, site))
            continue;
        leaks->lost_blocks += site->blocks;
        leaks->lost_bytes += site->bytes;
        if (leaks->shown == leaks->arguments->limit)
            continue;
        if (leaks->arguments->line.is_json)
            site_json(leaks, site);
        else
            write_site(leaks, site);
        leaks->shown++;
    }
    leaks->lost_blocks += leaks->sites.rest_blocks;
    leaks->lost_bytes += leaks->sites.rest_bytes;
}

static void write_end(const struct leaks *leaks)
{
    if (leaks->arguments->line.is_json)
        return;
    if (leaks->lost_blocks == 0) {
        printf("no leaks: something leads to each of the %" PRIu64 " blocks (%" PRIu64 " bytes) that are live\n",
               leaks->reached_blocks, leaks->reached_bytes);
        return;
    }
    write_suppressions(leaks);
    printf("SUMMARY: PWHeap: %" PRIu64 " byte(s) leaked in %" PRIu64 " allocation(s).\n", leaks->lost_bytes,
           leaks->lost_blocks);
}

/* ---- the command ---- */

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->line;
        return 0;
    case KEY_SUPPRESSIONS:
        arguments->suppressions = arg;
        return 0;
    case KEY_STARTS_ONLY:
        arguments->starts_only = true;
        return 0;
    case KEY_BLOCKS:
        arguments->lists_blocks = true;
        return 0;
    case KEY_LIMIT:
        command_line_take_limit(arg, &arguments->limit, state);
        return 0;
    default:
        return command_line_take_target(&arguments->line, key, arg, state);
    }
}

static const struct argp_option options[] = {
    {"suppressions", KEY_SUPPRESSIONS, "FILE", 0, "Leaks not to be told, as LeakSanitizer has them: leak:TEMPLATE", 1},
    {"starts-only", KEY_STARTS_ONLY, NULL, 0, "A pointer into the middle of a block doesn't hold it", 1},
    {"blocks", KEY_BLOCKS, NULL, 0, "List the address of each lost block", 1},
    {"limit", KEY_LIMIT, "N", 0, "Show N groups at most, the largest first; all are counted", 1},
    {0},
};

static int search(struct leaks *leaks)
{
    const struct arguments *arguments = leaks->arguments;
    if (target_lacks_content(leaks->reachable.target)) {
        message("without the contents of blocks nothing can be said of leaks");
        return HEAPDUMP_UNREADABLE;
    }
    leaks->reachable.reach.starts_only = arguments->starts_only;
    if (!reachable_search(&leaks->reachable))
        return HEAPDUMP_UNREADABLE;
    target_resume(leaks->reachable.target);
    leaks->places = places_open(leaks->reachable.target, &arguments->line.style);
    add_up(leaks);
    write_sites(leaks);
    write_end(leaks);
    places_close(leaks->places);
    json_free(&leaks->json);
    free(leaks->sites.all);
    return leaks->lost_blocks == 0 ? HEAPDUMP_FINE : HEAPDUMP_FOUND;
}

static int look(struct target *target, void *input)
{
    static struct leaks leaks; /* large */
    leaks = (struct leaks){.arguments = input, .reachable.target = target, .json.out = stdout};
    int status = read_suppressions(&leaks) ? search(&leaks) : HEAPDUMP_UNREADABLE;
    reachable_close(&leaks.reachable);
    free(leaks.suppressions_text);
    return status;
}

int leaks_command(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .args_doc = "TARGET",
        .doc = "Blocks that nothing leads to any more: no register, stack, thread-local or global variable of a "
               "thread or library, no other memory of the program, no block that is reached.\v"
               "Indirect leaks are those that another lost block leads to. A live process is stopped meanwhile. "
               "Exit status 1 if there are leaks.",
        .children = command_line_children,
    };
    struct arguments arguments = {.line = command_line_init(), .limit = UINT64_MAX};
    return command_line_run(&arguments.line, &argp, argc, argv, &arguments, look);
}
