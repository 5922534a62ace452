/* sites.c - see sites.h */
#include "image/sites.h"

static bool is_at(const struct pw_site *site, uint32_t kind, uint32_t stack, uint64_t size)
{
    return site->kind == kind && site->stack == stack && site->size == size;
}

static uint32_t hash(uint32_t kind, uint32_t stack, uint64_t size)
{
    uint64_t mixed = ((uint64_t)kind << 32 | stack) * 0x9E3779B97F4A7C15u ^ size * 0xD6E8FEB86659FD93u;
    return (uint32_t)((mixed * 0x9E3779B97F4A7C15u) >> 32);
}

/* Its place, perhaps empty; NULL: there is no room. */
static struct pw_site *find(struct pw_sites *sites, uint32_t kind, uint32_t stack, uint64_t size)
{
    uint32_t mask = sites->capacity - 1;
    for (uint32_t i = hash(kind, stack, size) & mask;; i = (i + 1) & mask) {
        struct pw_site *site = &sites->all[i];
        if (site->blocks == 0)
            return sites->count < sites->capacity - sites->capacity / 4 ? site : NULL;
        if (is_at(site, kind, stack, size))
            return site;
    }
}

/* A table is large, few sites are the rule, and what was never touched of it is no memory yet. */
static uint32_t part_places(const struct pw_sites *sites)
{
    enum { PARTS = 64 };
    return sites->capacity < PARTS ? 1 : sites->capacity / PARTS;
}

void pw_sites_add(struct pw_sites *sites, uint32_t kind, uint32_t stack, uint64_t address, uint64_t size)
{
    uint64_t key = stack == 0 ? size : 0;
    struct pw_site *site = find(sites, kind, stack, key);
    if (site == NULL) {
        sites->rest_blocks++;
        sites->rest_bytes += size;
        return;
    }
    if (site->blocks == 0) {
        *site = (struct pw_site){.stack = stack, .kind = kind, .size = key, .first = address};
        sites->count++;
        sites->touched |= (uint64_t)1 << (uint32_t)(site - sites->all) / part_places(sites);
    }
    site->blocks++;
    site->bytes += size;
}

/* Is `a` to stand behind `b`? No two are equal: their first blocks are not. */
static bool is_behind(const struct pw_site *a, const struct pw_site *b)
{
    if (a->kind != b->kind)
        return a->kind > b->kind;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes;
    return a->first > b->first;
}

static void sift_down(struct pw_site *all, uint32_t from, uint32_t count)
{
    for (uint32_t child; (child = 2 * from + 1) < count; from = child) {
        if (child + 1 < count && is_behind(&all[child + 1], &all[child]))
            child++;
        if (!is_behind(&all[child], &all[from]))
            return;
        struct pw_site held = all[from];
        all[from] = all[child];
        all[child] = held;
    }
}

/* The sites of a part of the table become all[count …); returns how many there are then. */
static uint32_t move_down(struct pw_sites *sites, uint32_t part, uint32_t count)
{
    uint32_t places = part_places(sites);
    for (uint32_t i = part * places; i < (part + 1) * places; i++)
        if (sites->all[i].blocks != 0)
            sites->all[count++] = sites->all[i];
    return count;
}

void pw_sites_sort(struct pw_sites *sites)
{
    uint32_t count = 0;
    for (uint64_t left = sites->touched; left != 0; left &= left - 1)
        count = move_down(sites, (uint32_t)__builtin_ctzll(left), count);
    for (uint32_t i = count / 2; i-- > 0;)
        sift_down(sites->all, i, count);
    for (uint32_t end = count; end > 1;) {
        struct pw_site held = sites->all[0];
        sites->all[0] = sites->all[--end];
        sites->all[end] = held;
        sift_down(sites->all, 0, end);
    }
}
