/*
 * written.h - which pages of this process were written since they were last asked for, by the program or by
 * the kernel for it: userfaultfd in its mode that tells nobody (WP_ASYNC) and PAGEMAP_SCAN, Linux 6.7.
 *
 * Two descriptors are open meanwhile, close-on-exec and of high numbers. A program that closes them ends the
 * watch, no more: the next question says so. They are this process's: a child that is forked lets go of them.
 *
 * One thread at a time; not in a signal handler.
 */
#ifndef PW_OS_WRITTEN_H
#define PW_OS_WRITTEN_H

#include "base/base.h"

/* As the kernel fills it (struct page_region). */
struct pw_os_pages {
    uint64_t start;
    uint64_t end;
    uint64_t categories;
};

/* Open the descriptors if they aren't; false: the system or its settings don't have it, or they are another process's. */
bool pw_os_written_open(void);
/* Watch a range of whole pages from now on: all that is there counts as written. False: not possible. */
bool pw_os_written_watch(uint64_t start, uint64_t end);
/*
 * Pages of [start, end) that were written, and from now on count as not written: into `pages`, `capacity` of
 * them, and *walked is how far it came. -1: it is not watched, or not any more.
 */
int64_t pw_os_written_take(uint64_t start, uint64_t end, struct pw_os_pages *pages, uint32_t capacity,
                           uint64_t *walked);
/* Close the descriptors, in a forked child too, where they are of no use; not what the program has at their numbers now. */
void pw_os_written_close(void);

#endif
