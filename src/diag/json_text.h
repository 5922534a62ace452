/*
 * json_text.h - members of JSON objects and lists, written one after the other into a text; commas come by
 * themselves. Async-signal-safe, no allocation.
 *
 * Strings may hold any bytes: what is no valid UTF-8 is written as the code point of that number.
 */
#ifndef PW_DIAG_JSON_TEXT_H
#define PW_DIAG_JSON_TEXT_H

#include "base/text.h"

/* `"name":`, for a value that the caller writes. NULL, here and below: inside a list, no name. */
void pw_json_name(struct pw_text *text, const char *name);
void pw_json_number(struct pw_text *text, const char *name, uint64_t value);
/* A string; `value` NULL is null. */
void pw_json_string(struct pw_text *text, const char *name, const char *value);
void pw_json_bool(struct pw_text *text, const char *name, bool value);
/* A string of hexadecimal digits, "0x" before them: a double holds 53 bits. */
void pw_json_address(struct pw_text *text, const char *name, uint64_t value);
void pw_json_null(struct pw_text *text, const char *name);

#endif
