/* debug_module.c - see debug_module.h */
#include "debug_module.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- open and close ---- */

/*
 * A descriptor of the ELF file at `path`, or -1. To open a device may do something, a pipe may
 * wait, and libdwfl would unpack a compressed file of any size: none of them gets that far.
 */
static int open_elf_file(const char *path)
{
    struct stat status;
    char magic[SELFMAG];
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -1;
    if (pread(fd, magic, SELFMAG, 0) == SELFMAG && memcmp(magic, ELFMAG, SELFMAG) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Takes over `fd`. */
static bool report_file(struct debug_module *module, const char *path, int fd)
{
    GElf_Ehdr header;
    dwfl_report_begin(module->session);
    module->module = dwfl_report_elf(module->session, path, path, fd, 0, true);
    if (module->module == NULL)
        close(fd);
    if (dwfl_report_end(module->session, NULL, NULL) != 0 || module->module == NULL)
        return false;
    Elf *elf = dwfl_module_getelf(module->module, &module->bias);
    return elf != NULL && gelf_getehdr(elf, &header) != NULL &&
           (header.e_type == ET_EXEC || header.e_type == ET_DYN);
}

void debug_module_open(struct debug_module *module, const char *path, const Dwfl_Callbacks *callbacks)
{
    *module = (struct debug_module){0};
    int fd = open_elf_file(path);
    if (fd < 0)
        return;
    module->session = dwfl_begin(callbacks);
    if (module->session == NULL) {
        close(fd);
        return;
    }
    if (!report_file(module, path, fd)) {
        debug_module_close(module);
        return;
    }
    GElf_Addr address;
    int bytes = dwfl_module_build_id(module->module, &module->build_id, &address);
    module->build_id_bytes = bytes > 0 ? (size_t)bytes : 0;
}

void debug_module_close(struct debug_module *module)
{
    for (size_t i = 0; i < DEBUG_UNIT_BUCKETS; i++)
        while (module->units[i] != NULL) {
            struct debug_unit *unit = module->units[i];
            module->units[i] = unit->next;
            debug_unit_close(unit);
        }
    debug_ranges_free(&module->unit_ranges);
    if (module->session != NULL)
        dwfl_end(module->session);
    *module = (struct debug_module){0};
}

bool debug_module_is_open(const struct debug_module *module)
{
    return module->session != NULL;
}

bool debug_module_has_build_id(const struct debug_module *module, const char *digits)
{
    if (strlen(digits) != module->build_id_bytes * 2)
        return false;
    for (size_t i = 0; i < module->build_id_bytes; i++) {
        char two[3];
        snprintf(two, sizeof two, "%02x", module->build_id[i]);
        if (strncasecmp(two, digits + i * 2, 2) != 0)
            return false;
    }
    return true;
}

/* ---- from an address to its unit ---- */

/* What .debug_aranges would say; clang writes none. */
static void make_unit_ranges(struct debug_module *module)
{
    Dwarf_Off offset = 0;
    Dwarf_Off next;
    size_t header_bytes;
    for (; dwarf_nextcu(module->dwarf, offset, &next, &header_bytes, NULL, NULL, NULL) == 0;
         offset = next) {
        Dwarf_Die die;
        if (dwarf_offdie(module->dwarf, offset + header_bytes, &die) != NULL)
            debug_ranges_add(&module->unit_ranges, &die);
    }
    debug_ranges_sort(&module->unit_ranges);
    module->has_unit_ranges = true;
}

static bool find_unit_by_ranges(struct debug_module *module, Dwarf_Addr pc, Dwarf_Die *die)
{
    if (!module->has_unit_ranges)
        make_unit_ranges(module);
    const struct debug_range *range = debug_ranges_find(&module->unit_ranges, pc);
    return range != NULL && dwarf_offdie(module->dwarf, range->die, die) != NULL;
}

/* The unit at this DIE, opened when first asked for. */
static struct debug_unit *get_unit(struct debug_module *module, Dwarf_Die *die)
{
    Dwarf_Off offset = dwarf_dieoffset(die);
    struct debug_unit **bucket = &module->units[(offset / 16) % DEBUG_UNIT_BUCKETS];
    struct debug_unit *unit = *bucket;
    while (unit != NULL && dwarf_dieoffset(&unit->lines) != offset)
        unit = unit->next;
    if (unit == NULL) {
        unit = debug_unit_open(die);
        unit->next = *bucket;
        *bucket = unit;
    }
    return unit;
}

static void seek_debug(struct debug_module *module)
{
    if (!module->is_debug_sought)
        module->dwarf = dwfl_module_getdwarf(module->module, &module->dwarf_bias);
    module->is_debug_sought = true;
}

size_t debug_module_locate(struct debug_module *module, uint64_t address, struct source_frame *frames,
                           size_t capacity)
{
    Dwarf_Die die;
    seek_debug(module);
    if (module->dwarf == NULL)
        return 0;
    Dwarf_Addr pc = address + module->bias - module->dwarf_bias;
    if (dwarf_addrdie(module->dwarf, pc, &die) == NULL && !find_unit_by_ranges(module, pc, &die))
        return 0;
    return debug_unit_locate(get_unit(module, &die), pc, frames, capacity);
}

const char *debug_module_symbol(struct debug_module *module, uint64_t address)
{
    GElf_Off offset;
    GElf_Sym symbol;
    return dwfl_module_addrinfo(module->module, address + module->bias, &offset, &symbol, NULL, NULL,
                                NULL);
}

const char *debug_module_object(struct debug_module *module, uint64_t address, uint64_t *offset)
{
    GElf_Off within;
    GElf_Sym symbol;
    const char *name = dwfl_module_addrinfo(module->module, address + module->bias, &within, &symbol, NULL, NULL,
                                            NULL);
    if (name == NULL || GELF_ST_TYPE(symbol.st_info) != STT_OBJECT || within >= symbol.st_size)
        return NULL;
    *offset = within;
    return name;
}
