/*
 * heap.h - the core heap: segregated fit over regions, after the heap of PatchworkOS's C library.
 *
 * A heap is a lock, 256 bins of n * 64 bytes with a bitmap (the last one holds everything of 16 KiB
 * and more), bins of page runs for MAPPED blocks, lists of the spans of slabs (heap/slab.h), and the
 * regions that name it. There are a few of them; a thread takes from one, a block goes back to the one
 * that it came from.
 *
 * Locks: everything named here but pw_heap_init, pw_heap_alloc, pw_heap_free and the page map needs
 * the heap's lock (pw_heap_acquire), and checks it where it is cheap. With it held, nothing may
 * unwind, report, or call libc functions that lock or allocate; only the region lock may follow.
 *
 * The heap knows nothing of checks. What lies in its blocks is told to it by hooks.
 */
#ifndef PW_HEAP_HEAP_H
#define PW_HEAP_HEAP_H

#include "base/lock.h"
#include "heap/region.h"

enum { PW_RECENT_RUNS = 16, PW_SPARES = 8 };

/* Pages that a freed block left (heap/spare_pages.h). */
struct pw_spare {
    uint64_t address;
    uint64_t bytes;
};

struct pw_heap {
    struct pw_heap_image image; /* first: readers know it */
    uint32_t index;             /* once it is in use */
    uint32_t page_region_slots; /* slots that the next page region gets */
    uint64_t dirty_pages;       /* of FREE runs that are not ZEROED */
    uint64_t dirty_small_bytes; /* of FREE blocks in the bins that are not ZEROED */
    bool purges_small;          /* there were too many of these, and still are more than half as many */
    uint64_t small_purged_at_ns;
    uint64_t live_pages;        /* of MAPPED blocks that are handed out */
    uint64_t recent[PW_RECENT_RUNS]; /* runs freed last, a ring; 0: none. Some are in use again, or gone */
    uint32_t recent_at;
    uint32_t cuts; /* of blocks from longer runs */
    struct pw_spare spares[PW_SPARES]; /* the oldest first */
    uint32_t spare_count;
    uint64_t spare_bytes;
    int32_t spare_use; /* falls as lots of them are dropped, grows as they are used */
    uint64_t purged_at_ns;      /* when dirty pages were last given back */
    uint32_t spans_in_use;      /* of a size */
    uint32_t dirty_spans;       /* of no size, whose memory was used */
    uint64_t spans_purged_at_ns; /* the end of the last time */
    uint32_t spans_purged;      /* since the time before; … */
    uint32_t spans_returned;    /* … and purged ones that were used again: if many, … */
    uint32_t spans_patience;    /* … it is done that many times more seldom, as a shift */
    uint32_t pages_at;          /* the size of spans in which pages were hidden last */
    uint32_t pages_hidden;      /* inside spans, since … */
    uint32_t pages_returned;    /* … and those that were shown again: if many, … */
    uint32_t pages_patience;    /* … it is done that many times more seldom, as a shift, and … */
    uint32_t pages_skipped;     /* … so many times it was not since */
    uint64_t populate;          /* memory that the next span begins with: to be had without the lock; 0: none */
    uint64_t fresh_bytes;       /* handed out of memory that was the system's until then */
    uint64_t cleared_at;        /* the value of it when the caches were last cleared out */
    _Atomic bool has_grown;     /* since then, by so much that they should be again */
    /* Regions made so far and not given back. */
    uint32_t regions;
};

/*
 * What is written when a heap is locked, apart from it: fork locks all of them, and each page that it writes
 * is copied twice, in the parent and in the child.
 */
struct pw_heap_gate {
    struct pw_lock lock; /* first: readers know it … */
    uint32_t in_use;     /* … and this; under the region lock */
    /*
     * Signals are blocked while the lock is held, so that a handler may wait for it: who holds it is not
     * what the handler interrupted. Set once, before the first use.
     */
    bool blocks_signals;
    uint64_t signal_mask; /* of the lock's holder, to be set again; under the lock */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct pw_heap_gate) == PW_HEAP_LOCK_STRIDE, "frozen");
_Static_assert(sizeof(struct pw_heap_gate) * PW_MAX_HEAPS == PW_PAGE_BYTES, "one page");

/*
 * What the layer above does to the bytes of small blocks. Called with the heap's lock held; may
 * write the bytes named and nothing else. Any of them may be NULL.
 */
