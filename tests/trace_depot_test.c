/* trace_depot_test.c - the stack depot (trace/depot.h, image/stack.h): one id for one stack, for good. */
#include "image/stack.h"
#include "os/memory.h"
#include "trace/depot.h"
#include "trace/recent.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 200000, THREADS = 4, SHARED = 20000 };

/* The n-th of many traces, of 1 to 64 frames; those of neighbours have most frames in common. */
static size_t trace_make(uint64_t *frames, uint32_t n)
{
    size_t count = 1 + n % PW_MAX_FRAMES;
    for (size_t i = 0; i < count; i++)
        frames[i] = 0x7f0000000000 + i * 0x1234 + (i == n % count ? (uint64_t)n * 16 : 0);
    return count;
}

static void assert_holds(uint32_t id, const uint64_t *frames, size_t count)
{
    uint64_t stored[PW_MAX_FRAMES];
    assert_int_equal(pw_depot_get(id, stored, PW_MAX_FRAMES), count);
    assert_memory_equal(stored, frames, count * sizeof *frames);
}

static void a_trace_has_one_id_and_the_id_gives_the_trace(void **state)
{
    (void)state;
    uint64_t frames[PW_MAX_FRAMES];
    for (uint32_t n = 0; n < 1000; n++) {
        size_t count = trace_make(frames, n);
        uint32_t id = pw_depot_put(frames, count);
        assert_int_not_equal(id, 0);
        assert_int_equal(pw_depot_put(frames, count), id);
        assert_holds(id, frames, count);
    }
}

static void
traces_that_differ_in_one_frame_or_their_order_or_length_have_different_ids(void **state)
{
    (void)state;
    uint64_t frames[16];
    uint32_t ids[64];
    size_t known = 0;
    for (size_t i = 0; i < 16; i++)
        frames[i] = 0x1000 * i;
    for (size_t i = 1; i <= 16; i++)
        ids[known++] = pw_depot_put(frames, i);
    for (size_t i = 0; i < 16; i++) {
        frames[i]++;
        ids[known++] = pw_depot_put(frames, 16);
        frames[i]--;
    }
    for (size_t i = 0; i + 1 < 16; i++) {
        uint64_t first = frames[i];
        frames[i] = frames[i + 1];
        frames[i + 1] = first;
        ids[known++] = pw_depot_put(frames, 16);
        frames[i + 1] = frames[i];
        frames[i] = first;
    }
    for (size_t i = 0; i < known; i++)
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(ids[i], ids[j]);
}

static void an_empty_trace_is_no_trace(void **state)
{
    (void)state;
    uint64_t frame = 1;
    assert_int_equal(pw_depot_put(&frame, 0), 0);
    assert_int_equal(pw_depot_get(0, &frame, 1), 0);
}

static void a_trace_is_cut_at_the_most_frames_and_at_the_readers_room(void **state)
{
    (void)state;
    uint64_t frames[PW_MAX_FRAMES + 10];
    uint64_t stored[PW_MAX_FRAMES + 10] = {0};
    for (size_t i = 0; i < PW_ARRAY_SIZE(frames); i++)
        frames[i] = i + 77;
    uint32_t id = pw_depot_put(frames, PW_ARRAY_SIZE(frames));
    assert_holds(id, frames, PW_MAX_FRAMES);
    assert_int_equal(pw_depot_get(id, stored, 3), 3);
    assert_int_equal(stored[2], 79);
    assert_int_equal(stored[3], 0);
}

static void ids_hold_while_the_depot_grows(void **state)
{
    (void)state;
    static uint32_t ids[MANY];
    uint64_t frames[PW_MAX_FRAMES];
    size_t before = pw_depot_bytes();
    for (uint32_t n = 0; n < MANY; n++) {
        size_t count = trace_make(frames, n);
        ids[n] = pw_depot_put(frames, count);
        assert_int_not_equal(ids[n], 0);
    }
    assert_true(pw_depot_bytes() > before + (8 << 20));
    for (uint32_t n = 0; n < MANY; n++) {
        size_t count = trace_make(frames, n);
        assert_holds(ids[n], frames, count);
        assert_int_equal(pw_depot_put(frames, count), ids[n]);
    }
}

