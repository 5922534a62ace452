/*
 * summary.c - heapdump summary: what a heap holds, on one screen.
 *
 * One walk adds it all up; a live process is stopped only while its tables are copied.
 */
#include "blocks.h"
#include "command_line.h"
#include "heapdump.h"
#include "sites.h"

#include <inttypes.h>

enum { TOP_SITES = 5, BAR_CELLS = 24, TIGHT_LINES = 30 };

enum group { GROUP_LIVE, GROUP_CACHED, GROUP_QUARANTINED, GROUP_FREE, GROUP_RETIRED, GROUP_PENDING, GROUPS };
static const char *const group_names[GROUPS] = {"live", "cached", "quarantined", "free", "retired", "pending"};

struct tally {
    uint64_t blocks;
    uint64_t bytes;       /* as requested */
    uint64_t block_bytes; /* with zones and rounding */
};

struct summary {
    struct target *target;
    struct tally groups[GROUPS];
    struct tally mapped;               /* live blocks with pages of their own */
    struct tally sizes[SIZE_CLASSES];  /* live blocks by the power of two that holds them, from 16 */
    uint64_t largest_free;             /* of small regions */
    uint64_t small_free;               /* bytes FREE in small regions */
    uint64_t damaged;                  /* headers */
    uint64_t blocks;
    uint32_t regions;
    uint32_t unreadable_regions;
    uint64_t region_bytes;
    uint64_t table_bytes;
    bool heaps[PW_MAX_HEAPS];
    struct sites sites;
};

/* ---- adding up ---- */

static enum group group_of(uint8_t state)
{
    switch (state) {
    case PW_STATE_LIVE:
        return GROUP_LIVE;
    case PW_STATE_CACHED:
        return GROUP_CACHED;
    case PW_STATE_QUARANTINED:
        return GROUP_QUARANTINED;
    case PW_STATE_FREE:
        return GROUP_FREE;
    case PW_STATE_RETIRED:
        return GROUP_RETIRED;
    default:
        return GROUP_PENDING;
    }
}

static void add(struct tally *tally, const struct pw_block_info *block)
{
    tally->blocks++;
    tally->bytes += block->size;
    tally->block_bytes += block->block_size;
}

static bool visit(void *context, const struct pw_block_info *block)
{
    struct summary *summary = context;
    summary->blocks++;
    if (!block->sealed) {
        summary->damaged++;
        return true;
    }
    enum group group = group_of(block->state);
    bool is_mapped = (block->flags & PW_HEAP_MAPPED) != 0;
    add(&summary->groups[group], block);
    if (group == GROUP_LIVE) {
        add(&summary->sizes[size_class_of(block->size)], block);
        sites_add(&summary->sites, block->has_evidence ? block->alloc_stack : 0, 1, block->size);
        if (is_mapped)
            add(&summary->mapped, block);
    } else if (group == GROUP_FREE && !is_mapped) {
        summary->small_free += block->block_size;
        if (block->block_size > summary->largest_free)
            summary->largest_free = block->block_size;
    }
    return true;
}

static void count_regions(struct summary *summary)
{
    const struct pw_image *image = target_image(summary->target);
    struct pw_region region;
    for (uint32_t i = 1; i < image->root->region_count; i++) {
        if (!pw_image_region(image, i, &region))
            continue;
        summary->regions++;
        summary->region_bytes += (uint64_t)region.granules << region.shift;
        summary->table_bytes += region.mapping_bytes;
        if (region.heap < PW_MAX_HEAPS)
            summary->heaps[region.heap] = true;
        if (pw_image_next_start(image, &region, region.first) == 0)
            summary->unreadable_regions++;
    }
}

static unsigned count_heaps(const struct summary *summary)
{
    unsigned count = 0;
    for (size_t i = 0; i < PW_MAX_HEAPS; i++)
        count += summary->heaps[i];
    return count;
}

/* How much of what is free no single request could have; 0 to 1. */
static double fragmentation(const struct summary *summary)
{
    return summary->small_free == 0 ? 0 : 1 - (double)summary->largest_free / (double)summary->small_free;
}

/* Bytes taken beyond what was asked for, to a byte asked for. */
static double overhead(const struct summary *summary)
{
    const struct tally *live = &summary->groups[GROUP_LIVE];
    return live->bytes == 0 ? 0 : (double)(live->block_bytes - live->bytes) / (double)live->bytes;
}

static bool is_healthy(const struct summary *summary)
{
    return summary->damaged == 0 && summary->groups[GROUP_RETIRED].blocks == 0;
}

static const char *level_name(uint32_t level)
{
    static const char *const names[] = {"off", "fast", "full", "guard"};
    return level < PW_ARRAY_SIZE(names) ? names[level] : "?";
}

