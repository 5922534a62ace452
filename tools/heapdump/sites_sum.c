/* sites_sum.c - see sites.h */
#include "sites.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 };

unsigned size_class_of(uint64_t size)
{
    unsigned log = size <= 16 ? 0 : 64 - (unsigned)__builtin_clzll(size - 1) - 4;
    return log < SIZE_CLASSES ? log : SIZE_CLASSES - 1;
}

static size_t slot_of(const struct sites *sites, uint32_t stack)
{
    size_t slot = (stack * 0x9E3779B1u >> 4) & (sites->capacity - 1);
    while (sites->table[slot].blocks != 0 && sites->table[slot].stack != stack)
        slot = (slot + 1) & (sites->capacity - 1);
    return slot;
}

static void grow(struct sites *sites)
{
    struct site *old = sites->table;
    size_t old_capacity = sites->capacity;
    sites->capacity = old_capacity == 0 ? FIRST_CAPACITY : old_capacity * 2;
    sites->table = heapdump_grow(NULL, sites->capacity, sizeof *sites->table);
    memset(sites->table, 0, sites->capacity * sizeof *sites->table);
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].blocks != 0)
            sites->table[slot_of(sites, old[i].stack)] = old[i];
    free(old);
}

void sites_add(struct sites *sites, uint32_t stack, uint64_t blocks, uint64_t bytes)
{
    if (blocks == 0)
        return;
    if (sites->count >= sites->capacity / 2)
        grow(sites);
    struct site *site = &sites->table[slot_of(sites, stack)];
    sites->count += site->blocks == 0;
    site->stack = stack;
    site->blocks += blocks;
    site->bytes += bytes;
    sites->blocks += blocks;
    sites->bytes += bytes;
}

const struct site *sites_find(const struct sites *sites, uint32_t stack)
{
    if (sites->capacity == 0)
        return NULL;
    const struct site *site = &sites->table[slot_of(sites, stack)];
    return site->blocks != 0 ? site : NULL;
}

void sites_free(struct sites *sites)
{
    free(sites->table);
    *sites = (struct sites){0};
}

static int compare_bytes(const void *left, const void *right)
{
    const struct site *a = left, *b = right;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? 1 : -1;
    return (a->stack > b->stack) - (a->stack < b->stack);
}

static int compare_blocks(const void *left, const void *right)
{
    const struct site *a = left, *b = right;
    if (a->blocks != b->blocks)
        return a->blocks < b->blocks ? 1 : -1;
    return compare_bytes(left, right);
}

void sites_sort(struct sites *sites, bool by_blocks)
{
    size_t kept = 0;
    for (size_t i = 0; i < sites->capacity; i++)
        if (sites->table[i].blocks != 0)
            sites->table[kept++] = sites->table[i];
    if (kept > 1)
        qsort(sites->table, kept, sizeof *sites->table, by_blocks ? compare_blocks : compare_bytes);
}
