/*
 * target_live.c - a running process: stopped by ptrace, read by process_vm_readv.
 *
 * PTRACE_SEIZE and PTRACE_INTERRUPT stop a thread without a signal that the program could see; a
 * thread that was about to take a signal gets it when it is let go. When heapdump ends, however it
 * ends, the kernel lets all of them go. A process that a debugger holds already is read as it stands.
 */
#include "target_live.h"

#include "message.h"
#include "proc_files.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ROUNDS = 100, REGISTER_BYTES = 16384 };
static const uint64_t stop_patience_ns = 2000000000u;
static const long run_between_stops_ns = 200000;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- reading ---- */

static size_t read_by_file(const struct target_live *live, uint64_t address, void *to, size_t bytes)
{
    size_t done = 0;
    while (done < bytes && address + done <= INT64_MAX) {
        ssize_t got = pread(live->memory_fd, (char *)to + done, bytes - done, (off_t)(address + done));
        if (got <= 0 && !(got < 0 && errno == EINTR))
            break;
        done += got > 0 ? (size_t)got : 0;
    }
    return done;
}

/* It ends before a guard page as before an unmapped one (EFAULT, or a short count). */
static size_t read_live(void *context, uint64_t address, void *to, size_t bytes)
{
    struct target_live *live = context;
    if (live->uses_file)
        return read_by_file(live, address, to, bytes);
    struct iovec local = {to, bytes}, remote = {(void *)(uintptr_t)address, bytes};
    ssize_t got = process_vm_readv(live->reader_tid, &local, 1, &remote, 1, 0);
    if (got >= 0)
        return (size_t)got;
    if (errno == EFAULT || errno == EINVAL)
        return 0;
    live->uses_file = errno == EPERM || errno == ENOSYS;
    return read_by_file(live, address, to, bytes);
}

bool target_live_present(struct target *target, uint64_t start, size_t pages, uint8_t *is_present)
{
    enum { BATCH = 4096 };
    static const uint64_t present_or_swapped = (uint64_t)3 << 62;
    static uint64_t entries[BATCH];
    const struct target_live *live = target->live;
    for (size_t done = 0; done < pages;) {
        size_t count = (size_t)least(pages - done, BATCH);
        off_t offset = (off_t)((start / MEMORY_PAGE_BYTES + done) * sizeof *entries);
        ssize_t got = pread(live->pagemap_fd, entries, count * sizeof *entries, offset);
        if (got < (ssize_t)sizeof *entries)
            return false;
        count = (size_t)got / sizeof *entries; /* it may be fewer */
        for (size_t i = 0; i < count; i++)
            is_present[done + i] = (entries[i] & present_or_swapped) != 0;
        done += count;
    }
    return true;
}

/* ---- stopping ---- */

struct tracee *target_tracee(const struct target_live *live, pid_t tid)
{
    for (size_t i = 0; i < live->tracee_count; i++)
        if (live->tracees[i].tid == tid)
            return &live->tracees[i];
    return NULL;
}

struct tracee *target_tracee_add(struct target_live *live, pid_t tid)
{
    if (live->tracee_count == live->tracee_capacity) {
        live->tracee_capacity = live->tracee_capacity * 2 + 64;
        live->tracees = heapdump_grow(live->tracees, live->tracee_capacity, sizeof *live->tracees);
    }
    live->tracees[live->tracee_count] = (struct tracee){.tid = tid};
    return &live->tracees[live->tracee_count++];
}

/* Seize and interrupt every thread that isn't yet; *count is how many. False: errno says why not. */
static bool seize_new(struct target_live *live, size_t *count)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", live->pid);
    DIR *folder = opendir(path);
    *count = 0;
    if (folder == NULL)
        return false;
    int error = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL && error == 0; entry = readdir(folder)) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (tid <= 0 || target_tracee(live, tid) != NULL)
            continue;
        if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) != 0) {
            if (errno != ESRCH && !proc_is_dead(live->pid, tid))
                error = errno;
            continue;
        }
        (void)target_tracee_add(live, tid);
        (void)ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
        (*count)++;
    }
    closedir(folder);
    errno = error;
    return error == 0;
}

/* A stop that isn't ptrace's own is a signal on its way to the thread. */
static void note_stop(struct tracee *tracee, int status)
{
    tracee->is_stopped = WIFSTOPPED(status);
    if (WIFSTOPPED(status) && status >> 16 == 0)
        tracee->signal = WSTOPSIG(status);
}

void target_tracee_wait(struct tracee *tracee)
{
    uint64_t deadline = now_ns() + stop_patience_ns;
    int status;
    for (;;) {
        pid_t got = waitpid(tracee->tid, &status, __WALL | WNOHANG);
        if (got == tracee->tid)
            note_stop(tracee, status);
        if (got != 0)
            return;
        if (now_ns() > deadline) {
            message("thread %d does not stop (it hangs in the kernel); it is read as it runs", tracee->tid);
            return;
        }
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    }
}

/* Threads may start threads while we look: again until a look finds nothing new. */
static bool stop(struct target_live *live)
{
    size_t seized = 1, waited = 0;
    live->is_stopped = true;
    live->stopped_at = now_ns();
    for (unsigned round = 0; seized != 0 && round < MAX_ROUNDS; round++) {
        if (!seize_new(live, &seized))
            return false;
        for (; waited < live->tracee_count; waited++)
            target_tracee_wait(&live->tracees[waited]);
    }
    return true;
}

static void resume(struct target_live *live)
{
    if (!live->is_stopped)
        return;
    for (size_t i = 0; i < live->tracee_count; i++)
        if (live->tracees[i].is_stopped)
            (void)ptrace(PTRACE_DETACH, live->tracees[i].tid, NULL, (void *)(intptr_t)live->tracees[i].signal);
    live->is_stopped = false;
    live->tracee_count = 0;
    live->stopped_ns += now_ns() - live->stopped_at;
}