struct pw_heap_hooks {
    /* A block now ends at `end`: write its tail (PW_TAIL_BYTES before it). */
    void (*cut)(uint64_t end);
    /* No block ends at `end` any more: make the tail before it plain content. */
    void (*joined)(uint64_t end, bool is_zeroed);
    /* A block of `bytes` is about to become CACHED. */
    void (*taken)(uint64_t start, uint64_t bytes, bool is_zeroed);
    /* A block of `bytes` is made of memory that held others: make its content as if it had been freed. */
    void (*renewed)(uint64_t start, uint64_t bytes);
    /* Is a POISONED page run, which is to merge with the one before it or to lose its pages, as it was filled? */
    bool (*is_intact)(uint64_t start);
    /* Is a FREE block of a slab, whose span is to lose its size, as it was left? */
    bool (*is_untouched)(uint64_t start, uint64_t bytes, bool is_zeroed);
    /* Is the tail before `end` as `cut` wrote it? */
    bool (*has_tail)(uint64_t end);
    /* Is all of a freed block filled, but its tail? Then `renewed`, `joined`, `is_untouched` and `has_tail` are there. */
    bool fills_whole;
};

/*
 * What a heap keeps of memory that is free: what is more is given back, but only if that was not done for `purge_interval_ns`,
 * for pages that come back have their price; or if it is more than the second limit of its kind. And when caches are
 * cleared out before it wants more.
 */
struct pw_heap_limits {
    uint64_t purge_interval_ns;
    uint64_t dirty_pages;        /* of FREE runs; … */
    uint64_t overdue_pages;
    uint64_t dirty_small_bytes;  /* of FREE blocks in the bins; … */
    uint64_t overdue_small_bytes;
    uint32_t dirty_spans;        /* of no size; … */
    uint32_t overdue_spans;
    uint32_t dirty_spans_shift;  /* … or, if that is more, this share of those in use */
    bool hides_pages;            /* inside spans, when caches are cleared out; where all of a freed block is filled */
    uint64_t growth_bytes;       /* after so much new memory caches are cleared out; or, if that is more, … */
    uint32_t growth_share_shift; /* … after this share of what is in use */
};

extern struct pw_heap_limits pw_heap_limits __attribute__((visibility("hidden")));
extern struct pw_heap pw_heaps[PW_MAX_HEAPS] __attribute__((visibility("hidden")));
extern struct pw_heap_gate pw_heap_gates[PW_MAX_HEAPS] __attribute__((visibility("hidden")));
extern struct pw_heap_hooks pw_heap_hooks __attribute__((visibility("hidden")));

/* Set up the tables and `count` heaps for threads to share. False: no memory. Once, at start-up. */
bool pw_heap_init(uint32_t count, const struct pw_heap_hooks *hooks);

/*
 * Keep little of what is free: for levels where a malloc takes so long that what the system wants for a page that comes back
 * is a small part of it, and quarantine, zones and tables take much memory as it is. Once, at start-up.
 */
void pw_heap_keep_little(void);

/* Take and give the heap's lock. */
void pw_heap_acquire(struct pw_heap *heap);
bool pw_heap_is_held(const struct pw_heap *heap);
bool pw_heap_try_acquire(struct pw_heap *heap);
void pw_heap_release(struct pw_heap *heap);

/*
 * Has the heap taken so much new memory of the system that whoever keeps blocks should give them back before
 * it takes more? A few cached blocks of a size that the program is done with hold all of its spans. Once for
 * each time; without the lock.
 */
bool pw_heap_has_grown(struct pw_heap *heap);
/* Under the lock: so many bytes of new memory are handed out. */
void pw_heap_count_fresh(struct pw_heap *heap, uint64_t bytes);

/* The bin of blocks of `bytes` (a multiple of 64, at least 64): bytes / 64 - 1, at most the last. */
PW_INLINE uint32_t pw_heap_get_bin_index(uint64_t bytes)
{
    return pw_small_bin(bytes);
}

/* A block, as the heap's functions pass it. */
struct pw_block {
    struct pw_region *region; /* NULL: none */
    uint32_t granule;
};

/* A new region as one FREE, ZEROED block in the last bin; region NULL: no memory. */
struct pw_block pw_heap_block_new(struct pw_heap *heap);
/* Cut a block that is in no bin in two: the first `granules` stay, the rest goes to its bin. */
void pw_heap_block_split(struct pw_heap *heap, struct pw_block block, uint32_t granules);
/* Merge a FREE block that is in no bin with its FREE neighbours; the block that it became. */
struct pw_block pw_heap_block_merge(struct pw_heap *heap, struct pw_block block);
void pw_heap_add_to_free_list(struct pw_heap *heap, struct pw_block block);
void pw_heap_remove_from_free_list(struct pw_heap *heap, struct pw_block block);

