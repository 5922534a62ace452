/*
 * loader.c - dlopen without RTLD_DEEPBIND. That makes a library look for malloc in libc first, and then
 * what it allocates comes into our free, and ours into libc's (seen: Debian's php, all of its extensions).
 *
 * The loader asks for the caller's address, to know whose $ORIGIN and RUNPATH count: it has to be called by
 * a jump, that leaves the program's return address.
 */
#include "base/base.h"
#include "base/jump.h"
#include "os/loader.h"

#include <stdatomic.h>

typedef void *open_function(const char *file, int mode);

static void *open_nothing(const char *file, int mode)
{
    (void)file;
    (void)mode;
    return NULL;
}

/* Not inline: its frame has to be gone when dlopen jumps. */
PW_NOINLINE static open_function *real_dlopen(void)
{
    static open_function *_Atomic found;
    open_function *real = atomic_load_explicit(&found, memory_order_relaxed);
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "dlopen");
        if (real == NULL)
            return open_nothing;
        atomic_store_explicit(&found, real, memory_order_relaxed);
    }
    return real;
}

PW_PUBLIC PW_BY_JUMP void *dlopen(const char *file, int mode)
{
    open_function *real = real_dlopen();
    PW_JUMP return real(file, mode & ~PW_OS_DEEPBIND);
}
