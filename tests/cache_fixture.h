/* cache_fixture.h - what the tests of thread caches share. */
#ifndef PW_TESTS_CACHE_FIXTURE_H
#define PW_TESTS_CACHE_FIXTURE_H

#include "cache/cache.h"
#include "heap_fixture.h"

static struct pw_heap *const heap = &pw_heaps[0];

/* How many blocks of a class stay in its ring at fast: 512 bytes of them, at most 8. */
static inline uint32_t kept_of(uint32_t block_class)
{
    uint32_t fit = 512 / pw_class_bytes[block_class];
    return fit < 8 ? fit : 8;
}

/* Blocks of a class as a refill gets them. */
static inline uint32_t take_of(struct pw_heap *from, uint32_t block_class, uint32_t want, void **out)
{
    return pw_class_is_slab(block_class) ? pw_slab_take(from, block_class, want, out)
                                         : pw_heap_take(from, block_class, want, out);
}

/*
 * A cache over fresh heaps. Caches outlive their heaps here: each test gives back what it took, so
 * the rings that the next one opens are empty; the plan of a new level is put in by hand.
 */
static inline struct pw_cache *fresh_cache(enum pw_level level)
{
    static struct pw_thread_image thread;
    start_heaps(level);
    assert_true(pw_cache_init(level, pw_os_map));
    struct pw_cache *used = pw_cache_first();
    for (; used != NULL; used = used->next)
        for (uint32_t i = 0; i < PW_CACHE_CLASSES; i++)
            used->rings[i].keep = (uint16_t)(level == PW_LEVEL_FAST ? kept_of(i + 1) : 0);
    struct pw_cache *cache = pw_cache_open(3, &thread, heap);
    assert_non_null(cache);
    for (uint32_t i = 0; i < PW_CACHE_CLASSES; i++)
        assert_int_equal(cache->rings[i].count, 0);
    return cache;
}

static inline void push_all(struct pw_cache *cache, uint32_t block_class, void **blocks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        assert_true(pw_cache_push(cache, block_class, blocks[i]));
}

static inline uint32_t places_of(const struct pw_cache *cache, uint32_t block_class)
{
    return cache->rings[block_class - 1].mask + 1u;
}

static inline void *no_pages(size_t bytes)
{
    (void)bytes;
    return NULL;
}

#endif
