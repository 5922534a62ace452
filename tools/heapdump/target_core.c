/*
 * target_core.c - an ELF core: the kernel's, gcore's, or a snapshot of our own.
 *
 *   program headers: PT_LOAD, the memory   NT_FILE     which file is mapped where
 *                    PT_NOTE ───────────── NT_PRSTATUS a thread: its id, its general registers
 *                                          NT_FPREGSET, NT_X86_XSTATE: more registers of the thread before it
 *                                          NT_PRPSINFO the program's name
 *
 * The file is read with pread, piece by piece, and never mapped: one that is cut short meanwhile would
 * kill us. What its headers say is checked against its size; what lies beyond is missing, not an error.
 */
#include "target_parts.h"

#include "message.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_NOTE_BYTES = 256 << 20 };

/* A piece of memory that the file has; sorted by start, not overlapping. */
struct piece {
    uint64_t start;
    uint64_t end;    /* of what is in the file */
    uint64_t offset; /* in the file */
};

struct target_core {
    int fd;
    uint64_t file_bytes;
    struct piece *pieces;
    size_t piece_count;
    uint64_t missing_bytes; /* that the headers promise beyond the end of the file */
};

/* ---- reading ---- */

static size_t read_file(const struct target_core *core, uint64_t offset, void *to, size_t bytes)
{
    size_t done = 0;
    while (done < bytes && offset + done < core->file_bytes) {
        ssize_t got = pread(core->fd, (char *)to + done, bytes - done, (off_t)(offset + done));
        if (got == 0 || (got < 0 && errno != EINTR))
            break;
        done += got > 0 ? (size_t)got : 0;
    }
    return done;
}

