/*
 * hostile.c SCENE LIBRARY [STEP] - proves that no image makes heapdump crash, hang or grow, however damaged: run
 * under AddressSanitizer and UBSan, all commands, in this process.
 *
 * The image is a core of SCENE, made here from the live process and kept small: pages that are all
 * zero are left out. It is damaged bit by bit and cut at every page, and put right again; with STEP, at
 * every STEP-th only.
 */
#include "bytes.h"
#include "heapdump.h"
#include "target.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, SECONDS_A_RUN = 30, MOST_RESIDENT_KIB = 2 << 20, SEED = 20261125 };
static const char core_path[] = "hostile.core";
static uint64_t step = 1;

static void fail(const char *what)
{
    dprintf(STDERR_FILENO, "hostile: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- the program that is looked at ---- */

static pid_t start_scene(char **argv)
{
    int out[2];
    if (pipe(out) != 0)
        fail("pipe");
    pid_t pid = fork();
    if (pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        setenv("LD_PRELOAD", argv[2], 1);
        setenv("PWHEAP_CHECK", "full:guard_site_blocks=0:guard_sample_rate=0", 1); /* damage stays */
        unsetenv("ASAN_OPTIONS");
        execl(argv[1], argv[1], "damage", "40", NULL);
        _exit(127);
    }
    close(out[1]);
    FILE *lines = fdopen(out[0], "r");
    char line[256] = "";
    while (lines != NULL && strcmp(line, "ready\n") != 0)
        if (fgets(line, sizeof line, lines) == NULL)
            fail("the scene ended early");
    fclose(lines);
    return pid;
}

/* ---- a small core of it ---- */

/* The address of a block that is the program's, for refs. */
static char a_block[32];

static bool take_live(void *context, const struct pw_block_info *block)
{
    (void)context;
    if (block->state != PW_STATE_LIVE)
        return true;
    snprintf(a_block, sizeof a_block, "%llx", (unsigned long long)block->address);
    return false;
}

struct maker {
    struct target *target;
    Elf64_Phdr *headers;
    size_t header_count;
    struct bytes notes;
    struct bytes pages;
};

static void add_header(struct maker *maker, const Elf64_Phdr *header)
{
    maker->headers = heapdump_grow(maker->headers, maker->header_count + 1, sizeof *maker->headers);
    maker->headers[maker->header_count++] = *header;
}

static bool is_zero(const uint8_t *page)
{
    for (size_t i = 0; i < PAGE; i++)
        if (page[i] != 0)
            return false;
    return true;
}

/* A run of pages that are there is a PT_LOAD; p_offset counts from the first page of all for now. */
static void add_segment(struct maker *maker, const struct target_segment *segment)
{
    uint8_t page[PAGE];
    bool is_run = false;
    Elf64_Word flags = ((segment->access & TARGET_READ) != 0 ? PF_R : 0u) |
                       ((segment->access & TARGET_WRITE) != 0 ? PF_W : 0u) |
                       ((segment->access & TARGET_EXECUTE) != 0 ? PF_X : 0u);
    bool is_code = segment->path[0] == '/' && (segment->access & TARGET_WRITE) == 0;
    for (uint64_t at = segment->start; at < segment->end; at += PAGE) {
        bool is_there = (!is_code || at == segment->start) && target_read(maker->target, at, page, PAGE) &&
                        !is_zero(page);
        if (is_there && !is_run)
            add_header(maker, &(Elf64_Phdr){.p_type = PT_LOAD, .p_flags = flags, .p_vaddr = at,
                                            .p_offset = maker->pages.length, .p_align = PAGE});
        if (is_there) {
            bytes_append(&maker->pages, (char *)page, PAGE);
            maker->headers[maker->header_count - 1].p_filesz += PAGE;
            maker->headers[maker->header_count - 1].p_memsz += PAGE;
        }
        is_run = is_there;
    }
}

static void add_note(struct maker *maker, uint32_t type, const void *data, size_t bytes)
{
    static const char zeros[4];
    Elf64_Nhdr header = {.n_namesz = 5, .n_descsz = (Elf64_Word)bytes, .n_type = type};
    bytes_append(&maker->notes, (char *)&header, sizeof header);
    bytes_append(&maker->notes, "CORE\0\0\0", 8);
    bytes_append(&maker->notes, data, bytes);
    bytes_append(&maker->notes, zeros, (4 - bytes % 4) % 4);
}

static void add_files(struct maker *maker, const struct target_segment *segments, size_t count)
{
    struct bytes table = {0}, names = {0};
    uint64_t head[2] = {0, 1};
    for (size_t i = 0; i < count; i++) {
        uint64_t mapping[3] = {segments[i].start, segments[i].end, segments[i].offset};
        if (segments[i].path[0] != '/')
            continue;
        bytes_append(&table, (char *)mapping, sizeof mapping);
        bytes_append(&names, segments[i].path, strlen(segments[i].path) + 1);
        head[0]++;
    }
    struct bytes note = {0};
    bytes_append(&note, (char *)head, sizeof head);
    bytes_append(&note, table.data, table.length);
    bytes_append(&note, names.data, names.length);
    add_note(maker, NT_FILE, note.data, note.length);
    bytes_free(&table);
    bytes_free(&names);
    bytes_free(&note);
}

static void add_threads(struct maker *maker)
{
    const struct target_thread *threads;
    size_t count = target_threads(maker->target, &threads);
    for (size_t i = 0; i < count; i++) {
        struct elf_prstatus status = {.pr_pid = (pid_t)threads[i].tid};
        memcpy(&status.pr_reg, threads[i].words, least(sizeof status.pr_reg, threads[i].word_count * 8));
        add_note(maker, NT_PRSTATUS, &status, sizeof status);
    }
}

static void write_core(struct maker *maker)
{
    static const char zeros[PAGE];
    FILE *out = fopen(core_path, "we");
    size_t count = maker->header_count + 1;
    uint64_t notes_at = sizeof(Elf64_Ehdr) + count * sizeof(Elf64_Phdr);
    uint64_t pages_at = PW_ALIGN_UP(notes_at + maker->notes.length, (uint64_t)PAGE);
    Elf64_Ehdr elf = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                      .e_type = ET_CORE, .e_machine = target_machine(maker->target), .e_version = EV_CURRENT,
                      .e_phoff = sizeof elf, .e_ehsize = sizeof elf, .e_phentsize = sizeof(Elf64_Phdr),
                      .e_phnum = (Elf64_Half)count};
    Elf64_Phdr note = {.p_type = PT_NOTE, .p_offset = notes_at, .p_filesz = maker->notes.length};
    if (out == NULL || count >= PN_XNUM)
        fail(core_path);
    for (size_t i = 0; i < maker->header_count; i++)
        maker->headers[i].p_offset += pages_at;
    fwrite(&elf, sizeof elf, 1, out);
    fwrite(&note, sizeof note, 1, out);
    fwrite(maker->headers, sizeof *maker->headers, maker->header_count, out);
    fwrite(maker->notes.data, 1, maker->notes.length, out);
    fwrite(zeros, 1, (size_t)(pages_at - notes_at - maker->notes.length), out);
    fwrite(maker->pages.data, 1, maker->pages.length, out);
    if (fclose(out) != 0)
        fail(core_path);
}

/* What the damage is done to: places in the core's file. */
struct place {
    uint64_t offset;
    uint64_t bytes;
};

/* Where the page with `address` is in the file. */
static uint64_t file_offset(const struct maker *maker, uint64_t address)
{
    for (size_t i = 0; i < maker->header_count; i++) {
        const Elf64_Phdr *header = &maker->headers[i];
        if (address >= header->p_vaddr && address < header->p_vaddr + header->p_filesz)
            return header->p_offset + (address - header->p_vaddr);
    }
    return 0;
}

struct places_of_core {
    struct place root;
    struct place regions;
    struct place tables[64]; /* pages of the regions' tables */
    size_t table_count;
    struct place heads; /* ELF header, program headers, notes */
    uint64_t file_bytes;
};

static void find_places(const struct maker *maker, struct places_of_core *places)
{
    const struct pw_image *image = target_image(maker->target);
    struct pw_region region;
    places->root = (struct place){file_offset(maker, target_root_address(maker->target)), sizeof(struct pw_root)};
    /* Entry 0 is no region. */
    places->regions = (struct place){file_offset(maker, image->root->regions + sizeof region), 2 * sizeof region};
    for (uint32_t i = 1; i < image->root->region_count; i++) {
        if (!pw_image_region(image, i, &region))
            continue;
        for (uint64_t at = region.mapping; at < region.mapping + region.mapping_bytes; at += PAGE)
            if (file_offset(maker, at) != 0 && places->table_count < PW_ARRAY_SIZE(places->tables))
                places->tables[places->table_count++] = (struct place){file_offset(maker, at), PAGE};
    }
    places->heads = (struct place){0, maker->headers[0].p_offset};
    places->file_bytes = maker->headers[0].p_offset + maker->pages.length;
}

static void make_core(pid_t pid, struct places_of_core *places)
{
    char name[16];
    snprintf(name, sizeof name, "%d", pid);
    struct maker maker = {.target = target_open(name, NULL)};
    const struct target_segment *segments;
    if (maker.target == NULL)
        exit(1);
    size_t count = target_segments(maker.target, &segments);
    for (size_t i = 0; i < count; i++)
        if (segments[i].is_readable && segments[i].path[0] != '[')
            add_segment(&maker, &segments[i]);
    pw_image_walk(target_image(maker.target), take_live, NULL);
    add_threads(&maker);
    add_files(&maker, segments, count);
    write_core(&maker);
    find_places(&maker, places);
    target_close(maker.target);
    free(maker.headers);
    bytes_free(&maker.notes);
    bytes_free(&maker.pages);
}

/* ---- the runs ---- */

static const char *current = "nothing"; /* what is done to the core */
static uint64_t current_number;

static void report_hang(int signal)
{
    (void)signal;
    dprintf(STDERR_FILENO, "hostile: a command hangs with %s %llu\n", current, (unsigned long long)current_number);
    abort();
}

/* Of the processor's time: who is stopped for long does not hang. 0: no limit. */
static void limit_run(int seconds)
{
    struct itimerval most = {.it_value.tv_sec = seconds};
    setitimer(ITIMER_PROF, &most, NULL);
}

static int run(int (*command)(int, char **), const char *name, const char *option, const char *more)
{
    /* Debug information that lies elsewhere is no part of it, and takes long. */
    static char no_debuginfo[] = "--debuginfo-path=/nowhere";
    char *argv[] = {(char *)(uintptr_t)name, (char *)(uintptr_t)core_path, no_debuginfo,
                    (char *)(uintptr_t)option, (char *)(uintptr_t)more, NULL};
    limit_run(SECONDS_A_RUN);
    int status = command(option == NULL ? 3 : more == NULL ? 4 : 5, argv);
    limit_run(0);
    if (status < HEAPDUMP_FINE || status > HEAPDUMP_UNREADABLE) {
        dprintf(STDERR_FILENO, "hostile: %s returned %d with %s %llu\n", name, status, current,
                (unsigned long long)current_number);
        exit(1);
    }
    return status;
}

/* Two of them each time, and all of them in turn. */
static void run_some(uint64_t number)
{
    current_number = number;
    run(summary_command, "summary", NULL, NULL);
    switch (number % 12) {
    case 0:
        run(check_command, "check", "--most=50", NULL);
        break;
    case 1:
        run(walk_command, "walk", "--json", NULL);
        break;
    case 2:
        run(sites_command, "sites", "--speedscope", NULL);
        break;
    case 3:
        run(check_command, "check", "--most=50", "--json");
        break;
    case 4:
        run(find_command, "find", "--string=needle", "--state=live");
        break;
    case 5:
        run(leaks_command, "leaks", NULL, NULL);
        break;
    case 6:
        run(leaks_command, "leaks", "--starts-only", "--json");
        break;
    case 7:
        run(refs_command, "refs", a_block, NULL);
        break;
    case 8:
        run(block_command, "block", a_block, NULL);
        break;
    case 9:
        run(map_command, "map", "--scale=1K", NULL);
        break;
    case 10:
        run(diff_command, "diff", core_path, "--json");
        break;
    default:
        run(sites_command, "sites", "--pprof", NULL);
        break;
    }
}

/* ---- the damage ---- */

static uint64_t random_state = SEED;
static uint64_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void flip(int core, uint64_t bit)
{
    uint8_t byte;
    if (pread(core, &byte, 1, (off_t)(bit / 8)) != 1)
        fail("read the core");
    byte ^= (uint8_t)(1u << bit % 8);
    if (pwrite(core, &byte, 1, (off_t)(bit / 8)) != 1)
        fail("write the core");
}

static void begin(const char *what)
{
    if (strcmp(current, what) != 0)
        dprintf(STDERR_FILENO, "%s\n", what);
    current = what;
}

static void flip_every_bit(int core, const char *what, struct place place)
{
    begin(what);
    for (uint64_t bit = place.offset * 8; bit < (place.offset + place.bytes) * 8; bit += step) {
        flip(core, bit);
        run_some(bit);
        flip(core, bit);
    }
}

/* `count` times some bits of a place at once. */
static void flip_some(int core, const char *what, struct place place, unsigned count)
{
    begin(what);
    for (unsigned i = 0; i < count && place.bytes != 0; i += (unsigned)step) {
        uint64_t bits[4];
        size_t flips = 1 + i % PW_ARRAY_SIZE(bits);
        for (size_t k = 0; k < flips; k++)
            flip(core, bits[k] = place.offset * 8 + random_number() % (place.bytes * 8));
        run_some(i);
        for (size_t k = 0; k < flips; k++)
            flip(core, bits[k]);
    }
}

static void cut_at_every_page(const struct places_of_core *places)
{
    char whole[] = "hostile.whole";
    begin("a cut at page");
    if (rename(core_path, whole) != 0)
        fail(whole);
    for (uint64_t bytes = 0; bytes < places->file_bytes; bytes += PAGE * step) {
        int from = open(whole, O_RDONLY | O_CLOEXEC), to = open(core_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        off_t offset = 0;
        for (uint64_t left = bytes; left > 0;) {
            ssize_t moved = copy_file_range(from, &offset, to, NULL, left, 0);
            if (moved <= 0)
                fail("copy the core");
            left -= (uint64_t)moved;
        }
        close(from);
        close(to);
        run_some(bytes / PAGE);
    }
    if (rename(whole, core_path) != 0)
        fail(whole);
}

static void check_memory(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    if (usage.ru_maxrss < MOST_RESIDENT_KIB)
        return;
    dprintf(STDERR_FILENO, "hostile: %ld KiB were resident\n", usage.ru_maxrss);
    exit(1);
}

/* What the commands print is read by nobody; the sanitizers write to the descriptor itself. */
static void hush(void)
{
    if (freopen("/dev/null", "we", stdout) == NULL || (stderr = fopen("/dev/null", "we")) == NULL)
        fail("/dev/null");
}

int main(int argc, char **argv)
{
    struct places_of_core places = {0};
    char folder[] = "/tmp/hostile.XXXXXX";
    if (argc < 3 || mkdtemp(folder) == NULL || chdir(folder) != 0)
        return 2;
    step = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    printf("seed %d, step %llu\n", SEED, (unsigned long long)step);
    pid_t pid = start_scene(argv);
    make_core(pid, &places);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    signal(SIGPROF, report_hang);
    printf("core of %llu pages, %zu pages of tables\n", (unsigned long long)places.file_bytes / PAGE,
           places.table_count);
    fflush(stdout);
    int core = open(core_path, O_RDWR | O_CLOEXEC);
    if (core < 0 || places.root.offset == 0 || places.regions.offset == 0 || places.table_count == 0)
        fail("the core lacks something");
    if (run(check_command, "check", NULL, NULL) != HEAPDUMP_FOUND)
        fail("the scene's damage is not found in its core");
    hush();
    flip_every_bit(core, "a bit of the root", places.root);
    flip_every_bit(core, "a bit of the regions", places.regions);
    for (size_t i = 0; i < places.table_count; i++)
        flip_some(core, "bits of the tables", places.tables[i], 12);
    flip_some(core, "bits of the headers", places.heads, 400);
    flip_some(core, "bits of anything", (struct place){0, places.file_bytes}, 200);
    close(core);
    cut_at_every_page(&places);
    check_memory();
    unlink(core_path);
    return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : 1;
}
