/*
 * places.c - see places.h. Spots and their strings live in chunks that are given back together.
 */
#include "places.h"

#include "demangle.h"
#include "numbers.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 1 << 16, FIRST_CAPACITY = 1024, SITE_PLACES = 4 };

struct chunk {
    struct chunk *next;
    size_t used;
    size_t size;
    char bytes[];
};

struct places {
    struct target *target;
    struct source_style style;
    struct chunk *chunks;
    struct spot **table;
    size_t capacity;
    struct numbers numbers; /* of pcs: indices of the table */
    struct bytes path;
    struct bytes text;
};

/* ---- memory ---- */

static void *take(struct places *places, size_t bytes)
{
    bytes = PW_ALIGN_UP(bytes, (size_t)16);
    struct chunk *chunk = places->chunks;
    if (chunk == NULL || chunk->size - chunk->used < bytes) {
        size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        chunk = heapdump_grow(NULL, sizeof *chunk + size, 1);
        *chunk = (struct chunk){.next = places->chunks, .size = size};
        places->chunks = chunk;
    }
    void *taken = chunk->bytes + chunk->used;
    chunk->used += bytes;
    return taken;
}

static const char *keep(struct places *places, const char *str)
{
    size_t bytes = strlen(str) + 1;
    return make_printable(memcpy(take(places, bytes), str, bytes));
}

struct places *places_open(struct target *target, const struct source_style *style)
{
    struct places *places = heapdump_grow(NULL, 1, sizeof *places);
    *places = (struct places){.target = target, .style = *style};
    return places;
}

void places_close(struct places *places)
{
    while (places->chunks != NULL) {
        struct chunk *chunk = places->chunks;
        places->chunks = chunk->next;
        free(chunk);
    }
    demangle_close();
    bytes_free(&places->path);
    bytes_free(&places->text);
    numbers_free(&places->numbers);
    free(places->table);
    free(places);
}

/* ---- the table ---- */

static void set_place(struct places *places, struct place *place, const struct source_frame *frame)
{
    const char *function = source_function(&places->style, frame);
    *place = (struct place){.line = frame->line, .column = frame->column};
    place->function = function != NULL ? keep(places, function) : NULL;
    if (frame->file != NULL) {
        source_path(&places->style, frame, &places->path);
        place->file = keep(places, places->path.data);
    }
}

static struct spot *make_spot(struct places *places, uint64_t pc)
{
    struct source_frame frames[SYMBOLS_FRAMES];
    size_t count = target_locate(places->target, pc, frames);
    struct spot *spot = take(places, sizeof *spot);
    struct place *made = take(places, (count > 0 ? count : 1) * sizeof *made);
    *made = (struct place){0};
    for (size_t i = 0; i < count; i++) {
        set_place(places, &made[i], &frames[i]);
        made[i].is_of_headers = source_first_own(&frames[i], 1, false) != 0;
    }
    size_t own = source_first_own(frames, count, false), asked = source_first_own(frames, count, true);
    bool is_of_headers = count > 0 && own == count;
    const struct pw_module *module = target_find_module(places->target, pc);
    bool is_runtime = module != NULL && pw_is_path_of_runtime(module->path);
    *spot = (struct spot){.pc = pc, .module = module, .is_runtime = is_runtime,
                          .is_of_headers = is_of_headers, .is_allocator = count > 0 && asked == count,
                          .own = is_of_headers ? 0 : asked < count ? asked : own,
                          .place_count = count > 0 ? count : 1, .places = made};
    return spot;
}

const struct spot *places_spot(struct places *places, uint64_t pc)
{
    uint32_t known = places->numbers.count, number = numbers_take(&places->numbers, pc);
    if (number == places->capacity) {
        places->capacity = places->capacity * 2 + FIRST_CAPACITY;
        places->table = heapdump_grow(places->table, places->capacity, sizeof *places->table);
    }
    if (number == known)
        places->table[number] = make_spot(places, pc);
    return places->table[number];
}

const struct spot *places_call(struct places *places, uint64_t return_address)
{
    return places_spot(places, return_address != 0 ? return_address - 1 : 0);
}

size_t places_site(struct places *places, const uint64_t *frames, size_t count)
{
    size_t of_headers = count;
    for (size_t i = 0; i < count; i++) {
        const struct spot *spot = places_call(places, frames[i]);
        if (spot->is_runtime)
            continue;
        if (!spot->is_of_headers && !spot->is_allocator)
            return i;
        of_headers = of_headers < i ? of_headers : i;
    }
    return of_headers < count ? of_headers : 0;
}

/* ---- writing ---- */

static void append_hex(struct bytes *text, uint64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "0x%" PRIx64, value);
    bytes_str(text, digits);
}

