/* elf_file.c - see elf_file.h */
#include "trace/elf_file.h"

#include <elf.h>

struct file {
    const uint8_t *bytes;
    uint64_t size;
};

/* `count` things of `each` bytes from `offset` on lie within the file. */
static bool holds(struct file file, uint64_t offset, uint64_t count, uint64_t each)
{
    return offset <= file.size && (count == 0 || each <= (file.size - offset) / count);
}

/* Structures are copied out, for nothing says that they are aligned. */
#define READ(file, offset, into) __builtin_memcpy((into), (file).bytes + (offset), sizeof *(into))

static bool header_read(struct file file, Elf64_Ehdr *header)
{
    if (!holds(file, 0, 1, sizeof *header))
        return false;
    READ(file, 0, header);
    return __builtin_memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_ident[EI_DATA] == ELFDATA2LSB;
}

uint32_t pw_elf_notes_build_id(const uint8_t *notes, uint64_t bytes, uint64_t align,
                               uint8_t id[PW_BUILD_ID_BYTES])
{
    uint64_t pad = align == 8 ? 8 : 4;
    uint64_t at = 0;
    while (at < bytes && bytes - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        __builtin_memcpy(&note, notes + at, sizeof note);
        uint64_t name = at + sizeof note;
        uint64_t value = PW_ALIGN_UP(name + note.n_namesz, pad);
        if (value > bytes || note.n_descsz > bytes - value)
            return 0;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            __builtin_memcmp(notes + name, "GNU", 4) == 0) {
            uint32_t length = note.n_descsz < PW_BUILD_ID_BYTES ? note.n_descsz : PW_BUILD_ID_BYTES;
            for (uint32_t i = 0; i < length; i++)
                id[i] = notes[value + i];
            return length;
        }
        at = PW_ALIGN_UP(value + note.n_descsz, pad);
    }
    return 0;
}

uint32_t pw_elf_build_id(const uint8_t *bytes, uint64_t size, uint8_t id[PW_BUILD_ID_BYTES])
{
    struct file file = {.bytes = bytes, .size = size};
    Elf64_Ehdr header;
    if (!header_read(file, &header) || header.e_phentsize != sizeof(Elf64_Phdr) ||
        !holds(file, header.e_phoff, header.e_phnum, sizeof(Elf64_Phdr)))
        return 0;
    for (uint32_t i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        READ(file, header.e_phoff + i * sizeof segment, &segment);
        if (segment.p_type != PT_NOTE || !holds(file, segment.p_offset, 1, segment.p_filesz))
            continue;
        uint32_t length = pw_elf_notes_build_id(bytes + segment.p_offset, segment.p_filesz,
                                                segment.p_align, id);
        if (length != 0)
            return length;
    }
    return 0;
}

static bool sections_are_there(struct file file, const Elf64_Ehdr *header)
{
    return header->e_shentsize == sizeof(Elf64_Shdr) &&
           holds(file, header->e_shoff, header->e_shnum, sizeof(Elf64_Shdr));
}

static Elf64_Shdr section_read(struct file file, const Elf64_Ehdr *header, uint32_t index)
{
    Elf64_Shdr section;
    READ(file, header->e_shoff + index * sizeof section, &section);
    return section;
}

static bool name_is(struct file file, const Elf64_Shdr *names, uint64_t at, const char *name)
{
    do {
        if (at >= names->sh_size || file.bytes[names->sh_offset + at++] != (uint8_t)*name)
            return false;
    } while (*name++ != '\0');
    return true;
}

bool pw_elf_section(const uint8_t *bytes, uint64_t size, const char *name, uint64_t *address,
                    uint64_t *section_bytes)
{
    struct file file = {.bytes = bytes, .size = size};
    Elf64_Ehdr header;
    if (!header_read(file, &header) || !sections_are_there(file, &header) ||
        header.e_shstrndx >= header.e_shnum)
        return false;
    Elf64_Shdr names = section_read(file, &header, header.e_shstrndx);
    if (!holds(file, names.sh_offset, 1, names.sh_size))
        return false;
    for (uint32_t i = 0; i < header.e_shnum; i++) {
        Elf64_Shdr section = section_read(file, &header, i);
        if ((section.sh_flags & SHF_ALLOC) && name_is(file, &names, section.sh_name, name)) {
            *address = section.sh_addr;
            *section_bytes = section.sh_size;
            return true;
        }
    }
    return false;
}

