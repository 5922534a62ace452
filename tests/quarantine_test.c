/* quarantine_test.c - the quarantine's queue (check/quarantine.h). */
#include "check/poison.h"
#include "check/quarantine.h"

#include "base/random.h"
#include "os/memory.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int prepare(void **state)
{
    (void)state;
    pw_quarantine_init(pw_os_map);
    return 0;
}

static uint64_t maps;
static bool map_fails;

static void *counting_map(size_t size)
{
    maps++;
    return map_fails ? NULL : pw_os_map(size);
}

static struct pw_quarantine_batch *batch_of(uint64_t size, uintptr_t name)
{
    struct pw_quarantine_batch *batch = pw_quarantine_new_batch();
    assert_non_null(batch);
    assert_int_equal(batch->count, 0);
    assert_int_equal(batch->bytes, 0);
    batch->blocks[batch->count++] = (void *)name;
    batch->bytes = size;
    return batch;
}

static void what_came_first_leaves_first_as_soon_as_the_bound_is_passed(void **state)
{
    (void)state;
    enum { COUNT = 20 };
    uint64_t total = 0;
    for (uintptr_t i = 1; i <= COUNT; i++) {
        pw_quarantine_put(batch_of(i * 100, i), 0);
        total += i * 100;
        assert_int_equal(pw_quarantine_bytes(), total);
    }
    assert_null(pw_quarantine_take(total, 0));
    for (uintptr_t i = 1; i <= COUNT; i++) {
        struct pw_quarantine_batch *batch = pw_quarantine_take(total - 1, 0);
        assert_ptr_equal(batch->blocks[0], (void *)i);
        total -= i * 100;
        assert_int_equal(pw_quarantine_bytes(), total);
        assert_null(pw_quarantine_take(total, 0));
        pw_quarantine_free_batch(batch);
    }
    assert_null(pw_quarantine_take(0, 0));
    assert_int_equal(pw_quarantine_bytes(), 0);
    /* Empty it was, and goes on. */
    pw_quarantine_put(batch_of(1, 1), 0);
    pw_quarantine_put(batch_of(1, 2), 0);
    for (uintptr_t i = 1; i <= 2; i++) {
        struct pw_quarantine_batch *batch = pw_quarantine_take(0, 0);
        assert_ptr_equal(batch->blocks[0], (void *)i);
        pw_quarantine_free_batch(batch);
    }
}

static void the_bound_holds_for_a_stream_of_blocks_and_no_more_than_needed_leaves(void **state)
{
    (void)state;
    enum { LIMIT = 10000 };
    uint64_t seed = 14, put = 0, taken = 0;
    uintptr_t next_in = 1, next_out = 1;
    for (int step = 0; step < 3000; step++) {
        uint64_t size = 1 + pw_random_next(&seed) % 3000;
        pw_quarantine_put(batch_of(size, next_in++), 0);
        put += size;
        struct pw_quarantine_batch *batch;
        while ((batch = pw_quarantine_take(LIMIT, 0)) != NULL) {
            assert_true(put - taken > LIMIT);
            assert_ptr_equal(batch->blocks[0], (void *)next_out);
            next_out++;
            taken += batch->bytes;
            pw_quarantine_free_batch(batch);
        }
        assert_true(put - taken <= LIMIT);
        assert_int_equal(pw_quarantine_bytes(), put - taken);
    }
    struct pw_quarantine_batch *batch;
    while ((batch = pw_quarantine_take(0, 0)) != NULL)
        pw_quarantine_free_batch(batch);
}

static void a_queue_gives_its_own_unless_another_one_waits_for_much_longer(void **state)
{
    (void)state;
    enum { EACH = 20 };
    for (uintptr_t i = 0; i < 2 * EACH; i++)
        pw_quarantine_put(batch_of(1, i), (uint32_t)i % 2);
    /* By turns: each has its own back, which are every second one. */
    for (uintptr_t i = 0; i < EACH; i++) {
        struct pw_quarantine_batch *batch = pw_quarantine_take(2 * EACH - 1, (uint32_t)i % 2);
        assert_ptr_equal(batch->blocks[0], (void *)i);
        assert_int_equal(batch->queue, i % 2);
        pw_quarantine_put(batch_of(1, 100 + i), (uint32_t)i % 2);
        pw_quarantine_free_batch(batch);
    }
    /* The second one rests: what it has waits for a quarter longer than the first's, and goes. */
    uintptr_t own = EACH, other = EACH + 1;
    for (uint32_t i = 0; i < 4 * EACH; i++) {
        struct pw_quarantine_batch *batch = pw_quarantine_take(2 * EACH - 1, 0);
        uintptr_t name = (uintptr_t)batch->blocks[0];
        if (name < 2 * EACH)
            assert_int_equal(name, name % 2 == 0 ? own : other);
        own += name < 2 * EACH && name % 2 == 0 ? 2 : 0;
        other += name < 2 * EACH && name % 2 == 1 ? 2 : 0;
        if (other < 2 * EACH)
            assert_true(own <= other + 1 + 2 * EACH / 4);
        pw_quarantine_put(batch_of(1, 1000 + i), 0);
        pw_quarantine_free_batch(batch);
    }
    assert_true(other > 2 * EACH);
    for (uint32_t i = 0; i < 2 * EACH; i++)
        pw_quarantine_free_batch(pw_quarantine_take(0, 3));
    assert_null(pw_quarantine_take(0, 3));
}

