/* api_heaps_test.c - growth, snapshots, and heaps of one's own (pwheap.h). */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "api_fixture.h"

/* -- Growth and leaks */

static bool sum_up(void *context, const struct pwheap_site *site)
{
    *(size_t *)context += site->bytes;
    return true;
}

static void growth_is_what_was_allocated_since_and_is_kept_at_full(void **state)
{
    (void)state;
    errno = 0;
    struct pwheap_checkpoint *before = pwheap_checkpoint();
    if (!is_at_least("full")) {
        assert_null(before);
        assert_int_equal(errno, ENOTSUP);
        return;
    }
    assert_non_null(before);
    void *kept = malloc(12345), *gone = malloc(54321);
    give_back(gone);
    size_t bytes = 0;
    assert_int_equal(pwheap_diff(before, sum_up, &bytes), 1);
    assert_int_equal(bytes, 12345);
    free(kept);
    assert_int_equal(pwheap_diff(before, NULL, NULL), 0);
    pwheap_checkpoint_free(before);
}

/* As pwheap_checkpoint gives it below full, or without memory. */
static void nothing_has_grown_since_no_checkpoint(void **state)
{
    (void)state;
    void *block = malloc(100);
    assert_int_equal(pwheap_diff(NULL, NULL, NULL), 0);
    pwheap_checkpoint_free(NULL);
    free(block);
}

static void only_live_blocks_can_be_ignored(void **state)
{
    int on_the_stack = 0;
    (void)state;
    char *block = malloc(100);
    assert_true(pwheap_ignore(block));
    assert_true(pwheap_ignore(block + 99));
    assert_false(pwheap_ignore(block + 100));
    give_back(block);
    assert_false(pwheap_ignore(block));
    assert_false(pwheap_ignore(&on_the_stack));
    assert_false(pwheap_ignore(NULL));
}

/* -- Snapshots */

static void a_snapshot_is_an_elf_core_or_there_is_no_file_and_errno_says_why(void **state)
{
    char folder[] = "/tmp/api_test.XXXXXX", path[64], in_none[64], magic[4] = "";
    struct stat status;
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/core", folder);
    (void)snprintf(in_none, sizeof in_none, "%s/none/core", folder);
    errno = ODD_ERRNO;
    assert_int_equal(pwheap_dump(path), 0);
    assert_int_equal(errno, ODD_ERRNO);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(magic, 1, sizeof magic, file), sizeof magic);
    assert_memory_equal(magic, "\177ELF", sizeof magic);
    (void)fclose(file);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(pwheap_dump(in_none), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(pwheap_dump(path), -1);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing else is left in it */
    assert_int_not_equal(stat(folder, &status), 0);
}

/* -- Heaps of one's own */

static void fifty_heaps_can_be_had_at_a_time_and_then_none(void **state)
{
    enum { PROMISED = 50, MOST = 1000 };
    static struct pwheap_heap *heaps[MOST];
    (void)state;
    for (int round = 0; round < 2; round++) {
        size_t count = 0;
        errno = 0;
        while (count < MOST && (heaps[count] = pwheap_heap_create()) != NULL)
            count++;
        assert_true(count >= PROMISED && count < MOST);
        assert_int_equal(errno, ENOMEM);
        while (count > 0)
            pwheap_heap_destroy(heaps[--count]);
    }
    pwheap_heap_destroy(NULL);
}

static void a_heap_gives_aligned_blocks_of_any_size_that_go_with_it(void **state)
{
    static const size_t sizes[] = {0, 1, 17, 4000, 20000, 1 << 20};
    struct pwheap_statistics before, after;
    struct pwheap_description told;
    (void)state;
    pwheap_stats(&before);
    struct pwheap_heap *heap = pwheap_heap_create();
    assert_non_null(heap);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *block = pwheap_heap_malloc(heap, sizes[i]);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 16, 0);
        memset(block, 'x', sizes[i]);
        assert_true(pwheap_describe(block, &told));
        assert_int_equal(told.block.family, PWHEAP_FAMILY_INSTANCE);
        assert_int_equal(told.block.size, sizes[i]);
        if (i % 2 == 0)
            pwheap_heap_free(heap, block);
    }
    errno = 0;
    assert_null(pwheap_heap_malloc(heap, SIZE_MAX));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(pwheap_heap_malloc(heap, (size_t)PTRDIFF_MAX + 1));
    assert_int_equal(errno, ENOMEM);
    pwheap_heap_free(heap, NULL);
    assert_int_equal(pwheap_validate(), 0);
    pwheap_heap_destroy(heap);
    pwheap_stats(&after);
    assert_int_equal(after.live_blocks, before.live_blocks);
    assert_int_equal(after.live_bytes, before.live_bytes);
}

