/* message.c - see message.h */
#include "message.h"

#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR_CELLS = 40 };
static const double seconds_before_bar = 1.0, seconds_between_bars = 0.1;

static struct {
    const char *what; /* NULL: no work is going on */
    double started;
    double shown; /* when the bar was drawn last; 0: never */
} bar;

static double now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void wipe_bar(void)
{
    if (bar.shown != 0)
        fputs("\r\033[K", stderr);
    bar.shown = 0;
}

void message(const char *format, ...)
{
    va_list arguments;
    wipe_bar();
    fflush(stdout);
    fputs("heapdump: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

void progress_start(const char *what)
{
    bar.what = isatty(STDERR_FILENO) ? what : NULL;
    bar.started = now_seconds();
    bar.shown = 0;
}

bool progress_is_due(void)
{
    double now = bar.what != NULL ? now_seconds() : 0;
    return bar.what != NULL && now - bar.started >= seconds_before_bar && now - bar.shown >= seconds_between_bars;
}

void progress_set(double fraction)
{
    if (!progress_is_due())
        return;
    char cells[BAR_CELLS + 1];
    size_t full = fraction >= 1 ? BAR_CELLS : fraction <= 0 ? 0 : (size_t)(fraction * BAR_CELLS);
    memset(cells, '.', BAR_CELLS);
    memset(cells, '#', full);
    cells[BAR_CELLS] = '\0';
    fprintf(stderr, "\r%s [%s] %3d%%", bar.what, cells, (int)(fraction * 100));
    fflush(stderr);
    bar.shown = now_seconds();
}

void progress_end(void)
{
    wipe_bar();
    bar.what = NULL;
}
