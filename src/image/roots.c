/* roots.c - see roots.h */
#include "image/roots.h"

#include "base/arch.h"
#include "base/text.h"

enum {
    RED_ZONE_BYTES = 128, /* below the stack pointer, a function's that calls none */
    CONTROL_BYTES = 4 * 4096, /* a thread's control block lies within so much of its stack's end */
    WORD = sizeof(uint64_t),
};

/* ---- what is the library's ---- */

struct hole {
    uint64_t start;
    uint64_t end;
};

struct holes {
    struct hole *all; /* sorted by start */
    uint32_t count;
    uint32_t capacity;
};

static void add_hole(struct holes *holes, uint64_t start, uint64_t end)
{
    if (end > start && holes->count < holes->capacity)
        holes->all[holes->count++] = (struct hole){start, end};
}

static void sift_down(struct hole *all, uint32_t from, uint32_t count)
{
    for (uint32_t child; (child = 2 * from + 1) < count; from = child) {
        if (child + 1 < count && all[child + 1].start > all[child].start)
            child++;
        if (all[from].start >= all[child].start)
            return;
        struct hole held = all[from];
        all[from] = all[child];
        all[child] = held;
    }
}

/* Heapsort (J. W. J. Williams, 1964): in place, and never slow. */
static void sort_holes(struct holes *holes)
{
    for (uint32_t i = holes->count / 2; i-- > 0;)
        sift_down(holes->all, i, holes->count);
    for (uint32_t end = holes->count; end > 1;) {
        struct hole held = holes->all[0];
        holes->all[0] = holes->all[--end];
        holes->all[end] = held;
        sift_down(holes->all, 0, end);
    }
}

static void add_regions(const struct pw_image *image, struct holes *holes)
{
    struct pw_region region;
    for (uint32_t index = 1; index < PW_MAX_REGIONS; index++) {
        if (!pw_image_region(image, index, &region))
            continue;
        add_hole(holes, region.base, region.base + ((uint64_t)region.granules << region.shift));
        add_hole(holes, region.mapping, region.mapping + region.mapping_bytes);
    }
}

static void add_own_ranges(const struct pw_image *image, struct holes *holes)
{
    const struct pw_root *root = image->root;
    for (uint64_t i = 0; root->own_ranges != 0 && i < root->own_range_count && i < PW_MAX_OWN_RANGES; i++) {
        struct pw_own_range scratch;
        const struct pw_own_range *range =
            image->view(image->context, root->own_ranges + i * sizeof scratch, sizeof scratch, &scratch);
        if (range != NULL)
            add_hole(holes, atomic_load_explicit(&range->start, memory_order_relaxed),
                     atomic_load_explicit(&range->end, memory_order_relaxed));
    }
}

static bool find_holes(const struct pw_roots *roots, struct holes *holes)
{
    holes->count = 0;
    holes->capacity = 2 * PW_MAX_REGIONS + PW_MAX_OWN_RANGES;
    holes->all = roots->map(holes->capacity * sizeof *holes->all);
    if (holes->all == NULL)
        return false;
    add_regions(roots->image, holes);
    add_own_ranges(roots->image, holes);
    sort_holes(holes);
    return true;
}

/* ---- stacks ---- */

static const struct pw_root_mapping *mapping_before(const struct pw_roots *roots, uint32_t index)
{
    const struct pw_root_mapping *mapping = &roots->mappings[index];
    bool adjoins = index > 0 && mapping[-1].end == mapping->start;
    return adjoins ? &mapping[-1] : NULL;
}

/* A stack that pthread_create made: right above a guard that nobody can touch. */
static bool is_guarded(const struct pw_roots *roots, uint32_t index)
{
    const struct pw_root_mapping *mapping = &roots->mappings[index];
    const struct pw_root_mapping *before = mapping_before(roots, index);
    return mapping->file == 0 && before != NULL && before->file == 0 &&
           (before->access & (PW_ROOT_READ | PW_ROOT_WRITE)) == 0;
}

/* The lowest stack pointer of a thread that runs within the mapping, or 0. */
static uint64_t lowest_pointer(const struct pw_roots *roots, const struct pw_root_mapping *mapping)
{
    uint64_t lowest = 0;
    for (uint32_t i = 0; i < roots->thread_count; i++) {
        uint64_t sp = roots->threads[i].sp;
        if (sp >= mapping->start && sp < mapping->end && (lowest == 0 || sp < lowest))
            lowest = sp;
    }
    return lowest;
}

