/*
 * layout.h - the frozen image: the plain structures that the library leaves in memory, so that the
 * same code (walk, inspect, diagnose, validate) reads its own heap, a live process, an ELF core and
 * a fuzzer's bytes.
 *
 * Everything here is versioned (PW_IMAGE_VERSION) and its offsets are asserted below: a change of
 * meaning or place is a new version. Pointers are stored as uint64_t, for a reader may be another
 * process; what is read from outside is hostile, and every count, index and link is to be bounded.
 *
 * The picture:
 *
 *   root ── regions[] ── data:     |guard|front zone| block | block |  ...  | block |guard|
 *                    └── headers:  one struct pw_header a granule, at headers[granule of the block]
 *                    └── evidence: one struct pw_evidence a granule (stacks, thread, number)
 *                    └── starts:   one bit a granule, set where a block starts
 *
 * A granule is 256 bytes in a small region and a page in a page region (blocks above 16 KiB).
 * Blocks tile such a region without gaps from `first` to `limit`: the next of a block at granule g is
 * g + size, the previous g - prev, and both directions must agree.
 *
 * A slab region, for blocks of up to PW_SLAB_MAX_BYTES, is cut into spans of 64 KiB instead, each of
 * blocks of one size; its granule is 16 bytes. What all blocks of a span have in common is said once
 * (struct pw_span), so that a header is one word there:
 *
 *   span:      |front zone 64| block 0 | block 1 | ... | block fresh-1 | never handed out … |
 *   spans:     one struct pw_span a span
 *   headers:   one 64-bit word a block, at headers[pw_span_slot(span, index)]
 *   evidence:  one struct pw_evidence a block, at the same index
 *   free_bits: one bit a block, at span * PW_SPAN_BLOCKS + index, set where the block is FREE
 *
 * A span has as many places in the first two as it has blocks: a few spans share a page of them (struct pw_places).
 *
 *   |<------------------ size granules ------------------>|
 *   | requested bytes             | slack: the red zone   |
 *   p                             p + requested           p + size * granule
 *
 * The last PW_TAIL_BYTES of every block hold the zone pattern in every state (in page regions the
 * last data bytes before the guard page, while LIVE).
 */
#ifndef PW_IMAGE_LAYOUT_H
#define PW_IMAGE_LAYOUT_H

#include "base/base.h"

#include <stdatomic.h>

#define PW_IMAGE_VERSION 6u
#define PW_IMAGE_MAGIC "PWHEAP\n" /* 8 bytes with the NUL */
#define PW_ROOT_SYMBOL "pwheap_image_root"

#define PW_HEAP_ALIGNMENT 64u
#define PW_HEAP_HEADER_MAGIC 0xDEADBEEFu
#define PW_HEAP_NUM_BINS 256u

#define PW_GRANULE_SHIFT 8u /* of small regions */
#define PW_GRANULE_BYTES ((uint64_t)1 << PW_GRANULE_SHIFT)
#define PW_SLAB_SHIFT 4u    /* of slab regions */
#define PW_PAGE_SHIFT 12u   /* of page regions */
#define PW_PAGE_BYTES ((uint64_t)1 << PW_PAGE_SHIFT)
#define PW_HEAP_LARGE_ALLOC_THRESHOLD (4 * PW_PAGE_BYTES) /* bytes; blocks over it are MAPPED */

#define PW_SLOT_SHIFT 25u /* the page map has an entry for every 32 MiB of address space */
#define PW_SLOT_BYTES ((uint64_t)1 << PW_SLOT_SHIFT)
#define PW_ADDRESS_BITS 47u
#define PW_SLOT_COUNT ((uint64_t)1 << (PW_ADDRESS_BITS - PW_SLOT_SHIFT))

