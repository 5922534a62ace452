/*
 * check.c - heapdump check: validate a whole heap from outside, and list its damage as reports.
 *
 * A live process stays stopped meanwhile: what it changes between two looks would look like damage.
 */
#include "bytes.h"
#include "command_line.h"
#include "heapdump.h"
#include "message.h"
#include "target_report.h"

#include <inttypes.h>
#include <stdlib.h>

enum { KEY_MOST = COMMAND_KEY_FIRST, STEP_BLOCKS = 16384, MOST_REPORTS = 1000, MOST_SIGHTINGS = 4096 };
static const uint64_t step_bytes = 4 << 20;

struct arguments {
    struct command_line line;
    uint64_t most; /* reports shown */
};

struct check {
    struct target *target;
    struct target_report *report;
    uint64_t most;
    uint64_t faults;
    /* Of a live target what the first look saw: a step of the allocator that was in progress is gone at the next. */
    struct sighting {
        enum pw_kind kind;
        uint64_t address;
    } *sightings;
    size_t sighting_count;
};

/* ---- checking ---- */

static double fraction(const struct check *check, const struct pw_validate_cursor *cursor)
{
    const struct pw_image *image = target_image(check->target);
    struct pw_region region;
    double all = 0, before = 0;
    for (uint32_t i = 1; i < image->root->region_count; i++) {
        if (!pw_image_region(image, i, &region))
            continue;
        double bytes = (double)((uint64_t)region.limit << region.shift);
        all += bytes;
        if (i < cursor->region)
            before += bytes;
        else if (i == cursor->region)
            before += (double)((uint64_t)cursor->granule << region.shift);
    }
    return all > 0 ? before / all : 1;
}

/* Call `found` with every fault there is. */
static void validate(struct check *check, void (*found)(struct check *check, const struct pw_fault *fault))
{
    struct pw_validate_cursor cursor = {.region = 0};
    progress_start("checking the heap");
    while (!cursor.is_done) {
        struct pw_fault fault = {.kind = PW_KIND_NONE};
        if (progress_is_due())
            progress_set(fraction(check, &cursor));
        if (pw_validate_step(target_image(check->target), &cursor, STEP_BLOCKS, step_bytes, &fault))
            found(check, &fault);
    }
    progress_end();
}

static void show(struct check *check, const struct pw_fault *fault)
{
    if (check->faults++ >= check->most)
        return;
    progress_end();
    target_report_write(check->report, stdout, fault);
    progress_start("checking the heap");
}

/* Beyond MOST_SIGHTINGS it is no step in progress. */
static void note(struct check *check, const struct pw_fault *fault)
{
    if (check->sighting_count == MOST_SIGHTINGS)
        return;
    check->sightings = heapdump_grow(check->sightings, check->sighting_count + 1, sizeof *check->sightings);
    check->sightings[check->sighting_count++] = (struct sighting){fault->kind, fault->address};
}

static void show_if_seen_before(struct check *check, const struct pw_fault *fault)
{
    bool is_known = check->sighting_count == MOST_SIGHTINGS;
    for (size_t i = 0; i < check->sighting_count && !is_known; i++)
        is_known = check->sightings[i].kind == fault->kind && check->sightings[i].address == fault->address;
    if (is_known)
        show(check, fault);
}

static void check_all(struct check *check)
{
    if (!target_is_live(check->target)) {
        validate(check, show);
        return;
    }
    validate(check, note);
    if (check->sighting_count == 0)
        return;
    /* Where it can't be let run (a debugger holds it) there is this look only. */
    bool is_again = target_look_again(check->target);
    validate(check, is_again ? show_if_seen_before : show);
    free(check->sightings);
}

static void conclude(const struct check *check, const struct command_line *line)
{
    char count[2 * BYTES_TEXT];
    if (check->faults > check->most)
        message("%" PRIu64 " more are not shown (--most)", check->faults - check->most);
    if (line->is_json)
        return;
    if (check->faults == 0)
        puts(target_is_whole(check->target) ? "the heap is sound: no damage found" : "no damage found in what could be read");
    else
        printf("%s damage%s found\n", count_text(count, check->faults), check->faults == 1 ? "" : "s");
}

/* What can't be read is passed over by the validation: that is no "fine". */
static int check_status(const struct check *check)
{
    if (check->faults != 0)
        return HEAPDUMP_FOUND;
    return target_is_whole(check->target) ? HEAPDUMP_FINE : HEAPDUMP_UNREADABLE;
}

/* ---- the command ---- */

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->line;
        return 0;
    case KEY_MOST:
        if (!parse_bytes(arg, &arguments->most))
            argp_error(state, "--most=%s: that is no number", arg);
        if (arguments->most == 0)
            arguments->most = UINT64_MAX;
        return 0;
    default:
        return command_line_take_target(&arguments->line, key, arg, state);
    }
}

static const struct argp_option options[] = {
    {"most", KEY_MOST, "N", 0, "Show at most N damages (1000; 0: all). All are counted", 0},
    {0},
};

static int look(struct target *target, void *input)
{
    struct arguments *arguments = input;
    struct check check = {.target = target, .most = arguments->most};
    check.report = target_report_open(target, &arguments->line.style, arguments->line.is_json);
    check_all(&check);
    conclude(&check, &arguments->line);
    target_report_close(check.report);
    return check_status(&check);
}

int check_command(int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .args_doc = "TARGET",
        .doc = "Check every block of a heap: headers, links, red zones, poison, free lists.\v"
               "The damage is listed as reports. A live process is stopped meanwhile. Exit status 1: damage was found, 3: none, but the core is "
               "not whole.",
        .children = command_line_children,
    };
    struct arguments arguments = {.line = command_line_init(), .most = MOST_REPORTS};
    return command_line_run(&arguments.line, &argp, argc, argv, &arguments, look);
}
