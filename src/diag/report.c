/*
 * report.c - the order of events of a report, its lock and its end. See report.h.
 *
 * Everything static below is guarded by the report lock, but for the atomics. Lock order: the report
 * lock is taken with no other lock of the library held, and the loader's lock only before it
 * (pw_modules_refresh): a thread that holds the loader's may be waiting for ours.
 *
 * The lock is `owner` itself, so that there is no moment at which this thread holds it and a signal
 * handler that has something to report can't know. Who waits looks again every millisecond: a report
 * takes longer than that.
 */
#include "diag/report_render.h"

#include "diag/public.h"
#include "diag/snapshot.h"
#include "image/seal.h"
#include "os/process.h"
#include "os/signal_context.h"
#include "trace/modules.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    TEXT_BYTES = 256 * 1024,
    SYMBOLIZED_BYTES = 512 * 1024,
    MAX_DISTINCT = 1024,
    ABORT_STATUS = 134, /* what a shell calls death by SIGABRT */
};

PW_WRITTEN_IN_FORK static _Atomic uint32_t owner; /* the thread that holds the report lock, by its kernel id; 0: none */
static _Atomic size_t report_count;

static struct pw_report_config config = {
    .level = PW_LEVEL_FAST, .print_summary = true, .halt_on_error = true, .abort_on_error = true};
static pwheap_error_callback error_callback;
static void *error_context;
static struct pw_render render;
static struct pwheap_error error;
static char raw[TEXT_BYTES];
static char symbolized[SYMBOLIZED_BYTES];
PW_WRITTEN_IN_FORK static bool is_unwritten; /* render.text is (part of) a report that nobody has seen yet */
PW_WRITTEN_IN_FORK static bool is_halting;   /* the report was written, the process is to end, the lock stays */
static uint64_t seen[MAX_DISTINCT];
static size_t seen_count;

static bool is_mine(void)
{
    return atomic_load_explicit(&owner, memory_order_relaxed) == pw_os_thread_id();
}

/* Unless this thread holds it already. Its writes are no cancellation points meanwhile. */
struct pw_report_held pw_report_hold(void)
{
    struct pw_report_held held = {.was_mine = is_mine(), .saved_errno = errno};
    if (held.was_mine)
        return held;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &held.cancel_state);
    uint32_t self = pw_os_thread_id();
    for (uint32_t nobody = 0; !atomic_compare_exchange_strong(&owner, &nobody, self); nobody = 0)
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return held;
}

void pw_report_let_go(struct pw_report_held held)
{
    if (!held.was_mine) {
        atomic_store(&owner, 0);
        pthread_setcancelstate(held.cancel_state, NULL);
    }
    errno = held.saved_errno;
}

struct pw_report_parts pw_report_parts_locked(void)
{
    return (struct pw_report_parts){.config = &config,
                                    .render = &render,
                                    .raw = raw,
                                    .raw_bytes = sizeof raw,
                                    .symbolized = symbolized,
                                    .symbolized_bytes = sizeof symbolized};
}

void pw_report_init(const struct pw_report_config *new_config)
{
    PW_WRITTEN_EARLY static bool is_set_up;
    struct pw_report_held held = pw_report_hold();
    config = *new_config;
    if (!is_set_up)
        pw_sink_init();
    is_set_up = true;
    pw_report_let_go(held);
}

struct pw_report_config pw_report_config_of(const struct pw_options *options)
{
    return (struct pw_report_config){
        .format = options->report_format,
        .color = options->color,
        .level = options->level,
        .symbolize = options->symbolize,
        .print_summary = options->print_summary,
        .halt_on_error = options->halt_on_error,
        .abort_on_error = options->abort_on_error,
        .log_exe_name = options->log_exe_name,
        .exitcode = (int)options->exitcode,
        .symbolize_timeout_ms = options->symbolize_timeout_ms,
        .external_symbolizer_path = options->external_symbolizer_path,
        .strip_path_prefix = options->strip_path_prefix,
        .log_path = options->log_path,
        .max_allocation_bytes = options->max_allocation_size_mb << 20,
        .dump_on_error = options->dump_on_error,
    };
}

