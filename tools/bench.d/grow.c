/*
 * grow - realloc: text buffers appended to in small pieces (several at a time, so that they are in
 * each other's way), vectors that double, arrays that grow page by page to some megabytes, and
 * blocks that shrink to fit. What was written must still be there.
 */
#include "load.h"

enum { BUFFERS = 16 };

struct buffer {
    unsigned char *bytes;
    size_t used, capacity;
};

static void buffer_reserve(struct buffer *buffer, size_t capacity)
{
    unsigned char *bytes = realloc(buffer->bytes, capacity);
    if (bytes == NULL)
        load_fail("realloc returned NULL");
    buffer->bytes = bytes;
    buffer->capacity = capacity;
}

/* Shrink to fit, check, free. Byte i of a buffer holds i. */
static uint64_t buffer_end(struct buffer *buffer)
{
    buffer_reserve(buffer, buffer->used);
    for (size_t i = 0; i < buffer->used; i += 61)
        if (buffer->bytes[i] != (unsigned char)i)
            load_fail("realloc lost a byte");
    free(buffer->bytes);
    uint64_t used = buffer->used;
    *buffer = (struct buffer){0};
    return used;
}

static void buffer_append(struct buffer *buffer, size_t count, bool doubling)
{
    if (buffer->used + count > buffer->capacity)
        buffer_reserve(buffer, doubling ? 2 * (buffer->used + count) : buffer->used + count);
    for (size_t i = 0; i < count; i++, buffer->used++)
        buffer->bytes[buffer->used] = (unsigned char)buffer->used;
}

static uint64_t grow_all(uint64_t *random, size_t limit, size_t piece, bool doubling)
{
    struct buffer buffers[BUFFERS] = {{0}};
    uint64_t bytes = 0;
    for (size_t total = 0; total < limit * BUFFERS;) {
        size_t count = 1 + random_below(random, piece);
        buffer_append(&buffers[random_below(random, BUFFERS)], count, doubling);
        total += count;
    }
    for (unsigned i = 0; i < BUFFERS; i++)
        if (buffers[i].bytes != NULL)
            bytes += buffer_end(&buffers[i]);
    return bytes;
}

int main(void)
{
    uint64_t random = 4, bytes = 0;
    for (unsigned i = 0; i < 90; i++)
        bytes += grow_all(&random, 12000, 24, false);
    for (unsigned i = 0; i < 12000; i++)
        bytes += grow_all(&random, 600, 40, true);
    for (unsigned i = 0; i < 2; i++)
        bytes += grow_all(&random, (size_t)2 << 20, 2 * PAGE_BYTES, false);
    return load_done("grow", bytes);
}
