/*
 * depot.c - see depot.h
 *
 *   buckets[hash] ──id──> struct pw_stack ──next──> struct pw_stack ──next──> 0
 *
 * Stacks lie one behind the other in chunks of 4 MiB that never move and are never given back. A
 * stack is written in full before a compare-and-swap of its bucket makes it known, and never
 * changes after; so readers need no lock, and a thread that stops half-way (a signal handler, a
 * fork) blocks nobody.
 */
#include "trace/depot.h"

#include "os/memory.h"

#include <string.h>

enum {
    BUCKET_BITS = 19, /* 2 MiB, touched as it fills */
    UNIT_BYTES = 8,
    HEAD_UNITS = sizeof(struct pw_stack) / UNIT_BYTES,
    FIRST_UNIT = 1, /* id 0 is none */
    /* 1 GiB, some seven million stacks: a program that makes ever new ones must not fill its
       memory. */
    LIMIT_CHUNKS = 256,
};
#define BUCKETS ((size_t)1 << BUCKET_BITS)
#define CHUNK_BYTES ((size_t)1 << PW_DEPOT_CHUNK_SHIFT)
#define CHUNK_UNITS ((uint32_t)1 << PW_DEPOT_CHUNK_UNITS_SHIFT)

_Static_assert(LIMIT_CHUNKS <= PW_DEPOT_MAX_CHUNKS, "the image has no more");
_Static_assert((uint64_t)LIMIT_CHUNKS << PW_DEPOT_CHUNK_UNITS_SHIFT <= UINT32_MAX,
               "ids are 32 bits");
_Static_assert(HEAD_UNITS + PW_MAX_FRAMES <= CHUNK_UNITS, "every stack fits in a chunk");

struct pw_depot_image *pw_depot_chunks;
static _Atomic uint32_t *buckets;

uint64_t pw_depot_hash_powers[PW_MAX_FRAMES + 1];

static uint64_t hash_frames(const uint64_t *frames, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = count; i-- > 0;)
        sum = pw_depot_hash_add(sum, frames[i]);
    return pw_depot_hash_of(sum, 0, count);
}

PW_INLINE _Atomic uint32_t *bucket_of(uint64_t hash)
{
    return &buckets[hash >> (64 - BUCKET_BITS)];
}

/* Where id `id` lies. Only for ids that this file handed out. */
PW_INLINE struct pw_stack *stack_at(uint32_t id)
{
    uint64_t chunk = atomic_load_explicit(&pw_depot_chunks->chunks[id >> PW_DEPOT_CHUNK_UNITS_SHIFT],
                                          memory_order_relaxed);
    return (struct pw_stack *)(chunk + (uint64_t)(id % CHUNK_UNITS) * UNIT_BYTES);
}

/* With the bucket's number all 64 bits. */
PW_INLINE bool has_hash(const struct pw_stack *stack, uint64_t hash, size_t count)
{
    return stack->hash == (uint32_t)hash && stack->hash_more == (uint16_t)(hash >> 32) && stack->count == count;
}

/* Search the chain that starts at `id` and ends before `end`. */
PW_INLINE uint32_t find_in_chain(uint32_t id, uint32_t end, uint64_t hash, size_t count)
{
    while (id != end && id != 0) {
        const struct pw_stack *stack = stack_at(id);
        if (has_hash(stack, hash, count))
            return id;
        id = stack->next;
    }
    return 0;
}

/* Make sure that a chunk is mapped; two threads may try, one mapping stays. */
static bool chunk_ensure(uint32_t index)
{
    if (atomic_load_explicit(&pw_depot_chunks->chunks[index], memory_order_acquire) != 0)
        return true;
    void *mapping = pw_os_map(CHUNK_BYTES);
    if (mapping == NULL)
        return false;
    uint64_t expected = 0;
    if (!atomic_compare_exchange_strong_explicit(&pw_depot_chunks->chunks[index], &expected,
                                                 (uint64_t)mapping, memory_order_release,
                                                 memory_order_acquire))
        pw_os_unmap(mapping, CHUNK_BYTES);
    return true;
}

/*
 * Take `units` units that lie in one chunk; the id, or 0 when there is no room. They may have been another thread's,
 * which wrote to them before units_return.
 */
static uint32_t units_take(uint32_t units)
{
    uint32_t used = atomic_load_explicit(&pw_depot_chunks->used, memory_order_relaxed);
    uint32_t start;
    do {
        start = used;
        if (start % CHUNK_UNITS + units > CHUNK_UNITS)
            start = PW_ALIGN_UP(start, CHUNK_UNITS);
        if (start >= (uint32_t)LIMIT_CHUNKS * CHUNK_UNITS)
            return 0;
        /* First the memory, then the number: where there is no memory nothing is used up. */
        if (!chunk_ensure(start >> PW_DEPOT_CHUNK_UNITS_SHIFT))
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(&pw_depot_chunks->used, &used, start + units,
                                                    memory_order_acquire, memory_order_relaxed));
    return start;
}

/* Give back what units_take gave, when nobody has taken more since. */
static void units_return(uint32_t start, uint32_t units)
{
    uint32_t expected = start + units;
    atomic_compare_exchange_strong_explicit(&pw_depot_chunks->used, &expected, start, memory_order_release,
                                            memory_order_relaxed);
}