#define PW_SPAN_SHIFT 16u
#define PW_SPAN_BYTES (1u << PW_SPAN_SHIFT)
#define PW_SPAN_GRANULES (PW_SPAN_BYTES >> PW_SLAB_SHIFT)
#define PW_SPANS (1u << (PW_SLOT_SHIFT - PW_SPAN_SHIFT)) /* in a slab region; the first and the last are not used */
#define PW_SPAN_BLOCKS_SHIFT 11u
#define PW_SPAN_BLOCKS (1u << PW_SPAN_BLOCKS_SHIFT) /* more than a span can have */
#define PW_PLACES_SHIFT 6u /* a span's places in the tables are whole lots of 64, from `places` on; lot 0 is nobody's */
#define PW_PLACES_LOTS (PW_SPANS * PW_SPAN_BLOCKS >> PW_PLACES_SHIFT)
#define PW_TABLE_PLACES ((uint64_t)PW_SPANS * PW_SPAN_BLOCKS + PW_SPAN_BLOCKS) /* of any lot, and any index */
#define PW_SPAN_FRONT_BYTES 64u /* before its first block; the last 16 of them are zone */
#define PW_SLAB_MIN_BYTES 32u   /* the smallest and the largest size of a slab's blocks */
#define PW_SLAB_MAX_BYTES 5952u
#define PW_SLAB_CLASSES 128u /* at most so many sizes */

#define PW_MAX_REGIONS 8192u
#define PW_MAX_HEAPS 64u
#define PW_MAX_THREADS 65535u /* ordinals; later threads share the last */
#define PW_TAIL_BYTES 16u
#define PW_LINE_BYTES 64u /* poisoned at level fast */

enum pw_level { PW_LEVEL_OFF, PW_LEVEL_FAST, PW_LEVEL_FULL, PW_LEVEL_GUARD };

/*
 * The state byte of a header. PW_HEAP_ALLOCATED is the bit that tells that the block is (or is
 * about to be) the program's.
 */
#define PW_HEAP_ALLOCATED 0x01u
enum pw_state {
    PW_STATE_FREE = 0x02,        /* in a bin of its heap */
    PW_STATE_CACHED = 0x04,      /* in a thread's cache */
    PW_STATE_PENDING = 0x09,     /* changing hands: walkers skip its patterns */
    PW_STATE_LIVE = 0x11,        /* the program's */
    PW_STATE_QUARANTINED = 0x20, /* freed, kept out of use */
    PW_STATE_RETIRED = 0x40,     /* damaged or misused, out of service for good (halt_on_error=0) */
};

/* The flags byte of a header. */
#define PW_HEAP_MAPPED 0x01u  /* in a page region */
#define PW_HEAP_GUARDED 0x02u /* its last page is a guard */
#define PW_HEAP_ZEROED 0x04u  /* not LIVE, and all of it but the tail is zero */
#define PW_HEAP_ALIGNED 0x08u /* asked for with an alignment */
/* Page and guard regions: the block starts `slack` bytes behind the start of its first page. */
#define PW_HEAP_RIGHT 0x40u
/* Page region, not LIVE: it starts with poison (at full all of it, at fast the first 64 bytes). */
#define PW_HEAP_POISONED 0x80u
/* Slab region, FREE: pages that it lies in are hidden; its span says which. */
#define PW_HEAP_HIDDEN 0x80u
/* Page region, FREE: there are guards among its pages. */
#define PW_HEAP_MOAT 0x10u
/* Else, the family. */
#define PW_HEAP_FAMILY_SHIFT 4u
#define PW_HEAP_FAMILY_MASK 0x30u
/* PW_FAMILY_INSTANCE: of a heap instance (pwheap_heap_create). */
enum pw_family { PW_FAMILY_MALLOC, PW_FAMILY_NEW, PW_FAMILY_NEW_ARRAY, PW_FAMILY_INSTANCE };

