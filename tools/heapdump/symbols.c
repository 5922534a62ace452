/* symbols.c - see symbols.h */
#include "symbols.h"

#include "bytes.h"
#include "debug_module.h"
#include "demangle.h"

#include <stdlib.h>
#include <string.h>

struct held_module {
    char *path; /* NULL: this place is free */
    uint64_t used; /* when it was last asked for, in questions */
    struct debug_module module;
};

struct symbols {
    uint64_t questions;
    char *debuginfo_path; /* libdwfl gets a pointer to it */
    Dwfl_Callbacks callbacks;
    struct bytes full_name; /* the last one that was made up */
    struct held_module held[SYMBOLS_MODULES];
};

struct symbols *symbols_open(const char *debuginfo_path)
{
    struct symbols *symbols = heapdump_grow(NULL, 1, sizeof *symbols);
    memset(symbols, 0, sizeof *symbols);
    if (debuginfo_path != NULL)
        symbols->debuginfo_path = strdup(debuginfo_path);
    symbols->callbacks = (Dwfl_Callbacks){
        .find_elf = dwfl_build_id_find_elf,
        .find_debuginfo = dwfl_standard_find_debuginfo,
        .section_address = dwfl_offline_section_address,
        .debuginfo_path = &symbols->debuginfo_path,
    };
    return symbols;
}

static void release(struct held_module *held)
{
    if (held->path == NULL)
        return;
    debug_module_close(&held->module);
    free(held->path);
    held->path = NULL;
}

void symbols_close(struct symbols *symbols)
{
    for (size_t i = 0; i < SYMBOLS_MODULES; i++)
        release(&symbols->held[i]);
    bytes_free(&symbols->full_name);
    free(symbols->debuginfo_path);
    free(symbols);
}

/* Its place; if it has none, a free one, else that of the module not asked for longest. */
static struct held_module *find_place(struct symbols *symbols, const char *path)
{
    struct held_module *oldest = &symbols->held[0];
    for (size_t i = 0; i < SYMBOLS_MODULES; i++) {
        struct held_module *held = &symbols->held[i];
        if (held->path != NULL && strcmp(held->path, path) == 0)
            return held;
        if (held->used < oldest->used)
            oldest = held;
    }
    return oldest;
}

static struct debug_module *get_module(struct symbols *symbols, const char *path)
{
    struct held_module *held = find_place(symbols, path);
    if (held->path == NULL || strcmp(held->path, path) != 0) {
        release(held);
        held->path = heapdump_copy(path);
        debug_module_open(&held->module, path, &symbols->callbacks);
    }
    held->used = ++symbols->questions;
    return &held->module;
}

/*
 * DWARF leaves out the mangled name of what is local to a C++ file; the symbol table has it, with a
 * ".constprop.0" or the like behind it, which DWARF's names never have.
 */
static void set_full_name(struct symbols *symbols, struct debug_module *module, uint64_t offset,
                          struct source_frame *frame)
{
    const char *symbol = debug_module_symbol(module, offset);
    if (symbol == NULL || !is_mangled(symbol))
        return;
    bytes_clear(&symbols->full_name);
    bytes_append(&symbols->full_name, symbol, strcspn(symbol, "."));
    frame->function = symbols->full_name.data;
}

/* The name without DWARF: what the report has, else what the symbol table has. */
static const char *other_name(struct debug_module *module, const struct code_address *address)
{
    return address->function[0] != '\0' ? address->function
                                        : debug_module_symbol(module, address->offset);
}

/* NULL: it can't be read, or is another build. */
static struct debug_module *get_same_module(struct symbols *symbols, const struct code_address *address)
{
    struct debug_module *module = get_module(symbols, address->module);
    bool is_same = debug_module_is_open(module) &&
                   (address->build_id[0] == '\0' || debug_module_has_build_id(module, address->build_id));
    return is_same ? module : NULL;
}

const char *symbols_object(struct symbols *symbols, const struct code_address *address, uint64_t *offset)
{
    struct debug_module *module = get_same_module(symbols, address);
    return module != NULL ? debug_module_object(module, address->offset, offset) : NULL;
}

size_t symbols_locate(struct symbols *symbols, const struct code_address *address,
                      struct source_frame frames[SYMBOLS_FRAMES])
{
    struct debug_module *module = get_same_module(symbols, address);
    if (module == NULL)
        return 0;
    size_t count = debug_module_locate(module, address->offset, frames, SYMBOLS_FRAMES);
    if (count == 0) {
        frames[0] = (struct source_frame){.function = other_name(module, address)};
        return frames[0].function != NULL ? 1 : 0;
    }
    struct source_frame *outermost = &frames[count - 1];
    if (outermost->function == NULL)
        outermost->function = other_name(module, address);
    else if (outermost->is_short_name)
        set_full_name(symbols, module, address->offset, outermost);
    return count;
}
