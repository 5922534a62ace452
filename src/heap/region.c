/* region.c - see region.h */
#include "heap/region.h"

#include "base/bitmap.h"
#include "base/lock.h"
#include "os/memory.h"
#include "os/process.h"

enum {
    AREA_BYTES = 2 << 20,             /* mapped by one page of page tables */
    PAGE_MAP_USED_BYTES = 384 << 10,  /* its last, for what the kernel maps where nobody asks for a place */
    BESIDE_BYTES = 256 << 10,         /* for pw_regions_map_beside */
};

_Atomic uint64_t *pw_page_map;
PW_WRITTEN_IN_FORK static struct pw_lock region_lock;
static _Atomic(char *) beside;  /* what is left for pw_regions_map_beside: from here … */
static char *beside_end;        /* … to here */
static char *first_slab_tables; /* reserved, not used yet; NULL: none */

uint64_t pw_regions_acquire(void)
{
    uint64_t mask = pw_os_block_signals();
    pw_lock_acquire(&region_lock);
    return mask;
}

void pw_regions_release(uint64_t mask)
{
    pw_lock_release(&region_lock);
    pw_os_restore_signals(mask);
}

enum { MOST_TABLES = 4 };

/* The tables of a region, one after the other with a guard page around each. */
struct table_plan {
    uint64_t count;
    uint64_t bytes[MOST_TABLES];  /* of each */
    uint64_t offset[MOST_TABLES]; /* of each in the mapping */
    uint64_t total;               /* bytes of the mapping */
};

static void add_table(struct table_plan *plan, uint64_t bytes)
{
    if (plan->count == 0)
        plan->total = PW_PAGE_BYTES;
    plan->offset[plan->count] = plan->total;
    plan->bytes[plan->count++] = PW_ALIGN_UP(bytes, PW_PAGE_BYTES);
    plan->total += PW_ALIGN_UP(bytes, PW_PAGE_BYTES) + PW_PAGE_BYTES;
}

/* Make the tables of a plan usable in a mapping for them, which is reserved if it is not there; NULL: no memory. */
static char *map_plan(struct pw_region *region, const struct table_plan *plan, char *mapping)
{
    if (mapping == NULL)
        mapping = pw_os_reserve(plan->total);
    bool is_whole = mapping != NULL;
    for (uint64_t i = 0; is_whole && i < plan->count; i++)
        is_whole = pw_os_commit(mapping + plan->offset[i], plan->bytes[i]);
    if (!is_whole && mapping != NULL)
        pw_os_unmap(mapping, plan->total);
    if (!is_whole)
        return NULL;
    region->mapping = (uint64_t)mapping;
    region->mapping_bytes = plan->total;
    return mapping;
}

/* Headers, evidence, and the bitmap of starts with its summary. */
static bool map_granule_tables(struct pw_region *region, uint64_t granules)
{
    struct table_plan plan = {.count = 0};
    uint64_t words = PW_BITMAP_WORDS(granules);
    add_table(&plan, granules * sizeof(struct pw_header));
    add_table(&plan, granules * sizeof(struct pw_evidence));
    add_table(&plan, words * 8 + PW_BITMAP_WORDS(words) * 8);
    char *mapping = map_plan(region, &plan, NULL);
    if (mapping == NULL)
        return false;
    region->headers = (uint64_t)(mapping + plan.offset[0]);
    region->evidence = (uint64_t)(mapping + plan.offset[1]);
    region->starts = (uint64_t)(mapping + plan.offset[2]);
    region->summary = region->starts + words * 8;
    region->spans = region->free_bits = 0;
    return true;
}

/* The bitmap of FREE blocks, places and spans, headers, and evidence: what is used of the first three lies close together. */
static struct table_plan slab_tables_plan(void)
{
    struct table_plan plan = {.count = 0};
    add_table(&plan, (uint64_t)PW_SPANS * PW_SPAN_BLOCKS / 8);
    add_table(&plan, PW_SPANS_TABLE_BYTES);
    add_table(&plan, PW_TABLE_PLACES * sizeof(uint64_t));
    add_table(&plan, PW_TABLE_PLACES * sizeof(struct pw_evidence));
    return plan;
}

static bool map_slab_tables(struct pw_region *region)
{
    struct table_plan plan = slab_tables_plan();
    char *mapping = map_plan(region, &plan, first_slab_tables);
    first_slab_tables = NULL;
    if (mapping == NULL)
        return false;
    region->free_bits = (uint64_t)(mapping + plan.offset[0]);
    region->spans = (uint64_t)(mapping + plan.offset[1] + sizeof(struct pw_places));
    region->headers = (uint64_t)(mapping + plan.offset[2]);
    region->evidence = (uint64_t)(mapping + plan.offset[3]);
    region->starts = region->summary = 0;
    ENSURE(region->headers - region->spans == PW_SPANS_BEFORE_HEADERS);
    ENSURE(region->evidence - region->headers == PW_HEADERS_BEFORE_EVIDENCE);
    return true;
}

