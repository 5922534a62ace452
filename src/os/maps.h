/*
 * maps.h - the memory map of this process, from /proc: read by system calls alone, into the caller's
 * memory. In the child of a fork it is the child's.
 */
#ifndef PW_OS_MAPS_H
#define PW_OS_MAPS_H

#include "base/base.h"

struct pw_os_mapping {
    uint64_t start;
    uint64_t end;
    bool is_readable;
    bool is_writable;
    bool is_shared;
    uint64_t file;    /* device and inode in one; 0: no file */
    const char *path; /* "", a path, or "[heap]" and the like; until the next one */
};

/* Call `visit` for each, by address, until it returns false. False: /proc can't be read. */
bool pw_os_each_mapping(bool (*visit)(void *context, const struct pw_os_mapping *mapping), void *context);

/*
 * The mapping that `address` is in, with its path cut to fit into `path`. Needs little stack. False: there
 * is none, or it can't be told (nor while another thread asks).
 */
bool pw_os_find_mapping(uint64_t address, struct pw_os_mapping *found, char *path, size_t size);

/* The strings above the first stack that the program was started with: what argv and environ point to. */
enum pw_os_start_text { PW_OS_NO_START_TEXT, PW_OS_ARGUMENTS, PW_OS_ENVIRONMENT };
enum pw_os_start_text pw_os_start_text_at(uint64_t address);

/*
 * Which of the `count` pages (at most 512) from `page` on are there: bit 1. A private page without
 * a file that is not there reads as zero. All bits are 1 where the kernel doesn't tell.
 */
enum { PW_OS_PRESENT_PAGES = 512 };
void pw_os_present_pages(uint64_t page, uint32_t count, uint64_t bits[PW_OS_PRESENT_PAGES / 64]);

#endif
