/*
 * site_pprof.c - heapdump sites --pprof: profile.proto of pprof, written by hand, for its wire format is
 * two kinds of fields; compressed with zlib, as pprof wants it.
 *
 * A sample is a site with two values, inuse_objects and inuse_space. A location is an address of code with
 * its inlined lines, a function a name and a file. Ids are made as they are met, the string table as well;
 * it goes out last, as any order will do.
 */
#include "site_collect.h"

#include <string.h>
#include <time.h>
#include <zlib.h>

/* Field numbers of profile.proto. */
enum {
    PROFILE_SAMPLE_TYPE = 1, PROFILE_SAMPLE, PROFILE_MAPPING, PROFILE_LOCATION, PROFILE_FUNCTION,
    PROFILE_STRING_TABLE, PROFILE_TIME_NANOS = 9, PROFILE_DEFAULT_SAMPLE_TYPE = 14,
    VALUE_TYPE = 1, VALUE_UNIT,
    SAMPLE_LOCATION = 1, SAMPLE_VALUE,
    MAPPING_ID = 1, MAPPING_START, MAPPING_LIMIT, MAPPING_OFFSET, MAPPING_FILE, MAPPING_BUILD_ID,
    MAPPING_HAS_FUNCTIONS, MAPPING_HAS_FILENAMES, MAPPING_HAS_LINES,
    LOCATION_ID = 1, LOCATION_MAPPING, LOCATION_ADDRESS, LOCATION_LINE,
    LINE_FUNCTION = 1, LINE_LINE,
    FUNCTION_ID = 1, FUNCTION_NAME, FUNCTION_SYSTEM_NAME, FUNCTION_FILE,
};

/* From a key to a number that counts up from 1 in the order of first use. */
struct pprof {
    const struct site_output *output;
    struct bytes message; /* the profile so far */
    struct bytes part, inner;
    struct numbers locations; /* by address of the spot */
    struct numbers functions; /* by address of the place */
    struct numbers mappings;  /* by address of the module */
    struct numbers string_numbers; /* by hash; equal hashes are taken for equal strings */
    struct bytes string_table;
};

/* Ids count from 1. */
static uint64_t id_of(struct numbers *numbers, uint64_t key, bool *is_new)
{
    uint32_t known = numbers->count, number = numbers_take(numbers, key);
    *is_new = number == known;
    return (uint64_t)number + 1;
}

/* ---- the wire format ---- */

static void put_varint(struct bytes *bytes, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        bytes_char(bytes, (char)(value | 0x80));
    bytes_char(bytes, (char)value);
}

static void put_number(struct bytes *bytes, unsigned field, uint64_t value)
{
    put_varint(bytes, field << 3);
    put_varint(bytes, value);
}

static void put_bytes(struct bytes *bytes, unsigned field, const char *data, size_t length)
{
    put_varint(bytes, field << 3 | 2);
    put_varint(bytes, length);
    bytes_append(bytes, data, length);
}

/* ---- the parts ---- */

/* The first string of the table is empty, so numbers that count from 1 are indices. */
static uint64_t string_index(struct pprof *pprof, const char *str)
{
    bool is_new;
    if (str == NULL || *str == '\0')
        return 0;
    uint64_t index = id_of(&pprof->string_numbers, hash_bytes(HASH_NOTHING, str, strlen(str)), &is_new);
    if (is_new)
        put_bytes(&pprof->string_table, PROFILE_STRING_TABLE, str, strlen(str));
    return index;
}

static void put_value_type(struct pprof *pprof, const char *type, const char *unit)
{
    bytes_clear(&pprof->part);
    put_number(&pprof->part, VALUE_TYPE, string_index(pprof, type));
    put_number(&pprof->part, VALUE_UNIT, string_index(pprof, unit));
    put_bytes(&pprof->message, PROFILE_SAMPLE_TYPE, pprof->part.data, pprof->part.length);
}

static uint64_t mapping_id(struct pprof *pprof, const struct pw_module *module)
{
    char build_id[2 * PW_BUILD_ID_BYTES + 1] = "";
    struct bytes part = {0};
    bool is_new;
    if (module == NULL)
        return 0;
    uint64_t id = id_of(&pprof->mappings, (uintptr_t)module, &is_new);
    if (!is_new)
        return id;
    for (uint32_t i = 0; i < module->build_id_len; i++)
        snprintf(build_id + 2 * i, 3, "%02x", module->build_id[i]);
    put_number(&part, MAPPING_ID, id);
    put_number(&part, MAPPING_START, module->start);
    put_number(&part, MAPPING_LIMIT, module->end);
    put_number(&part, MAPPING_OFFSET, 0);
    put_number(&part, MAPPING_FILE, string_index(pprof, module->path));
    put_number(&part, MAPPING_BUILD_ID, string_index(pprof, build_id));
    for (unsigned field = MAPPING_HAS_FUNCTIONS; field <= MAPPING_HAS_LINES; field++)
        put_number(&part, field, 1);
    put_bytes(&pprof->message, PROFILE_MAPPING, part.data, part.length);
    bytes_free(&part);
    return id;
}

