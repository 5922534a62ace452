/*
 * core.c - harness: a core file, and what heapdump reads in it.
 *
 * Input: a byte; even: the rest is the file. Odd: the rest is changes, each of an offset of two bytes and a byte,
 * to a small core that has all that a real one has: notes, segments, the root, a region with its tables.
 *
 * A crash is: a crash, an end of the process, more memory than MOST_BYTES, a hang (the fuzzer's time limit).
 */
#include "tools/heapdump/target.h"

#include "harness.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST_BYTES = 1 << 30, PAGE = 4096, PAGES = 6, GRANULES = 64 };

/* Where the pages of the core lie in the memory that it is of. */
static const uint64_t load_address = 0x10000000, data_address = 0x7f0000000000;

struct __attribute__((packed)) notes {
    Elf64_Nhdr status_head;
    char status_name[8];
    struct elf_prstatus status;
    Elf64_Nhdr files_head;
    char files_name[8];
    uint64_t file_count, page_bytes, file_start, file_end, file_offset;
    char file_path[16];
};

/* One page each: ELF header and notes; root; regions; headers; bitmaps; data. */
static union {
    uint8_t bytes[PAGES * PAGE];
    struct {
        Elf64_Ehdr elf;
        Elf64_Phdr headers[3];
        struct notes notes;
    } start;
} core;

static void *page_of(unsigned index)
{
    return core.bytes + index * PAGE;
}

static uint64_t address_of(unsigned index)
{
    return load_address + (uint64_t)index * PAGE;
}

static void make_notes(struct notes *notes)
{
    *notes = (struct notes){
        .status_head = {5, sizeof notes->status, NT_PRSTATUS},
        .status_name = "CORE",
        .status = {.pr_pid = 77},
        .files_head = {5, 5 * 8 + sizeof notes->file_path, NT_FILE},
        .files_name = "CORE",
        .file_count = 1, .page_bytes = PAGE,
        .file_start = load_address, .file_end = load_address + 5 * PAGE,
        .file_path = "/none/program",
    };
}

static void make_headers(void)
{
    core.start.elf = (Elf64_Ehdr){
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
        .e_phoff = sizeof(Elf64_Ehdr), .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 3,
    };
    core.start.headers[0] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr),
                                         .p_filesz = sizeof(struct notes)};
    core.start.headers[1] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_vaddr = load_address,
                                         .p_filesz = 5 * PAGE, .p_memsz = 5 * PAGE};
    core.start.headers[2] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_vaddr = data_address,
                                         .p_offset = 5 * PAGE, .p_filesz = PAGE, .p_memsz = PAGE};
    make_notes(&core.start.notes);
}

static void make_core(void)
{
    make_headers();
    *(struct pw_root *)page_of(1) = (struct pw_root){
        .magic = PW_IMAGE_MAGIC, .version = PW_IMAGE_VERSION, .bytes = sizeof(struct pw_root),
        .level = PW_LEVEL_FULL, .regions = address_of(2), .heaps = address_of(3), .region_count = 2,
        .heap_count = 1, .heap_stride = sizeof(struct pw_heap_image), .ready = 1,
    };
    ((struct pw_region *)page_of(2))[1] = (struct pw_region){
        .base = data_address, .headers = address_of(3), .evidence = address_of(3), .starts = address_of(4),
        .summary = address_of(4) + PAGE / 2, .granules = GRANULES, .first = 1, .limit = GRANULES - 1,
        .shift = PW_GRANULE_SHIFT, .kind = PW_REGION_SMALL,
    };
    struct pw_header *headers = page_of(3);
    for (uint32_t granule = 1; granule < GRANULES - 1; granule += 4) {
        headers[granule] = (struct pw_header){.word = (uint64_t)PW_STATE_LIVE << 32, .size = 4};
        ((uint64_t *)page_of(4))[0] |= (uint64_t)1 << granule;
    }
}

static void change_core(struct fuzz_input *input)
{
    for (unsigned changes = 0; !fuzz_ended(input) && changes < 64; changes++) {
        uint16_t at = fuzz_word(input);
        core.bytes[at % sizeof core.bytes] = fuzz_byte(input);
    }
}

static void ignore(void *context, const struct pw_fault *fault)
{
    (void)context;
    (void)fault;
}

static bool look(void *context, const struct pw_block_info *info)
{
    uint64_t frames[PW_MAX_FRAMES];
    (void)target_stack(context, info->alloc_stack, frames);
    return true;
}

static void read_core(const char *path, bool needs_no_heap)
{
    struct target_options options = {.needs_no_heap = needs_no_heap};
    struct target *target = target_open(path, &options);
    if (target == NULL)
        return;
    const struct pw_image *image = target_image(target);
    const struct pw_module *modules;
    if (image != NULL) {
        (void)pw_image_walk(image, look, target);
        (void)pw_validate_all(image, ignore, NULL);
        (void)target_modules(target, &modules);
        (void)target_thread_name(target, 0);
    }
    target_close(target);
}

/* What heapdump says of such files is not wanted; what the harness says is. */
static void start(void)
{
    struct rlimit limit;
    fuzz_output = dup(STDERR_FILENO);
    int nowhere = open("/dev/null", O_WRONLY);
    (void)dup2(nowhere, STDERR_FILENO);
    close(nowhere);
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = MOST_BYTES;
    setrlimit(RLIMIT_AS, &limit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd;
    static char path[64];
    struct fuzz_input input = {.at = data, .left = size};
    uint8_t how = fuzz_byte(&input);
    if (fd == 0) {
        start();
        fd = memfd_create("core", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    const void *bytes = input.at;
    size_t count = input.left;
    if (how % 2 != 0) {
        memset(&core, 0, sizeof core);
        make_core();
        change_core(&input);
        bytes = &core;
        count = sizeof core;
    }
    FUZZ_CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, count, 0) == (ssize_t)count, "no room for the file");
    read_core(path, how / 2 % 2 != 0);
    return 0;
}