static uint64_t sum_of(const uint64_t *frames, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = count; i-- > 0;)
        sum = pw_depot_hash_add(sum, frames[i]);
    return sum;
}

static void the_hash_of_inner_frames_follows_from_two_sums_and_finds_the_trace(void **state)
{
    (void)state;
    uint64_t frames[PW_MAX_FRAMES];
    for (uint32_t n = 1; n < 4000; n++) {
        size_t all = trace_make(frames, 30 * MANY + n);
        for (size_t count = 1; count <= all; count += 1 + count / 4) {
            uint64_t hash = pw_depot_hash_of(sum_of(frames, all), sum_of(frames + count, all - count), count);
            if (hash != pw_depot_hash_of(sum_of(frames, count), 0, count))
                fail_msg("%u of %u frames", (unsigned)count, (unsigned)all);
            uint32_t id = pw_depot_put(frames, count);
            assert_int_equal(pw_depot_find(hash, count), id);
            assert_int_equal(pw_depot_find(hash + 1, count), 0);
        }
    }
}

static void the_trace_that_was_added_next_is_found_by_the_one_before(void **state)
{
    (void)state;
    enum { TRACES = 60000 }; /* over the end of a chunk */
    uint64_t frames[PW_MAX_FRAMES], hash;
    uint32_t before = 0, found = 0;
    for (uint32_t n = 0; n < TRACES; n++) {
        size_t count = trace_make(frames, 50 * MANY + n);
        hash = pw_depot_hash_of(sum_of(frames, count), 0, count);
        if (before != 0)
            assert_int_equal(pw_depot_find_next(before, hash, count), 0); /* nothing was added yet */
        uint32_t id = pw_depot_put(frames, count);
        uint32_t next = before == 0 ? 0 : pw_depot_find_next(before, hash, count);
        assert_true(next == 0 || next == id);
        found += next != 0;
        if (before != 0)
            assert_int_equal(pw_depot_find_next(before, hash + 1, count), 0);
        before = id;
    }
    assert_in_range(found, TRACES - 20, TRACES - 1);
}

static void an_id_that_is_none_gives_no_frames(void **state)
{
    (void)state;
    uint64_t frames[PW_MAX_FRAMES];
    uint64_t stored[PW_MAX_FRAMES];
    size_t count = trace_make(frames, 12345);
    uint32_t id = pw_depot_put(frames, count);
    /* Within a stack: neither its middle nor its end is the start of another. */
    for (uint32_t i = 1; i < 2 + count; i++)
        assert_int_equal(pw_depot_get(id + i, stored, PW_MAX_FRAMES), 0);
    uint32_t used = atomic_load(&pw_depot_image->used);
    for (uint32_t i = 0; i < 100000; i++)
        assert_int_equal(pw_depot_get(used + i * 40009, stored, PW_MAX_FRAMES), 0);
    assert_int_equal(pw_depot_get(UINT32_MAX, stored, PW_MAX_FRAMES), 0);
}

/* ---- stacks that share their outer frames ---- */

static uint32_t units_used(void)
{
    return atomic_load(&pw_depot_image->used);
}

/* A recursion: each trace is one frame more than the one before, and from the 64th on the outermost is cut off. */
static void a_trace_that_goes_on_from_another_is_stored_by_its_own_frames(void **state)
{
    (void)state;
    enum { LEVELS = 300, HEAD_UNITS = 2, LINK_UNITS = 1 };
    static uint64_t all[LEVELS + 1]; /* innermost first */
    uint32_t id = 0;
    for (int n = 0; n <= LEVELS; n++)
        all[n] = 0x7a0000000000 + (uint64_t)n * 0x41;
    for (size_t depth = 1; depth <= LEVELS; depth++) {
        const uint64_t *frames = &all[LEVELS - depth];
        size_t count = depth < PW_MAX_FRAMES ? depth : PW_MAX_FRAMES;
        uint32_t used = units_used();
        struct pw_depot_place rest = {.id = id, .index = 0};
        id = count == 1 ? pw_depot_put(frames, 1) : pw_depot_put_before(frames, count, 1, rest);
        assert_int_not_equal(id, 0);
        assert_in_range(units_used() - used, HEAD_UNITS + 1, HEAD_UNITS + 1 + LINK_UNITS);
        assert_holds(id, frames, count);
        assert_int_equal(pw_depot_put(frames, count), id); /* however it is stored */
    }
}

