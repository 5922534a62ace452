/* slab_test.c - slabs by themselves: every size, spans that get full and empty and change their size, and threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "slab_fixture.h"

#include <pthread.h>

/* ---- sizes ---- */

static void sizes_are_multiples_of_16_in_small_steps(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    assert_int_equal(pw_class_bytes[FIRST_CLASS], PW_SLAB_MIN_BYTES);
    assert_int_equal(pw_class_bytes[PW_CLASSES], PW_SLAB_MAX_BYTES);
    for (uint32_t c = FIRST_CLASS; c <= PW_CLASSES; c++) {
        uint32_t bytes = pw_class_bytes[c], last = c == FIRST_CLASS ? 0 : pw_class_bytes[c - 1];
        CHECK(bytes > last && bytes % PW_SLAB_ALIGNMENT == 0, "size %u after %u", bytes, last);
        uint32_t step = bytes <= 512 ? 16 : bytes <= 1024 ? 32 : bytes / 4;
        CHECK(last == 0 || bytes - last <= step, "size %u after %u", bytes, last);
        CHECK(count_of(c) <= PW_SPAN_BLOCKS, "size %u", bytes);
    }
    for (uint64_t bytes = 0; bytes <= PW_SLAB_MAX_BYTES; bytes++) {
        uint32_t c = pw_class_for(bytes);
        CHECK(pw_class_is_slab(c) && pw_class_bytes[c] >= bytes, "%u bytes", (unsigned)bytes);
        CHECK(c == FIRST_CLASS || pw_class_bytes[c - 1] < bytes, "%u bytes", (unsigned)bytes);
    }
}

static void every_address_of_a_span_of_every_size_has_its_block(void **state)
{
    (void)state;
    start_heaps(PW_LEVEL_OFF);
    for (uint32_t c = FIRST_CLASS; c <= PW_CLASSES; c++) {
        uint64_t shape = pw_shape_of(pw_class_bytes[c]);
        uint32_t bytes = pw_class_bytes[c];
        assert_true(pw_shape_is_sane(shape));
        for (uint32_t at = PW_SPAN_FRONT_BYTES; at < PW_SPAN_FRONT_BYTES + bytes * count_of(c); at++) {
            uint32_t index = pw_shape_index(shape, at);
            CHECK(index == (at - PW_SPAN_FRONT_BYTES) / bytes, "size %u, byte %u: block %u", bytes, at, index);
        }
    }
}

static void blocks_of_every_size_fill_their_span_without_overlap_at_every_level(void **state)
{
    static void *blocks[MOST];
    (void)state;
    for (size_t l = 0; l < PW_ARRAY_SIZE(levels); l++) {
        start_heaps(levels[l]);
        for (uint32_t c = FIRST_CLASS; c <= PW_CLASSES; c++) {
            uint32_t count = count_of(c);
            CHECK(take_live(c, count, blocks) == count, "size %u", pw_class_bytes[c]);
            for (uint32_t i = 0; i < count; i++) {
                CHECK(blocks[i] == (char *)blocks[0] + (uint64_t)i * pw_class_bytes[c], "size %u, block %u",
                      pw_class_bytes[c], i);
                memset(blocks[i], (int)i, pw_class_bytes[c] - pw_root.zone_min_bytes);
            }
            CHECK(span_of(blocks[0])->fresh == count && span_of(blocks[0])->free == 0, "size %u", pw_class_bytes[c]);
            struct shape shape = check_shape(heap);
            CHECK(shape.in_use == count, "size %u", pw_class_bytes[c]);
            assert_nothing_found("with a full span");
            drop_all(blocks, count);
            assert_int_equal(check_shape(heap).in_use, 0);
            assert_nothing_found("with an empty span");
        }
    }
}

static void alignments_up_to_64_are_those_of_the_class(void **state)
{
    static void *blocks[MOST];
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    for (uint64_t align = 32; align <= 64; align *= 2)
        for (uint64_t bytes = 1; bytes <= PW_SLAB_MAX_BYTES; bytes += 97) {
            uint32_t c = pw_class_aligned(bytes, align);
            uint32_t count = take_live(c, count_of(c), blocks);
            CHECK(pw_class_bytes[c] >= bytes, "%u bytes", (unsigned)bytes);
            for (uint32_t i = 0; i < count; i++)
                CHECK((uint64_t)blocks[i] % align == 0, "%u bytes, alignment %u", (unsigned)bytes, (unsigned)align);
            drop_all(blocks, count);
        }
}

/* ---- spans ---- */

