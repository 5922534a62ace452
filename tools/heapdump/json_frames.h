/*
 * json_frames.h - find the frames in a line of JSON, and write in JSON.
 *
 * The line is checked strictly (RFC 8259, but for bytes that are not UTF-8) and then edited in
 * place, not read into a tree and written anew: what is not a frame keeps every byte, its numbers of
 * any size, its order and its repeated keys.
 */
#ifndef PW_HEAPDUMP_JSON_FRAMES_H
#define PW_HEAPDUMP_JSON_FRAMES_H

#include "bytes.h"

/* The members of a frame that matter here. */
enum json_member {
    JSON_PC,
    JSON_MODULE,
    JSON_BUILD_ID,
    JSON_OFFSET,
    JSON_FUNCTION,
    JSON_FILE,
    JSON_LINE,
    JSON_COLUMN,
    JSON_MEMBER_COUNT,
};

/* An object with "pc", "module" and "offset" whose "file" is missing or null. */
struct json_frame {
    struct span object;                     /* from { to } */
    bool is_in_array;                       /* it may become several */
    struct span members[JSON_MEMBER_COUNT]; /* the value as it stands there; empty: no such member */
};

struct json_frames {
    struct json_frame *frames; /* in the order of the text, none inside another */
    size_t count;
    size_t capacity;
};

/* False: `text` is not one JSON value. Empties `found` first. */
bool json_frames_find(struct span text, struct json_frames *found);
void json_frames_free(struct json_frames *found);

/* The member's name in quotes. */
const char *json_member_name(enum json_member member);

/*
 * Append the text of a string as it stands in JSON, quotes included. False: it is no string, or one
 * with a NUL or half a surrogate pair.
 */
bool json_string_decode(struct span json, struct bytes *text);
/* Append `str` as a JSON string, in quotes; U+FFFD for bytes that are not UTF-8. */
void json_string_encode(struct bytes *json, const char *str);

#endif
