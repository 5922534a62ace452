/*
 * places.h - the places in the source that stacks go through, each looked up once; and how they are
 * written: as a report writes them, as JSON, in a few words.
 */
#ifndef PW_HEAPDUMP_PLACES_H
#define PW_HEAPDUMP_PLACES_H

#include "json_write.h"
#include "source_text.h"
#include "target.h"

/* One function; a call may have several, the inlined ones first. */
struct place {
    const char *function; /* as it is to be shown; NULL: not known */
    const char *file;     /* NULL: not known */
    uint32_t line;        /* 0: none */
    uint32_t column;
    bool is_of_headers; /* the C++ library's or libc's, in the program: no place of its own */
};

/* What is at an address of code. */
struct spot {
    uint64_t pc;
    const struct pw_module *module; /* NULL: not known */
    bool is_runtime;                /* of libc, the C++ library, the loader, pwheap: no site of anybody's */
    bool is_allocator;              /* all its functions are that, or the program's xmalloc: no site, but a caller's line */
    bool is_of_headers;             /* all its functions are the C++ library's, in the program: no site either */
    size_t own;                     /* the first place that is not, 0 where there is none */
    size_t place_count;             /* at least 1 */
    const struct place *places;
};

struct places;

struct places *places_open(struct target *target, const struct source_style *style);
void places_close(struct places *places);

/* The spot of an instruction's address; lives as long as `places`. */
const struct spot *places_spot(struct places *places, uint64_t pc);
/* The spot of a call, by its return address. */
const struct spot *places_call(struct places *places, uint64_t return_address);

/* The index of the innermost frame that is the program's own, 0 where there is none. */
size_t places_site(struct places *places, const uint64_t *frames, size_t count);
/*
 * The stack in a few words: "function file.c:12 < caller < its caller", from its site on. "?" where nothing
 * is known. Lives until the next call.
 */
const char *places_site_text(struct places *places, uint32_t stack);

/* A stack of return addresses, as a report writes it: "    #0 0x55… in function file.c:12:3". */
void places_write(struct places *places, FILE *out, const uint64_t *frames, size_t count, size_t most);
void places_write_stack(struct places *places, FILE *out, uint32_t stack, size_t most);
/* The same as an array of frames. */
void places_json(struct places *places, struct json *json, const char *name, uint32_t stack);

#endif
