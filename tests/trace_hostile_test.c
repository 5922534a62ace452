/*
 * trace_hostile_test.c - damaged unwind information, damaged files, expressions of all kinds: at
 * worst there is no answer.
 */
#include "base/random.h"
#include "trace/cfi.h"
#include "trace/compare.h"
#include "trace/depot.h"
#include "trace/elf_file.h"
#include "trace/expression.h"
#include "trace/file.h"
#include "trace/unwind.h"

#include <dlfcn.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define PLUGIN PLUGIN_DIRECTORY "/trace_plugin_a.so"

enum { PAGE = 4096, FILE_ROUNDS = 20000, CFI_ROUNDS = 20000 };

/* `bytes` of them that end at a page that can't be touched. */
static uint8_t *at_the_edge(size_t bytes)
{
    size_t room = PW_ALIGN_UP(bytes, (size_t)PAGE);
    uint8_t *mapping = mmap(NULL, room + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                            -1, 0);
    assert_ptr_not_equal(mapping, MAP_FAILED);
    mprotect(mapping + room, PAGE, PROT_NONE);
    return mapping + room - bytes;
}

static uint64_t interesting_number(uint64_t *seed)
{
    static const uint64_t numbers[] = {0,      1,          7,          0x7f,      0xff,
                                       0xffff, 0x7fffffff, 0xffffffff, INT64_MAX, UINT64_MAX};
    return numbers[pw_random_next(seed) % PW_ARRAY_SIZE(numbers)];
}

/* Some bytes become others, or a number of 1 to 8 bytes an extreme one. */
static void damage(uint8_t *bytes, size_t size, uint64_t *seed)
{
    for (uint64_t n = 1 + pw_random_next(seed) % 3; n > 0; n--) {
        size_t at = pw_random_next(seed) % size;
        size_t length = (size_t)1 << pw_random_next(seed) % 4;
        uint64_t number = interesting_number(seed);
        if (length == 1 || at + length > size)
            bytes[at] = (uint8_t)pw_random_next(seed);
        else
            memcpy(bytes + at, &number, length);
    }
}

static void a_damaged_file_is_read_within_its_bounds(void **state)
{
    (void)state;
    struct pw_file file;
    uint64_t seed = 1;
    assert_true(pw_file_map(&file, PLUGIN));
    uint8_t *bytes = at_the_edge(file.size);
    Elf64_Ehdr header;
    memcpy(&header, file.bytes, sizeof header);
    size_t found = 0;
    for (int round = 0; round < FILE_ROUNDS; round++) {
        char name[32];
        uint64_t offset;
        uint8_t id[PW_BUILD_ID_BYTES];
        memcpy(bytes, file.bytes, file.size);
        /* The headers are a small part of the file, and the interesting one. */
        if (round % 3 == 0)
            damage(bytes, sizeof header + header.e_phnum * sizeof(Elf64_Phdr), &seed);
        else if (round % 3 == 1)
            damage(bytes + header.e_shoff, file.size - header.e_shoff, &seed);
        else
            damage(bytes, file.size, &seed);
        size_t cut = round % 5 == 0 ? pw_random_next(&seed) % file.size : 0;
        for (uint64_t address = 0x1000; address < 0x1200; address += 64)
            found += pw_elf_function(bytes + cut, file.size - cut, address, name, sizeof name,
                                     &offset);
        uint64_t section;
        uint64_t section_bytes;
        found += pw_elf_section(bytes + cut, file.size - cut, ".eh_frame", &section,
                                &section_bytes);
        assert_true(pw_elf_build_id(bytes + cut, file.size - cut, id) <= PW_BUILD_ID_BYTES);
    }
    assert_true(found > FILE_ROUNDS / 10);
    pw_file_unmap(&file);
}

struct unwind_information {
    uint64_t inside; /* an address of the module */
    uint8_t *table;
    size_t bytes; /* of the table and what follows it in its segment */
    uint64_t code;
    size_t code_bytes;
};

static int information_find(struct dl_phdr_info *info, size_t size, void *argument)
{
    struct unwind_information *found = argument;
    uint64_t table = 0;
    (void)size;
    if (found->inside < info->dlpi_addr || found->inside > info->dlpi_addr + 0x10000)
        return 0;
    for (size_t i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME)
            table = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uint64_t start = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type != PT_LOAD)
            continue;
        if (table >= start && table < start + segment->p_memsz) {
            found->table = (uint8_t *)table;
            found->bytes = start + segment->p_memsz - table;
        }
        if (segment->p_flags & PF_X) {
            found->code = start;
            found->code_bytes = segment->p_memsz;
        }
    }
    return 1;
}

static void damaged_unwind_information_is_survived(void **state)
{
    (void)state;
    static uint8_t original[1 << 16];
    struct compare compare = {.is_quiet = true};
    struct unwind_information information = {0};
    uint64_t seed = 1;
    void *library = dlopen(PLUGIN, RTLD_NOW);
    assert_non_null(library);
    void (*call)(void (*)(void *),
                 void *) = (void (*)(void (*)(void *), void *))dlsym(library, "plugin_call");
    information.inside = (uint64_t)call;
    assert_int_equal(dl_iterate_phdr(information_find, &information), 1);
    assert_true(information.bytes > 0 && information.bytes <= sizeof original);
    uint64_t first_page = PW_ALIGN_DOWN((uint64_t)information.table, (uint64_t)PAGE);
    mprotect((void *)first_page, (uint64_t)information.table + information.bytes - first_page,
             PROT_READ | PROT_WRITE);
    memcpy(original, information.table, information.bytes);
    for (int round = 0; round < CFI_ROUNDS; round++) {
        struct pw_cfi_row row;
        damage(information.table, information.bytes, &seed);
        for (uint64_t pc = information.code; pc < information.code + information.code_bytes;
             pc += 5)
            (void)pw_cfi_find(pc, &row);
        pw_unwind_modules_changed();
        call(compare_ours, &compare); /* where the information lies the ways may differ */
        memcpy(information.table, original, information.bytes);
    }
    pw_unwind_modules_changed();
    compare = (struct compare){0};
    call(compare_ours, &compare);
    assert_int_equal(compare.failures, 0);
    assert_true(compare.count > 3);
    dlclose(library);
    pw_unwind_modules_changed();
}

