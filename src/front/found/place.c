/*
 * place.c - see place.h
 *
 * The kernel's map tells what an address is mapped from; whose stack it is, the thread pointers tell: libc has
 * a thread's control block at the top of its stack, with its thread-local variables right below. Where the
 * first thread's are only the loader knows.
 */
#include "front/found/place.h"

#include "front/state.h"
#include "os/maps.h"
#include "os/memory.h"
#include "trace/modules.h"

enum { PATH_BYTES = 160 };

static bool is_equal(const char *one, const char *other)
{
    for (; *one == *other; one++, other++)
        if (*one == '\0')
            return true;
    return false;
}

static void thread_write(struct pw_text *text, const char *what, const struct pw_cache *cache)
{
    pw_text_str(text, what);
    pw_text_str(text, " of thread T");
    pw_text_dec(text, cache->thread);
    char name[sizeof cache->image->name];
    __builtin_memcpy(name, cache->image->name, sizeof name);
    name[sizeof name - 1] = '\0';
    if (name[0] != '\0') {
        pw_text_str(text, " (");
        pw_text_str(text, name);
        pw_text_str(text, ")");
    }
}

/*
 * The thread whose control block is the next above the address, in its mapping; NULL: none is known. Not the
 * first: its block is in a mapping of the loader's, which others may adjoin; below a stack is always a guard.
 */
static const struct pw_cache *thread_above(uint64_t address, uint64_t end)
{
    const struct pw_cache *found = NULL;
    for (struct pw_cache *cache = pw_cache_first(); cache != NULL; cache = cache->next)
        if (cache->in_use && cache->thread != 0 && cache->thread_pointer > address && cache->thread_pointer < end &&
            (found == NULL || cache->thread_pointer < found->thread_pointer))
            found = cache;
    return found;
}

static const struct pw_cache *first_thread(void)
{
    for (struct pw_cache *cache = pw_cache_first(); cache != NULL; cache = cache->next)
        if (cache->in_use && cache->thread == 0)
            return cache;
    return NULL;
}

/* A thread-local variable of some thread? */
static bool thread_local_write(struct pw_text *text, uint64_t address)
{
    for (struct pw_cache *cache = pw_cache_first(); cache != NULL; cache = cache->next) {
        uint64_t pointer = cache->thread_pointer;
        uint64_t distance = address < pointer ? pointer - address : address - pointer;
        if (!cache->in_use || (cache != pw_self && distance > PW_STATIC_TLS_BYTES))
            continue;
        const struct pw_module *module = pw_modules_find_thread_local(address, pointer);
        if (module == NULL)
            continue;
        thread_write(text, "the thread-local memory", cache);
        pw_text_str(text, ": a variable of ");
        pw_text_str(text, pw_path_basename(module->path));
        return true;
    }
    return false;
}

static bool is_own(uint64_t address)
{
    uint32_t capacity;
    const struct pw_os_range *ranges = pw_os_own_ranges(&capacity);
    for (uint32_t i = 0; i < capacity; i++)
        if (address >= ranges[i].start && address < ranges[i].end)
            return true;
    return false;
}

static void anonymous_write(struct pw_text *text, uint64_t address, const struct pw_os_mapping *mapping)
{
    const struct pw_cache *thread = thread_above(address, mapping->end);
    const struct pw_module *module = pw_modules_find(address);
    if (is_own(address)) {
        pw_text_str(text, "memory of pwheap's own");
    } else if (module != NULL) { /* .bss */
        pw_text_str(text, "the data of ");
        pw_text_str(text, pw_path_basename(module->path));
        pw_text_str(text, ": a global or static variable");
    } else if (thread != NULL && mapping->is_writable) {
        thread_write(text, "the stack or thread-local memory", thread);
    } else {
        pw_text_str(text, "memory that was mapped, not allocated");
    }
}

static void file_write(struct pw_text *text, uint64_t address, const struct pw_os_mapping *mapping)
{
    const struct pw_module *module = pw_modules_find(address);
    if (module == NULL)
        pw_text_str(text, "a mapping of ");
    else
        pw_text_str(text, mapping->is_writable ? "the data of " : "the code or constants of ");
    pw_text_str(text, pw_path_basename(mapping->path));
    if (module != NULL && mapping->is_writable)
        pw_text_str(text, ": a global or static variable");
}

void pw_place_write(struct pw_text *text, uint64_t address)
{
    char path[PATH_BYTES];
    struct pw_os_mapping mapping;
    if (!pw_os_find_mapping(address, &mapping, path, sizeof path))
        return;
    if (thread_local_write(text, address))
        return;
    const struct pw_cache *first = first_thread();
    enum pw_os_start_text text_there = pw_os_start_text_at(address);
    if (text_there != PW_OS_NO_START_TEXT)
        pw_text_str(text, text_there == PW_OS_ARGUMENTS ? "the program's arguments: argv, optarg"
                                                        : "the program's environment: getenv, environ");
    else if (is_equal(mapping.path, "[stack]") && first != NULL)
        thread_write(text, "the stack", first);
    else if (is_equal(mapping.path, "[stack]"))
        pw_text_str(text, "the stack of the first thread");
    else if (is_equal(mapping.path, "[heap]"))
        pw_text_str(text, "memory from sbrk(), which pwheap does not use");
    else if (mapping.path[0] == '/')
        file_write(text, address, &mapping);
    else if (mapping.path[0] == '[' && mapping.path[1] == 'v')
        pw_text_str(text, mapping.path);
    else
        anonymous_write(text, address, &mapping);
}
