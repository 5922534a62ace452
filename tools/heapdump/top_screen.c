/* top_screen.c - the screen of heapdump top, by ncurses: see top.h */
#include "top.h"

#include <ncurses.h>

enum { HEAD_LINES = 5, FOOT_LINES = 1 };

size_t top_visible_rows(void)
{
    int rows = LINES - HEAD_LINES - FOOT_LINES;
    return rows > 0 ? (size_t)rows : 0;
}

/* "+1.5 MiB", "-20 B", "0". */
static const char *change_text(char text[BYTES_TEXT + 2], double change)
{
    char bytes[BYTES_TEXT];
    double size = change < 0 ? -change : change;
    snprintf(text, BYTES_TEXT + 2, "%s%s", size < 0.5 ? "" : change < 0 ? "-" : "+",
             size < 0.5 ? "0" : bytes_text(bytes, (uint64_t)(size + 0.5)));
    return text;
}

static void draw_head(const struct top *top)
{
    char bytes[BYTES_TEXT], count[2 * BYTES_TEXT], change[BYTES_TEXT + 2];
    mvprintw(0, 0, "heapdump top  process %u  %s", top->pid, top->program != NULL ? top->program : "");
    mvprintw(1, 0, "live %s in %s blocks, %s since the start; every %.1f s, stopped for %.1f ms",
             bytes_text(bytes, top->bytes), count_text(count, top->blocks),
             change_text(change, (double)(int64_t)(top->bytes - top->bytes_at_first)), top->interval,
             (double)top->stopped_ns / 1e6);
    move(2, 0);
    if (top->level < PW_LEVEL_FULL)
        addstr("who allocated what is kept at PWHEAP_CHECK=full");
    if (top->is_paused)
        addstr("paused  ");
    if (top->filter.length > 0)
        printw("only `%s'", top->filter.data);
}

static void draw_column(int column, int width, const char *name, bool is_order)
{
    if (is_order)
        attron(A_BOLD | A_UNDERLINE);
    mvprintw(4, column, "%*s", width, name);
    attroff(A_BOLD | A_UNDERLINE);
}

static void draw_columns(const struct top *top)
{
    attron(A_REVERSE);
    mvhline(4, 0, ' ', COLS);
    draw_column(0, 10, "BYTES", top->order == TOP_BY_BYTES);
    draw_column(11, 11, "BLOCKS", top->order == TOP_BY_BLOCKS);
    draw_column(23, 11, "GROWTH", top->order == TOP_BY_GROWTH);
    draw_column(35, 11, "A SECOND", top->order == TOP_BY_RATE);
    draw_column(48, 4, "SITE", false);
    attroff(A_REVERSE);
}

static void draw_row(const struct top *top, const struct top_row *row, int line)
{
    char bytes[BYTES_TEXT], count[2 * BYTES_TEXT], growth[BYTES_TEXT + 2], rate[BYTES_TEXT + 2];
    if (top_growth(row) > 0)
        attron(A_BOLD);
    mvprintw(line, 0, "%10s %11s %11s %11s  ", bytes_text(bytes, row->bytes), count_text(count, row->blocks),
             change_text(growth, (double)top_growth(row)), change_text(rate, top_rate(top, row)));
    if (COLS > 48)
        addnstr(row->text != NULL ? row->text : "…", COLS - 48);
    attroff(A_BOLD);
}

void top_draw(const struct top *top, const char *prompt)
{
    erase();
    draw_head(top);
    draw_columns(top);
    for (size_t i = 0; i < top_visible_rows() && top->first_row + i < top->view_count; i++)
        draw_row(top, top->view[top->first_row + i], HEAD_LINES + (int)i);
    if (prompt != NULL)
        mvprintw(LINES - 1, 0, "filter: %s", prompt);
    else
        mvaddnstr(LINES - 1, 0, "q quit  p pause  sort: b bytes n blocks g growth s a second  / filter  r reset  + -", COLS);
    (void)curs_set(prompt != NULL);
    refresh();
}
