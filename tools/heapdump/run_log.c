/*
 * run_log.c - the reports of a run: see run.h
 *
 * The library writes them to files in a folder of ours, one for each process; what is new there goes to
 * stderr as soon as inotify tells. So they can be counted, and do not get lost in what the program
 * itself prints there.
 */
#include "run.h"

#include "message.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { CHUNK_BYTES = 65536 };

/* A file of the folder, and how much of it was read. */
struct log_file {
    char *name;
    off_t read;
    struct bytes line; /* begun, not ended */
};

enum { FOLDER_BYTES = 512 };
struct run_log {
    char folder[FOLDER_BYTES];
    char path[2 * FOLDER_BYTES + sizeof "/report.%p"]; /* as log_path has it */
    int notify;
    struct log_file *files;
    size_t count;
};

/* In a log_path a % begins what is to be put in; two of them are one. */
static void set_path(struct run_log *log)
{
    size_t length = 0;
    for (const char *at = log->folder; *at != '\0'; at++) {
        log->path[length++] = *at;
        if (*at == '%')
            log->path[length++] = '%';
    }
    snprintf(log->path + length, sizeof log->path - length, "/report.%%p");
}

struct run_log *run_log_open(void)
{
    struct run_log *log = heapdump_grow(NULL, 1, sizeof *log);
    const char *root = getenv("TMPDIR");
    if (root == NULL || root[0] != '/' || strlen(root) + 32 > sizeof log->folder)
        root = access("/tmp", W_OK) == 0 ? "/tmp" : ".";
    *log = (struct run_log){.notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
    snprintf(log->folder, sizeof log->folder, "%s/heapdump.XXXXXX", root);
    if (mkdtemp(log->folder) == NULL) {
        message("can't make a folder for the reports: %s", strerror(errno));
        free(log);
        return NULL;
    }
    set_path(log);
    (void)inotify_add_watch(log->notify, log->folder, IN_MODIFY);
    return log;
}

int run_log_descriptor(const struct run_log *log)
{
    return log->notify;
}

const char *run_log_path(const struct run_log *log)
{
    return log->path;
}

/* ---- what the lines tell ---- */

/* Colours are between ESC and 'm'. */
static void drop_colors(struct bytes *line)
{
    size_t to = 0;
    for (size_t from = 0; from < line->length; from++) {
        if (line->data[from] != '\033') {
            line->data[to++] = line->data[from];
            continue;
        }
        while (from < line->length && line->data[from] != 'm')
            from++;
    }
    line->length = to;
    if (line->data != NULL)
        line->data[to] = '\0';
}

/* The text between `before` and the first of `ends`, from where `before` first is; empty: it isn't there. */
static struct span text_after(const char *line, const char *before, const char *ends)
{
    const char *at = strstr(line, before);
    if (at == NULL)
        return (struct span){line, 0};
    at += strlen(before);
    return (struct span){at, strcspn(at, ends)};
}

static void set(struct bytes *bytes, struct span span)
{
    bytes_clear(bytes);
    bytes_span(bytes, span);
}

static void note_snapshot(struct run_findings *findings, struct span path)
{
    static const char tail[] = " (for heapdump and gdb)";
    const char *end = memmem(path.at, path.length, tail, sizeof tail - 1);
    if (path.length == 0 || end == NULL)
        return;
    path.length = (size_t)(end - path.at);
    if (findings->snapshots++ == 0)
        set(&findings->snapshot, path);
}

static void read_line(struct run_findings *findings, struct bytes *line)
{
    drop_colors(line);
    const char *text = line->data != NULL ? line->data : "";
    bool is_json = text[0] == '{';
    struct span kind = is_json ? text_after(text, "\"kind\":\"", "\"") : (struct span){text, 0};
    bool is_error = strstr(text, "==ERROR: PWHeap: ") != NULL || strstr(text, "==ERROR: AddressSanitizer: ") != NULL ||
                    strstr(text, "==ERROR: LeakSanitizer: ") != NULL;
    findings->errors += is_error || kind.length > 0;
    if (kind.length > 0)
        set(&findings->summary, kind);
    struct span summary = text_after(text, "SUMMARY: ", "");
    if (summary.length > 0 && !is_json)
        set(&findings->summary, span_after(summary, strcspn(summary.at, " ") + (strchr(summary.at, ' ') != NULL)));
    if (!is_json)
        run_damage_read(&findings->damage, findings->errors, text);
    note_snapshot(findings, text_after(text, is_json ? "\"snapshot: " : "pwheap: snapshot: ", "\n\""));
}

static void take(struct log_file *file, struct run_findings *findings, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != '\n') {
            bytes_char(&file->line, bytes[i]);
            continue;
        }
        read_line(findings, &file->line);
        bytes_clear(&file->line);
    }
}

/* ---- reading ---- */

static void write_stderr(const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(STDERR_FILENO, bytes, length);
        if (written < 0 && errno != EINTR)
            return;
        bytes += written > 0 ? written : 0;
        length -= written > 0 ? (size_t)written : 0;
    }
}

static void read_new(const char *path, struct log_file *file, struct run_findings *findings, bool is_shown)
{
    static char chunk[CHUNK_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;
    while (fd >= 0 && (got = pread(fd, chunk, sizeof chunk, file->read)) > 0) {
        if (is_shown && findings->keeps_text)
            bytes_append(&findings->text, chunk, (size_t)got);
        else if (is_shown)
            write_stderr(chunk, (size_t)got);
        take(file, findings, chunk, (size_t)got);
        file->read += got;
    }
    if (fd >= 0)
        close(fd);
}

static struct log_file *file_of(struct run_log *log, const char *name)
{
    for (size_t i = 0; i < log->count; i++)
        if (strcmp(log->files[i].name, name) == 0)
            return &log->files[i];
    log->files = heapdump_grow(log->files, log->count + 1, sizeof *log->files);
    log->files[log->count] = (struct log_file){.name = heapdump_copy(name)};
    return &log->files[log->count++];
}

static void read_folder(struct run_log *log, struct run_findings *findings, bool is_last)
{
    char path[sizeof log->folder + 256 + 1];
    DIR *folder = opendir(log->folder);
    for (struct dirent *entry = folder != NULL ? readdir(folder) : NULL; entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", log->folder, entry->d_name);
        read_new(path, file_of(log, entry->d_name), findings, true);
        if (is_last)
            (void)unlink(path);
    }
    if (folder != NULL)
        closedir(folder);
}

void run_log_read(struct run_log *log, struct run_findings *findings)
{
    char events[4096];
    while (read(log->notify, events, sizeof events) > 0)
        ;
    read_folder(log, findings, false);
}

void run_log_close(struct run_log *log, struct run_findings *findings)
{
    read_folder(log, findings, true);
    for (size_t i = 0; i < log->count; i++) {
        free(log->files[i].name);
        bytes_free(&log->files[i].line);
    }
    (void)rmdir(log->folder);
    close(log->notify);
    free(log->files);
    free(log);
}

void run_log_count_file(const char *path, struct run_findings *findings)
{
    struct log_file file = {0};
    read_new(path, &file, findings, false);
    bytes_free(&file.line);
}

void run_findings_free(struct run_findings *findings)
{
    bytes_free(&findings->summary);
    bytes_free(&findings->text);
    bytes_free(&findings->damage.place);
    bytes_free(&findings->snapshot);
}
