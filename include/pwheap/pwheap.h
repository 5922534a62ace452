/*
 * pwheap.h - the public interface of pwheap, a heap-debugging malloc.
 *
 * A program needs none of it: preload or link the library and set PWHEAP_CHECK. This is for
 * programs that ask their heap questions, tests that want a verdict, and embedders.
 * Every function says its arguments, units, errors, thread-safety and whether a signal handler may
 * call it ("signal-safe").
 */
#ifndef PWHEAP_H
#define PWHEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PWHEAP_VERSION_MAJOR 0
#define PWHEAP_VERSION_MINOR 1

enum pwheap_block_state {
    PWHEAP_STATE_FREE = 1,    /* in a bin of its heap */
    PWHEAP_STATE_CACHED,      /* in a thread's cache */
    PWHEAP_STATE_PENDING,     /* changing hands */
    PWHEAP_STATE_LIVE,        /* the program's */
    PWHEAP_STATE_QUARANTINED, /* freed, kept out of use */
    PWHEAP_STATE_RETIRED      /* damaged, out of service */
};

enum pwheap_family {
    PWHEAP_FAMILY_MALLOC,
    PWHEAP_FAMILY_NEW,
    PWHEAP_FAMILY_NEW_ARRAY,
    PWHEAP_FAMILY_INSTANCE /* of a heap instance */
};

enum pwheap_relation {
    PWHEAP_RELATION_NONE, /* no block is near */
    PWHEAP_RELATION_BEFORE,
    PWHEAP_RELATION_INSIDE,
    PWHEAP_RELATION_AFTER
};

/* A block as the library knows it. Stacks are return addresses, innermost first. */
#define PWHEAP_MAX_FRAMES 32
struct pwheap_block {
    void *address;
    size_t size;       /* bytes, as requested, of a freed one too; of one in a bin what it could hold */
    size_t block_size; /* bytes taken, red zone included */
    enum pwheap_block_state state;
    enum pwheap_family family;
    uint32_t heap;
    uint32_t alloc_thread; /* ordinal: 0 is the first thread that used the heap */
    uint32_t free_thread;
    uint32_t number; /* of the allocation in its thread, from 1; 0: not known at this level */
    uint32_t alloc_frame_count;
    uint32_t free_frame_count;
    void *alloc_frames[PWHEAP_MAX_FRAMES]; /* at level full; below it of blocks with guard pages only */
    void *free_frames[PWHEAP_MAX_FRAMES];
};

struct pwheap_description {
    enum pwheap_relation relation;
    size_t offset; /* bytes from the start (inside), to the start (before), from the end (after) */
    struct pwheap_block block;
};

struct pwheap_statistics {
    size_t live_bytes; /* as requested */
    size_t live_blocks;
    size_t cached_bytes; /* in thread caches */
    size_t cached_blocks;
    size_t quarantined_bytes;
    size_t quarantined_blocks;
    size_t free_bytes; /* in bins */
    size_t free_blocks;
    size_t mapped_bytes; /* live, of blocks above 16 KiB */
    size_t mapped_blocks;
    size_t region_bytes;   /* address space of all regions */
    size_t metadata_bytes; /* address space of tables, depot, caches */
    size_t faults;         /* reported so far */
};

/* A detected error, for the callback. Strings live during the call. */
struct pwheap_error {
    const char *kind;      /* "heap-buffer-overflow" … as in the report */
    const void *address;   /* that it is about */
    const char *text;      /* the whole report */
    size_t text_length;    /* bytes */
    uint64_t fingerprint;  /* equal for equal bugs */
    struct pwheap_description where;
};

/*
 * Check the whole heap now: links, sizes, states, seals, red zones, poison, bins. Every damage found
 * is reported (and halts, by options) like any other. Returns the number of damages. Other threads
 * may go on allocating. Thread-safe, not signal-safe.
 */
size_t pwheap_validate(void);

/*
 * Call `visit` for every block, in address order, while other threads may run; a block may be gone by
 * the time it is visited. Stops when visit returns false. `visit` may allocate. Returns the number of
 * blocks visited. Thread-safe, not signal-safe.
 */
size_t pwheap_walk(bool (*visit)(void *context, const struct pwheap_block *block), void *context);

/*
 * Tell which block `address` is in or near. False: no block of pwheap is near. Any address may be
 * asked for; it is not read. Thread-safe and signal-safe.
 */
bool pwheap_describe(const void *address, struct pwheap_description *description);

/* Fill in the figures by walking the heap. Thread-safe, not signal-safe. */
void pwheap_stats(struct pwheap_statistics *statistics);

