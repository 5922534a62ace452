/*
 * map_cells.c - from blocks to rows of cells: see map.h
 *
 * Blocks come in address order within a region, so only one row is kept at a time; how large the heap
 * is does not matter.
 */
#include "map.h"

#include "blocks.h"

#include "bytes.h"

#include <stdlib.h>
#include <string.h>

const char *const map_class_names[MAP_CLASSES] = {"nothing", "live", "red zone", "cached", "quarantined", "free",
                                                  "guard", "damaged"};

enum { PAGE_BYTES = 4096, MOST_DAMAGES = 65536, LEAST_SCALE = 64 };

struct map {
    struct target *target;
    struct map_region *regions; /* by index; end 0: there is none */
    uint32_t region_count;
    struct map_totals totals;
    uint64_t *damages; /* sorted starts of damaged blocks, or addresses */
    size_t damage_count;
};

/* ---- what there is ---- */

/* One run of bytes that are alike. */
typedef void take_run(void *context, enum map_class class, uint64_t start, uint64_t end);

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static bool is_damaged(const struct map *map, uint64_t start, uint64_t end)
{
    size_t low = 0, high = map->damage_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (map->damages[middle] < start)
            low = middle + 1;
        else
            high = middle;
    }
    return low < map->damage_count && map->damages[low] < end;
}

static enum map_class class_of(uint8_t state)
{
    switch (state) {
    case PW_STATE_CACHED:
        return MAP_CACHED;
    case PW_STATE_QUARANTINED:
        return MAP_QUARANTINED;
    case PW_STATE_FREE:
        return MAP_FREE;
    case PW_STATE_RETIRED:
        return MAP_DAMAGED;
    default:
        return MAP_LIVE;
    }
}

/* A right-aligned block's address and size leave out what is before it in its first page. */
static uint64_t start_of(const struct pw_block_info *block)
{
    return (block->flags & PW_HEAP_RIGHT) != 0 ? PW_ALIGN_DOWN(block->address, (uint64_t)PAGE_BYTES) : block->address;
}

static void split_block(const struct map *map, const struct pw_block_info *block, take_run *take, void *context)
{
    uint64_t start = start_of(block), end = block->address + block->block_size;
    if (!block->sealed || is_damaged(map, start, end)) {
        take(context, MAP_DAMAGED, start, end);
        return;
    }
    uint64_t guard = (block->flags & PW_HEAP_GUARDED) != 0 && end - start > PAGE_BYTES ? end - PAGE_BYTES : end;
    enum map_class class = class_of(block->state);
    uint64_t first = class == MAP_LIVE && block->address > start ? block->address : start;
    uint64_t last = class == MAP_LIVE && block->size < guard - first ? first + block->size : guard;
    take(context, MAP_ZONE, start, first);
    take(context, class, first, last);
    take(context, MAP_ZONE, last, guard);
    take(context, MAP_GUARD, guard, end);
}

/* The range that blocks take, of a region that is there. */
static bool block_range(const struct map *map, uint32_t index, uint64_t *first, uint64_t *limit)
{
    struct pw_region region;
    if (index >= map->region_count || map->regions[index].end == 0 ||
        !pw_image_region(target_image(map->target), index, &region))
        return false;
    *first = region.base + ((uint64_t)region.first << region.shift);
    *limit = region.base + ((uint64_t)region.limit << region.shift);
    return true;
}

static const char *kind_name(const struct pw_region *region)
{
    uint32_t kind = region->kind;
    switch (kind) {
    case PW_REGION_PAGES:
        return "large blocks";
    case PW_REGION_GUARD:
        return "guarded blocks";
    default:
        return "small blocks";
    }
}

static void find_regions(struct map *map)
{
    const struct pw_image *image = target_image(map->target);
    map->region_count = image->root->region_count < PW_MAX_REGIONS ? image->root->region_count : PW_MAX_REGIONS;
    map->regions = heapdump_grow(NULL, map->region_count + 1, sizeof *map->regions);
    memset(map->regions, 0, (map->region_count + 1) * sizeof *map->regions);
    for (uint32_t i = 1; i < map->region_count; i++) {
        struct pw_region region;
        if (!pw_image_region(image, i, &region))
            continue;
        map->regions[i] = (struct map_region){.index = i, .heap = region.heap, .kind = kind_name(&region),
                                              .start = region.base,
                                              .end = region.base + ((uint64_t)region.granules << region.shift)};
    }
}

