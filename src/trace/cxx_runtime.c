/*
 * cxx_runtime.c - see cxx_runtime.h
 *
 * A C++ library has the name of std::bad_alloc's type in its read-only data, as a string of its own. An
 * object that only uses one has it as a part of symbols, _ZTISt9bad_alloc and the like. That of the
 * system, a shared one, calls operator new by the loader's tables and so gets ours.
 */
#include "trace/cxx_runtime.h"

#include "base/text.h"
#include "os/memory.h"
#include "trace/file.h"
#include "trace/modules.h"

#include <stdatomic.h>
#include <string.h>

enum { NAME_BYTES = 64, MEMORIES = 64 };
enum answer { UNKNOWN, NO, YES };

/* Of each entry of the table of modules; a module stays what it is. */
static _Atomic uint8_t hides_runtime[PW_MAX_MODULES];
/* Callers that were asked for lately, and the answers in the low bit. */
static _Atomic uint64_t memory[MEMORIES];

/*
 * "St9bad_alloc" with the zeroes that it stands between, each character one up: as it is, it would be found
 * in the object that this code is in.
 */
static const char type_name[] = {1, 'T', 'u', ':', 'c', 'b', 'e', '`', 'b', 'm', 'm', 'p', 'd', 1};

/* Of the string, `met` characters were met before `text`. A mismatch begins anew: only zeroes are in it twice. */
static size_t search_on(size_t met, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes && met < sizeof type_name; i++)
        met = text[i] + 1 == type_name[met] ? met + 1 : text[i] == '\0';
    return met;
}

static bool is_shared_runtime(const struct pw_module *module)
{
    const char *name = pw_path_basename(module->path);
    return strncmp(name, "libstdc++.so", 12) == 0 || strncmp(name, "libc++", 6) == 0;
}

static bool memory_has_runtime(const struct pw_module *module)
{
    size_t page_bytes = pw_os_page_bytes(), met = 0;
    uint64_t page = PW_ALIGN_DOWN(module->start, page_bytes);
    for (; page < module->end && met < sizeof type_name; page += page_bytes)
        if (pw_os_is_readable((const void *)page, page_bytes))
            met = search_on(met, (const char *)page, page_bytes);
    return met == sizeof type_name;
}

/* Of one that is unloaded. A file that is gone as well may have had anything in it. */
static bool file_has_runtime(const struct pw_module *module)
{
    struct pw_file file;
    if (!pw_file_map(&file, module->path))
        return true;
    bool has = search_on(0, (const char *)file.bytes, file.size) == sizeof type_name;
    pw_file_unmap(&file);
    return has;
}

static bool has_runtime(const struct pw_module *module)
{
    return module->unloaded != 0 ? file_has_runtime(module) : memory_has_runtime(module);
}

static bool hides_runtime_in(const struct pw_module *module)
{
    size_t index = (size_t)(module - pw_modules_table());
    uint8_t known = atomic_load_explicit(&hides_runtime[index], memory_order_relaxed);
    if (known == UNKNOWN) {
        known = !is_shared_runtime(module) && has_runtime(module) ? YES : NO;
        atomic_store_explicit(&hides_runtime[index], known, memory_order_relaxed);
    }
    return known == YES;
}

bool pw_cxx_is_hidden_somewhere(void)
{
    pw_modules_refresh_if_changed();
    const struct pw_module *modules = pw_modules_table();
    for (uint32_t i = 0; i < pw_modules_count(); i++)
        if (hides_runtime_in(&modules[i]))
            return true;
    return false;
}

/* `_Znwm` and `_Znam` with what may follow; the second is often a jump to the first. */
static bool is_operator_new(const char *name)
{
    return strncmp(name, "_Zn", 3) == 0 && (name[3] == 'w' || name[3] == 'a');
}

static bool ask(uint64_t pc)
{
    char name[NAME_BYTES];
    uint64_t offset;
    pw_modules_refresh_if_changed();
    const struct pw_module *module = pw_modules_find(pc - 1);
    if (module == NULL)
        return false;
    if (pw_modules_function(pc - 1, name, sizeof name, &offset))
        return is_operator_new(name);
    return hides_runtime_in(module);
}

bool pw_cxx_may_be_new(uint64_t pc)
{
    uint64_t question = (pc << 1) + 2;
    _Atomic uint64_t *place = &memory[(pc ^ pc >> 7) % MEMORIES];
    uint64_t known = atomic_load_explicit(place, memory_order_relaxed);
    if ((known & ~(uint64_t)1) == question)
        return (known & 1) != 0;
    bool may = ask(pc);
    atomic_store_explicit(place, question | may, memory_order_relaxed);
    return may;
}
