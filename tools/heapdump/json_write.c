/* json_write.c - see json_write.h */
#include "json_write.h"

#include "json_frames.h"

#include <inttypes.h>
#include <math.h>

static void name_write(struct json *json, const char *name)
{
    if (json->needs_comma)
        fputc(',', json->out);
    json->needs_comma = true;
    if (name != NULL)
        fprintf(json->out, "\"%s\":", name);
}

static void open_bracket(struct json *json, const char *name, char bracket)
{
    name_write(json, name);
    fputc(bracket, json->out);
    json->needs_comma = false;
}

static void close_bracket(struct json *json, char bracket)
{
    fputc(bracket, json->out);
    json->needs_comma = true;
}

void json_object(struct json *json, const char *name)
{
    open_bracket(json, name, '{');
}

void json_object_end(struct json *json)
{
    close_bracket(json, '}');
}

void json_array(struct json *json, const char *name)
{
    open_bracket(json, name, '[');
}

void json_array_end(struct json *json)
{
    close_bracket(json, ']');
}

void json_string(struct json *json, const char *name, const char *value)
{
    if (value == NULL) {
        json_null(json, name);
        return;
    }
    name_write(json, name);
    bytes_clear(&json->scratch);
    json_string_encode(&json->scratch, value);
    fwrite(json->scratch.data, 1, json->scratch.length, json->out);
}

void json_number(struct json *json, const char *name, uint64_t value)
{
    name_write(json, name);
    fprintf(json->out, "%" PRIu64, value);
}

void json_real(struct json *json, const char *name, double value)
{
    name_write(json, name);
    fprintf(json->out, "%.6g", isfinite(value) ? value : 0.0);
}

void json_bool(struct json *json, const char *name, bool value)
{
    name_write(json, name);
    fputs(value ? "true" : "false", json->out);
}

void json_address(struct json *json, const char *name, uint64_t value)
{
    name_write(json, name);
    fprintf(json->out, "\"0x%" PRIx64 "\"", value);
}

void json_null(struct json *json, const char *name)
{
    name_write(json, name);
    fputs("null", json->out);
}

void json_line_end(struct json *json)
{
    fputc('\n', json->out);
    json->needs_comma = false;
}

void json_free(struct json *json)
{
    bytes_free(&json->scratch);
}
