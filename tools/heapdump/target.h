/*
 * target.h - the heap that is looked at: of a live process, of one that is run for it, or in a core file
 * (the kernel's, gcore's, our own snapshot). All commands work on it alike.
 *
 *   command ── target_image ── struct pw_image: image/image.h's walk, inspect, validate …
 *          └── target_stack ── target_locate: a depot stack, and its frames with file and line
 *
 * Opening a live process stops all its threads (ptrace: SEIZE, INTERRUPT) until target_freeze,
 * target_resume or target_close; the kernel undoes it too when heapdump dies. It is stopped at a moment
 * when no heap is being changed, if there is one. All that is read from a
 * target is hostile: counts are bounded here or in image/, strings are cut, files are checked.
 *
 *   target.c          open and close, the image over the memory
 *   target_live.c     a process: /proc, ptrace, process_vm_readv
 *   target_run.c      a process that is started, and stopped where it ends
 *   target_core.c     an ELF core
 *   target_root.c     where the root is
 *   target_freeze.c   copying the tables, letting go
 *   target_modules.c  which file an address of code is of; its function, file and line
 */
#ifndef PW_HEAPDUMP_TARGET_H
#define PW_HEAPDUMP_TARGET_H

#include "image/image.h"
#include "symbols.h"

struct target;

struct target_options {
    const char *executable;     /* -e: of a core whose program lies elsewhere; NULL: as the core says */
    char **program;             /* of `-- PROGRAM ARGUMENT…`: run to its end, and looked at there; NULL: none */
    const char *debuginfo_path; /* as symbols_open takes it */
    bool leaves_running;        /* a live process is not stopped: what is read may change meanwhile */
    bool needs_no_heap;         /* opens also what has no pwheap in it: target_image is then NULL */
};

/*
 * `name` is a PID or the path of a core; with options.program only what it is called. NULL: it can't be looked into; why is on stderr, and the exit
 * status is HEAPDUMP_UNREADABLE. Warnings (a core that is cut) go there as well.
 */
struct target *target_open(const char *name, const struct target_options *options);
void target_close(struct target *target);

/* ---- what it is ---- */

bool target_is_live(const struct target *target);
uint32_t target_pid(const struct target *target); /* 0: not known */
/* Of a process, the thread whose folder in /proc has its memory, program and files: the first one may have ended. */
uint32_t target_reader(const struct target *target);
/* The program's path, "" if it is not known. */
const char *target_program(const struct target *target);
/* The machine as in an ELF header (EM_X86_64 …). */
uint16_t target_machine(const struct target *target);
/* False: a core that is cut short, or that lacks tables of the heap. What can be read is less than there was. */
bool target_is_whole(const struct target *target);
/* True: a core without the contents of blocks (gcore's, a snapshot with --no-content). It was said. */
bool target_lacks_content(const struct target *target);
/* How long the process was stopped, in ns: so far, or in all. 0 of a core. */
uint64_t target_stopped_ns(const struct target *target);

/* ---- its bytes ---- */

/* The image; root is a copy, its counts bounded. */
const struct pw_image *target_image(const struct target *target);
/* Address of the root in the target. */
uint64_t target_root_address(const struct target *target);
/* All of [address, address + bytes), through a cache; false: not all of it can be read. */
bool target_read(struct target *target, uint64_t address, void *to, size_t bytes);
/* As much as comes before the first page that can't be read (a guard, a hole): bytes. For big pieces. */
size_t target_read_some(struct target *target, uint64_t address, void *to, size_t bytes);

/* Where memory goes on at or after `at`; `end` if not before that. Of a process all that it may have is memory. */
uint64_t target_next_memory(const struct target *target, uint64_t at, uint64_t end);

/*
 * Copy the heap's tables (headers, evidence, bitmaps, depot, threads, modules) and let the process run
 * on; the blocks' contents are read live afterwards. Where they are too large to be copied the
 * process stays stopped. Nothing to do for a core.
 */
void target_freeze(struct target *target);
/* Let the process run on as it is. */
void target_resume(struct target *target);

/*
 * Let a live process run on for a moment, stop it again and read all of it anew: for who saw what may have
 * been a step in progress. False: it is a core, or it can't be stopped again.
 */
bool target_look_again(struct target *target);

/* ---- its memory map: sorted, not overlapping ---- */

enum { TARGET_READ = 1, TARGET_WRITE = 2, TARGET_EXECUTE = 4 };
struct target_segment {
    uint64_t start;
    uint64_t end;
    uint64_t offset;   /* in its file */
    uint8_t access;    /* TARGET_… : what the program may do */
    bool is_readable;  /* heapdump can read it, holes aside; in a core: at least its beginning is there */
    bool is_shared;
    const char *path;  /* the file; "[heap]", "[stack]" and the like as the kernel names them; "": none */
};
size_t target_segments(const struct target *target, const struct target_segment **segments);
/* The segment that holds `address`, or NULL. */
const struct target_segment *target_find_segment(const struct target *target, uint64_t address);

/* ---- its threads ---- */

struct target_thread {
    uint32_t tid;
    char name[16];  /* "": not known */
    uint64_t pc;    /* 0, as all below: registers are not known */
    uint64_t sp;
    uint64_t thread_pointer; /* fs base, tpidr: its TLS is around it */
    const uint64_t *words;   /* every register, general and vector, as 64-bit words */
    size_t word_count;
};
size_t target_threads(const struct target *target, const struct target_thread **threads);
/* The thread with this ordinal in the image; false: there is none. */
bool target_thread_image(struct target *target, uint32_t ordinal, struct pw_thread_image *thread);
/* The name of the thread with this ordinal in the image, "" if it has none; until the next call. */
const char *target_thread_name(struct target *target, uint32_t ordinal);

/* ---- its code ---- */

/* The frames of a depot stack (return addresses, innermost first): how many, 0: none or damaged. */
size_t target_stack(struct target *target, uint32_t id, uint64_t frames[PW_MAX_FRAMES]);
/*
 * The module that holds `pc`: of the memory map, else of the image's list, which remembers unloaded
 * ones. NULL: none. pc - bias is the address in its file.
 */
const struct pw_module *target_find_module(struct target *target, uint64_t pc);
/* Every module that is mapped now. */
size_t target_modules(struct target *target, const struct pw_module **modules);
/*
 * The frames at `pc`, the address of an instruction (of a return address: pc - 1), inlined ones
 * first. 0: nothing is known. Strings live until the next call.
 */
size_t target_locate(struct target *target, uint64_t pc, struct source_frame frames[SYMBOLS_FRAMES]);
/*
 * The variable of the module's symbol table that `address` is in, and the offset in it; NULL: none is
 * known there. Lives until the next call.
 */
const char *target_object(struct target *target, const struct pw_module *module, uint64_t address,
                          uint64_t *offset);
/* The symbols beneath, for symbolize_text. */
struct symbols *target_symbols(struct target *target);

#endif
