/* image_rest.c - see image_rest.h. The process that the image is of is made up: its mappings are the noted pages. */
#include "image_rest.h"

#include "image/core.h"
#include "image/roots.h"
#include "image/sites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, MOST_RUNS = 2048, SITES = 1024, LINE_BYTES = 96 };

static struct pw_root_mapping runs[MOST_RUNS];
static unsigned run_count;
static struct pw_core_work *work;

static int by_value(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
    return (one > other) - (one < other);
}

static const char *name_of(unsigned run)
{
    static const char *const names[] = {"", "[heap]", "[stack]", "/usr/lib/libc.so.6", "/dev/shm/x (deleted)", "[vdso]"};
    return names[run % 6];
}

/* The mappings as /proc/PID/maps has them: every kind of line. */
static void write_maps(void)
{
    static const char *const accesses[] = {"rw-p", "r--p", "r-xp", "rw-s", "---p"};
    char *at = work->maps;
    for (unsigned i = 0; i < run_count; i++)
        at += snprintf(at, LINE_BYTES, "%llx-%llx %s %08x 08:01 %u %s\n", (unsigned long long)runs[i].start,
                       (unsigned long long)runs[i].end, accesses[i % 7 % 5], i % 3 * PAGE, i % 6 == 3 ? 77 : 0, name_of(i));
    work->maps_length = (size_t)(at - work->maps);
}

void image_rest_start(const uint64_t *pages, unsigned count)
{
    static uint64_t sorted[16384];
    memcpy(sorted, pages, count * sizeof *pages);
    qsort(sorted, count, sizeof sorted[0], by_value);
    for (unsigned i = 0; i < count && run_count < MOST_RUNS; i++) {
        struct pw_root_mapping *last = run_count == 0 ? NULL : &runs[run_count - 1];
        if (last != NULL && last->end == sorted[i] && i % 16 != 0) {
            last->end += PAGE;
            continue;
        }
        unsigned n = run_count++;
        runs[n] = (struct pw_root_mapping){.start = sorted[i], .end = sorted[i] + PAGE, .access = 1u | (n % 5 != 0 ? 2u : 0) |
                                           (n % 7 == 3 ? 4u : 0), .file = n % 6 == 3 ? 77 : 0, .is_stack = n % 6 == 2,
                                           .is_memory = n % 6 == 4};
    }
    work = mmap(NULL, sizeof *work, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    FUZZ_CHECK(work != MAP_FAILED, "no memory for a core");
    write_maps();
}

static struct pw_site all_sites[SITES];
static struct pw_sites sites;

static bool add_site(void *context, const struct pw_block_info *info)
{
    (void)context;
    pw_sites_add(&sites, info->state, info->alloc_stack, info->address, info->size);
    return true;
}

static void count_range(void *context, uint64_t start, uint64_t end, uint32_t mapping)
{
    FUZZ_CHECK(start < end && mapping < run_count && start >= runs[mapping].start && end <= runs[mapping].end,
               "a range to be searched is not in its mapping");
    ++*(unsigned *)context;
}

void image_rest_search(const struct pw_image *image, void *(*map)(size_t bytes), uint64_t salt)
{
    unsigned ranges = 0;
    const struct pw_root_mapping *stack = &runs[2 % run_count];
    struct pw_root_thread threads[2] = {{stack->start + salt % PAGE, stack->end - 64}, {salt, 0}};
    struct pw_roots roots = {.image = image, .mappings = runs, .mapping_count = run_count, .threads = threads,
                             .thread_count = 2, .map = map, .select = count_range, .context = &ranges};
    (void)pw_roots_select(&roots);
    memset(all_sites, 0, sizeof all_sites);
    sites = (struct pw_sites){.all = all_sites, .capacity = SITES};
    (void)pw_image_walk(image, add_site, NULL);
    pw_sites_sort(&sites);
    for (uint32_t i = 1; i < sites.count; i++)
        FUZZ_CHECK(all_sites[i - 1].kind < all_sites[i].kind || (all_sites[i - 1].kind == all_sites[i].kind &&
                   all_sites[i - 1].bytes >= all_sites[i].bytes), "site %u is not in its order", i);
}

/* ---- the core ---- */

static uint64_t read_image(void *context, uint64_t address, void *buffer, uint64_t bytes)
{
    const struct pw_image *image = context;
    char scratch[PW_VIEW_MAX];
    for (uint64_t done = 0, part; done < bytes; done += part) {
        part = bytes - done < PW_VIEW_MAX ? bytes - done : PW_VIEW_MAX;
        const void *seen = image->view(image->context, address + done, part, scratch);
        if (seen == NULL)
            return done;
        memcpy((char *)buffer + done, seen, part);
    }
    return bytes;
}

static bool ask_pages(void *context, uint64_t address, uint64_t pages, bool is_shared, uint8_t *answer)
{
    (void)context;
    for (uint64_t i = 0; i < pages; i++)
        answer[i] = (uint8_t)((address / PAGE + i) % 8 == 0 ? 0 : is_shared ? PW_PAGE_HOLDS : PW_PAGE_HOLDS | PW_PAGE_ANONYMOUS);
    return (address / PAGE & 64) == 0;
}

static struct {
    uint64_t left; /* writes that go well */
    uint64_t end;
    char last; /* byte that was written */
} file;

static bool write_file(void *context, uint64_t offset, const void *bytes, uint64_t length)
{
    (void)context;
    if (length != 0)
        file.last = ((const char *)bytes)[length - 1]; /* all of it can be read */
    file.end = offset + length > file.end ? offset + length : file.end;
    return file.left-- > 0;
}

void image_rest_write(const struct pw_image *image, uint64_t salt)
{
    static const struct pw_core_thread threads[2] = {{.tid = 7, .signal = 11}, {.tid = 8}};
    work->io = (struct pw_core_io){read_image, ask_pages, write_file, (void *)image};
    work->process = (struct pw_core_process){.pid = 7, .name = "fuzzed", .arguments = "fuzzed -x", .auxv_bytes = 32};
    work->remark = (struct pw_core_remark){.version = 1, .leaves_content_out = salt / 2 % 2};
    work->threads = threads;
    work->thread_count = 2;
    work->skipped = (struct pw_core_range){runs[0].start, salt % 2 != 0 ? runs[0].end : 0};
    work->segment_count = work->kept_count = 0;
    work->file_bytes = work->content_bytes = 0;
    file.left = salt / 4 % 4 == 3 ? salt / 16 % 64 : UINT64_MAX;
    file.end = 0;
    if (work->remark.leaves_content_out)
        pw_core_keep_tables(work, image, runs[0].start);
    /* A byte of the list of mappings is another one. */
    char *changed = work->maps + salt / 64 % work->maps_length, before = *changed;
    if (salt / 16 % 4 == 0)
        *changed = (char)(salt >> 8);
    bool is_whole = pw_core_write(work);
    *changed = before;
    FUZZ_CHECK(!is_whole || file.end <= work->file_bytes, "a core of %llu bytes, of which %llu were written",
               (unsigned long long)work->file_bytes, (unsigned long long)file.end);
}
