/*
 * many.c - many COUNT: so many blocks live at once; says how many mappings the process has then, how
 * many it may have, and whether the kernel has guard markers.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Without stdio, which allocates. */
static long lines_of(const char *path)
{
    static char buffer[65536];
    long lines = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    for (ssize_t got; file >= 0 && (got = read(file, buffer, sizeof buffer)) > 0;)
        for (ssize_t i = 0; i < got; i++)
            lines += buffer[i] == '\n';
    (void)close(file);
    return lines;
}

static long number_in(const char *path)
{
    char digits[32] = "";
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || read(file, digits, sizeof digits - 1) <= 0)
        digits[0] = '\0';
    (void)close(file);
    return atol(digits);
}

static bool has_markers(void)
{
    enum { GUARD_INSTALL = 102 };
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page != MAP_FAILED && madvise(page, 4096, GUARD_INSTALL) == 0;
}

int main(int argc, char **argv)
{
    long count = argc > 1 ? atol(argv[1]) : 0;
    char **blocks = calloc((size_t)count + 1, sizeof *blocks);
    if (blocks == NULL)
        return 1;
    for (long i = 0; i < count; i++) {
        blocks[i] = malloc(24);
        if (blocks[i] == NULL)
            return 1;
        blocks[i][0] = blocks[i][23] = (char)i;
    }
    long mappings = lines_of("/proc/self/maps");
    for (long i = 0; i < count; i++) {
        if (blocks[i][0] != (char)i || blocks[i][23] != (char)i)
            return 1;
        free(blocks[i]);
    }
    free(blocks);
    (void)printf("%ld mappings of %ld, markers %d\n", mappings, number_in("/proc/sys/vm/max_map_count"), has_markers());
    return 0;
}