/* ---- as text ---- */

static bool is_tight(void)
{
    unsigned lines = terminal_lines();
    return lines != 0 && lines <= TIGHT_LINES;
}

/* An empty line, where there is room for it. */
static void write_gap(void)
{
    if (!is_tight())
        putchar('\n');
}

static void write_head(const struct summary *summary)
{
    struct target *target = summary->target;
    char bytes[BYTES_TEXT], tables[BYTES_TEXT];
    const struct target_thread *threads;
    size_t thread_count = target_threads(target, &threads);
    unsigned heaps = count_heaps(summary);
    printf("%sprocess %u  %s", target_is_live(target) ? "" : "core of ", target_pid(target), target_program(target));
    if (target_stopped_ns(target) != 0)
        printf(" (stopped for %.1f ms)", (double)target_stopped_ns(target) / 1e6);
    putchar('\n');
    printf("level %s, %u heap%s, %u region%s of %s, tables of %s, %zu thread%s",
           level_name(target_image(target)->root->level), heaps, heaps == 1 ? "" : "s", summary->regions,
           summary->regions == 1 ? "" : "s", bytes_text(bytes, summary->region_bytes),
           bytes_text(tables, summary->table_bytes), thread_count, thread_count == 1 ? "" : "s");
    putchar('\n');
}

static void write_groups(const struct summary *summary)
{
    char count[2 * BYTES_TEXT], bytes[BYTES_TEXT], block_bytes[BYTES_TEXT];
    printf("%-12s %14s %12s %12s\n", "", "blocks", "bytes", "taken");
    for (int i = 0; i < GROUPS; i++) {
        const struct tally *group = &summary->groups[i];
        if (group->blocks == 0 && i > GROUP_FREE)
            continue;
        printf("%-12s %14s %12s %12s\n", group_names[i], count_text(count, group->blocks),
               bytes_text(bytes, group->bytes), bytes_text(block_bytes, group->block_bytes));
        if (i == GROUP_LIVE && summary->mapped.blocks != 0)
            printf("%-12s %14s %12s %12s\n", "  own pages", count_text(count, summary->mapped.blocks),
                   bytes_text(bytes, summary->mapped.bytes), bytes_text(block_bytes, summary->mapped.block_bytes));
    }
    printf("overhead %.1f%% (zones, rounding), free memory fragmented %.1f%%\n",
           overhead(summary) * 100, fragmentation(summary) * 100);
}

/* On a screen two powers of two share a row. */
static struct tally size_row(const struct summary *summary, size_t row)
{
    struct tally sum = summary->sizes[2 * row];
    sum.blocks += summary->sizes[2 * row + 1].blocks;
    sum.bytes += summary->sizes[2 * row + 1].bytes;
    return sum;
}

static void write_sizes(const struct summary *summary)
{
    char count[2 * BYTES_TEXT], bytes[BYTES_TEXT], limit[BYTES_TEXT];
    uint64_t most = 1;
    if (summary->groups[GROUP_LIVE].blocks == 0)
        return;
    for (size_t row = 0; row < SIZE_CLASSES / 2; row++)
        most = size_row(summary, row).bytes > most ? size_row(summary, row).bytes : most;
    puts("live, size up to");
    for (size_t row = 0; row < SIZE_CLASSES / 2; row++) {
        struct tally size = size_row(summary, row);
        if (size.blocks == 0)
            continue;
        int cells = (int)((double)size.bytes * BAR_CELLS / (double)most + 0.5);
        printf("%12s %14s %12s%s%.*s\n", bytes_text(limit, (uint64_t)32 << 2 * row), count_text(count, size.blocks),
               bytes_text(bytes, size.bytes), cells > 0 ? "  " : "", cells, "########################");
    }
}

static void write_sites(struct summary *summary, struct places *places)
{
    char count[2 * BYTES_TEXT], bytes[BYTES_TEXT];
    unsigned columns = terminal_columns();
    int width = columns >= 60 ? (int)columns - 35 : INT16_MAX;
    if (target_image(summary->target)->root->level < PW_LEVEL_FULL) {
        puts("sites: who allocated what is kept at PWHEAP_CHECK=full");
        return;
    }
    printf("top sites of %zu\n", summary->sites.count);
    size_t shown = is_tight() ? TOP_SITES - 1 : TOP_SITES;
    for (size_t i = 0; i < shown && i < summary->sites.count; i++) {
        const struct site *site = &summary->sites.table[i];
        printf("%3.0f%% %12s %14s  %.*s\n", (double)site->bytes * 100 / (double)(summary->sites.bytes + !summary->sites.bytes),
               bytes_text(bytes, site->bytes), count_text(count, site->blocks), width,
               places_site_text(places, site->stack));
    }
}

