/* reachable_place.c - where a pointer was found, in words: see reachable.h */
#include "reachable.h"

#include "frames.h"
#include "places.h"

#include <elf.h>
#include <inttypes.h>
#include <string.h>

enum {
    TLS_BYTES = 1024,      /* below the thread pointer: static TLS, before that stack, where it is one */
    CONTROL_BYTES = 4096,  /* from the thread pointer on */
};

/* ---- threads ---- */

static void set_thread(struct reachable *reachable, struct place_info *info, const struct target_thread *thread)
{
    struct pw_thread_image image;
    info->thread = thread;
    uint32_t count = target_image(reachable->target)->root->thread_count;
    for (uint32_t i = count < PW_MAX_THREADS ? count : PW_MAX_THREADS; i-- > 0 && !info->has_ordinal;) {
        if (!target_thread_image(reachable->target, i, &image) || image.tid != thread->tid)
            continue;
        info->has_ordinal = true;
        info->ordinal = i;
        memcpy(info->name, image.name, sizeof image.name);
        info->name[sizeof image.name] = '\0';
        make_printable(info->name);
    }
}

/* The general registers of x86-64 as NT_PRSTATUS has them. */
static const char *const general[] = {"r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9",
                                      "r8",  "rax", "rcx", "rdx", "rsi", "rdi", "orig_rax", "rip", "cs",
                                      "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"};

bool reachable_is_vector(const struct target *target, size_t word)
{
    return target_machine(target) == EM_X86_64 && word >= PW_ARRAY_SIZE(general);
}

static const char *register_name(const struct target *target, size_t word)
{
    if (reachable_is_vector(target, word))
        return "of vectors";
    return target_machine(target) == EM_X86_64 ? general[word] : "";
}

static struct place_info register_info(struct reachable *reachable, uint64_t place)
{
    const struct target_thread *threads;
    size_t index = (size_t)((place & ~PLACE_REGISTER) >> PLACE_THREAD_SHIFT);
    struct place_info info = {.kind = PLACE_IN_REGISTER, .path = ""};
    info.symbol = register_name(reachable->target, (uint32_t)place);
    if (index < target_threads(reachable->target, &threads))
        set_thread(reachable, &info, &threads[index]);
    return info;
}

/* ---- memory ---- */

static const char *function_at(struct reachable *reachable, size_t thread, uint64_t place)
{
    static struct source_frame frames[SYMBOLS_FRAMES];
    if (reachable->frames == NULL)
        reachable->frames = frames_open(reachable->target);
    uint64_t pc = frames_pc_at(reachable->frames, thread, place);
    size_t count = pc == 0 ? 0 : target_locate(reachable->target, pc, frames);
    return count == 0 ? NULL : frames[count - 1].function;
}

/* On the stack that a thread runs on, or in what lies around its thread pointer. */
static bool thread_info(struct reachable *reachable, const struct target_segment *segment,
                        struct place_info *info)
{
    const struct target_thread *threads;
    size_t count = target_threads(reachable->target, &threads);
    uint64_t address = info->address;
    for (size_t i = 0; i < count; i++) {
        uint64_t pointer = threads[i].thread_pointer;
        if (pointer == 0 || address + TLS_BYTES < pointer || address >= pointer + CONTROL_BYTES)
            continue;
        info->kind = PLACE_IN_TLS;
        set_thread(reachable, info, &threads[i]);
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        if (threads[i].sp < segment->start || threads[i].sp >= segment->end || segment->path[0] == '/')
            continue;
        info->kind = PLACE_IN_STACK;
        info->symbol = function_at(reachable, i, address);
        set_thread(reachable, info, &threads[i]);
        return true;
    }
    return false;
}

/* The module whose data it is: .bss lies in memory without a name right behind the file's. */
static const struct pw_module *module_of(struct reachable *reachable, const struct target_segment *segment,
                                         uint64_t address)
{
    const struct pw_module *module = target_find_module(reachable->target, address);
    if (module != NULL || segment->path[0] != '\0')
        return module;
    const struct target_segment *before = target_find_segment(reachable->target, segment->start - 1);
    bool is_behind = before != NULL && before->path[0] == '/' && (before->access & TARGET_WRITE) != 0;
    return is_behind ? target_find_module(reachable->target, segment->start - 1) : NULL;
}

