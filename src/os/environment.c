/*
 * environment.c - the environment, also before libc knows it.
 *
 * The first malloc may come from the dynamic loader, when environ is still NULL. The kernel left
 * the environment on the stack, and glibc's loader exports where:
 *
 *   __libc_stack_end -> argc | argv[0] ... argv[argc - 1] | NULL | envp[0] ... | NULL | auxv
 *
 * (In a static program it points elsewhere, which find_on_stack sees; environ is set there before
 * anyone can allocate. So does musl.) Last comes /proc/self/environ.
 *
 * The stack is preferred even when environ is there: it is always mapped, where environ may lie in
 * a heap that is being reported on, or be changed by another thread meanwhile.
 */
#include "os/memory.h"
#include "os/process.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/auxv.h>
#include <unistd.h>

enum {
    MAX_ARGUMENTS = 1 << 22, /* the kernel's limit is a quarter of the stack */
    FILE_BYTES = 32768,
    FILE_VARIABLES = 512,
};

extern void *__libc_stack_end __attribute__((weak));

static char *nothing[] = {NULL};

/* The environment on the stack that the kernel made, or NULL when what is there looks different. */
static char **find_on_stack(void)
{
    void **end = &__libc_stack_end != NULL ? (void **)__libc_stack_end : NULL;
    if (end == NULL || (uintptr_t)end % sizeof(void *) != 0 || !pw_os_is_readable(end, sizeof *end))
        return NULL;
    uintptr_t argc = (uintptr_t)*end;
    if (argc > MAX_ARGUMENTS || !pw_os_is_readable(end, (argc + 3) * sizeof *end))
        return NULL;
    char **argv = (char **)end + 1;
    for (size_t i = 0; i < argc; i++)
        if ((uintptr_t)argv[i] <= (uintptr_t)end)
            return NULL;
    return argv[argc] == NULL ? argv + argc + 1 : NULL;
}

/* Cut `length` bytes of name=value strings, each with its NUL, into a list of at most `size` - 1. */
static void split_variables(char *bytes, size_t length, char **list, size_t size)
{
    size_t count = 0;
    char *start = bytes;
    for (char *at = bytes; at < bytes + length && count + 1 < size; at++) {
        if (*at != '\0')
            continue;
        list[count++] = start;
        start = at + 1;
    }
    list[count] = NULL;
}

/* No lock: libc is not set up, so there is one thread. Whoever still comes second sees nothing. */
static char **read_from_proc(void)
{
    static char bytes[FILE_BYTES];
    static char *list[FILE_VARIABLES];
    static _Atomic int state; /* 0: not read, 1: being read, 2: read */
    int expected = 0;
    if (atomic_compare_exchange_strong(&state, &expected, 1)) {
        int64_t length = pw_os_read_file("/proc/self/environ", bytes, sizeof bytes);
        split_variables(bytes, length > 0 ? (size_t)length : 0, list, FILE_VARIABLES);
        atomic_store(&state, 2);
        return list;
    }
    return expected == 2 ? list : nothing;
}

char **pw_os_environment_all(void)
{
    static _Atomic(char **) on_stack; /* once found */
    char **found = atomic_load_explicit(&on_stack, memory_order_relaxed);
    if (found != NULL)
        return found;
    found = find_on_stack();
    if (found != NULL) {
        atomic_store_explicit(&on_stack, found, memory_order_relaxed);
        return found;
    }
    return environ != NULL ? environ : read_from_proc();
}

/* What follows "name=" in `variable`, or NULL. */
static const char *value_of(const char *variable, const char *name)
{
    while (*name != '\0' && *variable == *name) {
        variable++;
        name++;
    }
    return *name == '\0' && *variable == '=' ? variable + 1 : NULL;
}

const char *pw_os_environment(const char *name)
{
    for (char **variable = pw_os_environment_all(); *variable != NULL; variable++) {
        const char *value = value_of(*variable, name);
        if (value != NULL)
            return value;
    }
    return NULL;
}

bool pw_os_is_secure(void)
{
    int saved_errno = errno;
    bool secure = getauxval(AT_SECURE) != 0;
    errno = saved_errno;
    return secure;
}
