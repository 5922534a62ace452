/* sites_sum.c - see sites.h */
#include "sites.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 256 };

unsigned size_class_of(uint64_t size)
{
    unsigned log = size <= 16 ? 0 : 64 - (unsigned)__builtin_clzll(size - 1) - 4;
    return log < SIZE_CLASSES ? log : SIZE_CLASSES - 1;
}

static uint32_t index_of(struct sites *sites, uint32_t stack)
{
    if (stack == sites->last_stack && sites->count > 0) /* blocks of one site often lie together */
        return sites->last;
    sites->last = numbers_take(&sites->numbers, stack);
    sites->last_stack = stack;
    return sites->last;
}

void sites_add(struct sites *sites, uint32_t stack, uint64_t blocks, uint64_t bytes)
{
    if (blocks == 0)
        return;
    uint32_t index = index_of(sites, stack);
    if (index == sites->capacity) {
        sites->capacity = sites->capacity * 2 + FIRST_CAPACITY;
        sites->table = heapdump_grow(sites->table, sites->capacity, sizeof *sites->table);
    }
    if (index == sites->count)
        sites->table[sites->count++] = (struct site){.stack = stack};
    sites->table[index].blocks += blocks;
    sites->table[index].bytes += bytes;
    sites->blocks += blocks;
    sites->bytes += bytes;
}

void sites_free(struct sites *sites)
{
    numbers_free(&sites->numbers);
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
    numbers_free(&sites->numbers);
    if (sites->count > 1)
        qsort(sites->table, sites->count, sizeof *sites->table, by_blocks ? compare_blocks : compare_bytes);
}
