/* libunwind.c - see libunwind.h */
#include "trace/libunwind.h"

#include "base/arch.h"
#include "image/layout.h"

#include <dlfcn.h>
#include <errno.h>

enum {
    CURSOR_WORDS = 512, /* unw_cursor_t is 127 on x86-64 and the largest (arm's) 4096 bytes */
    OWN_FRAMES = 16,    /* of the allocator, at most */
    SIGNAL_FRAME = 1,   /* UNW_INIT_SIGNAL_FRAME */
    REGISTER_IP = 16,   /* UNW_REG_IP on x86-64 */
};

/* <libunwind.h> by hand: to be built without it. */
extern int linked_backtrace(void **buffer, int size) __asm__("unw_backtrace") __attribute__((weak));
extern int linked_init(void *cursor, void *context,
                       int flags) __asm__(PW_ARCH_LIBUNWIND_PREFIX "init_local2")
    __attribute__((weak));
extern int linked_step(void *cursor) __asm__(PW_ARCH_LIBUNWIND_PREFIX "step") __attribute__((weak));
extern int linked_get(void *cursor, int reg,
                      uint64_t *value) __asm__(PW_ARCH_LIBUNWIND_PREFIX "get_reg")
    __attribute__((weak));

static struct {
    int (*backtrace)(void **buffer, int size);
    int (*init)(void *cursor, void *context, int flags);
    int (*step)(void *cursor);
    int (*get)(void *cursor, int reg, uint64_t *value);
} unw;

/* dlsym's void * as a function pointer, as POSIX has it. */
static void symbol_find(void *library, const char *name, void *function)
{
    *(void **)function = dlsym(library, name);
}

bool pw_libunwind_open(void)
{
    if (unw.backtrace != NULL)
        return true;
    if (linked_backtrace != NULL) {
        unw.backtrace = linked_backtrace;
        unw.init = linked_init;
        unw.step = linked_step;
        unw.get = linked_get;
        return true;
    }
    int saved_errno = errno;
    void *library = dlopen("libunwind.so.8", RTLD_LOCAL | RTLD_LAZY);
    if (library != NULL) {
        symbol_find(library, PW_ARCH_LIBUNWIND_PREFIX "init_local2", &unw.init);
        symbol_find(library, PW_ARCH_LIBUNWIND_PREFIX "step", &unw.step);
        symbol_find(library, PW_ARCH_LIBUNWIND_PREFIX "get_reg", &unw.get);
        symbol_find(library, "unw_backtrace", &unw.backtrace);
    }
    errno = saved_errno;
    return unw.backtrace != NULL;
}

PW_NOINLINE size_t pw_libunwind_trace(uint64_t *frames, size_t max, uint64_t caller_pc)
{
    void *all[PW_MAX_FRAMES + OWN_FRAMES];
    if (unw.backtrace == NULL)
        return 0;
    int saved_errno = errno;
    int got = unw.backtrace(all, PW_MAX_FRAMES + OWN_FRAMES);
    errno = saved_errno;
    int first = 0;
    while (first < got && (uint64_t)all[first] != caller_pc)
        first++;
    size_t count = 0;
    for (int i = first; i < got && count < max; i++)
        frames[count++] = (uint64_t)all[i];
    return count;
}

PW_NOINLINE size_t pw_libunwind_from_signal(uint64_t *frames, size_t max, void *ucontext)
{
    uint64_t cursor[CURSOR_WORDS];
    size_t count = 0;
    uint64_t ip;
    if (unw.init == NULL || unw.step == NULL || unw.get == NULL)
        return 0;
    int saved_errno = errno;
    if (unw.init(cursor, ucontext, SIGNAL_FRAME) == 0) {
        do {
            if (unw.get(cursor, REGISTER_IP, &ip) != 0 || ip == 0)
                break;
            frames[count++] = ip;
        } while (count < max && unw.step(cursor) > 0);
    }
    errno = saved_errno;
    return count;
}
