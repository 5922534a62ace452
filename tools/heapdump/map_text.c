/* map_text.c - the picture on a terminal, or in plain text: see map.h */
#include "map.h"

#include "command_line.h"

#include <inttypes.h>

/* How a class looks: alone, and with colours. The four of live are for a quarter, half, three quarters, all. */
struct look {
    const char *plain[4];
    const char *utf8[4];
    const char *color;
};

static const struct look looks[MAP_CLASSES] = {
    [MAP_NOTHING] = {{" ", " ", " ", " "}, {" ", " ", " ", " "}, ""},
    [MAP_LIVE] = {{":", "+", "*", "#"}, {"░", "▒", "▓", "█"}, "\033[32m"},
    [MAP_ZONE] = {{"-", "-", "-", "-"}, {"╌", "╌", "╌", "╌"}, "\033[36m"},
    [MAP_CACHED] = {{"c", "c", "c", "c"}, {"c", "c", "c", "c"}, "\033[33m"},
    [MAP_QUARANTINED] = {{"q", "q", "q", "q"}, {"q", "q", "q", "q"}, "\033[35m"},
    [MAP_FREE] = {{".", ".", ".", "."}, {"·", "·", "·", "·"}, "\033[2m"},
    [MAP_GUARD] = {{"|", "|", "|", "|"}, {"│", "│", "│", "│"}, "\033[34m"},
    [MAP_DAMAGED] = {{"!", "!", "!", "!"}, {"!", "!", "!", "!"}, "\033[1;37;41m"},
};

static const char *glyph(const struct map_style *style, struct map_cell cell)
{
    const struct look *look = &looks[cell.class];
    return (style->is_utf8 ? look->utf8 : look->plain)[cell.share / 64];
}

static void paint_region(void *context, const struct map_region *region)
{
    const struct map_style *style = context;
    char bytes[BYTES_TEXT], live[BYTES_TEXT];
    fprintf(style->out, "\nregion %u, heap %u, %s: %s, %s live\n", region->index, region->heap, region->kind,
            bytes_text(bytes, region->end - region->start), bytes_text(live, region->bytes[MAP_LIVE]));
}

static void paint_row(void *context, uint64_t address, const struct map_cell *cells, unsigned count)
{
    const struct map_style *style = context;
    enum map_class now = MAP_NOTHING;
    fprintf(style->out, "0x%012" PRIx64 " ", address);
    for (unsigned i = 0; i < count; i++) {
        if (style->has_colors && cells[i].class != now)
            fprintf(style->out, "\033[0m%s", looks[cells[i].class].color);
        now = (enum map_class)cells[i].class;
        fputs(glyph(style, cells[i]), style->out);
    }
    fputs(style->has_colors ? "\033[0m\n" : "\n", style->out);
}

static void paint_gap(void *context, uint64_t address, uint64_t bytes, enum map_class class)
{
    const struct map_style *style = context;
    char text[BYTES_TEXT];
    fprintf(style->out, "0x%012" PRIx64 " %s(%s %s)%s\n", address, style->has_colors ? "\033[2m" : "",
            bytes_text(text, bytes), class == MAP_FREE ? "free" : "not used", style->has_colors ? "\033[0m" : "");
}

struct map_painter map_text_painter(const struct map_style *style)
{
    return (struct map_painter){paint_region, paint_row, paint_gap, (void *)(uintptr_t)style};
}

static void write_class(const struct map_style *style, const struct map_totals *totals, enum map_class class)
{
    char bytes[BYTES_TEXT];
    fprintf(style->out, "  ");
    if (style->has_colors)
        fputs(looks[class].color, style->out);
    for (unsigned i = class == MAP_LIVE ? 0 : 3; i < 4; i++)
        fputs((style->is_utf8 ? looks[class].utf8 : looks[class].plain)[i], style->out);
    if (style->has_colors)
        fputs("\033[0m", style->out);
    fprintf(style->out, "%*s %-12s %12s", class == MAP_LIVE ? 0 : 3, "", map_class_names[class],
            bytes_text(bytes, totals->bytes[class]));
    fprintf(style->out, class == MAP_LIVE ? "   (from a quarter of the cell to all of it)\n" : "\n");
}

void map_text_legend(const struct map_style *style, const struct map_totals *totals)
{
    char bytes[BYTES_TEXT], count[2 * BYTES_TEXT];
    fprintf(style->out, "\na cell is %s; it shows what most of it is, and all damage\n",
            bytes_text(bytes, style->scale));
    for (int class = MAP_LIVE; class < MAP_CLASSES; class++)
        if (totals->bytes[class] != 0 || class == MAP_LIVE)
            write_class(style, totals, (enum map_class)class);
    fprintf(style->out, "free memory is in %s pieces, the largest %s\n", count_text(count, totals->free_blocks),
            bytes_text(bytes, totals->largest_free));
    if (totals->damages != 0)
        fprintf(style->out, "%s damage%s found; see `heapdump check'\n", count_text(count, totals->damages),
                totals->damages == 1 ? "" : "s");
}
