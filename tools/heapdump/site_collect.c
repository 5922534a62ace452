/* site_collect.c - see site_collect.h: collecting, and the formats that are lines of text. */
#include "site_collect.h"

#include "blocks.h"
#include "command_line.h"

#include "base/text.h"

#include <inttypes.h>

enum { SITE_COLUMN = 33 };

struct collect {
    struct sites *sites;
    struct target *target;
    struct places *places;
    struct block_filter *filter;
    uint64_t damaged;
};

static bool visit(void *context, const struct pw_block_info *block)
{
    struct collect *collect = context;
    collect->damaged += !block->sealed;
    if (block_filter_takes(collect->filter, collect->target, collect->places, block))
        sites_add(collect->sites, block->has_evidence ? block->alloc_stack : 0, 1, block->size);
    return true;
}

uint64_t sites_collect(struct sites *sites, struct target *target, struct places *places,
                       struct block_filter *filter)
{
    struct collect collect = {.sites = sites, .target = target, .places = places, .filter = filter};
    blocks_walk(target, "reading the heap", visit, &collect);
    return collect.damaged;
}

const char *site_frame_name(const struct spot *spot, const struct place *place)
{
    static char name[PW_MODULE_PATH_BYTES + 32];
    if (place->function != NULL)
        return place->function;
    if (spot->module == NULL) {
        snprintf(name, sizeof name, "0x%" PRIx64, spot->pc);
        return name;
    }
    snprintf(name, sizeof name, "%s+0x%" PRIx64, pw_path_basename(spot->module->path),
             spot->pc - spot->module->bias);
    return name;
}

/* ---- table ---- */

static double percent(uint64_t part, uint64_t all)
{
    return all == 0 ? 0 : (double)part * 100 / (double)all;
}

static void write_total(const struct site_output *output)
{
    char count[2 * BYTES_TEXT], bytes[BYTES_TEXT];
    printf("%5s %11s %13s  %zu sites\n", "100%", bytes_text(bytes, output->sites->bytes),
           count_text(count, output->sites->blocks), output->sites->count);
}

void sites_write_table(const struct site_output *output)
{
    char count[2 * BYTES_TEXT], bytes[BYTES_TEXT];
    const struct sites *sites = output->sites;
    unsigned columns = terminal_columns();
    int width = columns > 60 ? (int)columns - SITE_COLUMN : INT16_MAX;
    printf("%5s %11s %13s  %s\n", "", "bytes", "blocks", "allocated from");
    for (size_t i = 0; i < sites->count && i < output->limit; i++) {
        const struct site *site = &sites->table[i];
        double share = output->by_blocks ? percent(site->blocks, sites->blocks) : percent(site->bytes, sites->bytes);
        printf("%4.1f%% %11s %13s  %.*s\n", share, bytes_text(bytes, site->bytes), count_text(count, site->blocks),
               width, site->stack != 0 ? places_site_text(output->places, site->stack) : "not known");
        if (output->has_stacks)
            places_write_stack(output->places, stdout, site->stack, PW_MAX_FRAMES);
    }
    if (output->limit < sites->count)
        printf("and %zu more sites (--limit)\n", sites->count - (size_t)output->limit);
    write_total(output);
}

/* ---- JSON Lines ---- */

void sites_write_json(const struct site_output *output)
{
    struct json json = {.out = stdout};
    for (size_t i = 0; i < output->sites->count && i < output->limit; i++) {
        const struct site *site = &output->sites->table[i];
        json_object(&json, NULL);
        json_number(&json, "size", site->bytes);
        json_number(&json, "blocks", site->blocks);
        json_number(&json, "stack_id", site->stack);
        json_string(&json, "site", site->stack != 0 ? places_site_text(output->places, site->stack) : NULL);
        places_json(output->places, &json, "alloc_stack", site->stack);
        json_object_end(&json);
        json_line_end(&json);
    }
    json_free(&json);
}

/* ---- folded ---- */

/* The two characters that the format itself uses. */
static void write_folded_name(FILE *out, const char *name)
{
    for (; *name != '\0'; name++)
        fputc(*name == ';' ? ':' : *name == '\n' ? ' ' : *name, out);
}

void sites_write_folded(const struct site_output *output, FILE *out)
{
    for (size_t i = 0; i < output->sites->count && i < output->limit; i++) {
        const struct site *site = &output->sites->table[i];
        uint64_t frames[PW_MAX_FRAMES];
        size_t count = target_stack(output->target, site->stack, frames);
        const char *between = "";
        for (size_t k = count; k-- > 0;) {
            const struct spot *spot = places_call(output->places, frames[k]);
            for (size_t n = spot->place_count; n-- > 0; between = ";") {
                fputs(between, out);
                write_folded_name(out, site_frame_name(spot, &spot->places[n]));
            }
        }
        fprintf(out, "%s %" PRIu64 "\n", count == 0 ? "not known" : "", output->by_blocks ? site->blocks : site->bytes);
    }
}