static bool map_tables(struct pw_region *region, enum pw_region_kind kind, uint64_t granules)
{
    return kind == PW_REGION_SLABS ? map_slab_tables(region) : map_granule_tables(region, granules);
}

/* What was reserved for the sake of alignment: each mapping costs a fork. */
static void give_back(char *from, char *to)
{
    if (from < to)
        pw_os_unmap(from, (size_t)(to - from));
}

/*
 * A fork copies each page of page tables that maps a page which was touched, at 2 us each. So what every process
 * touches lies in one area that such a page maps, as far as it can:
 *
 *   page map │ table of regions │ what is mapped beside them │ guard │ tables of the first slab region
 *
 * Of the page map the last part is used, of the others the first.
 */
static bool map_shared(uint64_t slab_tables_bytes)
{
    uint64_t page_map_bytes = PW_SLOT_COUNT * sizeof(uint64_t);
    uint64_t table_bytes = PW_ALIGN_UP(PW_MAX_REGIONS * sizeof(struct pw_region), (uint64_t)PW_PAGE_BYTES);
    uint64_t used_bytes = page_map_bytes + table_bytes + BESIDE_BYTES;
    uint64_t total = AREA_BYTES + used_bytes + slab_tables_bytes;
    char *mapping = pw_os_reserve(total);
    if (mapping == NULL)
        return false;
    uint64_t unused_bytes = page_map_bytes - PAGE_MAP_USED_BYTES;
    char *start = (char *)PW_ALIGN_UP((uint64_t)mapping + unused_bytes, (uint64_t)AREA_BYTES) - unused_bytes;
    if (!pw_os_commit(start, used_bytes)) {
        pw_os_unmap(mapping, total);
        return false;
    }
    pw_page_map = (_Atomic uint64_t *)start;
    pw_root.page_map = (uint64_t)start;
    pw_root.regions = (uint64_t)(start + page_map_bytes);
    beside_end = start + used_bytes;
    atomic_store_explicit(&beside, beside_end - BESIDE_BYTES, memory_order_relaxed);
    pw_os_disown(mapping);
    give_back(mapping, start);
    give_back(beside_end + slab_tables_bytes, mapping + total);
    pw_os_own(start, used_bytes);
    first_slab_tables = slab_tables_bytes == 0 ? NULL : beside_end;
    if (first_slab_tables != NULL)
        pw_os_own(beside_end, slab_tables_bytes); /* a mapping of its own from now on: it can go with its region */
    return true;
}

bool pw_regions_init(void)
{
    return map_shared(slab_tables_plan().total) || map_shared(0);
}

void *pw_regions_map_beside(size_t bytes)
{
    bytes = PW_ALIGN_UP(bytes, (size_t)PW_PAGE_BYTES);
    char *start = atomic_load_explicit(&beside, memory_order_relaxed);
    do {
        if (bytes > (size_t)(beside_end - start))
            return pw_os_map(bytes);
    } while (!atomic_compare_exchange_weak_explicit(&beside, &start, start + bytes, memory_order_relaxed,
                                                    memory_order_relaxed));
    return start;
}

/* An unused entry of the table of regions, or NULL. Index 0 is never used: references to it mean none. */
static struct pw_region *claim_entry_locked(void)
{
    uint32_t count = atomic_load_explicit(&pw_root.region_count, memory_order_relaxed);
    for (uint32_t index = 1; index < count; index++)
        if (pw_region_at(index)->base == 0)
            return pw_region_at(index);
    uint32_t index = count == 0 ? 1 : count;
    return index < PW_MAX_REGIONS ? pw_region_at(index) : NULL;
}

static void publish_locked(struct pw_region *region, enum pw_region_kind kind)
{
    uint64_t slots = ((uint64_t)region->granules << region->shift) >> PW_SLOT_SHIFT;
    uint64_t first_slot = region->base >> PW_SLOT_SHIFT;
    uint64_t slot_headers = (PW_SLOT_BYTES >> region->shift) * sizeof(struct pw_header);
    for (uint64_t slot = 0; slot < slots; slot++) {
        uint64_t entry = (uint64_t)pw_region_index(region) << PW_ENTRY_REGION_SHIFT |
                         (region->headers + slot * slot_headers) | pw_entry_low(region->heap, region->shift);
        atomic_store_explicit(&pw_page_map[first_slot + slot], entry, memory_order_release);
    }
    if (pw_region_index(region) >= pw_root.region_count)
        atomic_store_explicit(&pw_root.region_count, pw_region_index(region) + 1, memory_order_release);
    atomic_store_explicit(&region->kind, kind, memory_order_release);
}

