/* reachable.c - the search: see reachable.h */
#include "reachable.h"

#include "frames.h"
#include "message.h"
#include "numbers.h"

#include "image/roots.h"

#include <stdlib.h>
#include <string.h>

/* What image/reach.c was given, to be given back. */
struct piece {
    struct piece *next;
    _Alignas(16) char bytes[]; /* as calloc aligns it */
};
static struct piece *pieces;

static void *take(size_t bytes)
{
    struct piece *piece = calloc(1, sizeof *piece + bytes);
    if (piece == NULL)
        return NULL;
    piece->next = pieces;
    pieces = piece;
    return piece->bytes;
}

static void give_all_back(void)
{
    while (pieces != NULL) {
        struct piece *piece = pieces;
        pieces = piece->next;
        free(piece);
    }
}

/* ---- the memory map as image/roots.h has it ---- */

/* Equal for equal paths, never 0. */
static uint64_t hash_path(const char *path)
{
    return hash_bytes(HASH_NOTHING, path, strlen(path)) | 1;
}

/* A core has no name for the first thread's stack: it lies above all files, and holds its stack pointer. */
static bool is_first_stack(const struct target *target, const struct target_segment *segments, size_t count,
                           size_t index)
{
    const struct target_thread *threads;
    size_t thread_count = target_threads(target, &threads);
    if (strcmp(segments[index].path, "[stack]") == 0)
        return true;
    if (target_is_live(target) || segments[index].path[0] != '\0')
        return false;
    for (size_t i = index + 1; i < count; i++)
        if (segments[i].path[0] == '/')
            return false;
    for (size_t i = 0; i < thread_count; i++)
        if (threads[i].tid == target_pid(target))
            return threads[i].sp >= segments[index].start && threads[i].sp < segments[index].end;
    return false;
}

static struct pw_root_mapping *list_mappings(const struct target *target, size_t *count)
{
    const struct target_segment *segments;
    *count = target_segments(target, &segments);
    struct pw_root_mapping *mappings = heapdump_grow(NULL, *count + 1, sizeof *mappings);
    for (size_t i = 0; i < *count; i++) {
        const struct target_segment *from = &segments[i];
        struct pw_root_mapping *to = &mappings[i];
        *to = (struct pw_root_mapping){.start = from->start, .end = from->end};
        to->access = ((from->access & TARGET_READ) != 0 ? PW_ROOT_READ : 0u) |
                     ((from->access & TARGET_WRITE) != 0 ? PW_ROOT_WRITE : 0u) |
                     (from->is_shared ? PW_ROOT_SHARED : 0u);
        to->file = from->path[0] == '/' ? hash_path(from->path) : 0;
        to->is_stack = is_first_stack(target, segments, *count, i);
        to->is_loader = pw_root_is_loader(from->path);
        to->is_memory = pw_root_is_memory(from->path);
    }
    return mappings;
}

static struct pw_root_thread *list_threads(const struct target *target, size_t *count)
{
    const struct target_thread *threads;
    *count = target_threads(target, &threads);
    struct pw_root_thread *list = heapdump_grow(NULL, *count + 1, sizeof *list);
    for (size_t i = 0; i < *count; i++)
        list[i] = (struct pw_root_thread){threads[i].sp, threads[i].thread_pointer};
    return list;
}

/* ---- the roots ---- */

static void search_registers(struct reachable *reachable, bool of_vectors)
{
    const struct target_thread *threads;
    size_t count = target_threads(reachable->target, &threads);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < threads[i].word_count; k++)
            if (reachable_is_vector(reachable->target, k) == of_vectors)
                pw_reach_value(&reachable->reach, threads[i].words[k],
                               PLACE_REGISTER | (uint64_t)i << PLACE_THREAD_SHIFT | k);
}

static void search_threads(struct reachable *reachable)
{
    const struct target_thread *threads;
    size_t count = target_threads(reachable->target, &threads);
    for (size_t i = 0; i < count; i++)
        pw_reach_thread(&reachable->reach, threads[i].thread_pointer);
    search_registers(reachable, false);
}

struct select {
    struct reachable *reachable;
    const struct pw_root_mapping *mappings;
    bool lacks_memory; /* of a core: what the program could write to is not in it */
};

static void search_root(void *context, uint64_t start, uint64_t end, uint32_t mapping)
{
    struct select *select = context;
    const struct target_segment *segments;
    (void)target_segments(select->reachable->target, &segments);
    /* Private memory that isn't in a core was never written; shared memory may be left out all the same. */
    select->lacks_memory = select->lacks_memory || (!segments[mapping].is_readable && select->mappings[mapping].is_memory);
    struct pw_reach *reach = &select->reachable->reach;
    bool starts_only = reach->starts_only;
    reach->starts_only = starts_only && !select->mappings[mapping].is_loader;
    pw_reach_range(reach, start, end);
    reach->starts_only = starts_only;
}

static bool search_roots(struct reachable *reachable)
{
    size_t mapping_count, thread_count;
    struct pw_root_mapping *mappings = list_mappings(reachable->target, &mapping_count);
    struct pw_root_thread *threads = list_threads(reachable->target, &thread_count);
    struct select select = {.reachable = reachable, .mappings = mappings};
    struct pw_roots roots = {.image = reachable->reach.image,
                             .mappings = mappings,
                             .mapping_count = (uint32_t)mapping_count,
                             .threads = threads,
                             .thread_count = (uint32_t)thread_count,
                             .map = take,
                             .select = search_root,
                             .context = &select};
    search_threads(reachable);
    pw_reach_kept(&reachable->reach);
    bool done = pw_roots_select(&roots);
    search_registers(reachable, true); /* last: mostly they hold copies, or what was there before */
    if (select.lacks_memory || !target_is_whole(reachable->target))
        message("memory is missing in this core: what only that points at is taken for lost");
    free(mappings);
    free(threads);
    return done;
}

/* What the caller wants to be told, and how far the search is. */
struct search {
    struct pw_reach *reach;
    void (*found)(void *context, uint64_t place, uint32_t block);
    void *context;
    uint32_t reached;
    uint32_t calls;
};

static void note_found(void *context, uint64_t place, uint32_t block)
{
    enum { CALLS_A_LOOK = 4096 };
    struct search *search = context;
    search->reached += pw_reach_block(search->reach, block)->mark == PW_REACH_LOST;
    if (++search->calls % CALLS_A_LOOK == 0 && progress_is_due())
        progress_set((double)search->reached / search->reach->count);
    if (search->found != NULL)
        search->found(search->context, place, block);
}

static uint64_t next_memory(void *context, uint64_t at, uint64_t end)
{
    return target_next_memory(context, at, end);
}

bool reachable_search(struct reachable *reachable)
{
    struct pw_reach *reach = &reachable->reach;
    struct search search = {.reach = reach, .found = reach->found, .context = reach->context};
    reach->found = note_found;
    reach->context = &search;
    reach->next_memory = next_memory;
    reach->image = target_image(reachable->target);
    reach->map = take;
    progress_start("looking for pointers");
    bool done = pw_reach_start(reach) && search_roots(reachable);
    if (done)
        pw_reach_finish(reach);
    progress_end();
    reach->found = search.found;
    reach->context = search.context;
    if (!done)
        message("there is not enough memory to look at all blocks");
    return done;
}

void reachable_close(struct reachable *reachable)
{
    frames_close(reachable->frames);
    reachable->frames = NULL;
    give_all_back();
}
