/*
 * loader.c - dlopen and dlclose.
 *
 * dlopen: RTLD_DEEPBIND makes a library look for malloc in libc first, and then what it allocates comes into
 * our free, and ours into libc's (seen: Debian's php, all of its extensions). So the flag is taken off. The
 * loader asks for the caller's address, to know whose $ORIGIN and RUNPATH count: it has to be called by a
 * jump, that leaves the program's return address.
 *
 * dlclose: before an object goes, note what it is, for stacks will still name it; after, forget what the
 * unwinder knew of its code.
 */
#include "base/jump.h"
#include "front/state.h"
#include "os/loader.h"
#include "trace/modules.h"
#include "trace/unwind.h"


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

PW_PUBLIC int dlclose(void *handle)
{
    static int (*_Atomic real_dlclose)(void *);
    int (*real)(void *) = atomic_load_explicit(&real_dlclose, memory_order_relaxed);
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "dlclose");
        if (real == NULL)
            return -1;
        atomic_store_explicit(&real_dlclose, real, memory_order_relaxed);
    }
    if (pw_can_unwind)
        pw_modules_refresh_if_changed();
    int result = real(handle);
    if (pw_can_unwind) {
        pw_modules_refresh_if_changed();
        pw_unwind_modules_changed();
    }
    return result;
}