void pw_region_guard_end(struct pw_region *region)
{
    uint64_t bytes = (uint64_t)region->granules << region->shift;
    (void)pw_os_guard((void *)(region->base + bytes - PW_PAGE_BYTES), PW_PAGE_BYTES);
}

/*
 * Make the region's first and last page guards; the granule after the first guard is the front zone.
 * Slabs leave the whole spans alone that these are in, and start with one span in use. Of them and of regions of guarded
 * blocks the last page is none yet, for fork would copy a page of page tables for it.
 */
static void guard_ends(struct pw_region *region, enum pw_region_kind kind)
{
    uint32_t guard = (uint32_t)(PW_PAGE_BYTES >> region->shift);
    (void)pw_os_guard((void *)region->base, PW_PAGE_BYTES);
    if (kind != PW_REGION_SLABS && kind != PW_REGION_GUARD)
        pw_region_guard_end(region);
    region->first = region->shift == PW_PAGE_SHIFT ? guard : guard + 1;
    region->limit = region->granules - guard;
    if (kind == PW_REGION_SLABS) {
        region->first = pw_span_first(1);
        region->limit = 2 * PW_SPAN_GRANULES;
    }
}

/*
 * Slabs fill up from the front, and freed blocks wait all over them: that is much to ask of a TLB. Small heaps stay in
 * small pages, so that a page which is hardly used is never a large part of a heap; until they have grown so far all of the
 * region is one mapping, for a fork copies each.
 */
void pw_region_prefer_huge_pages(struct pw_region *region)
{
    (void)pw_os_prefer_huge_pages((void *)(region->base + PW_SMALL_PAGES_BYTES), PW_SLOT_BYTES - PW_SMALL_PAGES_BYTES);
}

struct pw_region *pw_region_create(uint32_t heap, enum pw_region_kind kind, uint64_t granules,
                                   uint32_t shift)
{
    uint64_t bytes = granules << shift;
    ENSURE(bytes % PW_SLOT_BYTES == 0 && granules <= UINT32_MAX);
    void *base = pw_os_map_aligned(bytes, PW_SLOT_BYTES);
    if (base == NULL)
        return NULL;
    uint64_t mask = pw_regions_acquire();
    struct pw_region *region = claim_entry_locked();
    if (region == NULL || (uint64_t)base + bytes > (uint64_t)1 << PW_ADDRESS_BITS ||
        !map_tables(region, kind, granules)) {
        pw_regions_release(mask);
        pw_os_unmap(base, bytes);
        return NULL;
    }
    region->base = (uint64_t)base;
    region->granules = (uint32_t)granules;
    region->shift = shift;
    region->heap = heap;
    guard_ends(region, kind);
    publish_locked(region, kind);
    pw_regions_release(mask);
    return region;
}

void pw_region_destroy(struct pw_region *region)
{
    uint64_t bytes = (uint64_t)region->granules << region->shift;
    uint64_t mask = pw_regions_acquire();
    atomic_store_explicit(&region->kind, PW_REGION_NONE, memory_order_release);
    uint64_t first_slot = region->base >> PW_SLOT_SHIFT;
    for (uint64_t slot = 0; slot < bytes >> PW_SLOT_SHIFT; slot++)
        atomic_store_explicit(&pw_page_map[first_slot + slot], 0, memory_order_release);
    pw_os_unmap((void *)region->mapping, region->mapping_bytes);
    pw_os_unmap((void *)region->base, bytes);
    region->base = 0;
    pw_regions_release(mask);
}

void pw_region_mark_start(struct pw_region *region, uint32_t granule)
{
    pw_bit2_set((uint64_t *)region->starts, (uint64_t *)region->summary, granule);
}

void pw_region_clear_start(struct pw_region *region, uint32_t granule)
{
    pw_bit2_clear((uint64_t *)region->starts, (uint64_t *)region->summary, granule);
    atomic_store_explicit(&pw_region_header(region, granule)->word, 0, memory_order_release);
}

/* Of slabs: a block that was handed out at least once has a header. */
static uint32_t find_slab_start(const struct pw_region *region, uint32_t granule)
{
    uint64_t shape = pw_region_shape(region, granule);
    uint32_t span = pw_span_of(granule);
    if (shape == 0 || granule < pw_span_first(span))
        return 0;
    uint32_t index = pw_granule_index(shape, granule);
    if (index >= pw_shape_count(shape))
        return 0;
    uint32_t start = pw_span_granule(span, shape, index);
    return atomic_load_explicit(pw_region_word(region, start), memory_order_relaxed) == 0 ? 0 : start;
}

uint32_t pw_region_find_start(const struct pw_region *region, uint32_t granule)
{
    if (region->shift == PW_SLAB_SHIFT)
        return find_slab_start(region, granule);
    size_t found = pw_bit2_previous((const uint64_t *)region->starts,
                                    (const uint64_t *)region->summary, granule);
    return found == PW_BITMAP_NONE ? 0 : (uint32_t)found;
}
