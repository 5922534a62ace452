/*
 * family_more_test.c - alignments, free_sized, and glibc's further functions: mallinfo, malloc_info, mallopt and their like.
 * Runs on plain glibc too: see family_test.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "family_fixture.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* -- alignments */

static void aligned_blocks_are_aligned_at_every_power_of_two(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 63, 64, 65, 1000, 4096, 16 * KIB, 16 * KIB + 1, 100000};
    for (size_t align = 1; align <= 64 * MIB; align *= 2) {
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            size_t size = lengths[i];
            void *blocks[3] = {memalign(align, size), aligned_alloc(align, size), NULL};
            int result = posix_memalign(&blocks[2], align < sizeof(void *) ? sizeof(void *) : align, size);
            assert_int_equal(result, 0);
            for (size_t j = 0; j < 3; j++) {
                assert_good(blocks[j], size, align);
                fill(blocks[j], size, (unsigned)j);
            }
            for (size_t j = 0; j < 3; j++)
                assert_true(holds(blocks[j], size, (unsigned)j));
            blocks[0] = realloc(blocks[0], size + 1);
            assert_true(holds(blocks[0], size, 0));
            for (size_t j = 0; j < 3; j++)
                free(blocks[j]);
        }
    }
}

static void memalign_takes_the_next_power_of_two(void **state)
{
    (void)state;
    static const size_t odd[][2] = {{0, 1}, {3, 4}, {5, 8}, {65, 128}, {100, 128}, {4097, 8192}, {70000, 131072}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        void *block = memalign(hidden(odd[i][0]), 10);
        assert_good(block, 10, odd[i][1]);
        free(block);
    }
}

static void memalign_says_einval_beyond_the_last_power_of_two_and_enomem_up_to_it(void **state)
{
    (void)state;
    errno = ODD_ERRNO;
    assert_fails(memalign(hidden(SIZE_MAX), 1), EINVAL);
    assert_fails(memalign(hidden(SIZE_MAX / 2 + 2), 1), EINVAL);
    assert_fails(memalign(hidden(SIZE_MAX / 2 + 1), 1), ENOMEM);
    assert_fails(memalign(hidden(SIZE_MAX / 2), 1), ENOMEM);
    assert_fails(memalign(hidden((size_t)1 << 62), 1), ENOMEM);
    assert_fails(memalign(hidden((size_t)1 << 47), 1), ENOMEM);
    assert_fails(aligned_alloc(hidden((size_t)1 << 62), (size_t)1 << 62), ENOMEM);
}

static void posix_memalign_tells_by_its_result_and_leaves_the_rest_alone(void **state)
{
    (void)state;
    static const size_t bad[] = {0, 1, 2, 3, 4, 7, 12, 24, 65, 100, 4097, SIZE_MAX, SIZE_MAX / 2, SIZE_MAX - 7};
    void *result = &result;
    errno = ODD_ERRNO;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(posix_memalign(&result, hidden(bad[i]), 10), EINVAL);
        assert_ptr_equal(result, &result);
        assert_int_equal(errno, ODD_ERRNO);
    }
    static const size_t huge[] = {(size_t)1 << 47, (size_t)1 << 62, (size_t)1 << 63};
    for (size_t i = 0; i < sizeof huge / sizeof *huge; i++) {
        assert_int_equal(posix_memalign(&result, hidden(huge[i]), 10), ENOMEM);
        assert_ptr_equal(result, &result);
        if (on_pwheap) /* glibc lets its ENOMEM show */
            assert_int_equal(errno, ODD_ERRNO);
    }
}

static void valloc_and_pvalloc_give_pages(void **state)
{
    (void)state;
    static const size_t lengths[][2] = {{0, 0}, {1, 4096}, {4096, 4096}, {4097, 8192}, {100000, 102400}};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        void *one = valloc(lengths[i][0]), *whole = pvalloc(lengths[i][0]);
        assert_good(one, lengths[i][0], 4096);
        assert_good(whole, lengths[i][1], 4096);
        free(one);
        free(whole);
    }
}

/* -- the rest */

static void *symbol(const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    if (found == NULL) {
        assert_false(on_pwheap);
        print_message("this libc has no %s\n", name);
        skip();
    }
    return found;
}

static void free_sized_frees(void **state)
{
    (void)state;
    void (*free_sized)(void *, size_t);
    *(void **)&free_sized = symbol("free_sized");
    size_t before = mallinfo2().uordblks;
    errno = ODD_ERRNO;
    free_sized(NULL, 5);
    for (size_t i = 0; i < SIZES; i++) {
        free_sized(malloc(sizes[i]), sizes[i]);
        free_sized(calloc(1, sizes[i]), sizes[i]);
        free_sized(realloc(malloc(5), sizes[i] + 1), sizes[i] + 1);
    }
    assert_int_equal(errno, ODD_ERRNO);
    assert_int_equal(mallinfo2().uordblks, before);
}

