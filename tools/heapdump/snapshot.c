/*
 * snapshot.c - heapdump snapshot PID -o FILE: a process as an ELF core, from outside.
 *
 * The process is stopped while it is written, and every thread's registers are in it. What is in the
 * file is image/core.h's, as for the snapshots that the library makes of itself.
 */
#include "command_line.h"
#include "heapdump.h"
#include "json_write.h"
#include "message.h"

#include "base/text.h"
#include "image/core.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { KEY_NO_CONTENT = COMMAND_KEY_FIRST };

struct snapshot {
    struct command_line line;
    const char *path; /* NULL: pwheap.PROGRAM.PID.core */
    bool leaves_content_out;
    struct target *target;
    struct pw_core_work *work;
    int page_map; /* descriptors; -1: none */
    int file;
    int error; /* errno of the first write that failed */
};

static char part_path[4096]; /* the file while it is not whole; "": there is none */

/* ---- the process, as image/core.h asks for it ---- */

static uint64_t read_memory(void *context, uint64_t address, void *buffer, uint64_t bytes)
{
    struct snapshot *snapshot = context;
    return target_read_some(snapshot->target, address, buffer, bytes);
}

/* Of shared memory too: what this process has not touched is left out. */
static bool ask_pages(void *context, uint64_t address, uint64_t pages, bool is_shared, uint8_t *answer)
{
    const uint64_t holds = (uint64_t)3 << 62, of_file = (uint64_t)1 << 61;
    const struct snapshot *snapshot = context;
    uint64_t entries[PW_CORE_BOUNCE_PAGES];
    size_t bytes = pages * sizeof *entries;
    off_t offset = (off_t)(address / 4096 * sizeof *entries);
    (void)is_shared;
    if (pages > PW_CORE_BOUNCE_PAGES || pread(snapshot->page_map, entries, bytes, offset) != (ssize_t)bytes)
        return false;
    for (uint64_t i = 0; i < pages; i++) {
        bool is_there = (entries[i] & holds) != 0;
        bool is_private = is_there && (entries[i] & of_file) == 0;
        answer[i] = (uint8_t)((is_there ? PW_PAGE_HOLDS : 0) | (is_private ? PW_PAGE_ANONYMOUS : 0));
    }
    return true;
}

static bool write_file(void *context, uint64_t offset, const void *bytes, uint64_t length)
{
    struct snapshot *snapshot = context;
    const char *at = bytes;
    while (length > 0 && snapshot->error == 0) {
        ssize_t written = pwrite(snapshot->file, at, length, (off_t)offset);
        if (written > 0) {
            at += written;
            offset += (uint64_t)written;
            length -= (uint64_t)written;
        } else if (written == 0 || errno != EINTR) {
            snapshot->error = written == 0 ? EIO : errno;
        }
    }
    if (progress_is_due())
        progress_set((double)offset / (double)(snapshot->work->file_bytes + 1));
    return snapshot->error == 0;
}

static int open_proc(const struct snapshot *snapshot, const char *file)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%u/%s", target_reader(snapshot->target), file);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static size_t read_proc(const struct snapshot *snapshot, const char *file, void *buffer, size_t size)
{
    size_t length = 0;
    ssize_t got = 1;
    int fd = open_proc(snapshot, file);
    while (fd >= 0 && got > 0 && length < size) {
        got = read(fd, (char *)buffer + length, size - length);
        length += got > 0 ? (size_t)got : 0;
    }
    if (fd >= 0)
        close(fd);
    return length;
}

/* The first number of a line of /proc/PID/status. */
static uint32_t status_number(const char *status, const char *name)
{
    const char *line = strstr(status, name);
    return line != NULL ? (uint32_t)strtoul(line + strlen(name), NULL, 10) : 0;
}

static void know_process(const struct snapshot *snapshot)
{
    struct pw_core_process *process = &snapshot->work->process;
    char status[4096];
    status[read_proc(snapshot, "status", status, sizeof status - 1)] = '\0';
    process->pid = target_pid(snapshot->target);
    process->parent = status_number(status, "\nPPid:");
    process->uid = status_number(status, "\nUid:");
    process->gid = status_number(status, "\nGid:");
    size_t length = read_proc(snapshot, "comm", process->name, sizeof process->name - 1);
    if (length > 0 && process->name[length - 1] == '\n')
        process->name[length - 1] = '\0';
    length = read_proc(snapshot, "cmdline", process->arguments, sizeof process->arguments - 1);
    for (size_t i = 0; i + 1 < length; i++)
        if (process->arguments[i] == '\0')
            process->arguments[i] = ' ';
    process->auxv_bytes = read_proc(snapshot, "auxv", process->auxv, sizeof process->auxv);
}

