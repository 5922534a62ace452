/*
 * loader.c - dlclose: before an object goes, note what it is, for stacks will still name it; after, forget
 * what the unwinder knew of its code.
 */
#include "front/state.h"
#include "trace/modules.h"
#include "trace/unwind.h"

#include <dlfcn.h>

PW_PUBLIC int dlclose(void *handle)
{
    static int (*_Atomic real_dlclose)(void *);
    int (*real)(void *) = atomic_load_explicit(&real_dlclose, memory_order_relaxed);
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "dlclose");
        if (real == NULL)
            return 0; /* in a static program there is no next one: what it opened stays open */
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