uint32_t target_reader(const struct target *target)
{
    return target->live != NULL ? (uint32_t)target->live->reader_tid : target->pid;
}

/* What stands at its end is gone when it is let go. */
void target_live_resume(struct target *target)
{
    if (target->live != NULL && !target->live->is_at_end)
        resume(target->live);
}

uint64_t target_live_stopped_ns(const struct target *target)
{
    const struct target_live *live = target->live;
    if (live == NULL || live->is_at_end)
        return 0;
    return live->stopped_ns + (live->is_stopped ? now_ns() - live->stopped_at : 0);
}

/* ---- threads and their registers ---- */

static void read_registers(struct target *target, const struct tracee *tracee, struct target_thread *thread)
{
    static const int sets[] = {NT_PRSTATUS, NT_X86_XSTATE, NT_PRFPREG};
    static uint64_t buffer[REGISTER_BYTES / sizeof(uint64_t)];
    for (size_t i = 0; tracee->is_stopped && i < PW_ARRAY_SIZE(sets); i++) {
        struct iovec io = {buffer, sizeof buffer};
        bool is_there = ptrace(PTRACE_GETREGSET, tracee->tid, (void *)(intptr_t)sets[i], &io) == 0;
        if (is_there)
            target_add_registers(target, thread, buffer, io.iov_len);
        if (is_there && sets[i] == NT_X86_XSTATE)
            return; /* the set after it is part of it */
    }
}

static void list_threads(struct target *target)
{
    const struct target_live *live = target->live;
    for (size_t i = 0; i < live->tracee_count; i++) {
        struct target_thread *thread = target_add_thread(target, (uint32_t)live->tracees[i].tid);
        if (thread == NULL)
            return;
        proc_thread_name(live->pid, live->tracees[i].tid, thread->name, sizeof thread->name);
        read_registers(target, &live->tracees[i], thread);
    }
}

/* ---- open and close ---- */

static void explain_refusal(const struct target *target, int error)
{
    pid_t pid = target->live->pid;
    if (error == ENOENT || error == ESRCH) {
        message("there is no process %d", pid);
        return;
    }
    message("can't look into process %d: %s", pid, strerror(error));
    message("  ptrace is not allowed here. Be its user or root (in a container: CAP_SYS_PTRACE; see "
            "kernel.yama.ptrace_scope),");
    message("  or have it write a snapshot by itself: start it with PWHEAP_OPTIONS=dump_signal=USR2, "
            "`kill -USR2 %d', and look into that.", pid);
}

/* A process of a debugger is stopped by it as a rule, and can be read. */
static bool stop_or_read_as_it_is(struct target *target)
{
    struct target_live *live = target->live;
    if (target->options.leaves_running || stop(live))
        return true;
    int error = errno;
    pid_t tracer = proc_tracer(live->pid);
    if (tracer != 0) {
        if (tracer != getpid()) /* of a diff of a process with itself */
            message("process %d is held by process %d, a debugger; it is read as it is now", live->pid, tracer);
        resume(live);
        live->stopped_ns = 0;
        return true;
    }
    explain_refusal(target, error);
    return false;
}

bool target_live_stop_again(struct target *target)
{
    struct target_live *live = target->live;
    if (!live->is_stopped || live->is_at_end)
        return false;
    resume(live);
    nanosleep(&(struct timespec){.tv_nsec = run_between_stops_ns}, NULL);
    if (!stop(live)) {
        resume(live);
        return false;
    }
    target_clear(target);
    proc_segments(target, live->reader_tid);
    list_threads(target);
    return true;
}

static int open_proc(pid_t pid, const char *file)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    return open(path, O_RDONLY | O_CLOEXEC);
}

struct target_live *target_live_new(struct target *target, pid_t pid)
{
    struct target_live *live = heapdump_grow(NULL, 1, sizeof *live);
    *live = (struct target_live){.pid = pid, .memory_fd = -1, .pagemap_fd = -1};
    target->live = live;
    target->pid = (uint32_t)pid;
    return live;
}

bool target_live_open_files(struct target *target)
{
    struct target_live *live = target->live;
    live->reader_tid = proc_living_thread(live->pid);
    live->memory_fd = open_proc(live->reader_tid, "mem");
    if (live->memory_fd < 0) {
        explain_refusal(target, errno);
        return false;
    }
    live->pagemap_fd = open_proc(live->reader_tid, "pagemap");
    return true;
}

bool target_live_know(struct target *target)
{
    struct target_live *live = target->live;
    free(target->program);
    target->program = proc_program(live->reader_tid);
    target->machine = proc_machine(live->reader_tid);
    if (target->machine == EM_NONE) {
        message("process %d is no 64-bit little-endian one (or a kernel thread): it can't be read", live->pid);
        return false;
    }
    proc_segments(target, live->reader_tid);
    list_threads(target);
    target->memory = memory_open(read_live, live);
    return true;
}

bool target_live_open(struct target *target, uint32_t pid)
{
    (void)target_live_new(target, (pid_t)pid);
    return target_live_open_files(target) && stop_or_read_as_it_is(target) && target_live_know(target);
}

void target_live_close(struct target *target)
{
    struct target_live *live = target->live;
    if (live == NULL)
        return;
    if (live->is_at_end)
        target_run_end(live);
    else
        resume(live);
    if (live->memory_fd >= 0)
        close(live->memory_fd);
    if (live->pagemap_fd >= 0)
        close(live->pagemap_fd);
    free(live->tracees);
    free(live);
    target->live = NULL;
}
