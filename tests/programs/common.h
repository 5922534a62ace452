/*
 * common.h - what the small programs share. Each is run on glibc and on pwheap at every level by a
 * test that compares what it prints; "program MODE" chooses what it does.
 */
#ifndef PW_PROGRAMS_COMMON_H
#define PW_PROGRAMS_COMMON_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)dprintf(2, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno);     \
            _exit(99);                                                                             \
        }                                                                                          \
    } while (0)

enum { KIB = 1024, MIB = 1024 * 1024 };

struct mode {
    const char *name;
    void (*run)(void);
};

static inline int run_mode(int argc, char **argv, const struct mode *modes, size_t count)
{
    for (size_t i = 0; argc > 1 && i < count; i++) {
        if (strcmp(argv[1], modes[i].name) == 0) {
            modes[i].run();
            return 0;
        }
    }
    (void)dprintf(2, "%s: no such mode\n", argc > 1 ? argv[1] : "(none)");
    return 98;
}
#define RUN_MODE(argc, argv, modes) run_mode(argc, argv, modes, sizeof(modes) / sizeof *(modes))

/* xorshift64*: `state` is the seed, not 0. */
static inline uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1DULL;
}

/* A block that knows its size and salt, filled to its last byte. At least 8 bytes. */
struct note {
    uint32_t size;
    uint32_t salt;
    unsigned char bytes[];
};

static inline struct note *note_write(void *block, size_t size, uint32_t salt)
{
    struct note *note = block;
    CHECK(note != NULL && size >= sizeof *note);
    note->size = (uint32_t)size;
    note->salt = salt;
    for (size_t i = 0; i < size - sizeof *note; i++)
        note->bytes[i] = (unsigned char)(salt + i * 3);
    return note;
}

static inline struct note *note_new(size_t size, uint32_t salt)
{
    return note_write(malloc(size), size, salt);
}

static inline void note_check(const struct note *note)
{
    for (size_t i = 0; i < note->size - sizeof *note; i++)
        CHECK(note->bytes[i] == (unsigned char)(note->salt + i * 3));
}

static inline void note_free(struct note *note)
{
    note_check(note);
    free(note);
}

/* Allocate, resize and free `count` blocks of up to `most` bytes, at most 16 of them at a time. */
static inline void churn(unsigned count, size_t most, uint64_t seed)
{
    struct note *kept[16] = {NULL};
    for (unsigned i = 0; i < count; i++) {
        struct note **place = &kept[next_random(&seed) % 16];
        size_t size = sizeof(struct note) + next_random(&seed) % most;
        if (*place != NULL)
            note_check(*place);
        if (next_random(&seed) % 4 == 0) {
            *place = note_write(realloc(*place, size), size, i);
            continue;
        }
        free(*place);
        *place = note_write(next_random(&seed) % 4 == 0 ? calloc(1, size) : malloc(size), size, i);
    }
    for (unsigned i = 0; i < 16; i++)
        free(kept[i]);
}

static inline size_t resident_bytes(void)
{
    unsigned long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    CHECK(file != NULL && fscanf(file, "%lu %lu", &total, &resident) == 2);
    (void)fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* The exit status of a child, or 1000 + the signal that killed it. */
static inline int status_of(pid_t pid)
{
    int status;
    CHECK(pid > 0);
    while (waitpid(pid, &status, 0) != pid)
        CHECK(errno == EINTR);
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

#endif
