/*
 * report.h - the one place that tells what was found: a struct pw_fault becomes text (our own, or
 * AddressSanitizer's wording) or a line of JSON, and goes to the error callback, through the
 * symbolizer, to the log file or stderr.
 *
 * Callers hold no lock of the heap. Nothing here allocates, uses stdio or needs more than about 2 KiB
 * of stack; the buffers are static and guarded by the report lock, which one thread at a time holds:
 * a second one that has something to report waits. A fault on the thread that is reporting (its callback, a
 * broken debug file) is told in one line, and ends the process. errno is left as it was.
 *
 *   pw_report ── render ── callback ── seen before? ── symbolizer ── sink
 *       └─ true: ── whatever the front does with a process that is about to end ── pw_report_end
 */
#ifndef PW_DIAG_REPORT_H
#define PW_DIAG_REPORT_H

#include "diag/options.h"
#include "image/fault.h"
#include "image/suppress.h"
#include "pwheap/pwheap.h"

/* The options that concern reports, by their names in REPORTS.md. Strings live as long as the process. */
struct pw_report_config {
    enum pw_report_format format;
    enum pw_color color; /* AUTO: on a terminal whose TERM isn't "dumb" */
    enum pw_level level; /* for the advice */
    bool symbolize;
    bool print_summary;
    bool halt_on_error;
    bool abort_on_error; /* halt by SIGABRT, not _exit(exitcode) */
    bool log_exe_name;   /* the program's name in the name of the log file */
    int exitcode;
    uint32_t symbolize_timeout_ms;
    const char *external_symbolizer_path; /* NULL or "": look for heapdump */
    const char *strip_path_prefix;        /* NULL or "": none */
    const char *log_path;                 /* as pw_log_path_expand takes it; NULL: stderr */
    uint64_t max_allocation_bytes;        /* 0: PTRDIFF_MAX */
    uint32_t dump_on_error;               /* how many reports leave a snapshot */
    const struct pw_thread_image *threads; /* for their names; may be NULL */
    const _Atomic uint32_t *thread_count;  /* how many of them there are */
};

/* What the options say; the rest (threads, thread_count) is left 0. The strings stay the options' own. */
struct pw_report_config pw_report_config_of(const struct pw_options *options);

/*
 * Take over the configuration; again whenever an option changes. Before the first call reports are
 * plain text on stderr, not symbolized, and halt. Thread-safe, signal-safe.
 */
void pw_report_init(const struct pw_report_config *config);

/*
 * Report `fault`: to the callback always, and unless that returned true, to the log or stderr; with
 * halt_on_error=0 each distinct error (pw_fault_fingerprint) is printed once.
 * True: the process is to end; the caller calls pw_report_end soon. Until then this thread keeps the
 * report lock, so that no other's report comes in between. False: go on, as after halt_on_error=0.
 *
 * frames[0] of a fault of PW_OP_ACCESS, PW_OP_ABORT or PW_OP_CRASH is the interrupted instruction; all other
 * frames are return addresses. For these two (a signal handler) the module list is not refreshed.
 * overlapping-copy: address and access_size are the destination, damage.start the source (0: not known).
 * calloc-overflow: access_size * given_size were asked for; allocation-size-too-big: given_size, else
 * access_size. A fault that is_passed_on never halts.
 */
bool pw_report(const struct pw_fault *fault);

/* True for libc, the C++ library, the loader and this library; false for NULL. */
bool pw_module_is_runtime(const struct pw_module *module);
/* This library; NULL where it is linked into the program and can't be told from it. */
const struct pw_module *pw_module_own(void);

/* End the process if pw_report said so; else return at once. */
void pw_report_end(const struct pw_fault *fault);

/* Blocks that nothing points at any more and that one stack allocated. */
struct pw_leak {
    bool is_direct; /* else they are lost with others that lead to them */
    uint32_t stack; /* a depot id; 0: not known */
    uint64_t bytes;
    uint64_t blocks;
    uint64_t address; /* of one of them */
};
struct pw_leaks {
    enum pw_operation operation;
    const struct pw_leak *all; /* direct ones first */
    uint32_t count;
    struct pw_suppressions *suppressions; /* NULL: none */
    uint32_t max_leaks; /* of those that are left, so many are printed; 0: all */
    bool print_suppressions;
};

/*
 * Report them, each to the callback; those that it takes and those that are suppressed are not printed
 * and don't count. Returns the number of blocks that are left. Never ends the process.
 */
uint64_t pw_report_leaks(const struct pw_leaks *leaks);

/* "==PID== pwheap: LINE" to where the reports go: warnings and notes. In JSON an object with "note". */
void pw_report_line(const char *line);

/* Reports handed on so far, to the callback or printed; repeats that were dropped are not counted. */
size_t pw_report_count(void);

/* What pwheap_set_error_callback does; stores the former one's context where `old_context` isn't NULL. */
pwheap_error_callback pw_report_set_callback(pwheap_error_callback callback, void *context,
                                             void **old_context);

/* In the child of fork(): another thread of the parent may have been reporting. */
void pw_report_after_fork(void);
/* In a copy of the process that was made for a snapshot: what it says, it says for process `pid`. */
void pw_report_after_copy(uint32_t pid);

/*
 * Equal for equal bugs, in any process: of the kind and the three innermost frames of the stacks that
 * tell (who was at it; who allocated it) as build id or file name, and offset. Damage found late is known
 * by its allocation, for where it is found is chance. Uses static memory: hold the report lock.
 */
uint64_t pw_fault_fingerprint(const struct pw_fault *fault);

#endif
