/*
 * depot.c - see depot.h
 *
 *   level 0 [ line | line | … ]      a line: eight slots of tag and id, filled from the first on
 *         1 [ line | line | line | … ]                                 │
 *         2   …                                                        └─id──> struct pw_stack
 *
 * Stacks lie one behind the other in chunks of 4 MiB that never move and are never given back. What one has in common with
 * one before, its outer frames, it leaves to that (image/layout.h: struct pw_stack). Their ids are in
 * a hash table of levels, each some times as large as the one before: a stack belongs into one line of each, and is in
 * the first that had a slot free. So a program of few stacks touches few pages, nothing is ever moved, and who looks
 * for a stack may stop at the first line that is not full.
 *
 * A stack is written in full before a compare-and-swap of its slot makes it known, and never changes after; so readers
 * need no lock, and a thread that stops half-way (a signal handler, a fork) blocks nobody.
 */
#include "trace/depot.h"

#include "image/stack.h"
#include "os/memory.h"

#include <string.h>

enum {
    SLOTS = 8, /* a cache line */
    LEVELS = 5,
    FIRST_BITS = 5, /* of the first level's lines: half a page */
    UNIT_BYTES = 8,
    HEAD_UNITS = sizeof(struct pw_stack) / UNIT_BYTES,
    FIRST_UNIT = 1, /* id 0 is none */
    /* 1 GiB, some seven million stacks: a program that makes ever new ones must not fill its
       memory. */
    LIMIT_CHUNKS = 256,
};
#define CHUNK_BYTES ((size_t)1 << PW_DEPOT_CHUNK_SHIFT)
#define CHUNK_UNITS ((uint32_t)1 << PW_DEPOT_CHUNK_UNITS_SHIFT)

_Static_assert(LIMIT_CHUNKS <= PW_DEPOT_MAX_CHUNKS, "the image has no more");
_Static_assert((uint64_t)LIMIT_CHUNKS << PW_DEPOT_CHUNK_UNITS_SHIFT <= UINT32_MAX,
               "ids are 32 bits");
_Static_assert(HEAD_UNITS + PW_MAX_FRAMES <= CHUNK_UNITS, "every stack fits in a chunk");
_Static_assert(PW_MAX_FRAMES <= UINT8_MAX, "struct pw_stack counts in bytes");

struct pw_depot_image *pw_depot_image;

/* A trace that is looked for or to be added. */
struct trace {
    uint64_t hash;
    const uint64_t *frames;
    size_t count, own;
    struct pw_depot_place rest; /* the frames from `own` on; unless that is all of them */
};

struct line {
    _Atomic uint64_t slots[SLOTS]; /* tag << 32 | id; 0: free, and so are those after it */
};

/*
 * Bits of the hash that tell a level's line: each has bits of its own, so that those who meet in one part in the next. In the
 * page that each child of fork has anyway: among the constants it would be one more.
 */
PW_WRITTEN_IN_FORK static struct {
    uint32_t shift, bits;
} geometry[LEVELS] = {{59, FIRST_BITS}, {45, 12}, {30, 15}, {12, 18}, {0, 21}}; /* 2 and 256 KiB; 2, 16 and 128 MiB */

static _Alignas(4096) struct line first_lines[1 << FIRST_BITS];
static _Atomic(struct line *) levels[LEVELS] = {first_lines};

uint64_t pw_depot_hash_powers[PW_MAX_FRAMES + 1];

static uint64_t hash_frames(const uint64_t *frames, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = count; i-- > 0;)
        sum = pw_depot_hash_add(sum, frames[i]);
    return pw_depot_hash_of(sum, 0, count);
}

PW_INLINE bool has_hash(const struct pw_stack *stack, uint64_t hash, size_t count)
{
    return stack->hash == hash && stack->count == count;
}

PW_INLINE uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 32);
}