static struct place_info memory_info(struct reachable *reachable, uint64_t place)
{
    struct place_info info = {.kind = PLACE_IN_MEMORY, .address = place, .path = ""};
    const struct target_segment *segment = target_find_segment(reachable->target, place);
    if (segment == NULL || thread_info(reachable, segment, &info))
        return info;
    const struct pw_module *module = module_of(reachable, segment, place);
    if (module == NULL) {
        info.path = segment->path;
        info.offset = place - segment->start;
        return info;
    }
    info.kind = PLACE_IN_GLOBAL;
    info.path = module->path;
    info.symbol = target_object(reachable->target, module, place, &info.offset);
    if (info.symbol == NULL)
        info.offset = place - module->bias;
    return info;
}

struct place_info reachable_place(struct reachable *reachable, uint64_t place)
{
    if (place == 0)
        return (struct place_info){.kind = PLACE_IN_NOTHING, .path = ""};
    if ((place & PLACE_REGISTER) != 0)
        return register_info(reachable, place);
    bool starts_only = reachable->reach.starts_only;
    reachable->reach.starts_only = false;
    uint32_t block = pw_reach_find(&reachable->reach, place);
    reachable->reach.starts_only = starts_only;
    if (block == PW_REACH_NO_BLOCK)
        return memory_info(reachable, place);
    return (struct place_info){.kind = PLACE_IN_BLOCK,
                               .address = place,
                               .block = block,
                               .offset = place - pw_reach_block(&reachable->reach, block)->address,
                               .path = ""};
}

/* ---- writing ---- */

/* As the kernel has it now; a core has only what the heap had noted. */
static const char *thread_name(const struct place_info *info)
{
    return info->thread->name[0] != '\0' ? info->thread->name : info->name;
}

static void write_thread(const struct place_info *info, FILE *out)
{
    if (info->thread == NULL)
        return;
    if (info->has_ordinal)
        fprintf(out, " of thread T%u", info->ordinal);
    else
        fprintf(out, " of thread %u", info->thread->tid);
    if (thread_name(info)[0] != '\0')
        fprintf(out, " (%.16s)", thread_name(info));
}

void reachable_place_write(struct reachable *reachable, FILE *out, uint64_t place)
{
    struct place_info info = reachable_place(reachable, place);
    const struct pw_reach_block *block;
    switch (info.kind) {
    case PLACE_IN_REGISTER:
        fprintf(out, "register %s", info.symbol);
        write_thread(&info, out);
        break;
    case PLACE_IN_STACK:
        fputs("stack", out);
        write_thread(&info, out);
        if (info.symbol != NULL)
            fprintf(out, " in %s", info.symbol);
        break;
    case PLACE_IN_TLS:
        fputs("thread-local memory", out);
        write_thread(&info, out);
        break;
    case PLACE_IN_GLOBAL:
        if (info.symbol != NULL)
            fprintf(out, "global `%s` of %s", info.symbol, info.path);
        else
            fprintf(out, "data of %s", info.path);
        fprintf(out, " + 0x%" PRIx64, info.offset);
        break;
    case PLACE_IN_BLOCK:
        block = pw_reach_block(&reachable->reach, info.block);
        fprintf(out, "block 0x%" PRIx64 " of %" PRIu64 " bytes + %" PRIu64, (uint64_t)block->address, block->size,
                info.offset);
        break;
    case PLACE_IN_MEMORY:
        fprintf(out, "memory at 0x%" PRIx64, info.address);
        if (info.path[0] != '\0')
            fprintf(out, " (%s + 0x%" PRIx64 ")", info.path, info.offset);
        break;
    case PLACE_IN_NOTHING:
        fputs("the program's own word: pwheap_ignore, a heap instance, an error callback's context", out);
        break;
    }
}

void reachable_place_json(struct reachable *reachable, struct json *json, uint64_t place)
{
    static const char *const kinds[] = {"kept", "register", "stack", "tls", "global", "memory", "block"};
    struct place_info info = reachable_place(reachable, place);
    json_string(json, "place", kinds[info.kind]);
    if (info.address != 0)
        json_address(json, "address", info.address);
    else
        json_null(json, "address");
    json_string(json, "symbol", info.symbol);
    json_string(json, "path", info.path[0] != '\0' ? info.path : NULL);
    json_number(json, "offset", info.offset);
    if (info.thread != NULL) {
        json_object(json, "thread");
        if (info.has_ordinal)
            json_number(json, "id", info.ordinal);
        else
            json_null(json, "id");
        json_number(json, "tid", info.thread->tid);
        json_string(json, "name", thread_name(&info));
        json_object_end(json);
    } else {
        json_null(json, "thread");
    }
    if (info.kind == PLACE_IN_BLOCK)
        json_address(json, "block", pw_reach_block(&reachable->reach, info.block)->address);
    else
        json_null(json, "block");
}