/* Other traces leave that recursion from every depth, by one to four frames, before `skip` of its frames. */
static void a_trace_may_go_on_from_any_frame_of_another(void **state)
{
    (void)state;
    uint64_t frames[PW_MAX_FRAMES], trunk[PW_MAX_FRAMES];
    uint32_t ids[PW_MAX_FRAMES + 1] = {0};
    for (size_t i = 0; i < PW_MAX_FRAMES; i++)
        trunk[i] = 0x7b0000000000 + i * 0x57;
    for (uint32_t depth = 1; depth <= PW_MAX_FRAMES; depth++) {
        struct pw_depot_place rest = {.id = ids[depth - 1], .index = 0};
        const uint64_t *start = &trunk[PW_MAX_FRAMES - depth];
        ids[depth] = depth == 1 ? pw_depot_put(start, 1) : pw_depot_put_before(start, depth, 1, rest);
    }
    for (uint32_t depth = 1; depth <= PW_MAX_FRAMES; depth++)
        for (uint32_t skip = 0; skip < depth; skip++)
            for (uint32_t own = 1; own <= 4 && own + depth - skip <= PW_MAX_FRAMES; own++) {
                size_t count = own + depth - skip;
                struct pw_depot_place rest = {.id = ids[depth], .index = skip};
                for (uint32_t i = 0; i < own; i++)
                    frames[i] = UINT64_C(0x7c0000000000) + own * 0x1000 + i;
                memcpy(frames + own, &trunk[PW_MAX_FRAMES - depth + skip], (depth - skip) * sizeof *frames);
                assert_true(pw_depot_place_has(rest, depth - skip));
                assert_false(pw_depot_place_has(rest, depth - skip + 1));
                assert_holds(pw_depot_put_before(frames, count, own, rest), frames, count);
            }
    assert_false(pw_depot_place_has((struct pw_depot_place){0}, 1));
}

/* Units of 8 bytes as a depot of ids 0 to 39, which anybody may have written to. */
static uint64_t hostile[40];

static bool read_hostile(void *context, uint32_t id, uint64_t offset, void *to, uint64_t bytes)
{
    (void)context;
    if (id * UINT64_C(8) + offset + bytes > sizeof hostile)
        return false;
    memcpy(to, (const char *)hostile + id * 8 + offset, bytes);
    return true;
}

static void stack_at(uint32_t id, uint8_t count, uint8_t own, uint8_t skip, uint64_t rest)
{
    struct pw_stack stack = {.hash = 99, .count = count, .own = own, .skip = skip};
    memcpy(&hostile[id], &stack, sizeof stack);
    for (uint32_t i = 0; i < own && id + 2 + i < PW_ARRAY_SIZE(hostile); i++)
        hostile[id + 2 + i] = id * 100 + i;
    if (id + 2u + own < PW_ARRAY_SIZE(hostile))
        hostile[id + 2 + own] = rest;
}

/* Stack 20 goes on with the last two frames of stack 10. */
static size_t frames_of_20(uint8_t count, uint8_t own, uint8_t skip, uint64_t rest)
{
    uint64_t frames[PW_MAX_FRAMES], hash;
    memset(hostile, 0, sizeof hostile);
    stack_at(10, 3, 3, 0, 0);
    stack_at(20, count, own, skip, rest);
    return pw_stack_frames(read_hostile, NULL, 20, frames, &hash);
}

