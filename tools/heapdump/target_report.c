/* target_report.c - see target_report.h */
#include "target_report.h"

#include "demangle.h"
#include "diag/report_render.h"
#include "symbolizer.h"
#include "target_parts.h"
#include "trace/depot.h"
#include "trace/modules.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TEXT_BYTES = 256 * 1024 };

struct target_report {
    struct target *target;
    struct pw_report_config config;
    struct pw_thread_image *threads;
    _Atomic uint32_t thread_count;
    struct pw_render render;
    struct pw_module module; /* of the last frame, with the path that it is found under here */
    struct bytes path;
    char text[TEXT_BYTES];
    struct symbolizer symbolizer;
};

/* The one that is open. */
static struct target_report *current;

/* ---- what the rendering asks ---- */

size_t pw_depot_get(uint32_t id, uint64_t *frames, size_t max)
{
    uint64_t all[PW_MAX_FRAMES];
    size_t count = current != NULL ? target_stack(current->target, id, all) : 0;
    count = (size_t)least(count, max);
    memcpy(frames, all, count * sizeof *all);
    return count;
}

const struct pw_module *pw_modules_find(uint64_t address)
{
    const struct pw_module *found = current != NULL ? target_find_module(current->target, address) : NULL;
    if (found == NULL)
        return NULL;
    current->module = *found;
    if (target_is_live(current->target))
        return &current->module;
    target_file_path(current->target, found->path, &current->path);
    if (current->path.length > 0 && current->path.length < sizeof current->module.path)
        memcpy(current->module.path, current->path.data, current->path.length + 1);
    return &current->module;
}

/* Functions come with their files and lines, in symbolize(). */
bool pw_modules_function(uint64_t address, char *name, size_t size, uint64_t *offset)
{
    (void)address;
    (void)name;
    (void)size;
    (void)offset;
    return false;
}

/* ---- the report ---- */

static void read_threads(struct target_report *report)
{
    const struct pw_root *root = target_image(report->target)->root;
    uint32_t count = atomic_load_explicit(&root->thread_count, memory_order_relaxed);
    report->threads = heapdump_grow(NULL, (size_t)count + 1, sizeof *report->threads);
    for (uint32_t i = 0; i < count; i++)
        if (!target_read(report->target, root->threads + (uint64_t)i * sizeof *report->threads,
                         &report->threads[i], sizeof *report->threads))
            memset(&report->threads[i], 0, sizeof *report->threads);
    atomic_store(&report->thread_count, count);
}

struct target_report *target_report_open(struct target *target, const struct source_style *style, bool is_json)
{
    struct target_report *report = heapdump_grow(NULL, 1, sizeof *report);
    memset(report, 0, sizeof *report);
    report->target = target;
    report->symbolizer.style = *style;
    report->symbolizer.symbols = target_symbols(target);
    read_threads(report);
    report->config = (struct pw_report_config){
        .format = is_json ? PW_REPORT_JSON : PW_REPORT_TEXT,
        .level = (enum pw_level)target_image(target)->root->level,
        .print_summary = true,
        .threads = report->threads,
        .thread_count = &report->thread_count,
    };
    current = report;
    return report;
}

void target_report_close(struct target_report *report)
{
    current = NULL;
    demangle_close();
    symbolizer_free(&report->symbolizer);
    bytes_free(&report->path);
    free(report->threads);
    free(report);
}

static void render(struct target_report *report, const struct pw_fault *fault)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct pw_render *part = &report->render;
    part->fault = fault;
    part->config = &report->config;
    part->pid = target_pid(report->target);
    part->time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    part->fingerprint = pw_fault_fingerprint(fault);
    part->frame_limit = PW_MAX_FRAMES;
    part->text = pw_text_over(report->text, sizeof report->text);
    if (report->config.format == PW_REPORT_JSON)
        pw_json_report_write(part);
    else
        pw_text_report_write(part);
}

void target_report_write(struct target_report *report, FILE *out, const struct pw_fault *fault)
{
    struct pw_fault seen = *fault;
    seen.operation = PW_OP_EXTERNAL;
    render(report, &seen);
    struct span rest = {report->text, report->render.text.length};
    report->symbolizer.added = 0;
    while (rest.length > 0) {
        const char *newline = memchr(rest.at, '\n', rest.length);
        size_t length = newline != NULL ? (size_t)(newline + 1 - rest.at) : rest.length;
        struct span line = {rest.at, length};
        struct span shown = report->config.format == PW_REPORT_JSON ? symbolize_json(&report->symbolizer, line)
                                                                     : symbolize_text(&report->symbolizer, line);
        fwrite(shown.at, 1, shown.length, out);
        rest = span_after(rest, length);
    }
}
