/* calls.c - ranges that are given to libc's functions and do not fit their block. */
#include "bugs.h"

#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

/* As _FORTIFY_SOURCE would call them. */
void *__memcpy_chk(void *to, const void *from, size_t count, size_t room);
int __sprintf_chk(char *to, int flag, size_t room, const char *format, ...);
int __printf_chk(int flag, const char *format, ...);
int __fprintf_chk(FILE *stream, int flag, const char *format, ...);
int __dprintf_chk(int descriptor, int flag, const char *format, ...);
int __asprintf_chk(char **to, int flag, const char *format, ...);
int __wprintf_chk(int flag, const wchar_t *format, ...);
int __fwprintf_chk(FILE *stream, int flag, const wchar_t *format, ...);
int __vprintf_chk(int flag, const char *format, va_list arguments);
int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list arguments);
int __vdprintf_chk(int descriptor, int flag, const char *format, va_list arguments);
int __vasprintf_chk(char **to, int flag, const char *format, va_list arguments);
int __vwprintf_chk(int flag, const wchar_t *format, va_list arguments);
int __vfwprintf_chk(FILE *stream, int flag, const wchar_t *format, va_list arguments);

static char many[1000];

BUG(copied_out_of)
{
    char *block = malloc(100); // ALLOC
    memcpy(many, block, 100 + wrong); // HERE
    free(block);
}

BUG(copied_into)
{
    char *block = malloc(100); // ALLOC
    memcpy(block + 50, many, 50 + 10 * wrong); // HERE
    free(block);
}

BUG(copied_into_hardened)
{
    char *block = malloc(100); // ALLOC
    __memcpy_chk(block + 50, many, 50 + 10 * wrong, SIZE_MAX); // HERE
    free(block);
}

BUG(copied_before)
{
    char *other = malloc(100);
    char *block = malloc(100); // ALLOC
    memcpy(block - 8 * wrong, many, 20); // HERE
    free(block);
    free(other);
}

BUG(negative_size)
{
    char *block = malloc(100); // ALLOC
    int length = wrong ? -1 : 1;
    memmove(block, many, (size_t)length); // HERE
    free(block);
}

/* As zlib's CVE-2022-37434: a count that went below zero, from a place that is just behind the block. */
BUG(count_below_zero)
{
    char *block = malloc(16); // ALLOC
    char *other = malloc(16);
    unsigned done = wrong ? 20 : 12, most = 16;
    memcpy(block + done, many, most - done); // HERE
    free(other);
    free(block);
}

BUG(copied_out_of_freed)
{
    char *block = malloc(100); // ALLOC
    if (wrong)
        free(block); // FREE
    memcpy(many, block, 4); // HERE
    if (!wrong)
        free(block);
}

BUG(overlapping)
{
    char *block = fill(malloc(100), 100); // ALLOC
    memcpy(block, block + (wrong ? 10 : 50), 50); // HERE
    memcpy(block, block, 50);
    free(block);
}

BUG(overlapping_string)
{
    char *block = fill(malloc(100), 100); // ALLOC
    block[99] = 0;
    strcpy(block, block + (wrong ? 40 : 50)); // HERE
    free(block);
}

BUG(no_end)
{
    char *block = fill(malloc(100), 100); // ALLOC
    block[99] = wrong ? 'a' : 0;
    kept[0] = (void *)strlen(block); // HERE
    free(block);
}

BUG(string_into)
{
    char *block = malloc(10); // ALLOC
    strcpy(block, wrong ? "0123456789" : "012345678"); // HERE
    free(block);
}

BUG(appended)
{
    char *block = malloc(10); // ALLOC
    strcpy(block, "01234");
    strcat(block, wrong ? "56789" : "5678"); // HERE
    free(block);
}

BUG(filled_up)
{
    char *block = malloc(10); // ALLOC
    strncpy(block, "short", 10 + wrong); // HERE
    free(block);
}

BUG(compared)
{
    char *block = malloc(4); // ALLOC
    memcpy(block, "abcd", 4);
    kept[0] = (void *)(size_t)strcmp(block, wrong ? "abcdef" : "abcc"); // HERE
    free(block);
}

BUG(not_found)
{
    char *block = malloc(4); // ALLOC
    memcpy(block, "abcd", 4);
    kept[0] = strchr(block, wrong ? 'x' : 'd'); // HERE
    free(block);
}

BUG(searched_too_far)
{
    char *block = malloc(4); // ALLOC
    memcpy(block, "abcd", 4);
    kept[0] = memchr(block, wrong ? 'x' : 'd', 100); // HERE
    free(block);
}

BUG(wide)
{
    wchar_t *block = malloc(4 * sizeof *block); // ALLOC
    wcscpy(block, wrong ? L"abcd" : L"abc"); // HERE
    free(block);
}

BUG(wide_printed)
{
    wchar_t *block = malloc(4 * sizeof *block); // ALLOC
    swprintf(block, 100, L"%d", wrong ? 1234 : 123); // HERE
    free(block);
}

