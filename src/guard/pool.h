/*
 * pool.h - where guarded blocks lie: runs of pages in regions of their own (PW_REGION_GUARD).
 *
 *   | data … | guard | data … | guard | …      a run: 1 to PW_GUARD_MAX_PAGES pages of data, and a guard
 *   ^ block            ^ block                 what is before a run is the guard of the run before it
 *
 * All pages of a region are hidden; a run's data is shown while its block is LIVE (who does so is
 * front/guarded/guarded.c; nothing here touches pages). So both sides of every block are guarded at no more
 * than a page of address space, and left- or right-aligned only says which side is exact.
 *
 * A run that is given back is kept out of use as long as the caller's limit allows: fresh ones are
 * cut, as long as there is address space; the one that was kept longest comes first else.
 *
 * Everything here is guarded by the lock of the heap that the pool belongs to.
 */
#ifndef PW_GUARD_POOL_H
#define PW_GUARD_POOL_H

#include "image/seal.h"

enum { PW_GUARD_MAX_PAGES = 4 };
_Static_assert(PW_GUARD_MAX_PAGES * PW_PAGE_BYTES == PW_HEAP_LARGE_ALLOC_THRESHOLD,
               "what is larger is MAPPED");

/* Runs of one length that are out of use, oldest first; references as in struct pw_page_links. */
struct pw_guard_queue {
    uint64_t oldest;
    uint64_t newest;
    uint32_t count;
};

struct pw_guard_pool {
    struct pw_region *region; /* that runs are cut from; NULL: none yet */
    uint32_t last_pages;      /* of the run that ends at region->limit; 0: there is none */
    uint32_t hidden;          /* granules of the region below it have been hidden */
    uint32_t region_count;    /* regions so far */
    uint32_t patience;        /* requests to pass before another region is asked for again */
    struct pw_guard_queue kept[PW_GUARD_MAX_PAGES + 1]; /* by data pages; the first is unused */
};

/* A run; region NULL: none. Its header is the caller's to write before it lets go of the lock. */
struct pw_guard_run {
    struct pw_region *region;
    uint32_t granule;
};

/* Cut a fresh run off the region; region NULL: it is used up. */
struct pw_guard_run pw_guard_pool_cut(struct pw_guard_pool *pool, uint32_t data_pages);
/* The run that was kept longest, if more than `keep` are; region NULL: no. */
struct pw_guard_run pw_guard_pool_reuse(struct pw_guard_pool *pool, uint32_t data_pages, uint32_t keep);
/* Keep a run whose pages are hidden out of use. */
void pw_guard_pool_keep(struct pw_guard_pool *pool, struct pw_guard_run run, uint32_t data_pages);
/* Cut from this region from now on: a new one, none of whose pages is hidden but its first. */
void pw_guard_pool_add(struct pw_guard_pool *pool, struct pw_region *region);
/* Pages that the next region should have: each is twice as large as the one before, within limits. */
uint64_t pw_guard_pool_next_pages(const struct pw_guard_pool *pool);

#endif
