/*
 * image.h - an image to look at: this process's own heap, another process, a core, a fuzzer's bytes.
 *
 * The functions over it (walk, inspect, diagnose, validate) are pure: they read through `view`,
 * bound all that they read, and write only to what they are given.
 */
#ifndef PW_IMAGE_IMAGE_H
#define PW_IMAGE_IMAGE_H

#include "image/fault.h"

/* Bytes that a view is asked for at once, at most; `scratch` is at least as large. */
#define PW_VIEW_MAX 4096u

struct pw_image {
    const struct pw_root *root; /* a copy, or the process's own */
    /*
     * `bytes` (at most PW_VIEW_MAX) at `address` of the image: a pointer to them, perhaps to a copy in
     * `scratch`; NULL: they can't be read.
     */
    const void *(*view)(void *context, uint64_t address, uint64_t bytes, void *scratch);
    /* Keep the blocks of a heap from being cut and merged, and let go; NULL where nothing runs. */
    void (*lock)(void *context, uint32_t heap);
    void (*unlock)(void *context, uint32_t heap);
    /*
     * True when a mismatch may be an operation of another thread in progress, and it is worth to look
     * again (attempt counts from 0). NULL where nothing runs.
     */
    bool (*look_again)(void *context, unsigned attempt);
    void *context;
};

/* The image of the calling process itself, without its locks: for who holds them or can't take them. */
struct pw_image pw_image_self(void);
/* Is what its view gives the bytes themselves, wherever they are? */
bool pw_image_is_in_place(const struct pw_image *image);
/*
 * `bytes` of the caller's stack for a view to copy to; NULL where nothing is copied: a process that looks at itself, which
 * each child of fork does at its end, touches no pages of its stack for that.
 */
#define PW_IMAGE_SCRATCH(image, bytes) (pw_image_is_in_place(image) ? NULL : __builtin_alloca(bytes))

/* Copy an entry of the region table, checked for sense; false: there is no such region. */
bool pw_image_region(const struct pw_image *image, uint32_t index, struct pw_region *region);
/*
 * Does somebody hold the heap's lock: are its blocks being cut or merged right now? For who looks at what
 * stands still, and may let it go on and look again. False as well when it can't be read.
 */
bool pw_image_heap_is_held(const struct pw_image *image, uint32_t heap);
/* Does it belong to anybody: to the threads, or as an instance to the program? One that does not has no blocks. */
bool pw_image_heap_is_used(const struct pw_image *image, uint32_t heap);
/* What anyone may know of a heap, perhaps a copy in `scratch`; NULL: there is no such heap, or it can't be read. */
const struct pw_heap_image *pw_image_heap(const struct pw_image *image, uint32_t heap, struct pw_heap_image *scratch);
/* The index of the region that holds `address`, or 0. */
uint32_t pw_image_find_region(const struct pw_image *image, uint64_t address);
/* The granule of the first block at or after `granule` by the bitmap of starts, or 0. */
uint32_t pw_image_next_start(const struct pw_image *image, const struct pw_region *region,
                             uint32_t granule);
/* The granule of the block that holds `granule`, or 0. */
uint32_t pw_image_find_start(const struct pw_image *image, const struct pw_region *region,
                             uint32_t granule);

/* The rule of the bitmap of starts that does not hold for the block of `size` at `granule`, or NULL. */
const char *pw_image_broken_start_rule(const struct pw_image *image, const struct pw_region *region,
                                       uint32_t granule, uint32_t size);

/* A header as read. Of slabs, size and prev are as their span has them. */
struct pw_header_copy {
    uint64_t word;
    uint32_t size;
    uint32_t prev;
    uint32_t place; /* of the block in the region's tables: its granule, or of slabs its slot */
    bool is_sealed;
    uint8_t state;
    uint8_t flags;
    uint16_t slack;
};
/* False: it can't be read, or (of slabs) no block starts there. */
bool pw_image_header(const struct pw_image *image, const struct pw_region *region, uint32_t granule,
                     struct pw_header_copy *header);

/* inspect.c ------------------------------------------------------------------------------------ */

/* The same as below for a block whose region and header are at hand; without evidence. */
void pw_inspect_header(const struct pw_image *image, const struct pw_region *region, uint32_t index,
                       uint32_t granule, const struct pw_header_copy *header,
                       struct pw_block_info *info);

/* What is known of the block that starts at (region, granule); only `known` is set where none does. */
void pw_inspect_in_region(const struct pw_image *image, const struct pw_region *region, uint32_t index,
                          uint32_t granule, struct pw_block_info *info);
void pw_inspect_block(const struct pw_image *image, uint32_t region, uint32_t granule,
                      struct pw_block_info *info);
