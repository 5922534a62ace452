/* maps.c - see maps.h */
#include "os/maps.h"

#include "os/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BUFFER_BYTES = 8192 };

/* Lines of a file, without their newline; one that does not fit is cut. */
struct lines {
    int fd;
    size_t start; /* of what was not given yet */
    size_t length;
    bool is_over;
    bool skips; /* what comes up to the next newline belongs to a line that was cut */
    char bytes[BUFFER_BYTES + 1];
};

static size_t find_newline(const struct lines *lines)
{
    size_t at = lines->start;
    while (at < lines->length && lines->bytes[at] != '\n')
        at++;
    return at;
}

static void refill(struct lines *lines)
{
    size_t kept = lines->length - lines->start;
    __builtin_memmove(lines->bytes, lines->bytes + lines->start, kept);
    lines->start = 0;
    lines->length = kept;
    long got = syscall(SYS_read, lines->fd, lines->bytes + kept, BUFFER_BYTES - kept);
    lines->is_over = got == 0 || (got < 0 && errno != EINTR);
    lines->length += got > 0 ? (size_t)got : 0;
}

static char *next_line(struct lines *lines)
{
    for (;;) {
        size_t end = find_newline(lines);
        bool is_whole = end < lines->length;
        if (!is_whole && !lines->is_over && end - lines->start < BUFFER_BYTES) {
            refill(lines);
            continue;
        }
        if (end == lines->start && !is_whole)
            return NULL;
        char *line = lines->bytes + lines->start;
        bool skipped = lines->skips;
        lines->bytes[end] = '\0';
        lines->start = is_whole ? end + 1 : end;
        lines->skips = !is_whole;
        if (!skipped)
            return line;
    }
}

static uint64_t take_number(char **at, unsigned base)
{
    uint64_t value = 0;
    for (;; (*at)++) {
        unsigned digit = (unsigned)(**at - '0');
        if (**at >= 'a' && **at <= 'f')
            digit = (unsigned)(**at - 'a') + 10;
        if (digit >= base)
            return value;
        value = value * base + digit;
    }
}

static bool take(char **at, char c)
{
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

/* 7f00-7f10 rw-p 00000000 08:01 1234    /path */
static bool parse(char *line, struct pw_os_mapping *mapping)
{
    char *at = line;
    mapping->start = take_number(&at, 16);
    if (!take(&at, '-'))
        return false;
    mapping->end = take_number(&at, 16);
    for (int i = 0; i < 6; i++)
        if (at[i] == '\0')
            return false;
    mapping->is_readable = at[1] == 'r';
    mapping->is_writable = at[2] == 'w';
    mapping->is_shared = at[4] == 's';
    at += 6;
    (void)take_number(&at, 16);
    (void)take(&at, ' ');
    uint64_t major = take_number(&at, 16);
    (void)take(&at, ':');
    uint64_t minor = take_number(&at, 16);
    (void)take(&at, ' ');
    uint64_t inode = take_number(&at, 10);
    mapping->file = inode == 0 ? 0 : (major << 52 ^ minor << 40 ^ inode) | (uint64_t)1 << 63;
    while (take(&at, ' '))
        ;
    mapping->path = at;
    return mapping->start < mapping->end;
}

/* Of `lines`, start, length and the flags are 0. */
static bool visit_all(struct lines *lines, bool (*visit)(void *context, const struct pw_os_mapping *mapping),
                      void *context)
{
    int saved_errno = errno;
    lines->fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
    struct pw_os_mapping mapping;
    bool opened = lines->fd >= 0, goes_on = opened;
    while (goes_on) {
        char *line = next_line(lines);
        goes_on = line != NULL && (!parse(line, &mapping) || visit(context, &mapping));
    }
    if (opened)
        (void)syscall(SYS_close, lines->fd);
    errno = saved_errno;
    return opened;
}

bool pw_os_each_mapping(bool (*visit)(void *context, const struct pw_os_mapping *mapping), void *context)
{
    struct lines lines = {.fd = -1};
    return visit_all(&lines, visit, context);
}

struct search {
    uint64_t address;
    struct pw_os_mapping *found;
    char *path;
    size_t size;
    bool is_found;
};

static bool look_at(void *context, const struct pw_os_mapping *mapping)
{
    struct search *search = context;
    if (search->address >= mapping->end)
        return true;
    if (search->address < mapping->start)
        return false;
    *search->found = *mapping;
    size_t length = 0;
    for (; length + 1 < search->size && mapping->path[length] != '\0'; length++)
        search->path[length] = mapping->path[length];
    search->path[length] = '\0';
    search->found->path = search->path;
    search->is_found = true;
    return false;
}

bool pw_os_find_mapping(uint64_t address, struct pw_os_mapping *found, char *path, size_t size)
{
    /* Not mapped for the purpose: it might come to lie at the address that is asked about. */
    static struct lines lines;
    static atomic_flag is_taken = ATOMIC_FLAG_INIT;
    struct search search = {.address = address, .found = found, .path = path, .size = size};
    if (atomic_flag_test_and_set_explicit(&is_taken, memory_order_acquire))
        return false;
    lines.start = lines.length = 0;
    lines.is_over = lines.skips = false;
    (void)visit_all(&lines, look_at, &search);
    atomic_flag_clear_explicit(&is_taken, memory_order_release);
    return search.is_found;
}

void pw_os_present_pages(uint64_t page, uint32_t count, uint64_t bits[PW_OS_PRESENT_PAGES / 64])
{
    uint64_t entries[PW_OS_PRESENT_PAGES];
    static const uint64_t present_or_swapped = (uint64_t)3 << 62;
    int saved_errno = errno;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
    long wanted = (long)(count * sizeof *entries);
    long got = fd < 0 ? -1 : syscall(SYS_pread64, fd, entries, wanted, page / pw_os_page_bytes() * sizeof *entries);
    for (uint32_t i = 0; i < PW_OS_PRESENT_PAGES / 64; i++)
        bits[i] = got == wanted ? 0 : ~(uint64_t)0;
    for (uint32_t i = 0; got == wanted && i < count; i++)
        if ((entries[i] & present_or_swapped) != 0)
            bits[i / 64] |= (uint64_t)1 << i % 64;
    if (fd >= 0)
        (void)syscall(SYS_close, fd);
    errno = saved_errno;
}
