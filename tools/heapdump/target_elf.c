/* target_elf.c - see target_elf.h. All that is read here is hostile: counts are bounded, circles end. */
#include "target_elf.h"

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DYNAMIC = 1024, MAX_CHAIN = 1 << 16, MAX_NOTE = 4096 };

/* ---- open and close ---- */

static int open_file(const struct target *target, const char *path)
{
    struct stat status;
    struct bytes real = {0};
    target_file_path(target, path, &real);
    int fd = real.length != 0 && stat(real.data, &status) == 0 && S_ISREG(status.st_mode)
                 ? open(real.data, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
                 : -1;
    bytes_free(&real);
    return fd;
}

/* `bytes` at an offset of the file: its first segment is mapped at `start` as it is in the file. */
static bool read_at(const struct target_elf *elf, bool from_file, uint64_t offset, void *to, size_t bytes)
{
    if (!from_file)
        return target_read(elf->target, elf->start + offset, to, bytes);
    return elf->fd >= 0 && offset <= INT64_MAX && pread(elf->fd, to, bytes, (off_t)offset) == (ssize_t)bytes;
}

static bool read_headers(struct target_elf *elf, bool from_file)
{
    Elf64_Ehdr header;
    if (!read_at(elf, from_file, 0, &header, sizeof header) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_phentsize != sizeof(Elf64_Phdr) ||
        header.e_phnum > TARGET_ELF_HEADERS ||
        !read_at(elf, from_file, header.e_phoff, elf->headers, header.e_phnum * sizeof(Elf64_Phdr)))
        return false;
    elf->header_count = header.e_phnum;
    return true;
}

static bool find_build_id(struct target_elf *elf, const Elf64_Phdr *header, bool from_file)
{
    char data[MAX_NOTE];
    size_t bytes = (size_t)least(header->p_filesz, sizeof data);
    if (!read_at(elf, from_file, header->p_offset, data, bytes))
        return false;
    for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= bytes;) {
        Elf64_Nhdr note;
        memcpy(&note, data + at, sizeof note);
        size_t name = at + sizeof note, text = name + PW_ALIGN_UP((size_t)note.n_namesz, (size_t)4);
        if (note.n_namesz > bytes || note.n_descsz > bytes || text + note.n_descsz > bytes)
            return false;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(data + name, "GNU", 4) == 0) {
            elf->build_id_bytes = (uint32_t)least(note.n_descsz, PW_BUILD_ID_BYTES);
            memcpy(elf->build_id, data + text, elf->build_id_bytes);
            return true;
        }
        at = text + PW_ALIGN_UP((size_t)note.n_descsz, (size_t)4);
    }
    return false;
}

static void read_build_id(struct target_elf *elf, bool from_file)
{
    for (uint16_t i = 0; i < elf->header_count && elf->build_id_bytes == 0; i++)
        if (elf->headers[i].p_type == PT_NOTE)
            (void)find_build_id(elf, &elf->headers[i], from_file);
}

/* The file may have been replaced since: it counts only if it has the build id that memory has. */
static void drop_other_build(struct target_elf *elf)
{
    struct target_elf other = *elf;
    other.build_id_bytes = 0;
    if (elf->fd < 0 || elf->build_id_bytes == 0)
        return;
    if (read_headers(&other, true))
        read_build_id(&other, true);
    if (other.build_id_bytes == elf->build_id_bytes &&
        memcmp(other.build_id, elf->build_id, elf->build_id_bytes) == 0)
        return;
    close(elf->fd);
    elf->fd = -1;
}

bool target_elf_open(struct target_elf *elf, struct target *target, uint64_t start, const char *path)
{
    *elf = (struct target_elf){.target = target, .start = start, .fd = open_file(target, path)};
    bool is_in_memory = read_headers(elf, false);
    if (!is_in_memory && !read_headers(elf, true)) {
        target_elf_close(elf);
        return false;
    }
    read_build_id(elf, !is_in_memory);
    if (is_in_memory)
        drop_other_build(elf);
    for (uint16_t i = 0; i < elf->header_count; i++)
        if (elf->headers[i].p_type == PT_LOAD) {
            elf->bias = start - PW_ALIGN_DOWN(elf->headers[i].p_vaddr, (uint64_t)MEMORY_PAGE_BYTES);
            break;
        }
    return true;
}

void target_elf_close(struct target_elf *elf)
{
    if (elf->fd >= 0)
        close(elf->fd);
    elf->fd = -1;
}

/* ---- symbols in memory ---- */

struct dynamic {
    uint64_t symbols;
    uint64_t strings;
    uint64_t string_bytes;
    uint64_t gnu_hash;
};

/* The loader writes addresses over most of what the file has relative to its own. */
static uint64_t absolute(const struct target_elf *elf, uint64_t value)
{
    return value < elf->bias ? value + elf->bias : value;
}

