/* mapped_fixture.h - what the tests of blocks on pages of their own share. */
#ifndef PW_TESTS_MAPPED_FIXTURE_H
#define PW_TESTS_MAPPED_FIXTURE_H

#include "heap_fixture.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

static struct pw_heap *const heap = &pw_heaps[0];

static inline void *map(uint64_t bytes)
{
    return pw_heap_map_memory(heap, bytes, PW_PAGE_BYTES);
}

/* The caller writes to the block: it is not known to be zero any more. */
static inline void use(void *address)
{
    set_state(address, PW_STATE_CACHED, fields_of(address).flags & ~PW_HEAP_ZEROED, 0);
}

static inline void unmap(void *address)
{
    use(address);
    pw_heap_unmap_memory(address);
}

static inline uint32_t pages_of(const void *address)
{
    return header_of(address)->size;
}

/* How many blocks and runs a region has. */
static inline bool count_blocks(void *context, struct pw_block block)
{
    (void)block;
    ++*(uint64_t *)context;
    return true;
}

static inline uint64_t block_count(void)
{
    uint64_t count = 0;
    pw_heap_list(count_blocks, &count);
    return count;
}

/* A block of level fast is freed: poisoned, and in its bin. */
static inline void free_at_fast(char *block)
{
    pw_poison_line((uint64_t)block, PW_PAGE_BYTES);
    set_state(block, PW_STATE_CACHED, (fields_of(block).flags & ~PW_HEAP_ZEROED) | PW_HEAP_POISONED, 0);
    pw_heap_unmap_memory(block);
}

#endif
