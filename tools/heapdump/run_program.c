/* run_program.c - which program and which library, and whether one has an effect on the other: see run.h */
#include "run.h"

#include "message.h"

#include "image/layout.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool is_executable(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

/* "folder/name" of a part of PATH that is `length` long; "": the current folder. */
static char *join(const char *folder, size_t length, const char *name)
{
    struct bytes path = {0};
    bytes_append(&path, length > 0 ? folder : ".", length > 0 ? length : 1);
    bytes_char(&path, '/');
    bytes_str(&path, name);
    return path.data;
}

char *run_find_program(const char *name)
{
    const char *at = getenv("PATH");
    if (strchr(name, '/') != NULL) {
        errno = 0;
        if (is_executable(name))
            return heapdump_copy(name);
        message("can't run %s: %s", name, errno != 0 ? strerror(errno) : "it is no program");
        return NULL;
    }
    while (at != NULL) {
        const char *colon = strchrnul(at, ':');
        char *path = join(at, (size_t)(colon - at), name);
        if (is_executable(path))
            return path;
        free(path);
        at = *colon == ':' ? colon + 1 : NULL;
    }
    message("can't run %s: there is no such program", name);
    return NULL;
}

char *run_own_path(void)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    return heapdump_copy(path);
}

char *run_find_library(const struct run *run)
{
    static const char installed[] = "../" PWHEAP_LIBDIR "/libpwheap.so";
    static const char *const places[] = {"../lib/libpwheap.so", installed,
                                         "../lib64/libpwheap.so", "../../src/libpwheap.so", "libpwheap.so"};
    if (run->library != NULL) {
        char *given = realpath(run->library, NULL);
        if (given == NULL)
            message("can't open the library %s: %s", run->library, strerror(errno));
        return given;
    }
    char *own = run_own_path();
    char *slash = strrchr(own, '/');
    char *found = NULL;
    for (size_t i = 0; slash != NULL && found == NULL && i < PW_ARRAY_SIZE(places); i++) {
        char *path = join(own, (size_t)(slash - own), places[i]);
        found = realpath(path, NULL);
        free(path);
    }
    free(own);
    if (found == NULL)
        message("libpwheap.so is not beside heapdump; where is it? --library=FILE");
    return found;
}

/* ---- can it be checked? ---- */

/* A file, mapped. */
struct file {
    const char *bytes;
    size_t length;
};

static struct file map_file(const char *path)
{
    struct file file = {NULL, 0};
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &status) == 0 && status.st_size > 0) {
        void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes != MAP_FAILED)
            file = (struct file){bytes, (size_t)status.st_size};
    }
    if (fd >= 0)
        close(fd);
    return file;
}

static bool has_interpreter(struct file file)
{
    Elf64_Ehdr header;
    memcpy(&header, file.bytes, sizeof header);
    for (size_t i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        uint64_t at = header.e_phoff + i * sizeof segment;
        if (at > file.length || file.length - at < sizeof segment)
            return false;
        memcpy(&segment, file.bytes + at, sizeof segment);
        if (segment.p_type == PT_INTERP)
            return true;
    }
    return false;
}

static bool can_check_elf(const char *program, struct file file)
{
    if (file.bytes[EI_CLASS] != ELFCLASS64) {
        message("%s can't be checked: it is a 32-bit program, and the library has 64", program);
        return false;
    }
    if (has_interpreter(file) || memmem(file.bytes, file.length, PW_ROOT_SYMBOL, sizeof PW_ROOT_SYMBOL) != NULL)
        return true;
    message("%s can't be checked: it is statically linked, so nothing can be preloaded; link it with libpwheap.a",
            program);
    return false;
}

/* Of "#!/bin/sh -e" the "/bin/sh", allocated. */
static char *interpreter_of(struct file file)
{
    struct bytes path = {0};
    size_t at = 2;
    while (at < file.length && (file.bytes[at] == ' ' || file.bytes[at] == '\t'))
        at++;
    while (at < file.length && strchr(" \t\n", file.bytes[at]) == NULL && path.length < PATH_MAX)
        bytes_char(&path, file.bytes[at++]);
    if (path.data == NULL)
        bytes_str(&path, "");
    return path.data;
}

/* The loader ignores LD_PRELOAD where a program gets rights that its user has not. */
static bool gains_rights(const char *program)
{
    struct stat status;
    if (stat(program, &status) != 0)
        return false;
    return ((status.st_mode & S_ISUID) != 0 && status.st_uid != getuid()) ||
           ((status.st_mode & S_ISGID) != 0 && status.st_gid != getgid()) ||
           (getuid() != 0 && getxattr(program, "security.capability", NULL, 0) > 0);
}

static bool can_check(const char *program, unsigned depth)
{
    if (gains_rights(program)) {
        message("%s can't be checked: it is setuid (or setgid, or has capabilities), and nothing is preloaded into "
                "such a program. Run it as its owner",
                program);
        return false;
    }
    struct file file = map_file(program);
    if (file.bytes == NULL)
        return true; /* it can be run, but not read */
    bool can = true;
    if (file.length >= sizeof(Elf64_Ehdr) && memcmp(file.bytes, ELFMAG, SELFMAG) == 0) {
        can = can_check_elf(program, file);
    } else if (file.length > 2 && file.bytes[0] == '#' && file.bytes[1] == '!' && depth > 0) {
        char *interpreter = interpreter_of(file);
        can = can_check(interpreter, depth - 1);
        free(interpreter);
    }
    munmap((void *)(uintptr_t)file.bytes, file.length);
    return can;
}

bool run_can_check(const char *program)
{
    enum { SCRIPTS = 4 }; /* an interpreter may be a script itself */
    return can_check(program, SCRIPTS);
}