static void note_damage(void *context, const struct pw_fault *fault)
{
    struct map *map = context;
    map->totals.damages++;
    if (map->damage_count == MOST_DAMAGES)
        return;
    map->damages[map->damage_count++] = fault->block.known ? fault->block.address : fault->address;
}

static void count_run(void *context, enum map_class class, uint64_t start, uint64_t end)
{
    struct map_region *region = context;
    region->bytes[class] += end - start;
}

static bool count_block(void *context, const struct pw_block_info *block)
{
    struct map *map = context;
    map->totals.blocks++;
    if (block->region >= map->region_count)
        return true;
    split_block(map, block, count_run, &map->regions[block->region]);
    if (block->sealed && block->state == PW_STATE_FREE) {
        map->totals.free_blocks++;
        if (block->block_size > map->totals.largest_free)
            map->totals.largest_free = block->block_size;
    }
    return true;
}

struct map *map_open(struct target *target)
{
    struct map *map = heapdump_grow(NULL, 1, sizeof *map);
    *map = (struct map){.target = target};
    find_regions(map);
    map->damages = heapdump_grow(NULL, MOST_DAMAGES, sizeof *map->damages);
    pw_validate_all(target_image(target), note_damage, map);
    qsort(map->damages, map->damage_count, sizeof *map->damages, compare);
    blocks_walk(target, "adding up", count_block, map);
    for (uint32_t i = 1; i < map->region_count; i++) {
        uint64_t first, limit;
        if (!block_range(map, i, &first, &limit))
            continue;
        map->regions[i].bytes[MAP_GUARD] += first - map->regions[i].start;
        for (int class = 0; class < MAP_CLASSES; class++)
            map->totals.bytes[class] += map->regions[i].bytes[class];
    }
    return map;
}

void map_close(struct map *map)
{
    free(map->regions);
    free(map->damages);
    free(map);
}

const struct map_totals *map_totals(const struct map *map)
{
    return &map->totals;
}

uint64_t map_scale(const struct map *map, uint64_t cells)
{
    uint64_t used = 0, scale = LEAST_SCALE;
    for (int class = MAP_LIVE; class < MAP_CLASSES; class++)
        used += class == MAP_FREE ? 0 : map->totals.bytes[class];
    while (scale < (uint64_t)1 << 40 && used / scale > cells)
        scale *= 2;
    return scale;
}

/* ---- rows ---- */

struct painting {
    struct map *map;
    const struct map_painter *painter;
    uint64_t scale;
    unsigned columns;
    uint32_t region;   /* being painted; 0: none yet */
    uint64_t row;      /* address of the row that is being filled */
    uint64_t gap;      /* bytes of rows before it that are not drawn */
    enum map_class gap_class;
    uint64_t bytes[MAP_MOST_CELLS][MAP_CLASSES];
};

static struct map_cell judge(const uint64_t bytes[MAP_CLASSES], uint64_t scale)
{
    enum map_class most = MAP_NOTHING;
    uint64_t used = 0;
    for (int class = MAP_LIVE; class < MAP_CLASSES; class++) {
        used += bytes[class];
        if (bytes[class] > bytes[most] || most == MAP_NOTHING)
            most = bytes[class] > 0 ? (enum map_class)class : most;
    }
    if (used == 0)
        return (struct map_cell){MAP_NOTHING, 255};
    if (bytes[MAP_DAMAGED] > 0)
        most = MAP_DAMAGED;
    else if (bytes[MAP_LIVE] > 0 && most == MAP_ZONE)
        most = MAP_LIVE; /* a zone is a live block's: the cell shows that, faintly */
    uint64_t share = bytes[most] * 255 / scale;
    return (struct map_cell){(uint8_t)most, (uint8_t)(share > 255 ? 255 : share < 1 ? 1 : share)};
}

static bool is_idle(const uint64_t bytes[MAP_CLASSES])
{
    for (int class = MAP_LIVE; class < MAP_CLASSES; class++)
        if (class != MAP_FREE && bytes[class] > 0)
            return false;
    return true;
}

static void end_gap(struct painting *painting)
{
    if (painting->gap > 0)
        painting->painter->gap(painting->painter->context, painting->row - painting->gap, painting->gap,
                               painting->gap_class);
    painting->gap = 0;
}

