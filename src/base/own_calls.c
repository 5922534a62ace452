/*
 * own_calls.c - what own_calls.h sends the library's calls to where it does not provide memcpy and its
 * like itself: in libpwheap.a, in the tests and in the tools. In libpwheap.so front/libc/own.c has
 * definitions that are preferred to these. Built without own_calls.h.
 */
#include "base/own_functions.h"

#include <string.h>
#include <unistd.h>

#define WEAK __attribute__((weak))

WEAK void *pw_own_memchr(const void *bytes, int byte, size_t count)
{
    return memchr(bytes, byte, count);
}

WEAK int pw_own_memcmp(const void *one, const void *other, size_t count)
{
    return memcmp(one, other, count);
}

WEAK void *pw_own_memcpy(void *to, const void *from, size_t count)
{
    return memcpy(to, from, count);
}

WEAK void *pw_own_memmove(void *to, const void *from, size_t count)
{
    return memmove(to, from, count);
}

WEAK void *pw_own_memrchr(const void *bytes, int byte, size_t count)
{
    return memrchr(bytes, byte, count);
}

WEAK void *pw_own_memset(void *bytes, int byte, size_t count)
{
    return memset(bytes, byte, count);
}

WEAK char *pw_own_strchr(const char *text, int byte)
{
    return strchr(text, byte);
}

WEAK char *pw_own_strchrnul(const char *text, int byte)
{
    return strchrnul(text, byte);
}

WEAK int pw_own_strcmp(const char *one, const char *other)
{
    return strcmp(one, other);
}

WEAK size_t pw_own_strlen(const char *text)
{
    return strlen(text);
}

WEAK int pw_own_strncmp(const char *one, const char *other, size_t count)
{
    return strncmp(one, other, count);
}

WEAK size_t pw_own_strnlen(const char *text, size_t count)
{
    return strnlen(text, count);
}

WEAK char *pw_own_strrchr(const char *text, int byte)
{
    return strrchr(text, byte);
}

WEAK char *pw_own_strstr(const char *text, const char *part)
{
    return strstr(text, part);
}

WEAK ssize_t pw_own_write(int descriptor, const void *bytes, size_t count)
{
    return write(descriptor, bytes, count);
}