static bool read_dynamic(const struct target_elf *elf, struct dynamic *dynamic)
{
    *dynamic = (struct dynamic){0};
    const Elf64_Phdr *header = NULL;
    for (uint16_t i = 0; i < elf->header_count; i++)
        if (elf->headers[i].p_type == PT_DYNAMIC)
            header = &elf->headers[i];
    for (uint64_t i = 0; header != NULL && i < MAX_DYNAMIC; i++) {
        Elf64_Dyn entry;
        if (!target_read(elf->target, elf->bias + header->p_vaddr + i * sizeof entry, &entry, sizeof entry) ||
            entry.d_tag == DT_NULL)
            break;
        if (entry.d_tag == DT_SYMTAB)
            dynamic->symbols = absolute(elf, entry.d_un.d_ptr);
        else if (entry.d_tag == DT_STRTAB)
            dynamic->strings = absolute(elf, entry.d_un.d_ptr);
        else if (entry.d_tag == DT_STRSZ)
            dynamic->string_bytes = entry.d_un.d_val;
        else if (entry.d_tag == DT_GNU_HASH)
            dynamic->gnu_hash = absolute(elf, entry.d_un.d_ptr);
    }
    return dynamic->symbols != 0 && dynamic->strings != 0 && dynamic->gnu_hash != 0;
}

static bool is_named(const struct target_elf *elf, const struct dynamic *dynamic, const Elf64_Sym *symbol,
                     const char *name)
{
    char found[64];
    size_t bytes = strlen(name) + 1;
    return bytes <= sizeof found && symbol->st_name < dynamic->string_bytes &&
           target_read(elf->target, dynamic->strings + symbol->st_name, found, bytes) &&
           memcmp(found, name, bytes) == 0;
}

static uint32_t gnu_hash(const char *name)
{
    uint32_t hash = 5381;
    for (; *name != '\0'; name++)
        hash = hash * 33 + (uint8_t)*name;
    return hash;
}

/* The chain of `name`'s bucket: a hash a symbol, the last with its lowest bit set. */
uint64_t target_elf_dynamic_symbol(const struct target_elf *elf, const char *name)
{
    struct target *target = elf->target;
    struct dynamic dynamic;
    uint32_t head[4], index, hash = gnu_hash(name); /* buckets, first symbol, bloom words, shift */
    if (!read_dynamic(elf, &dynamic) || !target_read(target, dynamic.gnu_hash, head, sizeof head) ||
        head[0] == 0)
        return 0;
    uint64_t buckets = dynamic.gnu_hash + sizeof head + (uint64_t)head[2] * 8;
    uint64_t chains = buckets + (uint64_t)head[0] * 4;
    if (!target_read(target, buckets + (uint64_t)(hash % head[0]) * 4, &index, sizeof index) || index < head[1])
        return 0;
    for (uint32_t i = 0; i < MAX_CHAIN; i++, index++) {
        uint32_t found;
        Elf64_Sym symbol;
        if (!target_read(target, chains + (uint64_t)(index - head[1]) * 4, &found, sizeof found))
            return 0;
        if ((found | 1) == (hash | 1) &&
            target_read(target, dynamic.symbols + (uint64_t)index * sizeof symbol, &symbol, sizeof symbol) &&
            symbol.st_shndx != SHN_UNDEF && is_named(elf, &dynamic, &symbol, name))
            return elf->bias + symbol.st_value;
        if ((found & 1) != 0)
            return 0;
    }
    return 0;
}

/* ---- symbols in the file ---- */

static uint64_t find_in_table(Elf *file, Elf_Scn *section, const GElf_Shdr *header, const char *name)
{
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = data != NULL && header->sh_entsize != 0 ? data->d_size / header->sh_entsize : 0;
    for (size_t i = 0; i < count && i <= INT32_MAX; i++) {
        GElf_Sym symbol;
        if (gelf_getsym(data, (int)i, &symbol) == NULL)
            return 0;
        const char *found = symbol.st_shndx == SHN_UNDEF ? NULL : elf_strptr(file, header->sh_link, symbol.st_name);
        if (found != NULL && strcmp(found, name) == 0)
            return symbol.st_value;
    }
    return 0;
}

uint64_t target_elf_file_symbol(const struct target_elf *elf, const char *name)
{
    uint64_t value = 0;
    if (elf->fd < 0 || elf_version(EV_CURRENT) == EV_NONE)
        return 0;
    Elf *file = elf_begin(elf->fd, ELF_C_READ, NULL);
    Elf_Scn *section = NULL;
    while (file != NULL && value == 0 && (section = elf_nextscn(file, section)) != NULL) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) != NULL &&
            (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM))
            value = find_in_table(file, section, &header, name);
    }
    elf_end(file);
    return value == 0 ? 0 : elf->bias + value;
}