/* A symbol table with its names. */
struct symbols {
    uint64_t offset;
    uint64_t count;
    uint64_t names;
    uint64_t names_size;
};

static bool symbols_find(struct file file, const Elf64_Ehdr *header, uint32_t type,
                         struct symbols *symbols)
{
    if (!sections_are_there(file, header))
        return false;
    for (uint32_t i = 0; i < header->e_shnum; i++) {
        Elf64_Shdr section = section_read(file, header, i);
        if (section.sh_type != type || section.sh_link >= header->e_shnum)
            continue;
        Elf64_Shdr names = section_read(file, header, section.sh_link);
        if (!holds(file, section.sh_offset, 1, section.sh_size) ||
            !holds(file, names.sh_offset, 1, names.sh_size))
            continue;
        *symbols = (struct symbols){.offset = section.sh_offset,
                                    .count = section.sh_size / sizeof(Elf64_Sym),
                                    .names = names.sh_offset,
                                    .names_size = names.sh_size};
        return true;
    }
    return false;
}

static bool is_function(const Elf64_Sym *symbol, uint64_t address)
{
    unsigned type = ELF64_ST_TYPE(symbol->st_info);
    return (type == STT_FUNC || type == STT_GNU_IFUNC) && symbol->st_shndx != SHN_UNDEF &&
           symbol->st_value <= address;
}

/* Leading underscores: of malloc and __libc_malloc at one address the former is what people know.
 */
static unsigned underscores(struct file file, const struct symbols *symbols,
                            const Elf64_Sym *symbol)
{
    unsigned count = 0;
    while ((uint64_t)symbol->st_name + count < symbols->names_size &&
           file.bytes[symbols->names + symbol->st_name + count] == '_')
        count++;
    return count;
}

static bool is_better(struct file file, const struct symbols *symbols, const Elf64_Sym *a,
                      const Elf64_Sym *b)
{
    bool a_is_global = ELF64_ST_BIND(a->st_info) != STB_LOCAL;
    bool b_is_global = ELF64_ST_BIND(b->st_info) != STB_LOCAL;
    if (a->st_value != b->st_value)
        return a->st_value > b->st_value;
    if (a_is_global != b_is_global)
        return a_is_global;
    return underscores(file, symbols, a) < underscores(file, symbols, b);
}

/*
 * The function that starts closest before the address and holds it. One without a size (assembly)
 * holds what is up to the next function.
 */
static bool symbol_search(struct file file, const struct symbols *symbols, uint64_t address,
                          Elf64_Sym *best)
{
    Elf64_Sym closest = {0};
    bool has_closest = false;
    bool has_best = false;
    *best = closest;
    for (uint64_t i = 0; i < symbols->count; i++) {
        Elf64_Sym symbol;
        READ(file, symbols->offset + i * sizeof symbol, &symbol);
        if (!is_function(&symbol, address))
            continue;
        if (!has_closest || symbol.st_value > closest.st_value) {
            closest = symbol;
            has_closest = true;
        }
        if (address - symbol.st_value < symbol.st_size &&
            (!has_best || is_better(file, symbols, &symbol, best))) {
            *best = symbol;
            has_best = true;
        }
    }
    if (!has_best && has_closest && closest.st_size == 0) {
        *best = closest;
        has_best = true;
    }
    return has_best;
}

static bool name_copy(struct file file, const struct symbols *symbols, uint64_t at, char *name,
                      size_t size)
{
    size_t length = 0;
    while (length + 1 < size && at < symbols->names_size) {
        char c = (char)file.bytes[symbols->names + at++];
        if (c == '\0' || c == '@')
            break;
        name[length++] = c;
    }
    name[length] = '\0';
    return length > 0;
}

bool pw_elf_function(const uint8_t *bytes, uint64_t size, uint64_t address, char *name,
                     size_t name_size, uint64_t *offset)
{
    static const uint32_t tables[] = {SHT_SYMTAB, SHT_DYNSYM};
    struct file file = {.bytes = bytes, .size = size};
    Elf64_Ehdr header;
    if (name_size == 0 || !header_read(file, &header))
        return false;
    for (size_t i = 0; i < PW_ARRAY_SIZE(tables); i++) {
        struct symbols symbols;
        Elf64_Sym symbol;
        if (symbols_find(file, &header, tables[i], &symbols) &&
            symbol_search(file, &symbols, address, &symbol) &&
            name_copy(file, &symbols, symbol.st_name, name, name_size)) {
            *offset = address - symbol.st_value;
            return true;
        }
    }
    return false;
}
