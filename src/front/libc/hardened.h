/*
 * hardened.h - what _FORTIFY_SOURCE turns calls into: libc exports these, but its headers declare
 * them only to who is built that way. `room` is what the compiler knew of the destination; in wide
 * ones it counts characters. Also the second names of some functions, that old programs use.
 */
#ifndef PW_FRONT_LIBC_HARDENED_H
#define PW_FRONT_LIBC_HARDENED_H

#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <wchar.h>

void *__memcpy_chk(void *to, const void *from, size_t count, size_t room);
void *__mempcpy_chk(void *to, const void *from, size_t count, size_t room);
void *__memmove_chk(void *to, const void *from, size_t count, size_t room);
void *__memset_chk(void *to, int byte, size_t count, size_t room);
void __explicit_bzero_chk(void *to, size_t count, size_t room);

char *__strcpy_chk(char *to, const char *from, size_t room);
char *__stpcpy_chk(char *to, const char *from, size_t room);
char *__strncpy_chk(char *to, const char *from, size_t count, size_t room);
char *__stpncpy_chk(char *to, const char *from, size_t count, size_t room);
char *__strcat_chk(char *to, const char *from, size_t room);
char *__strncat_chk(char *to, const char *from, size_t count, size_t room);
char *__strdup(const char *text);
char *__strndup(const char *text, size_t count);

wchar_t *__wcscpy_chk(wchar_t *to, const wchar_t *from, size_t room);
wchar_t *__wcpcpy_chk(wchar_t *to, const wchar_t *from, size_t room);
wchar_t *__wcsncpy_chk(wchar_t *to, const wchar_t *from, size_t count, size_t room);
wchar_t *__wcscat_chk(wchar_t *to, const wchar_t *from, size_t room);
wchar_t *__wcsncat_chk(wchar_t *to, const wchar_t *from, size_t count, size_t room);
wchar_t *__wmemcpy_chk(wchar_t *to, const wchar_t *from, size_t count, size_t room);
wchar_t *__wmempcpy_chk(wchar_t *to, const wchar_t *from, size_t count, size_t room);
wchar_t *__wmemmove_chk(wchar_t *to, const wchar_t *from, size_t count, size_t room);
wchar_t *__wmemset_chk(wchar_t *to, wchar_t character, size_t count, size_t room);

int __sprintf_chk(char *to, int flag, size_t room, const char *format, ...);
int __snprintf_chk(char *to, size_t count, int flag, size_t room, const char *format, ...);
int __swprintf_chk(wchar_t *to, size_t count, int flag, size_t room, const wchar_t *format, ...);
int __vsprintf_chk(char *to, int flag, size_t room, const char *format, va_list arguments);
int __vsnprintf_chk(char *to, size_t count, int flag, size_t room, const char *format, va_list arguments);
int __vswprintf_chk(wchar_t *to, size_t count, int flag, size_t room, const wchar_t *format,
                    va_list arguments);

int __printf_chk(int flag, const char *format, ...);
int __vprintf_chk(int flag, const char *format, va_list arguments);
int __fprintf_chk(FILE *stream, int flag, const char *format, ...);
int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list arguments);
int __dprintf_chk(int descriptor, int flag, const char *format, ...);
int __vdprintf_chk(int descriptor, int flag, const char *format, va_list arguments);
int __asprintf_chk(char **to, int flag, const char *format, ...);
int __vasprintf_chk(char **to, int flag, const char *format, va_list arguments);
int __wprintf_chk(int flag, const wchar_t *format, ...);
int __vwprintf_chk(int flag, const wchar_t *format, va_list arguments);
int __fwprintf_chk(FILE *stream, int flag, const wchar_t *format, ...);
int __vfwprintf_chk(FILE *stream, int flag, const wchar_t *format, va_list arguments);

char *__fgets_chk(char *to, size_t room, int count, FILE *stream);
char *__fgets_unlocked_chk(char *to, size_t room, int count, FILE *stream);
size_t __fread_chk(void *to, size_t room, size_t size, size_t count, FILE *stream);
size_t __fread_unlocked_chk(void *to, size_t room, size_t size, size_t count, FILE *stream);

ssize_t __read_chk(int descriptor, void *to, size_t count, size_t room);
ssize_t __pread_chk(int descriptor, void *to, size_t count, off_t offset, size_t room);
ssize_t __pread64_chk(int descriptor, void *to, size_t count, off64_t offset, size_t room);
ssize_t __recv_chk(int descriptor, void *to, size_t count, size_t room, int flags);
ssize_t __recvfrom_chk(int descriptor, void *to, size_t count, size_t room, int flags,
                       __SOCKADDR_ARG address, socklen_t *address_bytes);

ssize_t __readlink_chk(const char *path, char *to, size_t count, size_t room);
ssize_t __readlinkat_chk(int folder, const char *path, char *to, size_t count, size_t room);
char *__getcwd_chk(char *to, size_t count, size_t room);
char *__realpath_chk(const char *path, char *to, size_t room);

#endif