/* The block that `address` is in; false: it is in none. */
bool pw_inspect_address(const struct pw_image *image, uint64_t address, struct pw_block_info *info);
/*
 * Of a FREE run of pages: the size that was requested when it was last a block, as long as that is kept
 * (until it is cut or handed out again). Other blocks have theirs by the functions above.
 */
void pw_inspect_freed_size(const struct pw_image *image, struct pw_block_info *info);
/*
 * Did a MAPPED block once start at `start`, the page `granule` of the region, and hold `address`? Its requested size
 * is kept, sealed with `start`, until its place in the table is another header's: false says nothing.
 */
bool pw_inspect_was_mapped(const struct pw_image *image, const struct pw_region *region, uint64_t granule,
                           uint64_t start, uint64_t address);
/* The neighbours of a block in address order; `known` is false where there is none. */
void pw_inspect_neighbours(const struct pw_image *image, const struct pw_block_info *info,
                           struct pw_block_info *before, struct pw_block_info *after);

/* diagnose.c ----------------------------------------------------------------------------------- */

/*
 * Check what lies in and behind the block at (region, granule): seal, links, red zone, tail, poison.
 * True: all is well (or it is PENDING, or changed meanwhile); else *fault is filled, but for who
 * found it.
 */
bool pw_diagnose_block(const struct pw_image *image, uint32_t region, uint32_t granule,
                       struct pw_fault *fault);
/* The same for a block whose region and header are at hand. */
bool pw_diagnose_header(const struct pw_image *image, const struct pw_region *region,
                        uint32_t index, uint32_t granule, const struct pw_header_copy *header,
                        struct pw_fault *fault);
/* The verdict on giving `address` to free or realloc when it is no LIVE block's; fills *fault. */
void pw_diagnose_free(const struct pw_image *image, uint64_t address, struct pw_fault *fault);
/* The block that an access to `address` was most likely meant for; fills block, relation, offset, neighbours. */
void pw_diagnose_address(const struct pw_image *image, uint64_t address, struct pw_fault *fault);
/*
 * The access faulted at the address on which pw_diagnose_address has given its verdict. In the first bytes of pages that are hidden
 * it may have run on from what lies before them: then the verdict is not certain, or it is the block before, if its zone is damaged.
 * And of a block that nobody had it is the block before, as far as can be told.
 */
void pw_diagnose_run(const struct pw_image *image, struct pw_fault *fault);
/*
 * Of a fault before or behind a LIVE block, on which pw_diagnose_address has given its verdict: the bytes of the
 * block's zone on that side which are damaged already, where the access ran through them, into fault->damage.
 */
void pw_diagnose_zone(const struct pw_image *image, struct pw_fault *fault);

/* validate.c ----------------------------------------------------------------------------------- */

/*
 * Where an incremental validation stands. Start with {0}. `regions` are taken in index order;
 * "address order" holds within a region.
 */
struct pw_validate_cursor {
    uint32_t region;    /* 0: the heads of the bins come first … */
    uint32_t granule;   /* … and are counted here, over all heaps */
    uint32_t only_heap; /* a heap's index + 1: nothing else is looked at; 0: all heaps */
    bool is_done;
};

/*
 * Check up to `max_blocks` blocks or `max_bytes` of content from the cursor on, holding the heap's
 * lock, and stop at the first fault: true, and *fault is filled. False: none found in this step.
 */
bool pw_validate_step(const struct pw_image *image, struct pw_validate_cursor *cursor,
                      uint64_t max_blocks, uint64_t max_bytes, struct pw_fault *fault);

/* Everything: calls `found` for every fault, with no lock held. Returns their number. */
uint64_t pw_validate_all(const struct pw_image *image,
                         void (*found)(void *context, const struct pw_fault *fault), void *context);

/* bins.c --------------------------------------------------------------------------------------- */

/* The rule that the free-list links of a FREE block break, or NULL. */
const char *pw_bins_broken_link(const struct pw_image *image, const struct pw_region *region,
                                uint32_t index, uint32_t granule, uint32_t size);
/* Heads of lists of a heap: bins of small blocks, bins of runs of pages, lists of spans. */
#define PW_HEADS_A_HEAP (PW_HEAP_NUM_BINS + PW_PAGE_BINS + PW_SLAB_CLASSES + 1)
/*
 * The first head at or after *bin of a heap whose bit or block is not as it should be: true, and
 * *fault is filled; *bin is where to go on, PW_HEADS_A_HEAP at the end.
 */
bool pw_bins_check_heads(const struct pw_image *image, uint32_t heap, uint32_t *bin,
                         struct pw_fault *fault);

/* walk.c --------------------------------------------------------------------------------------- */

/*
 * Every block in address order; `visit` is called with no lock held and may do anything. It
 * returns false to stop. Returns the number of blocks visited.
 */
uint64_t pw_image_walk(const struct pw_image *image,
                 bool (*visit)(void *context, const struct pw_block_info *block), void *context);

#endif