/* The words of a thread are its NT_PRSTATUS registers, then the others, which begin as NT_FPREGSET does. */
static void know_thread(const struct target_thread *from, struct pw_core_thread *to)
{
    size_t general = from->word_count < PW_CORE_REGISTERS ? from->word_count : PW_CORE_REGISTERS;
    to->tid = from->tid;
    memcpy(to->registers, from->words, general * sizeof *from->words);
    if (from->word_count * sizeof *from->words >= sizeof to->registers + sizeof(elf_fpregset_t)) {
        to->floating = from->words + PW_CORE_REGISTERS;
        to->floating_bytes = sizeof(elf_fpregset_t);
    }
}

/* The first is the one that the process began with. Of one without contents no registers are told. */
static bool know_threads(struct snapshot *snapshot)
{
    const struct target_thread *threads;
    size_t count = target_threads(snapshot->target, &threads);
    struct pw_core_thread *known = calloc(count + 1, sizeof *known);
    if (known == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (snapshot->leaves_content_out)
            known[i].tid = threads[i].tid;
        else
            know_thread(&threads[i], &known[i]);
    }
    for (size_t i = 1; i < count; i++) {
        if (known[i].tid != target_pid(snapshot->target))
            continue;
        struct pw_core_thread first = known[i];
        known[i] = known[0];
        known[0] = first;
    }
    snapshot->work->threads = known;
    snapshot->work->thread_count = count;
    return true;
}

static bool know_all(struct snapshot *snapshot)
{
    struct timespec now;
    struct pw_core_work *work = snapshot->work;
    clock_gettime(CLOCK_REALTIME, &now);
    work->io = (struct pw_core_io){read_memory, ask_pages, write_file, snapshot};
    work->remark.version = 1;
    work->remark.time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    work->remark.leaves_content_out = snapshot->leaves_content_out;
    work->maps_length = read_proc(snapshot, "maps", work->maps, sizeof work->maps);
    know_process(snapshot);
    if (snapshot->leaves_content_out)
        pw_core_keep_tables(work, target_image(snapshot->target), target_root_address(snapshot->target));
    return know_threads(snapshot);
}

/* ---- the file ---- */

static void take_part_away(void)
{
    if (part_path[0] != '\0')
        (void)unlink(part_path);
    part_path[0] = '\0';
}