/* ---- expressions ---- */

static bool evaluate(const uint8_t *bytes, size_t size, uint64_t *value)
{
    uint64_t registers[PW_REG_COUNT];
    uint64_t words[2] = {0x1111, 0x2222};
    uint64_t start = (uint64_t)words;
    struct pw_view view = {0};
    for (size_t i = 0; i < PW_REG_COUNT; i++)
        registers[i] = 100 * i;
    return pw_expression_value(pw_reader_over(bytes, bytes + size), registers, &start, &view,
                               value);
}

#define EVALUATE(value, ...)                                                                       \
    evaluate((const uint8_t[]){__VA_ARGS__}, sizeof(const uint8_t[]){__VA_ARGS__}, value)

static void expressions_compute_what_dwarf_says(void **state)
{
    (void)state;
    uint64_t value;
    assert_true(EVALUATE(&value, 0x06)); /* deref of what is on the stack */
    assert_int_equal(value, 0x1111);
    assert_true(EVALUATE(&value, 0x23, 8, 0x06)); /* plus_uconst 8, deref */
    assert_int_equal(value, 0x2222);
    assert_true(EVALUATE(&value, 0x77, 8)); /* breg7 + 8 */
    assert_int_equal(value, 708);
    assert_true(EVALUATE(&value, 0x76, 0x78)); /* breg6 - 8 */
    assert_int_equal(value, 592);
    /* What linkers write for the procedure linkage table: rsp + 8 + ((rip & 15) >= 11) << 3 */
    assert_true(EVALUATE(&value, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22));
    assert_int_equal(value, 700 + 8 + ((1600 & 15) >= 11 ? 8 : 0));
    assert_true(EVALUATE(&value, 0x08, 200, 0x09, 0xff, 0x22)); /* 200 + -1 */
    assert_int_equal(value, 199);
    assert_true(EVALUATE(&value, 0x35, 0x33, 0x1c, 0x31, 0x1f, 0x1e)); /* (5 - 3) * -1 */
    assert_int_equal((int64_t)value, -2);
    assert_true(
        EVALUATE(&value, 0x31, 0x32, 0x33, 0x17, 0x1c, 0x1c)); /* 1 2 3 rot: 3 1 2; 3 - (1 - 2) */
    assert_int_equal(value, 4);
    assert_true(EVALUATE(&value, 0x31, 0x28, 1, 0, 0x3f, 0x35)); /* if 1 skip one byte */
    assert_int_equal(value, 5);
    assert_true(EVALUATE(&value, 0x38, 0x32, 0x16, 0x15, 1,
                         0x1c)); /* 8 2 swap: 2 8, pick 1: 2 8 2; 8 - 2 */
    assert_int_equal(value, 6);
}

static void expressions_that_make_no_sense_have_no_value(void **state)
{
    (void)state;
    uint64_t value;
    assert_false(EVALUATE(&value, 0x13, 0x06));             /* the stack is empty */
    assert_false(EVALUATE(&value, 0x30, 0x06));             /* an address that can't be read */
    assert_false(EVALUATE(&value, 0x2f, 0xfd, 0xff));       /* jumps to itself for ever */
    assert_false(EVALUATE(&value, 0x2f, 0x00, 0x01));       /* jumps out at the end */
    assert_false(EVALUATE(&value, 0x2f, 0x00, 0x80));       /* and out at the start */
    assert_false(EVALUATE(&value, 0x12, 0x2f, 0xfc, 0xff)); /* fills the stack */
    assert_false(EVALUATE(&value, 0x0e, 1, 2));             /* cut short */
    assert_false(EVALUATE(&value, 0x8f, 0));                /* a register that there is not */
    assert_false(EVALUATE(&value, 0x31, 0x30, 0x1b));       /* a division */
    assert_false(EVALUATE(&value, 0xff));
}

static void any_bytes_are_evaluated_to_an_end(void **state)
{
    (void)state;
    uint64_t seed = 1;
    uint8_t *bytes = at_the_edge(24);
    for (int round = 0; round < 200000; round++) {
        uint64_t value;
        for (size_t i = 0; i < 24; i++)
            bytes[i] = (uint8_t)pw_random_next(&seed);
        size_t skipped = pw_random_next(&seed) % 24;
        (void)evaluate(bytes + skipped, 24 - skipped, &value);
    }
}

static int set_up(void **state)
{
    (void)state;
    pw_unwind_init();
    /* libunwind is not opened: asked where ours is lost, it may crash on damaged information, which is not ours to prove. */
    return pw_depot_init() ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_damaged_file_is_read_within_its_bounds),
        cmocka_unit_test(damaged_unwind_information_is_survived),
        cmocka_unit_test(expressions_compute_what_dwarf_says),
        cmocka_unit_test(expressions_that_make_no_sense_have_no_value),
        cmocka_unit_test(any_bytes_are_evaluated_to_an_end),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
