/*
 * huge - one buffer grown to 1 GiB by realloc: doubled, by half of it, by 1 MiB at a time; the ends of each piece
 * are written. An allocator that copies reads and writes some GiB, one that moves pages a few MiB.
 */
#include "load.h"

#define MOST ((size_t)1 << 30)

static size_t next_size(size_t size, unsigned way)
{
    return way == 0 ? size * 2 : way == 1 ? size + size / 2 : size + ((size_t)1 << 20);
}

static uint64_t grow(unsigned way)
{
    size_t size = PAGE_BYTES;
    unsigned char *buffer = load_malloc(size);
    uint64_t moves = 0;
    buffer[0] = buffer[size - 1] = 1;
    while (size < MOST) {
        size_t larger = next_size(size, way);
        buffer = realloc(buffer, larger);
        if (buffer == NULL || buffer[0] != 1 || buffer[size - 1] != 1)
            load_fail("realloc lost what was there");
        buffer[larger - 1] = 1;
        size = larger;
        moves++;
    }
    free(buffer);
    return moves;
}

int main(void)
{
    uint64_t steps = 0;
    for (unsigned round = 0; round < 30; round++)
        for (unsigned way = 0; way < 3; way++)
            steps += grow(way);
    return load_done("huge", steps);
}