BUG(prints_a_freed_string)
{
    char *block = strcpy(malloc(10), "name"); // ALLOC
    char to[100];
    if (wrong)
        free(block); // FREE
    snprintf(to, sizeof to, "%-*d %5.2Lf%% %.*s %zu %s", 3, 4, 1.5L, 2, "abc", (size_t)7, block); // HERE
    if (!wrong)
        free(block);
}

/* The clean twin: what a precision keeps from being read, no string, a wide one, and what isn't understood. */
BUG(prints_an_endless_string)
{
    char *block = memset(malloc(10), 'x', 10), to[200]; // ALLOC
    wchar_t *wide = wcscpy(malloc(5 * sizeof *wide), L"wide"), wide_to[100];
    sprintf(to, "%.10s %.*s %s %5c %hhd %lld %ls", block, 4, block, (char *)NULL, 'c', 1, 2LL, wide);
    sprintf(to, "%2$d %1$.10s", block, 5);
    swprintf(wide_to, 100, L"%ls %.10s", wide, block);
    sprintf(to, wrong ? "%d %s" : "%d %.10s", 1, block); // HERE
    free(wide);
    free(block);
}

/* All that print a list of arguments, into stdout, a file and a block. Only the first list is as it was, after a call. */
static int print_lists(const char *format, const wchar_t *wide_format, ...)
{
    va_list arguments;
    char *one = NULL, *other = NULL;
    int file = open("/dev/null", O_WRONLY), sum = 0;
    FILE *wide = fdopen(dup(file), "w"), *narrow = fdopen(dup(file), "w");
#define PRINT(call) (va_start(arguments, wide_format), sum += (call), va_end(arguments))
    PRINT(vprintf(format, arguments));
    PRINT(__vprintf_chk(1, format, arguments));
    PRINT(vfprintf(narrow, format, arguments));
    PRINT(__vfprintf_chk(narrow, 1, format, arguments));
    PRINT(vdprintf(file, format, arguments));
    PRINT(__vdprintf_chk(file, 1, format, arguments));
    PRINT(vasprintf(&one, format, arguments));
    PRINT(__vasprintf_chk(&other, 1, format, arguments));
    PRINT(vfwprintf(wide, wide_format, arguments));
    PRINT(__vfwprintf_chk(wide, 1, wide_format, arguments));
#undef PRINT
    sum += strcmp(one, other);
    free(one);
    free(other);
    fclose(wide);
    fclose(narrow);
    close(file);
    return sum;
}

static int print_each(const char *text)
{
    char *one = NULL, *other = NULL;
    int file = open("/dev/null", O_WRONLY), sum = 0;
    FILE *wide = fdopen(dup(file), "w"), *narrow = fdopen(dup(file), "w");
    sum += printf("%s %d\n", text, 12) + __printf_chk(1, "%s %d\n", text, 12);
    sum += fprintf(narrow, "%s %d\n", text, 12) + __fprintf_chk(narrow, 1, "%s %d\n", text, 12);
    sum += dprintf(file, "%s %d\n", text, 12) + __dprintf_chk(file, 1, "%s %d\n", text, 12);
    sum += asprintf(&one, "%s %d\n", text, 12) + __asprintf_chk(&other, 1, "%s %d\n", text, 12);
    sum += fwprintf(wide, L"%s %d\n", text, 12) + __fwprintf_chk(wide, 1, L"%s %d\n", text, 12);
    sum += strcmp(one, other);
    free(one);
    free(other);
    fclose(wide);
    fclose(narrow);
    close(file);
    return sum;
}

/* 9 characters each: 20 calls; and what prints to stdout as a wide stream fails, as that is none. */
BUG(prints_in_every_way)
{
    char *block = strcpy(malloc(6), "hello"); // ALLOC
    int sum = print_each(block) + print_lists("%s %d\n", L"%s %d\n", block, 12);
    if (sum != 20 * 9 || wprintf(L"%s", block) != -1 || __wprintf_chk(1, L"%s", block) != -1)
        exit(1);
    block[5] = '!';
    printf(wrong ? "%d %s\n" : "%d %.6s\n", 1, block); // HERE
    free(block);
}

static int print_wide(const wchar_t *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int sum = vwprintf(format, arguments);
    va_end(arguments);
    va_start(arguments, format);
    sum += __vwprintf_chk(1, format, arguments);
    va_end(arguments);
    return sum;
}

BUG(prints_wide)
{
    wchar_t *block = wcscpy(malloc(6 * sizeof *block), L"hello"); // ALLOC
    if (wprintf(L"%ls\n", block) != 6 || __wprintf_chk(1, L"%ls\n", block) != 6 || print_wide(L"%ls\n", block) != 12)
        exit(1);
    block[5] = L'!';
    wprintf(wrong ? L"%ls\n" : L"%.6ls\n", block); // HERE
    free(block);
}

BUG(printed)
{
    char *block = malloc(10); // ALLOC
    sprintf(block, "%d %s %g", 12, wrong ? "345" : "34", 6.5); // HERE
    free(block);
}

