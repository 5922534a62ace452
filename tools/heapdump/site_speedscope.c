/*
 * site_speedscope.c - heapdump sites --speedscope: the file format of speedscope.app, a "sampled" profile
 * whose samples are sites and whose weights are bytes or blocks.
 */
#include "site_collect.h"

#include <stdlib.h>

/* Each place once: its index is its number in the file. */
struct frames {
    const struct place **places;
    const struct spot **spots;
    size_t count;
    size_t capacity;
    struct numbers numbers; /* by the place's address */
};

static uint32_t frame_index(struct frames *frames, const struct spot *spot, const struct place *place)
{
    uint32_t index = numbers_take(&frames->numbers, (uintptr_t)place);
    if (index < frames->count)
        return index;
    if (frames->count == frames->capacity) {
        frames->capacity = frames->capacity * 2 + 512;
        frames->places = heapdump_grow(frames->places, frames->capacity, sizeof *frames->places);
        frames->spots = heapdump_grow(frames->spots, frames->capacity, sizeof *frames->spots);
    }
    frames->places[frames->count] = place;
    frames->spots[frames->count++] = spot;
    return index;
}

static void write_sample(struct json *json, const struct site_output *output, struct frames *frames, uint32_t stack)
{
    uint64_t addresses[PW_MAX_FRAMES];
    size_t count = target_stack(output->target, stack, addresses);
    json_array(json, NULL);
    for (size_t k = count; k-- > 0;) {
        const struct spot *spot = places_call(output->places, addresses[k]);
        for (size_t n = spot->place_count; n-- > 0;)
            json_number(json, NULL, frame_index(frames, spot, &spot->places[n]));
    }
    json_array_end(json);
}

static void write_frames(struct json *json, const struct frames *frames)
{
    json_object(json, "shared");
    json_array(json, "frames");
    for (size_t i = 0; i < frames->count; i++) {
        const struct place *place = frames->places[i];
        json_object(json, NULL);
        json_string(json, "name", site_frame_name(frames->spots[i], place));
        if (place->file != NULL)
            json_string(json, "file", place->file);
        if (place->line != 0)
            json_number(json, "line", place->line);
        json_object_end(json);
    }
    json_array_end(json);
    json_object_end(json);
}

static void write_profile(struct json *json, const struct site_output *output, struct frames *frames)
{
    const struct sites *sites = output->sites;
    size_t count = (size_t)least(sites->count, output->limit);
    uint64_t all = 0;
    json_object(json, NULL);
    json_string(json, "type", "sampled");
    json_string(json, "name", output->by_blocks ? "blocks by allocation" : "bytes by allocation");
    json_string(json, "unit", output->by_blocks ? "none" : "bytes");
    json_number(json, "startValue", 0);
    json_array(json, "samples");
    for (size_t i = 0; i < count; i++)
        write_sample(json, output, frames, sites->table[i].stack);
    json_array_end(json);
    json_array(json, "weights");
    for (size_t i = 0; i < count; i++) {
        uint64_t weight = output->by_blocks ? sites->table[i].blocks : sites->table[i].bytes;
        json_number(json, NULL, weight);
        all += weight;
    }
    json_array_end(json);
    json_number(json, "endValue", all);
    json_object_end(json);
}

void sites_write_speedscope(const struct site_output *output, FILE *out)
{
    struct json json = {.out = out};
    struct frames frames = {0};
    json_object(&json, NULL);
    json_string(&json, "$schema", "https://www.speedscope.app/file-format-schema.json");
    json_string(&json, "exporter", "pwheap heapdump");
    json_string(&json, "name", target_program(output->target));
    json_array(&json, "profiles");
    write_profile(&json, output, &frames);
    json_array_end(&json);
    write_frames(&json, &frames);
    json_object_end(&json);
    json_line_end(&json);
    json_free(&json);
    free(frames.places);
    free(frames.spots);
    numbers_free(&frames.numbers);
}