static void on_end(int number)
{
    take_part_away();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static void open_part(struct snapshot *snapshot)
{
    static const int ends[] = {SIGHUP, SIGINT, SIGTERM};
    int length = snprintf(part_path, sizeof part_path, "%s.%d.part", snapshot->path, (int)getpid());
    if (length < 0 || (size_t)length >= sizeof part_path) {
        part_path[0] = '\0';
        snapshot->error = ENAMETOOLONG;
        return;
    }
    for (size_t i = 0; i < PW_ARRAY_SIZE(ends); i++)
        (void)signal(ends[i], on_end);
    (void)signal(SIGXFSZ, SIG_IGN); /* the limit is told as any other error */
    snapshot->file = open(part_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (snapshot->file < 0) {
        snapshot->error = errno;
        part_path[0] = '\0';
    }
}

static void close_part(struct snapshot *snapshot)
{
    if (snapshot->file >= 0 && snapshot->error == 0 &&
        ftruncate(snapshot->file, (off_t)snapshot->work->file_bytes) != 0)
        snapshot->error = errno;
    if (snapshot->file >= 0 && close(snapshot->file) != 0 && snapshot->error == 0)
        snapshot->error = errno;
    if (snapshot->error == 0 && rename(part_path, snapshot->path) != 0)
        snapshot->error = errno;
    if (snapshot->error != 0)
        take_part_away();
    part_path[0] = '\0';
}

static const char *choose_path(const struct snapshot *snapshot)
{
    static char path[4096];
    const char *program = target_program(snapshot->target);
    snprintf(path, sizeof path, "pwheap.%s.%u.core", pw_path_basename(program),
             target_pid(snapshot->target));
    return path;
}

static void tell_json(const struct snapshot *snapshot)
{
    struct json json = {.out = stdout};
    json_object(&json, NULL);
    json_string(&json, "path", snapshot->path);
    json_number(&json, "pid", target_pid(snapshot->target));
    json_number(&json, "size", snapshot->work->content_bytes);
    json_bool(&json, "content", !snapshot->leaves_content_out);
    json_number(&json, "threads", snapshot->work->thread_count);
    json_number(&json, "stopped_ns", target_stopped_ns(snapshot->target));
    json_object_end(&json);
    json_line_end(&json);
    json_free(&json);
}

static void tell(const struct snapshot *snapshot)
{
    char bytes[BYTES_TEXT];
    if (snapshot->line.is_json) {
        tell_json(snapshot);
        return;
    }
    double milliseconds = (double)target_stopped_ns(snapshot->target) / 1e6;
    printf("%s: process %u, %s of memory%s, %zu thread%s", snapshot->path, target_pid(snapshot->target),
           bytes_text(bytes, snapshot->work->content_bytes), snapshot->leaves_content_out ? " (tables only)" : "",
           snapshot->work->thread_count, snapshot->work->thread_count == 1 ? "" : "s");
    printf(milliseconds > 0 ? ", stopped for %.0f ms\n" : "\n", milliseconds);
}

static int take(struct snapshot *snapshot)
{
    if (snapshot->path == NULL)
        snapshot->path = choose_path(snapshot);
    open_part(snapshot);
    progress_start("writing");
    if (snapshot->error == 0 && !know_all(snapshot))
        snapshot->error = ENOMEM;
    if (snapshot->error == 0 && !pw_core_write(snapshot->work) && snapshot->error == 0)
        snapshot->error = EIO;
    progress_end();
    target_resume(snapshot->target);
    close_part(snapshot);
    if (snapshot->error == 0) {
        tell(snapshot);
        return HEAPDUMP_FINE;
    }
    message("can't write %s: %s", snapshot->path, strerror(snapshot->error));
    return HEAPDUMP_UNREADABLE;
}

/* ---- the command ---- */

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct snapshot *snapshot = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &snapshot->line;
        return 0;
    case 'o':
        snapshot->path = arg;
        return 0;
    case KEY_NO_CONTENT:
        snapshot->leaves_content_out = true;
        return 0;
    case ARGP_KEY_END:
        snapshot->line.target.needs_no_heap = !snapshot->leaves_content_out;
        return 0;
    default:
        return command_line_take_target(&snapshot->line, key, arg, state);
    }
}

static int look(struct target *target, void *input)
{
    struct snapshot *snapshot = input;
    snapshot->target = target;
    if (!target_is_live(target)) {
        message("%s is a core already", snapshot->line.name);
        return HEAPDUMP_USAGE;
    }
    snapshot->work = mmap(NULL, sizeof *snapshot->work, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (snapshot->work == MAP_FAILED) {
        message("not enough memory");
        return HEAPDUMP_UNREADABLE;
    }
    snapshot->page_map = open_proc(snapshot, "pagemap");
    int status = take(snapshot);
    if (snapshot->page_map >= 0)
        close(snapshot->page_map);
    free((void *)(uintptr_t)snapshot->work->threads);
    (void)munmap(snapshot->work, sizeof *snapshot->work);
    return status;
}

int snapshot_command(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"output", 'o', "FILE", 0, "Where to (pwheap.PROGRAM.PID.core)", 1},
        {"no-content", KEY_NO_CONTENT, NULL, 0, "Only the heap's tables: no data of the program", 1},
        {0},
    };
    static const struct argp argp = {
        .options = options,
        .parser = parse_option,
        .args_doc = "PID",
        .doc = "Write a process to a file that heapdump and gdb open: an ELF core. It is stopped meanwhile; "
               "see the options dump_signal and dump_on_error of pwheap for shorter stops.",
        .children = command_line_children,
    };
    struct snapshot snapshot = {.line = command_line_init(), .page_map = -1, .file = -1};
    return command_line_run(&snapshot.line, &argp, argc, argv, &snapshot, look);
}
