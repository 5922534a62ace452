/* symbols.c - see pw_modules_function in modules.h */
#include "trace/elf_file.h"
#include "trace/file.h"
#include "trace/modules.h"

#include "os/memory.h"

/* The file may have been replaced since it was loaded: its names would be false then. */
static bool is_file_of(const struct pw_module *module, const struct pw_file *file)
{
    uint8_t id[PW_BUILD_ID_BYTES];
    uint32_t length = pw_elf_build_id(file->bytes, file->size, id);
    if (length != module->build_id_len)
        return false;
    for (uint32_t i = 0; i < length; i++)
        if (id[i] != module->build_id[i])
            return false;
    return true;
}

/* No file: the kernel's own object is all in memory. */
static bool function_in_vdso(const struct pw_module *module, uint64_t address, char *name,
                             size_t size, uint64_t *offset)
{
    uint64_t bytes = PW_ALIGN_UP(module->end - module->start, PW_PAGE_BYTES);
    const void *start = (const void *)module->start;
    return pw_os_is_readable(start, bytes) &&
           pw_elf_function(start, bytes, address - module->bias, name, size, offset);
}

bool pw_modules_function(uint64_t address, char *name, size_t size, uint64_t *offset)
{
    const struct pw_module *module = pw_modules_find(address);
    struct pw_file file;
    if (module == NULL)
        return false;
    if (module->path[0] == '[')
        return function_in_vdso(module, address, name, size, offset);
    if (!pw_file_map(&file, module->path))
        return false;
    bool found = is_file_of(module, &file) &&
                 pw_elf_function(file.bytes, file.size, address - module->bias, name, size, offset);
    pw_file_unmap(&file);
    return found;
}
