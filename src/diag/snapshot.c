/*
 * snapshot.c - who makes a snapshot when: see snapshot.h. What is in the file is image/core.h's.
 *
 *   pw_snapshot_start ── who the threads are, registers ── hold ── pw_os_copy_start ── let go
 *                                                                   └─ the copy: write_core
 */
#include "diag/snapshot.h"

#include "base/arch.h"
#include "base/text.h"
#include "diag/report.h"
#include "image/core.h"
#include "image/image.h"
#include "os/memory.h"
#include "os/process.h"
#include "os/snapshot.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

enum { MAX_THREADS = 4096, PATH_BYTES = 4096 };

static const char default_path[] = "pwheap.%e.%p.%n.core";

/* Guarded by `starting`; the copy has its own. */
PW_WRITTEN_IN_FORK static _Atomic bool starting;
static struct pw_core_thread threads[MAX_THREADS];
static uint32_t thread_ids[MAX_THREADS];
static size_t thread_count;
static char program[PATH_BYTES];

PW_WRITTEN_EARLY static struct pw_snapshot_hooks hooks;
static _Atomic uint32_t snapshots; /* made so far, for %n */

void pw_snapshot_init(const struct pw_snapshot_hooks *new_hooks)
{
    hooks = *new_hooks;
}

void pw_snapshot_after_fork(void)
{
    atomic_store(&starting, false);
}

/* ---- before the copy */

static const char *take_number(const char *at, uint64_t *number)
{
    bool is_hex = at[0] == '0' && at[1] == 'x';
    at += is_hex ? 2 : 0;
    for (*number = 0;; at++) {
        unsigned digit = (unsigned)(*at - '0') < 10u            ? (unsigned)(*at - '0')
                         : is_hex && (unsigned)(*at - 'a') < 6u ? (unsigned)(*at - 'a') + 10u
                                                                : 16u;
        if (digit == 16)
            break;
        *number = *number * (is_hex ? 16 : 10) + digit;
    }
    while (*at == ' ')
        at++;
    return at;
}

/* "232 0x4 … sp ip" of one that sleeps in a system call; "running" of others, which are left zero. */
static void ask_sleeper(struct pw_core_thread *thread)
{
    char storage[256];
    uint64_t words[9];
    struct pw_text path = pw_text_over(storage, sizeof storage);
    pw_text_str(&path, "/proc/self/task/");
    pw_text_dec(&path, thread->tid);
    pw_text_str(&path, "/syscall");
    char line[256] = "";
    int64_t got = pw_os_read_file(storage, line, sizeof line - 1);
    if (got <= 0 || line[0] < '0' || line[0] > '9')
        return;
    const char *at = line;
    for (size_t i = 0; i < PW_ARRAY_SIZE(words); i++)
        at = take_number(at, &words[i]);
    pw_arch_from_syscall(words, thread->registers);
}

static void know_threads(const struct pw_snapshot *snapshot, const uint64_t here[PW_REG_COUNT])
{
    uint64_t registers[PW_REG_COUNT];
    uint32_t self = pw_os_thread_id();
    memcpy(registers, here, sizeof registers);
    if (snapshot->signal_context != NULL)
        pw_arch_from_ucontext(snapshot->signal_context, registers);
    memset(&threads[0], 0, sizeof threads[0]);
    threads[0].tid = self;
    pw_arch_to_elf(registers, threads[0].registers);
    size_t count = pw_os_list_threads(thread_ids, MAX_THREADS);
    thread_count = 1;
    for (size_t i = 0; i < count && thread_count < MAX_THREADS; i++) {
        if (thread_ids[i] == self)
            continue;
        struct pw_core_thread *thread = &threads[thread_count++];
        memset(thread, 0, sizeof *thread);
        thread->tid = thread_ids[i];
        ask_sleeper(thread);
    }
}

static const char *choose_path(struct pw_snapshot *snapshot)
{
    const char *wanted = pw_options()->dump_path;
    struct pw_text text = pw_text_over(snapshot->name, sizeof snapshot->name);
    struct pw_log_name name = {
        .log_path = wanted[0] != '\0' ? wanted : default_path,
        .program = program,
        .process_id = pw_os_process_id(),
        .number = atomic_fetch_add(&snapshots, 1) + 1,
    };
    if (pw_log_path_expand(&name, &text) != PW_LOG_FILE)
        pw_text_str(&text, name.log_path); /* a file of that name is no terminal */
    return snapshot->name;
}

/* ---- in the copy */

struct writer {
    struct pw_core_work *work;
    struct pw_os_new_file file;
    int page_map;
};

static uint64_t read_memory(void *context, uint64_t address, void *buffer, uint64_t bytes)
{
    (void)context;
    return pw_os_read_self(address, buffer, bytes);
}

static bool ask_pages(void *context, uint64_t address, uint64_t pages, bool is_shared, uint8_t *answer)
{
    const struct writer *writer = context;
    return pw_os_ask_pages(writer->page_map, address, pages, is_shared, answer);
}

static bool write_file(void *context, uint64_t offset, const void *bytes, uint64_t length)
{
    struct writer *writer = context;
    return pw_os_new_file_write(&writer->file, offset, bytes, length);
}

