/* target.c - open and close, the image over the memory. See target.h. */
#include "target_parts.h"

#include "heapdump.h"
#include "message.h"

#include "base/text.h"
#include "image/stack.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_LOOKS = 200 };

/* ---- parts that both kinds fill in ---- */

void target_add_segment(struct target *target, const struct target_segment *segment)
{
    if (target->segment_count == TARGET_MAX_SEGMENTS || segment->start >= segment->end)
        return;
    if (target->segment_count == target->segment_capacity) {
        target->segment_capacity = target->segment_capacity * 2 + 64;
        target->segments =
            heapdump_grow(target->segments, target->segment_capacity, sizeof *target->segments);
    }
    struct target_segment *added = &target->segments[target->segment_count++];
    *added = *segment;
    added->path = make_printable(heapdump_copy(segment->path));
}

struct target_thread *target_add_thread(struct target *target, uint32_t tid)
{
    if (target->thread_count == TARGET_MAX_THREADS)
        return NULL;
    if (target->thread_count == target->thread_capacity) {
        target->thread_capacity = target->thread_capacity * 2 + 16;
        target->threads =
            heapdump_grow(target->threads, target->thread_capacity, sizeof *target->threads);
    }
    struct target_thread *added = &target->threads[target->thread_count++];
    *added = (struct target_thread){.tid = tid};
    return added;
}

static int compare_segments(const void *left, const void *right)
{
    const struct target_segment *a = left, *b = right;
    return (a->start > b->start) - (a->start < b->start);
}

void target_sort_segments(struct target *target)
{
    size_t kept = 0;
    if (target->segment_count > 1)
        qsort(target->segments, target->segment_count, sizeof *target->segments, compare_segments);
    for (size_t i = 0; i < target->segment_count; i++) {
        struct target_segment segment = target->segments[i];
        uint64_t free_from = kept > 0 ? target->segments[kept - 1].end : 0;
        if (segment.end <= free_from) {
            free((char *)(uintptr_t)segment.path);
            continue;
        }
        if (segment.start < free_from) {
            segment.offset += free_from - segment.start;
            segment.start = free_from;
        }
        target->segments[kept++] = segment;
    }
    target->segment_count = kept;
}

/* Where pc, sp and the thread pointer are among the words of NT_PRSTATUS. */
static void name_registers(const struct target *target, struct target_thread *thread)
{
    enum { X86_IP = 16, X86_SP = 19, X86_FS_BASE = 21, ARM_SP = 31, ARM_PC = 32 };
    bool is_x86 = target->machine == EM_X86_64, is_arm = target->machine == EM_AARCH64;
    if (thread->word_count <= ARM_PC && !(is_x86 && thread->word_count > X86_FS_BASE))
        return;
    if (is_x86) {
        thread->pc = thread->words[X86_IP];
        thread->sp = thread->words[X86_SP];
        thread->thread_pointer = thread->words[X86_FS_BASE];
    } else if (is_arm) {
        thread->pc = thread->words[ARM_PC];
        thread->sp = thread->words[ARM_SP];
    }
}

void target_add_registers(struct target *target, struct target_thread *thread, const void *registers,
                          size_t bytes)
{
    size_t words = bytes / sizeof(uint64_t), before = thread->word_count;
    if (words == 0)
        return;
    uint64_t *grown = heapdump_grow((void *)(uintptr_t)thread->words, before + words, sizeof *grown);
    memcpy(grown + before, registers, words * sizeof *grown);
    thread->words = grown;
    thread->word_count = before + words;
    if (before == 0)
        name_registers(target, thread);
}

void target_clear(struct target *target)
{
    for (size_t i = 0; i < target->segment_count; i++)
        free((char *)(uintptr_t)target->segments[i].path);
    for (size_t i = 0; i < target->thread_count; i++)
        free((void *)(uintptr_t)target->threads[i].words);
    target->segment_count = target->thread_count = 0;
}

/* ---- open and close ---- */

static bool is_number(const char *name, uint32_t *pid)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(name, &end, 10);
    *pid = (uint32_t)value;
    return name[0] >= '1' && name[0] <= '9' && *end == '\0' && errno == 0 && value <= INT32_MAX;
}