static void an_empty_span_loses_its_size_and_serves_another(void **state)
{
    static void *blocks[2 * MOST];
    (void)state;
    for (size_t l = 0; l < PW_ARRAY_SIZE(levels); l++) {
        start_heaps(levels[l]);
        uint32_t small = pw_class_for(64), large = pw_class_for(2000);
        uint32_t count = 2 * count_of(small);
        assert_int_equal(take_live(small, count, blocks), count);
        struct pw_span *second = span_of(blocks[count - 1]);
        assert_ptr_not_equal(second, span_of(blocks[0]));
        drop_all(blocks, count);
        struct shape shape = check_shape(heap);
        assert_int_equal(shape.spans, 1); /* one of each size stays */
        assert_int_equal(shape.dirty_spans, 1);
        struct pw_span *empty = second->shape == 0 ? second : span_of(blocks[0]);
        void *block = take_one(large);
        assert_ptr_equal(span_of(block), empty);
        assert_int_equal(fields_of(block).flags & PW_HEAP_ZEROED, 0); /* it held others */
        if (levels[l] == PW_LEVEL_FULL)
            assert_true(pw_poison_holds((uint64_t)block, pw_poison_bytes(room_of(block))));
        make_live(block, 1900);
        shape = check_shape(heap);
        assert_int_equal(shape.dirty_spans, 0);
        assert_int_equal(shape.spans, 2);
        assert_nothing_found("with a span used again");
        drop_block(block);
    }
}

/* The verdict on a free of `address`. */
static struct pw_fault free_of(const void *address)
{
    struct pw_image image = pw_image_self();
    struct pw_fault fault = {.kind = PW_KIND_NONE};
    pw_diagnose_free(&image, (uint64_t)address, &fault);
    return fault;
}

/* Of a span that changed its size, what of its blocks was handed out to nobody yet. */
static void a_block_that_nobody_had_since_is_no_first_of_two_frees(void **state)
{
    static void *blocks[2 * MOST];
    char *others[8];
    (void)state;
    for (size_t l = 0; l < PW_ARRAY_SIZE(levels); l++) {
        start_heaps(levels[l]);
        uint32_t small = pw_class_for(64), large = pw_class_for(2000), count = 2 * count_of(small);
        assert_int_equal(take_live(small, count, blocks), count);
        drop_all(blocks, count);
        assert_int_equal(pw_slab_take(heap, large, PW_ARRAY_SIZE(others), (void **)others), PW_ARRAY_SIZE(others));
        make_live(others[0], 1900);
        drop_block(others[0]);
        make_live(others[1], 1900);
        make_dead(others[1], PW_STATE_CACHED);
        pw_heap_give((void **)&others[2], 1);
        for (uint32_t i = 0; i < 2; i++)
            CHECK(free_of(others[i]).kind == PW_KIND_DOUBLE_FREE, "level %zu, block %u", l, i);
        for (uint32_t i = 2; i < 4; i++) {
            struct pw_fault fault = free_of(others[i]), inside = free_of(others[i] + 40);
            CHECK(fault.kind == PW_KIND_BAD_FREE && strstr(fault.place, "another size may") != NULL, "level %zu, block %u", l, i);
            CHECK(inside.kind == PW_KIND_BAD_FREE && strstr(inside.place, "another size") == NULL, "level %zu, block %u", l, i);
        }
        assert_nothing_found("with blocks that nobody had");
    }
}

static void what_was_freed_first_fit_is_used_before_fresh_blocks(void **state)
{
    void *blocks[10], *again[5];
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    uint32_t c = pw_class_for(100);
    assert_int_equal(take_live(c, 10, blocks), 10);
    for (uint32_t i = 0; i < 10; i += 2)
        drop_block(blocks[i]);
    assert_int_equal(pw_slab_take(heap, c, 5, again), 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_ptr_equal(again[i], blocks[2 * i]);
        assert_true(pw_poison_holds((uint64_t)again[i], pw_poison_bytes(room_of(again[i]))));
        make_live(again[i], 60);
    }
    assert_int_equal(span_of(blocks[0])->fresh, 10);
    (void)check_shape(heap);
}

static void a_full_span_is_in_no_list_and_comes_back_first(void **state)
{
    static void *blocks[MOST + 1];
    (void)state;
    start_heaps(PW_LEVEL_FAST);
    uint32_t c = pw_class_for(256), count = count_of(c);
    assert_int_equal(take_live(c, count, blocks), count);
    assert_int_equal(heap->image.spans[c - FIRST_CLASS], 0);
    blocks[count] = take_one(c); /* of another span */
    make_live(blocks[count], 200);
    assert_ptr_not_equal(span_of(blocks[count]), span_of(blocks[0]));
    drop_block(blocks[7]);
    (void)check_shape(heap);
    assert_ptr_equal(take_one(c), blocks[7]);
}