/*
 * The header proper. `word`, from the low bits up: magic 32, state 8, flags 8, slack 16; one word,
 * so that a state change with its seal is one store, and a claim one compare-and-swap.
 * magic = PW_HEAP_HEADER_MAGIC xor seal(key, address, state, flags, slack, size): see image/seal.h.
 * slack: block size - requested size of a small block, also when it was freed since (a report tells
 * the size that was asked for); 0 of one that never was LIVE or was cut and merged; PW_SLACK_NEVER_HAD of a slab's that
 * never was LIVE, in memory that blocks of another size were in before.
 * size and prev are in granules and change under the lock of the region's heap only, and size only
 * while the block is not LIVE. prev of the first block is 0.
 *
 * A MAPPED block is at least two pages: the second header slot holds the requested size of it
 * (struct pw_extension); in a page region `slack` of LIVE blocks is unused.
 */
#define PW_SLACK_NEVER_HAD 0xffffu
struct pw_header {
    _Atomic uint64_t word;
    uint32_t size;
    _Atomic uint32_t prev;
};

struct pw_extension {
    uint64_t requested; /* bytes */
    uint64_t check;     /* seal of it */
};

/*
 * Who did what with a block. The stacks are ids of the depot (0: none), the threads ordinals of the
 * thread table, `number` counts the allocations of alloc_thread from 1. Written at full only.
 * While the block is FREE, the links of its bin take the place of threads and number
 * (struct pw_free_links); in page regions these are in the next slot (struct pw_page_links).
 */
struct pw_evidence {
    uint32_t alloc_stack;
    union {
        uint32_t free_stack;  /* of a block that was freed */
        uint32_t align_shift; /* of a LIVE one: it was asked for on a multiple of 1 << align_shift; 0: of no */
    };
    uint16_t alloc_thread;
    uint16_t free_thread;
    uint32_t number;
};

/* A small block as 32 bits: index of its region << PW_REF_GRANULE_BITS | granule; 0: none. */
#define PW_REF_GRANULE_BITS (PW_SLOT_SHIFT - PW_GRANULE_SHIFT)
struct pw_free_links {
    uint32_t alloc_stack;
    uint32_t free_stack;
    uint32_t next;
    uint32_t previous;
};

/* A run of pages as 64 bits: index of its region << 32 | page; 0: none. */
struct pw_page_links {
    uint64_t next;
    uint64_t previous;
};

/*
 * PW_REGION_GUARD: of the guard pool. Granules, headers and extensions are those of a page region;
 * each block is one to four pages and the guard behind them, its pages are hidden (fault on access)
 * unless it is LIVE, and those of a LIVE block of 0 bytes too. `limit` grows as blocks are cut; the
 * evidence is there at every level; a QUARANTINED block's second slot of evidence has in `next` the
 * run that is to be used after it (struct pw_page_links).
 */
enum pw_region_kind { PW_REGION_NONE, PW_REGION_SMALL, PW_REGION_PAGES, PW_REGION_GUARD, PW_REGION_SLABS };

/*
 * What the blocks of a span have in common. `shape`, from the low bits up: 2^32 / size rounded up 32,
 * size in bytes 16, blocks that fit 16; 0: the span is of no size, and has no blocks. The blocks
 * below `fresh` have been handed out at least once, and have a header. `check` seals shape, fresh,
 * class, flags, places and hidden with the span's address; it and all else but shape change under the heap's lock only.
 * A page that is hidden has no memory and faults on access. All blocks that lie in it are FREE, and so is the one
 * behind them, if there is one: the end of the block before is its zone. What of a block lies in other pages is as ever. Of a span of no size all
 * pages are hidden, or none.
 */
#define PW_SPAN_PAGES (PW_SPAN_BYTES >> PW_PAGE_SHIFT)
#define PW_SPAN_DIRTY 0x01u  /* its memory held other blocks before, */
#define PW_SPAN_FILLED 0x02u /* and was left filled from end to end as that of a freed block; what nobody had since still is */
struct pw_span {
    _Atomic uint64_t shape;
    uint32_t check;
    uint16_t fresh;
    uint16_t free;       /* FREE blocks */
    uint16_t slab_class; /* index of its size in pw_heap_image.spans */
    uint16_t flags;
    uint32_t next;     /* spans of the same size with room, or spans of no size: references, 0: none */
    uint32_t previous; /* 0 too where the span is in no list */
    _Atomic uint16_t places; /* the lot of 64 places in the tables that its blocks' start with */
    uint16_t hidden;         /* a bit for each of its pages */
};

