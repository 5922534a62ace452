/*
 * target_root.c - find the library's root in a target, and check that it is one.
 *
 * By its symbol: in the dynamic symbols in memory (the library preloaded, perhaps deleted since), in the
 * symbol tables of the files (linked in, static), and where a static program was stripped of it, by its
 * magic in the programs' data. A program may have two, preloaded and linked: the one that is ready counts.
 */
#include "target_elf.h"

#include "message.h"

#include <string.h>

static const uint64_t most_scanned_bytes = (uint64_t)64 << 20; /* of one segment */

enum { BLANK_SAMPLES = 64 };

enum verdict { ROOT_NONE, ROOT_DAMAGED, ROOT_OTHER_VERSION, ROOT_NOT_READY, ROOT_FOUND };

struct search {
    struct target *target;
    enum verdict best;
    uint32_t version; /* of the root that is of another version */
};

/* What is true of every root that the library made, whatever happened to the heap since. */
static enum verdict judge(const struct pw_root *root)
{
    if (memcmp(root->magic, PW_IMAGE_MAGIC, sizeof root->magic) != 0)
        return ROOT_NONE;
    if (root->version != PW_IMAGE_VERSION || root->bytes != sizeof *root)
        return ROOT_OTHER_VERSION;
    if (root->ready != 1)
        return ROOT_NOT_READY;
    bool is_sane = root->level <= PW_LEVEL_GUARD && root->region_count <= PW_MAX_REGIONS &&
                   root->heap_count <= PW_MAX_HEAPS && root->heap_stride >= sizeof(struct pw_heap_image) &&
                   root->thread_count <= PW_MAX_THREADS + 1 && root->module_count <= PW_MAX_MODULES &&
                   root->regions != 0 && root->heaps != 0;
    return is_sane ? ROOT_FOUND : ROOT_DAMAGED;
}

/* True: this is the root, no need to go on. */
static bool try_address(struct search *search, uint64_t address)
{
    struct pw_root root;
    if (address == 0 || !target_read(search->target, address, &root, sizeof root))
        return false;
    enum verdict verdict = judge(&root);
    if (verdict == ROOT_OTHER_VERSION)
        search->version = root.version;
    if (verdict > search->best)
        search->best = verdict;
    if (verdict != ROOT_FOUND)
        return false;
    search->target->root = root;
    search->target->root_address = address;
    return true;
}

/* ---- the ways to look ---- */

enum way { BY_MEMORY, BY_FILE };

static bool try_module(struct search *search, const struct target_segment *segment, enum way way)
{
    struct target_elf elf;
    if (!target_elf_open(&elf, search->target, segment->start, segment->path))
        return false;
    uint64_t address = way == BY_MEMORY ? target_elf_dynamic_symbol(&elf, PW_ROOT_SYMBOL)
                                        : target_elf_file_symbol(&elf, PW_ROOT_SYMBOL);
    target_elf_close(&elf);
    return try_address(search, address);
}

static bool is_module_start(const struct target_segment *segment)
{
    return segment->path[0] == '/' && segment->offset == 0;
}

/* The library itself first: else each of a hundred files would be searched before it. */
static bool try_modules(struct search *search, enum way way)
{
    const struct target *target = search->target;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < target->segment_count; i++) {
            const struct target_segment *segment = &target->segments[i];
            bool is_library = strstr(segment->path, "libpwheap") != NULL;
            if (is_module_start(segment) && is_library == (pass == 0) && try_module(search, segment, way))
                return true;
        }
    return false;
}

/* Magic at every eighth byte of the segment. */
static bool scan_segment(struct search *search, const struct target_segment *segment)
{
    uint64_t page[MEMORY_PAGE_BYTES / sizeof(uint64_t)], magic;
    uint64_t end = segment->start + least(segment->end - segment->start, most_scanned_bytes);
    memcpy(&magic, PW_IMAGE_MAGIC, sizeof magic);
    for (uint64_t at = segment->start; at + sizeof page <= end; at += sizeof page) {
        if (!target_read(search->target, at, page, sizeof page))
            continue;
        for (size_t i = 0; i < PW_ARRAY_SIZE(page); i++)
            if (page[i] == magic && try_address(search, at + i * sizeof *page))
                return true;
    }
    return false;
}

/* Only in the data of programs and libraries. */
static bool scan_data(struct search *search)
{
    const struct target *target = search->target;
    for (size_t i = 0; i < target->segment_count; i++) {
        const struct target_segment *segment = &target->segments[i];
        if (segment->is_readable && (segment->access & TARGET_WRITE) != 0 && segment->path[0] == '/' &&
            scan_segment(search, segment))
            return true;
    }
    return false;
}

/* ---- the image ---- */

/* What the data of a region reads as when it was not written into the core: nothing. */
static bool is_blank(const struct target *target, uint64_t address)
{
    for (size_t i = 0; i < target->blank_count; i++)
        if (address >= target->blanks[i].start && address < target->blanks[i].end)
            return true;
    return false;
}

static const void *view(void *context, uint64_t address, uint64_t bytes, void *scratch)
{
    struct target *target = context;
    bool is_there = bytes <= PW_VIEW_MAX && memory_read(target->memory, address, scratch, bytes) &&
                    (target->blank_count == 0 || !is_blank(target, address));
    return is_there ? scratch : NULL;
}

