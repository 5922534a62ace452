/*
 * roots.h - where a program's pointers may be, apart from its blocks: registers, stacks, TLS,
 * globals, and all other memory that it can write to.
 *
 * Told a process's mappings and threads, in this process or in another one, pw_roots_select gives
 * the ranges to be searched:
 *
 * - every mapping that can be read and written, if it is private, or memory that only looks like a
 *   file (memfd, /dev/shm, /dev/zero). Files mapped shared are left out: devices among them.
 * - read-only ones without a file, and those right before or after a writable part of the same file:
 *   what was made read-only after it was filled.
 * - of the stack that a thread runs on, what is above its stack pointer (and the red zone below it).
 *   Of a stack whose thread is gone only its control block, where a result may wait for a join.
 * - nothing of the heap and of the library itself: regions, tables, and root.own_ranges.
 *
 * In doubt more is searched, not less: a pointer too many hides a leak, one too few makes a false one.
 */
#ifndef PW_IMAGE_ROOTS_H
#define PW_IMAGE_ROOTS_H

#include "image/image.h"

enum pw_root_access { PW_ROOT_READ = 1, PW_ROOT_WRITE = 2, PW_ROOT_SHARED = 4 };

struct pw_root_mapping {
    uint64_t start;
    uint64_t end;
    uint32_t access;  /* enum pw_root_access */
    uint64_t file;    /* equal for equal files; 0: none (also "[heap]", "[stack]") */
    bool is_stack;    /* the first thread's, "[stack]" */
    bool is_memory;   /* its "file" is memory: memfd and the like */
    bool is_loader;   /* of the dynamic loader, which keeps pointers into the middle of blocks */
};

struct pw_root_thread {
    uint64_t sp;      /* 0: not known */
    uint64_t pointer; /* the thread pointer; 0: not known */
};

/* True for the path of the dynamic loader. */
bool pw_root_is_loader(const char *path);
/* True for the path of a file that is memory: memfd, /dev/shm, shared anonymous mappings, SysV. */
bool pw_root_is_memory(const char *path);

struct pw_roots {
    const struct pw_image *image;
    const struct pw_root_mapping *mappings; /* sorted, not overlapping */
    uint32_t mapping_count;
    const struct pw_root_thread *threads;
    uint32_t thread_count;
    void *(*map)(size_t bytes); /* as that of struct pw_reach */
    /* `mapping` is the index of the one that the range is in. */
    void (*select)(void *context, uint64_t start, uint64_t end, uint32_t mapping);
    void *context;
};

/* Call `select` for every range. False: no memory. */
bool pw_roots_select(const struct pw_roots *roots);

#endif