static bool is_thread_pointer(const struct pw_roots *roots, uint64_t address)
{
    for (uint32_t i = 0; i < roots->thread_count; i++)
        if (roots->threads[i].pointer == address)
            return true;
    return false;
}

static bool knows_all_threads(const struct pw_roots *roots)
{
    for (uint32_t i = 0; i < roots->thread_count; i++)
        if (roots->threads[i].pointer == 0)
            return false;
    return true;
}

/* The control block of a thread near the end of a mapping, or 0. */
static uint64_t find_control_block(const struct pw_roots *roots, const struct pw_root_mapping *mapping)
{
    uint64_t scratch[PW_ARCH_CONTROL_WORDS];
    uint64_t lowest = mapping->end - mapping->start > CONTROL_BYTES ? mapping->end - CONTROL_BYTES : mapping->start;
    for (uint64_t at = PW_ALIGN_UP(lowest, (uint64_t)64); at + sizeof scratch <= mapping->end; at += 64) {
        const uint64_t *words = roots->image->view(roots->image->context, at, sizeof scratch, scratch);
        if (words != NULL && pw_arch_is_control_block(words, at))
            return at;
    }
    return 0;
}

/* Where the part of a mapping that counts begins. */
static uint64_t first_of(const struct pw_roots *roots, uint32_t index)
{
    const struct pw_root_mapping *mapping = &roots->mappings[index];
    bool is_guarded_stack = is_guarded(roots, index);
    if (!mapping->is_stack && !is_guarded_stack)
        return mapping->start;
    uint64_t sp = lowest_pointer(roots, mapping);
    if (sp != 0)
        return sp - mapping->start > RED_ZONE_BYTES ? sp - RED_ZONE_BYTES : mapping->start;
    if (!is_guarded_stack || !knows_all_threads(roots))
        return mapping->start;
    uint64_t control = find_control_block(roots, mapping);
    return control != 0 && !is_thread_pointer(roots, control) ? control : mapping->start;
}

/* ---- which mappings ---- */

bool pw_root_is_memory(const char *path)
{
    return pw_has_prefix(path, "/memfd:") || pw_has_prefix(path, "/dev/shm/") || pw_has_prefix(path, "/SYSV") ||
           pw_has_prefix(path, "/dev/zero") || pw_has_prefix(path, "[anon_shmem");
}

bool pw_root_is_loader(const char *path)
{
    const char *name = pw_path_basename(path);
    return pw_has_prefix(name, "ld-linux") || pw_has_prefix(name, "ld-musl-") || pw_has_prefix(name, "ld64.so");
}

static bool is_writable_part(const struct pw_root_mapping *mapping, uint64_t file)
{
    return mapping->file == file && (mapping->access & PW_ROOT_WRITE) != 0;
}

static bool counts(const struct pw_roots *roots, uint32_t index)
{
    const struct pw_root_mapping *mapping = &roots->mappings[index];
    if ((mapping->access & PW_ROOT_READ) == 0)
        return false;
    if ((mapping->access & PW_ROOT_SHARED) != 0)
        return mapping->file == 0 || mapping->is_memory;
    if ((mapping->access & PW_ROOT_WRITE) != 0 || mapping->file == 0)
        return true;
    bool follows = index > 0 && mapping[-1].end == mapping->start && is_writable_part(&mapping[-1], mapping->file);
    bool precedes = index + 1 < roots->mapping_count && mapping[1].start == mapping->end &&
                    is_writable_part(&mapping[1], mapping->file);
    return follows || precedes;
}

static void select_around(const struct pw_roots *roots, const struct holes *holes, uint32_t index)
{
    uint64_t at = first_of(roots, index), end = roots->mappings[index].end;
    for (uint32_t i = 0; i < holes->count && at < end; i++) {
        const struct hole *hole = &holes->all[i];
        if (hole->end <= at)
            continue;
        if (hole->start >= end)
            break;
        if (hole->start > at)
            roots->select(roots->context, at, hole->start, index);
        at = hole->end;
    }
    if (at < end)
        roots->select(roots->context, at, end, index);
}

bool pw_roots_select(const struct pw_roots *roots)
{
    struct holes holes;
    if (!find_holes(roots, &holes))
        return false;
    for (uint32_t i = 0; i < roots->mapping_count; i++)
        if (counts(roots, i))
            select_around(roots, &holes, i);
    return true;
}