static void append_place(struct bytes *text, const struct spot *spot, const struct place *place, bool with_line)
{
    if (place->function != NULL)
        bytes_str(text, place->function);
    if (place->file != NULL && with_line) {
        bytes_str(text, place->function != NULL ? " " : "");
        bytes_str(text, pw_path_basename(place->file));
        bytes_char(text, ':');
        bytes_unsigned(text, place->line);
    } else if (place->function == NULL && spot->module != NULL) {
        bytes_str(text, pw_path_basename(spot->module->path));
        bytes_char(text, '+');
        append_hex(text, spot->pc - spot->module->bias);
    } else if (place->function == NULL) {
        append_hex(text, spot->pc);
    }
}

/* Those of the program's own among the spot's places, which are inlined into each other; how many are shown by now. */
static size_t append_own(struct bytes *text, const struct spot *spot, size_t shown)
{
    for (size_t i = spot->own; i < spot->place_count && shown < SITE_PLACES; i++) {
        if (i > spot->own && spot->places[i].is_of_headers)
            continue;
        bytes_str(text, shown > 0 ? " < " : "");
        append_place(text, spot, &spot->places[i], shown == 0);
        shown++;
    }
    return shown;
}

/* Callers too: many programs allocate through a function of their own, which alone says nothing. */
const char *places_site_text(struct places *places, uint32_t stack)
{
    uint64_t frames[PW_MAX_FRAMES];
    size_t count = target_stack(places->target, stack, frames);
    struct bytes *text = &places->text;
    bytes_clear(text);
    if (count == 0)
        return "?";
    size_t site = places_site(places, frames, count);
    for (size_t i = site, shown = 0; i < count && shown < SITE_PLACES; i++) {
        const struct spot *spot = places_call(places, frames[i]);
        if (i > site && spot->is_runtime)
            break;
        if (i == site || !spot->is_of_headers)
            shown = append_own(text, spot, shown);
    }
    return text->data;
}

static void write_where(FILE *out, const struct spot *spot, const struct place *place)
{
    if (place->file != NULL) {
        fprintf(out, " %s", place->file);
        if (place->line != 0)
            fprintf(out, ":%u", place->line);
        if (place->column != 0)
            fprintf(out, ":%u", place->column);
        return;
    }
    if (spot->module == NULL) {
        fputs(" (<unknown module>)", out);
        return;
    }
    fprintf(out, " (%s+0x%" PRIx64 ")", spot->module->path, spot->pc - spot->module->bias);
    if (spot->module->build_id_len != 0)
        fputs(" (BuildId: ", out);
    for (uint32_t i = 0; i < spot->module->build_id_len; i++)
        fprintf(out, "%02x", spot->module->build_id[i]);
    if (spot->module->build_id_len != 0)
        fputc(')', out);
}

void places_write(struct places *places, FILE *out, const uint64_t *frames, size_t count, size_t most)
{
    size_t number = 0;
    for (size_t i = 0; i < count; i++) {
        const struct spot *spot = places_call(places, frames[i]);
        for (size_t k = 0; k < spot->place_count && number < most; k++, number++) {
            const struct place *place = &spot->places[k];
            fprintf(out, "    #%zu 0x%012" PRIx64, number, spot->pc);
            if (place->function != NULL)
                fprintf(out, " in %s", place->function);
            write_where(out, spot, place);
            fputc('\n', out);
        }
    }
}

void places_write_stack(struct places *places, FILE *out, uint32_t stack, size_t most)
{
    uint64_t frames[PW_MAX_FRAMES];
    places_write(places, out, frames, target_stack(places->target, stack, frames), most);
}

static void place_json(struct json *json, const struct spot *spot, const struct place *place)
{
    const struct pw_module *module = spot->module;
    char build_id[2 * PW_BUILD_ID_BYTES + 1] = "";
    json_object(json, NULL);
    json_address(json, "pc", spot->pc);
    json_string(json, "module", module != NULL ? module->path : NULL);
    for (uint32_t i = 0; module != NULL && i < module->build_id_len; i++)
        snprintf(build_id + 2 * i, 3, "%02x", module->build_id[i]);
    json_string(json, "build_id", build_id[0] != '\0' ? build_id : NULL);
    if (module != NULL)
        json_address(json, "offset", spot->pc - module->bias);
    else
        json_null(json, "offset");
    json_string(json, "function", place->function);
    json_string(json, "file", place->file);
    if (place->line != 0)
        json_number(json, "line", place->line);
    else
        json_null(json, "line");
    if (place->column != 0)
        json_number(json, "column", place->column);
    else
        json_null(json, "column");
    json_object_end(json);
}

void places_json(struct places *places, struct json *json, const char *name, uint32_t stack)
{
    uint64_t frames[PW_MAX_FRAMES];
    size_t count = target_stack(places->target, stack, frames);
    json_array(json, name);
    for (size_t i = 0; i < count; i++) {
        const struct spot *spot = places_call(places, frames[i]);
        for (size_t k = 0; k < spot->place_count; k++)
            place_json(json, spot, &spot->places[k]);
    }
    json_array_end(json);
}
