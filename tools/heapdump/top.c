/* top.c - heapdump top PID: the biggest sites and their growth, on a live screen. See top.h. */
#include "top.h"

#include "heapdump.h"
#include "message.h"

#include <errno.h>
#include <locale.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { KEY_SORT = COMMAND_KEY_FIRST, KEY_FILTER, ESCAPE = 27, DELETE = 127 };
static const double least_interval = 0.1, most_interval = 3600;

static bool parse_order(const char *text, enum top_order *order)
{
    static const char *const names[] = {"bytes", "blocks", "growth", "rate"};
    for (size_t i = 0; i < PW_ARRAY_SIZE(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *order = (enum top_order)i;
            return true;
        }
    }
    return false;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct top *top = state->input;
    char *end;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &top->line;
        return 0;
    case 'd':
        top->interval = strtod(arg, &end);
        if (*end != '\0' || !(top->interval >= least_interval && top->interval <= most_interval))
            argp_error(state, "the interval is 0.1 to 3600 seconds, not `%s'", arg);
        return 0;
    case KEY_SORT:
        if (!parse_order(arg, &top->order))
            argp_error(state, "--sort is bytes, blocks, growth or rate");
        return 0;
    case KEY_FILTER:
        bytes_clear(&top->filter);
        bytes_str(&top->filter, arg);
        return 0;
    default:
        return command_line_take_target(&top->line, key, arg, state);
    }
}

/* ---- keys ---- */

/* What is typed for the filter; NULL data: nothing is. */
struct prompt {
    bool is_open;
    struct bytes text;
};

/* True: the filter has changed. */
static bool take_letter(struct top *top, struct prompt *prompt, int key)
{
    switch (key) {
    case '\n':
    case KEY_ENTER:
        prompt->is_open = false;
        bytes_clear(&top->filter);
        bytes_span(&top->filter, (struct span){prompt->text.data, prompt->text.length});
        top->first_row = 0;
        return true;
    case ESCAPE:
        prompt->is_open = false;
        return false;
    case KEY_BACKSPACE:
    case DELETE:
    case '\b':
        if (prompt->text.data != NULL && prompt->text.length > 0)
            prompt->text.data[--prompt->text.length] = '\0';
        return false;
    default:
        if (key >= ' ' && key < 256)
            bytes_char(&prompt->text, (char)key);
        return false;
    }
}

static void scroll_by(struct top *top, long rows)
{
    long first = (long)top->first_row + rows;
    long last = (long)top->view_count - 1;
    top->first_row = (size_t)(first < 0 || last < 0 ? 0 : first > last ? last : first);
}

static void change_interval(struct top *top, double factor)
{
    double interval = top->interval * factor;
    top->interval = interval < least_interval ? least_interval : interval > most_interval ? most_interval : interval;
}

static void sort_by(struct top *top, enum top_order order)
{
    top->order = order;
    top->first_row = 0;
}

static bool take_order(struct top *top, int key)
{
    switch (key) {
    case 'b':
        sort_by(top, TOP_BY_BYTES);
        return true;
    case 'n':
        sort_by(top, TOP_BY_BLOCKS);
        return true;
    case 'g':
        sort_by(top, TOP_BY_GROWTH);
        return true;
    case 's':
        sort_by(top, TOP_BY_RATE);
        return true;
    default:
        return false;
    }
}

static bool take_move(struct top *top, int key)
{
    long page = (long)top_visible_rows();
    switch (key) {
    case KEY_DOWN:
        scroll_by(top, 1);
        return true;
    case KEY_UP:
        scroll_by(top, -1);
        return true;
    case KEY_NPAGE:
        scroll_by(top, page);
        return true;
    case KEY_PPAGE:
        scroll_by(top, -page);
        return true;
    default:
        return false;
    }
}

static void take_key(struct top *top, struct prompt *prompt, int key)
{
    if (take_order(top, key) || take_move(top, key))
        return;
    switch (key) {
    case 'p':
    case ' ':
        top->is_paused = !top->is_paused;
        return;
    case 'r':
        top->resets = true;
        return;
    case '/':
        prompt->is_open = true;
        bytes_clear(&prompt->text);
        return;
    case '+':
        change_interval(top, 2);
        return;
    case '-':
        change_interval(top, 0.5);
        return;
    default:
        return;
    }
}

/* ---- the loop ---- */

