/*
 * symbols.h - from (module, offset) to functions, files and lines, over all modules of a report.
 *
 * Each module is opened once, when it is first asked for; at most SYMBOLS_MODULES are held, the one
 * not asked for longest goes first.
 */
#ifndef PW_HEAPDUMP_SYMBOLS_H
#define PW_HEAPDUMP_SYMBOLS_H

#include "debug_unit.h"

enum { SYMBOLS_MODULES = 128, SYMBOLS_FRAMES = 256 };

struct symbols;

/* What a report knows of an address of code. */
struct code_address {
    const char *module;   /* absolute path */
    const char *build_id; /* hexadecimal digits; "": not known */
    const char *function; /* "": not known */
    uint64_t offset;      /* in the module's file */
};

/* `debuginfo_path`: elfutils' list of folders with debug files; NULL: its default. */
struct symbols *symbols_open(const char *debuginfo_path);
void symbols_close(struct symbols *symbols);

/*
 * The frames at this address, innermost first; the last one is the function whose code it is, the
 * others are inlined. 0: the module can't be read, is another build, or nothing is known.
 * The strings live until the next call, those of `address` may be among them.
 */
size_t symbols_locate(struct symbols *symbols, const struct code_address *address,
                      struct source_frame frames[SYMBOLS_FRAMES]);

/* The variable of the symbol table that the address is in, and the offset in it; NULL: none is known. */
const char *symbols_object(struct symbols *symbols, const struct code_address *address, uint64_t *offset);

#endif
