/*
 * map.h - private to map*.c: `heapdump map`, the heap's address space as a picture.
 *
 *   map.c        the command: options, scale, legend
 *   map_cells.c  from blocks to rows of cells
 *   map_text.c   a painter for terminals
 *   map_svg.c    one for SVG
 */
#ifndef PW_HEAPDUMP_MAP_H
#define PW_HEAPDUMP_MAP_H

#include "target.h"

#include <stdio.h>

/* What bytes of the heap are. */
enum map_class {
    MAP_NOTHING, /* address space that is not used */
    MAP_LIVE,
    MAP_ZONE, /* red zones and rounding of live blocks */
    MAP_CACHED,
    MAP_QUARANTINED,
    MAP_FREE,
    MAP_GUARD,
    MAP_DAMAGED, /* damaged or retired blocks */
    MAP_CLASSES,
};
extern const char *const map_class_names[MAP_CLASSES];

/* A cell: what most of it is, and how much of it that is, from 1 to 255. Damage always shows. */
struct map_cell {
    uint8_t class;
    uint8_t share;
};

enum { MAP_MOST_CELLS = 1024 };

/* A region, as it is written above its rows. */
struct map_region {
    uint32_t index;
    uint32_t heap;
    const char *kind; /* "small blocks" … */
    uint64_t start;
    uint64_t end;
    uint64_t bytes[MAP_CLASSES];
};

struct map_totals {
    uint64_t bytes[MAP_CLASSES];
    uint64_t blocks;
    uint64_t largest_free; /* bytes of one FREE block */
    uint64_t free_blocks;
    uint64_t damages;
};

/* How a picture is made; each function gets what comes next, in address order within a region. */
struct map_painter {
    void (*region)(void *context, const struct map_region *region);
    /* Cells from `address` on; those of the last row of a region may be fewer. */
    void (*row)(void *context, uint64_t address, const struct map_cell *cells, unsigned count);
    /* Rows that hold nothing but `class` are not drawn. */
    void (*gap)(void *context, uint64_t address, uint64_t bytes, enum map_class class);
    void *context;
};

/* The heap of a target, with its damage. */
struct map;

/* Validate and add up; the target stays as it is (stopped). */
struct map *map_open(struct target *target);
void map_close(struct map *map);
const struct map_totals *map_totals(const struct map *map);
/* The scale at which what is in use takes `cells` cells at most: a power of two, at least 64. */
uint64_t map_scale(const struct map *map, uint64_t cells);
void map_paint(struct map *map, uint64_t scale, unsigned columns, const struct map_painter *painter);

/* ---- painters ---- */

struct map_style {
    FILE *out;
    bool has_colors;
    bool is_utf8;
    uint64_t scale;
    unsigned columns;
};

struct map_painter map_text_painter(const struct map_style *style);
void map_text_legend(const struct map_style *style, const struct map_totals *totals);

/* JSON Lines: an object a region, then one of all. */
void map_write_json(struct map *map, FILE *out);

/* An SVG, whose height is known only at its end: it is kept in memory, and written by map_svg_end. */
struct map_svg;
struct map_svg *map_svg_begin(const struct map_style *style, const char *title);
struct map_painter map_svg_painter(struct map_svg *svg);
void map_svg_end(struct map_svg *svg, const struct map_totals *totals);

#endif