static void know_process(struct pw_core_process *process, uint32_t pid, uint32_t parent)
{
    uint32_t own_parent;
    pw_os_ids(&own_parent, &process->uid, &process->gid);
    process->pid = pid;
    process->parent = parent;
    struct pw_text name = pw_text_over(process->name, sizeof process->name);
    pw_text_str(&name, pw_path_basename(program));
    int64_t got = pw_os_read_file("/proc/self/cmdline", process->arguments, sizeof process->arguments - 1);
    for (int64_t i = 0; i + 1 < got; i++)
        if (process->arguments[i] == '\0')
            process->arguments[i] = ' ';
    got = pw_os_read_file("/proc/self/auxv", (char *)process->auxv, sizeof process->auxv);
    process->auxv_bytes = got > 0 ? (size_t)got : 0;
}

/* What a copy is to do, and where it tells how it went. */
struct errand {
    const struct pw_snapshot *snapshot;
    uint32_t pid;
    uint32_t parent;
    bool is_held;
};

static void prepare(struct writer *writer, const struct errand *errand)
{
    struct pw_core_work *work = writer->work;
    work->io = (struct pw_core_io){read_memory, ask_pages, write_file, writer};
    work->skipped.start = (uint64_t)work;
    work->skipped.end = work->skipped.start + PW_ALIGN_UP(sizeof *work, pw_os_page_bytes());
    know_process(&work->process, errand->pid, errand->parent);
    work->threads = threads;
    work->thread_count = thread_count;
    work->remark = (struct pw_core_remark){.version = 1, .time_ns = pw_os_wall_time_ns()};
    if (!pw_options()->dump_content) {
        struct pw_image image = pw_image_self();
        work->remark.leaves_content_out = 1;
        pw_core_keep_tables(work, &image, (uint64_t)image.root);
        memset(threads[0].registers, 0, sizeof threads[0].registers);
        work->thread_count = 1;
    }
    int64_t length = pw_os_read_file("/proc/self/maps", work->maps, sizeof work->maps);
    work->maps_length = length > 0 ? (size_t)length : 0;
}

static int write_core(const struct errand *errand)
{
    struct writer writer = {.page_map = pw_os_open_page_map()};
    writer.work = pw_os_map(PW_ALIGN_UP(sizeof *writer.work, pw_os_page_bytes()));
    if (writer.work == NULL)
        return ENOMEM;
    if (!pw_os_new_file_open(&writer.file, errand->snapshot->path, errand->pid))
        return writer.file.error;
    prepare(&writer, errand);
    if (!pw_core_write(writer.work) && writer.file.error == 0)
        writer.file.error = EIO;
    (void)pw_os_new_file_finish(&writer.file, writer.work->file_bytes);
    return writer.file.error;
}

static int copy_main(void *context)
{
    const struct errand *errand = context;
    if (errand->is_held)
        hooks.let_go(); /* what is written is not in the middle of a change: it is not to look so */
    int error = write_core(errand);
    if (errand->snapshot->is_orphan) {
        static char storage[PW_SNAPSHOT_PATH_BYTES + 128];
        struct pw_text text = pw_text_over(storage, sizeof storage);
        pw_snapshot_tell(errand->snapshot, error, &text);
        pw_report_after_copy(errand->pid);
        pw_report_line(storage);
    }
    return error < 256 ? error : EIO;
}

/* ---- */

PW_NOINLINE bool pw_snapshot_start(struct pw_snapshot *snapshot)
{
    uint64_t here[PW_REG_COUNT];
    pw_arch_registers(here);
    int saved_errno = errno;
    struct errand errand = {.snapshot = snapshot, .pid = pw_os_process_id()};
    uint32_t user, group;
    uint64_t mask = pw_os_block_signals();
    while (atomic_exchange(&starting, true))
        (void)sched_yield();
    pw_os_program_path(program, sizeof program);
    if (snapshot->path == NULL)
        snapshot->path = choose_path(snapshot);
    pw_os_ids(&errand.parent, &user, &group);
    know_threads(snapshot, here);
    errand.is_held = hooks.hold != NULL && hooks.hold();
    snapshot->copy = pw_os_copy_start(copy_main, &errand, snapshot->is_orphan);
    if (errand.is_held)
        hooks.let_go();
    atomic_store(&starting, false);
    pw_os_restore_signals(mask);
    errno = saved_errno;
    return snapshot->copy > 0;
}

int pw_snapshot_finish(struct pw_snapshot *snapshot)
{
    if (snapshot->copy <= 0)
        return snapshot->copy == 0 ? EIO : -snapshot->copy;
    int status = pw_os_copy_wait(snapshot->copy);
    return status < 0 ? EIO : status;
}

void pw_snapshot_tell(const struct pw_snapshot *snapshot, int error, struct pw_text *text)
{
    const char *words = pw_os_error_words(error);
    pw_text_str(text, error == 0 ? "snapshot: " : "no snapshot: ");
    pw_text_str(text, snapshot->path);
    if (error == 0) {
        pw_text_str(text, " (for heapdump and gdb)");
        return;
    }
    pw_text_str(text, ": ");
    pw_text_str(text, words != NULL ? words : "error ");
    if (words == NULL)
        pw_text_dec(text, (uint64_t)error);
}