static void a_damaged_stack_gives_no_frames_and_is_read_to_an_end(void **state)
{
    (void)state;
    uint64_t frames[PW_MAX_FRAMES], hash;
    assert_int_equal(frames_of_20(4, 2, 1, 10), 4);
    assert_int_equal(pw_stack_frames(read_hostile, NULL, 20, frames, &hash), 4);
    assert_memory_equal(frames, ((uint64_t[]){2000, 2001, 1001, 1002}), 4 * sizeof *frames);
    assert_int_equal(hash, 99);
    assert_int_equal(frames_of_20(5, 2, 1, 10), 0);  /* stack 10 has no more */
    assert_int_equal(frames_of_20(4, 2, 2, 10), 0);  /* nor from there on */
    assert_int_equal(frames_of_20(4, 2, 0, 20), 0);  /* itself */
    assert_int_equal(frames_of_20(4, 2, 0, 30), 0);  /* a younger one */
    assert_int_equal(frames_of_20(4, 2, 0, 0), 0);   /* none */
    assert_int_equal(frames_of_20(4, 2, 0, 5), 0);   /* where there is none */
    assert_int_equal(frames_of_20(4, 0, 0, 10), 0);  /* nothing of its own */
    assert_int_equal(frames_of_20(4, 5, 0, 10), 0);  /* more than there are */
    assert_int_equal(frames_of_20(0, 0, 0, 10), 0);
    assert_int_equal(frames_of_20(PW_MAX_FRAMES + 1, 2, 0, 10), 0);
    assert_int_equal(frames_of_20(30, 30, 0, 0), 0); /* over the end */
    assert_int_equal(pw_stack_frames(read_hostile, NULL, 0, frames, &hash), 0);
    assert_int_equal(pw_stack_frames(read_hostile, NULL, 39, frames, &hash), 0);
}

struct putter {
    pthread_t thread;
    uint32_t ids[SHARED];
};

static void *put_all(void *argument)
{
    struct putter *putter = argument;
    uint64_t frames[PW_MAX_FRAMES];
    for (uint32_t n = 0; n < SHARED; n++)
        putter->ids[n] = pw_depot_put(frames, trace_make(frames, MANY + n));
    return NULL;
}

static void threads_that_put_the_same_traces_at_once_get_the_same_ids(void **state)
{
    (void)state;
    static struct putter putters[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&putters[i].thread, NULL, put_all, &putters[i]), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(putters[i].thread, NULL);
    for (uint32_t n = 0; n < SHARED; n++) {
        uint64_t frames[PW_MAX_FRAMES];
        size_t count = trace_make(frames, MANY + n);
        assert_holds(putters[0].ids[n], frames, count);
        for (size_t i = 1; i < THREADS; i++)
            assert_int_equal(putters[i].ids[n], putters[0].ids[n]);
    }
}

static void without_memory_new_traces_have_no_id_and_known_ones_keep_theirs(void **state)
{
    (void)state;
    uint64_t frames[PW_MAX_FRAMES];
    size_t count = trace_make(frames, 5);
    uint32_t known = pw_depot_put(frames, count);
    uint32_t refused = 0;
    errno = 4711;
    pw_os_fail_next(1, 1);
    for (uint32_t n = 0; n < 40000 && refused == 0; n++) {
        uint64_t other[PW_MAX_FRAMES];
        size_t other_count = trace_make(other, 10 * MANY + n);
        refused = pw_depot_put(other, other_count) == 0;
    }
    assert_int_equal(refused, 1);
    assert_int_equal(pw_depot_put(frames, count), known);
    assert_int_equal(errno, 4711);
    pw_os_fail_next(0, 0);
    frames[0]++;
    assert_int_not_equal(pw_depot_put(frames, count), 0);
}

static int set_up(void **state)
{
    (void)state;
    return pw_depot_init() && pw_depot_init() ? 0 : -1;
}

/* Hashes of one set of the table, each with an id of its own. */
static uint64_t hash_in_set(uint64_t set, uint32_t id)
{
    return set << (64 - PW_RECENT_BITS) | (uint64_t)id * 0x10001;
}

/* Before the other tests of it. */
static void the_first_set_of_recent_ids_that_is_full_brings_all_into_use(void **state)
{
    (void)state;
    enum { FIRST = 1 << PW_RECENT_FIRST_BITS, SET = FIRST + 3 };
    assert_ptr_equal(pw_recent_set_of(hash_in_set(SET, 1)), &pw_recent_sets[3]);
    for (uint32_t id = 1; id <= PW_RECENT_WAYS; id++)
        pw_recent_keep(hash_in_set(SET, id), id);
    for (uint32_t id = 1; id <= PW_RECENT_WAYS; id++)
        assert_int_equal(pw_recent_find(hash_in_set(SET, id)), id);
    pw_recent_keep(hash_in_set(SET, 9), 9);
    assert_ptr_equal(pw_recent_set_of(hash_in_set(SET, 9)), &pw_recent_sets[SET]);
    assert_int_equal(pw_recent_find(hash_in_set(SET, 9)), 9);
    for (uint32_t id = 1; id <= PW_RECENT_WAYS; id++)
        assert_int_equal(pw_recent_find(hash_in_set(SET, id)), 0);
    pw_recent_sets[3] = pw_recent_sets[SET] = (struct pw_recent_set){0};
}

