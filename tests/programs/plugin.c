/* plugin.c - a library to be loaded and unloaded, with a constructor, a destructor and TLS of its own. */
#include "common.h"

#include <dlfcn.h>

static __thread char large[3000];
static struct note *kept;

struct note *plugin_make(size_t size);
void plugin_free(struct note *note);
void *plugin_open(const char *name);

__attribute__((constructor)) static void construct(void)
{
    kept = note_new(900, 1);
}

__attribute__((destructor)) static void destroy(void)
{
    note_free(kept);
}

struct note *plugin_make(size_t size)
{
    large[size % sizeof large]++;
    return note_new(size, (uint32_t)large[size % sizeof large]);
}

void plugin_free(struct note *note)
{
    note_free(note);
}

/* What is beside it is found by its own RUNPATH: the call must not become a jump. */
void *plugin_open(const char *name)
{
    void *volatile library = dlopen(name, RTLD_NOW);
    return library;
}
