/* top_sample.c - samples of a process, and the rows that they make: see top.h */
#include "top.h"

#include "blocks.h"
#include "sites.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

double top_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int64_t top_growth(const struct top_row *row)
{
    return (int64_t)(row->bytes - row->bytes_at_first);
}

double top_rate(const struct top *top, const struct top_row *row)
{
    return top->apart > 0 ? (double)(int64_t)(row->bytes - row->bytes_before) / top->apart : 0;
}

static int by_stack(const void *a, const void *b)
{
    const struct top_row *x = a, *y = b;
    return x->stack < y->stack ? -1 : x->stack > y->stack;
}

static struct top_row *find_row(const struct top *top, size_t count, uint32_t stack)
{
    struct top_row wanted = {.stack = stack};
    return count > 0 ? bsearch(&wanted, top->rows, count, sizeof wanted, by_stack) : NULL;
}

static bool add_block(void *context, const struct pw_block_info *block)
{
    struct sites *sites = context;
    if (block->sealed && block->state == PW_STATE_LIVE)
        sites_add(sites, block->has_evidence ? block->alloc_stack : 0, 1, block->size);
    return true;
}

/* Rows of sites that have nothing any more stay, with nothing: what shrank is told as well. */
static void merge(struct top *top, const struct sites *sites)
{
    size_t known = top->row_count;
    for (size_t i = 0; i < known; i++) {
        top->rows[i].bytes_before = top->rows[i].bytes;
        top->rows[i].bytes = top->rows[i].blocks = 0;
    }
    top->rows = heapdump_grow(top->rows, known + sites->count + 1, sizeof *top->rows);
    for (size_t i = 0; i < sites->count; i++) {
        const struct site *site = &sites->table[i];
        struct top_row *row = find_row(top, known, site->stack);
        if (row == NULL) {
            row = &top->rows[top->row_count++];
            *row = (struct top_row){.stack = site->stack};
        }
        row->bytes = site->bytes;
        row->blocks = site->blocks;
    }
    qsort(top->rows, top->row_count, sizeof *top->rows, by_stack);
    if (top->samples != 0 && !top->resets)
        return;
    for (size_t i = 0; i < top->row_count; i++)
        top->rows[i].bytes_at_first = top->rows[i].bytes_before = top->rows[i].bytes;
    top->bytes_at_first = sites->bytes;
    top->resets = false;
}

static void name_row(struct places *places, struct top_row *row)
{
    if (row->text == NULL)
        row->text = heapdump_copy(row->stack != 0 ? places_site_text(places, row->stack) : "(not known)");
}

/* With a filter every row's name is needed, else those on the screen. */
static void name_rows(struct top *top, struct target *target, size_t visible)
{
    struct places *places = places_open(target, &top->line.style);
    for (size_t i = 0; top->filter.length > 0 && i < top->row_count; i++)
        name_row(places, &top->rows[i]);
    top_arrange(top);
    size_t last = top->first_row + visible < top->view_count ? top->first_row + visible : top->view_count;
    for (size_t i = top->first_row; i < last; i++)
        name_row(places, top->view[i]);
    places_close(places);
}

bool top_sample(struct top *top, size_t visible)
{
    struct target *target = target_open(top->line.name, &top->line.target);
    struct sites sites = {0};
    if (target == NULL)
        return false;
    double now = top_now();
    target_freeze(target);
    (void)pw_image_walk(target_image(target), add_block, &sites);
    sites_sort(&sites, false);
    merge(top, &sites);
    top->bytes = sites.bytes;
    top->blocks = sites.blocks;
    top->level = target_image(target)->root->level;
    top->pid = target_pid(target);
    free(top->program);
    top->program = heapdump_copy(target_program(target));
    top->stopped_ns = target_stopped_ns(target);
    top->apart = top->taken_at > 0 ? now - top->taken_at : 0;
    top->taken_at = now;
    top->samples++;
    name_rows(top, target, visible);
    sites_free(&sites);
    target_close(target);
    return true;
}

/* ---- order ---- */

static const struct top *arranged; /* qsort hands nothing on */

static double weight(const struct top_row *row)
{
    switch (arranged->order) {
    case TOP_BY_BLOCKS:
        return (double)row->blocks;
    case TOP_BY_GROWTH:
        return (double)top_growth(row);
    case TOP_BY_RATE:
        return top_rate(arranged, row);
    default:
        return (double)row->bytes;
    }
}

static int by_weight(const void *a, const void *b)
{
    const struct top_row *x = *(struct top_row *const *)a, *y = *(struct top_row *const *)b;
    double wx = weight(x), wy = weight(y);
    return wx > wy ? -1 : wx < wy ? 1 : by_stack(x, y);
}

static bool is_shown(const struct top *top, const struct top_row *row)
{
    if (row->bytes == 0 && row->blocks == 0 && top_growth(row) == 0)
        return false;
    return top->filter.length == 0 || (row->text != NULL && strstr(row->text, top->filter.data) != NULL);
}

void top_arrange(struct top *top)
{
    top->view = heapdump_grow(top->view, top->row_count + 1, sizeof(struct top_row *));
    top->view_count = 0;
    for (size_t i = 0; i < top->row_count; i++)
        if (is_shown(top, &top->rows[i]))
            top->view[top->view_count++] = &top->rows[i];
    arranged = top;
    qsort(top->view, top->view_count, sizeof(struct top_row *), by_weight);
    if (top->first_row >= top->view_count)
        top->first_row = top->view_count > 0 ? top->view_count - 1 : 0;
}

void top_free(struct top *top)
{
    for (size_t i = 0; i < top->row_count; i++)
        free(top->rows[i].text);
    free(top->rows);
    free(top->view);
    free(top->program);
    bytes_free(&top->filter);
}
