/*
 * file.h - files as the symbol reader needs them: read or mapped by system calls alone.
 *
 * No stdio, no allocation, no cancellation point, errno as it was; descriptors are close-on-exec
 * and closed before each function returns.
 */
#ifndef PW_TRACE_FILE_H
#define PW_TRACE_FILE_H

#include "base/base.h"

/* A regular file, mapped privately and read-only. A file that shrinks meanwhile is a SIGBUS. */
struct pw_file {
    const uint8_t *bytes;
    size_t size;
};

/* False: it can't be opened, is empty, or is no regular file. */
bool pw_file_map(struct pw_file *file, const char *path);
void pw_file_unmap(struct pw_file *file);

/*
 * The path of the file that is mapped at `address`, from /proc/self/maps, into `path`. False: none
 * is, it does not fit, or /proc is not there. " (deleted)" stays at its end where the kernel puts
 * it.
 */
bool pw_file_mapped_at(uint64_t address, char *path, size_t size);

#endif
