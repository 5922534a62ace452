/* leak_scan.c - see leak_scan.h */
#include "diag/leak_scan.h"

#include "image/reach.h"
#include "image/roots.h"
#include "os/maps.h"
#include "os/memory.h"

enum {
    WINDOW_SHIFT = 18, /* 64 pages of 4 KiB */
    WINDOWS = 4096,
    MOST_MAPPINGS = 1 << 20,
    MOST_THREADS = PW_OS_MOST_STOPPED + 1,
    MOST_ARENAS = 8192,
    ARENA_BYTES = 4 << 20,
};

/* What is known of the pages of 256 KiB: a bit each that was asked for, and that can be read. */
struct window {
    uint64_t number; /* + 1; 0: nothing */
    uint64_t known, readable;
};

struct scan {
    struct pw_image image;
    struct pw_reach reach;
    struct window *windows;
    struct pw_root_mapping *mappings;
    uint32_t mapping_count;
    struct pw_root_thread *threads;
};

/* What was mapped for one scan, to be given back: it may run in the process itself. */
static struct {
    char *address;
    size_t bytes;
    size_t used;
} arenas[MOST_ARENAS];
static uint32_t arena_count;

static bool open_arena(size_t bytes)
{
    if (arena_count == MOST_ARENAS)
        return false;
    char *address = pw_os_map(bytes);
    if (address == NULL)
        return false;
    arenas[arena_count].address = address;
    arenas[arena_count].bytes = bytes;
    arenas[arena_count++].used = 0;
    return true;
}

static void *take_memory(size_t bytes)
{
    bytes = PW_ALIGN_UP(bytes, pw_os_page_bytes());
    bool fits = arena_count > 0 && arenas[arena_count - 1].bytes - arenas[arena_count - 1].used >= bytes;
    if (!fits && !open_arena(bytes > ARENA_BYTES ? bytes : ARENA_BYTES))
        return NULL;
    char *address = arenas[arena_count - 1].address + arenas[arena_count - 1].used;
    arenas[arena_count - 1].used += bytes;
    return address;
}

static void give_memory_back(void)
{
    while (arena_count > 0) {
        arena_count--;
        pw_os_unmap(arenas[arena_count].address, arenas[arena_count].bytes);
    }
}

/* ---- reading ---- */

/* A page is asked for when it is to be read, and none beside it: asking makes a page of one that isn't there. */
static bool page_is_readable(struct scan *scan, uint64_t address)
{
    uint64_t number = address >> WINDOW_SHIFT, page = PW_ALIGN_DOWN(address, PW_PAGE_BYTES);
    uint64_t bit = (uint64_t)1 << (address >> PW_PAGE_SHIFT) % 64;
    struct window *window = &scan->windows[number % WINDOWS];
    if (window->number != number + 1)
        *window = (struct window){.number = number + 1};
    if ((window->known & bit) == 0 && pw_os_is_readable((const void *)page, PW_PAGE_BYTES))
        window->readable |= bit;
    window->known |= bit;
    return (window->readable & bit) != 0;
}

static const void *view_checked(void *context, uint64_t address, uint64_t bytes, void *scratch)
{
    (void)scratch;
    for (uint64_t page = PW_ALIGN_DOWN(address, PW_PAGE_BYTES); page < address + bytes; page += PW_PAGE_BYTES)
        if (!page_is_readable(context, page))
            return NULL;
    return (const void *)address;
}

/* ---- roots ---- */

static bool add_mapping(void *context, const struct pw_os_mapping *from)
{
    struct scan *scan = context;
    if (scan->mapping_count == MOST_MAPPINGS)
        return false;
    struct pw_root_mapping *to = &scan->mappings[scan->mapping_count++];
    *to = (struct pw_root_mapping){.start = from->start, .end = from->end, .file = from->file};
    to->access = (from->is_readable ? PW_ROOT_READ : 0u) | (from->is_writable ? PW_ROOT_WRITE : 0u) |
                 (from->is_shared ? PW_ROOT_SHARED : 0u);
    to->is_stack = from->file == 0 && __builtin_strcmp(from->path, "[stack]") == 0;
    to->is_loader = pw_root_is_loader(from->path);
    to->is_memory = from->file != 0 && pw_root_is_memory(from->path);
    return true;
}

