/* core_test.c - image/core.h: a made-up process is written as an ELF core, and read back with libelf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "image/core.h"

#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, FILE_MOST = 64 << 20 };

/* The process: pages by their first address; a page that is in none of these can't be read. */
struct page {
    uint64_t address;
    uint8_t fill;
    bool is_guard;
    bool is_untouched; /* reads as its fill, but holds nothing yet */
    bool is_private;
};
static struct page pages[64];
static size_t page_count;
static struct pw_core_work *work;
static uint8_t *file;
static uint64_t written;    /* bytes given to write */
static uint64_t room;       /* what the disk takes */
static bool knows_pages;
static struct pw_core_thread threads[3];

static const struct page *page_at(uint64_t address)
{
    for (size_t i = 0; i < page_count; i++)
        if (pages[i].address == address / PAGE * PAGE)
            return &pages[i];
    return NULL;
}

static uint64_t read_page(void *context, uint64_t address, void *buffer, uint64_t bytes)
{
    uint64_t done = 0;
    (void)context;
    while (done < bytes) {
        const struct page *page = page_at(address + done);
        if (page == NULL || page->is_guard)
            break;
        uint64_t part = PAGE - (address + done) % PAGE;
        part = part < bytes - done ? part : bytes - done;
        memset((uint8_t *)buffer + done, page->fill, part);
        if (page->fill == 0x7f && (address + done) % PAGE == 0)
            memcpy((uint8_t *)buffer + done, ELFMAG, part < SELFMAG ? part : SELFMAG);
        done += part;
    }
    return done;
}

static bool ask_pages(void *context, uint64_t address, uint64_t count, bool is_shared, uint8_t *answer)
{
    (void)context;
    (void)is_shared;
    for (uint64_t i = 0; knows_pages && i < count; i++) {
        const struct page *page = page_at(address + i * PAGE);
        answer[i] = page != NULL && !page->is_untouched ? PW_PAGE_HOLDS : 0;
        answer[i] |= page != NULL && page->is_private ? PW_PAGE_ANONYMOUS : 0;
    }
    return knows_pages;
}

static bool write_file(void *context, uint64_t offset, const void *bytes, uint64_t length)
{
    (void)context;
    if (length > room)
        return false;
    room -= length;
    written += length;
    assert_true(offset + length <= FILE_MOST);
    memcpy(file + offset, bytes, length);
    return true;
}