/* `head` is what the bucket held when the trace was not found behind it. */
static PW_NOINLINE uint32_t stack_add(uint32_t head, uint64_t hash, const uint64_t *frames, size_t count)
{
    _Atomic uint32_t *bucket = bucket_of(hash);
    uint32_t units = HEAD_UNITS + (uint32_t)count;
    uint32_t id = units_take(units);
    if (id == 0)
        return 0;
    struct pw_stack *stack = stack_at(id);
    stack->hash = (uint32_t)hash;
    stack->hash_more = (uint16_t)(hash >> 32);
    stack->count = (uint16_t)count;
    for (size_t i = 0; i < count; i++)
        stack->frames[i] = frames[i];
    for (;;) {
        stack->next = head;
        uint32_t searched = head;
        if (atomic_compare_exchange_strong_explicit(bucket, &head, id, memory_order_acq_rel,
                                                    memory_order_acquire))
            return id;
        /* Others came first; the same trace may be among theirs. */
        uint32_t known = find_in_chain(head, searched, hash, count);
        if (known != 0) {
            stack->count = 0;
            units_return(id, units);
            return known;
        }
    }
}

bool pw_depot_init(void)
{
    if (pw_depot_chunks != NULL)
        return true;
    size_t image_bytes = PW_ALIGN_UP(sizeof(struct pw_depot_image), PW_PAGE_BYTES);
    struct pw_depot_image *mapped = pw_os_map(image_bytes);
    if (mapped == NULL)
        return false;
    buckets = pw_os_map(BUCKETS * sizeof *buckets);
    if (buckets == NULL) {
        pw_os_unmap(mapped, image_bytes);
        return false;
    }
    pw_depot_hash_powers[0] = 1;
    for (size_t i = 1; i <= PW_MAX_FRAMES; i++)
        pw_depot_hash_powers[i] = pw_depot_hash_powers[i - 1] * PW_DEPOT_HASH_BASE;
    atomic_store_explicit(&mapped->used, FIRST_UNIT, memory_order_relaxed);
    pw_depot_chunks = mapped;
    return true;
}

struct pw_depot_image *pw_depot_image(void)
{
    return pw_depot_chunks;
}

uint32_t pw_depot_find(uint64_t hash, size_t count)
{
    if (pw_unlikely(pw_depot_chunks == NULL))
        return 0;
    return find_in_chain(atomic_load_explicit(bucket_of(hash), memory_order_acquire), 0, hash, count);
}

/* Behind the last one lie zeros, which are no trace. */
uint32_t pw_depot_find_next(uint32_t id, uint64_t hash, size_t count)
{
    const struct pw_stack *stack = stack_at(id);
    uint32_t units = HEAD_UNITS + stack->count;
    if (id % CHUNK_UNITS + units > CHUNK_UNITS - HEAD_UNITS)
        return 0;
    const struct pw_stack *next = (const struct pw_stack *)((const uint64_t *)stack + units);
    if (!has_hash(next, hash, count))
        return 0;
    __builtin_prefetch(&next->frames[count]); /* the one after it */
    return id + units;
}

uint32_t pw_depot_put(const uint64_t *frames, size_t count)
{
    if (pw_unlikely(count == 0 || pw_depot_chunks == NULL))
        return 0;
    if (pw_unlikely(count > PW_MAX_FRAMES))
        count = PW_MAX_FRAMES;
    uint64_t hash = hash_frames(frames, count);
    uint32_t head = atomic_load_explicit(bucket_of(hash), memory_order_acquire);
    uint32_t known = find_in_chain(head, 0, hash, count);
    return pw_likely(known != 0) ? known : stack_add(head, hash, frames, count);
}

/*
 * An id may come out of damaged memory. A stack is believed when it lies within what was handed out
 * and its hash is that of its frames, which bytes that are not the start of a stack won't fulfil.
 */
size_t pw_depot_get(uint32_t id, uint64_t *frames, size_t max)
{
    if (pw_depot_chunks == NULL || id < FIRST_UNIT ||
        id >= atomic_load_explicit(&pw_depot_chunks->used, memory_order_acquire))
        return 0;
    if (atomic_load_explicit(&pw_depot_chunks->chunks[id >> PW_DEPOT_CHUNK_UNITS_SHIFT],
                             memory_order_acquire) == 0)
        return 0;
    if (id % CHUNK_UNITS + HEAD_UNITS > CHUNK_UNITS)
        return 0;
    const struct pw_stack *stack = stack_at(id);
    uint32_t count = stack->count;
    if (count == 0 || count > PW_MAX_FRAMES || id % CHUNK_UNITS + HEAD_UNITS + count > CHUNK_UNITS)
        return 0;
    if (!has_hash(stack, hash_frames(stack->frames, count), count))
        return 0;
    size_t copied = count < max ? count : max;
    memcpy(frames, stack->frames, copied * sizeof *frames);
    return copied;
}

size_t pw_depot_bytes(void)
{
    if (pw_depot_chunks == NULL)
        return 0;
    size_t bytes = PW_ALIGN_UP(sizeof *pw_depot_chunks, PW_PAGE_BYTES) + BUCKETS * sizeof *buckets;
    for (size_t i = 0; i < LIMIT_CHUNKS; i++)
        if (atomic_load_explicit(&pw_depot_chunks->chunks[i], memory_order_relaxed) != 0)
            bytes += CHUNK_BYTES;
    return bytes;
}
