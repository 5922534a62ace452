/*
 * json_write.h - JSON Lines on stdout, streamed: nothing is collected. The names are REPORTS.md's; addresses
 * are strings ("0x…"), for a double holds 53 bits.
 *
 * Names are our own and need no escaping. A name is NULL in an array and for a line's own object.
 */
#ifndef PW_HEAPDUMP_JSON_WRITE_H
#define PW_HEAPDUMP_JSON_WRITE_H

#include "bytes.h"

#include <stdio.h>

struct json {
    FILE *out;
    bool needs_comma;
    struct bytes scratch;
};

void json_object(struct json *json, const char *name);
void json_object_end(struct json *json);
void json_array(struct json *json, const char *name);
void json_array_end(struct json *json);
void json_string(struct json *json, const char *name, const char *value); /* NULL: null */
void json_number(struct json *json, const char *name, uint64_t value);
void json_real(struct json *json, const char *name, double value);
void json_bool(struct json *json, const char *name, bool value);
void json_address(struct json *json, const char *name, uint64_t value);
void json_null(struct json *json, const char *name);
/* After the object that is the line. */
void json_line_end(struct json *json);
void json_free(struct json *json);

#endif
