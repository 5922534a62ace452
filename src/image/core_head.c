/* core_head.c - ELF header, program headers and notes of a core: see core.h */
#include "image/core.h"

#include "base/arch.h"
#include "image/layout.h"

#include <string.h>

enum { BUFFER_BYTES = 4096, NOTE_ALIGN = 4 };

/* What has been put out so far; without a `work` it is counted only. */
struct out {
    struct pw_core_work *work;
    uint64_t offset; /* of the buffer's end */
    size_t used;
    bool failed;
    uint8_t buffer[BUFFER_BYTES];
};

static void flush(struct out *out)
{
    if (out->work != NULL && out->used > 0 && !out->failed)
        out->failed = !out->work->io.write(out->work->io.context, out->offset - out->used, out->buffer, out->used);
    out->used = 0;
}

static void put(struct out *out, const void *bytes, size_t length)
{
    const uint8_t *from = bytes;
    while (length > 0) {
        size_t room = BUFFER_BYTES - out->used;
        size_t part = length < room ? length : room;
        memcpy(out->buffer + out->used, from, part);
        out->used += part;
        out->offset += part;
        from += part;
        length -= part;
        if (out->used == BUFFER_BYTES)
            flush(out);
    }
}

static void pad(struct out *out, size_t align)
{
    static const uint8_t zeros[64];
    while (out->offset % align != 0) {
        size_t gap = align - out->offset % align;
        put(out, zeros, gap < sizeof zeros ? gap : sizeof zeros);
    }
}

static void put_note_head(struct out *out, const char *name, uint32_t type, uint64_t length)
{
    Elf64_Nhdr note = {(uint32_t)strlen(name) + 1, (uint32_t)length, type};
    put(out, &note, sizeof note);
    put(out, name, note.n_namesz);
    pad(out, NOTE_ALIGN);
}

static void put_note(struct out *out, const char *name, uint32_t type, const void *content, size_t length)
{
    put_note_head(out, name, type, length);
    put(out, content, length);
    pad(out, NOTE_ALIGN);
}

static void put_thread(struct out *out, const struct pw_core_work *work, const struct pw_core_thread *thread)
{
    struct elf_prstatus status;
    memset(&status, 0, sizeof status);
    status.pr_info.si_signo = (int)thread->signal;
    status.pr_cursig = (short)thread->signal;
    status.pr_pid = (pid_t)thread->tid;
    status.pr_ppid = (pid_t)work->process.parent;
    status.pr_fpvalid = thread->floating != NULL;
    memcpy(&status.pr_reg, thread->registers, sizeof status.pr_reg);
    put_note(out, "CORE", NT_PRSTATUS, &status, sizeof status);
    if (thread->floating != NULL)
        put_note(out, "CORE", NT_FPREGSET, thread->floating, thread->floating_bytes);
}

static void put_process(struct out *out, const struct pw_core_work *work)
{
    const struct pw_core_process *process = &work->process;
    struct elf_prpsinfo info;
    memset(&info, 0, sizeof info);
    info.pr_sname = 'R';
    info.pr_uid = process->uid;
    info.pr_gid = process->gid;
    info.pr_pid = (pid_t)process->pid;
    info.pr_ppid = (pid_t)process->parent;
    memcpy(info.pr_fname, process->name, sizeof info.pr_fname);
    if (!work->remark.leaves_content_out) /* people give passwords on the command line */
        memcpy(info.pr_psargs, process->arguments, sizeof info.pr_psargs);
    put_note(out, "CORE", NT_PRPSINFO, &info, sizeof info);
    put_note(out, "CORE", NT_AUXV, process->auxv, process->auxv_bytes);
}

static bool is_of_file(const struct pw_core_work *work, const struct pw_core_segment *segment)
{
    return segment->name_length > 0 && work->maps[segment->name] == '/';
}

