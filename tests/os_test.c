/* os_test.c - os/memory.h but for its guards: map, move, ask, and the injection of faults. */
#include "os/memory.h"
#include "os/process.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "child.h"
#include "forbid.h"

#define MIB ((size_t)1 << 20)
#define ODD_ERRNO 4711

static size_t page(void)
{
    return pw_os_page_bytes();
}

static bool is_zero(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* ---- map ---- */

static void fresh_memory_is_zero_and_writable(void **state)
{
    (void)state;
    char *memory = pw_os_map(MIB);
    assert_non_null(memory);
    assert_true(is_zero(memory, MIB));
    memset(memory, 1, MIB);
    pw_os_unmap(memory, MIB);
    assert_false(pw_os_is_readable(memory, 1));
}

static void more_than_there_is_is_not_mapped_and_errno_stays(void **state)
{
    (void)state;
    errno = ODD_ERRNO;
    assert_null(pw_os_map((size_t)1 << 62));
    assert_null(pw_os_map_aligned((size_t)1 << 62, MIB));
    assert_null(pw_os_map_aligned(PW_ALIGN_DOWN(SIZE_MAX, page()), MIB));
    assert_null(pw_os_reserve((size_t)1 << 62));
    assert_int_equal(errno, ODD_ERRNO);
}

static void aligned_mappings_start_on_their_alignment_and_do_not_overlap(void **state)
{
    (void)state;
    const size_t aligns[] = {4096, 65536, MIB, 32 * MIB, 1024 * MIB};
    char *maps[PW_ARRAY_SIZE(aligns) * 4];
    for (size_t i = 0; i < PW_ARRAY_SIZE(maps); i++) {
        size_t align = aligns[i / 4];
        maps[i] = pw_os_map_aligned(align + page(), align);
        assert_non_null(maps[i]);
        assert_int_equal((uintptr_t)maps[i] % align, 0);
        assert_true(is_zero(maps[i], page()) && is_zero(maps[i] + align, page()));
        memset(maps[i], (int)i + 1, page());
        memset(maps[i] + align, (int)i + 1, page());
    }
    for (size_t i = 0; i < PW_ARRAY_SIZE(maps); i++) {
        assert_int_equal(maps[i][page() - 1], i + 1);
        assert_int_equal(maps[i][aligns[i / 4]], i + 1);
        pw_os_unmap(maps[i], aligns[i / 4] + page());
    }
}

static void mapping_and_unmapping_by_turns_stays_in_one_place(void **state)
{
    (void)state;
    void *first = pw_os_map_aligned(32 * MIB, 32 * MIB);
    void *second = pw_os_map_aligned(32 * MIB, 32 * MIB);
    for (int i = 0; i < 1000; i++) {
        pw_os_unmap(second, 32 * MIB);
        assert_ptr_equal(pw_os_map_aligned(32 * MIB, 32 * MIB), second);
    }
    pw_os_unmap(second, 32 * MIB);
    pw_os_unmap(first, 32 * MIB);
}

/* Leave room for one and a half blocks, and none where the hint points. */
static int map_under_limit(void *unused)
{
    (void)unused;
    const size_t bytes = 32 * MIB;
    char *first = pw_os_map_aligned(bytes, bytes);
    if (first == NULL ||
        mmap(first - bytes, page(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
             0) == MAP_FAILED)
        return 1;
    char statm[64] = "";
    (void)pw_os_read_file("/proc/self/statm", statm, sizeof statm - 1);
    rlim_t now = strtoul(statm, NULL, 10) * page();
    struct rlimit limit = {now + bytes + bytes / 2, RLIM_INFINITY};
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return 2;
    char *second = pw_os_map_aligned(bytes, bytes);
    if (second == NULL || (uintptr_t)second % bytes != 0)
        return 3;
    memset(second, 1, page());
    errno = ODD_ERRNO;
    return pw_os_map_aligned(bytes, bytes) == NULL && errno == ODD_ERRNO ? 0 : 4;
}

static void a_block_that_just_fits_under_the_limit_is_mapped_aligned(void **state)
{
    (void)state;
    assert_int_equal(in_child(map_under_limit, NULL), 0);
}

static void reserved_memory_faults_until_it_is_committed(void **state)
{
    (void)state;
    char *memory = pw_os_reserve(4 * page());
    assert_non_null(memory);
    assert_int_equal(in_child(read_it, memory + page()), -SIGSEGV);
    assert_true(pw_os_commit(memory + page(), page()));
    memory[page()] = 1;
    assert_int_equal(in_child(read_it, memory), -SIGSEGV);
    assert_int_equal(in_child(read_it, memory + 2 * page()), -SIGSEGV);
    pw_os_unmap(memory, 4 * page());
}

static void sealed_memory_can_be_read_and_not_written(void **state)
{
    (void)state;
    char *memory = pw_os_map(page());
    memory[0] = 42;
    assert_true(pw_os_seal(memory, page()));
    assert_int_equal(memory[0], 42);
    assert_int_equal(in_child(write_it, memory), -SIGSEGV);
    pw_os_unmap(memory, page());
}

static void parts_of_pages_are_declined_and_left_alone(void **state)
{
    (void)state;
    char *memory = pw_os_map(2 * page());
    memset(memory, 1, 2 * page());
    assert_false(pw_os_purge(memory + 1, page()));
    assert_false(pw_os_purge(memory, page() / 2));
    assert_false(pw_os_guard(memory, page() / 2));
    assert_false(pw_os_unguard(memory + 64, page()));
    assert_int_equal(memory[0], 1);
    assert_int_equal(memory[page() - 1], 1);
    pw_os_unmap(memory, 2 * page());
}

static bool has_huge_pages(void)
{
    return access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0;
}

/* What the kernel says of the mapping that begins at `address`: its line "VmFlags:". */
static void flags_of(const void *address, char *flags, size_t size)
{
    char line[512], start[32];
    FILE *maps = fopen("/proc/self/smaps", "r");
    bool is_it = false;
    assert_non_null(maps);
    (void)snprintf(start, sizeof start, "%lx-", (unsigned long)address);
    flags[0] = '\0';
    while (flags[0] == '\0' && fgets(line, sizeof line, maps) != NULL) {
        is_it = is_it || strncmp(line, start, strlen(start)) == 0;
        if (is_it && strncmp(line, "VmFlags:", 8) == 0)
            (void)snprintf(flags, size, "%.*s", (int)size - 1, line);
    }
    (void)fclose(maps);
}

static void huge_pages_are_preferred_where_told(void **state)
{
    (void)state;
    char flags[256];
    char *memory = pw_os_map_aligned(4 * MIB, 2 * MIB);
    assert_non_null(memory);
    assert_false(pw_os_prefer_huge_pages(memory + 1, 2 * MIB));
    errno = 42;
    bool done = pw_os_prefer_huge_pages(memory + 2 * MIB, 2 * MIB);
    assert_int_equal(errno, 42);
    assert_int_equal(done, has_huge_pages());
    flags_of(memory + 2 * MIB, flags, sizeof flags);
    assert_int_equal(done, strstr(flags, " hg") != NULL);
    pw_os_unmap(memory, 4 * MIB);
}

static void moved_pages_arrive_and_leave_zeroes_behind(void **state)
{
    (void)state;
    unsigned *from = pw_os_map(MIB);
    unsigned *to = pw_os_map(MIB);
    for (unsigned i = 0; i < MIB / sizeof *from; i++)
        from[i] = i;
    errno = ODD_ERRNO;
    bool moved = pw_os_move_pages(from, to, MIB);
    assert_int_equal(errno, ODD_ERRNO);
    for (unsigned i = 0; i < MIB / sizeof *from; i++)
        assert_int_equal(moved ? to[i] : from[i], i);
    assert_true(is_zero((char *)(moved ? from : to), MIB));
    from[0] = to[0] = 1;
    pw_os_unmap(from, MIB);
    pw_os_unmap(to, MIB);
}

static void pages_that_cannot_be_moved_leave_their_target_mapped(void **state)
{
    (void)state;
    char *hole = pw_os_map(4 * page());
    char *to = pw_os_map(4 * page());
    memset(to, 1, 4 * page());
    pw_os_unmap(hole, 4 * page());
    errno = ODD_ERRNO;
    assert_false(pw_os_move_pages(hole, to, 4 * page()));
    assert_int_equal(errno, ODD_ERRNO);
    memset(to, 2, 4 * page());
    assert_false(pw_os_is_readable(hole, 1));
    pw_os_unmap(to, 4 * page());
}

/* The source is of two mappings, for half of it came by a move: nothing is lost, whatever the kernel says. */
static void pages_of_several_mappings_arrive_whole(void **state)
{
    (void)state;
    size_t bytes = MIB, half = bytes / 2, words = bytes / sizeof(unsigned);
    unsigned *from = pw_os_map(bytes), *to = pw_os_map(bytes), *other = pw_os_map(bytes);
    other[0] = 1;
    (void)pw_os_move_pages(other, (char *)from + half, half);
    for (unsigned i = 0; i < words; i++) {
        from[i] = i % 5000 == 0 ? 0 : i;
        to[i] = 77;
    }
    if (!pw_os_move_pages(from, to, bytes))
        memcpy(to, from, bytes);
    for (unsigned i = 0; i < words; i++)
        assert_int_equal(to[i], i % 5000 == 0 ? 0 : i);
    pw_os_unmap(from, bytes);
    pw_os_unmap(to, bytes);
    pw_os_unmap(other, bytes);
}

static void a_process_moves_pages_so_often_that_mappings_are_left_for_it(void **state)
{
    (void)state;
    unsigned moves = 0;
    char *memory[2] = {pw_os_map(page()), pw_os_map(page())};
    memory[0][0] = 1;
    while (moves < 100000 && pw_os_move_pages(memory[moves % 2], memory[(moves + 1) % 2], page()))
        moves++;
    assert_true(moves > 0 && moves < 100000);
    assert_int_equal(memory[moves % 2][0], 1);
    pw_os_unmap(memory[0], page());
    pw_os_unmap(memory[1], page());
}

static void a_named_mapping_shows_its_name_where_the_kernel_can(void **state)
{
    (void)state;
    char *memory = pw_os_map(page());
    errno = ODD_ERRNO;
    pw_os_name(memory, page(), "pwheap:test");
    assert_int_equal(errno, ODD_ERRNO);
    static char maps[1 << 20];
    int64_t length = pw_os_read_file("/proc/self/maps", maps, sizeof maps - 1);
    assert_true(length > 0);
    maps[length] = '\0';
    if (strstr(maps, "[anon:pwheap:test]") == NULL)
        skip(); /* a kernel without CONFIG_ANON_VMA_NAME */
    pw_os_unmap(memory, page());
}

/* ---- readable ---- */

static void only_what_can_be_read_to_its_last_byte_is_readable(void **state)
{
    (void)state;
    const size_t pages = 200;
    char *memory = pw_os_map((pages + 1) * page());
    pw_os_unmap(memory + pages * page(), page());
    errno = ODD_ERRNO;
    assert_true(pw_os_is_readable(memory, pages * page()));
    assert_true(pw_os_is_readable(memory + pages * page() - 1, 1));
    assert_false(pw_os_is_readable(memory + pages * page() - 1, 2));
    assert_false(pw_os_is_readable(memory, pages * page() + 1));
    assert_false(pw_os_is_readable(memory + pages * page(), 1));
    assert_false(pw_os_is_readable(NULL, 1));
    assert_true(pw_os_is_readable(NULL, 0));
    assert_false(pw_os_is_readable(memory, SIZE_MAX));
    assert_false(pw_os_is_readable((void *)(UINTPTR_MAX - 15), 16));
    assert_false(pw_os_is_readable((void *)((uintptr_t)1 << 62), 16));
    assert_int_equal(errno, ODD_ERRNO);
    pw_os_unmap(memory, pages * page());
}

static int ask_where_process_vm_readv_is_forbidden(void *context)
{
    char *memory = context;
    if (!forbid_system_call(SYS_process_vm_readv))
        return 1;
    errno = ODD_ERRNO;
    return pw_os_is_readable(memory, 2 * page()) && pw_os_is_readable(memory + 2 * page() - 1, 1) &&
                   !pw_os_is_readable(memory + 2 * page() - 1, 2) &&
                   !pw_os_is_readable(memory + 2 * page(), 1) && !pw_os_is_readable(NULL, 1) &&
                   errno == ODD_ERRNO
               ? 0
               : 2;
}

static void it_is_known_also_where_process_vm_readv_is_forbidden(void **state)
{
    (void)state;
    char *memory = pw_os_map(3 * page());
    assert_true(pw_os_guard(memory + 2 * page(), page()));
    assert_int_equal(in_child(ask_where_process_vm_readv_is_forbidden, memory), 0);
    assert_true(pw_os_unguard(memory + 2 * page(), page()));
    pw_os_unmap(memory, 3 * page());
}

/* ---- fault injection ---- */

static bool call_number(size_t i, char *memory, char *other)
{
    void *mapped = NULL;
    switch (i) {
    case 0: mapped = pw_os_map(page()); break;
    case 1: mapped = pw_os_map_aligned(page(), MIB); break;
    case 2: mapped = pw_os_reserve(page()); break;
    case 3: return pw_os_commit(memory, page());
    case 4: return pw_os_guard(memory, page());
    case 5: return pw_os_unguard(memory, page());
    case 6: return pw_os_purge(memory, page());
    case 7: return pw_os_move_pages(memory, other, page());
    case 8: return pw_os_prefer_huge_pages(memory, page());
    default: return pw_os_seal(other, page());
    }
    if (mapped != NULL)
        pw_os_unmap(mapped, page());
    return mapped != NULL;
}

static void each_call_that_can_fail_fails_when_told_and_errno_stays(void **state)
{
    (void)state;
    char *memory = pw_os_map(page());
    char *other = pw_os_map(page());
    errno = ODD_ERRNO;
    for (size_t i = 0; i < 10; i++) {
        uint64_t calls = pw_os_memory_calls();
        if (i == 8 && !has_huge_pages())
            continue;
        pw_os_fail_next(1, 0);
        assert_false(call_number(i, memory, other));
        assert_int_equal(pw_os_memory_calls(), calls + 1);
        assert_true(call_number(i, memory, other));
    }
    pw_os_fail_next(0, 0);
    assert_int_equal(errno, ODD_ERRNO);
    pw_os_unmap(memory, page());
    pw_os_unmap(other, page());
}

static void the_nth_call_fails_and_every_so_many_later_ones(void **state)
{
    (void)state;
    char *memory = pw_os_map(page());
    pw_os_fail_next(3, 4);
    for (int call = 1; call <= 20; call++)
        assert_int_equal(pw_os_purge(memory, page()), call < 3 || (call - 3) % 4 != 0);
    pw_os_fail_next(3, 0);
    for (int call = 1; call <= 20; call++)
        assert_int_equal(pw_os_purge(memory, page()), call != 3);
    pw_os_fail_next(0, 1);
    for (int call = 1; call <= 20; call++)
        assert_true(pw_os_purge(memory, page()));
    pw_os_unmap(memory, page());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_memory_is_zero_and_writable),
        cmocka_unit_test(more_than_there_is_is_not_mapped_and_errno_stays),
        cmocka_unit_test(aligned_mappings_start_on_their_alignment_and_do_not_overlap),
        cmocka_unit_test(mapping_and_unmapping_by_turns_stays_in_one_place),
        cmocka_unit_test(a_block_that_just_fits_under_the_limit_is_mapped_aligned),
        cmocka_unit_test(reserved_memory_faults_until_it_is_committed),
        cmocka_unit_test(sealed_memory_can_be_read_and_not_written),
        cmocka_unit_test(parts_of_pages_are_declined_and_left_alone),
        cmocka_unit_test(huge_pages_are_preferred_where_told),
        cmocka_unit_test(moved_pages_arrive_and_leave_zeroes_behind),
        cmocka_unit_test(pages_that_cannot_be_moved_leave_their_target_mapped),
        cmocka_unit_test(pages_of_several_mappings_arrive_whole),
        cmocka_unit_test(a_named_mapping_shows_its_name_where_the_kernel_can),
        cmocka_unit_test(only_what_can_be_read_to_its_last_byte_is_readable),
        cmocka_unit_test(it_is_known_also_where_process_vm_readv_is_forbidden),
        cmocka_unit_test(each_call_that_can_fail_fails_when_told_and_errno_stays),
        cmocka_unit_test(the_nth_call_fails_and_every_so_many_later_ones),
        cmocka_unit_test(a_process_moves_pages_so_often_that_mappings_are_left_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
