/*
 * run_again.c - more than one run of the same program.
 *
 * --pinpoint: both runs have the same seed and no random addresses, so a program that does the same again
 * allocates the same blocks at the same addresses. The second one watches the byte that the first found
 * damaged (option watch). Whether it was the same block is seen by where it was allocated.
 *
 * --thorough: what a run can see depends on where blocks lie. Reports that say the same are shown once.
 */
#include "run.h"

#include "message.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* What the second run of --pinpoint showed. */
static void tell_second(const struct run_findings *first, const struct run_findings *second)
{
    const struct run_damage *damage = &second->damage;
    if (second->errors != 0 && is_same_block(&first->damage, damage) && !is_same_place(&first->damage, damage))
        message("the runs differ: that allocation was made in %s, and in the second run in %s",
                first->damage.place.data, damage->place.data);
    else if (second->errors != 0 && damage->has_writer)
        message("pinpointed: the store is the first stack of the last report: %s", summary_of(second));
    else if (damage->never_came)
        message("the runs differ: the second one made fewer allocations in thread T%" PRIu32, first->damage.thread);
    else if (second->errors == 0)
        message("the runs differ: nothing was found in the second one");
    else if (!damage->is_late)
        message("pinpointed: the access is the first stack of the last report: %s", summary_of(second));
    else if (is_same_block(&first->damage, damage))
        message("the same damage again, but no store of the program to that byte was seen: then it was the kernel's (read "
                "and its like), or the machine gives no hardware breakpoints (a line of the report says so)");
    else
        message("the runs differ: the second one found something else: %s", summary_of(second));
}

static void add_watch(struct run *run, const struct run_damage *damage)
{
    char words[96];
    snprintf(words, sizeof words, "%" PRIu32 "/%" PRIu64 "%+" PRId64, damage->thread, damage->number, damage->offset);
    (void)run_add_option(run, "watch", words);
    message("run again, watching byte %+" PRId64 " of allocation %" PRIu64 " of thread T%" PRIu32, damage->offset,
            damage->number, damage->thread);
}

bool run_pinpoint(struct run *run, const char *program, const char *library, struct run_findings *findings, int *status)
{
    run->is_fixed = true;
    if (run->options.data == NULL || strstr(run->options.data, "seed=") == NULL)
        (void)run_add_option(run, "seed", "1");
    if (!run_once(run, program, library, findings, status))
        return false;
    const struct run_damage *damage = &findings->damage;
    if (findings->errors == 0) {
        message("nothing was found: there is nothing to pinpoint");
        return true;
    }
    if (!damage->is_late) {
        message("the report's first stack is the access itself: there is nothing to pinpoint");
        return true;
    }
    if (!damage->has_offset || !damage->has_block) {
        message("the report does not name the allocation and the byte: there is nothing to watch");
        return true;
    }
    add_watch(run, damage);
    struct run_findings second = {0};
    if (!run_once(run, program, library, &second, status))
        return false;
    tell_second(findings, &second);
    run_findings_free(&second);
    return true;
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
