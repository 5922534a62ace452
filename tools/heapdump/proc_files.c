/* proc_files.c - see proc_files.h */
#include "proc_files.h"

#include "line.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *open_file(pid_t pid, const char *file)
{
    char path[128];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    return fopen(path, "re");
}

bool proc_is_dead(pid_t pid, pid_t tid)
{
    char file[64], line[512] = "";
    snprintf(file, sizeof file, "task/%d/stat", tid);
    FILE *stream = open_file(pid, file);
    if (stream == NULL)
        return true;
    size_t got = fread(line, 1, sizeof line - 1, stream);
    fclose(stream);
    line[got] = '\0';
    /* "TID (NAME) STATE …": the name may hold anything, also parentheses. */
    const char *end = strrchr(line, ')');
    return end == NULL || strchr("ZX", end[1] == ' ' ? end[2] : 'X') != NULL;
}

pid_t proc_living_thread(pid_t pid)
{
    char path[64];
    pid_t found = proc_is_dead(pid, pid) ? 0 : pid;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *folder = found == 0 ? opendir(path) : NULL;
    for (struct dirent *entry = NULL; folder != NULL && found == 0 && (entry = readdir(folder)) != NULL;) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (tid > 0 && !proc_is_dead(pid, tid))
            found = tid;
    }
    if (folder != NULL)
        closedir(folder);
    return found != 0 ? found : pid;
}

/* The numbers behind one or two names (the other: NULL) in the file status, or-ed; 0: they are not there. */
static uint64_t status_numbers(pid_t pid, const char *one, const char *other, int base)
{
    char line[256];
    uint64_t numbers = 0;
    FILE *stream = open_file(pid, "status");
    while (stream != NULL && fgets(line, sizeof line, stream) != NULL) {
        const char *at = line;
        uint64_t number;
        if ((line_take(&at, one) || (other != NULL && line_take(&at, other))) && line_number(&at, base, &number))
            numbers |= number;
    }
    if (stream != NULL)
        fclose(stream);
    return numbers;
}

pid_t proc_tracer(pid_t pid)
{
    return (pid_t)status_numbers(pid, "TracerPid:", NULL, 10);
}

long proc_system_call(pid_t pid, pid_t tid)
{
    char file[64], line[256] = "";
    const char *at = line;
    uint64_t number;
    snprintf(file, sizeof file, "task/%d/syscall", tid);
    FILE *stream = open_file(pid, file);
    bool is_known = stream != NULL && fgets(line, sizeof line, stream) != NULL && line_number(&at, 10, &number);
    if (stream != NULL)
        fclose(stream);
    return is_known && number <= LONG_MAX ? (long)number : -1; /* "running", or -1 */
}

bool proc_handles_signal(pid_t pid, int number)
{
    uint64_t handled = status_numbers(pid, "SigIgn:", "SigCgt:", 16);
    return (handled >> (number - 1) & 1) != 0;
}

void proc_thread_name(pid_t pid, pid_t tid, char *name, size_t size)
{
    char file[64];
    snprintf(file, sizeof file, "task/%d/comm", tid);
    FILE *stream = open_file(pid, file);
    name[0] = '\0';
    if (stream == NULL)
        return;
    size_t got = fread(name, 1, size - 1, stream);
    fclose(stream);
    name[got] = '\0';
    name[strcspn(name, "\n")] = '\0';
    make_printable(name);
}

char *proc_program(pid_t pid)
{
    char path[64], target[TARGET_MAX_STRING];
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    ssize_t length = readlink(path, target, sizeof target - 1);
    target[length > 0 ? length : 0] = '\0';
    return make_printable(heapdump_copy(target));
}

uint16_t proc_machine(pid_t pid)
{
    Elf64_Ehdr header;
    FILE *stream = open_file(pid, "exe");
    if (stream == NULL)
        return EM_NONE;
    bool is_read = fread(&header, sizeof header, 1, stream) == 1;
    fclose(stream);
    return is_read && header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_ident[EI_DATA] == ELFDATA2LSB
               ? header.e_machine
               : EM_NONE;
}

/* What is mapped from a device may be its registers; these two are memory. */
static bool is_device(const char *path)
{
    return strncmp(path, "/dev/", 5) == 0 && strncmp(path, "/dev/shm/", 9) != 0 &&
           strncmp(path, "/dev/zero", 9) != 0;
}

/* The kernel writes "\012" for a newline in a path. */
static void unescape(char *path)
{
    char *to = path;
    for (const char *from = path; *from != '\0'; to++) {
        bool is_newline = strncmp(from, "\\012", 4) == 0;
        *to = is_newline ? '\n' : *from;
        from += is_newline ? 4 : 1;
    }
    *to = '\0';
}

/* "START-END rwxp OFFSET MAJOR:MINOR INODE   PATH" */
static void add_line(struct target *target, char *line)
{
    struct target_segment segment = {0};
    uint64_t ignored;
    const char *at = line;
    line[strcspn(line, "\n")] = '\0';
    if (!line_number(&at, 16, &segment.start) || !line_take(&at, "-") || !line_number(&at, 16, &segment.end) ||
        !line_take(&at, " ") || strcspn(at, " ") != 4)
        return;
    const char *access = at;
    at += 4;
    if (!line_number(&at, 16, &segment.offset) || !line_number(&at, 16, &ignored) || !line_take(&at, ":") ||
        !line_number(&at, 16, &ignored) || !line_number(&at, 10, &ignored))
        return;
    segment.access = (uint8_t)((access[0] == 'r' ? TARGET_READ : 0) | (access[1] == 'w' ? TARGET_WRITE : 0) |
                               (access[2] == 'x' ? TARGET_EXECUTE : 0));
    segment.is_shared = access[3] == 's';
    char *path = line + (at - line) + strspn(at, " ");
    unescape(path);
    /* ptrace reads what the program may not; only the kernel's own pages and devices' are no memory. */
    segment.is_readable = strcmp(path, "[vvar]") != 0 && strcmp(path, "[vsyscall]") != 0 && !is_device(path);
    segment.path = path;
    target_add_segment(target, &segment);
}

void proc_segments(struct target *target, pid_t pid)
{
    char *line = NULL;
    size_t size = 0;
    FILE *stream = open_file(pid, "maps");
    while (stream != NULL && getline(&line, &size, stream) > 0)
        add_line(target, line);
    free(line);
    if (stream != NULL)
        fclose(stream);
    target_sort_segments(target);
}
