/*
 * api_test.c - pwheap.h as an embedder uses it: what each function promises, and each error that it names. Linked with
 * the library; the level is that of the environment. What reports say is the death tests' business.
 */
#include "pwheap/pwheap.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { ODD_ERRNO = 4711 };

/* The environment says exitcode=5. */
const char *pwheap_default_options(void)
{
    return "max_leaks=7:exitcode=3";
}

static bool is_at_least(const char *level)
{
    static const char *const levels[] = {"off", "fast", "full", "guard"};
    char now[16];
    int place = -1, wanted = -1;
    assert_true(pwheap_option_get("level", now, sizeof now) > 0);
    for (int i = 0; i < 4; i++) {
        place = strcmp(levels[i], now) == 0 ? i : place;
        wanted = strcmp(levels[i], level) == 0 ? i : wanted;
    }
    assert_true(place >= 0 && wanted >= 0);
    return place >= wanted;
}

/* Freed by a pointer that the compiler doesn't follow. */
static void give_back(void *block)
{
    void *volatile hidden = block;
    free(hidden);
}

/* -- Errors, taken by a callback */

static struct {
    unsigned count;
    char kind[64];
    const void *address;
    struct pwheap_description where;
    bool text_is_whole, is_context;
} taken;

static bool take(void *context, const struct pwheap_error *error)
{
    taken.count++;
    (void)snprintf(taken.kind, sizeof taken.kind, "%s", error->kind);
    taken.address = error->address;
    taken.where = error->where;
    taken.text_is_whole = strstr(error->text, error->kind) != NULL && error->text_length == strlen(error->text) &&
                          error->fingerprint != 0;
    taken.is_context = context == &taken;
    return true;
}

static void start_taking(void)
{
    memset(&taken, 0, sizeof taken);
    assert_true(pwheap_set_error_callback(take, &taken) == NULL);
}

static void stop_taking(void)
{
    assert_true(pwheap_set_error_callback(NULL, NULL) == take);
}

static void an_error_is_told_to_the_callback_and_the_program_goes_on(void **state)
{
    (void)state;
    char *block = malloc(100);
    struct pwheap_statistics before, after;
    pwheap_stats(&before);
    give_back(block);
    start_taking();
    give_back(block);
    stop_taking();
    pwheap_stats(&after);
    assert_int_equal(taken.count, 1);
    assert_string_equal(taken.kind, "double-free");
    assert_ptr_equal(taken.address, block);
    assert_true(taken.text_is_whole && taken.is_context);
    assert_ptr_equal(taken.where.block.address, block);
    assert_int_not_equal(taken.where.block.state, PWHEAP_STATE_LIVE);
    assert_int_equal(after.faults, before.faults + 1);
}

/* -- Options */

static void options_of_the_program_count_and_the_environment_wins(void **state)
{
    char value[16];
    (void)state;
    assert_int_equal(pwheap_option_get("max_leaks", value, sizeof value), 1);
    assert_string_equal(value, "7");
    assert_int_equal(pwheap_option_get("exitcode", value, sizeof value), 1);
    assert_string_equal(value, "5");
}

static void an_option_s_value_is_cut_and_its_full_length_told(void **state)
{
    char value[4] = "xxx";
    (void)state;
    errno = ODD_ERRNO;
    assert_int_equal(pwheap_option_get("guard_pages", value, sizeof value), 4);
    assert_string_equal(value, "aut");
    assert_int_equal(pwheap_option_get("guard_pages", NULL, 0), 4);
    assert_int_equal(pwheap_option_get("log_path", value, sizeof value), 0);
    assert_string_equal(value, "");
    assert_int_equal(errno, ODD_ERRNO);
    static const char *const none[] = {"no_such", "", NULL};
    for (size_t i = 0; i < 3; i++) {
        errno = 0;
        assert_int_equal(pwheap_option_get(none[i], value, sizeof value), -1);
        assert_int_equal(errno, EINVAL);
    }
}

static void assert_refused(const char *name, const char *value, int error)
{
    errno = 0;
    assert_int_equal(pwheap_option_set(name, value), -1);
    assert_int_equal(errno, error);
}

static void an_option_is_set_or_refused_and_then_as_it_was(void **state)
{
    char value[16];
    (void)state;
    assert_int_equal(pwheap_option_set("max_leaks", "12"), 0);
    assert_int_equal(pwheap_option_get("max_leaks", value, sizeof value), 2);
    assert_string_equal(value, "12");
    assert_refused("max_leaks", "-1", EINVAL);
    assert_refused("max_leaks", "12 ", EINVAL);
    assert_refused("max_leaks", "", EINVAL);
    assert_refused("max_leaks", NULL, EINVAL);
    assert_refused("max_leak", "1", EINVAL);
    assert_refused(NULL, "1", EINVAL);
    assert_refused("redzone", "64", EPERM);
    assert_refused("level", "full", EPERM);
    assert_int_equal(pwheap_option_get("max_leaks", value, sizeof value), 2);
    assert_string_equal(value, "12");
}

static void an_option_that_is_set_holds_from_then_on(void **state)
{
    void *volatile block;
    (void)state;
    assert_int_equal(pwheap_option_set("max_allocation_size_mb", "1"), 0);
    errno = 0;
    block = malloc(3 << 20);
    assert_null(block);
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(pwheap_option_set("max_allocation_size_mb", "0"), 0);
    block = malloc(3 << 20);
    assert_non_null(block);
    free(block);
}

/* -- Questions */

