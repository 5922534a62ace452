/*
 * elf_file.h - what is read out of ELF files: build ids and function names.
 *
 * The bytes are hostile: nothing is believed that does not lie within them, and nothing needs more
 * time than their number allows. 64-bit files of the machine's own byte order only.
 */
#ifndef PW_TRACE_ELF_FILE_H
#define PW_TRACE_ELF_FILE_H

#include "image/layout.h"

/*
 * The build id in a segment of notes into `id`; its length, 0: there is none. `align` is the
 * segment's p_align.
 */
uint32_t pw_elf_notes_build_id(const uint8_t *notes, uint64_t bytes, uint64_t align,
                               uint8_t id[PW_BUILD_ID_BYTES]);
/* The same of a whole file. */
uint32_t pw_elf_build_id(const uint8_t *file, uint64_t size, uint8_t id[PW_BUILD_ID_BYTES]);
/* Where the section of that name is loaded to, and its bytes. False: there is none. */
bool pw_elf_section(const uint8_t *file, uint64_t size, const char *name, uint64_t *address,
                    uint64_t *bytes);
/*
 * The function of a file that holds `address` (as in the file: before it was relocated): its name
 * into `name`, cut at `size` and at a version ("@"), and the offset in it. False: none does.
 */
bool pw_elf_function(const uint8_t *file, uint64_t size, uint64_t address, char *name,
                     size_t name_size, uint64_t *offset);

#endif
