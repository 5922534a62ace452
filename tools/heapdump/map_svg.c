/* map_svg.c - the picture as SVG: see map.h */
#include "map.h"

#include "bytes.h"
#include "command_line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

enum { CELL_WIDTH = 7, CELL_HEIGHT = 12, LEFT = 130, MARGIN = 16, LINE = 18 };

static const char *const colors[MAP_CLASSES] = {
    [MAP_NOTHING] = "#ffffff",     [MAP_LIVE] = "#2e7d32", [MAP_ZONE] = "#80cbc4",  [MAP_CACHED] = "#fbc02d",
    [MAP_QUARANTINED] = "#8e24aa", [MAP_FREE] = "#e0e0e0", [MAP_GUARD] = "#1565c0", [MAP_DAMAGED] = "#e53935",
};

struct map_svg {
    struct map_style style;
    const char *title;
    struct bytes body;
    unsigned top; /* where the next thing goes */
};

static void add(struct map_svg *svg, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct map_svg *svg, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length > 0)
        bytes_append(&svg->body, text, least((uint64_t)length, sizeof text - 1));
}

struct map_svg *map_svg_begin(const struct map_style *style, const char *title)
{
    struct map_svg *svg = heapdump_grow(NULL, 1, sizeof *svg);
    *svg = (struct map_svg){.style = *style, .title = title, .top = MARGIN + 2 * LINE};
    return svg;
}

static void paint_region(void *context, const struct map_region *region)
{
    struct map_svg *svg = context;
    char bytes[BYTES_TEXT], live[BYTES_TEXT];
    svg->top += 2 * LINE;
    add(svg, "<text x=\"%d\" y=\"%u\" font-weight=\"bold\">region %u, heap %u, %s: %s, %s live</text>\n", MARGIN,
        svg->top - 6, region->index, region->heap, region->kind, bytes_text(bytes, region->end - region->start),
        bytes_text(live, region->bytes[MAP_LIVE]));
}

/* How strong a colour is: less of the cell is fainter, but seen. */
static unsigned strength(struct map_cell cell)
{
    return cell.class == MAP_DAMAGED ? 4 : cell.share / 64 + 1u;
}

static bool looks_alike(struct map_cell a, struct map_cell b)
{
    return a.class == b.class && strength(a) == strength(b);
}

static void paint_row(void *context, uint64_t address, const struct map_cell *cells, unsigned count)
{
    struct map_svg *svg = context;
    add(svg, "<text x=\"%d\" y=\"%u\">0x%012" PRIx64 "</text>\n", MARGIN, svg->top + CELL_HEIGHT - 2, address);
    for (unsigned first = 0; first < count;) {
        unsigned end = first + 1;
        while (end < count && looks_alike(cells[first], cells[end]))
            end++;
        if (cells[first].class != MAP_NOTHING)
            add(svg,
                "<rect class=\"%s\" x=\"%u\" y=\"%u\" width=\"%u\" height=\"%d\" fill=\"%s\" fill-opacity=\"%.2f\">"
                "<title>0x%" PRIx64 ": %s</title></rect>\n",
                map_class_names[cells[first].class], LEFT + first * CELL_WIDTH, svg->top, (end - first) * CELL_WIDTH,
                CELL_HEIGHT - 1, colors[cells[first].class], strength(cells[first]) * 0.25,
                address + first * svg->style.scale, map_class_names[cells[first].class]);
        first = end;
    }
    svg->top += CELL_HEIGHT;
}

static void paint_gap(void *context, uint64_t address, uint64_t bytes, enum map_class class)
{
    struct map_svg *svg = context;
    char text[BYTES_TEXT];
    add(svg, "<text x=\"%d\" y=\"%u\">0x%012" PRIx64 "</text>\n", MARGIN, svg->top + CELL_HEIGHT - 2, address);
    add(svg, "<text x=\"%d\" y=\"%u\" fill=\"#757575\">%s %s</text>\n", LEFT, svg->top + CELL_HEIGHT - 2,
        bytes_text(text, bytes), class == MAP_FREE ? "free" : "not used");
    svg->top += CELL_HEIGHT + 2;
}

struct map_painter map_svg_painter(struct map_svg *svg)
{
    return (struct map_painter){paint_region, paint_row, paint_gap, svg};
}

static void add_legend(struct map_svg *svg, const struct map_totals *totals)
{
    char bytes[BYTES_TEXT], largest[BYTES_TEXT];
    svg->top += LINE;
    for (int class = MAP_LIVE; class < MAP_CLASSES; class++) {
        add(svg, "<rect x=\"%d\" y=\"%u\" width=\"%d\" height=\"%d\" fill=\"%s\"/>\n", MARGIN, svg->top, CELL_HEIGHT,
            CELL_HEIGHT, colors[class]);
        add(svg, "<text x=\"%d\" y=\"%u\">%s %s</text>\n", MARGIN + LINE, svg->top + CELL_HEIGHT - 2,
            map_class_names[class], bytes_text(bytes, totals->bytes[class]));
        svg->top += LINE;
    }
    add(svg, "<text x=\"%d\" y=\"%u\">free memory is in %" PRIu64 " pieces, the largest %s; %" PRIu64 " damages</text>\n",
        MARGIN, svg->top + CELL_HEIGHT - 2, totals->free_blocks, bytes_text(largest, totals->largest_free),
        totals->damages);
    svg->top += LINE;
}

static void write_escaped(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<' || *text == '>' || *text == '&')
            fprintf(out, "&#%d;", *text);
        else
            fputc((unsigned char)*text < ' ' ? '?' : *text, out);
    }
}

void map_svg_end(struct map_svg *svg, const struct map_totals *totals)
{
    FILE *out = svg->style.out;
    char scale[BYTES_TEXT];
    add_legend(svg, totals);
    unsigned width = LEFT + svg->style.columns * CELL_WIDTH + MARGIN, height = svg->top + MARGIN;
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" "
            "height=\"%u\" font-family=\"monospace\" font-size=\"11\">\n<rect width=\"100%%\" height=\"100%%\" "
            "fill=\"#ffffff\"/>\n<text x=\"%d\" y=\"%d\" font-size=\"14\">",
            width, height, MARGIN, MARGIN + LINE);
    write_escaped(out, svg->title);
    fprintf(out, "; a cell is %s</text>\n", bytes_text(scale, svg->style.scale));
    fwrite(svg->body.data, 1, svg->body.length, out);
    fputs("</svg>\n", out);
    bytes_free(&svg->body);
    free(svg);
}