/* Where bytes of the zone pattern lie in or behind a block, 0: nowhere for sure. */
static uint64_t zone_of(const struct pw_block_info *block)
{
    if (!block->known || !block->sealed || block->state == PW_STATE_PENDING || block->state == PW_STATE_RETIRED)
        return 0;
    bool is_mapped = (block->flags & PW_HEAP_MAPPED) != 0;
    if (block->state != PW_STATE_LIVE)
        return is_mapped ? 0 : block->address + block->block_size - PW_TAIL_BYTES;
    uint64_t zone = block->address + block->size, page = PW_ALIGN_DOWN(block->address, PW_PAGE_BYTES);
    if (!is_mapped || zone + PW_TAIL_BYTES <= block->address + block->block_size - PW_PAGE_BYTES)
        return zone;
    /* It ends at its guard page: what there is of a zone is before it. */
    return (block->flags & PW_HEAP_RIGHT) != 0 && block->address - page >= PW_TAIL_BYTES ? page : 0;
}

/*
 * The zone pattern is never all zero: where it reads so, or can't be read (but behind a guarded block is a
 * guard), the data is not in the core.
 */
static bool has_blank_data(const struct target *target, uint32_t index, const struct pw_region *region)
{
    static const uint8_t zeros[PW_TAIL_BYTES];
    uint32_t seen = 0, granule = region->first;
    if (target->root.level < PW_LEVEL_FAST)
        return false;
    while (seen < BLANK_SAMPLES && (granule = pw_image_next_start(&target->image, region, granule)) != 0) {
        struct pw_block_info block;
        uint8_t tail[PW_TAIL_BYTES];
        pw_inspect_block(&target->image, index, granule++, &block);
        uint64_t zone = zone_of(&block);
        if (zone == 0)
            continue;
        bool may_be_hidden = region->kind != PW_REGION_SMALL && region->kind != PW_REGION_SLABS;
        if (memory_read(target->memory, zone, tail, sizeof tail) ? memcmp(tail, zeros, sizeof tail) != 0
                                                                  : may_be_hidden)
            return false;
        seen++;
    }
    return seen > 0;
}

/* The tables of a region name no block at all. */
static bool has_blank_tables(const struct target *target, const struct pw_region *region)
{
    return pw_image_next_start(&target->image, region, region->first) == 0;
}

/*
 * gdb's gcore writes zeros for every mapping that has a guard page in it: most of a heap. Without
 * this it would look like damage, block after block.
 */
static void note_blanks(struct target *target)
{
    struct pw_region region;
    uint32_t regions = 0, blank = 0;
    for (uint32_t i = 1; i < target->root.region_count; i++) {
        if (!pw_image_region(&target->image, i, &region))
            continue;
        bool is_blank_data = has_blank_data(target, i, &region);
        regions++;
        blank += is_blank_data || has_blank_tables(target, &region);
        if (!is_blank_data)
            continue;
        target->blanks = heapdump_grow(target->blanks, target->blank_count + 1, sizeof *target->blanks);
        target->blanks[target->blank_count++] =
            (struct blank){region.base, region.base + ((uint64_t)region.granules << region.shift)};
    }
    target->is_partial |= blank != 0;
    if (blank != 0)
        message("%s lacks the contents of %u of %u regions of the heap: what is in blocks, zones and poison can't be "
                "seen (a kernel core or `heapdump snapshot' has them, gdb's gcore does not)", target->name, blank,
                regions);
}

static bool accept(struct target *target)
{
    target->image = (struct pw_image){.root = &target->root, .view = view, .context = target};
    if (target->pid == 0)
        target->pid = target->root.pid;
    if (target->core != NULL)
        note_blanks(target);
    return true;
}

static void explain(const struct search *search)
{
    const struct target *target = search->target;
    const char *name = target->name;
    switch (search->best) {
    case ROOT_OTHER_VERSION:
        message("%s runs on another pwheap: its image is version %u, this heapdump reads version %u", name,
                search->version, PW_IMAGE_VERSION);
        break;
    case ROOT_NOT_READY:
        message("%s has not used its heap yet: pwheap is not set up in it", name);
        break;
    case ROOT_DAMAGED:
        message("the root of pwheap in %s is damaged: nothing can be found from it", name);
        break;
    default:
        message("%s%s%s%s does not run on pwheap, or what tells so is missing: there is no %s in it", name,
                target->program[0] != '\0' ? " (" : "", target->program, target->program[0] != '\0' ? ")" : "",
                PW_ROOT_SYMBOL);
    }
}

bool target_root_read(struct target *target)
{
    struct pw_root root;
    if (!target_read(target, target->root_address, &root, sizeof root) || judge(&root) != ROOT_FOUND)
        return false;
    target->root = root;
    return true;
}

bool target_root_find(struct target *target)
{
    struct search search = {.target = target};
    if (try_modules(&search, BY_MEMORY) || try_modules(&search, BY_FILE) || scan_data(&search))
        return accept(target);
    if (!target->options.needs_no_heap)
        explain(&search);
    return false;
}
