/*
 * demangle.c - see demangle.h
 *
 * A mangled name of a hundred bytes can stand for one of gigabytes (each substitution may double it)
 * so the demangler works within a limit of memory: past it, it gives up.
 */
#include "demangle.h"

#include "base/base.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

typedef char *(*demangle_function)(const char *name, char *buffer, size_t *length, int *status);

enum {
    /* What the demangler may take besides what is held already. It holds its text twice for a moment. */
    MOST_WORK_BYTES = 8 << 20,
    MOST_NAME_BYTES = 1 << 16,
};

static demangle_function find_demangler(void)
{
    static bool is_looked_up;
    static demangle_function found;
    if (is_looked_up)
        return found;
    is_looked_up = true;
    void *library = dlopen("libstdc++.so.6", RTLD_NOW | RTLD_LOCAL);
    if (library != NULL)
        found = (demangle_function)(uintptr_t)dlsym(library, "__cxa_demangle");
    return found;
}

/* Bytes of address space in use; 0: not known. */
static uint64_t address_space_bytes(void)
{
    unsigned long long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm == NULL)
        return 0;
    if (fscanf(statm, "%llu", &pages) != 1)
        pages = 0;
    fclose(statm);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static char *demangle_within_limit(demangle_function function, const char *name)
{
    struct rlimit old;
    int status = 0;
    uint64_t used = address_space_bytes();
    bool is_limited = used != 0 && getrlimit(RLIMIT_AS, &old) == 0;
    if (is_limited) {
        struct rlimit low = {.rlim_cur = used + MOST_WORK_BYTES, .rlim_max = old.rlim_max};
        is_limited = low.rlim_cur < old.rlim_cur && setrlimit(RLIMIT_AS, &low) == 0;
    }
    char *text = function(name, NULL, NULL, &status);
    if (is_limited)
        setrlimit(RLIMIT_AS, &old);
    return text;
}

const char *demangle(const char *name)
{
    static char *held;
    if (strncmp(name, "_Z", 2) != 0 || find_demangler() == NULL)
        return name;
    free(held);
    held = demangle_within_limit(find_demangler(), name);
    return held != NULL && strlen(held) <= MOST_NAME_BYTES ? held : name;
}