/* Of two spans the second gets empty last and would lose its size: one of each stays. */
static void a_span_with_a_write_into_a_free_block_stays_until_it_is_told(void **state)
{
    static const uint32_t rooms[] = {64, 224, 4000};
    static void *blocks[2 * MOST];
    (void)state;
    for (size_t l = 1; l < PW_ARRAY_SIZE(levels); l++)
        for (size_t r = 0; r < PW_ARRAY_SIZE(rooms); r++) {
            uint32_t c = pw_class_for(rooms[r]), count = 2 * count_of(c);
            start_heaps(levels[l]);
            assert_int_equal(take_live(c, count, blocks), count);
            drop_all(blocks, count - 1);
            char *written = (char *)blocks[count - 2] + (levels[l] == PW_LEVEL_FAST ? 30 : rooms[r] - 20);
            *written ^= 0x55;
            drop_block(blocks[count - 1]);
            struct findings *findings = validate();
            CHECK(findings->count == 1 && findings->faults[0].kind == PW_KIND_USE_AFTER_FREE &&
                      findings->faults[0].address == (uint64_t)written,
                  "level %d, %u bytes", (int)levels[l], rooms[r]);
            assert_int_equal(check_shape(heap).dirty_spans, 0);
            (void)pw_heap_trim();
            CHECK(validate()->count == 1, "level %d, %u bytes, trimmed", (int)levels[l], rooms[r]);
            (void)pw_heap_give_regions_back();
            CHECK(validate()->count == 1, "level %d, %u bytes, regions given back", (int)levels[l], rooms[r]);
            *written ^= 0x55;
            (void)pw_heap_trim();
            assert_int_equal(check_shape(heap).spans, 0);
        }
}

static void a_span_with_a_damaged_header_of_a_free_block_stays(void **state)
{
    static void *blocks[2 * MOST];
    (void)state;
    for (size_t l = 1; l < PW_ARRAY_SIZE(levels); l++) {
        start_heaps(levels[l]);
        uint32_t c = pw_class_for(224), count = 2 * count_of(c);
        assert_int_equal(take_live(c, count, blocks), count);
        drop_all(blocks, count - 1);
        *word_of(blocks[count - 2]) ^= 1;
        drop_block(blocks[count - 1]);
        (void)pw_heap_trim();
        struct findings *findings = validate();
        CHECK(findings->count == 1 && findings->faults[0].kind == PW_KIND_HEADER, "level %d", (int)levels[l]);
        *word_of(blocks[count - 2]) ^= 1;
        (void)pw_heap_trim();
        assert_int_equal(check_shape(heap).spans, 0);
    }
}

/* Spans go from size to size; nobody had the blocks that are looked at, others had their memory. */
static void a_span_that_changes_its_size_holds_the_fill_wherever_nobody_wrote(void **state)
{
    static const uint32_t rooms[] = {48, 5952, 64, 1216, 4032, 32, 2624, 80};
    static void *blocks[3 * MOST];
    (void)state;
    start_heaps(PW_LEVEL_FULL);
    for (size_t round = 0; round < 3 * PW_ARRAY_SIZE(rooms); round++) {
        uint32_t c = pw_class_for(rooms[round % PW_ARRAY_SIZE(rooms)]), count = 3 * count_of(c);
        for (uint32_t i = 0; i < count; i++) {
            blocks[i] = take_one(c);
            assert_non_null(blocks[i]);
            bool is_zeroed = (fields_of(blocks[i]).flags & PW_HEAP_ZEROED) != 0;
            CHECK(pw_poison_is_untouched((uint64_t)blocks[i], room_of(blocks[i]), is_zeroed), "round %zu, block %u", round, i);
            CHECK(pw_zone_tail_holds((uint64_t)blocks[i]) && pw_zone_tail_holds((uint64_t)blocks[i] + room_of(blocks[i])),
                  "round %zu, block %u", round, i);
            make_live(blocks[i], room_of(blocks[i]) - 32);
        }
        assert_nothing_found("with blocks in use");
        drop_all(blocks, count - (uint32_t)(round % 3)); /* a few stay, with their span */
    }
    assert_nothing_found("at the end");
}