/* The index of the first piece that starts behind an address. */
static size_t first_behind(const struct target_core *core, uint64_t address)
{
    size_t low = 0, high = core->piece_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (core->pieces[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct piece *find_piece(const struct target_core *core, uint64_t address)
{
    size_t behind = first_behind(core, address);
    return behind > 0 && address < core->pieces[behind - 1].end ? &core->pieces[behind - 1] : NULL;
}

uint64_t target_core_next_memory(const struct target_core *core, uint64_t at, uint64_t end)
{
    if (find_piece(core, at) != NULL)
        return at;
    size_t behind = first_behind(core, at);
    return behind < core->piece_count ? least(core->pieces[behind].start, end) : end;
}

/* Whole pages. Of one that the file holds in part, at its end, the rest is taken for zero. */
static size_t read_core(void *context, uint64_t address, void *to, size_t bytes)
{
    const struct target_core *core = context;
    size_t done = 0;
    while (done < bytes) {
        const struct piece *piece = find_piece(core, address + done);
        if (piece == NULL)
            break;
        size_t part = (size_t)least(bytes - done, piece->end - (address + done));
        uint64_t offset = piece->offset + (address + done - piece->start);
        size_t got = read_file(core, offset, (char *)to + done, part);
        done += got;
        if (got < part)
            break;
    }
    size_t tail = done % MEMORY_PAGE_BYTES;
    if (tail == 0)
        return done;
    memset((char *)to + done, 0, MEMORY_PAGE_BYTES - tail);
    return done - tail + MEMORY_PAGE_BYTES;
}

/* ---- notes ---- */

struct note {
    uint32_t type;
    const char *name;
    struct span data;
};

/* The next note of `rest`; false: no whole one is left. */
static bool next_note(struct span *rest, struct note *note)
{
    Elf64_Nhdr header;
    if (rest->length < sizeof header)
        return false;
    memcpy(&header, rest->at, sizeof header);
    uint64_t name_bytes = PW_ALIGN_UP((uint64_t)header.n_namesz, (uint64_t)4);
    uint64_t data_bytes = PW_ALIGN_UP((uint64_t)header.n_descsz, (uint64_t)4);
    *rest = span_after(*rest, sizeof header);
    if (name_bytes > rest->length || header.n_descsz > rest->length - name_bytes)
        return false;
    note->type = header.n_type;
    note->name = header.n_namesz != 0 && rest->at[header.n_namesz - 1] == '\0' ? rest->at : "";
    note->data = (struct span){rest->at + name_bytes, header.n_descsz};
    *rest = span_after(*rest, (size_t)least(name_bytes + data_bytes, rest->length));
    return true;
}

static void take_thread(struct target *target, struct span data)
{
    struct elf_prstatus status;
    size_t registers = offsetof(struct elf_prstatus, pr_reg);
    /* A word after the registers says whether the others are valid. */
    if (data.length < registers + 8)
        return;
    memset(&status, 0, sizeof status);
    memcpy(&status, data.at, least(registers, sizeof status));
    struct target_thread *thread = target_add_thread(target, (uint32_t)status.pr_pid);
    if (thread != NULL)
        target_add_registers(target, thread, data.at + registers, data.length - registers - 8);
}

static void take_more_registers(struct target *target, struct span data)
{
    if (target->thread_count > 0)
        target_add_registers(target, &target->threads[target->thread_count - 1], data.at, data.length);
}

static void take_process(struct target *target, struct span data)
{
    struct elf_prpsinfo info;
    if (data.length < sizeof info)
        return;
    memcpy(&info, data.at, sizeof info);
    target->pid = (uint32_t)info.pr_pid;
    char name[sizeof info.pr_fname + 1] = "";
    memcpy(name, info.pr_fname, sizeof info.pr_fname);
    if (target->program[0] == '\0') {
        free(target->program);
        target->program = make_printable(heapdump_copy(name));
    }
}

/* The index of the first segment that starts at or behind an address. */
static size_t first_segment(const struct target *target, uint64_t address)
{
    size_t low = 0, high = target->segment_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (target->segments[middle].start < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Give the segments within [start, end) the path of the file that is mapped there. */
static void name_segments(struct target *target, uint64_t start, uint64_t end, uint64_t offset,
                          const char *path)
{
    for (size_t i = first_segment(target, start); i < target->segment_count; i++) {
        struct target_segment *segment = &target->segments[i];
        if (segment->start >= end)
            return;
        if (segment->path[0] != '\0')
            continue;
        free((char *)(uintptr_t)segment->path);
        segment->path = make_printable(heapdump_copy(path));
        segment->offset = offset + (segment->start - start);
    }
}

/* count, page size, count times (start, end, offset in pages), count strings. */
static void take_files(struct target *target, struct span data)
{
    uint64_t head[2], mapping[3];
    if (data.length < sizeof head)
        return;
    memcpy(head, data.at, sizeof head);
    if (head[0] > (data.length - sizeof head) / sizeof mapping)
        return;
    struct span names = span_after(data, sizeof head + (size_t)head[0] * sizeof mapping);
    for (uint64_t i = 0; i < head[0]; i++) {
        const char *end = memchr(names.at, '\0', names.length);
        if (end == NULL)
            return;
        memcpy(mapping, data.at + sizeof head + i * sizeof mapping, sizeof mapping);
        if (end - names.at < TARGET_MAX_STRING)
            name_segments(target, mapping[0], mapping[1], mapping[2] * head[1], names.at);
        names = span_after(names, (size_t)(end - names.at) + 1);
    }
}

static void take_note(struct target *target, const struct note *note)
{
    bool is_core = strcmp(note->name, "CORE") == 0, is_linux = strcmp(note->name, "LINUX") == 0;
    if (is_core && note->type == NT_PRSTATUS)
        take_thread(target, note->data);
    else if ((is_core && note->type == NT_FPREGSET) || (is_linux && note->type == NT_X86_XSTATE))
        take_more_registers(target, note->data);
    else if (is_core && note->type == NT_PRPSINFO)
        take_process(target, note->data);
    else if (is_core && note->type == NT_FILE)
        take_files(target, note->data);
}

static void read_notes(struct target *target, const Elf64_Phdr *header)
{
    size_t bytes = (size_t)least(header->p_filesz, MAX_NOTE_BYTES);
    bytes = (size_t)least(bytes, target->core->file_bytes);
    char *data = heapdump_grow(NULL, bytes + 1, 1);
    struct span rest = {data, read_file(target->core, header->p_offset, data, bytes)};
    struct note note;
    while (next_note(&rest, &note))
        take_note(target, &note);
    free(data);
}

/* ---- program headers ---- */

static void add_load(struct target *target, const Elf64_Phdr *header)
{
    struct target_core *core = target->core;
    uint64_t end = header->p_vaddr + header->p_memsz, in_file = 0;
    if (end < header->p_vaddr || header->p_filesz > header->p_memsz)
        return;
    if (header->p_offset < core->file_bytes)
        in_file = least(header->p_filesz, core->file_bytes - header->p_offset);
    core->missing_bytes += header->p_filesz - in_file;
    target_add_segment(target, &(struct target_segment){
        .start = header->p_vaddr,
        .end = end,
        .access = (uint8_t)(((header->p_flags & PF_R) ? TARGET_READ : 0) |
                            ((header->p_flags & PF_W) ? TARGET_WRITE : 0) |
                            ((header->p_flags & PF_X) ? TARGET_EXECUTE : 0)),
        .is_readable = in_file > 0,
        .path = "",
    });
    if (in_file > 0)
        core->pieces[core->piece_count++] =
            (struct piece){header->p_vaddr, header->p_vaddr + in_file, header->p_offset};
}

static int compare_pieces(const void *left, const void *right)
{
    const struct piece *a = left, *b = right;
    return (a->start > b->start) - (a->start < b->start);
}

static void sort_pieces(struct target_core *core)
{
    if (core->piece_count > 1)
        qsort(core->pieces, core->piece_count, sizeof *core->pieces, compare_pieces);
    /* Where two claim an address, the later start has it. */
    for (size_t i = 0; i + 1 < core->piece_count; i++)
        core->pieces[i].end = least(core->pieces[i].end, core->pieces[i + 1].start);
}

/* More program headers than fit the ELF header's 16 bits are counted in section 0. */
static uint64_t count_headers(const struct target_core *core, const Elf64_Ehdr *elf)
{
    Elf64_Shdr section;
    if (elf->e_phnum != PN_XNUM)
        return elf->e_phnum;
    bool is_read = read_file(core, elf->e_shoff, &section, sizeof section) == sizeof section;
    return is_read ? section.sh_info : 0;
}

static bool read_headers(struct target *target, const Elf64_Ehdr *elf)
{
    struct target_core *core = target->core;
    uint64_t count = count_headers(core, elf);
    uint64_t room = elf->e_phoff < core->file_bytes ? (core->file_bytes - elf->e_phoff) / sizeof(Elf64_Phdr) : 0;
    bool is_cut = count > room;
    count = least(least(count, room), TARGET_MAX_SEGMENTS);
    Elf64_Phdr *headers = heapdump_grow(NULL, (size_t)count + 1, sizeof *headers);
    core->pieces = heapdump_grow(NULL, (size_t)count + 1, sizeof *core->pieces);
    if (read_file(core, elf->e_phoff, headers, (size_t)count * sizeof *headers) != count * sizeof *headers)
        count = 0;
    for (uint64_t i = 0; i < count; i++)
        if (headers[i].p_type == PT_LOAD)
            add_load(target, &headers[i]);
    sort_pieces(core);
    target_sort_segments(target);
    for (uint64_t i = 0; i < count; i++)
        if (headers[i].p_type == PT_NOTE)
            read_notes(target, &headers[i]);
    free(headers);
    target->is_partial = is_cut || core->missing_bytes != 0;
    if (target->is_partial)
        message("%s is cut short: %llu bytes of memory are missing%s; what is left is shown", target->name,
                (unsigned long long)core->missing_bytes, is_cut ? ", and part of its headers" : "");
    return core->piece_count > 0;
}

static bool check_header(const struct target *target, const Elf64_Ehdr *elf, size_t bytes)
{
    const char *name = target->name;
    if (bytes < SELFMAG || memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0)
        message("%s is no ELF file, so no core", name);
    else if (bytes < sizeof *elf)
        message("%s is cut short: not even its ELF header is whole", name);
    else if (elf->e_ident[EI_CLASS] != ELFCLASS64 || elf->e_ident[EI_DATA] != ELFDATA2LSB)
        message("%s is of another architecture: not 64-bit little-endian", name);
    else if (elf->e_type != ET_CORE)
        message("%s is an ELF file, but no core (%s)", name,
                elf->e_type == ET_EXEC || elf->e_type == ET_DYN ? "a program or a library: run it, and give its PID"
                                                                 : "of another type");
    else if (elf->e_phentsize != sizeof(Elf64_Phdr))
        message("%s is damaged: its program headers have the wrong size", name);
    else
        return true;
    return false;
}

/* The kernel keeps 15 letters of the program's name: its path is that of the first file named so. */
static void find_program(struct target *target)
{
    const char *base = target->program;
    for (size_t i = 0; i < target->segment_count; i++) {
        const char *path = target->segments[i].path, *name = strrchr(path, '/');
        if (name != NULL && base[0] != '\0' && strncmp(name + 1, base, strlen(base)) == 0) {
            char *whole = heapdump_copy(path);
            free(target->program);
            target->program = whole;
            return;
        }
    }
}

bool target_core_open(struct target *target, int fd)
{
    struct stat status;
    Elf64_Ehdr elf = {0};
    struct target_core *core = heapdump_grow(NULL, 1, sizeof *core);
    *core = (struct target_core){.fd = fd};
    target->core = core;
    core->file_bytes = fstat(fd, &status) == 0 ? (uint64_t)status.st_size : 0;
    size_t bytes = read_file(core, 0, &elf, sizeof elf);
    if (!check_header(target, &elf, bytes))
        return false;
    target->machine = elf.e_machine;
    if (!read_headers(target, &elf)) {
        message("%s holds no memory that could be read", target->name);
        return false;
    }
    find_program(target);
    target->memory = memory_open(read_core, core);
    return true;
}

void target_core_close(struct target *target)
{
    if (target->core == NULL)
        return;
    close(target->core->fd);
    free(target->core->pieces);
    free(target->core);
    target->core = NULL;
}
