/*
 * memory.c - see memory.h
 *
 * The cache is 8-way set-associative by page. A page missed where one of the last few reads ended is taken for
 * the start of a run and READ_AHEAD pages come in one read; any other comes alone, so that a search along
 * pointers costs no more than it must. A small direct-mapped table in front answers most.
 */
#include "memory.h"

#include "bytes.h"

#include <stdlib.h>
#include <string.h>

enum {
    PAGE_SHIFT = 12,
    WAYS = 8,
    SETS = 1024, /* 32 MiB in all */
    READ_AHEAD = 64,
    QUICK = 1024,
    STREAMS = 8, /* a walk reads headers, evidence, spans and contents side by side */
};
static const uint64_t no_page = UINT64_MAX;

/* A frozen range; data NULL: zeros. Sorted by start once memory_freeze_done was called. */
struct extent {
    uint64_t start;
    uint64_t end;
    uint8_t *data;
};

struct quick {
    uint64_t page;
    const uint8_t *data; /* NULL: a hole */
};

struct memory {
    memory_source *source;
    void *context;
    struct quick quick[QUICK];
    uint64_t pages[SETS][WAYS];
    bool is_hole[SETS][WAYS];
    uint8_t next[SETS]; /* the way that is replaced next */
    uint8_t *frames[SETS]; /* WAYS pages each; NULL: no page of it was asked for yet */
    uint8_t *run;       /* READ_AHEAD pages */
    uint64_t streams[STREAMS]; /* the pages after the last reads */
    size_t oldest_stream;
    struct extent *extents;
    size_t extent_count;
    size_t extent_capacity;
};

static const uint8_t zeros[MEMORY_PAGE_BYTES];

void memory_forget(struct memory *memory)
{
    for (size_t i = 0; i < QUICK; i++)
        memory->quick[i].page = no_page;
    for (size_t i = 0; i < STREAMS; i++)
        memory->streams[i] = no_page;
    for (size_t set = 0; set < SETS; set++)
        for (size_t way = 0; way < WAYS; way++)
            memory->pages[set][way] = no_page;
}

struct memory *memory_open(memory_source *source, void *context)
{
    struct memory *memory = heapdump_grow(NULL, 1, sizeof *memory);
    *memory = (struct memory){.source = source, .context = context};
    memory->run = heapdump_grow(NULL, READ_AHEAD, MEMORY_PAGE_BYTES);
    memory_forget(memory);
    return memory;
}

void memory_close(struct memory *memory)
{
    if (memory == NULL)
        return;
    for (size_t i = 0; i < memory->extent_count; i++)
        free(memory->extents[i].data);
    free(memory->extents);
    for (size_t set = 0; set < SETS; set++)
        free(memory->frames[set]);
    free(memory->run);
    free(memory);
}

/* ---- the cache ---- */

/* Pages in a row lie in sets in a row; tables that are the same power of two apart do not collide. */
static size_t set_of(uint64_t page)
{
    return (page + (page >> 6) * 0x9E3779B1u) % SETS;
}

static struct quick *quick_of(struct memory *memory, uint64_t page)
{
    return &memory->quick[(page ^ page >> 11) % QUICK];
}

/* The way in its set that holds `page`, or WAYS. */
static size_t way_of(const struct memory *memory, uint64_t page)
{
    size_t set = set_of(page), way = 0;
    while (way < WAYS && memory->pages[set][way] != page)
        way++;
    return way;
}

/* Put a page in, or a hole (data NULL), in place of the oldest of its set. */
static void insert(struct memory *memory, uint64_t page, const uint8_t *data)
{
    size_t set = set_of(page), way = way_of(memory, page);
    if (way == WAYS) {
        way = memory->next[set]++ % WAYS;
        struct quick *stale = quick_of(memory, memory->pages[set][way]);
        if (stale->page == memory->pages[set][way])
            stale->page = no_page;
    }
    memory->pages[set][way] = page;
    memory->is_hole[set][way] = data == NULL;
    if (memory->frames[set] == NULL)
        memory->frames[set] = heapdump_grow(NULL, WAYS, MEMORY_PAGE_BYTES);
    if (data != NULL)
        memcpy(memory->frames[set] + way * MEMORY_PAGE_BYTES, data, MEMORY_PAGE_BYTES);
}

/* The stream that goes on with `page`, or else the oldest, which is given up. */
static uint64_t *stream_of(struct memory *memory, uint64_t page)
{
    for (size_t i = 0; i < STREAMS; i++)
        if (memory->streams[i] == page)
            return &memory->streams[i];
    return &memory->streams[memory->oldest_stream++ % STREAMS];
}

static void fetch(struct memory *memory, uint64_t page)
{
    uint64_t *stream = stream_of(memory, page);
    size_t count = *stream == page ? READ_AHEAD : 1;
    size_t got = memory->source(memory->context, page << PAGE_SHIFT, memory->run,
                                count * MEMORY_PAGE_BYTES) / MEMORY_PAGE_BYTES;
    for (size_t i = got; i-- > 0;) /* the page asked for last, so that none of the run pushes it out */
        insert(memory, page + i, memory->run + i * MEMORY_PAGE_BYTES);
    if (got == 0)
        insert(memory, page, NULL);
    *stream = page + (got > 0 ? got : 1);
}

