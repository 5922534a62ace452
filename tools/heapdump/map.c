/* map.c - heapdump map: the heap's address space as a picture, on a terminal or as SVG. See map.h. */
#include "map.h"

#include "command_line.h"
#include "heapdump.h"
#include "message.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    KEY_SVG = COMMAND_KEY_FIRST,
    KEY_SCALE,
    KEY_COLOR,
    ADDRESS_COLUMNS = 15,
    PLAIN_COLUMNS = 80,
    SVG_COLUMNS = 128,
    SVG_ROWS = 96,
    ROWS = 40, /* of cells in use, where there is no terminal */
    LEAST_SCALE = 16,
};

struct map_command {
    struct command_line line;
    const char *svg; /* path, or NULL */
    uint64_t scale;  /* bytes a cell; 0: as it fits */
    const char *color;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct map_command *command = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &command->line;
        return 0;
    case KEY_SVG:
        command->svg = arg;
        return 0;
    case KEY_SCALE:
        if (!parse_bytes(arg, &command->scale) || command->scale < LEAST_SCALE || !PW_IS_POW2(command->scale))
            argp_error(state, "a cell is a power of two of at least %d bytes, not `%s'", LEAST_SCALE, arg);
        return 0;
    case KEY_COLOR:
        if (strcmp(arg, "auto") != 0 && strcmp(arg, "always") != 0 && strcmp(arg, "never") != 0)
            argp_error(state, "--color is auto, always or never");
        command->color = arg;
        return 0;
    default:
        return command_line_take_target(&command->line, key, arg, state);
    }
}

static bool wants_colors(const char *color)
{
    const char *term = getenv("TERM");
    if (strcmp(color, "auto") != 0)
        return strcmp(color, "always") == 0;
    return isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL && term != NULL && strcmp(term, "dumb") != 0;
}

static unsigned terminal_rows(void)
{
    struct winsize size;
    bool is_known = isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    return is_known && size.ws_row > ROWS ? size.ws_row : ROWS;
}

/* Columns of cells: multiples of 16, so that the rows' addresses are round. */
static unsigned cell_columns(void)
{
    unsigned columns = terminal_columns() != 0 ? terminal_columns() : PLAIN_COLUMNS;
    columns = columns > ADDRESS_COLUMNS + 16 ? (columns - ADDRESS_COLUMNS) / 16 * 16 : 16;
    return columns < MAP_MOST_CELLS ? columns : MAP_MOST_CELLS;
}

static void draw_text(const struct map_command *command, struct map *map)
{
    struct map_style style = {.out = stdout,
                              .has_colors = wants_colors(command->color),
                              .is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
                              .scale = command->scale,
                              .columns = cell_columns()};
    if (style.scale == 0)
        style.scale = map_scale(map, (uint64_t)style.columns * terminal_rows());
    struct map_painter painter = map_text_painter(&style);
    map_paint(map, style.scale, style.columns, &painter);
    map_text_legend(&style, map_totals(map));
}

static int draw_svg(const struct map_command *command, struct map *map, const char *title)
{
    struct map_style style = {.out = fopen(command->svg, "we"), .scale = command->scale, .columns = SVG_COLUMNS};
    if (style.out == NULL) {
        message("can't write %s: %s", command->svg, strerror(errno));
        return HEAPDUMP_UNREADABLE;
    }
    if (style.scale == 0)
        style.scale = map_scale(map, SVG_COLUMNS * SVG_ROWS);
    struct map_svg *svg = map_svg_begin(&style, title);
    struct map_painter painter = map_svg_painter(svg);
    map_paint(map, style.scale, style.columns, &painter);
    map_svg_end(svg, map_totals(map));
    bool failed = ferror(style.out) != 0;
    failed = fclose(style.out) != 0 || failed;
    if (!failed)
        return HEAPDUMP_FINE;
    message("can't write %s: %s", command->svg, strerror(errno));
    return HEAPDUMP_UNREADABLE;
}

static int look(struct target *target, void *input)
{
    const struct map_command *command = input;
    char title[512];
    struct map *map = map_open(target);
    bool is_damaged = map_totals(map)->bytes[MAP_DAMAGED] != 0 || map_totals(map)->damages != 0;
    int status = HEAPDUMP_FINE;
    snprintf(title, sizeof title, "process %u  %s", target_pid(target), target_program(target));
    if (command->svg != NULL) {
        status = draw_svg(command, map, title);
    } else if (command->line.is_json) {
        map_write_json(map, stdout);
    } else {
        printf("%s%s\n", target_is_live(target) ? "" : "core of ", title);
        draw_text(command, map);
    }
    map_close(map);
    return status == HEAPDUMP_FINE && is_damaged ? HEAPDUMP_FOUND : status;
}

int map_command(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"svg", KEY_SVG, "FILE", 0, "Draw it into a file, as SVG", 1},
        {"scale", KEY_SCALE, "BYTES", 0, "What a cell stands for: a power of two; else it adapts", 1},
        {"color", KEY_COLOR, "WHEN", 0, "auto, always or never", 1},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .args_doc = "TARGET",
        .doc = "The heap's address space as a picture: what is live, free, cached, in quarantine, red zone, guard, "
               "damaged. A live process is stopped meanwhile.",
        .children = command_line_children,
    };
    struct map_command command = {.line = command_line_init(), .color = "auto"};
    (void)setlocale(LC_CTYPE, "");
    return command_line_run(&command.line, &argp, argc, argv, &command, look);
}
