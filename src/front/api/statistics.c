/* statistics.c - see statistics.h; and the functions of malloc.h that ask for them. */
#include "front/api/statistics.h"

#include "diag/report.h"
#include "front/state.h"
#include "front/trim.h"
#include "trace/depot.h"

#include <malloc.h>
#include <stdio.h>

/* Guarded blocks are for the statistics what they would be without their guards: small. */
static bool is_of_pool(const struct pw_block_info *block)
{
    return atomic_load_explicit(&pw_region_at(block->region)->kind, memory_order_relaxed) == PW_REGION_GUARD;
}

static bool count_block(void *context, const struct pw_block_info *block)
{
    struct pwheap_statistics *statistics = context;
    switch (block->state) {
    case PW_STATE_LIVE:
        statistics->live_bytes += block->size;
        statistics->live_blocks++;
        if ((block->flags & PW_HEAP_MAPPED) != 0 && !is_of_pool(block)) {
            statistics->mapped_bytes += block->size;
            statistics->mapped_blocks++;
        }
        break;
    case PW_STATE_FREE:
        statistics->free_bytes += block->block_size;
        statistics->free_blocks++;
        break;
    case PW_STATE_CACHED:
    case PW_STATE_PENDING:
        statistics->cached_bytes += block->block_size;
        statistics->cached_blocks++;
        break;
    default:
        statistics->quarantined_bytes += block->block_size;
        statistics->quarantined_blocks++;
        break;
    }
    return true;
}

void pw_statistics(struct pwheap_statistics *statistics)
{
    struct pw_image image = pw_image_locked();
    *statistics = (struct pwheap_statistics){.faults = pw_report_count()};
    (void)pw_image_walk(&image, count_block, statistics);
    uint32_t count = atomic_load_explicit(&pw_root.region_count, memory_order_acquire);
    for (uint32_t i = 1; i < count; i++) {
        struct pw_region region;
        if (!pw_image_region(&image, i, &region))
            continue;
        statistics->region_bytes += (uint64_t)region.granules << region.shift;
        statistics->metadata_bytes += region.mapping_bytes;
    }
    for (struct pw_cache *cache = pw_cache_first(); cache != NULL; cache = cache->next)
        statistics->metadata_bytes += sizeof *cache;
    statistics->metadata_bytes += pw_depot_bytes();
}

static void line(struct pw_text *text, const char *words, size_t bytes, size_t blocks)
{
    pw_text_str(text, words);
    pw_text_dec(text, bytes);
    pw_text_str(text, " bytes in ");
    pw_text_dec(text, blocks);
    pw_text_str(text, " blocks\n");
}

void pw_statistics_text(const struct pwheap_statistics *s, struct pw_text *text)
{
    line(text, "live:        ", s->live_bytes, s->live_blocks);
    line(text, "  mapped:    ", s->mapped_bytes, s->mapped_blocks);
    line(text, "cached:      ", s->cached_bytes, s->cached_blocks);
    line(text, "quarantined: ", s->quarantined_bytes, s->quarantined_blocks);
    line(text, "free:        ", s->free_bytes, s->free_blocks);
    pw_text_str(text, "address space: ");
    pw_text_dec(text, s->region_bytes);
    pw_text_str(text, " bytes of regions, ");
    pw_text_dec(text, s->metadata_bytes);
    pw_text_str(text, " bytes of tables\n");
}

void pw_print_statistics(void)
{
    char storage[1024];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    struct pwheap_statistics statistics;
    pw_statistics(&statistics);
    pw_statistics_text(&statistics, &text);
    char *start = storage;
    for (char *at = storage; *at != '\0'; at++) {
        if (*at != '\n')
            continue;
        *at = '\0';
        pw_report_line(start);
        start = at + 1;
    }
}

void pw_print_statistics_at_exit(void)
{
    if (pw_options()->atexit)
        pw_print_statistics();
}

/* Of these musl declares none. */
PW_PUBLIC void malloc_stats(void);
PW_PUBLIC void malloc_stats(void)
{
    char storage[1024];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    struct pwheap_statistics statistics;
    pw_statistics(&statistics);
    pw_statistics_text(&statistics, &text);
    (void)fputs(storage, stderr);
}

PW_PUBLIC int malloc_info(int options, FILE *stream);
PW_PUBLIC int malloc_info(int options, FILE *stream)
{
    struct pwheap_statistics s;
    if (options != 0)
        return 22; /* EINVAL, returned, not set: as glibc has it */
    pw_statistics(&s);
    (void)fprintf(stream,
                  "<malloc version=\"pwheap-1\">\n"
                  "<total type=\"live\" count=\"%zu\" size=\"%zu\"/>\n"
                  "<total type=\"mapped\" count=\"%zu\" size=\"%zu\"/>\n"
                  "<total type=\"cached\" count=\"%zu\" size=\"%zu\"/>\n"
                  "<total type=\"quarantined\" count=\"%zu\" size=\"%zu\"/>\n"
                  "<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n"
                  "<system type=\"current\" size=\"%zu\"/>\n"
                  "</malloc>\n",
                  s.live_blocks, s.live_bytes, s.mapped_blocks, s.mapped_bytes, s.cached_blocks,
                  s.cached_bytes, s.quarantined_blocks, s.quarantined_bytes, s.free_blocks,
                  s.free_bytes, s.region_bytes + s.metadata_bytes);
    return 0;
}

PW_PUBLIC int malloc_trim(size_t pad);
PW_PUBLIC int malloc_trim(size_t pad)
{
    (void)pad;
    struct pw_cache *cache = pw_thread_open();
    if (!pw_enter(cache))
        return 0;
    uint64_t given = pw_trim(cache);
    pw_leave(cache);
    return given != 0;
}

PW_PUBLIC int mallopt(int parameter, int value);
PW_PUBLIC int mallopt(int parameter, int value)
{
    /* glibc's knobs have no counterpart here; it says 1 for all that it knows. */
    (void)parameter;
    (void)value;
    return 1;
}