/* Who has which lots of a slab region's tables; it lies right before the spans. */
struct pw_places {
    uint16_t of_span[PW_SPANS]; /* what the spans say too, for readers of one that is damaged */
    uint32_t end;               /* lots from here on were not used since the tables gave memory back */
    uint32_t reserved[15];
    uint64_t taken[PW_PLACES_LOTS / 64]; /* a bit for each lot */
};
/* A span as 32 bits: index of its region << 9 | number of the span. */
#define PW_SPAN_REF_BITS (PW_SLOT_SHIFT - PW_SPAN_SHIFT)

struct pw_region {
    uint64_t base;     /* of the data, on a slot boundary */
    uint64_t headers;  /* address of struct pw_header[granules], of slabs uint64_t[PW_TABLE_PLACES] */
    uint64_t evidence; /* address of struct pw_evidence[as many] */
    uint64_t starts;   /* address of the bitmap of block starts */
    uint64_t summary;  /* address of its summary (base/bitmap.h) */
    uint64_t mapping;  /* address and bytes of the mapping that holds the tables */
    uint64_t mapping_bytes;
    uint32_t granules; /* in the whole region, guards included */
    uint32_t first;    /* granule of the first block */
    uint32_t limit;    /* one past the last granule of the last block; of slabs: of the last span in use */
    uint32_t shift;    /* log2 of the granule in bytes */
    uint32_t heap;     /* index of the heap that it belongs to */
    _Atomic uint32_t kind; /* enum pw_region_kind; stored last when a region is made */
    uint64_t spans;        /* slab regions: address of struct pw_span[PW_SPANS]; there `starts` and … */
    uint64_t free_bits;    /* … `summary` are 0, and this is the address of the bitmap of FREE blocks */
};

/*
 * Bins of page runs: those below PW_PAGE_BINS_EXACT pages by their length, longer ones by eighths
 * of a power of two, the last holds the rest.
 */
#define PW_PAGE_BINS 256u
#define PW_PAGE_BINS_EXACT 128u
PW_INLINE uint32_t pw_page_bin(uint32_t pages)
{
    if (pages < PW_PAGE_BINS_EXACT)
        return pages;
    uint32_t log = 31u - (uint32_t)__builtin_clz(pages);
    uint32_t bin = PW_PAGE_BINS_EXACT + ((log - 7) << 3) + ((pages >> (log - 3)) & 7);
    return bin < PW_PAGE_BINS ? bin : PW_PAGE_BINS - 1;
}

/* The bin of blocks of small regions of `bytes` (a multiple of 64, at least 64): bytes / 64 - 1, at most the last. */
PW_INLINE uint32_t pw_small_bin(uint64_t bytes)
{
    uint64_t index = bytes / PW_HEAP_ALIGNMENT - 1;
    return index < PW_HEAP_NUM_BINS ? (uint32_t)index : PW_HEAP_NUM_BINS - 1;
}

#define PW_HEAP_LOCK_STRIDE 64u
/* What anyone may know of a heap; the rest follows it in heap/heap.h. */
struct pw_heap_image {
    uint64_t bin_bitmap[PW_HEAP_NUM_BINS / 64];
    uint32_t bins[PW_HEAP_NUM_BINS]; /* first block of each, as a 32-bit reference */
    uint64_t page_bitmap[PW_PAGE_BINS / 64];
    uint64_t page_bins[PW_PAGE_BINS];
    uint32_t spans[PW_SLAB_CLASSES]; /* first span with room of each size */
    uint32_t empty_spans;            /* first span of no size */
    uint32_t slab_region;            /* index of the region that new spans come from, 0: none */
    uint64_t flags;
    uint64_t reserved[3];
};

