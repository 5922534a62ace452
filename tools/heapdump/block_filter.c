/* block_filter.c - see block_filter.h */
#include "block_filter.h"

#include "blocks.h"
#include "command_line.h"
#include "numbers.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_STATE = 768, KEY_SIZE, KEY_SITE, KEY_THREAD, KEY_NUMBER, KEY_HEAP, KEY_FAMILY };
enum { FIRST_CAPACITY = 1024, WHERE_BYTES = 8192 };

static const char *const state_names[] = {"live",    "cached",  "quarantined", "free",
                                          "pending", "retired", "damaged"};
enum { STATE_LIVE_BIT = 1 };

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "Which blocks:", 5},
    {"state", KEY_STATE, "LIST", 0, "live, cached, quarantined, free, pending, retired, damaged; or all", 5},
    {"size", KEY_SIZE, "MIN-MAX", 0, "Of so many bytes as requested (4K, 1M-, -64)", 5},
    {"site", KEY_SITE, "REGEX", 0, "With a function, file:line or module in the allocating stack that matches", 5},
    {"thread", KEY_THREAD, "T", 0, "Allocated by this thread: T3, its kernel id, or its name", 5},
    {"seq", KEY_NUMBER, "MIN-MAX", 0, "By number of the allocation in its thread: older is lower", 5},
    {"heap", KEY_HEAP, "N", 0, "Of this heap", 5},
    {"family", KEY_FAMILY, "F", 0, "Allocated by malloc, aligned, new, new[]", 5},
    {0},
};

/* ---- parsing ---- */

static void parse_states(struct block_filter *filter, const char *list, struct argp_state *state)
{
    char *copy = heapdump_copy(list), *rest = copy, *name;
    while ((name = strsep(&rest, ",")) != NULL) {
        size_t i = 0;
        while (i < PW_ARRAY_SIZE(state_names) && strcmp(state_names[i], name) != 0)
            i++;
        if (strcmp(name, "all") == 0)
            filter->states = (1u << PW_ARRAY_SIZE(state_names)) - 1;
        else if (i < PW_ARRAY_SIZE(state_names))
            filter->states |= 1u << i;
        else
            argp_error(state, "there is no state `%s'", name);
    }
    free(copy);
}

