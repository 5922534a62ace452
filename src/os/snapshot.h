/*
 * snapshot.h - what writing down one's own process takes: a copy of it, its memory as the kernel
 * reads it, and a file that is whole or not there.
 *
 * Nothing here allocates or locks; all of it is async-signal-safe; errno is left as it was.
 */
#ifndef PW_OS_SNAPSHOT_H
#define PW_OS_SNAPSHOT_H

#include "base/base.h"

/*
 * Copy the process, as fork() does, but without atfork handlers, and without the program's wait() or
 * SIGCHLD knowing of it. It leaves no core, and unless it is an orphan goes when the caller's thread does. In the copy, which has one thread, every signal blocked and no descriptors
 * but 0, 1 and 2, `child` is run, and what it returns (0 to 255) is the exit status. The copy's id,
 * for pw_os_copy_wait; or minus the errno.
 * An orphan is nobody's to wait for: the answer is 1.
 */
int pw_os_copy_start(int (*child)(void *context), void *context, bool is_orphan);
/* Sleep until it has ended: its exit status, or -1 (killed, or waited for by somebody else). */
int pw_os_copy_wait(int id);
/* The same for at most `timeout_ms`; false: it took longer, and was killed. */
bool pw_os_copy_has_ended(int id, uint32_t timeout_ms, int *status);

/* Copy `bytes` at `address` of this process; how many came before the first that can't be read. */
size_t pw_os_read_self(uint64_t address, void *buffer, size_t bytes);
/* Open /proc/self/pagemap for pw_os_ask_pages; -1: there is none. */
int pw_os_open_page_map(void);
/* Ask which of `pages` pages hold something (1), and are private copies (2). False: not known. */
bool pw_os_ask_pages(int page_map, uint64_t address, size_t pages, bool is_shared, uint8_t *answer);
/* The kernel's ids of this process's threads; how many there are, at most `most`. */
size_t pw_os_list_threads(uint32_t *threads, size_t most);
/* The parent's process id, the user's and the group's id. */
void pw_os_ids(uint32_t *parent, uint32_t *user, uint32_t *group);

/*
 * A file that is being made under a name of its own, "PATH.NUMBER.part", and gets its name when it is
 * whole. `error` is the errno of the first thing that failed.
 */
enum { PW_OS_NEW_FILE_BYTES = 4096 + 32 };
struct pw_os_new_file {
    const char *path;
    int fd;
    int error;
    char part[PW_OS_NEW_FILE_BYTES];
};
bool pw_os_new_file_open(struct pw_os_new_file *file, const char *path, uint32_t number);
bool pw_os_new_file_write(struct pw_os_new_file *file, uint64_t offset, const void *bytes, size_t length);
/* Make it `bytes` long and give it its name; or, when something failed, take it away. */
bool pw_os_new_file_finish(struct pw_os_new_file *file, uint64_t bytes);

/* What an errno means, in the words people know; "error N" is the caller's for NULL. */
const char *pw_os_error_words(int error);

#endif
