/* symbols.c - see pw_modules_function in modules.h */
#include "trace/modules.h"
bool pw_modules_function(uint64_t address, char *name, size_t size, uint64_t *offset)
{
    (void)address, (void)name, (void)size, (void)offset;
    return false;
}
