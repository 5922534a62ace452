/*
 * replay.c - runs a harness without any fuzzer: files as they are, for gdb and the tests, and a number of
 * inputs that are made of them by a seeded mutator, the same ones in every run.
 *
 *   replay [-n COUNT] [-s SEED] [-o FILE] [FILE|DIRECTORY]…
 *
 * The inputs are run in a child, so that one that crashes is told and kept (-o, default crash-input). -g: in
 * this process, for gdb. Prints the number of inputs that were run.
 */
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_SEEDS = 4096, MOST_BYTES = 4096, LARGEST_BYTES = 1 << 20 };

/* Static, for the heap of this process is the one under test. */
static struct seed {
    const uint8_t *bytes;
    size_t size;
} seeds[MOST_SEEDS];
static size_t seed_count;

/* The input that is being run, seen by the parent. */
static struct shared {
    size_t size, done;
    uint8_t bytes[LARGEST_BYTES];
} *shared;

static uint64_t random_state;

static uint64_t next_random(void)
{
    random_state += 0x9e3779b97f4a7c15u;
    uint64_t z = random_state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static size_t below(size_t count)
{
    return (size_t)(next_random() % count);
}

static void die(const char *what, const char *name)
{
    fprintf(stderr, "replay: %s %s\n", what, name);
    exit(2);
}

static void load_file(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0)
        die("can't read", path);
    size_t size = (size_t)status.st_size;
    if (size > LARGEST_BYTES)
        size = LARGEST_BYTES;
    const void *bytes = size == 0 ? "" : mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED || seed_count == MOST_SEEDS)
        die("can't map", path);
    close(fd);
    seeds[seed_count++] = (struct seed){bytes, size};
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void load(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, visible, alphasort);
    if (count < 0)
        load_file(path);
    for (int i = 0; i < count; i++) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
        load_file(name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static void set_input(const uint8_t *bytes, size_t size)
{
    memcpy(shared->bytes, bytes, size);
    shared->size = size;
}

/* What is put into an input: a byte or so that is changed, left out, doubled, or taken from another seed. */
static void mutate_once(void)
{
    uint8_t *bytes = shared->bytes;
    size_t size = shared->size, at = size == 0 ? 0 : below(size);
    size_t length = 1 + below(8), room = MOST_BYTES - size;
    switch (size == 0 ? 2 : below(6)) {
    case 0:
        bytes[at] ^= (uint8_t)(1u << below(8));
        return;
    case 1:
        bytes[at] = (uint8_t)next_random();
        return;
    case 2: /* put in random bytes */
    case 3: /* or some that are there already */
        if (length > room)
            return;
        memmove(bytes + at + length, bytes + at, size - at);
        for (size_t i = 0, from = below(size + 1); i < length; i++)
            bytes[at + i] = size != 0 && next_random() % 2 != 0 ? bytes[(from + i) % size] : (uint8_t)next_random();
        shared->size += length;
        return;
    case 4:
        length = length < size - at ? length : size - at;
        memmove(bytes + at, bytes + at + length, size - at - length);
        shared->size -= length;
        return;
    default: { /* go on as another one does */
        const struct seed *other = &seeds[below(seed_count)];
        size_t from = other->size == 0 ? 0 : below(other->size);
        length = other->size - from < MOST_BYTES - at ? other->size - from : MOST_BYTES - at;
        memcpy(bytes + at, other->bytes + from, length);
        shared->size = at + length;
    }
    }
}

static void run_input(void)
{
    LLVMFuzzerTestOneInput(shared->bytes, shared->size);
    shared->done++;
}

static void run_all(size_t mutated)
{
    for (size_t i = 0; i < seed_count; i++) {
        set_input(seeds[i].bytes, seeds[i].size);
        run_input();
    }
    for (size_t i = 0; i < mutated && seed_count > 0; i++) {
        const struct seed *seed = &seeds[below(seed_count)];
        set_input(seed->bytes, seed->size < MOST_BYTES ? seed->size : MOST_BYTES);
        for (size_t changes = 1 + below(6); changes > 0; changes--)
            mutate_once();
        run_input();
    }
}

static void keep_input(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, shared->bytes, shared->size) != (ssize_t)shared->size)
        die("can't write", path);
    close(fd);
}

/* The child's end: 0, or 1 when it crashed. */
static int watch(pid_t child, const char *kept)
{
    int status;
    if (waitpid(child, &status, 0) != child)
        die("lost", "the child");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    keep_input(kept);
    printf("crash: input %zu ended with %s %d, kept as %s\n", shared->done + 1,
           WIFSIGNALED(status) ? "signal" : "status",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), kept);
    return 1;
}

static double processor_seconds(int whose)
{
    struct rusage usage;
    getrusage(whose, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int count, char **arguments)
{
    const char *kept = "crash-input";
    size_t mutated = 0;
    bool stays = false;
    uint64_t seed = 1;
    for (int option; (option = getopt(count, arguments, "n:s:o:g")) != -1;) {
        if (option == 'n')
            mutated = strtoul(optarg, NULL, 0);
        else if (option == 's')
            seed = strtoul(optarg, NULL, 0);
        else if (option == 'o')
            kept = optarg;
        else if (option == 'g')
            stays = true;
        else
            return 2;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        die("no memory", "");
    for (int i = optind; i < count; i++)
        load(arguments[i]);
    random_state = seed;
    pid_t child = stays ? 0 : fork();
    if (child == 0) {
        run_all(mutated);
        if (!stays)
            _exit(0);
    }
    int result = stays ? 0 : watch(child, kept);
    double seconds = processor_seconds(stays ? RUSAGE_SELF : RUSAGE_CHILDREN);
    printf("%zu inputs in %.1f s of processor time (%.0f a second), seed %llu\n", shared->done, seconds,
           (double)shared->done / seconds, (unsigned long long)seed);
    return result;
}