static int set_up(void **state)
{
    (void)state;
    work = mmap(NULL, sizeof *work, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    file = mmap(NULL, FILE_MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(work != MAP_FAILED && file != MAP_FAILED);
    work->io = (struct pw_core_io){read_page, ask_pages, write_file, NULL};
    page_count = 0;
    written = 0;
    room = UINT64_MAX;
    knows_pages = true;
    memset(threads, 0, sizeof threads);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)munmap(work, sizeof *work);
    (void)munmap(file, FILE_MOST);
    return 0;
}

static void map(const char *line)
{
    size_t length = strlen(line);
    memcpy(work->maps + work->maps_length, line, length);
    work->maps_length += length;
}

static void page(uint64_t address, uint8_t fill)
{
    pages[page_count++] = (struct page){.address = address, .fill = fill};
}

static Elf *open_core(void)
{
    assert_int_not_equal(elf_version(EV_CURRENT), EV_NONE);
    Elf *elf = elf_memory((char *)file, work->file_bytes);
    GElf_Ehdr header;
    assert_non_null(elf);
    assert_non_null(gelf_getehdr(elf, &header));
    assert_int_equal(header.e_type, ET_CORE);
    return elf;
}

/* The n-th PT_LOAD. */
static GElf_Phdr load(Elf *elf, size_t n)
{
    size_t count;
    GElf_Phdr header;
    assert_int_equal(elf_getphdrnum(elf, &count), 0);
    for (size_t i = 0; i < count; i++) {
        assert_non_null(gelf_getphdr(elf, (int)i, &header));
        if (header.p_type == PT_LOAD && n-- == 0)
            return header;
    }
    fail_msg("there are fewer segments");
    return header;
}

static void expect_fill(const GElf_Phdr *header, uint64_t offset, uint8_t fill)
{
    assert_true(offset + PAGE <= header->p_filesz);
    for (size_t i = 0; i < PAGE; i++)
        assert_int_equal(file[header->p_offset + offset + i], fill);
}

static void a_segment_has_the_pages_that_hold_something_and_holes_for_others(void **state)
{
    (void)state;
    map("10000-15000 rw-p 00000000 00:00 0 \n");
    page(0x10000, 1);
    page(0x11000, 0);
    page(0x12000, 2);
    pages[2].is_untouched = true;
    page(0x13000, 3);
    pages[3].is_guard = true;
    page(0x14000, 4);
    assert_true(pw_core_write(work));
    assert_int_equal(work->content_bytes, 2 * PAGE);
    GElf_Phdr header = load(open_core(), 0);
    assert_int_equal(header.p_vaddr, 0x10000);
    assert_int_equal(header.p_memsz, 5 * PAGE);
    assert_int_equal(header.p_filesz, 5 * PAGE);
    assert_int_equal(header.p_flags, PF_R | PF_W);
    expect_fill(&header, 0, 1);
    for (uint64_t i = 1; i < 4; i++)
        expect_fill(&header, i * PAGE, 0);
    expect_fill(&header, 4 * PAGE, 4);
}

static void where_the_kernel_tells_no_pages_all_that_can_be_read_is_there(void **state)
{
    (void)state;
    knows_pages = false;
    map("10000-13000 rw-p 00000000 00:00 0 \n");
    page(0x10000, 1);
    page(0x12000, 2);
    assert_true(pw_core_write(work));
    GElf_Phdr header = load(open_core(), 0);
    expect_fill(&header, 0, 1);
    expect_fill(&header, PAGE, 0);
    expect_fill(&header, 2 * PAGE, 2);
}

static void an_unchanged_file_mapping_is_left_to_its_file_but_for_its_elf_header(void **state)
{
    (void)state;
    map("10000-12000 r--p 00000000 08:01 77                 /lib/a b.so\n"
        "12000-14000 r-xp 00002000 08:01 77                 /lib/a b.so\n"
        "14000-16000 r--p 00004000 08:01 77                 /lib/a b.so\n"
        "16000-18000 rw-p 00006000 08:01 77                 /lib/a b.so\n");
    for (uint64_t i = 0; i < 8; i++)
        page(0x10000 + i * PAGE, i == 0 ? 0x7f : (uint8_t)i);
    pages[5].is_private = true; /* relocated, then made read-only */
    for (size_t i = 0; i < 8; i++)
        pages[i].is_untouched = i != 5;
    assert_true(pw_core_write(work));
    Elf *elf = open_core();
    assert_int_equal(load(elf, 0).p_filesz, PAGE);
    assert_int_equal(load(elf, 1).p_filesz, 0);
    GElf_Phdr relocated = load(elf, 2), data = load(elf, 3);
    expect_fill(&relocated, 0, 4); /* the page beside it is of the file, and there too */
    expect_fill(&relocated, PAGE, 5);
    expect_fill(&data, 0, 6);
    expect_fill(&data, PAGE, 7);
}

static void memory_that_the_program_may_not_read_and_devices_are_left_out(void **state)
{
    (void)state;
    map("10000-11000 ---p 00000000 00:00 0 \n"
        "12000-13000 r--p 00000000 00:00 0                  [vvar]\n"
        "14000-15000 rw-s 00000000 00:06 12                 /dev/dri/card0\n"
        "16000-17000 rw-s 00000000 08:01 13                 /home/data\n"
        "18000-19000 rw-s 00000000 00:01 14                 /memfd:x (deleted)\n"
        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n");
    for (uint64_t at = 0x10000; at < 0x19000; at += PAGE)
        page(at, 1);
    assert_true(pw_core_write(work));
    Elf *elf = open_core();
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(load(elf, i).p_filesz, 0);
    assert_int_equal(load(elf, 4).p_filesz, PAGE);
    assert_int_equal(load(elf, 5).p_filesz, 0);
}

static void the_writers_own_memory_is_left_out(void **state)
{
    (void)state;
    map("10000-14000 rw-p 00000000 00:00 0 \n");
    for (uint64_t at = 0x10000; at < 0x14000; at += PAGE)
        page(at, 1);
    work->skipped = (struct pw_core_range){0x11000, 0x13000};
    assert_true(pw_core_write(work));
    Elf *elf = open_core();
    GElf_Phdr before = load(elf, 0), after = load(elf, 1);
    assert_int_equal(before.p_vaddr, 0x10000);
    assert_int_equal(before.p_memsz, PAGE);
    assert_int_equal(after.p_vaddr, 0x13000);
    assert_int_equal(after.p_memsz, PAGE);
}

static void without_contents_only_the_bytes_of_kept_ranges_are_there(void **state)
{
    (void)state;
    map("10000-16000 rw-p 00000000 00:00 0 \n"
        "20000-21000 rw-p 00000000 00:00 0                  [stack]\n");
    for (uint64_t at = 0x10000; at < 0x16000; at += PAGE)
        page(at, 0xaa);
    page(0x20000, 0xbb);
    work->remark.leaves_content_out = 1;
    work->kept[0] = (struct pw_core_range){0x13010, 0x14008};
    work->kept[1] = (struct pw_core_range){0x11800, 0x11810};
    work->kept_count = 2;
    memcpy(work->process.arguments, "prog --password=x", 18);
    assert_true(pw_core_write(work));
    Elf *elf = open_core();
    static const uint64_t sizes[] = {0, PAGE, 0, 2 * PAGE, 0, 0};
    size_t kept = 0;
    for (size_t i = 0; i < 6; i++) {
        GElf_Phdr header = load(elf, i);
        assert_int_equal(header.p_filesz, sizes[i]);
        for (uint64_t j = 0; j < header.p_filesz; j++)
            kept += file[header.p_offset + j] == 0xaa;
    }
    assert_int_equal(kept, 0x10 + 0xff8);
    assert_null(memmem(file, work->file_bytes, "password", 8));
    assert_null(memchr(file, 0xbb, work->file_bytes));
}

/* The n-th note of a type, or NULL. */
static const void *note(Elf *elf, uint32_t type, size_t n, size_t *size)
{
    GElf_Phdr header;
    assert_non_null(gelf_getphdr(elf, 0, &header));
    assert_int_equal(header.p_type, PT_NOTE);
    Elf_Data *data = elf_getdata_rawchunk(elf, (int64_t)header.p_offset, header.p_filesz, ELF_T_NHDR);
    size_t at = 0, name, desc;
    GElf_Nhdr head;
    while ((at = gelf_getnote(data, at, &head, &name, &desc)) > 0) {
        *size = head.n_descsz;
        if (head.n_type == type && n-- == 0)
            return (const char *)data->d_buf + desc;
    }
    return NULL;
}

static void notes_tell_threads_process_files_and_how_it_came_to_be(void **state)
{
    (void)state;
    size_t size;
    map("10000-11000 r--p 00003000 08:01 77                 /bin/a program\n");
    page(0x10000, 1);
    for (uint32_t i = 0; i < 3; i++) {
        threads[i].tid = 100 + i;
        threads[i].registers[16] = 0x4000 + i;
    }
    work->threads = threads;
    work->thread_count = 3;
    work->process.pid = 100;
    memcpy(work->process.name, "a program", 10);
    memcpy(work->process.auxv, "auxiliary", 9);
    work->process.auxv_bytes = 16;
    work->remark.version = 1;
    assert_true(pw_core_write(work));
    Elf *elf = open_core();
    for (uint32_t i = 0; i < 3; i++) {
        const void *found = note(elf, NT_PRSTATUS, i, &size);
        struct elf_prstatus status; /* notes are aligned to 4 bytes only */
        assert_non_null(found);
        assert_int_equal(size, sizeof status);
        memcpy(&status, found, sizeof status);
        assert_int_equal(status.pr_pid, 100 + i);
        assert_int_equal(((const uint64_t *)&status.pr_reg)[16], 0x4000 + i);
    }
    const struct elf_prpsinfo *info = note(elf, NT_PRPSINFO, 0, &size);
    assert_string_equal(info->pr_fname, "a program");
    assert_memory_equal(note(elf, NT_AUXV, 0, &size), "auxiliary", 9);
    assert_int_equal(size, 16);
    const uint64_t *files = note(elf, NT_FILE, 0, &size);
    const uint64_t expected[] = {1, PAGE, 0x10000, 0x11000, 3};
    assert_memory_equal(files, expected, sizeof expected);
    assert_string_equal((const char *)(files + 5), "/bin/a program");
    struct pw_core_remark remark;
    memcpy(&remark, note(elf, PW_CORE_NOTE_REMARK, 0, &size), sizeof remark);
    assert_int_equal(remark.version, 1);
}

static void more_segments_than_the_header_counts_are_counted_beside_it(void **state)
{
    (void)state;
    enum { MANY = 70000 };
    for (uint64_t i = 0; i < MANY; i++) {
        char line[64];
        snprintf(line, sizeof line, "%lx-%lx ---p 0 00:00 0 \n", 0x100000 + i * 2 * PAGE, 0x101000 + i * 2 * PAGE);
        map(line);
    }
    assert_true(pw_core_write(work));
    size_t count;
    assert_int_equal(elf_getphdrnum(open_core(), &count), 0);
    assert_int_equal(count, MANY + 1);
}

static void a_full_disk_ends_it_at_every_byte(void **state)
{
    (void)state;
    map("10000-12000 rw-p 00000000 00:00 0 \n");
    page(0x10000, 1);
    page(0x11000, 2);
    assert_true(pw_core_write(work));
    uint64_t all = written;
    for (uint64_t limit = 0; limit < all; limit += 97) {
        room = limit;
        if (pw_core_write(work))
            fail_msg("%lu of %lu bytes were enough", limit, all);
    }
}

static void lines_that_are_no_mappings_are_passed_over(void **state)
{
    (void)state;
    map("\n-\nzz\n10000\n10000-\n10000-f000 rw-p 0 0 0\n10001-12000 rw-p 0 0 0\n13000-14000 rw\n"
        "14000-15000 rw-p 0 00:00 0\n16000-17000 rw-p 0 00:00 0");
    page(0x14000, 1);
    page(0x16000, 2);
    assert_true(pw_core_write(work));
    assert_int_equal(work->segment_count, 2);
}

static void maps_that_are_empty_or_did_not_fit_are_declined(void **state)
{
    (void)state;
    assert_false(pw_core_write(work));
    work->maps_length = PW_CORE_TEXT_BYTES;
    assert_false(pw_core_write(work));
    assert_int_equal(work->file_bytes, 0);
}

#define EACH(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(a_segment_has_the_pages_that_hold_something_and_holes_for_others),
        EACH(where_the_kernel_tells_no_pages_all_that_can_be_read_is_there),
        EACH(an_unchanged_file_mapping_is_left_to_its_file_but_for_its_elf_header),
        EACH(memory_that_the_program_may_not_read_and_devices_are_left_out),
        EACH(the_writers_own_memory_is_left_out),
        EACH(without_contents_only_the_bytes_of_kept_ranges_are_there),
        EACH(notes_tell_threads_process_files_and_how_it_came_to_be),
        EACH(more_segments_than_the_header_counts_are_counted_beside_it),
        EACH(a_full_disk_ends_it_at_every_byte),
        EACH(lines_that_are_no_mappings_are_passed_over),
        EACH(maps_that_are_empty_or_did_not_fit_are_declined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