/*
 * Look for blocks that nothing points at any more, and report them by who allocated them, as
 * detect_leaks=1 does at exit; suppressions and max_leaks hold. Returns how many there are; never ends
 * the program. Pointers are looked for in registers, stacks, thread-local memory and globals of all
 * threads and libraries, in every other memory the program can write to, and in blocks that are reached
 * from there; one into the middle of a block counts, unless leak_starts_only=1.
 * The other threads are stopped for the moment in which a copy of the process is made; poll() and the
 * like return EINTR in them. Where it can't be done a note says why, and the answer is 0.
 * Thread-safe, not signal-safe.
 */
size_t pwheap_leak_check(void);

/*
 * Never report the block that `pointer` is (or points into), nor what only it leads to, as a leak,
 * until it is freed. Below level full a later block at the same address is meant as well. False: there
 * is no such block, or no memory for the note. Thread-safe, not signal-safe.
 */
bool pwheap_ignore(const void *pointer);

/*
 * What a program allocates and keeps from one moment to another:
 *
 *     struct pwheap_checkpoint *before = pwheap_checkpoint();
 *     …
 *     pwheap_diff(before, print_site, NULL);
 *     pwheap_checkpoint_free(before);
 *
 * A checkpoint costs 256 KiB of address space and a look at each thread, however large the heap is. At
 * level full only: NULL and ENOTSUP below it, NULL and ENOMEM without memory; the other two take NULL for
 * "nothing has grown". Thread-safe, not signal-safe.
 */
struct pwheap_checkpoint;
struct pwheap_checkpoint *pwheap_checkpoint(void);
void pwheap_checkpoint_free(struct pwheap_checkpoint *checkpoint);

/* Live blocks that were allocated by one stack. */
struct pwheap_site {
    size_t bytes; /* as requested */
    size_t blocks;
    uint32_t frame_count; /* return addresses, innermost first; 0: not known */
    void *frames[PWHEAP_MAX_FRAMES];
};

/*
 * Call `visit` (unless it is NULL) for every stack that allocated blocks after `since` which are still
 * live, the most bytes first; it stops when that returns false, and may allocate. Returns the number of
 * such blocks; 0, too, where there is no memory to count them in. A block has no number to know it by if
 * there was no memory for its thread's cache. Other threads may run. Walks the heap. Thread-safe, not
 * signal-safe.
 */
size_t pwheap_diff(const struct pwheap_checkpoint *since,
                   bool (*visit)(void *context, const struct pwheap_site *site), void *context);

/*
 * Write a snapshot of the process to `path`: an ELF core, for heapdump and gdb. NULL: where the
 * option dump_path says. A copy of the process writes it, so the other threads stop only while it is
 * copied; the calling thread waits until it is written. 0, or -1 and errno; there is then no file. The
 * caller's registers are in it, of other threads what the kernel tells of sleeping ones. With the
 * option dump_content=0 only the heap's tables are in it. Thread-safe and signal-safe.
 */
int pwheap_dump(const char *path);

/*
 * Have `callback` called with every error before it is printed. If it returns true, the report is
 * not printed and the program goes on as with halt_on_error=0. It runs on the thread that found the
 * error, perhaps in a signal handler. NULL: none. Returns the one before. Thread-safe, signal-safe.
 */
typedef bool (*pwheap_error_callback)(void *context, const struct pwheap_error *error);
pwheap_error_callback pwheap_set_error_callback(pwheap_error_callback callback, void *context);

/*
 * The value of an option as text into `value` (cut at `size` bytes, NUL-terminated); its full length,
 * or -1 and EINVAL when there is no such option. Thread-safe, signal-safe.
 */
long pwheap_option_get(const char *name, char *value, size_t size);
/*
 * Set an option that may be changed while the program runs (`PWHEAP_CHECK=help` marks them). 0, or
 * -1 with EINVAL (no such option, or not a value of it) or EPERM (fixed at start-up). Thread-safe, not
 * signal-safe.
 */
int pwheap_option_set(const char *name, const char *value);

/*
 * Heap instances of one's own: blocks of one are apart from all others and go with it. None of these functions
 * is signal-safe.
 */
struct pwheap_heap;
/* A new heap, or NULL and ENOMEM. At most 50 at a time. Thread-safe. */
struct pwheap_heap *pwheap_heap_create(void);
/* Give back the heap and all of its blocks at once. Nobody may use it any more. NULL is allowed. Thread-safe. */
void pwheap_heap_destroy(struct pwheap_heap *heap);
/* `size` bytes from `heap`, 16-byte aligned, or NULL and ENOMEM. Thread-safe. */
void *pwheap_heap_malloc(struct pwheap_heap *heap, size_t size);
/* Give back a block of `heap`; one of another heap is reported as a bad-free. NULL is allowed. Thread-safe. */
void pwheap_heap_free(struct pwheap_heap *heap, void *block);

/*
 * Define it in the program to give options, as in PWHEAP_OPTIONS; the environment comes after it and
 * wins. Called once, very early: it must not allocate.
 */
const char *pwheap_default_options(void);

#ifdef __cplusplus
}
#endif

#endif
