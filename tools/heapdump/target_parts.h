/*
 * target_parts.h - private to target*.c: what a target consists of, and the two kinds of them.
 *
 * A kind fills in segments, threads, program, machine and pid, and gives a memory_source. The rest
 * is the same for both.
 */
#ifndef PW_HEAPDUMP_TARGET_PARTS_H
#define PW_HEAPDUMP_TARGET_PARTS_H

#include "bytes.h"
#include "memory.h"
#include "target.h"

enum {
    TARGET_MAX_SEGMENTS = 1 << 20,
    TARGET_MAX_THREADS = 1 << 16,
    TARGET_MAX_STRING = 4096,
};

struct target_live;
struct target_core;
struct target_code;

/* Data of the heap that is not in the core. */
struct blank {
    uint64_t start;
    uint64_t end;
};

struct target {
    const char *name; /* as given, for messages */
    struct target_options options;
    struct target_live *live; /* one of the two */
    struct target_core *core;
    struct target_code *code; /* modules and symbols, made when first asked for */
    struct memory *memory;
    uint32_t pid;
    uint16_t machine;
    char *program; /* never NULL */
    char *executable; /* what options.executable points to, or NULL */
    struct target_segment *segments; /* paths are owned */
    size_t segment_count;
    size_t segment_capacity;
    struct target_thread *threads; /* words are owned */
    size_t thread_count;
    size_t thread_capacity;
    bool is_partial;
    struct blank *blanks;
    size_t blank_count;
    uint64_t root_address;
    struct pw_root root;
    struct pw_image image;
    char thread_name[17];
};

/* Append, checking the bounds above. The path is copied. */
void target_add_segment(struct target *target, const struct target_segment *segment);
struct target_thread *target_add_thread(struct target *target, uint32_t tid);
/* Sort the segments and cut what overlaps. */
void target_sort_segments(struct target *target);
/*
 * Append `bytes` of registers to those of the thread. The first ones, NT_PRSTATUS's, tell pc, sp and,
 * on x86-64, the thread pointer.
 */
void target_add_registers(struct target *target, struct target_thread *thread, const void *registers,
                          size_t bytes);

/* False: said why. */
bool target_live_open(struct target *target, uint32_t pid);
/* Run options.program to its end. False: said why. */
bool target_run_open(struct target *target);
void target_live_close(struct target *target);
void target_live_resume(struct target *target);
/* After a moment of running: stopped again, threads and segments as they are now. */
bool target_live_stop_again(struct target *target);
uint64_t target_live_stopped_ns(const struct target *target);
/* Of each page of the range, 1: it is there or swapped out, 0: it reads as zero. False: not known. */
bool target_live_present(struct target *target, uint64_t start, size_t pages, uint8_t *is_present);

bool target_core_open(struct target *target, int fd);
void target_core_close(struct target *target);

uint64_t target_core_next_memory(const struct target_core *core, uint64_t at, uint64_t end);

/* Forget the threads and the segments. */
void target_clear(struct target *target);

/* Read the root anew from where it was found. */
bool target_root_read(struct target *target);
/* Find and check the root, fill root_address, root, image. False: said why. */
bool target_root_find(struct target *target);

void target_code_close(struct target *target);
/* A file that holds the ELF file mapped as `path`: a path to open, into `out`. */
void target_file_path(const struct target *target, const char *path, struct bytes *out);

#endif
