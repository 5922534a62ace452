/* map_json.c - heapdump map --json: what a picture shows, in numbers: a line a region, then the sum. */
#include "json_write.h"
#include "map.h"

static void bytes_json(struct json *json, const uint64_t bytes[MAP_CLASSES])
{
    json_object(json, "bytes");
    for (int class = MAP_LIVE; class < MAP_CLASSES; class++)
        json_number(json, class == MAP_ZONE ? "red_zone" : map_class_names[class], bytes[class]);
    json_object_end(json);
}

static void write_region(void *context, const struct map_region *region)
{
    struct json *json = context;
    json_object(json, NULL);
    json_string(json, "what", "region");
    json_number(json, "region", region->index);
    json_number(json, "heap", region->heap);
    json_string(json, "kind", region->kind);
    json_address(json, "start", region->start);
    json_address(json, "end", region->end);
    bytes_json(json, region->bytes);
    json_object_end(json);
    json_line_end(json);
}

static void pass_row(void *context, uint64_t address, const struct map_cell *cells, unsigned count)
{
    (void)context, (void)address, (void)cells, (void)count;
}

static void pass_gap(void *context, uint64_t address, uint64_t bytes, enum map_class class)
{
    (void)context, (void)address, (void)bytes, (void)class;
}

void map_write_json(struct map *map, FILE *out)
{
    struct json json = {.out = out};
    struct map_painter painter = {write_region, pass_row, pass_gap, &json};
    const struct map_totals *totals = map_totals(map);
    map_paint(map, map_scale(map, MAP_MOST_CELLS), MAP_MOST_CELLS, &painter);
    json_object(&json, NULL);
    json_string(&json, "what", "all");
    json_number(&json, "blocks", totals->blocks);
    json_number(&json, "free_blocks", totals->free_blocks);
    json_number(&json, "largest_free", totals->largest_free);
    json_number(&json, "damages", totals->damages);
    bytes_json(&json, totals->bytes);
    json_object_end(&json);
    json_line_end(&json);
    json_free(&json);
}
