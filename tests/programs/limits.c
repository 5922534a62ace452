/* limits.c - programs that get NULL and go on: a small address space, a small data limit, a small cgroup. */
#include "common.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>

static size_t address_space_bytes(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    CHECK(file != NULL && fscanf(file, "%lu", &pages) == 1);
    (void)fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void limit(int resource, size_t bytes)
{
    struct rlimit limits = {bytes, bytes};
    CHECK(setrlimit((__rlimit_resource_t)resource, &limits) == 0);
}

enum { MOST = 500000 };
static struct note *notes[MOST];

/* Allocate until there is no more; how many there were. */
static unsigned exhaust(size_t size)
{
    unsigned count = 0;
    errno = 0;
    for (; count < MOST; count++) {
        struct note *note = malloc(size);
        if (note == NULL)
            break;
        note->size = sizeof *note;
        note->salt = count;
        ((char *)note)[size - 1] = 1;
        notes[count] = note;
    }
    CHECK(count < MOST && errno == ENOMEM);
    return count;
}

static void give_back(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        CHECK(notes[i]->salt == i);
        free(notes[i]);
    }
}

static void try_everything_in_vain(size_t size)
{
    void *untouched = notes;
    errno = 0;
    CHECK(calloc(1, size) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(realloc(NULL, size) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(realloc(notes[0], size) == NULL && errno == ENOMEM);
    note_check(notes[0]);
    errno = 0;
    CHECK(aligned_alloc(65536, size) == NULL && errno == ENOMEM);
    CHECK(posix_memalign(&untouched, 65536, size) == ENOMEM && untouched == notes);
}

/* Over and over, size after size: what was freed can be had again, at least `least` bytes of it. */
static void run_out(size_t least)
{
    static const size_t lengths[] = {100 * KIB, 3000, MIB, 15000, 100 * KIB, 900};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        unsigned first = exhaust(lengths[i]);
        if (first > 0)
            try_everything_in_vain(256 * MIB);
        give_back(first);
        unsigned second = exhaust(lengths[i]);
        give_back(second);
        if (first * lengths[i] < least || second * lengths[i] < least)
            (void)fprintf(stderr, "%u, then %u blocks of %zu bytes are less than %zu bytes\n", first, second,
                          lengths[i], least);
    }
    churn(2000, 20000, 1);
    (void)printf("memory ran out, and was there again\n");
}

static void address_space(void)
{
    free(malloc(100));
    limit(RLIMIT_AS, address_space_bytes() + 200 * MIB);
    run_out(80 * MIB);
}

static void data(void)
{
    free(malloc(100));
    limit(RLIMIT_DATA, 300 * MIB);
    run_out(80 * MIB);
}

static void *churn_short_of_memory(void *number)
{
    uint64_t seed = (uintptr_t)number + 1;
    unsigned failed = 0;
    for (unsigned i = 0; i < 3000; i++) {
        size_t size = 8 + next_random(&seed) % (4 * MIB);
        errno = 0;
        struct note *note = malloc(size);
        if (note == NULL) {
            CHECK(errno == ENOMEM);
            failed++;
            continue;
        }
        note->size = 8;
        free(note);
    }
    return (void *)(uintptr_t)failed;
}

/* Threads need caches and stacks, too; what can't be had must not harm. */
static void threads(void)
{
    enum { THREADS = 4 };
    pthread_t started[THREADS];
    size_t room = address_space_bytes() + (THREADS + 1) * (size_t)8 * MIB + 60 * MIB;
    limit(RLIMIT_AS, room);
    unsigned count = 0;
    for (uintptr_t i = 0; i < THREADS; i++)
        count += pthread_create(&started[count], NULL, churn_short_of_memory, (void *)i) == 0;
    for (unsigned i = 0; i < count; i++)
        CHECK(pthread_join(started[i], NULL) == 0);
    (void)printf("threads were short of memory\n");
}

static void *allocate_ends(size_t size)
{
    char *block = malloc(size);
    CHECK(block != NULL);
    block[0] = block[size - 1] = 1;
    return block;
}

/* Freed memory that is kept for checks is not worth a failing malloc. */
static void big_ones(void)
{
    limit(RLIMIT_AS, address_space_bytes() + 400 * MIB);
    for (unsigned i = 0; i < 500; i++)
        free(allocate_ends((90 + i % 8) * (size_t)MIB));
    (void)printf("big blocks came and went\n");
}

/* Of those that nobody touches not even the page tables may stay. */
static void huge_ones(void)
{
    char line[256];
    unsigned long tables = 0;
    for (unsigned i = 0; i < 300; i++)
        free(allocate_ends((size_t)1 << 30));
    FILE *file = fopen("/proc/self/status", "re");
    while (fgets(line, sizeof line, file) != NULL)
        (void)sscanf(line, "VmPTE: %lu kB", &tables);
    (void)fclose(file);
    if (tables > 32 * KIB || resident_bytes() > 64 * MIB)
        (void)fprintf(stderr, "%lu KiB of page tables, %zu bytes resident\n", tables, resident_bytes());
    (void)printf("huge blocks came and went\n");
}

/* What the system has no room for is refused, not promised. */
static void sizes(void)
{
    for (unsigned shift = 30; shift < 48; shift++) {
        void *block = malloc((size_t)1 << shift);
        (void)printf("2^%u bytes: %s\n", shift, block != NULL ? "yes" : "no");
        free(block);
    }
}

/* Whatever there is: a block, or NULL and ENOMEM. */
static void hardly_any(void)
{
    static const char words[] = "went on\n";
    for (size_t size = 1; size < 64 * MIB; size = size * 2 + 1) {
        errno = 0;
        void *blocks[3] = {malloc(size), calloc(1, size), aligned_alloc(256, size)};
        for (size_t i = 0; i < 3; i++) {
            CHECK(blocks[i] != NULL || errno == ENOMEM);
            void *moved = realloc(blocks[i], size + 100);
            free(moved != NULL ? moved : blocks[i]);
        }
    }
    CHECK(write(1, words, sizeof words - 1) > 0);
}

/* Run where 64 MiB must do (a memory cgroup): never more than 12 MiB at a time, 2 GiB in all. */
static void little(void)
{
    struct note *kept[64] = {NULL};
    uint64_t seed = 5;
    for (size_t total = 0; total < (size_t)2048 * MIB;) {
        struct note **place = &kept[next_random(&seed) % 64];
        size_t size = 8 + next_random(&seed) % (next_random(&seed) % 16 == 0 ? 2 * MIB : 30000);
        free(*place);
        *place = malloc(size);
        CHECK(*place != NULL);
        memset(*place, 1, size);
        total += size;
    }
    for (size_t i = 0; i < 64; i++)
        free(kept[i]);
    (void)printf("seed 5: little memory was enough\n");
}

/* -- hard_rss_limit_mb=64 */

enum { CAP_MIB = 64, CAP_SPARE_MIB = 2 }; /* it is looked at every so many allocations */

/* Without stdio, which allocates. */
static size_t resident_now(void)
{
    char text[128] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && read(fd, text, sizeof text - 1) > 0 && strchr(text, ' ') != NULL);
    (void)close(fd);
    return strtoul(strchr(text, ' '), NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

/* Touch all that there is to be had in blocks of `size`, give it back, and see that it can be used again. */
static void fill_up_to_the_cap(size_t size)
{
    unsigned count = exhaust(size), most = count;
    CHECK(resident_now() <= (size_t)(CAP_MIB + CAP_SPARE_MIB) * MIB);
    while (count > 0)
        free(notes[--count]);
    for (unsigned i = 0; i < 20000; i++) {
        char *block = malloc(size);
        CHECK(block != NULL);
        block[size - 1] = 1;
        free(block);
    }
    count = exhaust(size);
    CHECK(count >= most / 2);
    while (count > 0)
        free(notes[--count]);
}

static void capped(void)
{
    fill_up_to_the_cap(100000);
    fill_up_to_the_cap(3000);
    fill_up_to_the_cap(200);
    (void)printf("it stayed below\n");
}

int main(int argc, char **argv)
{
    static const struct mode modes[] = {
        {"address_space", address_space}, {"data", data},           {"threads", threads},
        {"big_ones", big_ones},           {"huge_ones", huge_ones}, {"sizes", sizes},
        {"little", little},               {"hardly_any", hardly_any}, {"capped", capped},
    };
    return RUN_MODE(argc, argv, modes);
}