static uint64_t function_id(struct pprof *pprof, const struct spot *spot, const struct place *place)
{
    struct bytes part = {0};
    bool is_new;
    uint64_t id = id_of(&pprof->functions, (uintptr_t)place, &is_new);
    if (!is_new)
        return id;
    put_number(&part, FUNCTION_ID, id);
    uint64_t name = string_index(pprof, site_frame_name(spot, place));
    put_number(&part, FUNCTION_NAME, name);
    put_number(&part, FUNCTION_SYSTEM_NAME, name);
    put_number(&part, FUNCTION_FILE, string_index(pprof, place->file));
    put_bytes(&pprof->message, PROFILE_FUNCTION, part.data, part.length);
    bytes_free(&part);
    return id;
}

static uint64_t location_id(struct pprof *pprof, const struct spot *spot)
{
    struct bytes part = {0}, line = {0};
    bool is_new;
    uint64_t id = id_of(&pprof->locations, (uintptr_t)spot, &is_new);
    if (!is_new)
        return id;
    put_number(&part, LOCATION_ID, id);
    put_number(&part, LOCATION_MAPPING, mapping_id(pprof, spot->module));
    put_number(&part, LOCATION_ADDRESS, spot->pc);
    for (size_t i = 0; i < spot->place_count; i++) {
        bytes_clear(&line);
        put_number(&line, LINE_FUNCTION, function_id(pprof, spot, &spot->places[i]));
        put_number(&line, LINE_LINE, spot->places[i].line);
        put_bytes(&part, LOCATION_LINE, line.data, line.length);
    }
    put_bytes(&pprof->message, PROFILE_LOCATION, part.data, part.length);
    bytes_free(&line);
    bytes_free(&part);
    return id;
}

static void put_sample(struct pprof *pprof, const struct site *site)
{
    uint64_t frames[PW_MAX_FRAMES];
    size_t count = target_stack(pprof->output->target, site->stack, frames);
    bytes_clear(&pprof->part);
    bytes_clear(&pprof->inner);
    for (size_t i = 0; i < count; i++)
        put_varint(&pprof->inner, location_id(pprof, places_call(pprof->output->places, frames[i])));
    put_bytes(&pprof->part, SAMPLE_LOCATION, pprof->inner.data, pprof->inner.length);
    bytes_clear(&pprof->inner);
    put_varint(&pprof->inner, site->blocks);
    put_varint(&pprof->inner, site->bytes);
    put_bytes(&pprof->part, SAMPLE_VALUE, pprof->inner.data, pprof->inner.length);
    put_bytes(&pprof->message, PROFILE_SAMPLE, pprof->part.data, pprof->part.length);
}

static void make_profile(struct pprof *pprof)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    put_bytes(&pprof->string_table, PROFILE_STRING_TABLE, "", 0);
    put_value_type(pprof, "inuse_objects", "count");
    put_value_type(pprof, "inuse_space", "bytes");
    for (size_t i = 0; i < pprof->output->sites->count && i < pprof->output->limit; i++)
        put_sample(pprof, &pprof->output->sites->table[i]);
    put_number(&pprof->message, PROFILE_TIME_NANOS, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
    put_number(&pprof->message, PROFILE_DEFAULT_SAMPLE_TYPE,
               string_index(pprof, pprof->output->by_blocks ? "inuse_objects" : "inuse_space"));
    bytes_append(&pprof->message, pprof->string_table.data, pprof->string_table.length);
}

/* ---- compressed ---- */

static bool write_compressed(const struct bytes *message, FILE *out)
{
    enum { GZIP = 16 };
    z_stream stream = {0};
    uint8_t chunk[1 << 15];
    int status = Z_OK;
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    const char *next = message->data;
    size_t left = message->length;
    while (status == Z_OK) {
        if (stream.avail_in == 0) { /* its counts have 32 bits */
            stream.next_in = (Bytef *)(uintptr_t)next;
            stream.avail_in = (uInt)least(left, 1u << 30);
            next += stream.avail_in;
            left -= stream.avail_in;
        }
        stream.next_out = chunk;
        stream.avail_out = sizeof chunk;
        status = deflate(&stream, left == 0 ? Z_FINISH : Z_NO_FLUSH);
        fwrite(chunk, 1, sizeof chunk - stream.avail_out, out);
    }
    deflateEnd(&stream);
    return status == Z_STREAM_END && !ferror(out);
}

bool sites_write_pprof(const struct site_output *output, FILE *out)
{
    struct pprof pprof = {.output = output};
    make_profile(&pprof);
    bool is_written = write_compressed(&pprof.message, out);
    bytes_free(&pprof.message);
    bytes_free(&pprof.part);
    bytes_free(&pprof.inner);
    bytes_free(&pprof.string_table);
    numbers_free(&pprof.locations);
    numbers_free(&pprof.functions);
    numbers_free(&pprof.mappings);
    numbers_free(&pprof.string_numbers);
    return is_written;
}
