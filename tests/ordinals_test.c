/* ordinals_test.c - more threads than the table of threads has entries. Linked with the library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "image/seal.h"

#include <pthread.h>
#include <stdlib.h>

enum { MAKERS = 4, THREADS = 1000 };
static _Atomic bool is_over;
static uint32_t most_told;

static void *watch_count(void *unused)
{
    while (!atomic_load(&is_over)) {
        uint32_t count = atomic_load(&pw_root.thread_count);
        most_told = count > most_told ? count : most_told;
    }
    return unused;
}

static void *allocate(void *unused)
{
    void *volatile block = malloc(10);
    free(block);
    return unused;
}

static void *make_threads(void *unused)
{
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, allocate, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    return unused;
}

/* Readers take the count for the length of the table. */
static void the_count_of_threads_never_says_more_than_the_table_has(void **state)
{
    pthread_t watcher, makers[MAKERS];
    (void)state;
    free(malloc(1));
    atomic_store(&pw_root.thread_count, PW_MAX_THREADS - MAKERS);
    assert_int_equal(pthread_create(&watcher, NULL, watch_count, NULL), 0);
    for (int i = 0; i < MAKERS; i++)
        assert_int_equal(pthread_create(&makers[i], NULL, make_threads, NULL), 0);
    for (int i = 0; i < MAKERS; i++)
        assert_int_equal(pthread_join(makers[i], NULL), 0);
    atomic_store(&is_over, true);
    assert_int_equal(pthread_join(watcher, NULL), 0);
    assert_int_equal(most_told, PW_MAX_THREADS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_count_of_threads_never_says_more_than_the_table_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
