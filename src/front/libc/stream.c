/*
 * stream.c - stdio's functions that are given a range. Those that read are given no more room than
 * the block has at first; only where there is more to be read than that, and the program allowed it, is
 * it about to go wrong. See libc.h.
 */
#include "front/libc/libc.h"

#include <stdio.h>

/* libc has macros of these names as well. */
#undef fread_unlocked
#undef fwrite_unlocked

/* True when there is another byte to be read; it stays unread. */
static bool has_more(FILE *stream)
{
    int byte = getc_unlocked(stream);
    if (byte == EOF)
        return false;
    (void)ungetc(byte, stream);
    return true;
}

typedef char *(*fgets_function)(char *to, int count, FILE *stream);

/*
 * fgets into less than it was told there is. What fits has been read, and is whole when the line ends
 * there, or the file; else the rest follows once it has been reported.
 */
static char *gets_in_room(const struct pw_site *site, char *to, int count, FILE *stream, fgets_function real)
{
    uint64_t room = pw_room(to);
    if (room < 2) {
        pw_check_write(site, to, (uint64_t)count);
        return real(to, count, stream);
    }
    char *line = real(to, (int)room, stream);
    size_t length = line != NULL ? pw_libc.strlen(line) : 0;
    if (length < room - 1 || line[length - 1] == '\n' || !has_more(stream))
        return line;
    pw_check_write(site, to, room + 1);
    (void)real(to + length, count - (int)length, stream);
    return line;
}

static bool is_too_much(const void *to, int count)
{
    return count > 0 && (uint64_t)count > pw_room(to);
}

/* Locked, so that nobody reads between the parts of it. */
static char *checked_gets(const struct pw_site *site, char *to, int count, FILE *stream, fgets_function real)
{
    pw_check_stream(site, stream);
    if (pw_likely(!is_too_much(to, count)))
        return real(to, count, stream);
    flockfile(stream);
    char *line = gets_in_room(site, to, count, stream, real);
    funlockfile(stream);
    return line;
}

typedef size_t (*fread_function)(void *to, size_t size, size_t count, FILE *stream);

/* The same for fread; bytes read. */
static size_t read_in_room(const struct pw_site *site, char *to, size_t bytes, FILE *stream, fread_function real)
{
    uint64_t room = pw_room(to);
    size_t done = room == 0 ? 0 : real(to, 1, room, stream);
    if (done < room || !has_more(stream))
        return done;
    pw_check_write(site, to, bytes);
    return done + real(to + done, 1, bytes - done, stream);
}

static size_t checked_read(const struct pw_site *site, void *to, size_t size, size_t count, FILE *stream,
                           fread_function real)
{
    uint64_t bytes = pw_libc_product(size, count);
    pw_check_stream(site, stream);
    if (pw_likely(bytes <= pw_room(to)) || size == 0)
        return real(to, size, count, stream);
    flockfile(stream);
    size_t done = read_in_room(site, to, bytes, stream, real);
    funlockfile(stream);
    return done / size;
}

char *pw_checked_fgets(char *to, int count, FILE *stream)
{
    PW_CHECKED(fgets, return checked_gets(&site, to, count, stream, pw_libc.fgets));
    return pw_libc.fgets(to, count, stream);
}

char *pw_checked_fgets_unlocked(char *to, int count, FILE *stream)
{
    PW_CHECKED(fgets, return checked_gets(&site, to, count, stream, pw_libc.fgets_unlocked));
    return pw_libc.fgets_unlocked(to, count, stream);
}

/* Where the compiler knew the room, libc ends the program itself; the block may yet have been freed. */
static void check_known_room(const struct pw_site *site, const void *to, uint64_t bytes, size_t room,
                             const FILE *stream)
{
    pw_check_stream(site, stream);
    if (bytes > 0 && pw_room(to) < room)
        pw_check_write(site, to, bytes < room ? bytes : room);
}

char *pw_checked___fgets_chk(char *to, size_t room, int count, FILE *stream)
{
    PW_CHECKED(fgets, check_known_room(&site, to, count > 0 ? (uint64_t)count : 0, room, stream));
    return pw_libc.__fgets_chk(to, room, count, stream);
}