/* The row is full, or its region ends: draw it, unless it is all of one thing that is not worth a look. */
static void end_row(struct painting *painting, unsigned count)
{
    struct map_cell cells[MAP_MOST_CELLS];
    bool is_gap = true;
    enum map_class class = MAP_NOTHING;
    for (unsigned i = 0; i < count; i++) {
        cells[i] = judge(painting->bytes[i], painting->scale);
        is_gap = is_gap && is_idle(painting->bytes[i]);
        class = cells[i].class == MAP_FREE ? MAP_FREE : class;
    }
    uint64_t bytes = (uint64_t)count * painting->scale;
    if (is_gap && painting->gap > 0 && painting->gap_class != class)
        end_gap(painting);
    if (is_gap) {
        painting->gap += bytes;
        painting->gap_class = class;
    } else {
        end_gap(painting);
        painting->painter->row(painting->painter->context, painting->row, cells, count);
    }
    painting->row += bytes;
    memset(painting->bytes, 0, count * sizeof painting->bytes[0]);
}

/* Whole rows of one class, at the start of a row, need no cells. */
static uint64_t skip_rows(struct painting *painting, enum map_class class, uint64_t start, uint64_t end)
{
    uint64_t row_bytes = painting->scale * painting->columns;
    if ((class != MAP_FREE && class != MAP_NOTHING) || start != painting->row || end - start < row_bytes)
        return start;
    if (painting->gap > 0 && painting->gap_class != class)
        end_gap(painting);
    uint64_t bytes = (end - start) / row_bytes * row_bytes;
    painting->gap += bytes;
    painting->gap_class = class;
    painting->row += bytes;
    return start + bytes;
}

static void paint_run(void *context, enum map_class class, uint64_t start, uint64_t end)
{
    struct painting *painting = context;
    while (start < end) {
        start = skip_rows(painting, class, start, end);
        uint64_t cell = (start - painting->row) / painting->scale;
        if (start >= end)
            break;
        if (start < painting->row)
            return; /* a damaged heap whose blocks overlap */
        if (cell >= painting->columns) {
            end_row(painting, painting->columns);
            continue;
        }
        uint64_t cell_end = painting->row + (cell + 1) * painting->scale;
        uint64_t part = least(end, cell_end) - start;
        painting->bytes[cell][class] += part;
        start += part;
    }
}

static void end_region(struct painting *painting)
{
    struct map *map = painting->map;
    uint64_t first, limit;
    if (painting->region == 0 || !block_range(map, painting->region, &first, &limit))
        return;
    uint64_t end = map->regions[painting->region].end;
    if (painting->row < end && limit < end)
        paint_run(painting, MAP_NOTHING, limit, end);
    uint64_t left = painting->row < end ? (end - painting->row + painting->scale - 1) / painting->scale : 0;
    if (left > 0)
        end_row(painting, (unsigned)least(left, painting->columns));
    end_gap(painting);
}

static void begin_region(struct painting *painting, uint32_t index)
{
    uint64_t first, limit;
    painting->region = 0;
    if (!block_range(painting->map, index, &first, &limit))
        return;
    const struct map_region *region = &painting->map->regions[index];
    painting->region = index;
    painting->row = region->start;
    painting->gap = 0;
    memset(painting->bytes, 0, sizeof painting->bytes);
    painting->painter->region(painting->painter->context, region);
    paint_run(painting, MAP_GUARD, region->start, first);
}

static bool paint_block(void *context, const struct pw_block_info *block)
{
    struct painting *painting = context;
    if (block->region != painting->region) {
        end_region(painting);
        begin_region(painting, block->region);
    }
    if (painting->region != 0)
        split_block(painting->map, block, paint_run, painting);
    return true;
}

void map_paint(struct map *map, uint64_t scale, unsigned columns, const struct map_painter *painter)
{
    struct painting *painting = heapdump_grow(NULL, 1, sizeof *painting);
    *painting = (struct painting){.map = map, .painter = painter, .scale = scale,
                                  .columns = columns < MAP_MOST_CELLS ? columns : MAP_MOST_CELLS};
    blocks_walk(map->target, "drawing", paint_block, painting);
    end_region(painting);
    free(painting);
}
