/* report_frames.c - stacks: which frames are shown, where each is, and how it is written. */
#include "diag/report_render.h"

#include "trace/depot.h"
#include "trace/modules.h"

#include <string.h>

static const struct pw_module *find_own(void)
{
    const struct pw_module *module = pw_modules_find((uintptr_t)&find_own);
    return module != NULL && module->unloaded == 0 ? module : NULL;
}

/* What the module is that holds this code stays so, once it is in the table; a walk asks for every block. */
const struct pw_module *pw_module_own(void)
{
    static const struct pw_module *_Atomic own;
    static _Atomic bool is_known;
    if (!atomic_load_explicit(&is_known, memory_order_acquire)) {
        const struct pw_module *module = find_own();
        if (module == NULL)
            return NULL;
        bool is_library = pw_has_prefix(pw_path_basename(module->path), "libpwheap.so");
        atomic_store_explicit(&own, is_library ? module : NULL, memory_order_relaxed);
        atomic_store_explicit(&is_known, true, memory_order_release);
    }
    return atomic_load_explicit(&own, memory_order_relaxed);
}

/*
 * The library's own are the innermost, and, where a checked function of libc allocates (strdup), one in the middle.
 * Where no other frame is, all stay.
 */
static uint32_t leave_out_own(uint64_t *frames, uint32_t count, bool first_is_pc)
{
    const struct pw_module *own = count == 0 ? NULL : pw_module_own();
    uint32_t kept = 0;
    for (uint32_t i = 0; own != NULL && i < count; i++) {
        uint64_t pc = frames[i] - !(first_is_pc && i == 0);
        if (pw_modules_find(pc) != own)
            frames[kept++] = frames[i];
    }
    return kept > 0 ? kept : count;
}

struct pw_trace pw_trace_of_fault(const struct pw_fault *fault)
{
    static uint64_t frames[PW_MAX_FRAMES]; /* under the report lock, as the render is */
    uint32_t count = fault->frame_count < PW_MAX_FRAMES ? fault->frame_count : PW_MAX_FRAMES;
    bool is_signal = pw_operation_is_signal(fault->operation);
    memcpy(frames, fault->frames, count * sizeof *frames);
    uint32_t kept = leave_out_own(frames, count, is_signal);
    return (struct pw_trace){.frames = frames,
                             .count = kept,
                             .first_is_pc = is_signal && kept != 0 && frames[0] == fault->frames[0]};
}

struct pw_trace pw_trace_of_stack(uint64_t *frames, uint32_t id)
{
    size_t count = pw_depot_get(id, frames, PW_MAX_FRAMES);
    count = count < PW_MAX_FRAMES ? count : PW_MAX_FRAMES;
    return (struct pw_trace){.frames = frames, .count = leave_out_own(frames, (uint32_t)count, false)};
}

struct pw_frame pw_frame_locate(const struct pw_trace *trace, uint32_t index)
{
    uint64_t pc = trace->frames[index];
    if (!(trace->first_is_pc && index == 0) && pc != 0)
        pc--; /* into the call, that may be the last instruction of its line or function */
    const struct pw_module *module = pw_modules_find(pc);
    return (struct pw_frame){
        .pc = pc, .module = module, .offset = module != NULL ? pc - module->bias : 0};
}

struct pw_frame pw_frame_resolve(struct pw_render *render, const struct pw_trace *trace, uint32_t index)
{
    struct pw_frame frame = pw_frame_locate(trace, index);
    uint64_t offset = 0;
    if (frame.module != NULL &&
        pw_modules_function(frame.pc, render->function, sizeof render->function, &offset) &&
        render->function[0] != '\0')
        frame.function = render->function;
    return frame;
}

bool pw_module_is_runtime(const struct pw_module *module)
{
    return module != NULL && pw_is_path_of_runtime(module->path);
}

uint32_t pw_trace_culprit(const struct pw_trace *trace)
{
    for (uint32_t i = 0; i < trace->count; i++)
        if (!pw_module_is_runtime(pw_frame_locate(trace, i).module))
            return i;
    return 0;
}

void pw_build_id_write(struct pw_text *text, const struct pw_module *module)
{
    uint32_t length = module->build_id_len < PW_BUILD_ID_BYTES ? module->build_id_len : PW_BUILD_ID_BYTES;
    for (uint32_t i = 0; i < length; i++)
        pw_text_hex_digits(text, module->build_id[i], 2);
}

static void frame_write(struct pw_text *text, uint32_t number, const struct pw_frame *frame)
{
    pw_text_str(text, "    #");
    pw_text_dec(text, number);
    pw_text_str(text, " ");
    pw_text_hex(text, frame->pc, 12);
    pw_text_str(text, frame->function != NULL ? " in " : " ");
    pw_text_str(text, frame->function != NULL ? frame->function : "");
    if (frame->module == NULL) {
        pw_text_str(text, " (<unknown module>)\n");
        return;
    }
    pw_text_str(text, " (");
    pw_text_str(text, frame->module->path);
    pw_text_str(text, "+");
    pw_text_hex(text, frame->offset, 0);
    pw_text_str(text, ")");
    if (frame->module->build_id_len != 0) {
        pw_text_str(text, " (BuildId: ");
        pw_build_id_write(text, frame->module);
        pw_text_str(text, ")");
    }
    pw_text_str(text, "\n");
}

/* Neither libc's nor the like, nor a template of the C++ library, that lies in the program. */
static bool is_own(const struct pw_frame *frame)
{
    return !pw_module_is_runtime(frame->module) && !pw_is_name_of_library(frame->function);
}

struct pw_frame pw_frame_first_own(struct pw_render *render, const struct pw_trace *trace, bool is_allocation)
{
    uint32_t culprit = pw_trace_culprit(trace);
    for (uint32_t i = culprit; i < trace->count; i++) {
        struct pw_frame frame = pw_frame_resolve(render, trace, i);
        if (is_own(&frame) && !(is_allocation && pw_is_name_of_allocator(frame.function)))
            return frame;
    }
    return pw_frame_resolve(render, trace, culprit);
}

void pw_frames_write_own(struct pw_render *render, const struct pw_trace *trace, uint32_t limit)
{
    uint32_t written = 0;
    for (uint32_t i = 0; i < trace->count && written < limit; i++) {
        struct pw_frame frame = pw_frame_resolve(render, trace, i);
        bool is_entry = frame.function != NULL && strcmp(frame.function, "_start") == 0;
        if (is_own(&frame) && !is_entry && (written > 0 || !pw_is_name_of_allocator(frame.function)))
            frame_write(&render->text, written++, &frame);
    }
    if (written == 0)
        pw_frames_write(render, trace, 1);
}

void pw_frames_write(struct pw_render *render, const struct pw_trace *trace, uint32_t limit)
{
    for (uint32_t i = 0; i < trace->count && i < limit; i++) {
        struct pw_frame frame = pw_frame_resolve(render, trace, i);
        frame_write(&render->text, i, &frame);
    }
}