char *pw_checked___fgets_unlocked_chk(char *to, size_t room, int count, FILE *stream)
{
    PW_CHECKED(fgets, check_known_room(&site, to, count > 0 ? (uint64_t)count : 0, room, stream));
    return pw_libc.__fgets_unlocked_chk(to, room, count, stream);
}

static void check_wide_line(const struct pw_site *site, const wchar_t *to, int count, const FILE *stream)
{
    pw_check_stream(site, stream);
    pw_check_write(site, to, count > 0 ? pw_libc_product((size_t)count, sizeof *to) : 0);
}

wchar_t *pw_checked_fgetws(wchar_t *to, int count, FILE *stream)
{
    PW_CHECKED(fgetws, check_wide_line(&site, to, count, stream));
    return pw_libc.fgetws(to, count, stream);
}

size_t pw_checked_fread(void *to, size_t size, size_t count, FILE *stream)
{
    PW_CHECKED(fread, return checked_read(&site, to, size, count, stream, pw_libc.fread));
    return pw_libc.fread(to, size, count, stream);
}

size_t pw_checked_fread_unlocked(void *to, size_t size, size_t count, FILE *stream)
{
    PW_CHECKED(fread, return checked_read(&site, to, size, count, stream, pw_libc.fread_unlocked));
    return pw_libc.fread_unlocked(to, size, count, stream);
}

size_t pw_checked___fread_chk(void *to, size_t room, size_t size, size_t count, FILE *stream)
{
    PW_CHECKED(fread, check_known_room(&site, to, pw_libc_product(size, count), room, stream));
    return pw_libc.__fread_chk(to, room, size, count, stream);
}

size_t pw_checked___fread_unlocked_chk(void *to, size_t room, size_t size, size_t count, FILE *stream)
{
    PW_CHECKED(fread, check_known_room(&site, to, pw_libc_product(size, count), room, stream));
    return pw_libc.__fread_unlocked_chk(to, room, size, count, stream);
}

static void check_written(const struct pw_site *site, const void *from, uint64_t bytes, const FILE *stream)
{
    pw_check_stream(site, stream);
    pw_check_read(site, from, bytes);
}

size_t pw_checked_fwrite(const void *from, size_t size, size_t count, FILE *stream)
{
    PW_CHECKED(fwrite, check_written(&site, from, pw_libc_product(size, count), stream));
    return pw_libc.fwrite(from, size, count, stream);
}

size_t pw_checked_fwrite_unlocked(const void *from, size_t size, size_t count, FILE *stream)
{
    PW_CHECKED(fwrite, check_written(&site, from, pw_libc_product(size, count), stream));
    return pw_libc.fwrite_unlocked(from, size, count, stream);
}

static void check_put(const struct pw_site *site, const char *text, const FILE *stream)
{
    pw_check_stream(site, stream);
    (void)pw_check_string(site, text, SIZE_MAX);
}

int pw_checked_fputs(const char *text, FILE *stream)
{
    PW_CHECKED(fputs, check_put(&site, text, stream));
    return pw_libc.fputs(text, stream);
}

int pw_checked_puts(const char *text)
{
    PW_CHECKED(puts, (void)pw_check_string(&site, text, SIZE_MAX));
    return pw_libc.puts(text);
}

/* The buffer that they are given is to have the size that they are told, for they grow it else. */
static void check_line_buffer(const struct pw_site *site, char *const *line, const size_t *size, const FILE *stream)
{
    pw_check_stream(site, stream);
    if (line != NULL && size != NULL && *line != NULL)
        pw_check_write(site, *line, *size);
}

ssize_t pw_checked_getline(char **line, size_t *size, FILE *stream)
{
    PW_CHECKED(getline, check_line_buffer(&site, line, size, stream));
    return pw_libc.getline(line, size, stream);
}

ssize_t pw_checked_getdelim(char **line, size_t *size, int end, FILE *stream)
{
    PW_CHECKED(getdelim, check_line_buffer(&site, line, size, stream));
    return pw_libc.getdelim(line, size, end, stream);
}

ssize_t pw_checked___getdelim(char **line, size_t *size, int end, FILE *stream)
{
    PW_CHECKED(getdelim, check_line_buffer(&site, line, size, stream));
    return pw_libc.__getdelim(line, size, end, stream);
}
