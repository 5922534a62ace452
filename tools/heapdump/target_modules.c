/*
 * target_modules.c - which file an address of code is of; its function, file and line.
 *
 * Modules are those of the memory map, else of the image's own list, which remembers what was unloaded.
 * Their debug information is found by symbols.h.
 */
#include "target_elf.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct target_code {
    struct pw_module *mapped; /* by address */
    size_t mapped_count;
    struct pw_module *listed; /* the image's; as they stand there */
    size_t listed_count;
    const struct pw_module *last; /* that was found */
    struct symbols *symbols;
    struct bytes path; /* of the last frame's module, as it can be opened */
};

static const char deleted[] = " (deleted)";

static bool is_deleted(const char *path)
{
    size_t length = strlen(path);
    return length > sizeof deleted - 1 && strcmp(path + length - (sizeof deleted - 1), deleted) == 0;
}

static bool is_program(const struct target *target, const char *path)
{
    const char *program = pw_path_basename(target->program);
    return program[0] != '\0' && strcmp(pw_path_basename(path), program) == 0;
}

void target_file_path(const struct target *target, const char *path, struct bytes *out)
{
    bytes_clear(out);
    if (target->options.executable != NULL && is_program(target, path)) {
        bytes_str(out, target->options.executable);
    } else if (target->live == NULL) {
        bytes_str(out, path);
    } else if (is_program(target, path)) {
        bytes_str(out, "/proc/");
        bytes_unsigned(out, target_reader(target));
        bytes_str(out, "/exe");
    } else if (!is_deleted(path)) { /* as the process sees it, perhaps in a container */
        bytes_str(out, "/proc/");
        bytes_unsigned(out, target_reader(target));
        bytes_str(out, "/root");
        bytes_str(out, path);
    }
}

/* ---- the list ---- */

/* Where the mappings of the file that begins with segment `first` end. */
static uint64_t end_of_file(const struct target *target, size_t first)
{
    size_t last = first;
    for (size_t i = first + 1; i < target->segment_count; i++) {
        const struct target_segment *segment = &target->segments[i];
        bool is_same = strcmp(segment->path, target->segments[first].path) == 0;
        /* Between its parts, and behind them (.bss), lies memory without a name. */
        if (!is_same && segment->path[0] != '\0')
            break;
        if (is_same && segment->offset == 0)
            break;
        if (is_same)
            last = i;
    }
    return target->segments[last].end;
}

static void add_mapped(struct target *target, struct target_code *code, size_t first)
{
    struct target_elf elf;
    const struct target_segment *segment = &target->segments[first];
    if (!target_elf_open(&elf, target, segment->start, segment->path))
        return;
    struct pw_module *module = &code->mapped[code->mapped_count++];
    *module = (struct pw_module){.start = segment->start,
                                 .end = end_of_file(target, first),
                                 .bias = elf.bias,
                                 .build_id_len = elf.build_id_bytes};
    memcpy(module->build_id, elf.build_id, elf.build_id_bytes);
    size_t length = strlen(segment->path) - (is_deleted(segment->path) ? sizeof deleted - 1 : 0);
    if (length < sizeof module->path)
        memcpy(module->path, segment->path, length);
    target_elf_close(&elf);
}

static void list_mapped(struct target *target, struct target_code *code)
{
    size_t count = 0;
    for (size_t i = 0; i < target->segment_count; i++)
        count += target->segments[i].path[0] == '/' && target->segments[i].offset == 0;
    code->mapped = heapdump_grow(NULL, count + 1, sizeof *code->mapped);
    for (size_t i = 0; i < target->segment_count; i++)
        if (target->segments[i].path[0] == '/' && target->segments[i].offset == 0)
            add_mapped(target, code, i);
}

/* Counts are bounded when the root is accepted; the last byte of a path need not be 0. */
static void list_image(struct target *target, struct target_code *code)
{
    size_t count = target_image(target) != NULL ? target->root.module_count : 0;
    code->listed = heapdump_grow(NULL, count + 1, sizeof *code->listed);
    for (size_t i = 0; i < count; i++) {
        struct pw_module *module = &code->listed[code->listed_count];
        if (!target_read(target, target->root.modules + i * sizeof *module, module, sizeof *module))
            continue;
        module->path[sizeof module->path - 1] = '\0';
        make_printable(module->path);
        module->build_id_len = (uint32_t)least(module->build_id_len, PW_BUILD_ID_BYTES);
        code->listed_count++;
    }
}

static struct target_code *get_code(struct target *target)
{
    if (target->code != NULL)
        return target->code;
    struct target_code *code = heapdump_grow(NULL, 1, sizeof *code);
    *code = (struct target_code){.symbols = symbols_open(target->options.debuginfo_path)};
    list_mapped(target, code);
    list_image(target, code);
    target->code = code;
    return code;
}

void target_code_close(struct target *target)
{
    struct target_code *code = target->code;
    if (code == NULL)
        return;
    symbols_close(code->symbols);
    bytes_free(&code->path);
    free(code->mapped);
    free(code->listed);
    free(code);
}

size_t target_modules(struct target *target, const struct pw_module **modules)
{
    struct target_code *code = get_code(target);
    *modules = code->mapped;
    return code->mapped_count;
}

static bool holds(const struct pw_module *module, uint64_t pc)
{
    return pc >= module->start && pc < module->end;
}

static const struct pw_module *find_mapped(const struct target_code *code, uint64_t pc)
{
    size_t low = 0, high = code->mapped_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (code->mapped[middle].start <= pc)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && holds(&code->mapped[low - 1], pc) ? &code->mapped[low - 1] : NULL;
}

const struct pw_module *target_find_module(struct target *target, uint64_t pc)
{
    struct target_code *code = get_code(target);
    if (code->last != NULL && holds(code->last, pc))
        return code->last;
    const struct pw_module *found = find_mapped(code, pc);
    for (size_t i = code->listed_count; i-- > 0 && found == NULL;)
        if (holds(&code->listed[i], pc))
            found = &code->listed[i];
    code->last = found;
    return found;
}

struct symbols *target_symbols(struct target *target)
{
    return get_code(target)->symbols;
}

/* How symbols.h is asked for an address of the module. */
static struct code_address address_in(struct target *target, const struct pw_module *module, uint64_t address,
                                      char build_id[2 * PW_BUILD_ID_BYTES + 1])
{
    struct target_code *code = get_code(target);
    build_id[0] = '\0';
    for (uint32_t i = 0; i < module->build_id_len; i++)
        snprintf(build_id + 2 * i, 3, "%02x", module->build_id[i]);
    target_file_path(target, module->path, &code->path);
    return (struct code_address){
        .module = code->path.data, .build_id = build_id, .function = "", .offset = address - module->bias};
}

size_t target_locate(struct target *target, uint64_t pc, struct source_frame frames[SYMBOLS_FRAMES])
{
    char build_id[2 * PW_BUILD_ID_BYTES + 1];
    const struct pw_module *module = target_find_module(target, pc);
    if (module == NULL || module->path[0] == '\0')
        return 0;
    struct code_address address = address_in(target, module, pc, build_id);
    return symbols_locate(target_symbols(target), &address, frames);
}

const char *target_object(struct target *target, const struct pw_module *module, uint64_t address,
                          uint64_t *offset)
{
    char build_id[2 * PW_BUILD_ID_BYTES + 1];
    if (module->path[0] == '\0')
        return NULL;
    struct code_address where = address_in(target, module, address, build_id);
    return symbols_object(target_symbols(target), &where, offset);
}