pwheap_error_callback pw_report_set_callback(pwheap_error_callback callback, void *context,
                                             void **old_context)
{
    struct pw_report_held held = pw_report_hold();
    pwheap_error_callback old = error_callback;
    if (old_context != NULL)
        *old_context = error_context;
    error_callback = callback;
    error_context = context;
    pw_root.callback_context = (uint64_t)(uintptr_t)context;
    pw_report_let_go(held);
    return old;
}

size_t pw_report_count(void)
{
    return atomic_load_explicit(&report_count, memory_order_relaxed);
}

void pw_report_after_fork(void)
{
    atomic_store(&owner, 0);
    is_unwritten = is_halting = false;
}

void pw_report_after_copy(uint32_t pid)
{
    pw_report_after_fork();
    pw_sink_speak_for(pid);
}

/* -- The end */

static _Noreturn void end_process(void)
{
    if (!config.abort_on_error)
        _exit(config.exitcode);
    sigset_t abort_signal;
    sigemptyset(&abort_signal);
    sigaddset(&abort_signal, SIGABRT);
    pw_os_signal_default(SIGABRT);
    pthread_sigmask(SIG_UNBLOCK, &abort_signal, NULL);
    syscall(SYS_tgkill, pw_os_process_id(), pw_os_thread_id(), SIGABRT);
    _exit(ABORT_STATUS);
}

static void line_begin(struct pw_text *text, const char *words)
{
    pw_text_str(text, "==");
    pw_text_dec(text, pw_sink_process_id());
    pw_text_str(text, words);
}

/* This thread was reporting already: tell what there is, in few words, and no more risks. */
static _Noreturn void end_nested(const struct pw_fault *fault)
{
    char storage[256];
    struct pw_text text = pw_text_over(storage, sizeof storage);
    if (is_unwritten) {
        is_unwritten = false;
        pw_sink_write(&config, raw, render.text.length);
    }
    line_begin(&text, "== pwheap: ");
    pw_text_str(&text, pw_kind_name(fault->kind));
    pw_text_str(&text, " on ");
    pw_text_hex(&text, fault->address, 12);
    pw_text_str(&text, " while an error was being reported; the process ends\n");
    (void)pw_os_write_all(STDERR_FILENO, storage, text.length);
    end_process();
}

void pw_report_end(const struct pw_fault *fault)
{
    (void)fault;
    if (!is_mine() || !is_halting)
        return;
    if (config.format != PW_REPORT_JSON) {
        char storage[64];
        struct pw_text text = pw_text_over(storage, sizeof storage);
        line_begin(&text, "==ABORTING\n");
        pw_sink_write(&config, storage, text.length);
    }
    end_process();
}

/* -- The report */

static void render_fault_locked(const struct pw_fault *fault)
{
    render.fault = fault;
    render.config = &config;
    render.pid = pw_os_process_id();
    render.time_ns = pw_os_wall_time_ns();
    render.fingerprint = pw_fault_fingerprint(fault);
    render.frame_limit = PW_MAX_FRAMES;
    render.text = pw_text_over(raw, sizeof raw);
    is_unwritten = true;
    if (config.format == PW_REPORT_JSON)
        pw_json_report_write(&render);
    else
        pw_text_report_write(&render);
}

bool pw_report_ask_callback_locked(const struct pw_fault *fault, const char *text, size_t length)
{
    if (error_callback == NULL)
        return false;
    memset(&error, 0, sizeof error);
    error.kind = pw_kind_name(fault->kind);
    error.address = (void *)(uintptr_t)fault->address;
    error.text = text;
    error.text_length = length;
    error.fingerprint = render.fingerprint;
    error.where.relation = (enum pwheap_relation)fault->relation;
    error.where.offset = fault->offset;
    if (fault->block.known)
        pw_public_block(&fault->block, &error.where.block);
    bool taken = error_callback(error_context, &error);
    memset(&error, 0, sizeof error); /* a block's address here could hide that it is lost */
    return taken;
}