static const struct extent *find_extent(const struct memory *memory, uint64_t address)
{
    size_t low = 0, high = memory->extent_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memory->extents[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && address < memory->extents[low - 1].end ? &memory->extents[low - 1] : NULL;
}

/* The bytes of a page, or NULL; until the next call. */
static const uint8_t *page_data(struct memory *memory, uint64_t page)
{
    struct quick *quick = quick_of(memory, page);
    if (quick->page == page)
        return quick->data;
    const struct extent *extent = find_extent(memory, page << PAGE_SHIFT);
    quick->page = page;
    if (extent != NULL) {
        quick->data = extent->data == NULL ? zeros : extent->data + ((page << PAGE_SHIFT) - extent->start);
        return quick->data;
    }
    if (way_of(memory, page) == WAYS)
        fetch(memory, page);
    size_t set = set_of(page), way = way_of(memory, page);
    quick->page = page; /* fetching may have taken it from another */
    quick->data = way == WAYS || memory->is_hole[set][way]
                      ? NULL
                      : memory->frames[set] + way * MEMORY_PAGE_BYTES;
    return quick->data;
}

bool memory_read(struct memory *memory, uint64_t address, void *to, size_t bytes)
{
    uint8_t *next = to;
    if (bytes > UINT64_MAX - address)
        return false;
    while (bytes > 0) {
        size_t offset = address % MEMORY_PAGE_BYTES;
        size_t part = (size_t)least(bytes, MEMORY_PAGE_BYTES - offset);
        const uint8_t *data = page_data(memory, address >> PAGE_SHIFT);
        if (data == NULL)
            return false;
        memcpy(next, data + offset, part);
        address += part;
        next += part;
        bytes -= part;
    }
    return true;
}

size_t memory_read_some(struct memory *memory, uint64_t address, void *to, size_t bytes)
{
    size_t done = 0;
    while (done < bytes) {
        uint64_t at = address + done;
        size_t whole = (bytes - done) & ~(size_t)(MEMORY_PAGE_BYTES - 1);
        if (at % MEMORY_PAGE_BYTES == 0 && whole > 0 && memory->extent_count == 0) {
            size_t got = memory->source(memory->context, at, (uint8_t *)to + done, whole);
            done += got;
            if (got < whole)
                return done;
            continue;
        }
        size_t part = (size_t)least(bytes - done, MEMORY_PAGE_BYTES - at % MEMORY_PAGE_BYTES);
        if (!memory_read(memory, at, (uint8_t *)to + done, part))
            return done;
        done += part;
    }
    return done;
}

/* ---- freezing ---- */

static void add_extent(struct memory *memory, uint64_t start, uint64_t end, uint8_t *data)
{
    if (memory->extent_count == memory->extent_capacity) {
        memory->extent_capacity = memory->extent_capacity * 2 + 64;
        memory->extents =
            heapdump_grow(memory->extents, memory->extent_capacity, sizeof *memory->extents);
    }
    memory->extents[memory->extent_count++] = (struct extent){start, end, data};
}

/* Copy [start, end), all present; pages that can't be read after all are left out. */
static bool freeze_present(struct memory *memory, uint64_t start, uint64_t end, uint64_t *budget)
{
    while (start < end) {
        size_t bytes = (size_t)(end - start);
        uint8_t *data = bytes <= *budget ? malloc(bytes) : NULL;
        if (data == NULL)
            return false;
        size_t got = memory->source(memory->context, start, data, bytes);
        got -= got % MEMORY_PAGE_BYTES; /* what is looked up later is pages */
        if (got == 0)
            free(data);
        else
            add_extent(memory, start, start + got, data);
        *budget -= got;
        start += got < bytes ? got + MEMORY_PAGE_BYTES : got;
    }
    return true;
}

bool memory_freeze(struct memory *memory, uint64_t start, uint64_t end, const uint8_t *is_present,
                   uint64_t *budget)
{
    start = PW_ALIGN_DOWN(start, (uint64_t)MEMORY_PAGE_BYTES);
    end = PW_ALIGN_UP(end, (uint64_t)MEMORY_PAGE_BYTES);
    if (is_present == NULL)
        return freeze_present(memory, start, end, budget);
    for (uint64_t at = start; at < end;) {
        size_t first = (size_t)((at - start) / MEMORY_PAGE_BYTES), last = first;
        while (start + last * (uint64_t)MEMORY_PAGE_BYTES < end && is_present[last] == is_present[first])
            last++;
        uint64_t next = start + last * (uint64_t)MEMORY_PAGE_BYTES;
        if (!is_present[first])
            add_extent(memory, at, next, NULL);
        else if (!freeze_present(memory, at, next, budget))
            return false;
        at = next;
    }
    return true;
}

static int compare_extents(const void *left, const void *right)
{
    const struct extent *a = left, *b = right;
    return (a->start > b->start) - (a->start < b->start);
}

void memory_freeze_done(struct memory *memory)
{
    if (memory->extent_count > 1)
        qsort(memory->extents, memory->extent_count, sizeof *memory->extents, compare_extents);
    memory_forget(memory);
}