/* count, page size; start, end, offset in pages of each; their names. */
static void put_files(struct out *out, const struct pw_core_work *work)
{
    uint64_t head[2] = {0, PW_PAGE_BYTES}, names = 0;
    for (size_t i = 0; i < work->segment_count; i++) {
        if (!is_of_file(work, &work->segments[i]))
            continue;
        head[0]++;
        names += work->segments[i].name_length + 1;
    }
    put_note_head(out, "CORE", NT_FILE, sizeof head + head[0] * 3 * sizeof(uint64_t) + names);
    put(out, head, sizeof head);
    for (size_t i = 0; i < work->segment_count; i++) {
        const struct pw_core_segment *segment = &work->segments[i];
        uint64_t entry[3] = {segment->start, segment->end, segment->map_offset / PW_PAGE_BYTES};
        if (is_of_file(work, segment))
            put(out, entry, sizeof entry);
    }
    for (size_t i = 0; i < work->segment_count; i++) {
        if (!is_of_file(work, &work->segments[i]))
            continue;
        put(out, work->maps + work->segments[i].name, work->segments[i].name_length);
        put(out, "", 1);
    }
    pad(out, NOTE_ALIGN);
}

static void put_notes(struct out *out, const struct pw_core_work *work)
{
    /* The first thread, then the process, then the others: as the kernel does. */
    if (work->thread_count > 0)
        put_thread(out, work, &work->threads[0]);
    put_process(out, work);
    put_files(out, work);
    put_note(out, PW_CORE_NOTE_NAME, PW_CORE_NOTE_REMARK, &work->remark, sizeof work->remark);
    for (size_t i = 1; i < work->thread_count; i++)
        put_thread(out, work, &work->threads[i]);
}

static void put_elf_header(struct out *out, uint64_t headers)
{
    bool is_many = headers >= PN_XNUM;
    Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_CORE,
        .e_machine = PW_ARCH_ELF_MACHINE,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof header,
        .e_ehsize = sizeof header,
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = is_many ? PN_XNUM : (uint16_t)headers,
    };
    if (is_many) { /* the count is then in a section header that stands after the program headers */
        header.e_shoff = sizeof header + headers * sizeof(Elf64_Phdr);
        header.e_shentsize = sizeof(Elf64_Shdr);
        header.e_shnum = 1;
    }
    put(out, &header, sizeof header);
}

static uint64_t content_bytes(const struct pw_core_segment *segment)
{
    if (segment->content == PW_CORE_NOTHING)
        return 0;
    return segment->content == PW_CORE_FIRST_PAGE ? PW_PAGE_BYTES : segment->end - segment->start;
}

/* Where each segment's contents go; the end of the last. */
static uint64_t place(struct pw_core_work *work, uint64_t offset)
{
    for (size_t i = 0; i < work->segment_count; i++) {
        work->segments[i].file_offset = offset;
        work->segments[i].file_bytes = content_bytes(&work->segments[i]);
        offset += work->segments[i].file_bytes;
    }
    return offset;
}

static void put_program_headers(struct out *out, const struct pw_core_work *work, uint64_t notes, uint64_t notes_end)
{
    Elf64_Phdr note = {.p_type = PT_NOTE, .p_offset = notes, .p_filesz = notes_end - notes, .p_align = NOTE_ALIGN};
    put(out, &note, sizeof note);
    for (size_t i = 0; i < work->segment_count; i++) {
        const struct pw_core_segment *segment = &work->segments[i];
        Elf64_Phdr load = {
            .p_type = PT_LOAD,
            .p_flags = segment->flags,
            .p_offset = segment->file_offset,
            .p_vaddr = segment->start,
            .p_filesz = segment->file_bytes,
            .p_memsz = segment->end - segment->start,
            .p_align = PW_PAGE_BYTES,
        };
        put(out, &load, sizeof load);
    }
}

bool pw_core_write_head(struct pw_core_work *work)
{
    uint64_t headers = work->segment_count + 1;
    uint64_t notes = sizeof(Elf64_Ehdr) + headers * sizeof(Elf64_Phdr);
    notes += headers >= PN_XNUM ? sizeof(Elf64_Shdr) : 0;
    struct out count = {.offset = notes};
    put_notes(&count, work);
    work->file_bytes = place(work, PW_ALIGN_UP(count.offset, PW_PAGE_BYTES));
    struct out out = {.work = work};
    put_elf_header(&out, headers);
    put_program_headers(&out, work, notes, count.offset);
    if (headers >= PN_XNUM)
        put(&out, &(Elf64_Shdr){.sh_info = (uint32_t)headers}, sizeof(Elf64_Shdr));
    put_notes(&out, work);
    flush(&out);
    return !out.failed;
}
