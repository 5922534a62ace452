/*
 * core.h - write a process down as an ELF core: what a snapshot is, and gdb, eu-readelf and heapdump
 * open.
 *
 * Pure: what is known of the process is given, its memory is read and the file written through
 * functions. So the library does it in a forked child of itself, and heapdump for a process that it
 * has stopped. Nothing here allocates; all memory is in struct pw_core_work, some 50 MiB of address
 * space of which only what is needed is touched.
 *
 * The file:   ELF header | program headers | notes | page of padding | contents of the segments
 *
 * Contents are sparse: a page that was never touched, holds only zeros or can't be read (a guard) is a
 * hole. File mappings that nobody wrote to are left to their files, but for the page with the ELF
 * header, by which the build id is found: as the kernel does it.
 */
#ifndef PW_IMAGE_CORE_H
#define PW_IMAGE_CORE_H

#include "base/base.h"

#include <elf.h>
#include <sys/procfs.h>

#define PW_CORE_REGISTERS (sizeof(elf_gregset_t) / sizeof(uint64_t))
#define PW_CORE_MAX_SEGMENTS 131072u
#define PW_CORE_MAX_RANGES 16384u
#define PW_CORE_TEXT_BYTES (32u << 20)
#define PW_CORE_BOUNCE_PAGES 64u
#define PW_CORE_AUXV_BYTES 1024u
/* Our own note: name "PWHEAP", type PW_CORE_NOTE_REMARK, a struct pw_core_remark. */
#define PW_CORE_NOTE_NAME "PWHEAP"
#define PW_CORE_NOTE_REMARK 0x50574801u

/* What there is to know of how the file came to be. */
struct pw_core_remark {
    uint32_t version;           /* 1 */
    uint32_t leaves_content_out; /* only the library's tables are there */
    uint64_t time_ns;           /* since 1970 */
};

struct pw_core_range {
    uint64_t start;
    uint64_t end; /* one past it */
};

/* Registers in the order of elf_gregset_t; what is not known is 0. */
struct pw_core_thread {
    uint32_t tid;
    uint32_t signal; /* that a fault raised, or 0 */
    uint64_t registers[PW_CORE_REGISTERS];
    const void *floating; /* contents of its NT_FPREGSET, or NULL */
    uint32_t floating_bytes;
};

struct pw_core_process {
    uint32_t pid;
    uint32_t parent;
    uint32_t uid;
    uint32_t gid;
    char name[16];
    char arguments[ELF_PRARGSZ]; /* separated by spaces */
    uint8_t auxv[PW_CORE_AUXV_BYTES];
    size_t auxv_bytes;
};

/* What the table of pages tells of one. */
enum { PW_PAGE_HOLDS = 1, PW_PAGE_ANONYMOUS = 2 };

struct pw_core_io {
    /* Copy `bytes` at `address` of the process; how many came before the first that can't be read. */
    uint64_t (*read)(void *context, uint64_t address, void *buffer, uint64_t bytes);
    /*
     * Fill in PW_PAGE_HOLDS for pages that hold something, and PW_PAGE_ANONYMOUS for those that are
     * private copies; false: it can't be known.
     */
    bool (*ask_pages)(void *context, uint64_t address, uint64_t pages, bool is_shared, uint8_t *answer);
    /* Write all of it at `offset` of the file; false: it could not be, and the writer is to stop. */
    bool (*write)(void *context, uint64_t offset, const void *bytes, uint64_t length);
    void *context;
};

enum pw_core_content {
    PW_CORE_NOTHING,
    PW_CORE_FIRST_PAGE,
    PW_CORE_TOUCHED, /* pages that hold something */
    PW_CORE_ALL,     /* pages that hold something, or what their file does */
};

/* A mapping, or the part of one whose contents are treated alike. */
struct pw_core_segment {
    uint64_t start;
    uint64_t end;
    uint64_t map_offset; /* in the mapped file */
    uint64_t file_offset; /* in the core */
    uint64_t file_bytes;
    uint32_t name; /* where in `maps`, and how long */
    uint32_t name_length;
    uint32_t flags; /* PF_R, PF_W, PF_X */
    uint8_t is_shared;
    uint8_t content; /* enum pw_core_content */
};

/* All zero but for what follows as input. Large: map it. */
struct pw_core_work {
    /* Input. */
    struct pw_core_io io;
    struct pw_core_process process;
    struct pw_core_remark remark;
    const struct pw_core_thread *threads; /* the one that gdb is to show first is the first */
    size_t thread_count;
    struct pw_core_range skipped; /* the writer's own memory, or empty */
    /* With remark.leaves_content_out: what is kept nevertheless, in any order. */
    struct pw_core_range kept[PW_CORE_MAX_RANGES];
    size_t kept_count;
    char maps[PW_CORE_TEXT_BYTES]; /* /proc/PID/maps */
    size_t maps_length;
    /* Found. */
    struct pw_core_segment segments[PW_CORE_MAX_SEGMENTS];
    size_t segment_count;
    uint64_t file_bytes;    /* of the whole file: it is to be this long, also when it ends in a hole */
    uint64_t content_bytes; /* written of contents */
    uint8_t answer[PW_CORE_BOUNCE_PAGES];
    _Alignas(16) uint8_t bounce[PW_CORE_BOUNCE_PAGES * 4096];
};

/*
 * Plan and write the file. False: a write failed; or maps is full or of too many mappings, and then
 * file_bytes is 0.
 */
bool pw_core_write(struct pw_core_work *work);

/* core_plan.c: from maps to segments, each with what is written of it; false: too many. */
bool pw_core_plan(struct pw_core_work *work);
/* core_head.c: all that comes before the contents, and where these go; false: a write failed. */
bool pw_core_write_head(struct pw_core_work *work);

/* core_keep.c: the ranges of the library's own tables into work->kept. */
struct pw_image;
void pw_core_keep_tables(struct pw_core_work *work, const struct pw_image *image, uint64_t root);

#endif
