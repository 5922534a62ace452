/*
 * run_again.c - more than one run of the same program.
 *
 * --pinpoint: both runs have the same seed and no random addresses, so a program that does the same again
 * allocates the same blocks at the same addresses. The second one watches the byte that the first found
 * damaged (option watch). Whether it was the same block is seen by its size and by where it was allocated.
 * Where it wasn't, a third run has guards on all blocks of the place, whichever numbers they have: the first run
 * left a hint (option hints). So is a pointer's way out of a freed block found, of which only the end was seen: poison.
 *
 * --thorough: what a run can see depends on where blocks lie. Reports that say the same are shown once.
 */
#include "run.h"

#include "message.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HINTED_ALIGNMENT = 8 }; /* at least, of blocks that the library guards for a hint */

static const char *summary_of(const struct run_findings *findings)
{
    return findings->summary.data != NULL ? findings->summary.data : "an error";
}

static bool is_same_block(const struct run_damage *a, const struct run_damage *b)
{
    return a->has_block && b->has_block && a->thread == b->thread && a->number == b->number;
}

static bool is_same_place(const struct run_damage *a, const struct run_damage *b)
{
    const char *one = a->place.data, *other = b->place.data;
    return one == NULL || other == NULL || strcmp(one, other) == 0;
}

/* How far the second run was like the first. */
static void tell_how_far(const struct run_damage *first, const struct run_damage *second)
{
    if (second->never_came)
        message("the runs differ: the second one ended after %" PRIu64 " allocations of thread T%" PRIu32 ", before number %" PRIu64,
                second->made, first->thread, first->number);
    else if (second->came && second->came_size != first->size)
        message("the runs differ: allocation %" PRIu64 " of thread T%" PRIu32 " was of %" PRIu64 " bytes, and in the second one of %" PRIu64,
                first->number, first->thread, first->size, second->came_size);
    else if (is_same_block(first, second) && !is_same_place(first, second))
        message("the runs differ: that allocation was made in %s, and in the second one in %s", first->place.data,
                second->place.data);
}

/* What the second run of --pinpoint showed; true: it was another one. */
static bool tell_second(const struct run_findings *first, const struct run_findings *second)
{
    const struct run_damage *damage = &second->damage;
    bool is_same = is_same_block(&first->damage, damage) && is_same_place(&first->damage, damage) &&
                   first->damage.size == damage->size;
    if (second->errors != 0 && is_same && damage->has_writer)
        message("pinpointed: the store is the first stack of the last report: %s", summary_of(second));
    else if (second->errors != 0 && !damage->is_late && !damage->has_writer)
        message("pinpointed: the access is the first stack of the last report: %s", summary_of(second));
    else if (second->errors != 0 && is_same)
        message("the same damage again, but no store of the program to that byte was seen: then it was the kernel's (read "
                "and its like), or the machine gives no hardware breakpoints (a line of the report says so)");
    else {
        tell_how_far(&first->damage, damage);
        if (second->errors == 0)
            message("the runs differ: nothing was found in the second one");
        else
            message("the runs differ: the second one found the damage in another block: %s", summary_of(second));
        return true;
    }
    return false;
}

static void tell_guarded(const struct run_findings *found)
{
    if (found->errors == 0)
        message("with guard pages on all blocks of that place, nothing was found");
    else if (found->damage.is_late)
        message("with guard pages on all blocks of that place it was found late again: %s", summary_of(found));
    else if (found->damage.is_poison)
        message("with guard pages on all blocks of that place the read of the pointer was not seen, either: %s", summary_of(found));
    else
        message("pinpointed, with guard pages on all blocks of that place: the access is the first stack of the last report: %s",
                summary_of(found));
}

/* With the hints of the first run. */
static bool run_guarded(struct run *run, const char *program, const char *library, int *status)
{
    struct run_findings findings = {0};
    bool is_done = run_once(run, program, library, &findings, status);
    if (is_done)
        tell_guarded(&findings);
    run_findings_free(&findings);
    return is_done;
}