/* A thread that has used the heap; ordinals index root.threads. T0 is the first. */
struct pw_thread_image {
    uint32_t tid;
    _Atomic uint32_t alive;
    char name[16];
    uint64_t allocations; /* count so far */
    uint64_t frees;
    uint64_t reserved[2];
};

#define PW_BUILD_ID_BYTES 20u
#define PW_MODULE_PATH_BYTES 256u
#define PW_MAX_MODULES 4096u
/* A loaded object. Kept after dlclose, for stacks still name it; see trace/modules.h. */
struct pw_module {
    uint64_t start; /* addresses that it takes, from first to one past the last */
    uint64_t end;
    uint64_t bias;         /* what to subtract from an address to get the one in the file */
    uint32_t build_id_len; /* bytes, 0: none */
    uint32_t unloaded;     /* 1 after dlclose */
    uint8_t build_id[PW_BUILD_ID_BYTES];
    uint32_t reserved;
    char path[PW_MODULE_PATH_BYTES]; /* absolute */
};

/*
 * The stack depot: stack traces once each. Id i > 0 is the struct pw_stack at byte
 * (i % 2^PW_DEPOT_CHUNK_UNITS_SHIFT) * 8 of chunk i >> PW_DEPOT_CHUNK_UNITS_SHIFT.
 *
 * Stacks share their outer frames: one has its `own` innermost frames, at least one, and where that is not all
 * (own < count), behind them a word, the id of the stack whose frames from its `skip`th on are the others. That one
 * is older, so its id is less, and it may again have some from another. image/stack.c puts them together.
 */
#define PW_DEPOT_CHUNK_SHIFT 22u /* 4 MiB a chunk */
#define PW_DEPOT_CHUNK_UNITS_SHIFT (PW_DEPOT_CHUNK_SHIFT - 3u)
#define PW_DEPOT_MAX_CHUNKS 4096u
#define PW_MAX_FRAMES 64u
struct pw_stack {
    uint64_t hash; /* of all frames (trace/depot.h) */
    uint8_t count; /* frames; at most PW_MAX_FRAMES */
    uint8_t own;
    uint8_t skip;
    _Atomic uint8_t is_known; /* 1 once it is found by its hash */
    _Atomic uint32_t site; /* what the guard pool notes of it as a place that allocates: guard/policy.h */
    uint64_t frames[];     /* `own` return addresses, innermost first, and that word */
};
struct pw_depot_image {
    _Atomic uint64_t chunks[PW_DEPOT_MAX_CHUNKS]; /* addresses; 0 where there is none yet */
    _Atomic uint32_t used;                        /* units of 8 bytes handed out so far */
    uint32_t reserved;
};

/* Memory of the library itself; nothing where `end` is not above `start`. */
struct pw_own_range {
    _Atomic uint64_t start;
    _Atomic uint64_t end;
};
#define PW_MAX_OWN_RANGES 16384u

/* A block that the program told to ignore (pwheap_ignore); one that was freed since may still be here. */
struct pw_ignored {
    uint64_t address;
    uint32_t number; /* of its allocation in its thread; 0: not known at this level */
    uint32_t thread;
};
#define PW_MAX_IGNORED (1u << 20)