/*
 * A refill: up to `want` CACHED blocks of `granules` (at most 256) each, their addresses into `out`.
 * Takes the lock. Fewer than `want` when they would need another region; 0: no memory.
 */
uint32_t pw_heap_take(struct pw_heap *heap, uint32_t granules, uint32_t want, void **out);
/* One CACHED block of at least `granules` that starts on a multiple of `align` (a power of two, at most 16 KiB); NULL: no memory. Takes the lock. */
void *pw_heap_take_aligned(struct pw_heap *heap, uint32_t granules, uint64_t align);
/*
 * A drain: give CACHED blocks back, each to its heap; they are merged and go to the bins.
 * Takes the locks, one after the other. The blocks' headers have been checked.
 */
void pw_heap_give(void **blocks, uint32_t count);

/* One block of `bytes` in CACHED state, small or MAPPED, as the heap that this grew out of had it; NULL: no memory. */
void *pw_heap_alloc(struct pw_heap *heap, uint64_t bytes);
/* Give back what pw_heap_alloc gave. */
void pw_heap_free(void *block);

/* The block that starts at or holds `address`; region NULL: the address is in no region. */
struct pw_block pw_heap_find(uint64_t address);

/*
 * Call `visit` for every block of every region in address order, with the lock of its heap held.
 * It may not take locks or allocate. Stops when it returns false.
 */
void pw_heap_list(bool (*visit)(void *context, struct pw_block block), void *context);

/* Give the memory of what is free back to the system (malloc_trim); bytes given back. Takes the locks. */
uint64_t pw_heap_trim(void);

/*
 * Address space is short: give regions without a block in use back, of all heaps; bytes of address space.
 * What caches hold is in use. Takes the locks.
 */
uint64_t pw_heap_give_regions_back(void);

/* A heap of its own (for instances), or NULL. */
struct pw_heap *pw_heap_open(void);
/* Give it back with all of its regions. */
void pw_heap_close(struct pw_heap *heap);

/* Take the locks of all heaps if nobody has one; true: they are held. */
bool pw_heap_try_acquire_all(void);
void pw_heap_release_all(void);
/* fork: take every lock in order, release them in the parent, reset them in the child. */
void pw_heap_before_fork(void);
void pw_heap_after_fork(bool is_child);

/* Its header; not of slabs, whose headers are a word (pw_region_word). */
PW_INLINE struct pw_header *pw_block_header(struct pw_block block)
{
    return pw_region_header(block.region, block.granule);
}

PW_INLINE uint64_t pw_block_address(struct pw_block block)
{
    return pw_region_address(block.region, block.granule);
}

/* The block's first byte: behind the start of its first page when it is right-aligned. */
PW_INLINE uint64_t pw_block_start(struct pw_block block)
{
    struct pw_fields fields = pw_region_fields(block.region, block.granule);
    return pw_region_start(block.region, block.granule, fields.flags, fields.slack);
}

PW_INLINE uint64_t pw_block_end(struct pw_block block)
{
    return pw_region_address(block.region, block.granule + pw_region_size(block.region, block.granule));
}

/* As pw_block_next and pw_block_previous: the neighbours of a slab's block in its span. */
struct pw_block pw_slab_next(struct pw_block block);
struct pw_block pw_slab_previous(struct pw_block block);

/* The block right after / before; region NULL at the ends of the region or span. */
PW_INLINE struct pw_block pw_block_next(struct pw_block block)
{
    if (block.region->shift == PW_SLAB_SHIFT)
        return pw_slab_next(block);
    uint32_t next = block.granule + pw_block_header(block)->size;
    if (next >= block.region->limit)
        return (struct pw_block){NULL, 0};
    return (struct pw_block){block.region, next};
}

PW_INLINE struct pw_block pw_block_previous(struct pw_block block)
{
    if (block.region->shift == PW_SLAB_SHIFT)
        return pw_slab_previous(block);
    uint32_t prev = atomic_load_explicit(&pw_block_header(block)->prev, memory_order_relaxed);
    if (prev == 0 || prev > block.granule - block.region->first)
        return (struct pw_block){NULL, 0};
    return (struct pw_block){block.region, block.granule - prev};
}

/* The first block of a region, and the one that follows in address order, whatever lies between; region NULL: none. */
struct pw_block pw_block_first(struct pw_region *region);
struct pw_block pw_block_after(struct pw_block block);

/* The block whose first byte is at `address`, which lies in the region. */
PW_INLINE struct pw_block pw_block_at(uint64_t entry, uint64_t address)
{
    struct pw_region *region = pw_entry_region(entry);
    return (struct pw_block){region, pw_region_granule(region, address)};
}

#endif
