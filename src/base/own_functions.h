/* own_functions.h - the functions that own_calls.h names; they do what libc's of the same name do. */
#ifndef PW_BASE_OWN_FUNCTIONS_H
#define PW_BASE_OWN_FUNCTIONS_H

#include <stddef.h>
#include <sys/types.h>

void *pw_own_memchr(const void *bytes, int byte, size_t count);
int pw_own_memcmp(const void *one, const void *other, size_t count);
void *pw_own_memcpy(void *to, const void *from, size_t count);
void *pw_own_memmove(void *to, const void *from, size_t count);
void *pw_own_memrchr(const void *bytes, int byte, size_t count);
void *pw_own_memset(void *bytes, int byte, size_t count);
char *pw_own_strchr(const char *text, int byte);
char *pw_own_strchrnul(const char *text, int byte);
int pw_own_strcmp(const char *one, const char *other);
size_t pw_own_strlen(const char *text);
int pw_own_strncmp(const char *one, const char *other, size_t count);
size_t pw_own_strnlen(const char *text, size_t count);
char *pw_own_strrchr(const char *text, int byte);
char *pw_own_strstr(const char *text, const char *part);
ssize_t pw_own_write(int descriptor, const void *bytes, size_t count);

#endif