static void free_aligned_sized_frees(void **state)
{
    (void)state;
    void (*free_aligned_sized)(void *, size_t, size_t);
    *(void **)&free_aligned_sized = symbol("free_aligned_sized");
    size_t before = mallinfo2().uordblks;
    errno = ODD_ERRNO;
    free_aligned_sized(NULL, 64, 5);
    for (size_t align = 1; align <= MIB; align *= 2)
        for (size_t i = 0; i < SIZES; i++)
            free_aligned_sized(aligned_alloc(align, sizes[i]), align, sizes[i]);
    assert_int_equal(errno, ODD_ERRNO);
    assert_int_equal(mallinfo2().uordblks, before);
}

static void cfree_frees(void **state)
{
    (void)state;
    void (*cfree)(void *);
    *(void **)&cfree = symbol("cfree");
    size_t before = mallinfo2().uordblks;
    errno = ODD_ERRNO;
    cfree(NULL);
    for (size_t i = 0; i < SIZES; i++)
        cfree(malloc(sizes[i]));
    assert_int_equal(errno, ODD_ERRNO);
    assert_int_equal(mallinfo2().uordblks, before);
}

static size_t in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return on_pwheap ? info.uordblks : info.uordblks + info.hblkhd;
}

static void mallinfo_tells_what_is_in_use(void **state)
{
    (void)state;
    enum { COUNT = 100, SIZE = 10000 };
    void *blocks[COUNT], *big = NULL;
    size_t before = in_use(), before_blocks = mallinfo2().hblks;
    for (size_t i = 0; i < COUNT; i++)
        blocks[i] = malloc(SIZE);
    big = malloc(40 * MIB);
    size_t taken = in_use() - before;
    assert_true(taken >= COUNT * SIZE + 40 * MIB && taken < COUNT * SIZE + 40 * MIB + 100 * KIB);
    assert_int_equal(mallinfo2().hblks, before_blocks + 1);
    assert_true(mallinfo2().hblkhd >= 40 * MIB);
    assert_true(mallinfo2().arena >= COUNT * SIZE);
    if (on_pwheap)
        assert_int_equal(taken, COUNT * SIZE + 40 * MIB);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    struct mallinfo narrow = mallinfo();
#pragma GCC diagnostic pop
    struct mallinfo2 wide = mallinfo2();
    assert_int_equal((size_t)narrow.uordblks, wide.uordblks);
    assert_int_equal((size_t)narrow.hblkhd, wide.hblkhd);
    assert_true((size_t)narrow.fordblks == wide.fordblks || wide.fordblks > INT_MAX);
    for (size_t i = 0; i < COUNT; i++)
        free(blocks[i]);
    free(big);
    assert_true(in_use() - before < 100 * KIB);
    assert_int_equal(mallinfo2().hblks, before_blocks);
}

/* Past one tag of `text`; NULL: it is none. Elements nest in `open`, attributes are name="value". */
static const char *skip_tag(const char *text, char open[][32], int *depth)
{
    char name[32];
    int length = 0;
    bool is_end = text[1] == '/';
    if (sscanf(text + 1 + is_end, "%31[a-z]%n", name, &length) != 1)
        return NULL;
    text += 1 + is_end + length;
    while (*text == ' ') {
        int attribute = 0;
        (void)sscanf(text, " %*[a-z_]=\"%*[^\"<>&]\"%n", &attribute);
        if (attribute == 0)
            return NULL;
        text += attribute;
    }
    bool is_empty = *text == '/';
    text += is_empty;
    if (*text != '>')
        return NULL;
    if (is_end)
        return *depth > 0 && strcmp(open[--*depth], name) == 0 ? text + 1 : NULL;
    if (!is_empty)
        strcpy(open[(*depth)++], name);
    return *depth < 8 ? text + 1 : NULL;
}

static bool is_well_formed(const char *text)
{
    char open[9][32];
    int depth = 0;
    do {
        text += strspn(text, " \n");
        text = *text == '<' ? skip_tag(text, open, &depth) : NULL;
    } while (text != NULL && depth > 0);
    return text != NULL && text[strspn(text, " \n")] == '\0';
}

static void malloc_info_prints_one_well_formed_element(void **state)
{
    (void)state;
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    assert_int_equal(malloc_info(0, stream), 0);
    assert_int_equal(fclose(stream), 0);
    assert_true(is_well_formed(text));
    assert_memory_equal(text, "<malloc version=\"", 17);
    assert_false(is_well_formed("<a><b></a></b>"));
    assert_false(is_well_formed("<a size=3/>"));
    free(text);
}

