/*
 * target_elf.h - an ELF file as it is mapped in a target, read from the target's memory where that is
 * there, else from the file itself if it is the same build.
 */
#ifndef PW_HEAPDUMP_TARGET_ELF_H
#define PW_HEAPDUMP_TARGET_ELF_H

#include "target_parts.h"

#include <elf.h>

enum { TARGET_ELF_HEADERS = 128 };

struct target_elf {
    struct target *target;
    uint64_t start; /* where its first byte is mapped */
    uint64_t bias;  /* address = address in the file + bias */
    int fd;         /* of the file; -1: memory tells all that is known, or there is no such file */
    uint16_t header_count;
    Elf64_Phdr headers[TARGET_ELF_HEADERS];
    uint8_t build_id[PW_BUILD_ID_BYTES];
    uint32_t build_id_bytes; /* 0: none */
};

/* False: there is no ELF file. `path` as in the memory map. */
bool target_elf_open(struct target_elf *elf, struct target *target, uint64_t start, const char *path);
void target_elf_close(struct target_elf *elf);

/* The address of a symbol that it exports, by the dynamic symbols in memory; 0: none. */
uint64_t target_elf_dynamic_symbol(const struct target_elf *elf, const char *name);
/* The same by the symbol tables in its file, also of what is linked statically. */
uint64_t target_elf_file_symbol(const struct target_elf *elf, const char *name);

#endif