static void batches_are_used_again_and_mapped_in_lots(void **state)
{
    (void)state;
    struct pw_quarantine_batch *batches[64];
    pw_quarantine_init(counting_map);
    for (int i = 0; i < 64; i++)
        batches[i] = batch_of(1, 1);
    for (int i = 0; i < 64; i++)
        for (int k = 0; k < i; k++)
            assert_ptr_not_equal(batches[i], batches[k]);
    assert_true(maps > 0 && maps <= 8);
    for (int i = 0; i < 64; i++) {
        batches[i]->count = PW_BATCH_BLOCKS;
        pw_quarantine_free_batch(batches[i]);
    }
    uint64_t before = maps;
    for (int round = 0; round < 1000; round++)
        pw_quarantine_free_batch(batch_of(1, 1));
    assert_int_equal(maps, before);
}

static void without_memory_there_is_no_batch_and_with_it_there_is_again(void **state)
{
    (void)state;
    enum { MOST = 1000 };
    static struct pw_quarantine_batch *batches[MOST];
    uint32_t count = 0;
    pw_quarantine_init(counting_map);
    map_fails = true;
    while (count < MOST && (batches[count] = pw_quarantine_new_batch()) != NULL)
        count++;
    assert_true(count < MOST);
    assert_null(pw_quarantine_new_batch());
    map_fails = false;
    batches[count] = pw_quarantine_new_batch();
    assert_non_null(batches[count]);
    for (uint32_t i = 0; i <= count; i++)
        pw_quarantine_free_batch(batches[i]);
}

enum { PRODUCERS = 2, PRODUCED = 20000 };
static _Atomic uint64_t producers_left;

static void *produce(void *context)
{
    uintptr_t producer = (uintptr_t)context;
    for (uintptr_t i = 1; i <= PRODUCED; i++) {
        struct pw_quarantine_batch *batch = pw_quarantine_new_batch();
        ENSURE(batch != NULL && batch->count == 0);
        batch->blocks[batch->count++] = (void *)(producer << 32 | i);
        batch->bytes = 1;
        pw_quarantine_put(batch, (uint32_t)producer);
    }
    producers_left--;
    return NULL;
}

static void threads_lose_and_double_nothing_and_each_ones_blocks_leave_in_its_order(void **state)
{
    (void)state;
    pthread_t threads[PRODUCERS];
    uintptr_t next[PRODUCERS];
    pw_quarantine_init(pw_os_map);
    producers_left = PRODUCERS;
    for (uintptr_t i = 0; i < PRODUCERS; i++) {
        next[i] = 1;
        assert_int_equal(pthread_create(&threads[i], NULL, produce, (void *)i), 0);
    }
    for (;;) {
        bool was_last = producers_left == 0;
        struct pw_quarantine_batch *batch = pw_quarantine_take(was_last ? 0 : 50, 0);
        if (batch == NULL && was_last)
            break;
        if (batch == NULL) {
            (void)sched_yield();
            continue;
        }
        uintptr_t name = (uintptr_t)batch->blocks[0];
        assert_int_equal(name & 0xffffffff, next[name >> 32]);
        next[name >> 32]++;
        pw_quarantine_free_batch(batch);
    }
    for (uintptr_t i = 0; i < PRODUCERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(next[i], PRODUCED + 1);
    }
    assert_int_equal(pw_quarantine_bytes(), 0);
}

static void *ask_for_bytes(void *context)
{
    *(uint64_t *)context = pw_quarantine_bytes();
    return NULL;
}

static void around_fork_the_queue_is_held_and_then_let_go(void **state)
{
    (void)state;
    pthread_t thread;
    uint64_t seen = 99;
    pw_quarantine_before_fork();
    assert_int_equal(pthread_create(&thread, NULL, ask_for_bytes, &seen), 0);
    for (int i = 0; i < 100; i++)
        (void)sched_yield();
    assert_int_equal(seen, 99);
    pw_quarantine_after_fork();
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(seen, 0);
}

int main(void)
{
    if (PW_WIDE_BYTES > 16 && !pw_has_wide_vectors()) {
        printf("the processor has no vectors of %d bytes\n", (int)PW_WIDE_BYTES);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_came_first_leaves_first_as_soon_as_the_bound_is_passed),
        cmocka_unit_test(the_bound_holds_for_a_stream_of_blocks_and_no_more_than_needed_leaves),
        cmocka_unit_test(a_queue_gives_its_own_unless_another_one_waits_for_much_longer),
        cmocka_unit_test(batches_are_used_again_and_mapped_in_lots),
        cmocka_unit_test(without_memory_there_is_no_batch_and_with_it_there_is_again),
        cmocka_unit_test(threads_lose_and_double_nothing_and_each_ones_blocks_leave_in_its_order),
        cmocka_unit_test(around_fork_the_queue_is_held_and_then_let_go),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
