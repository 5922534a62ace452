/*
 * own.c - libc's own versions of what the wrappers provide: looked up once, in the constructor or
 * by the first call; and what the library itself calls (base/own_calls.h).
 *
 * Before they are looked up the library makes do with the loops below: its first work is done while
 * the loader is in the middle of its own, and must not be asked anything.
 */
#include "base/own_functions.h"
#include "front/libc/libc.h"

#include <dlfcn.h>
#include <errno.h>
#include <gnu/lib-names.h>
#include <sys/syscall.h>

/* -- For the beginning */

static void *first_memchr(const void *bytes, int byte, size_t count)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < count; i++)
        if (at[i] == (unsigned char)byte)
            return (void *)(uintptr_t)(at + i);
    return NULL;
}

static int first_memcmp(const void *one, const void *other, size_t count)
{
    const unsigned char *a = one, *b = other;
    for (size_t i = 0; i < count; i++)
        if (a[i] != b[i])
            return a[i] - b[i];
    return 0;
}

static void *first_memmove(void *to, const void *from, size_t count)
{
    unsigned char *target = to;
    const unsigned char *source = from;
    if (target < source)
        for (size_t i = 0; i < count; i++)
            target[i] = source[i];
    else
        for (size_t i = count; i > 0; i--)
            target[i - 1] = source[i - 1];
    return to;
}

static void *first_memrchr(const void *bytes, int byte, size_t count)
{
    const unsigned char *at = bytes;
    while (count > 0)
        if (at[--count] == (unsigned char)byte)
            return (void *)(uintptr_t)(at + count);
    return NULL;
}

static void *first_memset(void *bytes, int byte, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ((unsigned char *)bytes)[i] = (unsigned char)byte;
    return bytes;
}

static size_t first_strnlen(const char *text, size_t count)
{
    size_t length = 0;
    while (length < count && text[length] != '\0')
        length++;
    return length;
}

static size_t first_strlen(const char *text)
{
    return first_strnlen(text, SIZE_MAX);
}

static int first_strncmp(const char *one, const char *other, size_t count)
{
    size_t i = 0;
    while (i < count && one[i] == other[i] && one[i] != '\0')
        i++;
    return i == count ? 0 : (unsigned char)one[i] - (unsigned char)other[i];
}

static int first_strcmp(const char *one, const char *other)
{
    return first_strncmp(one, other, SIZE_MAX);
}

static char *first_strchr(const char *text, int byte)
{
    return first_memchr(text, byte, first_strlen(text) + 1);
}

static char *first_strchrnul(const char *text, int byte)
{
    char *found = first_strchr(text, byte);
    return found != NULL ? found : (char *)(uintptr_t)text + first_strlen(text);
}

static char *first_strrchr(const char *text, int byte)
{
    return first_memrchr(text, byte, first_strlen(text) + 1);
}

static char *first_strstr(const char *text, const char *part)
{
    size_t length = first_strlen(part);
    for (; *text != '\0' || length == 0; text++)
        if (first_strncmp(text, part, length) == 0)
            return (char *)(uintptr_t)text;
    return NULL;
}

static ssize_t first_write(int descriptor, const void *bytes, size_t count)
{
    return syscall(SYS_write, descriptor, bytes, count);
}

struct pw_libc pw_libc = {
    .memchr = first_memchr,
    .memcmp = first_memcmp,
    .memcpy = first_memmove,
    .memmove = first_memmove,
    .memrchr = first_memrchr,
    .memset = first_memset,
    .strchr = first_strchr,
    .strchrnul = first_strchrnul,
    .strcmp = first_strcmp,
    .strlen = first_strlen,
    .strncmp = first_strncmp,
    .strnlen = first_strnlen,
    .strrchr = first_strrchr,
    .strstr = first_strstr,
    .write = first_write,
};

/* -- For the library itself */

void *pw_own_memchr(const void *bytes, int byte, size_t count)
{
    return pw_libc.memchr(bytes, byte, count);
}