static void add_watch(struct run *run, const struct run_damage *damage)
{
    char words[96];
    snprintf(words, sizeof words, "%" PRIu32 "/%" PRIu64 "%+" PRId64, damage->thread, damage->number, damage->offset);
    (void)run_add_option(run, "watch", words);
    message("run again, watching byte %+" PRId64 " of allocation %" PRIu64 " of thread T%" PRIu32, damage->offset,
            damage->number, damage->thread);
}

static void copy_bytes(struct bytes *to, const struct bytes *from)
{
    bytes_clear(to);
    bytes_span(to, (struct span){from->data, from->length});
}

/*
 * The second run, with the `plain` options; and, with those of the first, which have the hints, the third. False: one
 * could not be started.
 */
static bool run_more(struct run *run, const char *program, const char *library, const struct bytes *plain,
                     const struct run_findings *first, int *status)
{
    struct run_findings second = {0};
    struct bytes options = {0};
    copy_bytes(&options, &run->options);
    copy_bytes(&run->options, plain);
    add_watch(run, &first->damage);
    bool is_done = run_once(run, program, library, &second, status);
    if (is_done && tell_second(first, &second)) {
        copy_bytes(&run->options, &options);
        uint64_t slack_end = PW_ALIGN_UP(first->damage.size, (uint64_t)HINTED_ALIGNMENT);
        if (first->damage.offset < 0)
            (void)run_add_option(run, "guard_side", "left");
        else if ((uint64_t)first->damage.offset >= first->damage.size && (uint64_t)first->damage.offset < slack_end)
            (void)run_add_option(run, "guard_perfect_align", "1");
        message("run a third time, with guard pages on all blocks of the place that allocated the damaged one");
        is_done = run_guarded(run, program, library, status);
    }
    run_findings_free(&second);
    bytes_free(&options);
    return is_done;
}

static bool run_from_first(struct run *run, const char *program, const char *library, const char *hints,
                           struct run_findings *findings, int *status)
{
    struct bytes plain = {0};
    copy_bytes(&plain, &run->options);
    if (hints != NULL)
        (void)run_add_option(run, "hints", hints);
    bool is_done = run_once(run, program, library, findings, status);
    const struct run_damage *damage = &findings->damage;
    if (is_done && findings->errors == 0 && run_has_crashed(*status))
        message("nothing was found that could be pinpointed, but it ended by signal %d" RUN_TRY_THOROUGH, WTERMSIG(*status));
    else if (is_done && findings->errors == 0)
        message("nothing was found: there is nothing to pinpoint");
    else if (is_done && damage->is_poison && damage->has_block) {
        message("run again, with guard pages on all blocks of the place that allocated it");
        is_done = run_guarded(run, program, library, status);
    } else if (is_done && damage->is_poison)
        message("nothing tells which block the pointer was read from; `heapdump run --thorough' may meet the read itself");
    else if (is_done && !damage->is_late)
        message("the report's first stack is the access itself: there is nothing to pinpoint");
    else if (is_done && (!damage->has_offset || !damage->has_block))
        message("the report does not name the allocation and the byte: there is nothing to watch");
    else if (is_done)
        is_done = run_more(run, program, library, &plain, findings, status);
    bytes_free(&plain);
    return is_done;
}

bool run_pinpoint(struct run *run, const char *program, const char *library, struct run_findings *findings, int *status)
{
    const char *root = getenv("TMPDIR");
    struct bytes hints = {0};
    run->is_fixed = true;
    if (run->options.data == NULL || strstr(run->options.data, "seed=") == NULL)
        (void)run_add_option(run, "seed", "1");
    bytes_str(&hints, root != NULL && root[0] == '/' ? root : "/tmp");
    bytes_str(&hints, "/heapdump-hints.XXXXXX");
    bool is_users = run->options.data != NULL && strstr(run->options.data, "hints=") != NULL;
    int file = is_users ? -1 : mkstemp(hints.data);
    bool is_done = run_from_first(run, program, library, file >= 0 ? hints.data : NULL, findings, status);
    if (file >= 0) {
        (void)close(file);
        (void)unlink(hints.data);
    }
    bytes_free(&hints);
    return is_done;
}