BUG(printed_hardened)
{
    char *block = malloc(10); // ALLOC
    __sprintf_chk(block, 1, SIZE_MAX, "%d %s %g", 12, wrong ? "345" : "34", 6.5); // HERE
    free(block);
}

BUG(printed_with_too_large_a_bound)
{
    char *block = malloc(10); // ALLOC
    snprintf(block, 100, "%s", wrong ? "0123456789" : "012345678"); // HERE
    free(block);
}

BUG(line_read)
{
    char text[] = "a line of some length\n";
    FILE *file = fmemopen(text, sizeof text - 1, "r");
    char *block = malloc(wrong ? 22 : 23); // ALLOC
    fgets(block, 100, file); // HERE
    free(block);
    fclose(file);
}

BUG(file_read)
{
    char text[] = "a line of some length\n";
    FILE *file = fmemopen(text, sizeof text - 1, "r");
    char *block = malloc(wrong ? 21 : 22); // ALLOC
    fread(block, 1, 100, file); // HERE
    free(block);
    fclose(file);
}

BUG(read_into)
{
    int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    char *block = malloc(100); // ALLOC
    read(zero, block, 100 + wrong); // HERE
    free(block);
    close(zero);
}

BUG(written_from)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    char *block = malloc(100); // ALLOC
    write(null, block, 100 + wrong); // HERE
    free(block);
    close(null);
}

BUG(gathered)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    char *block = malloc(100); // ALLOC
    struct iovec vectors[2] = {{many, 10}, {block, 100 + wrong}};
    writev(null, vectors, 2); // HERE
    free(block);
    close(null);
}

BUG(sent)
{
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    char *block = calloc(100, 1); // ALLOC
    struct iovec vector = {block, 100 + wrong};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    sendmsg(pair[0], &message, 0); // HERE
    free(block);
}

BUG(sorted)
{
    int *block = calloc(10, sizeof *block); // ALLOC
    qsort(block, 10 + wrong, sizeof *block, (int (*)(const void *, const void *))(void *)strcmp); // HERE
    free(block);
}

BUG(dated)
{
    struct tm time = {.tm_year = 126};
    char *block = malloc(5); // ALLOC
    strftime(block, 100, wrong ? "%Y-%m" : "%Y", &time); // HERE
    free(block);
}

BUG(resolved)
{
    char *block = malloc(wrong ? 4 : 5); // ALLOC
    realpath("/dev/", block); // HERE
    free(block);
}

BUG(converted)
{
    iconv_t state = iconv_open("UTF-8", "LATIN1");
    char *block = malloc(10); // ALLOC
    char *from = many, *to = block;
    size_t from_left = 5, to_left = 10 + wrong;
    iconv(state, &from, &from_left, &to, &to_left); // HERE
    free(block);
    iconv_close(state);
}

/* It is no pure accident: the second is reported as well. */
BUG(one_after_the_other)
{
    char *block = malloc(100); // ALLOC
    memcpy(many, block, 100 + wrong); // HERE
    kept[0] = memchr(block, 'x', 100 + wrong); // SECOND
    free(block);
}

/* Errors are libc's, and errno is what it made it. */
BUG(errors_as_ever)
{
    errno = 0;
    if (read(-1, many, 10) != -1 || errno != EBADF || strlen("abc") != 3 || getcwd(many, 1) != NULL || errno != ERANGE)
        write(STDERR_FILENO, "an answer that is not libc's\n", 29);
    memcpy(many, (void *)(uintptr_t)wrong, 0);
    memset((void *)(uintptr_t)wrong, 0, 0);
}

/* The call that reads it is right; the string is too long. */
BUG(written_too_far_before)
{
    char *block = malloc(8), *other = malloc(8); // ALLOC
    for (int i = 0; i < 7 + 5 * wrong; i++)
        block[i] = "averylongword"[i];
    block[7 + 5 * wrong] = 0;
    kept[0] = other + strlen(block); // HERE
    free(other);
    free(block);
}

/* The calls before have made the thread know the block; it ends sooner since. */
BUG(shrunk_after_calls)
{
    size_t size = 100000;
    char *block = malloc(size);
    for (int i = 0; i < 10; i++)
        memcpy(many, block + size - 130 + i, 20);
    block = realloc(block, size - (wrong ? 100 : 0)); // ALLOC
    memcpy(many, block + size - 120, 101); // HERE
    free(block);
}

BUG(freed_after_calls)
{
    char *block = malloc(100000); // ALLOC
    for (int i = 0; i < 10; i++)
        memcpy(many, block + i, 20);
    if (wrong)
        free(block); // FREE
    memcpy(many, block + 50, 20); // HERE
    if (!wrong)
        free(block);
}

/* The same of one that ends at no page's end. */
BUG(filled_after_calls)
{
    char *block = malloc(7000); // ALLOC
    memset(block, 0, 7000);
    memset(block + 6000, 1, 1000 + wrong); // HERE
    free(block);
}