/* Of private memory without a file only the pages that are there: the rest reads as zero. */
static void search_present(struct scan *scan, uint64_t start, uint64_t end)
{
    uint64_t bits[PW_OS_PRESENT_PAGES / 64];
    while (start < end) {
        uint64_t page = PW_ALIGN_DOWN(start, PW_PAGE_BYTES);
        uint64_t left = (end - page + PW_PAGE_BYTES - 1) >> PW_PAGE_SHIFT;
        uint32_t count = left < PW_OS_PRESENT_PAGES ? (uint32_t)left : PW_OS_PRESENT_PAGES;
        pw_os_present_pages(page, count, bits);
        for (uint32_t i = 0; i < count; i++, page += PW_PAGE_BYTES) {
            uint64_t stop = page + PW_PAGE_BYTES < end ? page + PW_PAGE_BYTES : end;
            if (bits[i / 64] >> i % 64 & 1)
                pw_reach_range(&scan->reach, page > start ? page : start, stop);
        }
        start = page;
    }
}

static void search_root(void *context, uint64_t start, uint64_t end, uint32_t index)
{
    struct scan *scan = context;
    const struct pw_root_mapping *mapping = &scan->mappings[index];
    bool starts_only = scan->reach.starts_only;
    scan->reach.starts_only = starts_only && !mapping->is_loader;
    if (mapping->file == 0 && (mapping->access & PW_ROOT_SHARED) == 0 && pw_os_page_bytes() == PW_PAGE_BYTES)
        search_present(scan, start, end);
    else
        pw_reach_range(&scan->reach, start, end);
    scan->reach.starts_only = starts_only;
}

static void search_thread(struct scan *scan, const struct pw_os_stopped *thread)
{
    for (uint32_t i = 0; i < thread->register_count; i++)
        pw_reach_value(&scan->reach, thread->registers[i], 0);
    pw_reach_range(&scan->reach, thread->frame, thread->frame_end);
}

static void note_threads(struct scan *scan, const struct pw_leak_question *question, struct pw_roots *roots)
{
    roots->threads = scan->threads;
    scan->threads[roots->thread_count++] = (struct pw_root_thread){question->sp, question->pointer};
    for (uint32_t i = 0; i < question->thread_count; i++)
        if (question->threads[i].sp != 0)
            scan->threads[roots->thread_count++] =
                (struct pw_root_thread){question->threads[i].sp, question->threads[i].pointer};
}

static bool search_roots(struct scan *scan, const struct pw_leak_question *question)
{
    struct pw_roots roots = {.image = &scan->image, .map = take_memory, .select = search_root, .context = scan};
    if (!pw_os_each_mapping(add_mapping, scan) || scan->mapping_count == MOST_MAPPINGS)
        return false;
    note_threads(scan, question, &roots);
    roots.mappings = scan->mappings;
    roots.mapping_count = scan->mapping_count;
    for (uint32_t i = 0; i < roots.thread_count; i++)
        pw_reach_thread(&scan->reach, roots.threads[i].pointer);
    pw_reach_kept(&scan->reach);
    for (uint32_t i = 0; i < question->thread_count; i++)
        search_thread(scan, &question->threads[i]);
    return pw_roots_select(&roots);
}

/* ---- the answer ---- */

static void add_up(const struct pw_reach *reach, struct pw_leak_answer *answer)
{
    answer->sites.all = answer->places;
    answer->sites.capacity = PW_LEAK_SITES;
    for (uint32_t i = 0; i < reach->count; i++) {
        const struct pw_reach_block *block = pw_reach_block(reach, i);
        if (block->mark == PW_REACH_REACHED) {
            answer->reached_blocks += block->is_owned;
            answer->reached_bytes += block->is_owned ? block->size : 0;
            continue;
        }
        uint32_t kind = block->mark == PW_REACH_DIRECT ? PW_LEAK_DIRECT : PW_LEAK_INDIRECT;
        pw_sites_add(&answer->sites, kind, block->stack, block->address, block->size);
    }
    pw_sites_sort(&answer->sites);
    answer->is_complete = 1;
}

void pw_leak_scan(const struct pw_leak_question *question, struct pw_leak_answer *answer)
{
    /* Not static: linked into a program, that would be memory to be searched, and it has blocks' addresses. */
    struct scan *scan = take_memory(sizeof *scan);
    if (scan == NULL)
        return;
    scan->image = pw_image_self();
    scan->image.view = view_checked;
    scan->image.context = scan;
    scan->reach.image = &scan->image;
    scan->reach.map = take_memory;
    scan->reach.starts_only = question->starts_only;
    scan->windows = take_memory(WINDOWS * sizeof *scan->windows);
    scan->mappings = take_memory(MOST_MAPPINGS * sizeof *scan->mappings);
    scan->threads = take_memory(MOST_THREADS * sizeof *scan->threads);
    bool has_memory = scan->windows != NULL && scan->mappings != NULL && scan->threads != NULL;
    if (has_memory && pw_reach_start(&scan->reach) && search_roots(scan, question)) {
        pw_reach_finish(&scan->reach);
        add_up(&scan->reach, answer);
    }
    give_memory_back();
}