/*
 * False: this error was printed already. Where no stack tells two damaged blocks from each other
 * (late damage, found at one place, no allocation stacks), the block's address does.
 */
static bool is_new_locked(const struct pw_fault *fault)
{
    uint64_t key = render.fingerprint;
    if (pw_fault_is_late(fault) && (!fault->block.has_evidence || fault->block.alloc_stack == 0))
        key ^= (fault->block.known ? fault->block.address : fault->address) * 0x9E3779B97F4A7C15u;
    for (size_t i = 0; i < seen_count; i++)
        if (seen[i] == key)
            return false;
    if (seen_count == MAX_DISTINCT)
        return false;
    seen[seen_count++] = key;
    if (seen_count == MAX_DISTINCT)
        pw_report_line("this is the last error that is printed: there were 1024 different ones");
    return true;
}

static void print_locked(void)
{
    size_t length = 0;
    bool is_symbolized = pw_symbolize(&config, raw, render.text.length, symbolized,
                                      sizeof symbolized, &length);
    is_unwritten = false;
    if (is_symbolized)
        pw_sink_write(&config, symbolized, length);
    else
        pw_sink_write(&config, raw, render.text.length);
    pw_symbolize_tell();
}

/* The copy is made before the report is printed, which takes time, and is waited for after. */
static void print_with_snapshot_locked(void)
{
    static struct pw_snapshot snapshot;
    static char storage[PW_SNAPSHOT_PATH_BYTES + 128];
    static uint32_t made;
    if (made >= config.dump_on_error) {
        print_locked();
        return;
    }
    made++;
    snapshot.path = NULL;
    (void)pw_snapshot_start(&snapshot);
    print_locked();
    struct pw_text text = pw_text_over(storage, sizeof storage);
    pw_snapshot_tell(&snapshot, pw_snapshot_finish(&snapshot), &text);
    pw_report_line(storage);
}

/* True: the process is to end. */
static bool report_locked(const struct pw_fault *fault)
{
    bool halts = config.halt_on_error && !fault->is_passed_on;
    render_fault_locked(fault);
    if (pw_report_ask_callback_locked(fault, raw, render.text.length)) {
        is_unwritten = false;
        atomic_fetch_add_explicit(&report_count, 1, memory_order_relaxed);
        return false;
    }
    if (!halts && !is_new_locked(fault)) {
        is_unwritten = false;
        return false;
    }
    atomic_fetch_add_explicit(&report_count, 1, memory_order_relaxed);
    print_with_snapshot_locked();
    return halts;
}

bool pw_report(const struct pw_fault *fault)
{
    if (is_mine())
        end_nested(fault);
    int saved_errno = errno;
    if (!pw_operation_is_signal(fault->operation))
        pw_modules_refresh();
    struct pw_report_held held = pw_report_hold();
    bool halts = report_locked(fault);
    is_halting = halts;
    if (!halts)
        pw_report_let_go(held);
    errno = saved_errno;
    return halts;
}

void pw_report_line(const char *line)
{
    enum { LINE_BYTES = 1024, ESCAPED_BYTES = 6 * LINE_BYTES + 256 };
    static char cut[LINE_BYTES]; /* a line that is too long is cut, not its end */
    static char storage[ESCAPED_BYTES];
    struct pw_report_held held = pw_report_hold();
    struct pw_text note = pw_text_over(cut, sizeof cut);
    struct pw_text text = pw_text_over(storage, sizeof storage);
    pw_text_str(&note, line);
    if (config.format == PW_REPORT_JSON) {
        pw_json_note_write(&text, pw_sink_process_id(), pw_os_wall_time_ns(), cut);
    } else {
        line_begin(&text, "== pwheap: ");
        pw_text_str(&text, cut);
        pw_text_str(&text, "\n");
    }
    pw_sink_write(&config, storage, text.length);
    pw_report_let_go(held);
}