/* The id in a slot, if it is that of such a stack, else 0. */
PW_INLINE uint32_t id_if_right(uint64_t slot, uint64_t hash, size_t count)
{
    uint32_t id = (uint32_t)slot;
    return (uint32_t)(slot >> 32) == tag_of(hash) && id != 0 && has_hash(pw_depot_stack(id), hash, count) ? id : 0;
}

static size_t level_bytes(size_t level)
{
    return sizeof(struct line) << geometry[level].bits;
}

/* The line of a level that is there. */
PW_INLINE struct line *line_of(struct line *lines, size_t level, uint64_t hash)
{
    return &lines[hash >> geometry[level].shift & ((1u << geometry[level].bits) - 1)];
}

/* Two threads may map the same; one mapping stays. */
static bool chunk_ensure(uint32_t index)
{
    if (atomic_load_explicit(&pw_depot_image->chunks[index], memory_order_acquire) != 0)
        return true;
    void *mapping = pw_os_map(CHUNK_BYTES);
    if (mapping == NULL)
        return false;
    uint64_t expected = 0;
    if (!atomic_compare_exchange_strong_explicit(&pw_depot_image->chunks[index], &expected,
                                                 (uint64_t)mapping, memory_order_release,
                                                 memory_order_acquire))
        pw_os_unmap(mapping, CHUNK_BYTES);
    return true;
}

/* The lines of a level, mapped now if need be; NULL: no memory. */
static struct line *level_ensure(size_t level)
{
    struct line *lines = atomic_load_explicit(&levels[level], memory_order_acquire);
    if (lines != NULL)
        return lines;
    struct line *mapping = pw_os_map(level_bytes(level));
    if (mapping == NULL)
        return NULL;
    if (atomic_compare_exchange_strong_explicit(&levels[level], &lines, mapping, memory_order_acq_rel,
                                                memory_order_acquire))
        return mapping;
    pw_os_unmap(mapping, level_bytes(level));
    return lines;
}

/*
 * Take `units` units that lie in one chunk; the id, or 0 when there is no room. They may have been another thread's,
 * which wrote to them before units_return.
 */
static uint32_t units_take(uint32_t units)
{
    /* As it is; but the first time the page is written at once, and not read first, which would be a fault more. */
    uint32_t used = atomic_fetch_add_explicit(&pw_depot_image->used, 0, memory_order_relaxed);
    uint32_t start;
    do {
        start = used < FIRST_UNIT ? FIRST_UNIT : used;
        if (start % CHUNK_UNITS + units > CHUNK_UNITS)
            start = PW_ALIGN_UP(start, CHUNK_UNITS);
        if (start >= (uint32_t)LIMIT_CHUNKS * CHUNK_UNITS)
            return 0;
        /* First the memory, then the number: where there is no memory nothing is used up. */
        if (!chunk_ensure(start >> PW_DEPOT_CHUNK_UNITS_SHIFT))
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(&pw_depot_image->used, &used, start + units,
                                                    memory_order_acquire, memory_order_relaxed));
    return start;
}

/* Give back what units_take gave, when nobody has taken more since. */
static void units_return(uint32_t start, uint32_t units)
{
    uint32_t expected = start + units;
    atomic_compare_exchange_strong_explicit(&pw_depot_image->used, &expected, start, memory_order_release,
                                            memory_order_relaxed);
}

PW_INLINE uint32_t units_of(size_t count, size_t own)
{
    return HEAD_UNITS + (uint32_t)own + (own < count);
}

/* Where a stack's frames from a place on are: itself, or one that it has them from, which may have them from another. */
static struct pw_depot_place owner_of(struct pw_depot_place place)
{
    const struct pw_stack *stack;
    while (stack = pw_depot_stack(place.id), place.index >= stack->own)
        place = (struct pw_depot_place){.id = (uint32_t)stack->frames[stack->own],
                                        .index = place.index - stack->own + stack->skip};
    return place;
}

