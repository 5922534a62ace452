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

static struct pw_depot_image *image;
static _Atomic uint32_t *buckets;

/* Two frames at a time; the compiler's vectors, unaligned. */
typedef uint64_t pair __attribute__((vector_size(16), aligned(8), may_alias));

#define HASH_KEY 0x9E3779B97F4A7C15u
#define HASH_STEP 0xC2B2AE3D27D4EB4Fu

/*
 * After UMAC's NH (Black, Halevi, Krawczyk, Krovetz, Rogaway: "UMAC", 1999): a sum of products of
 * pairs, each with keys of its own. The products don't wait for each other.
 */
PW_INLINE uint32_t hash_frames(const uint64_t *frames, size_t count)
{
    uint64_t low = count;
    uint64_t high = 0;
    uint64_t key = HASH_KEY;
    size_t i = 0;
    for (; i + 2 <= count; i += 2) {
        unsigned __int128 product = (unsigned __int128)(frames[i] ^ key) *
                                    (frames[i + 1] + HASH_STEP + key);
        low += (uint64_t)product;
        high += (uint64_t)(product >> 64);
        key += HASH_STEP;
    }
    if (i < count)
        low += (frames[i] ^ key) * HASH_STEP;
    return (uint32_t)((((low ^ high) * HASH_KEY) ^ low) >> 32);
}

/* Where id `id` lies. Only for ids that this file handed out. */
PW_INLINE struct pw_stack *stack_at(uint32_t id)
{
    uint64_t chunk = atomic_load_explicit(&image->chunks[id >> PW_DEPOT_CHUNK_UNITS_SHIFT],
                                          memory_order_relaxed);
    return (struct pw_stack *)(chunk + (uint64_t)(id % CHUNK_UNITS) * UNIT_BYTES);
}

PW_INLINE bool frames_are_equal(const uint64_t *a, const uint64_t *b, size_t count)
{
    pair difference = {0, 0};
    size_t i = 0;
    for (; i + 2 <= count; i += 2)
        difference |= *(const pair *)&a[i] ^ *(const pair *)&b[i];
    uint64_t rest = i < count ? a[i] ^ b[i] : 0;
    return (rest | difference[0] | difference[1]) == 0;
}

/* Search the chain that starts at `id` and ends before `end`. */
PW_INLINE uint32_t find_in_chain(uint32_t id, uint32_t end, uint32_t hash, const uint64_t *frames,
                                 size_t count)
{
    while (id != end && id != 0) {
        const struct pw_stack *stack = stack_at(id);
        if (stack->hash == hash && stack->count == count &&
            frames_are_equal(stack->frames, frames, count))
            return id;
        id = stack->next;
    }
    return 0;
}

/* Make sure that a chunk is mapped; two threads may try, one mapping stays. */
static bool chunk_ensure(uint32_t index)
{
    if (atomic_load_explicit(&image->chunks[index], memory_order_acquire) != 0)
        return true;
    void *mapping = pw_os_map(CHUNK_BYTES);
    if (mapping == NULL)
        return false;
    uint64_t expected = 0;
    if (!atomic_compare_exchange_strong_explicit(&image->chunks[index], &expected,
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
    uint32_t used = atomic_load_explicit(&image->used, memory_order_relaxed);
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
    } while (!atomic_compare_exchange_weak_explicit(&image->used, &used, start + units,
                                                    memory_order_acquire, memory_order_relaxed));
    return start;
}

/* Give back what units_take gave, when nobody has taken more since. */
static void units_return(uint32_t start, uint32_t units)
{
    uint32_t expected = start + units;
    atomic_compare_exchange_strong_explicit(&image->used, &expected, start, memory_order_release,
                                            memory_order_relaxed);
}

/* `head` is what the bucket held when the trace was not found behind it. */
static PW_NOINLINE uint32_t stack_add(_Atomic uint32_t *bucket, uint32_t head, uint32_t hash,
                                      const uint64_t *frames, size_t count)
{
    uint32_t units = HEAD_UNITS + (uint32_t)count;
    uint32_t id = units_take(units);
    if (id == 0)
        return 0;
    struct pw_stack *stack = stack_at(id);
    stack->hash = hash;
    stack->count = (uint32_t)count;
    for (size_t i = 0; i < count; i++)
        stack->frames[i] = frames[i];
    for (;;) {
        stack->next = head;
        uint32_t searched = head;
        if (atomic_compare_exchange_strong_explicit(bucket, &head, id, memory_order_acq_rel,
                                                    memory_order_acquire))
            return id;
        /* Others came first; the same trace may be among theirs. */
        uint32_t known = find_in_chain(head, searched, hash, frames, count);
        if (known != 0) {
            stack->count = 0;
            units_return(id, units);
            return known;
        }
    }
}

bool pw_depot_init(void)
{
    if (image != NULL)
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
    atomic_store_explicit(&mapped->used, FIRST_UNIT, memory_order_relaxed);
    image = mapped;
    return true;
}

struct pw_depot_image *pw_depot_image(void)
{
    return image;
}

uint32_t pw_depot_put(const uint64_t *frames, size_t count)
{
    if (pw_unlikely(count == 0 || image == NULL))
        return 0;
    if (pw_unlikely(count > PW_MAX_FRAMES))
        count = PW_MAX_FRAMES;
    uint32_t hash = hash_frames(frames, count);
    _Atomic uint32_t *bucket = &buckets[hash >> (32 - BUCKET_BITS)];
    uint32_t head = atomic_load_explicit(bucket, memory_order_acquire);
    uint32_t known = find_in_chain(head, 0, hash, frames, count);
    if (pw_likely(known != 0))
        return known;
    return stack_add(bucket, head, hash, frames, count);
}

_Atomic uint32_t *pw_depot_site(uint32_t id)
{
    return id == 0 || image == NULL ? NULL : &stack_at(id)->site;
}

/*
 * An id may come out of damaged memory. A stack is believed when it lies within what was handed out
 * and its hash is that of its frames, which bytes that are not the start of a stack won't fulfil.
 */
size_t pw_depot_get(uint32_t id, uint64_t *frames, size_t max)
{
    if (image == NULL || id < FIRST_UNIT ||
        id >= atomic_load_explicit(&image->used, memory_order_acquire))
        return 0;
    if (atomic_load_explicit(&image->chunks[id >> PW_DEPOT_CHUNK_UNITS_SHIFT],
                             memory_order_acquire) == 0)
        return 0;
    if (id % CHUNK_UNITS + HEAD_UNITS > CHUNK_UNITS)
        return 0;
    const struct pw_stack *stack = stack_at(id);
    uint32_t count = stack->count;
    if (count == 0 || count > PW_MAX_FRAMES || id % CHUNK_UNITS + HEAD_UNITS + count > CHUNK_UNITS)
        return 0;
    if (stack->hash != hash_frames(stack->frames, count))
        return 0;
    size_t copied = count < max ? count : max;
    memcpy(frames, stack->frames, copied * sizeof *frames);
    return copied;
}

size_t pw_depot_bytes(void)
{
    if (image == NULL)
        return 0;
    size_t bytes = PW_ALIGN_UP(sizeof *image, PW_PAGE_BYTES) + BUCKETS * sizeof *buckets;
    for (size_t i = 0; i < LIMIT_CHUNKS; i++)
        if (atomic_load_explicit(&image->chunks[i], memory_order_relaxed) != 0)
            bytes += CHUNK_BYTES;
    return bytes;
}