static void an_address_is_told_by_the_block_that_it_is_in(void **state)
{
    struct pwheap_description told;
    char *block = malloc(100);
    (void)state;
    assert_true(pwheap_describe(block + 40, &told));
    assert_int_equal(told.relation, PWHEAP_RELATION_INSIDE);
    assert_int_equal(told.offset, 40);
    assert_ptr_equal(told.block.address, block);
    assert_int_equal(told.block.size, 100);
    assert_true(told.block.block_size >= 100);
    assert_int_equal(told.block.state, PWHEAP_STATE_LIVE);
    assert_int_equal(told.block.family, PWHEAP_FAMILY_MALLOC);
    assert_int_equal(told.block.alloc_frame_count > 0 && told.block.number > 0, is_at_least("full"));
    give_back(block);
    assert_true(pwheap_describe(block, &told));
    assert_int_not_equal(told.block.state, PWHEAP_STATE_LIVE);
    assert_int_equal(told.block.size, 100);
    assert_int_equal(told.block.free_frame_count > 0, is_at_least("full"));
}

static void what_is_no_block_is_not_described(void **state)
{
    struct pwheap_description told;
    int on_the_stack = 0;
    (void)state;
    assert_false(pwheap_describe(&on_the_stack, &told));
    assert_false(pwheap_describe(NULL, &told));
    assert_false(pwheap_describe((void *)UINTPTR_MAX, &told));
    assert_false(pwheap_describe((void *)(uintptr_t)pwheap_describe, &told));
}

struct walk {
    const void *wanted;
    size_t seen, all, stop_after;
};

static bool visit(void *context, const struct pwheap_block *block)
{
    struct walk *walk = context;
    if (block->address == walk->wanted && block->state == PWHEAP_STATE_LIVE)
        walk->seen++;
    walk->all++;
    give_back(malloc(walk->all % 1000)); /* it may */
    return walk->all != walk->stop_after;
}

static void a_walk_meets_each_block_once_and_ends_where_it_is_told_to(void **state)
{
    static const size_t sizes[] = {0, 1, 500, 7000, 300000};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct walk walk = {.wanted = malloc(sizes[i])};
        size_t visited = pwheap_walk(visit, &walk);
        assert_int_equal(visited, walk.all);
        assert_int_equal(walk.seen, 1);
        free((void *)(uintptr_t)walk.wanted);
    }
    struct walk some = {.stop_after = 3};
    assert_int_equal(pwheap_walk(visit, &some), 3);
    assert_int_equal(some.all, 3);
}

static void the_figures_are_those_of_the_blocks(void **state)
{
    enum { BLOCKS = 50, SMALL = 700, LARGE = 200000 };
    static void *blocks[BLOCKS + 1];
    struct pwheap_statistics before, with, after;
    (void)state;
    pwheap_stats(&before);
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = malloc(SMALL);
    blocks[BLOCKS] = malloc(LARGE);
    pwheap_stats(&with);
    assert_int_equal(with.live_blocks - before.live_blocks, BLOCKS + 1);
    assert_int_equal(with.live_bytes - before.live_bytes, BLOCKS * SMALL + LARGE);
    assert_int_equal(with.mapped_blocks - before.mapped_blocks, 1);
    assert_int_equal(with.mapped_bytes - before.mapped_bytes, LARGE);
    assert_true(with.region_bytes >= with.live_bytes && with.metadata_bytes > 0);
    for (size_t i = 0; i <= BLOCKS; i++)
        free(blocks[i]);
    pwheap_stats(&after);
    assert_int_equal(after.live_blocks, before.live_blocks);
    assert_int_equal(after.live_bytes, before.live_bytes);
    if (is_at_least("full"))
        assert_true(after.quarantined_blocks >= before.quarantined_blocks + BLOCKS);
}

/* One without guard pages, which at full the first of a place have, and at guard all; NULL: there is none. */
static char *unguarded_block(size_t size)
{
    enum { TRIES = 64 };
    static char *tried[TRIES];
    size_t count = 0;
    char *found = NULL;
    while (found == NULL && count < TRIES) {
        struct pwheap_description told;
        tried[count] = malloc(size);
        assert_true(pwheap_describe(tried[count], &told));
        if (told.block.block_size < 4096)
            found = tried[count];
        else
            count++;
    }
    while (count > 0)
        free(tried[--count]);
    return found;
}

static void a_validation_counts_what_is_damaged_and_only_that(void **state)
{
    (void)state;
    char *volatile block = unguarded_block(24);
    assert_int_equal(block == NULL, is_at_least("guard"));
    assert_int_equal(pwheap_validate(), 0);
    if (!is_at_least("fast") || block == NULL) {
        free(block);
        return;
    }
    char was = block[24];
    block[24] = (char)(was ^ 1);
    start_taking();
    assert_int_equal(pwheap_validate(), 1);
    stop_taking();
    assert_int_equal(taken.count, 1);
    assert_string_equal(taken.kind, "heap-buffer-overflow");
    assert_int_equal(taken.where.relation, PWHEAP_RELATION_AFTER);
    assert_ptr_equal(taken.where.block.address, block);
    block[24] = was;
    assert_int_equal(pwheap_validate(), 0);
    free(block);
}

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
        cmocka_unit_test(an_error_is_told_to_the_callback_and_the_program_goes_on),
        cmocka_unit_test(options_of_the_program_count_and_the_environment_wins),
        cmocka_unit_test(an_option_s_value_is_cut_and_its_full_length_told),
        cmocka_unit_test(an_option_is_set_or_refused_and_then_as_it_was),
        cmocka_unit_test(an_option_that_is_set_holds_from_then_on),
        cmocka_unit_test(an_address_is_told_by_the_block_that_it_is_in),
        cmocka_unit_test(what_is_no_block_is_not_described),
        cmocka_unit_test(a_walk_meets_each_block_once_and_ends_where_it_is_told_to),
        cmocka_unit_test(the_figures_are_those_of_the_blocks),
        cmocka_unit_test(a_validation_counts_what_is_damaged_and_only_that),
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