static void what_was_wanted_lately_is_found_by_its_hash_alone(void **state)
{
    (void)state;
    for (uint64_t set = 0; set < 1 << PW_RECENT_BITS; set += 37)
        for (uint32_t id = 1; id <= 2 * PW_RECENT_WAYS; id++) {
            assert_int_equal(pw_recent_find(hash_in_set(set, id)), 0);
            pw_recent_keep(hash_in_set(set, id), id);
            for (uint32_t other = 1; other <= id; other++)
                assert_int_equal(pw_recent_find(hash_in_set(set, other)), other + PW_RECENT_WAYS > id ? other : 0);
            assert_int_equal(pw_recent_find(hash_in_set(set, id) + 1), 0);
        }
}

static void halves_of_two_recent_ids_stand_for_neither(void **state)
{
    (void)state;
    uint64_t hash = hash_in_set(5, 1000), other = hash_in_set(5, 2000);
    pw_recent_keep(hash, 1000);
    atomic_store(&pw_recent_set_of(hash)->ways[0].id, 2000);
    assert_int_equal(pw_recent_find(hash), 0);
    assert_int_equal(pw_recent_find(other), 0);
    atomic_store(&pw_recent_set_of(hash)->ways[0].check, other ^ 2000);
    assert_int_equal(pw_recent_find(other), 2000);
}

static void *keep_and_find(void *argument)
{
    uint32_t wrong = 0;
    uint32_t from = *(uint32_t *)argument;
    for (uint32_t i = 0; i < 200000; i++) {
        uint32_t id = 1 + (from + i * 7) % 23;
        uint32_t found = pw_recent_find(hash_in_set(9, id));
        wrong += found != 0 && found != id;
        pw_recent_keep(hash_in_set(9, id), id);
    }
    *(uint32_t *)argument = wrong;
    return NULL;
}

static void threads_that_keep_in_one_place_find_no_others_ids(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    uint32_t arguments[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        arguments[i] = i * 5;
        assert_int_equal(pthread_create(&threads[i], NULL, keep_and_find, &arguments[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(arguments[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trace_has_one_id_and_the_id_gives_the_trace),
        cmocka_unit_test(
            traces_that_differ_in_one_frame_or_their_order_or_length_have_different_ids),
        cmocka_unit_test(an_empty_trace_is_no_trace),
        cmocka_unit_test(a_trace_is_cut_at_the_most_frames_and_at_the_readers_room),
        cmocka_unit_test(ids_hold_while_the_depot_grows),
        cmocka_unit_test(the_hash_of_inner_frames_follows_from_two_sums_and_finds_the_trace),
        cmocka_unit_test(the_trace_that_was_added_next_is_found_by_the_one_before),
        cmocka_unit_test(the_first_set_of_recent_ids_that_is_full_brings_all_into_use),
        cmocka_unit_test(what_was_wanted_lately_is_found_by_its_hash_alone),
        cmocka_unit_test(halves_of_two_recent_ids_stand_for_neither),
        cmocka_unit_test(threads_that_keep_in_one_place_find_no_others_ids),
        cmocka_unit_test(an_id_that_is_none_gives_no_frames),
        cmocka_unit_test(a_trace_that_goes_on_from_another_is_stored_by_its_own_frames),
        cmocka_unit_test(a_trace_may_go_on_from_any_frame_of_another),
        cmocka_unit_test(a_damaged_stack_gives_no_frames_and_is_read_to_an_end),
        cmocka_unit_test(threads_that_put_the_same_traces_at_once_get_the_same_ids),
        cmocka_unit_test(without_memory_new_traces_have_no_id_and_known_ones_keep_theirs),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