int pw_own_memcmp(const void *one, const void *other, size_t count)
{
    return pw_libc.memcmp(one, other, count);
}

void *pw_own_memcpy(void *to, const void *from, size_t count)
{
    return pw_libc.memcpy(to, from, count);
}

void *pw_own_memmove(void *to, const void *from, size_t count)
{
    return pw_libc.memmove(to, from, count);
}

void *pw_own_memrchr(const void *bytes, int byte, size_t count)
{
    return pw_libc.memrchr(bytes, byte, count);
}

void *pw_own_memset(void *bytes, int byte, size_t count)
{
    return pw_libc.memset(bytes, byte, count);
}

char *pw_own_strchr(const char *text, int byte)
{
    return pw_libc.strchr(text, byte);
}

char *pw_own_strchrnul(const char *text, int byte)
{
    return pw_libc.strchrnul(text, byte);
}

int pw_own_strcmp(const char *one, const char *other)
{
    return pw_libc.strcmp(one, other);
}

size_t pw_own_strlen(const char *text)
{
    return pw_libc.strlen(text);
}

int pw_own_strncmp(const char *one, const char *other, size_t count)
{
    return pw_libc.strncmp(one, other, count);
}

size_t pw_own_strnlen(const char *text, size_t count)
{
    return pw_libc.strnlen(text, count);
}

char *pw_own_strrchr(const char *text, int byte)
{
    return pw_libc.strrchr(text, byte);
}

char *pw_own_strstr(const char *text, const char *part)
{
    return pw_libc.strstr(text, part);
}

ssize_t pw_own_write(int descriptor, const void *bytes, size_t count)
{
    return pw_libc.write(descriptor, bytes, count);
}

/* -- Looking them up */

PW_WRITTEN_EARLY _Atomic uint8_t pw_libc_mode = PW_LIBC_UNKNOWN;

#define NAME(name) #name,
static const char *const names[] = {PW_LIBC_LIST(NAME)};
_Static_assert(sizeof pw_libc == PW_ARRAY_SIZE(names) * sizeof(void *), "a pointer a name, in order");

/*
 * The next object's after us; where there is none libc's itself: who links with us in an odd order has
 * libc before us. What libc does not have stays as it was.
 */
static void look_up(void)
{
    void **functions = (void **)&pw_libc;
    void *libc = NULL;
    for (size_t i = 0; i < PW_ARRAY_SIZE(names); i++) {
        void *function = dlsym(RTLD_NEXT, names[i]);
        if (function == NULL && libc == NULL)
            libc = dlopen(LIBC_SO, RTLD_LAZY | RTLD_NOLOAD);
        if (function == NULL && libc != NULL)
            function = dlsym(libc, names[i]);
        if (function != NULL)
            functions[i] = function;
    }
    /* Old programs want a memcpy that moves, and here nobody knows which one was asked for. */
    pw_libc.memcpy = pw_libc.memmove;
}

PW_COLD enum pw_libc_mode pw_libc_look_up(void)
{
    uint8_t mode = atomic_load_explicit(&pw_libc_mode, memory_order_acquire);
    if (mode == PW_LIBC_UNKNOWN) {
        int saved_errno = errno;
        look_up();
        atomic_store_explicit(&pw_libc_mode, PW_LIBC_PLAIN, memory_order_release);
        errno = saved_errno;
        mode = PW_LIBC_PLAIN;
    }
    return mode;
}

void pw_libc_configure(void)
{
    const struct pw_options *options = pw_options();
    enum pw_libc_mode mode = options->check_libc_calls         ? PW_LIBC_CHECKED
                             : options->level >= PW_LEVEL_FAST ? PW_LIBC_FOLDERS
                                                               : PW_LIBC_PLAIN;
    (void)pw_libc_look_up();
    atomic_store_explicit(&pw_libc_mode, (uint8_t)mode, memory_order_release);
    pw_libc_lead(mode);
}