/* Reachable by the exported symbol PW_ROOT_SYMBOL, which is this structure itself. */
struct pw_root {
    char magic[8];
    uint32_t version;
    uint32_t bytes; /* sizeof(struct pw_root) */
    uint32_t level; /* enum pw_level */
    uint32_t pid;
    uint64_t seal_key;
    uint64_t zone_pattern; /* byte i of memory whose address is i modulo 8 */
    uint32_t zone_min_bytes;
    uint32_t zone_shift;     /* zone grows by requested >> zone_shift; 0: it does not */
    uint32_t zone_max_bytes; /* cap of it */
    uint32_t free_fill;      /* the byte of freed memory */
    uint64_t free_fill_max;  /* bytes of a freed block that are filled; fast: 64 */
    uint64_t regions;        /* address of struct pw_region[PW_MAX_REGIONS] */
    uint64_t heaps;          /* address of the heaps, heap_stride bytes apart */
    uint64_t threads;        /* address of struct pw_thread_image[PW_MAX_THREADS + 1] */
    uint64_t modules;        /* address of struct pw_module[PW_MAX_MODULES] */
    uint64_t depot;          /* address of struct pw_depot_image */
    uint64_t page_map;       /* address of uint64_t[PW_SLOT_COUNT]: see heap/page_map.h */
    _Atomic uint32_t region_count; /* indices in use are below it */
    uint32_t heap_count;
    uint32_t heap_stride;
    _Atomic uint32_t thread_count;
    _Atomic uint32_t module_count;
    uint32_t ready; /* 1 once all of the above is set */
    uint64_t own_ranges; /* address of struct pw_own_range[own_range_count]; 0: none are told */
    uint64_t own_range_count;
    uint64_t ignored; /* address of struct pw_ignored[ignored_count] */
    uint64_t ignored_count;
    uint64_t callback_context; /* what the error callback was set with: a pointer of the program's */
    uint64_t heap_locks; /* address of PW_HEAP_LOCK_STRIDE bytes a heap: two 32-bit words, not 0 while it is locked, and is in use */
    uint64_t free_fill_word; /* eight times free_fill */
    uint64_t reserved;
};

_Static_assert(sizeof(struct pw_header) == 16, "two headers' neighbours share a cache line by fours");
_Static_assert(sizeof(struct pw_extension) == sizeof(struct pw_header), "one slot");
_Static_assert(sizeof(struct pw_evidence) == 16 && sizeof(struct pw_free_links) == 16 &&
                   sizeof(struct pw_page_links) == 16,
               "each in the other's place");
_Static_assert(offsetof(struct pw_header, size) == 8 && offsetof(struct pw_header, prev) == 12, "frozen");
_Static_assert(offsetof(struct pw_free_links, next) == offsetof(struct pw_evidence, alloc_thread), "frozen");
_Static_assert(sizeof(struct pw_region) == 96 && offsetof(struct pw_region, kind) == 76 &&
                   offsetof(struct pw_region, spans) == 80,
               "frozen");
_Static_assert(sizeof(struct pw_span) == 32 && offsetof(struct pw_span, check) == 8 &&
                   offsetof(struct pw_span, next) == 20 && offsetof(struct pw_span, places) == 28 &&
                   offsetof(struct pw_span, hidden) == 30 && PW_SPAN_PAGES == 16,
               "frozen");
_Static_assert(sizeof(struct pw_places) == 3136 && offsetof(struct pw_places, taken) == 1088, "frozen");
_Static_assert(PW_PLACES_LOTS <= 1 << 16 && (PW_PLACES_LOTS & (PW_PLACES_LOTS - 1)) == 0, "any 16 bits name a lot");
_Static_assert((PW_SPAN_BYTES - PW_SPAN_FRONT_BYTES) / PW_SLAB_MIN_BYTES <= PW_SPAN_BLOCKS, "a place each");
_Static_assert(sizeof(struct pw_thread_image) == 56, "frozen");
_Static_assert(sizeof(struct pw_module) == 312 && offsetof(struct pw_module, path) == 56, "frozen");
_Static_assert(offsetof(struct pw_stack, count) == 8 && offsetof(struct pw_stack, frames) == 16, "frozen");
_Static_assert(offsetof(struct pw_root, seal_key) == 24 && offsetof(struct pw_root, regions) == 64 &&
                   offsetof(struct pw_root, region_count) == 112,
               "frozen");

#endif
