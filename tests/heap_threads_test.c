/* heap_threads_test.c - the core heap around fork, and with threads. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "child.h"
#include "heap_fixture.h"

/* ---- fork and threads ---- */

static int allocate_in_child(void *context)
{
    (void)context;
    pw_heap_after_fork(true);
    void *block = pw_heap_alloc(&pw_heaps[0], 100);
    void *big = pw_heap_alloc(&pw_heaps[1], 100000);
    if (block == NULL || big == NULL)
        return 1;
    pw_heap_free(block);
    pw_heap_free(big);
    return 0;
}

static void around_fork_every_lock_is_held_and_afterwards_none(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    pw_heap_before_fork();
    for (uint32_t i = 0; i < PW_MAX_HEAPS; i++)
        assert_true(pw_lock_is_held(&pw_heap_gates[i].lock));
    assert_int_equal(in_child(allocate_in_child, NULL), 0);
    pw_heap_after_fork(false);
    for (uint32_t i = 0; i < PW_MAX_HEAPS; i++)
        assert_false(pw_lock_is_held(&pw_heap_gates[i].lock));
    pw_heap_free(pw_heap_alloc(&pw_heaps[0], 1));
}

enum { EXCHANGED = 64, THREADS = 2, THREAD_STEPS = 30000 };
static _Atomic(void *) exchange[EXCHANGED];

/* Take blocks and give those of whoever put them there. */
static void *exchange_blocks(void *context)
{
    uint64_t random = (uint64_t)context;
    for (int step = 0; step < THREAD_STEPS; step++) {
        uint64_t r = pw_random_next(&random);
        uint64_t bytes = r % 64 == 0 ? 20000 + r % 50000 : 1 + r % 2000;
        uint64_t *block = pw_heap_alloc(&pw_heaps[r / 256 % 2], bytes);
        ENSURE(block != NULL);
        block[0] = r;
        uint64_t *old = atomic_exchange(&exchange[r / 1024 % EXCHANGED], block);
        if (old != NULL)
            pw_heap_free(old);
    }
    return NULL;
}

static void threads_that_free_each_others_blocks_leave_sound_heaps(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, exchange_blocks, (void *)(i + 7)), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    check_shape(&pw_heaps[0]);
    check_shape(&pw_heaps[1]);
    for (uint32_t i = 0; i < EXCHANGED; i++) {
        void *block = atomic_exchange(&exchange[i], NULL);
        if (block != NULL)
            pw_heap_free(block);
    }
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(check_shape(&pw_heaps[i]).live_pages, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(around_fork_every_lock_is_held_and_afterwards_none),
        cmocka_unit_test(threads_that_free_each_others_blocks_leave_sound_heaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
