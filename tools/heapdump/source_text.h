/* source_text.h - how a source frame is written, the same in text and JSON. */
#ifndef PW_HEAPDUMP_SOURCE_TEXT_H
#define PW_HEAPDUMP_SOURCE_TEXT_H

#include "bytes.h"
#include "debug_unit.h"

struct source_style {
    bool demangle;
    const char *strip_path_prefix; /* as AddressSanitizer's option; NULL: none */
};

/* The function as it is to be shown, NULL: not known. Until the next call. */
const char *source_function(const struct source_style *style, const struct source_frame *frame);
/* A function's name for people: std::string for what that stands for, and its like. `name` itself, or in `text`. */
const char *source_short_name(const char *name, struct bytes *text);
/*
 * The innermost of `count` frames that is the program's own: no inline function or template of the C++ library's or libc's
 * headers, and of an allocation none of its xmalloc and the like. `count`: there is none.
 */
size_t source_first_own(const struct source_frame *frames, size_t count, bool is_allocation);
/* The path of its file as it is to be shown, into `path`; only where frame->file is known. */
void source_path(const struct source_style *style, const struct source_frame *frame,
                 struct bytes *path);

#endif