/* ---- --thorough ---- */

static const struct variant {
    const char *words;
    const char *level;
    const char *options[3][2];
} variants[] = {
    {"overruns", "guard", {{"guard_side", "right"}}},
    {"overruns, to the byte", "guard", {{"guard_side", "right"}, {"guard_perfect_align", "1"}}},
    {"underruns", "guard", {{"guard_side", "left"}}},
    {"nothing used again", "full", {{"guard_site_blocks", "0"}, {"guard_sample_rate", "0"}, {"quarantine_size_mb", "4096"}}},
};
enum { VARIANTS = sizeof variants / sizeof variants[0] };

static void show(const struct run_findings *findings)
{
    size_t done = 0;
    while (done < findings->text.length) {
        ssize_t written = write(STDERR_FILENO, findings->text.data + done, findings->text.length - done);
        if (written <= 0)
            return;
        done += (size_t)written;
    }
}

/* Of a run: is what it found known from one before? Then its reports are not shown again. */
static bool is_known(const struct run_findings all[VARIANTS], size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (all[i].errors == all[index].errors && strcmp(summary_of(&all[i]), summary_of(&all[index])) == 0)
            return true;
    return false;
}

static void tell_variant(const struct variant *variant, const struct run_findings *findings, int status)
{
    if (findings->errors != 0)
        message("  %-22s %s", variant->words, summary_of(findings));
    else if (WIFSIGNALED(status))
        message("  %-22s ended by signal %d without a report%s", variant->words, WTERMSIG(status),
                strcmp(variant->words, "overruns, to the byte") == 0 ? " (a program that counts on malloc's alignment?)" : "");
    else
        message("  %-22s nothing", variant->words);
}

static bool run_variant(struct run *run, const struct variant *variant, const char *program, const char *library,
                        struct run_findings *findings, int *status)
{
    struct bytes before = run->options;
    run->options = (struct bytes){0};
    for (size_t i = 0; i < PW_ARRAY_SIZE(variant->options) && variant->options[i][0] != NULL; i++)
        (void)run_add_option(run, variant->options[i][0], variant->options[i][1]);
    if (before.length > 0) {
        bytes_char(&run->options, ':');
        bytes_span(&run->options, (struct span){before.data, before.length});
    }
    run->level = variant->level;
    findings->keeps_text = true;
    bool done = run_once(run, program, library, findings, status);
    bytes_free(&run->options);
    run->options = before;
    return done;
}

/* The first run that found something speaks for all; that of the last, where none did. */
static void take_verdict(struct run_findings *verdict, struct run_findings all[VARIANTS], const int statuses[VARIANTS],
                         int *status)
{
    size_t chosen = 0;
    while (chosen < VARIANTS - 1 && all[chosen].errors == 0)
        chosen++;
    *verdict = all[chosen];
    *status = statuses[chosen];
    for (size_t i = 0; i < VARIANTS; i++)
        if (i != chosen)
            run_findings_free(&all[i]);
}

bool run_thoroughly(struct run *run, const char *program, const char *library, struct run_findings *findings, int *status)
{
    struct run_findings all[VARIANTS] = {0};
    int statuses[VARIANTS];
    for (size_t i = 0; i < VARIANTS; i++) {
        if (!run_variant(run, &variants[i], program, library, &all[i], &statuses[i]))
            return false;
        if (all[i].errors == 0 || !is_known(all, i))
            show(&all[i]);
    }
    message("%s, run with an eye to", run->arguments[0]);
    for (size_t i = 0; i < VARIANTS; i++)
        tell_variant(&variants[i], &all[i], statuses[i]);
    take_verdict(findings, all, statuses, status);
    return true;
}