static void write_health(const struct summary *summary)
{
    uint64_t retired = summary->groups[GROUP_RETIRED].blocks;
    if (summary->unreadable_regions != 0)
        printf("the tables of %u regions can't be read: their blocks are missing above\n", summary->unreadable_regions);
    if (is_healthy(summary))
        puts("health: every header is sealed; `heapdump check' looks at the rest");
    else
        printf("health: DAMAGED: %" PRIu64 " headers damaged, %" PRIu64 " blocks retired; see `heapdump check'\n",
               summary->damaged, retired);
}

/* ---- as JSON ---- */

static void tally_json(struct json *json, const char *name, const struct tally *tally)
{
    json_object(json, name);
    json_number(json, "blocks", tally->blocks);
    json_number(json, "size", tally->bytes);
    json_number(json, "block_size", tally->block_bytes);
    json_object_end(json);
}

static void sizes_json(const struct summary *summary, struct json *json)
{
    json_array(json, "sizes");
    for (size_t i = 0; i < SIZE_CLASSES; i++) {
        if (summary->sizes[i].blocks == 0)
            continue;
        json_object(json, NULL);
        json_number(json, "up_to", (uint64_t)16 << i);
        json_number(json, "blocks", summary->sizes[i].blocks);
        json_number(json, "size", summary->sizes[i].bytes);
        json_object_end(json);
    }
    json_array_end(json);
}

static void sites_json(const struct summary *summary, struct json *json, struct places *places)
{
    json_array(json, "sites");
    for (size_t i = 0; i < TOP_SITES && i < summary->sites.count; i++) {
        const struct site *site = &summary->sites.table[i];
        json_object(json, NULL);
        json_number(json, "blocks", site->blocks);
        json_number(json, "size", site->bytes);
        places_json(places, json, "alloc_stack", site->stack);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_json(const struct summary *summary, struct places *places)
{
    struct json json = {.out = stdout};
    struct target *target = summary->target;
    json_object(&json, NULL);
    json_number(&json, "version", 1);
    json_number(&json, "pid", target_pid(target));
    json_string(&json, "program", target_program(target));
    json_string(&json, "target", target_is_live(target) ? "process" : "core");
    json_string(&json, "level", level_name(target_image(target)->root->level));
    json_number(&json, "heaps", count_heaps(summary));
    json_number(&json, "regions", summary->regions);
    json_number(&json, "region_bytes", summary->region_bytes);
    json_number(&json, "table_bytes", summary->table_bytes);
    json_number(&json, "blocks", summary->blocks);
    for (int i = 0; i < GROUPS; i++)
        tally_json(&json, group_names[i], &summary->groups[i]);
    tally_json(&json, "mapped", &summary->mapped);
    json_real(&json, "overhead", overhead(summary));
    json_real(&json, "fragmentation", fragmentation(summary));
    json_number(&json, "damaged", summary->damaged);
    json_number(&json, "unreadable_regions", summary->unreadable_regions);
    json_number(&json, "stopped_ns", target_stopped_ns(target));
    sizes_json(summary, &json);
    sites_json(summary, &json, places);
    json_object_end(&json);
    json_line_end(&json);
    json_free(&json);
}

/* ---- the command ---- */

static void write_text(struct summary *summary, struct places *places)
{
    write_head(summary);
    write_gap();
    write_groups(summary);
    write_gap();
    write_sizes(summary);
    write_gap();
    write_sites(summary, places);
    write_gap();
    write_health(summary);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct command_line *line = state->input;
    if (key != ARGP_KEY_INIT)
        return command_line_take_target(line, key, arg, state);
    state->child_inputs[0] = line;
    return 0;
}

static int look(struct target *target, void *input)
{
    struct command_line *line = input;
    struct summary summary = {.target = target};
    target_freeze(target);
    count_regions(&summary);
    blocks_walk(target, "reading the heap", visit, &summary);
    sites_sort(&summary.sites, false);
    struct places *places = places_open(target, &line->style);
    if (line->is_json)
        write_json(&summary, places);
    else
        write_text(&summary, places);
    places_close(places);
    sites_free(&summary.sites);
    return is_healthy(&summary) ? HEAPDUMP_FINE : HEAPDUMP_FOUND;
}

int summary_command(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = parse_option,
        .args_doc = "TARGET",
        .doc = "What the heap of a process (a PID) or of a core holds, on one screen.",
        .children = command_line_children,
    };
    struct command_line line = command_line_init();
    return command_line_run(&line, &argp, argc, argv, &line, look);
}