/* The quarantine follows the live bytes, and these what realloc makes of a block where it is. */
static void blocks_that_shrink_where_they_are_make_the_quarantine_no_longer(void **state)
{
    enum { ROUNDS = 600, LARGE = 1 << 20, LESS = 400 << 10, SMALL = 2000, FREES = 40000, MOST = 24 << 20 };
    struct pwheap_statistics after;
    (void)state;
    if (!is_at_least("full") || is_at_least("guard"))
        return; /* where it is bounded by bytes */
    for (int i = 0; i < ROUNDS; i++) {
        char *block = malloc(LARGE);
        char *less = realloc(block, LESS);
        assert_non_null(less);
        free(less);
    }
    for (int i = 0; i < FREES; i++)
        free(malloc(SMALL));
    pwheap_stats(&after);
    assert_in_range(after.quarantined_bytes, 1, MOST);
}

static void a_block_of_another_heap_is_a_bad_free(void **state)
{
    (void)state;
    struct pwheap_heap *one = pwheap_heap_create(), *other = pwheap_heap_create();
    char *block = pwheap_heap_malloc(one, 100);
    start_taking();
    pwheap_heap_free(other, block);
    stop_taking();
    assert_int_equal(taken.count, 1);
    assert_string_equal(taken.kind, "bad-free");
    assert_ptr_equal(taken.address, block);
    pwheap_heap_free(one, block); /* it is still there */
    pwheap_heap_destroy(one);
    pwheap_heap_destroy(other);
}

/* Fill and empty the quarantine some times; the number of the heap that they come from and 1; NULL: of several. */
static void *replace_many(void *context)
{
    (void)context;
    enum { BLOCKS = 2000, ROUNDS = 60, BYTES = 400 };
    void **blocks = malloc(BLOCKS * sizeof *blocks);
    intptr_t heap = -1;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < BLOCKS; i++)
            blocks[i] = malloc(BYTES);
        for (unsigned i = 0; i < BLOCKS; i++) {
            struct pwheap_description found;
            assert_true(pwheap_describe(blocks[i], &found));
            if (heap == -1)
                heap = found.block.heap;
            else if (heap != (intptr_t)found.block.heap)
                heap = -2;
            give_back(blocks[i]);
        }
    }
    free(blocks);
    return (void *)(heap == -2 ? 0 : heap + 1);
}

/* Threads that were given different heaps write to each other's headers else. */
static void what_threads_of_a_heap_freed_does_not_come_to_threads_of_another(void **state)
{
    (void)state;
    if (!is_at_least("full") || is_at_least("guard"))
        return;
    for (unsigned run = 0; run < 6; run++) {
        pthread_t threads[2];
        void *heaps[2];
        for (unsigned i = 0; i < 1 + run % 2; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, replace_many, NULL), 0);
        for (unsigned i = 0; i < 1 + run % 2; i++) {
            assert_int_equal(pthread_join(threads[i], &heaps[i]), 0);
            if (heaps[i] == NULL)
                fail_msg("run %u: thread %u had blocks of several heaps", run, i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(growth_is_what_was_allocated_since_and_is_kept_at_full),
        cmocka_unit_test(nothing_has_grown_since_no_checkpoint),
        cmocka_unit_test(only_live_blocks_can_be_ignored),
        cmocka_unit_test(a_snapshot_is_an_elf_core_or_there_is_no_file_and_errno_says_why),
        cmocka_unit_test(fifty_heaps_can_be_had_at_a_time_and_then_none),
        cmocka_unit_test(a_heap_gives_aligned_blocks_of_any_size_that_go_with_it),
        cmocka_unit_test(blocks_that_shrink_where_they_are_make_the_quarantine_no_longer),
        cmocka_unit_test(a_block_of_another_heap_is_a_bad_free),
        cmocka_unit_test(what_threads_of_a_heap_freed_does_not_come_to_threads_of_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
