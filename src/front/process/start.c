/*
 * start.c - setting up, at the first call of malloc: which may come from the dynamic loader, before
 * libc's own constructors, with one thread. Only what needs no loader happens then; the rest (signal
 * handlers, fork handlers, the unwinder) waits for the library's constructor.
 *
 *   first malloc ── pw_start ── options, keys, tables, heaps, caches
 *   constructor ─── key of the threads, fork handlers, unwinder, signal handlers
 *   destructor ──── the last look
 */
#include "base/random.h"
#include "cache/transfer.h"
#include "check/quarantine.h"
#include "check/zone.h"
#include "diag/log_path.h"
#include "diag/report.h"
#include "front/api/leaks.h"
#include "front/api/statistics.h"
#include "front/cap.h"
#include "front/full.h"
#include "front/guarded/guarded.h"
#include "front/guarded/watch.h"
#include "front/hooks.h"
#include "front/state.h"
#include "os/memory.h"
#include "os/process.h"
#include "pwheap/pwheap.h"
#include "trace/depot.h"
#include "trace/modules.h"
#include "trace/unwind.h"

#include <errno.h>

_Atomic bool pw_is_ready;
uint32_t pw_shared_heaps;
bool pw_can_unwind;

/* 0: not begun; 1: somebody is at it; 2: done; 3: failed. */
static _Atomic uint32_t stage;

extern const char *pwheap_default_options(void) __attribute__((weak));

/* Warnings about options, kept until there is somewhere to write them. */
static char warnings[4096];
static struct pw_text warning_text;

static void keep_warning(void *context, const char *line)
{
    (void)context;
    pw_text_str(&warning_text, line);
    pw_text_char(&warning_text, '\0');
}

static void read_options(void)
{
    struct pw_options_sources sources = {.program = NULL};
    warning_text = pw_text_over(warnings, sizeof warnings);
    if (pwheap_default_options != NULL)
        sources.program = pwheap_default_options();
    if (!pw_os_is_secure()) {
        sources.options_env = pw_os_environment("PWHEAP_OPTIONS");
        sources.check_env = pw_os_environment("PWHEAP_CHECK");
    }
    pw_options_parse(&pw_options_storage, &sources, keep_warning, NULL);
}

/* The zone pattern: no byte of it is 0, 0xff, or one that text is made of. */
static uint64_t make_zone_pattern(uint64_t *state)
{
    uint64_t random = pw_random_next(state), pattern = 0;
    for (unsigned i = 0; i < 8; i++, random >>= 8)
        pattern = pattern << 8 | (0x80 + (random & 0x3f) * 2 % 0x7e);
    return pattern;
}

static void fill_root(void)
{
    const struct pw_options *options = pw_options();
    uint64_t state = options->seed != 0 ? options->seed : pw_os_entropy();
    pw_root.level = options->level;
    pw_root.pid = pw_os_process_id();
    pw_root.seal_key = pw_random_next(&state);
    pw_zone_set(make_zone_pattern(&state));
    pw_root.zone_min_bytes = pw_root.level == PW_LEVEL_OFF ? 0 : options->redzone;
    pw_root.zone_shift = pw_root.level >= PW_LEVEL_FULL ? 3 : 0;
    pw_root.zone_max_bytes = 2048;
    pw_fill_set(&pw_root, options->free_fill_byte);
    pw_root.free_fill_max =
        pw_root.level == PW_LEVEL_FAST ? PW_LINE_BYTES : options->max_free_fill_size;
}

_Static_assert(sizeof(struct pw_own_range) == sizeof(struct pw_os_range), "the same, seen from outside");

static void tell_own_ranges(void)
{
    uint32_t capacity;
    pw_root.own_ranges = (uint64_t)pw_os_own_ranges(&capacity);
    pw_root.own_range_count = capacity;
}

_Static_assert((int)PW_MOST_SHARED_HEAPS <= (int)PW_TRANSFER_HEAPS, "each has a transfer cache");