static void parse_site(struct block_filter *filter, const char *text, struct argp_state *state)
{
    char why[256];
    if (filter->site != NULL)
        argp_error(state, "one --site at a time: join them with |");
    int error = regcomp(&filter->expression, text, REG_EXTENDED | REG_NOSUB);
    if (error == 0) {
        filter->site = text;
        return;
    }
    regerror(error, &filter->expression, why, sizeof why);
    argp_error(state, "--site=%s: %s", text, why);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct block_filter *filter = state->input;
    switch (key) {
    case KEY_STATE:
        parse_states(filter, arg, state);
        return 0;
    case KEY_SIZE:
        if (!parse_range(arg, &filter->least_size, &filter->most_size))
            argp_error(state, "--size=%s: that is no range of bytes", arg);
        return 0;
    case KEY_SITE:
        parse_site(filter, arg, state);
        return 0;
    case KEY_THREAD:
        filter->thread = arg;
        return 0;
    case KEY_NUMBER:
        filter->has_numbers = true;
        if (!parse_range(arg, &filter->least_number, &filter->most_number))
            argp_error(state, "--seq=%s: that is no range of numbers", arg);
        return 0;
    case KEY_HEAP:
        if (!parse_bytes(arg, &filter->heap))
            argp_error(state, "--heap=%s: that is no number", arg);
        return 0;
    case KEY_FAMILY:
        filter->family = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp block_filter_argp = {.options = options, .parser = parse_option};
const struct argp_child block_filter_children[] = {{&block_filter_argp, 0, NULL, 0}, {&command_line_argp, 0, NULL, 0}, {0}};

struct block_filter block_filter_init(void)
{
    return (struct block_filter){.most_size = UINT64_MAX, .most_number = UINT64_MAX, .heap = UINT64_MAX};
}

void block_filter_default_live(struct block_filter *filter)
{
    if (filter->states == 0)
        filter->states = STATE_LIVE_BIT;
}

/* ---- stacks that were judged already ---- */

struct stack_verdicts {
    struct numbers stacks;
    bool *match; /* by the number of the stack */
    size_t capacity;
};

static bool matches(const struct block_filter *filter, const char *text)
{
    return text != NULL && regexec(&filter->expression, text, 0, NULL, 0) == 0;
}

static bool place_matches(const struct block_filter *filter, const struct place *place)
{
    char where[WHERE_BYTES];
    if (place->file != NULL)
        snprintf(where, sizeof where, "%s:%u", place->file, place->line);
    return matches(filter, place->function) || (place->file != NULL && matches(filter, where));
}

static bool stack_matches(const struct block_filter *filter, struct target *target, struct places *places,
                          uint32_t stack)
{
    uint64_t frames[PW_MAX_FRAMES];
    size_t count = target_stack(target, stack, frames);
    for (size_t i = 0; i < count; i++) {
        const struct spot *spot = places_call(places, frames[i]);
        if (spot->module != NULL && matches(filter, spot->module->path))
            return true;
        for (size_t k = 0; k < spot->place_count; k++)
            if (place_matches(filter, &spot->places[k]))
                return true;
    }
    return false;
}

static bool site_takes(struct block_filter *filter, struct target *target, struct places *places,
                       uint32_t stack)
{
    if (stack == 0)
        return false;
    if (filter->verdicts == NULL) {
        filter->verdicts = heapdump_grow(NULL, 1, sizeof *filter->verdicts);
        *filter->verdicts = (struct stack_verdicts){0};
    }
    struct stack_verdicts *verdicts = filter->verdicts;
    uint32_t known = verdicts->stacks.count, number = numbers_take(&verdicts->stacks, stack);
    if (number == verdicts->capacity) {
        verdicts->capacity = verdicts->capacity * 2 + FIRST_CAPACITY;
        verdicts->match = heapdump_grow(verdicts->match, verdicts->capacity, sizeof *verdicts->match);
    }
    if (number == known)
        verdicts->match[number] = stack_matches(filter, target, places, stack);
    return verdicts->match[number];
}

void block_filter_free(struct block_filter *filter)
{
    if (filter->site != NULL)
        regfree(&filter->expression);
    if (filter->verdicts != NULL) {
        numbers_free(&filter->verdicts->stacks);
        free(filter->verdicts->match);
    }
    free(filter->verdicts);
}

/* ---- judging ---- */

static bool is_thread(struct target *target, uint32_t ordinal, const char *name)
{
    struct pw_thread_image thread;
    char *end;
    if (strcmp(target_thread_name(target, ordinal), name) == 0)
        return true;
    unsigned long tid = strtoul(name, &end, 10);
    return *end == '\0' && end != name && target_thread_image(target, ordinal, &thread) && thread.tid == tid;
}

void block_filter_bind(struct block_filter *filter, struct target *target)
{
    const char *name = filter->thread;
    char *end;
    filter->thread_ordinal = UINT32_MAX;
    if (name == NULL)
        return;
    if (name[0] == 'T' && name[1] >= '0' && name[1] <= '9') {
        unsigned long ordinal = strtoul(name + 1, &end, 10);
        if (*end == '\0' && ordinal < UINT32_MAX)
            filter->thread_ordinal = (uint32_t)ordinal;
        return;
    }
    uint32_t count = target_image(target)->root->thread_count;
    for (uint32_t i = 0; i < count && filter->thread_ordinal == UINT32_MAX; i++)
        if (is_thread(target, i, name))
            filter->thread_ordinal = i;
}

static bool state_takes(const struct block_filter *filter, const struct pw_block_info *block)
{
    const char *state = block_state_text(block);
    for (size_t i = 0; i < PW_ARRAY_SIZE(state_names); i++)
        if ((filter->states >> i & 1) != 0 && strcmp(state_names[i], state) == 0)
            return true;
    return filter->states == 0;
}

bool block_filter_takes(struct block_filter *filter, struct target *target, struct places *places,
                        const struct pw_block_info *block)
{
    if (!state_takes(filter, block) || block->size < filter->least_size || block->size > filter->most_size)
        return false;
    if (filter->heap != UINT64_MAX && block->heap != filter->heap)
        return false;
    if (filter->family != NULL && strcmp(filter->family, block_family_text(block)) != 0)
        return false;
    if (filter->has_numbers && (!block_has_thread(block) || block->number < filter->least_number ||
                                block->number > filter->most_number))
        return false;
    if (filter->thread != NULL && (!block_has_thread(block) || block->alloc_thread != filter->thread_ordinal))
        return false;
    return filter->site == NULL ||
           site_takes(filter, target, places, block->has_evidence ? block->alloc_stack : 0);
}