static bool open_core(struct target *target)
{
    struct stat status;
    int fd = open(target->name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) != 0) {
        message("can't open %s: %s", target->name, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    if (!S_ISREG(status.st_mode)) {
        message("%s is no regular file: a core is to be read here and there", target->name);
        close(fd);
        return false;
    }
    return target_core_open(target, fd);
}

/* A file that is named like a number is a core only when there is no such process: write ./123 then. */
static bool open_kind(struct target *target)
{
    uint32_t pid;
    if (target->options.program != NULL)
        return target_run_open(target);
    return is_number(target->name, &pid) ? target_live_open(target, pid) : open_core(target);
}

static bool is_being_changed(const struct target *target)
{
    for (uint32_t heap = 0; heap < target->root.heap_count; heap++)
        if (pw_image_heap_is_held(&target->image, heap))
            return true;
    return false;
}

bool target_look_again(struct target *target)
{
    if (target->live == NULL || !target_live_stop_again(target))
        return false;
    memory_forget(target->memory);
    return target_root_read(target);
}

/*
 * A heap's lock that is held means links and sizes in the middle of a change. Another moment will do
 * better; where there is none (the thread that holds it hangs, it is a core), it is said.
 */
static void settle(struct target *target)
{
    unsigned looks = 0;
    while (is_being_changed(target))
        if (target->options.leaves_running || ++looks > MOST_LOOKS || !target_look_again(target)) {
            message("%s stands in the middle of a change to its heap: a few blocks may look damaged that are not",
                    target->name);
            return;
        }
}

struct target *target_open(const char *name, const struct target_options *options)
{
    struct target *target = heapdump_grow(NULL, 1, sizeof *target);
    *target = (struct target){.name = name};
    target->program = heapdump_copy("");
    if (options != NULL)
        target->options = *options;
    if (target->options.executable != NULL) /* frames name it by an absolute path */
        target->options.executable = target->executable = realpath(options->executable, NULL);
    if (options != NULL && options->executable != NULL && target->executable == NULL)
        message("can't open %s: %s", options->executable, strerror(errno));
    if (open_kind(target)) {
        if (target_root_find(target)) {
            settle(target);
            return target;
        }
        if (target->options.needs_no_heap)
            return target;
    }
    target_close(target);
    return NULL;
}

void target_close(struct target *target)
{
    if (target == NULL)
        return;
    target_code_close(target);
    memory_close(target->memory);
    target_live_close(target);
    target_core_close(target);
    target_clear(target);
    free(target->blanks);
    free(target->segments);
    free(target->threads);
    free(target->program);
    free(target->executable);
    free(target);
}

/* ---- what it is ---- */

bool target_is_live(const struct target *target)
{
    return target->live != NULL;
}

uint32_t target_pid(const struct target *target)
{
    return target->pid;
}

const char *target_program(const struct target *target)
{
    return target->program;
}

uint16_t target_machine(const struct target *target)
{
    return target->machine;
}

bool target_is_whole(const struct target *target)
{
    return !target->is_partial;
}

bool target_lacks_content(const struct target *target)
{
    return target->blank_count != 0;
}

uint64_t target_stopped_ns(const struct target *target)
{
    return target_live_stopped_ns(target);
}

const struct pw_image *target_image(const struct target *target)
{
    return target->image.view != NULL ? &target->image : NULL;
}

uint64_t target_root_address(const struct target *target)
{
    return target->root_address;
}

bool target_read(struct target *target, uint64_t address, void *to, size_t bytes)
{
    return memory_read(target->memory, address, to, bytes);
}

size_t target_read_some(struct target *target, uint64_t address, void *to, size_t bytes)
{
    return memory_read_some(target->memory, address, to, bytes);
}

uint64_t target_next_memory(const struct target *target, uint64_t at, uint64_t end)
{
    return target->core != NULL ? target_core_next_memory(target->core, at, end) : at;
}

size_t target_segments(const struct target *target, const struct target_segment **segments)
{
    *segments = target->segments;
    return target->segment_count;
}

const struct target_segment *target_find_segment(const struct target *target, uint64_t address)
{
    size_t low = 0, high = target->segment_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (target->segments[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && address < target->segments[low - 1].end ? &target->segments[low - 1] : NULL;
}

size_t target_threads(const struct target *target, const struct target_thread **threads)
{
    *threads = target->threads;
    return target->thread_count;
}

bool target_thread_image(struct target *target, uint32_t ordinal, struct pw_thread_image *thread)
{
    uint32_t count = atomic_load_explicit(&target->root.thread_count, memory_order_relaxed);
    uint64_t address = target->root.threads + (uint64_t)ordinal * sizeof *thread;
    return ordinal < count && target_read(target, address, thread, sizeof *thread);
}

const char *target_thread_name(struct target *target, uint32_t ordinal)
{
    struct pw_thread_image thread;
    target->thread_name[0] = '\0';
    if (target_thread_image(target, ordinal, &thread))
        memcpy(target->thread_name, thread.name, sizeof thread.name);
    return make_printable(target->thread_name);
}

/* As in reports: where a checked function of libc allocates (strdup), one of the library's own is in the middle. */
static size_t leave_out_own(struct target *target, uint64_t *frames, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const struct pw_module *module = target_find_module(target, frames[i] - 1);
        const char *name = module != NULL ? pw_path_basename(module->path) : "";
        if (!pw_has_prefix(name, "libpwheap.so"))
            frames[kept++] = frames[i];
    }
    return kept;
}

/* For pw_stack_frames. */
static bool read_stack(void *context, uint32_t id, uint64_t offset, void *to, uint64_t bytes)
{
    struct target *target = context;
    uint64_t chunk = 0, index = id >> PW_DEPOT_CHUNK_UNITS_SHIFT;
    uint64_t place = (uint64_t)(id & ((1u << PW_DEPOT_CHUNK_UNITS_SHIFT) - 1)) * 8;
    return index < PW_DEPOT_MAX_CHUNKS &&
           target_read(target, target->root.depot + index * sizeof chunk, &chunk, sizeof chunk) && chunk != 0 &&
           target_read(target, chunk + place + offset, to, bytes);
}

size_t target_stack(struct target *target, uint32_t id, uint64_t frames[PW_MAX_FRAMES])
{
    uint64_t hash;
    return leave_out_own(target, frames, pw_stack_frames(read_stack, target, id, frames, &hash));
}