/* A stack that nobody knows yet; 0: no room. */
static uint32_t stack_write(const struct trace *trace)
{
    uint32_t id = units_take(units_of(trace->count, trace->own));
    if (id == 0)
        return 0;
    struct pw_stack *stack = pw_depot_stack(id);
    stack->hash = trace->hash;
    stack->count = (uint8_t)trace->count;
    stack->own = (uint8_t)trace->own;
    stack->skip = 0;
    for (size_t i = 0; i < trace->own; i++)
        stack->frames[i] = trace->frames[i];
    if (trace->own < trace->count) {
        struct pw_depot_place rest = owner_of(trace->rest);
        stack->skip = (uint8_t)rest.index;
        stack->frames[trace->own] = rest.id;
    }
    return id;
}

static void stack_forget(uint32_t id)
{
    if (id == 0)
        return;
    struct pw_stack *stack = pw_depot_stack(id);
    uint32_t units = units_of(stack->count, stack->own);
    stack->count = 0;
    units_return(id, units);
}

enum put { IS_FULL, IS_IN, NO_ROOM };

/* Put a stack into the first free slot of a line. *id is it once it is written; IS_IN: *id is found by its hash from now on. */
static enum put line_put(struct line *line, const struct trace *trace, uint32_t *id)
{
    for (size_t i = 0; i < SLOTS; i++) {
        uint64_t slot = atomic_load_explicit(&line->slots[i], memory_order_acquire);
        if (slot == 0 && *id == 0 && (*id = stack_write(trace)) == 0)
            return NO_ROOM;
        if (slot == 0 && atomic_compare_exchange_strong_explicit(
                             &line->slots[i], &slot, (uint64_t)tag_of(trace->hash) << 32 | *id, memory_order_acq_rel,
                             memory_order_acquire))
            return IS_IN;
        uint32_t known = id_if_right(slot, trace->hash, trace->count);
        if (known == 0)
            continue;
        stack_forget(*id);
        *id = known;
        return IS_IN;
    }
    return IS_FULL;
}

static PW_NOINLINE uint32_t stack_add(const struct trace *trace)
{
    uint32_t id = 0;
    enum put put = IS_FULL;
    for (size_t level = 0; level < LEVELS && put == IS_FULL; level++) {
        struct line *lines = level_ensure(level);
        put = lines == NULL ? NO_ROOM : line_put(line_of(lines, level, trace->hash), trace, &id);
    }
    if (put != IS_IN) {
        stack_forget(id);
        return 0;
    }
    atomic_store_explicit(&pw_depot_stack(id)->is_known, 1, memory_order_release);
    return id;
}

bool pw_depot_init(void)
{
    if (pw_depot_image != NULL)
        return true;
    size_t image_bytes = PW_ALIGN_UP(sizeof(struct pw_depot_image), PW_PAGE_BYTES);
    struct pw_depot_image *mapped = pw_os_map(image_bytes);
    if (mapped == NULL)
        return false;
    pw_depot_hash_powers[0] = 1;
    for (size_t i = 1; i <= PW_MAX_FRAMES; i++)
        pw_depot_hash_powers[i] = pw_depot_hash_powers[i - 1] * PW_DEPOT_HASH_BASE;
    pw_depot_image = mapped;
    (void)chunk_ensure(0); /* not touched yet: for a fork server's children to find it */
    return true;
}

uint32_t pw_depot_find(uint64_t hash, size_t count)
{
    for (size_t level = 1; level < LEVELS; level++) { /* all at once: most of them are in no cache */
        struct line *lines = atomic_load_explicit(&levels[level], memory_order_acquire);
        if (lines == NULL)
            break;
        __builtin_prefetch(line_of(lines, level, hash));
    }
    for (size_t level = 0; level < LEVELS; level++) {
        struct line *lines = atomic_load_explicit(&levels[level], memory_order_acquire);
        if (lines == NULL)
            return 0;
        const struct line *line = line_of(lines, level, hash);
        for (size_t i = 0; i < SLOTS; i++) {
            uint64_t slot = atomic_load_explicit(&line->slots[i], memory_order_acquire);
            uint32_t id = id_if_right(slot, hash, count);
            if (slot == 0 || id != 0)
                return id;
        }
    }
    return 0;
}

