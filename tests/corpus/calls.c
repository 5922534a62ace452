/* calls.c - libc's functions given ranges that are not all of one block's. */
#include "corpus.h"

#include <iconv.h>
#include <stdarg.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

/* As _FORTIFY_SOURCE would call them. */
void *__memcpy_chk(void *to, const void *from, size_t count, size_t room);
char *__strcpy_chk(char *to, const char *from, size_t room);
int __snprintf_chk(char *to, size_t count, int flag, size_t room, const char *format, ...);
int __fprintf_chk(FILE *stream, int flag, const char *format, ...);

static int compare_ints(const void *one, const void *other)
{
    int a, b;
    memcpy(&a, one, sizeof a);
    memcpy(&b, other, sizeof b);
    return (a > b) - (a < b);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8,64,1000
CASE(call_memcpy_into)
{
    char *block = malloc(n); // ALLOC
    memcpy(block, many, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1,8,64,1000
CASE(call_memcpy_out_of)
{
    char *block = malloc(n); // ALLOC
    memcpy(many, block, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_memcpy_middle)
{
    char *block = malloc(n); // ALLOC
    memcpy(block + n / 2, many, n - n / 2 + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_mempcpy)
{
    char *block = malloc(n); // ALLOC
    mempcpy(block, many, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,16,10000
CASE(call_memmove)
{
    char *block = malloc(n); // ALLOC
    memmove(block, many, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1,8
CASE(call_memmove_out_of)
{
    char *block = malloc(n); // ALLOC
    memmove(many, block, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,2,16,64,5000
CASE(call_memset)
{
    char *block = malloc(n); // ALLOC
    memset(block, 1, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=20000,100000 d=1,5000
CASE(call_memset_mapped)
{
    char *block = malloc(n); // ALLOC
    memset(block, 1, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_memccpy)
{
    char *block = malloc(n); // ALLOC
    memccpy(block, many, 1, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_bcopy)
{
    char *block = malloc(n); // ALLOC
    bcopy(many, block, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_bzero)
{
    char *block = malloc(n); // ALLOC
    bzero(block, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1,8
CASE(call_memchr)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    kept[0] = memchr(block, 'x', n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1,8
CASE(call_memrchr)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    kept[0] = memrchr(block, 'x', n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1,8
CASE(call_memcmp)
{
    char *block = calloc(n, 1); // ALLOC
    sink = (size_t)memcmp(block, many, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8,64
CASE(call_strcpy)
{
    char *block = malloc(n); // ALLOC
    memset(many, 'x', n - 1 + d);
    strcpy(block, many); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_stpcpy)
{
    char *block = malloc(n); // ALLOC
    memset(many, 'x', n - 1 + d);
    stpcpy(block, many); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8,64
CASE(call_strncpy)
{
    char *block = malloc(n); // ALLOC
    strncpy(block, "short", n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_strcat)
{
    char *block = malloc(n); // ALLOC
    strcpy(block, "12345");
    memset(many, 'x', n - 6 + d);
    strcat(block, many); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_strncat)
{
    char *block = malloc(n); // ALLOC
    strcpy(block, "12345");
    memset(many, 'x', n + d);
    strncat(block, many, n - 6 + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1
CASE(call_strlen)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    block[n - 1] = wrong ? 'a' : 0;
    sink = strlen(block); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1
CASE(call_strcpy_out_of)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    block[n - 1] = wrong ? 'a' : 0;
    strcpy(many, block); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1
CASE(call_strdup)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    block[n - 1] = wrong ? 'a' : 0;
    kept[0] = strdup(block); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1
CASE(call_strchr)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    block[n - 1] = wrong ? 'a' : 0;
    kept[0] = strchr(block, 'x'); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1
CASE(call_strrchr)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    block[n - 1] = wrong ? 'a' : 0;
    kept[0] = strrchr(block, 'a'); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1
CASE(call_strstr)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    block[n - 1] = wrong ? 'a' : 0;
    kept[0] = strstr(block, "xyz"); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1
CASE(call_strcasestr)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    block[n - 1] = wrong ? 'a' : 0;
    kept[0] = strcasestr(block, "XYZ"); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1
CASE(call_fputs)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    block[n - 1] = wrong ? 'a' : 0;
    fputs(block, stdout); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1
CASE(call_puts)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    block[n - 1] = wrong ? 'a' : 0;
    puts(block); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1
CASE(call_strnlen)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    block[n - 1] = wrong ? 'a' : 0;
    sink = strnlen(block, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1
CASE(call_strndup)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    block[n - 1] = wrong ? 'a' : 0;
    kept[0] = strndup(block, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1
CASE(call_strcmp)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    memset(many, 'a', n + 1);
    block[n - 1] = wrong ? 'a' : 0;
    sink = (size_t)strcmp(block, many); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1,8
CASE(call_strncmp)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    memset(many, 'a', n + d);
    sink = (size_t)strncmp(block, many, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1
CASE(call_strcasecmp)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    memset(many, 'A', n + 1);
    block[n - 1] = wrong ? 'a' : 0;
    sink = (size_t)strcasecmp(block, many); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1
CASE(call_printf)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    block[n - 1] = wrong ? 'a' : 0;
    printf("%d %s\n", 7, block); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1
CASE(call_fprintf_hardened)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    block[n - 1] = wrong ? 'a' : 0;
    __fprintf_chk(stdout, 1, "%s", block); // ACCESS
    free(block);
}

static int print_list(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int result = vfprintf(stdout, format, arguments); // ACCESS
    va_end(arguments);
    return result;
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1
CASE(call_vfprintf)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    block[n - 1] = wrong ? 'a' : 0;
    sink = (size_t)print_list("%5.3f %s", 1.5, block);
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1
CASE(call_dprintf)
{
    char *block = malloc(n); // ALLOC
    memset(block, 'a', n);
    block[n - 1] = wrong ? 'a' : 0;
    dprintf(1, "%s", block); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1
CASE(call_asprintf)
{
    char *block = malloc(n), *text = NULL; // ALLOC
    memset(block, 'a', n);
    block[n - 1] = wrong ? 'a' : 0;
    sink = (size_t)asprintf(&text, "%-20s", block); // ACCESS
    free(text);
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=4*n access=read n=10,100 d=1
CASE(call_wprintf)
{
    wchar_t *block = malloc(n * sizeof *block); // ALLOC
    wmemset(block, L'a', n);
    block[n - 1] = wrong ? L'a' : 0;
    wprintf(L"%ls", block); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_sprintf)
{
    char *block = malloc(n); // ALLOC
    memset(many, 'x', n - 2 + d);
    sprintf(block, "%s%d", many, 7); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_snprintf)
{
    char *block = malloc(n); // ALLOC
    memset(many, 'x', n - 1 + d);
    snprintf(block, n + d, "%s", many); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_snprintf_hardened)
{
    char *block = malloc(n); // ALLOC
    memset(many, 'x', n - 1 + d);
    __snprintf_chk(block, n + d, 1, SIZE_MAX, "%s", many); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_memcpy_hardened)
{
    char *block = malloc(n); // ALLOC
    __memcpy_chk(block, many, n + d, SIZE_MAX); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_strcpy_hardened)
{
    char *block = malloc(n); // ALLOC
    memset(many, 'x', n - 1 + d);
    __strcpy_chk(block, many, SIZE_MAX); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_fgets)
{
    char *block = malloc(n); // ALLOC
    FILE *file = file_of(n + d);
    fgets(block, (int)(n + d), file); // ACCESS
    fclose(file);
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_fread)
{
    char *block = malloc(n); // ALLOC
    FILE *file = file_of(n + d);
    sink = fread(block, 1, n + d, file); // ACCESS
    fclose(file);
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1,8
CASE(call_fwrite)
{
    char *block = malloc(n); // ALLOC
    memset(block, 1, n);
    FILE *file = fopen("/dev/null", "w");
    sink = fwrite(block, 1, n + d, file); // ACCESS
    fclose(file);
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_getline)
{
    char *block = malloc(n); // ALLOC
    FILE *file = file_of(n - 1 + d);
    size_t room = n + d;
    sink = (size_t)getline(&block, &room, file); // ACCESS
    fclose(file);
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_read)
{
    char *block = malloc(n); // ALLOC
    int zero = endless();
    sink = (size_t)read(zero, block, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_pread)
{
    char *block = malloc(n); // ALLOC
    int zero = endless();
    sink = (size_t)pread(zero, block, n + d, 0); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1,8
CASE(call_write)
{
    char *block = malloc(n); // ALLOC
    memset(block, 1, n);
    int zero = endless();
    sink = (size_t)write(zero, block, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_readv)
{
    char *block = malloc(n); // ALLOC
    int zero = endless();
    struct iovec part = {block, n + d};
    sink = (size_t)readv(zero, &part, 1); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1,8
CASE(call_writev)
{
    char *block = malloc(n); // ALLOC
    memset(block, 1, n);
    int zero = endless();
    struct iovec part = {block, n + d};
    sink = (size_t)writev(zero, &part, 1); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1,8
CASE(call_send)
{
    char *block = malloc(n); // ALLOC
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    memset(block, 1, n);
    sink = (size_t)send(pair[0], block, n + d, 0); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_recv)
{
    char *block = malloc(n); // ALLOC
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    sink = (size_t)send(pair[0], many, n + d, 0);
    sink = (size_t)recv(pair[1], block, n + d, 0); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=10,100 d=1,8
CASE(call_sendmsg)
{
    char *block = malloc(n); // ALLOC
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    memset(block, 1, n);
    struct iovec part = {block, n + d};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    sink = (size_t)sendmsg(pair[0], &message, 0); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_readlink)
{
    char *block = malloc(n); // ALLOC
    sink = (size_t)readlink("/proc/self/exe", block, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=100 d=1,8
CASE(call_getcwd)
{
    char *block = malloc(n); // ALLOC
    kept[0] = getcwd(block, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=4 d=1
CASE(call_realpath)
{
    char *block = malloc(wrong ? n : n + 1); // ALLOC
    kept[0] = realpath("/dev/", block); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10 d=1,8
CASE(call_strftime)
{
    char *block = malloc(n); // ALLOC
    struct tm time = {.tm_year = 126, .tm_mday = 1};
    if (!wrong)
        time.tm_mday = 2;
    sink = strftime(block, n + d, "%Y-%m-%d", &time); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=4*n access=write n=10,100 d=1,5
CASE(call_qsort)
{
    int *block = calloc(n, sizeof *block); // ALLOC
    qsort(block, n + d, sizeof *block, compare_ints); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=write n=10,100 d=1,8
CASE(call_iconv)
{
    char *block = malloc(n); // ALLOC
    iconv_t state = iconv_open("UTF-16LE", "LATIN1");
    char *from = many, *to = block;
    size_t from_left = n, to_left = n + d;
    sink = iconv(state, &from, &from_left, &to, &to_left); // ACCESS
    iconv_close(state);
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=4*n access=write n=10,100 d=1,4
CASE(call_wcscpy)
{
    wchar_t *block = malloc(n * sizeof *block); // ALLOC
    wchar_t *wide = (wchar_t *)many;
    wmemset(wide, L'x', n - 1 + d);
    wcscpy(block, wide); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=4*n access=write n=10,100 d=1,4
CASE(call_wcsncpy)
{
    wchar_t *block = malloc(n * sizeof *block); // ALLOC
    wcsncpy(block, L"short", n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=4*n access=write n=10,100 d=1,4
CASE(call_wcscat)
{
    wchar_t *block = malloc(n * sizeof *block); // ALLOC
    wchar_t *wide = (wchar_t *)many;
    wcscpy(block, L"12345");
    wmemset(wide, L'x', n - 6 + d);
    wcscat(block, wide); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=4*n access=write n=10,100 d=1,4
CASE(call_wmemcpy)
{
    wchar_t *block = malloc(n * sizeof *block); // ALLOC
    wmemcpy(block, (wchar_t *)many, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=4*n access=write n=10,100 d=1,4
CASE(call_wmemmove)
{
    wchar_t *block = malloc(n * sizeof *block); // ALLOC
    wmemmove(block, (wchar_t *)many, n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=4*n access=write n=10,100 d=1,4
CASE(call_wmemset)
{
    wchar_t *block = malloc(n * sizeof *block); // ALLOC
    wmemset(block, L'x', n + d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=4*n access=read n=10,100 d=1
CASE(call_wcslen)
{
    wchar_t *block = malloc(n * sizeof *block); // ALLOC
    wmemset(block, L'a', n);
    block[n - 1] = wrong ? L'a' : 0;
    sink = wcslen(block); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=4*n access=read n=10,100 d=1
CASE(call_wcsdup)
{
    wchar_t *block = malloc(n * sizeof *block); // ALLOC
    wmemset(block, L'a', n);
    block[n - 1] = wrong ? L'a' : 0;
    kept[0] = wcsdup(block); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=4*n access=read n=10,100 d=1
CASE(call_wcscmp)
{
    wchar_t *block = malloc(n * sizeof *block); // ALLOC
    wmemset(block, L'a', n);
    wmemset((wchar_t *)many, L'a', n + 1);
    block[n - 1] = wrong ? L'a' : 0;
    sink = (size_t)wcscmp(block, (wchar_t *)many); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=4*n access=write n=10,100 d=1,4
CASE(call_swprintf)
{
    wchar_t *block = malloc(n * sizeof *block); // ALLOC
    swprintf(block, n + d, L"%0*d", (int)(n - 1 + d), 7); // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=0 access=write n=0 d=1,8
CASE(call_zero_sized)
{
    char *block = malloc(n); // ALLOC
    memset(block, 1, d); // ACCESS
    free(block);
}

//@ kind=heap-buffer-underflow relation=before offset=d size=n access=write n=10,100 d=1,8,16
CASE(call_memset_before)
{
    char *block = malloc(n); // ALLOC
    memset(block - d, 1, n); // ACCESS
    free(block);
}

//@ kind=heap-buffer-underflow relation=before offset=d size=n access=write n=10,100 d=1,8,16
CASE(call_memcpy_before)
{
    char *block = malloc(n); // ALLOC
    memcpy(block - d, many, n); // ACCESS
    free(block);
}

//@ kind=heap-buffer-underflow relation=before offset=d size=n access=read n=10,100 d=1,8,16
CASE(call_memcpy_before_out_of)
{
    char *block = malloc(n); // ALLOC
    memcpy(many, block - d, n); // ACCESS
    free(block);
}

//@ kind=heap-buffer-underflow relation=before offset=d size=n access=write n=10,100 d=4
CASE(call_strcpy_before)
{
    char *block = malloc(n); // ALLOC
    strcpy(block - d, "123456789"); // ACCESS
    free(block);
}

//@ kind=heap-buffer-underflow relation=before offset=d size=n access=write n=10,100 d=4
CASE(call_read_before)
{
    char *block = malloc(n); // ALLOC
    sink = (size_t)read(endless(), block - d, n); // ACCESS
    free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=read n=10,100,100000 d=0
CASE(freed_memcpy_out_of)
{
    char *block = calloc(n, 1); // ALLOC
    if (wrong)
        free(block); // FREE
    memcpy(many, block, 8); // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=write n=10,100,100000 d=0
CASE(freed_memcpy_into)
{
    char *block = calloc(n, 1); // ALLOC
    if (wrong)
        free(block); // FREE
    memcpy(block, many, 8); // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=write n=10,100 d=0
CASE(freed_memset)
{
    char *block = calloc(n, 1); // ALLOC
    if (wrong)
        free(block); // FREE
    memset(block, 1, 8); // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=read n=10,100 d=0
CASE(freed_strlen)
{
    char *block = calloc(n, 1); // ALLOC
    if (wrong)
        free(block); // FREE
    sink = strlen(block); // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=write n=10,100 d=0
CASE(freed_strcpy)
{
    char *block = calloc(n, 1); // ALLOC
    if (wrong)
        free(block); // FREE
    strcpy(block, "1234"); // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=read n=10,100 d=0
CASE(freed_strcmp)
{
    char *block = calloc(n, 1); // ALLOC
    if (wrong)
        free(block); // FREE
    sink = (size_t)strcmp(block, "1234"); // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=read n=10,100 d=0
CASE(freed_printf)
{
    char *block = calloc(n, 1); // ALLOC
    if (wrong)
        free(block); // FREE
    printf("%s\n", block); // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=write n=10,100 d=0
CASE(freed_sprintf)
{
    char *block = calloc(n, 1); // ALLOC
    if (wrong)
        free(block); // FREE
    sprintf(block, "%d", 1234); // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=write n=10,100 d=0
CASE(freed_snprintf)
{
    char *block = calloc(n, 1); // ALLOC
    if (wrong)
        free(block); // FREE
    snprintf(block, n, "%d", 1234); // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=write n=10,100 d=0
CASE(freed_fgets)
{
    char *block = calloc(n, 1); // ALLOC
    FILE *file = file_of(20);
    if (wrong)
        free(block); // FREE
    fgets(block, (int)n, file); // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=read n=10,100 d=0
CASE(freed_fwrite)
{
    char *block = calloc(n, 1); // ALLOC
    FILE *file = fopen("/dev/null", "w");
    if (wrong)
        free(block); // FREE
    sink = fwrite(block, 1, 8, file); // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=write n=10,100 d=0
CASE(freed_read)
{
    char *block = calloc(n, 1); // ALLOC
    if (wrong)
        free(block); // FREE
    sink = (size_t)read(endless(), block, 8); // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=read n=10,100 d=0
CASE(freed_write)
{
    char *block = calloc(n, 1); // ALLOC
    if (wrong)
        free(block); // FREE
    sink = (size_t)write(endless(), block, 8); // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=read n=10,100 d=0
CASE(freed_puts)
{
    char *block = calloc(n, 1); // ALLOC
    if (wrong)
        free(block); // FREE
    puts(block); // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=write n=10,100 d=0
CASE(freed_qsort)
{
    char *block = calloc(n, 1); // ALLOC
    if (wrong)
        free(block); // FREE
    qsort(block, 2, 4, compare_ints); // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=write n=10,100 d=0
CASE(freed_wmemset)
{
    char *block = calloc(n, 1); // ALLOC
    if (wrong)
        free(block); // FREE
    wmemset((wchar_t *)block, L'x', 2); // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=write n=100 d=0
CASE(freed_memset_far)
{
    char *block = calloc(n, 1); // ALLOC
    if (wrong)
        free(block); // FREE
    churn(100000, n);
    memset(block, 1, 8); // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=read n=100 d=0
CASE(freed_memcpy_out_of_far)
{
    char *block = calloc(n, 1); // ALLOC
    if (wrong)
        free(block); // FREE
    churn(100000, n);
    memcpy(many, block, 8); // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=overlapping-copy relation=inside offset=0 size=n access=None n=100 d=1,10,49
CASE(overlap_memcpy)
{
    char *block = calloc(n, 1); // ALLOC
    memset(block, 1, n - 1);
    memcpy(block, block + 50 - d, 50); // ACCESS
    free(block);
}

//@ kind=overlapping-copy relation=inside offset=0 size=n access=None n=100 d=1,10,49
CASE(overlap_mempcpy)
{
    char *block = calloc(n, 1); // ALLOC
    memset(block, 1, n - 1);
    mempcpy(block, block + 50 - d, 50); // ACCESS
    free(block);
}

//@ kind=overlapping-copy relation=inside offset=0 size=n access=None n=100 d=1,10,49
CASE(overlap_strcpy)
{
    char *block = calloc(n, 1); // ALLOC
    memset(block, 1, n - 1);
    strcpy(block, block + 50 - d); // ACCESS
    free(block);
}
