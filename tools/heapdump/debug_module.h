/*
 * debug_module.h - one ELF file with its debug information, wherever that lies: in the file, beside
 * it (.gnu_debuglink), under its build id below /usr/lib/debug, on a debuginfod server.
 *
 * Addresses are those of the ELF file's own address space.
 */
#ifndef PW_HEAPDUMP_DEBUG_MODULE_H
#define PW_HEAPDUMP_DEBUG_MODULE_H

#include "debug_unit.h"

#include <elfutils/libdwfl.h>

enum { DEBUG_UNIT_BUCKETS = 64 };

struct debug_module {
    Dwfl *session; /* NULL: the file can't be read, or is no ELF program or library */
    Dwfl_Module *module;
    GElf_Addr bias; /* address for libdwfl = address + bias */
    const unsigned char *build_id;
    size_t build_id_bytes; /* 0: it has none */

    bool is_debug_sought; /* the fields below are set */
    Dwarf *dwarf;         /* NULL: none was found */
    Dwarf_Addr dwarf_bias; /* address for libdwfl = address in DWARF + dwarf_bias */
    struct debug_unit *units[DEBUG_UNIT_BUCKETS]; /* by the offset of their DIE */
    bool has_unit_ranges;
    struct debug_ranges unit_ranges; /* made when .debug_aranges fails first */
};

/*
 * Open the file at `path`: only a regular one, and without waiting. `callbacks` must outlive
 * the module.
 */
void debug_module_open(struct debug_module *module, const char *path, const Dwfl_Callbacks *callbacks);
void debug_module_close(struct debug_module *module);

/* False: nothing can be asked of it. */
bool debug_module_is_open(const struct debug_module *module);
/* Does it have this build id, given as hexadecimal digits? */
bool debug_module_has_build_id(const struct debug_module *module, const char *digits);

/* As debug_unit_locate. */
size_t debug_module_locate(struct debug_module *module, uint64_t address, struct source_frame *frames,
                           size_t capacity);
/* The function of the symbol table that holds `address`, or NULL. */
const char *debug_module_symbol(struct debug_module *module, uint64_t address);

/* The variable of the symbol table that holds `address`, and the offset in it; or NULL. */
const char *debug_module_object(struct debug_module *module, uint64_t address, uint64_t *offset);

#endif