/* Behind the last one lie zeros, or what a thread is writing, which another may have written before and is forgotten then. */
uint32_t pw_depot_find_next(uint32_t id, uint64_t hash, size_t count)
{
    const struct pw_stack *stack = pw_depot_stack(id);
    uint32_t units = units_of(stack->count, stack->own);
    if (id % CHUNK_UNITS + units > CHUNK_UNITS - HEAD_UNITS)
        return 0;
    const struct pw_stack *next = (const struct pw_stack *)((const uint64_t *)stack + units);
    if (atomic_load_explicit(&next->is_known, memory_order_acquire) == 0 || !has_hash(next, hash, count))
        return 0;
    __builtin_prefetch(&next->frames[next->own + 1]); /* the one after it */
    return id + units;
}

bool pw_depot_place_has(struct pw_depot_place place, size_t count)
{
    return place.id != 0 && place.index + count <= pw_depot_stack(place.id)->count;
}

static uint32_t put(struct trace *trace)
{
    trace->hash = hash_frames(trace->frames, trace->count);
    return stack_add(trace);
}

uint32_t pw_depot_put(const uint64_t *frames, size_t count)
{
    if (pw_unlikely(count == 0 || pw_depot_image == NULL))
        return 0;
    if (pw_unlikely(count > PW_MAX_FRAMES))
        count = PW_MAX_FRAMES;
    return put(&(struct trace){.frames = frames, .count = count, .own = count});
}

uint32_t pw_depot_put_before(const uint64_t *frames, size_t count, size_t own, struct pw_depot_place rest)
{
    ENSURE(own > 0 && own < count && count <= PW_MAX_FRAMES && pw_depot_place_has(rest, count - own));
    return put(&(struct trace){.frames = frames, .count = count, .own = own, .rest = rest});
}

/* A part of a stack; ids may come out of damaged memory. For pw_stack_frames. */
static bool read_stack(void *context, uint32_t id, uint64_t offset, void *to, uint64_t bytes)
{
    (void)context;
    uint64_t unit = id % CHUNK_UNITS;
    if (id < FIRST_UNIT || id >= atomic_load_explicit(&pw_depot_image->used, memory_order_acquire) ||
        atomic_load_explicit(&pw_depot_image->chunks[id >> PW_DEPOT_CHUNK_UNITS_SHIFT], memory_order_acquire) == 0 ||
        unit * UNIT_BYTES + offset + bytes > CHUNK_BYTES)
        return false;
    memcpy(to, (const char *)pw_depot_stack(id) + offset, bytes);
    return true;
}

/* A stack is believed when its hash is that of its frames, which bytes that are not the start of a stack won't fulfil. */
size_t pw_depot_get(uint32_t id, uint64_t *frames, size_t max)
{
    uint64_t all[PW_MAX_FRAMES], hash;
    size_t count = pw_depot_image == NULL ? 0 : pw_stack_frames(read_stack, NULL, id, all, &hash);
    if (count == 0 || hash != hash_frames(all, count))
        return 0;
    size_t copied = count < max ? count : max;
    memcpy(frames, all, copied * sizeof *frames);
    return copied;
}

size_t pw_depot_bytes(void)
{
    if (pw_depot_image == NULL)
        return 0;
    size_t bytes = PW_ALIGN_UP(sizeof *pw_depot_image, PW_PAGE_BYTES);
    for (size_t level = 1; level < LEVELS; level++)
        if (atomic_load_explicit(&levels[level], memory_order_relaxed) != NULL)
            bytes += level_bytes(level);
    for (size_t i = 0; i < LIMIT_CHUNKS; i++)
        if (atomic_load_explicit(&pw_depot_image->chunks[i], memory_order_relaxed) != 0)
            bytes += CHUNK_BYTES;
    return bytes;
}