static bool has_names(const struct top *top)
{
    for (size_t i = top->first_row; i < top->view_count && i < top->first_row + top_visible_rows(); i++)
        if (top->view[i]->text == NULL)
            return false;
    return true;
}

static bool is_due(const struct top *top)
{
    return top->samples == 0 || top->resets || (!top->is_paused && top_now() - top->taken_at >= top->interval);
}

static int milliseconds_left(const struct top *top)
{
    double left = top->interval - (top_now() - top->taken_at);
    if (top->is_paused)
        return -1;
    return left <= 0 ? 0 : left > 1000 ? 1000000 : (int)(left * 1000) + 1;
}

/* False: the process is gone, or can't be looked into. */
static bool loop(struct top *top)
{
    struct prompt prompt = {0};
    bool wants_names = false, is_there = true;
    for (int key = ERR; key != 'q' || prompt.is_open;) {
        if (is_due(top) || wants_names)
            is_there = top_sample(top, top_visible_rows());
        if (!is_there)
            break;
        top_arrange(top);
        wants_names = false;
        top_draw(top, prompt.is_open ? prompt.text.data != NULL ? prompt.text.data : "" : NULL);
        timeout(milliseconds_left(top));
        key = getch();
        if (prompt.is_open && key != ERR)
            wants_names = take_letter(top, &prompt, key);
        else if (key != ERR)
            take_key(top, &prompt, key);
        top_arrange(top);
        wants_names = wants_names || !has_names(top);
        if (prompt.is_open && key == 'q')
            key = ERR;
    }
    bytes_free(&prompt.text);
    return is_there;
}

/* What is said on stderr meanwhile would be written across the screen: it is kept for the end. */
static int hold_messages(int *old)
{
    int held = memfd_create("messages", MFD_CLOEXEC);
    *old = dup(STDERR_FILENO);
    if (held >= 0 && *old >= 0)
        (void)dup2(held, STDERR_FILENO);
    return held;
}

static void release_messages(int held, int old, bool are_shown)
{
    char chunk[4096];
    ssize_t got;
    off_t at = 0;
    (void)fflush(stderr);
    if (held < 0 || old < 0)
        return;
    (void)dup2(old, STDERR_FILENO);
    while (are_shown && (got = pread(held, chunk, sizeof chunk, at)) > 0) {
        (void)!write(STDERR_FILENO, chunk, (size_t)got);
        at += got;
    }
    close(held);
    close(old);
}

static int show(struct top *top)
{
    int old, held;
    if (initscr() == NULL)
        return HEAPDUMP_UNREADABLE;
    (void)cbreak();
    (void)noecho();
    (void)keypad(stdscr, TRUE);
    (void)set_escdelay(50);
    held = hold_messages(&old);
    bool is_there = loop(top);
    (void)endwin();
    release_messages(held, old, !is_there);
    return is_there ? HEAPDUMP_FINE : HEAPDUMP_UNREADABLE;
}

int top_command(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"delay", 'd', "SECONDS", 0, "How long between two looks (2)", 1},
        {"sort", KEY_SORT, "KEY", 0, "bytes, blocks, growth or rate", 1},
        {"filter", KEY_FILTER, "TEXT", 0, "Only sites with TEXT in them", 1},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .args_doc = "PID",
        .doc = "The places that hold most of a live heap, and what grows, on a live screen. The process is stopped for "
               "moments, while the heap's tables are copied.\vKeys: q quits; p pauses; b, n, g, s sort by bytes, blocks, "
               "growth, growth a second; / filters; r counts growth from now on; + and - change the delay; arrows and "
               "pages scroll.",
        .children = command_line_children,
    };
    struct top top = {.line = command_line_init(), .interval = 2};
    (void)setlocale(LC_CTYPE, "");
    command_line_parse(&top.line, &argp, argc, argv, &top);
    if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)) {
        message("top needs a terminal; `heapdump summary' does not");
        return HEAPDUMP_USAGE;
    }
    if (top.line.is_json) {
        message("top is a screen; `heapdump sites --json' has the same once");
        return HEAPDUMP_USAGE;
    }
    if (top.line.target.program != NULL || top.line.name[strspn(top.line.name, "0123456789")] != '\0') {
        message("top looks at a process: give its PID, not `%s'", top.line.name);
        return HEAPDUMP_USAGE;
    }
    int status = show(&top);
    top_free(&top);
    return status;
}
