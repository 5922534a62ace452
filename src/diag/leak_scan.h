/*
 * leak_scan.h - look for lost blocks in this process as it stands: the caller has all other threads
 * stopped, or is a copy of it (os/snapshot.h). Needs /proc for the memory map.
 *
 * Memory is asked of the kernel before it is read, once for every 256 KiB; a page that can't be read
 * is passed over. Nothing here allocates from the heap or takes a lock.
 */
#ifndef PW_DIAG_LEAK_SCAN_H
#define PW_DIAG_LEAK_SCAN_H

#include "image/image.h"
#include "image/sites.h"
#include "os/stop.h"

enum { PW_LEAK_SITES = 65536 };
enum pw_leak_kind { PW_LEAK_DIRECT, PW_LEAK_INDIRECT };

struct pw_leak_question {
    uint64_t sp;      /* the caller's stack is searched from here on */
    uint64_t pointer; /* its thread pointer */
    const struct pw_os_stopped *threads; /* the others */
    uint32_t thread_count;
    bool starts_only;
};

/* In memory that a copy shares with its original. */
struct pw_leak_answer {
    uint32_t is_complete; /* the rest is all there */
    uint64_t reached_blocks;
    uint64_t reached_bytes;
    struct pw_sites sites; /* of enum pw_leak_kind; `all` is `places` */
    struct pw_site places[PW_LEAK_SITES];
};

/* *answer is zero at first; sites are sorted. Where it can't be done, is_complete stays 0. */
void pw_leak_scan(const struct pw_leak_question *question, struct pw_leak_answer *answer);

#endif