static bool make_tables(void)
{
    bool fills_whole = pw_root.free_fill_max >= PW_HEAP_LARGE_ALLOC_THRESHOLD;
    const struct pw_heap_hooks *hooks = pw_hooks_of((enum pw_level)pw_root.level, fills_whole);
    pw_shared_heaps = pw_os_cpu_count();
    if (pw_shared_heaps > PW_MOST_SHARED_HEAPS)
        pw_shared_heaps = PW_MOST_SHARED_HEAPS;
    pw_quarantine_init(pw_regions_map_beside);
    if (!pw_heap_init(pw_shared_heaps + 1, hooks) ||
        !pw_cache_init((enum pw_level)pw_root.level, pw_regions_map_beside))
        return false;
    pw_threads_init();
    pw_heap_gates[pw_shared_heaps].blocks_signals = true; /* reentry.c's */
    pw_ways_start();
    pw_big_start();
    pw_watch_start();
    pw_guarded_start();
    pw_cap_start();
    if (pw_root.level >= PW_LEVEL_FULL || pw_guards_are_on)
        (void)pw_depot_init();
    (void)pw_modules_init(&pw_root.module_count);
    pw_root.modules = (uint64_t)pw_modules_table();
    pw_root.depot = (uint64_t)pw_depot_image;
    tell_own_ranges();
    pw_root.ready = 1;
    return true;
}

bool pw_start(void)
{
    uint32_t expected = 0;
    if (atomic_load_explicit(&pw_is_ready, memory_order_acquire))
        return true;
    if (!atomic_compare_exchange_strong(&stage, &expected, 1)) {
        /* Another thread can't be at it: the first call comes long before there are two. */
        return false;
    }
    int saved_errno = errno;
    read_options();
    fill_root();
    bool done = make_tables();
    atomic_store_explicit(&pw_is_ready, done, memory_order_release);
    atomic_store(&stage, done ? 2 : 3);
    errno = saved_errno;
    return done;
}

static void configure_reports(void)
{
    struct pw_report_config config = pw_report_config_of(pw_options());
    config.level = (enum pw_level)pw_root.level;
    config.threads = (const struct pw_thread_image *)pw_root.threads;
    config.thread_count = &pw_root.thread_count;
    pw_report_init(&config);
}

void pw_options_changed(void)
{
    configure_reports();
    if (pw_libc_configure != NULL)
        pw_libc_configure();
    pw_threads_choose_ways();
}

static void write_stderr(void *context, const char *bytes, size_t length)
{
    (void)context;
    (void)pw_os_write_all(2, bytes, length);
}

static void tell_warnings(void)
{
    for (size_t at = 0; at < warning_text.length; at++) {
        pw_report_line(&warnings[at]);
        while (warnings[at] != '\0')
            at++;
    }
    if (!pw_options()->help)
        return;
    char storage[1024];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    text.flush = write_stderr;
    pw_options_help(pw_options(), &text);
    pw_text_flush(&text);
}

/* The library's globals are no place where the program keeps its pointers. Not if it is linked in. */
static void own_globals(void)
{
    const struct pw_module *module = pw_module_own();
    if (module != NULL)
        pw_os_own((const void *)module->start, module->end - module->start);
}

__attribute__((constructor(101))) static void construct(void)
{
    if (!pw_start())
        return;
    (void)pw_thread_open();
    configure_reports();
    tell_warnings();
    pw_watch_tell();
    pw_threads_start();
    pw_fork_start();
    pw_snapshot_start_up();
    if (pw_root.level >= PW_LEVEL_FULL || pw_guards_are_on)
        pw_unwind_init();
    pw_modules_refresh();
    own_globals();
    /* Now: in a sandbox it can't be asked later. */
    uint64_t available = pw_os_memory_available();
    if (available != 0)
        pw_mapped_plan(available);
    pw_can_unwind = true;
    pw_threads_choose_ways();
    if (pw_libc_configure != NULL)
        pw_libc_configure();
    pw_signals_start();
}

__attribute__((destructor(101))) static void destruct(void)
{
    /* Busy: exit() in a signal handler that interrupted the allocator, which keeps its locks for ever. */
    if (!atomic_load(&pw_is_ready) || (pw_self != NULL && pw_cache_is_busy(pw_self)))
        return;
    pw_watch_end();
    struct pw_call call = PW_CALL(PW_OP_EXIT, PW_FAMILY_MALLOC);
    if (pw_options()->check_at_exit)
        (void)pw_look_at_everything(PW_OP_EXIT, &call);
    pw_print_statistics_at_exit();
    pw_leaks_at_exit(&call);
}