static void malloc_info_with_options_gives_einval_and_prints_nothing(void **state)
{
    (void)state;
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    errno = ODD_ERRNO;
    assert_int_equal(malloc_info(1, stream), EINVAL);
    assert_int_equal(errno, ODD_ERRNO);
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(length, 0);
    free(text);
}

static void malloc_stats_prints_to_stderr(void **state)
{
    (void)state;
    FILE *file = tmpfile(), *real = stderr;
    assert_non_null(file);
    stderr = file;
    malloc_stats();
    stderr = real;
    assert_true(ftell(file) > 20);
    (void)fclose(file);
}

static void malloc_trim_gives_back_and_harms_nothing(void **state)
{
    (void)state;
    enum { COUNT = 1000, SIZE = 8000 };
    static void *blocks[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        blocks[i] = malloc(SIZE);
        fill(blocks[i], SIZE, i);
    }
    for (unsigned i = 0; i < COUNT; i++)
        if (i % 10 != 0)
            free(blocks[i]);
    int first = malloc_trim(0);
    assert_true(first == 0 || first == 1);
    int second = malloc_trim(64 * KIB);
    assert_true(second == 0 || second == 1);
    for (unsigned i = 0; i < COUNT; i += 10) {
        assert_true(holds(blocks[i], SIZE, i));
        free(blocks[i]);
    }
}

static void mallopt_takes_the_knobs_of_glibc(void **state)
{
    (void)state;
    assert_int_equal(mallopt(M_TRIM_THRESHOLD, 1 << 20), 1);
    assert_int_equal(mallopt(M_MMAP_MAX, 65536), 1);
    assert_int_equal(mallopt(M_ARENA_MAX, 4), 1);
    assert_int_equal(mallopt(M_CHECK_ACTION, 3), 1);
    void *block = malloc(200000);
    assert_good(block, 200000, 16);
    free(block);
}

/* All of a program's libraries must end in one allocator. */
static void libc_s_own_allocations_are_of_the_same_heap(void **state)
{
    (void)state;
    char *copy = strdup("a string");
    assert_good(copy, 9, 16);
    free(copy);
    char *line = NULL;
    size_t room = 0;
    FILE *file = tmpfile();
    assert_true(fputs("one line\n", file) >= 0);
    rewind(file);
    assert_int_equal(getline(&line, &room, file), 9);
    assert_true(malloc_usable_size(line) >= 9);
    line = realloc(line, 5000);
    assert_good(line, 5000, 16);
    free(line);
    assert_int_equal(fclose(file), 0);
}

/* It asks a C++ library for the new_handler; here is none, and none is looked for in files. */
static void a_new_that_fails_opens_nothing_and_leaves_no_error_of_the_loaders(void **state)
{
    void *(*new_quiet)(size_t size, const char *tag) = NULL;
    struct rlimit limit, none;
    (void)state;
    if (!on_pwheap)
        return; /* there is no new here */
    *(void **)&new_quiet = dlsym(RTLD_DEFAULT, "_ZnwmRKSt9nothrow_t");
    assert_non_null(new_quiet);
    assert_null(dlerror());
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){0, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    void *block = new_quiet(hidden((size_t)1 << 47), ""); /* more than there are addresses */
    const char *error = dlerror();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_null(block);
    assert_null(error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligned_blocks_are_aligned_at_every_power_of_two),
        cmocka_unit_test(memalign_takes_the_next_power_of_two),
        cmocka_unit_test(memalign_says_einval_beyond_the_last_power_of_two_and_enomem_up_to_it),
        cmocka_unit_test(posix_memalign_tells_by_its_result_and_leaves_the_rest_alone),
        cmocka_unit_test(valloc_and_pvalloc_give_pages),
        cmocka_unit_test(free_sized_frees),
        cmocka_unit_test(free_aligned_sized_frees),
        cmocka_unit_test(cfree_frees),
        cmocka_unit_test(mallinfo_tells_what_is_in_use),
        cmocka_unit_test(malloc_info_prints_one_well_formed_element),
        cmocka_unit_test(malloc_info_with_options_gives_einval_and_prints_nothing),
        cmocka_unit_test(malloc_stats_prints_to_stderr),
        cmocka_unit_test(malloc_trim_gives_back_and_harms_nothing),
        cmocka_unit_test(mallopt_takes_the_knobs_of_glibc),
        cmocka_unit_test(libc_s_own_allocations_are_of_the_same_heap),
        cmocka_unit_test(a_new_that_fails_opens_nothing_and_leaves_no_error_of_the_loaders),
    };
    if (!find_heap())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