/* The span has no size then, so there is no block to look at; the next one that gets the byte tells. */
static void a_write_into_a_span_between_two_sizes_is_found_when_it_is_used(void **state)
{
    static const size_t offsets[] = {17, 1000, 33333, PW_SPAN_BYTES - PW_SPAN_FRONT_BYTES - 3000};
    static void *blocks[2 * MOST];
    (void)state;
    uint32_t small = pw_class_for(64), large = pw_class_for(2000);
    for (size_t o = 0; o < PW_ARRAY_SIZE(offsets); o++) {
        start_heaps(PW_LEVEL_FULL);
        uint32_t count = 2 * count_of(small);
        assert_int_equal(take_live(small, count, blocks), count);
        char *start = blocks[count_of(small)];
        drop_all(blocks, count);
        if (span_of(start)->shape != 0)
            start = blocks[0];
        assert_int_equal(span_of(start)->shape, 0);
        start[offsets[o]] ^= 0x20;
        assert_nothing_found("while the span has no size");
        for (uint32_t i = 0; i < count_of(large); i++)
            assert_non_null(take_one(large));
        assert_int_not_equal(span_of(start)->shape, 0);
        struct findings *findings = validate();
        CHECK(findings->count == 1 && findings->faults[0].kind == PW_KIND_USE_AFTER_FREE &&
                  findings->faults[0].address == (uint64_t)start + offsets[o],
              "offset %zu: %u found", offsets[o], (unsigned)findings->count);
    }
}

/* ---- threads ---- */

enum { THREADS = 4, EXCHANGED = 64, ROUNDS = 3000 };
static _Atomic(void *) exchange[EXCHANGED];

/* Takes from a heap of its own, leaves blocks for others, and gives back what others left. */
static void *exchange_blocks(void *number)
{
    uint64_t random = 100 + (uintptr_t)number;
    struct pw_heap *own = &pw_heaps[(uintptr_t)number % TEST_HEAPS];
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint64_t r = pw_random_next(&random);
        void *blocks[8];
        uint32_t c = FIRST_CLASS + (uint32_t)(r % PW_SLAB_SIZES);
        uint32_t count = pw_slab_take(own, c, 1 + (uint32_t)(r >> 32) % 8, blocks);
        for (uint32_t i = 0; i < count; i++) {
            make_live(blocks[i], pw_class_bytes[c] - pw_root.zone_min_bytes);
            memset(blocks[i], (int)round, pw_class_bytes[c] - pw_root.zone_min_bytes);
            void *other = atomic_exchange(&exchange[(r >> 40) % EXCHANGED], blocks[i]);
            r = pw_random_next(&random);
            if (other != NULL)
                drop_block(other);
        }
    }
    return NULL;
}

static void blocks_that_other_threads_free_come_home(void **state)
{
    (void)state;
    for (size_t l = 0; l < PW_ARRAY_SIZE(levels); l++) {
        pthread_t threads[THREADS];
        start_heaps(levels[l]);
        for (uintptr_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, exchange_blocks, (void *)i), 0);
        for (uint32_t i = 0; i < THREADS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_nothing_found("after an exchange");
        for (uint32_t i = 0; i < EXCHANGED; i++) {
            void *left = atomic_exchange(&exchange[i], NULL);
            if (left != NULL)
                drop_block(left);
        }
        for (uint32_t i = 0; i < TEST_HEAPS; i++)
            CHECK(check_shape(&pw_heaps[i]).in_use == 0, "level %d, heap %u", (int)levels[l], i);
        assert_nothing_found("in the end");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_multiples_of_16_in_small_steps),
        cmocka_unit_test(every_address_of_a_span_of_every_size_has_its_block),
        cmocka_unit_test(blocks_of_every_size_fill_their_span_without_overlap_at_every_level),
        cmocka_unit_test(alignments_up_to_64_are_those_of_the_class),
        cmocka_unit_test(an_empty_span_loses_its_size_and_serves_another),
        cmocka_unit_test(a_block_that_nobody_had_since_is_no_first_of_two_frees),
        cmocka_unit_test(what_was_freed_first_fit_is_used_before_fresh_blocks),
        cmocka_unit_test(a_full_span_is_in_no_list_and_comes_back_first),
        cmocka_unit_test(a_span_with_a_write_into_a_free_block_stays_until_it_is_told),
        cmocka_unit_test(a_span_with_a_damaged_header_of_a_free_block_stays),
        cmocka_unit_test(a_span_that_changes_its_size_holds_the_fill_wherever_nobody_wrote),
        cmocka_unit_test(a_write_into_a_span_between_two_sizes_is_found_when_it_is_used),
        cmocka_unit_test(blocks_that_other_threads_free_come_home),
    };
    return cmocka_run_group_tests(tests, NULL, stop);
}
