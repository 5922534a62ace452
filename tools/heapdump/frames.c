/*
 * frames.c - see frames.h
 *
 * libdwfl tells the frames' program counters. Where the frames lie is found by these: the return
 * addresses stand on the stack, in the same order.
 */
#include "frames.h"

#include "bytes.h"
#include "target_parts.h"

#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FRAMES = 256 };
static const uint64_t most_stack_bytes = 16 << 20;

struct frame {
    uint64_t pc; /* of the instruction, or the call */
    uint64_t end; /* of its part of the stack, which begins where that of the frame before ends */
};

struct thread_frames {
    struct target *target;
    Dwfl *dwfl;
    char *debuginfo_path;
    Dwfl_Callbacks callbacks;
    size_t thread; /* whose frames are below; SIZE_MAX: nobody's */
    size_t next;   /* of those that libdwfl asks for */
    struct frame frames[MOST_FRAMES];
    size_t count;
};

/* ---- what libdwfl asks for ---- */

static const struct target_thread *thread_at(struct thread_frames *frames, size_t index)
{
    const struct target_thread *threads;
    size_t count = target_threads(frames->target, &threads);
    return index < count ? &threads[index] : NULL;
}

static pid_t next_thread(Dwfl *dwfl, void *dwfl_arg, void **thread_arg)
{
    struct thread_frames *frames = dwfl_arg;
    (void)dwfl;
    const struct target_thread *thread = thread_at(frames, frames->next++);
    *thread_arg = (void *)(uintptr_t)thread;
    return thread != NULL ? (pid_t)thread->tid : 0;
}

static bool read_memory(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *result, void *dwfl_arg)
{
    struct thread_frames *frames = dwfl_arg;
    (void)dwfl;
    return target_read(frames->target, address, result, sizeof *result);
}

/* DWARF's registers of x86-64 in NT_PRSTATUS's order; see target_add_registers. */
static bool set_registers(Dwfl_Thread *dwfl_thread, void *thread_arg)
{
    static const uint8_t order[] = {10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16};
    const struct target_thread *thread = thread_arg;
    Dwarf_Word words[PW_ARRAY_SIZE(order)];
    if (thread->word_count < 27)
        return false;
    for (size_t i = 0; i < PW_ARRAY_SIZE(order); i++)
        words[i] = thread->words[order[i]];
    return dwfl_thread_state_registers(dwfl_thread, 0, PW_ARRAY_SIZE(words), words);
}

static pid_t pid_of(struct thread_frames *frames)
{
    const struct target_thread *first = thread_at(frames, 0);
    uint32_t pid = target_pid(frames->target);
    return (pid_t)(pid != 0 ? pid : first != NULL ? first->tid : 1);
}

static void report_modules(struct thread_frames *frames)
{
    const struct pw_module *modules;
    struct bytes path = {0};
    size_t count = target_modules(frames->target, &modules);
    dwfl_report_begin(frames->dwfl);
    for (size_t i = 0; i < count; i++) {
        target_file_path(frames->target, modules[i].path, &path);
        if (path.length > 0)
            (void)dwfl_report_elf(frames->dwfl, modules[i].path, path.data, -1, modules[i].bias, false);
    }
    (void)dwfl_report_end(frames->dwfl, NULL, NULL);
    bytes_free(&path);
}

struct thread_frames *frames_open(struct target *target)
{
    static const Dwfl_Thread_Callbacks state_callbacks = {
        .next_thread = next_thread, .memory_read = read_memory, .set_initial_registers = set_registers};
    if (target_machine(target) != EM_X86_64)
        return NULL;
    struct thread_frames *frames = heapdump_grow(NULL, 1, sizeof *frames);
    memset(frames, 0, sizeof *frames);
    frames->target = target;
    frames->thread = SIZE_MAX;
    frames->callbacks = (Dwfl_Callbacks){.find_elf = dwfl_build_id_find_elf,
                                         .find_debuginfo = dwfl_standard_find_debuginfo,
                                         .debuginfo_path = &frames->debuginfo_path};
    frames->dwfl = dwfl_begin(&frames->callbacks);
    if (frames->dwfl != NULL)
        report_modules(frames);
    if (frames->dwfl == NULL || !dwfl_attach_state(frames->dwfl, NULL, pid_of(frames), &state_callbacks, frames)) {
        frames_close(frames);
        return NULL;
    }
    return frames;
}

void frames_close(struct thread_frames *frames)
{
    if (frames == NULL)
        return;
    dwfl_end(frames->dwfl);
    free(frames);
}

/* ---- a thread ---- */

static int take_frame(Dwfl_Frame *frame, void *arg)
{
    struct thread_frames *frames = arg;
    Dwarf_Addr pc;
    bool is_activation;
    if (frames->count == MOST_FRAMES || !dwfl_frame_pc(frame, &pc, &is_activation))
        return DWARF_CB_ABORT;
    frames->frames[frames->count++] = (struct frame){.pc = pc - !is_activation};
    return DWARF_CB_OK;
}

/* Where on the stack from `at` on the return address into the frame behind is; 0: nowhere. */
static uint64_t find_return(struct thread_frames *frames, uint64_t at, uint64_t address)
{
    for (uint64_t end = at + most_stack_bytes; at < end; at += sizeof(uint64_t)) {
        uint64_t word;
        if (!target_read(frames->target, at, &word, sizeof word))
            return 0;
        if (word == address)
            return at;
    }
    return 0;
}

static void unwind(struct thread_frames *frames, size_t index)
{
    const struct target_thread *thread = thread_at(frames, index);
    frames->thread = index;
    frames->count = frames->next = 0;
    if (thread == NULL || thread->sp == 0)
        return;
    (void)dwfl_getthread_frames(frames->dwfl, (pid_t)thread->tid, take_frame, frames);
    uint64_t at = PW_ALIGN_UP(thread->sp, (uint64_t)sizeof at);
    for (size_t i = 0; i < frames->count; i++) {
        uint64_t slot = i + 1 < frames->count ? find_return(frames, at, frames->frames[i + 1].pc + 1) : 0;
        if (slot == 0) {
            frames->count = i; /* what comes is the start of the stack, or can't be told */
            return;
        }
        at = slot + sizeof(uint64_t);
        frames->frames[i].end = at;
    }
}

uint64_t frames_pc_at(struct thread_frames *frames, size_t thread, uint64_t place)
{
    if (frames == NULL)
        return 0;
    if (frames->thread != thread)
        unwind(frames, thread);
    for (size_t i = 0; i < frames->count; i++)
        if (place < frames->frames[i].end)
            return frames->frames[i].pc;
    return 0;
}
