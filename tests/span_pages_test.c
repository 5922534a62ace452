/*
 * span_pages_test.c - pages inside spans that are hidden: which are, that nothing is lost by it, what is seen of damage
 * beside them, and what is said of an access.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "heap_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SPANS = 6, MOST = SPANS * PW_SPAN_BLOCKS, EVERY_BYTES = 20000 };

static struct pw_heap *const heap = &pw_heaps[0];
static const uint32_t sizes[] = {32, 48, 112, 240, 1024, 1088, 2000, 4096, 4672, 5952};
static char *blocks[MOST];
static uint32_t count, block_bytes;

static void start(void)
{
    start_heaps(PW_LEVEL_FULL);
    pw_heap_limits.hides_pages = true;
}

static bool has_markers(void)
{
    if (!pw_os_marks())
        print_message("no guard markers here (Linux 6.13): nothing is hidden\n");
    return pw_os_marks();
}

static bool is_kept(uint32_t i)
{
    uint32_t step = EVERY_BYTES / block_bytes;
    return i % step == step / 2;
}

static void take_all(uint32_t bytes)
{
    uint32_t c = pw_class_for(bytes);
    block_bytes = pw_class_bytes[c];
    for (uint32_t got = 1; got > 0 && count < SPANS * pw_shape_count(pw_shape_of(pw_class_bytes[c])); count += got) {
        void *block;
        got = pw_slab_take(heap, c, 1, &block);
        if (got > 0)
            blocks[count] = block;
    }
}

/* Spans of a size of which one block every EVERY_BYTES is in use; the others are FREE, and their pages hidden if that can be. */
static void make_scene(uint32_t bytes)
{
    start();
    count = 0;
    take_all(bytes);
    for (uint32_t i = 0; i < count; i++)
        make_live(blocks[i], room_of(blocks[i]) - 32 > 40 ? 40 : 0);
    for (uint32_t i = 0; i < count; i++)
        if (!is_kept(i))
            drop_block(blocks[i]);
}

static struct pw_span *span_of(const void *address)
{
    struct pw_block block = block_at(address);
    return pw_region_span(block.region, pw_span_of(block.granule));
}

static uint32_t hidden_of(const char *block)
{
    return hidden_pages(span_of(block), (uint64_t)block, (uint64_t)block + room_of(block));
}

static uint32_t count_hidden(void)
{
    uint32_t hidden = 0;
    struct pw_region *region = pw_entry_region(pw_page_map_entry((uint64_t)blocks[0]));
    for (uint32_t number = 1; number < pw_span_of(region->limit); number++)
        hidden += pw_bits_count(pw_region_span(region, number)->hidden);
    return hidden;
}

/* As a FREE block is that is looked at before it is used. */
static void check_taken(const char *block)
{
    struct pw_fields fields = fields_of(block);
    CHECK(fields.state == PW_STATE_CACHED && (fields.flags & PW_HEAP_HIDDEN) == 0, "a block of %u bytes", (unsigned)room_of(block));
    CHECK(pw_poison_is_untouched((uint64_t)block, room_of(block), (fields.flags & PW_HEAP_ZEROED) != 0), "a block of %u bytes",
          (unsigned)room_of(block));
    CHECK(pw_zone_tail_holds((uint64_t)block) && pw_zone_tail_holds((uint64_t)block + room_of(block)), "a block of %u bytes",
          (unsigned)room_of(block));
}

static void free_pages_are_hidden_and_come_back_as_they_were(void **state)
{
    (void)state;
    for (size_t s = 0; s < PW_ARRAY_SIZE(sizes) && has_markers(); s++) {
        make_scene(sizes[s]);
        uint32_t in_use = (uint32_t)check_shape(heap).in_use;
        pw_slab_hide_pages(heap);
        CHECK(count_hidden() >= SPANS * PW_SPAN_PAGES / 12, "size %u: %u pages", sizes[s], count_hidden());
        assert_int_equal(check_shape(heap).in_use, in_use);
        assert_nothing_found("with hidden pages");
        pw_slab_hide_pages(heap);
        assert_int_equal(check_shape(heap).in_use, in_use);
        for (uint32_t i = in_use; i < count; i++) {
            void *block;
            assert_int_equal(pw_slab_take(heap, pw_class_for(sizes[s]), 1, &block), 1);
            check_taken(block);
            if (i % 61 == 0)
                assert_int_equal(check_shape(heap).in_use, i + 1);
        }
        assert_int_equal(count_hidden(), 0);
        assert_nothing_found("when all are in use");
    }
}

/* A refill shows what it takes at once. */
static void several_are_taken_at_once(void **state)
{
    void *taken[64];
    (void)state;
    for (size_t s = 0; s < PW_ARRAY_SIZE(sizes) && has_markers(); s++) {
        make_scene(sizes[s]);
        pw_slab_hide_pages(heap);
        uint32_t before = count_hidden(), c = pw_class_for(sizes[s]), got = pw_slab_take(heap, c, 24, taken);
        assert_in_range(got, 10, 24);
        for (uint32_t i = 0; i < got; i++)
            check_taken(taken[i]);
        CHECK(before - count_hidden() <= 24 * pw_class_bytes[c] / PW_PAGE_BYTES + 6, "size %u: %u of %u are left", sizes[s],
              count_hidden(), before);
        (void)check_shape(heap);
        assert_nothing_found("after a refill");
    }
}

/* Blocks that nobody had are zero, and are again. */
static void blocks_that_nobody_had_are_hidden_too(void **state)
{
    (void)state;
    for (size_t s = 0; s < PW_ARRAY_SIZE(sizes) && has_markers(); s++) {
        start();
        count = 0;
        take_all(sizes[s]);
        for (uint32_t i = 0; i < count; i++)
            if (is_kept(i) || i % 3 == 0)
                make_live(blocks[i], 0);
        for (uint32_t i = 0; i < count; i++)
            if (!is_kept(i) && i % 3 == 0)
                drop_block(blocks[i]);
            else if (!is_kept(i))
                pw_heap_give((void **)&blocks[i], 1);
        pw_slab_hide_pages(heap);
        assert_int_not_equal(count_hidden(), 0);
        (void)check_shape(heap);
        assert_nothing_found("with hidden pages");
        for (uint32_t i = 0; i < count; i++)
            if (!is_kept(i)) {
                void *block;
                assert_int_equal(pw_slab_take(heap, pw_class_for(sizes[s]), 1, &block), 1);
                check_taken(block);
            }
    }
}

/* What was written to a page keeps it where it is, and is found, beside pages that are hidden. */
static void a_page_that_was_written_to_is_not_hidden(void **state)
{
    (void)state;
    for (size_t s = 0; s < PW_ARRAY_SIZE(sizes) && has_markers(); s++) {
        make_scene(sizes[s]);
        for (uint32_t i = count / 3; i < count; i += 1 + count / 12) {
            uint32_t offsets[] = {0, block_bytes / 2, block_bytes - PW_TAIL_BYTES, block_bytes - 1};
            for (size_t o = 0; o < PW_ARRAY_SIZE(offsets) && !is_kept(i); o++) {
                make_scene(sizes[s]);
                char *byte = blocks[i] + offsets[o];
                *byte ^= 0x40;
                pw_slab_hide_pages(heap);
                CHECK(pw_os_is_readable(byte, 1) && count_hidden() != 0, "size %u, block %u, byte %u", sizes[s], i, offsets[o]);
                struct findings *findings = validate();
                CHECK(findings->count == 1 && findings->faults[0].damage.start == (uint64_t)byte, "size %u, block %u, byte %u: %u", sizes[s],
                      i, offsets[o], (unsigned)findings->count);
                *byte ^= 0x40;
                (void)check_shape(heap);
            }
        }
    }
}

static void a_damaged_header_keeps_its_pages(void **state)
{
    (void)state;
    if (!has_markers())
        return;
    uint32_t i = 0;
    make_scene(240);
    pw_slab_hide_pages(heap);
    while (hidden_of(blocks[i]) == 0)
        i++;
    make_scene(240);
    *word_of(blocks[i]) ^= 1;
    pw_slab_hide_pages(heap);
    assert_true(pw_os_is_readable(blocks[i], room_of(blocks[i])));
    assert_int_not_equal(count_hidden(), 0);
    assert_int_equal(validate()->count, 1);
    *word_of(blocks[i]) ^= 1;
}

/* Each bit of headers and entries, while pages are hidden: it is found, and nothing that can't be read is read. */
static void damage_in_the_tables_is_found_beside_hidden_pages(void **state)
{
    (void)state;
    if (!has_markers())
        return;
    make_scene(1088);
    pw_slab_hide_pages(heap);
    uint32_t partly = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t hidden = hidden_of(blocks[i]);
        partly += hidden != 0 && hidden != pw_span_pages((uint64_t)blocks[i], (uint64_t)blocks[i] + room_of(blocks[i]));
        for (uint32_t bit = 0; bit < 64; bit++) {
            *word_of(blocks[i]) ^= (uint64_t)1 << bit;
            CHECK(validate()->count > 0, "block %u, bit %u", i, bit);
            *word_of(blocks[i]) ^= (uint64_t)1 << bit;
        }
    }
    assert_int_not_equal(partly, 0);
    struct pw_span *span = span_of(blocks[0]);
    for (uint32_t bit = 0; bit < 16; bit++) {
        span->hidden ^= (uint16_t)(1u << bit);
        CHECK(validate()->count > 0, "bit %u of the pages", bit);
        span->hidden ^= (uint16_t)(1u << bit);
    }
    for (uint32_t bit = 0; bit < 64; bit++) {
        span->shape ^= (uint64_t)1 << bit;
        CHECK(validate()->count > 0, "bit %u of the shape", bit);
        span->shape ^= (uint64_t)1 << bit;
    }
    assert_nothing_found("in the end");
}

/* A header that was damaged while pages were hidden is still so when they are shown. */
static void a_header_is_not_mended_when_its_neighbours_pages_are_shown(void **state)
{
    (void)state;
    if (!has_markers())
        return;
    make_scene(112);
    pw_slab_hide_pages(heap);
    uint32_t i = 0;
    while (hidden_of(blocks[i]) == 0 || hidden_of(blocks[i + 1]) != hidden_of(blocks[i]))
        i++;
    *word_of(blocks[i + 1]) ^= 1;
    void *block;
    do
        assert_int_equal(pw_slab_take(heap, pw_class_for(112), 1, &block), 1);
    while (block != blocks[i]);
    assert_false(pw_header_is_sealed(block_at(blocks[i + 1]).region, block_at(blocks[i + 1]).granule));
    *word_of(blocks[i + 1]) ^= 1;
}

static void a_span_that_loses_its_size_is_hidden_whole_and_serves_another(void **state)
{
    (void)state;
    for (size_t s = 0; s < PW_ARRAY_SIZE(sizes) && has_markers(); s++) {
        make_scene(sizes[s]);
        pw_slab_hide_pages(heap);
        for (uint32_t i = 0; i < count; i++)
            if (is_kept(i))
                drop_block(blocks[i]);
        (void)pw_heap_trim();
        struct shape shape = check_shape(heap);
        assert_int_equal(shape.spans, 0);
        assert_int_equal(shape.dirty_spans, 0);
        CHECK(count_hidden() >= 2 * PW_SPAN_PAGES, "size %u: %u pages", sizes[s], count_hidden());
        assert_nothing_found("when all are empty");
        struct pw_fault fault = {.kind = PW_KIND_NONE};
        struct pw_image image = pw_image_self();
        struct pw_region *region = pw_entry_region(pw_page_map_entry((uint64_t)blocks[0]));
        uint32_t number = 1;
        while (pw_region_span(region, number)->hidden == 0)
            number++;
        pw_diagnose_address(&image, region->base + ((uint64_t)number << PW_SPAN_SHIFT) + 1000, &fault);
        CHECK(fault.kind == PW_KIND_USE_AFTER_FREE && !fault.block.known && fault.place != NULL && !fault.is_certain, "kind %d",
              (int)fault.kind);
        for (uint32_t i = 0; i < 100; i++) {
            void *block;
            assert_int_equal(pw_slab_take(heap, pw_class_for(sizes[(s + 3) % PW_ARRAY_SIZE(sizes)]), 1, &block), 1);
            check_taken(block);
        }
        (void)check_shape(heap);
        assert_nothing_found("when they are of another size");
    }
}

/* What was written beside hidden pages keeps the span; else it would go with it. */
static void a_span_with_a_write_beside_hidden_pages_stays(void **state)
{
    (void)state;
    for (size_t s = 0; s < PW_ARRAY_SIZE(sizes) && has_markers(); s++) {
        make_scene(sizes[s]);
        (void)pw_heap_trim();
        uint32_t i = 0;
        uint64_t at;
        for (;; i++) { /* the first block of which a part is there */
            uint64_t first = (uint64_t)blocks[i], last = first + room_of(blocks[i]) - PW_TAIL_BYTES - 1;
            at = pw_os_is_readable((void *)first, 1) ? first : last;
            if (fields_of(blocks[i]).state == PW_STATE_FREE && pw_os_is_readable((void *)at, 1) &&
                (hidden_of(blocks[i]) != 0 || sizes[s] < 64))
                break;
        }
        struct pw_span *span = span_of(blocks[i]);
        *(char *)at ^= 1;
        for (uint32_t k = 0; k < count; k++)
            if (is_kept(k))
                drop_block(blocks[k]);
        (void)pw_heap_trim();
        CHECK(span->shape != 0, "size %u", sizes[s]);
        struct findings *findings = validate();
        CHECK(findings->count == 1 && findings->faults[0].damage.start == at, "size %u: %u found", sizes[s], (unsigned)findings->count);
        *(char *)at ^= 1;
        (void)pw_heap_trim();
        CHECK(span->shape == 0 && check_shape(heap).spans == 0, "size %u", sizes[s]);
    }
}

/* ---- what is said of an access ---- */

static struct pw_fault verdict_on(uint64_t address)
{
    struct pw_image image = pw_image_self();
    struct pw_fault fault = {.kind = PW_KIND_NONE};
    pw_diagnose_address(&image, address, &fault);
    pw_diagnose_run(&image, &fault);
    return fault;
}

/* The first block of which a hidden page that is the first of some holds a part, and that page. */
static uint32_t first_hidden(uint64_t *page)
{
    uint32_t i = 0;
    while (hidden_of(blocks[i]) == 0)
        i++;
    *page = (uint64_t)blocks[i];
    if (!pw_os_is_readable(blocks[i], 1))
        *page = PW_ALIGN_DOWN((uint64_t)blocks[i], PW_PAGE_BYTES);
    else
        *page = PW_ALIGN_UP((uint64_t)blocks[i], PW_PAGE_BYTES);
    return i;
}

static void an_access_is_told_as_use_after_free_of_its_block(void **state)
{
    uint64_t page;
    (void)state;
    if (!has_markers())
        return;
    make_scene(1088);
    pw_slab_hide_pages(heap);
    uint32_t i = first_hidden(&page);
    for (uint64_t at = page + 64; at < page + PW_PAGE_BYTES; at += 16) {
        struct pw_fault fault = verdict_on(at);
        while (at >= (uint64_t)blocks[i] + room_of(blocks[i]))
            i++;
        bool is_inside = at - (uint64_t)blocks[i] < 40;
        CHECK(fault.kind == PW_KIND_USE_AFTER_FREE && fault.is_certain && fault.block.address == (uint64_t)blocks[i] &&
                  fault.block.size == 40 && fault.relation == (is_inside ? PW_RELATION_INSIDE : PW_RELATION_AFTER),
              "%u bytes behind the page's start", (unsigned)(at - page));
    }
    CHECK(!verdict_on(page).is_certain, "it may have run on from before");
}

static void an_access_that_ran_on_from_a_live_block_is_told_of_that(void **state)
{
    uint64_t page;
    (void)state;
    if (!has_markers())
        return;
    make_scene(4096);
    pw_slab_hide_pages(heap);
    uint32_t i = first_hidden(&page);
    while (i == 0 || fields_of(blocks[i - 1]).state != PW_STATE_LIVE || hidden_of(blocks[i]) == 0)
        i++;
    page = PW_ALIGN_UP((uint64_t)blocks[i], PW_PAGE_BYTES);
    struct pw_fault fault = verdict_on(page);
    assert_true(fault.kind == PW_KIND_USE_AFTER_FREE && !fault.is_certain);
    blocks[i - 1][45] ^= 1; /* in its zone */
    fault = verdict_on(page);
    CHECK(fault.kind == PW_KIND_OVERFLOW && !fault.is_certain && fault.block.address == (uint64_t)blocks[i - 1] &&
              fault.relation == PW_RELATION_AFTER && fault.offset == page - (uint64_t)blocks[i - 1] - 40,
          "kind %d", (int)fault.kind);
    blocks[i - 1][45] ^= 1;
}

static void an_access_to_a_block_that_nobody_had_is_not_told_for_sure(void **state)
{
    (void)state;
    if (!has_markers())
        return;
    start();
    count = 0;
    take_all(2000);
    for (uint32_t i = 0; i < count; i++)
        if (is_kept(i))
            make_live(blocks[i], 100);
        else
            pw_heap_give((void **)&blocks[i], 1);
    pw_slab_hide_pages(heap);
    for (uint32_t i = 1; i < count; i++) {
        if (hidden_of(blocks[i]) == 0 || pw_os_is_readable(blocks[i] + room_of(blocks[i]) - 1, 1))
            continue;
        struct pw_fault fault = verdict_on((uint64_t)blocks[i] + room_of(blocks[i]) - 100);
        bool is_behind_live = fields_of(blocks[i - 1]).state == PW_STATE_LIVE;
        CHECK(!fault.is_certain && fault.kind == (is_behind_live ? PW_KIND_OVERFLOW : PW_KIND_USE_AFTER_FREE) &&
                  fault.block.address == (uint64_t)blocks[is_behind_live ? i - 1 : i],
              "block %u", i);
    }
}

/* ---- where it can't be ---- */

static void without_markers_nothing_is_hidden(void **state)
{
    static const enum pw_os_guard_mode modes[] = {PW_OS_GUARD_PROTECT, PW_OS_GUARD_NONE};
    (void)state;
    for (size_t m = 0; m < PW_ARRAY_SIZE(modes); m++) {
        make_scene(240);
        pw_os_guard_mode(modes[m]);
        pw_slab_hide_pages(heap);
        (void)pw_heap_trim();
        assert_int_equal(count_hidden(), 0);
        (void)check_shape(heap);
        check_errors_are_off();
    }
    for (size_t l = 0; l < 3; l++) {
        static const struct pw_heap_limits *limits = &pw_heap_limits;
        make_scene(240);
        pw_heap_limits.hides_pages = l != 0;
        pw_heap_hooks.fills_whole = l != 1;
        pw_slab_hide_pages(heap);
        assert_int_equal(count_hidden() != 0, limits->hides_pages && pw_heap_hooks.fills_whole && pw_os_marks());
        pw_heap_hooks.fills_whole = true;
    }
}

static void locked_memory_is_left_alone(void **state)
{
    (void)state;
    make_scene(2000);
    uint64_t memory = PW_ALIGN_DOWN((uint64_t)blocks[0], (uint64_t)PW_SPAN_BYTES);
    if (mlock((void *)memory, PW_SPAN_BYTES) != 0)
        return;
    pw_slab_hide_pages(heap);
    assert_int_equal(span_of(blocks[0])->hidden, 0);
    (void)check_shape(heap);
    assert_nothing_found("with locked memory");
    for (uint32_t i = 0; i < count; i++)
        if (!is_kept(i)) {
            void *block;
            assert_int_equal(pw_slab_take(heap, pw_class_for(2000), 1, &block), 1);
            check_taken(block);
        }
}

static uint32_t hide_and_use(void)
{
    uint32_t missing = 0;
    count = 0;
    pw_heap_limits.hides_pages = true;
    take_all(1088);
    missing += count == 0;
    for (uint32_t i = 0; i < count; i++)
        make_live(blocks[i], 40);
    for (uint32_t i = 0; i < count; i++)
        if (!is_kept(i))
            drop_block(blocks[i]);
    pw_slab_hide_pages(heap);
    pw_slab_hide_pages(heap);
    for (uint32_t i = 0; i < count; i++) {
        void *block;
        if (is_kept(i))
            continue;
        uint32_t got = pw_slab_take(heap, pw_class_for(1088), 1, &block);
        blocks[i] = got > 0 ? block : NULL;
        missing += got == 0;
        if (got > 0) {
            check_taken(block);
            make_live(block, 40);
        }
    }
    for (uint32_t i = 0; i < count; i++)
        if (blocks[i] != NULL && i % 3 != 0)
            drop_block(blocks[i]);
    heap->pages_patience = 0;
    pw_slab_hide_pages(heap);
    for (uint32_t i = 0; i < count; i++)
        if (blocks[i] != NULL && i % 3 == 0)
            drop_block(blocks[i]);
    return missing;
}

static void whichever_system_call_fails_no_block_is_lost(void **state)
{
    (void)state;
    (void)fail_each_call(heap, hide_and_use, NULL);
}

static void what_is_used_again_at_once_is_hidden_more_seldom(void **state)
{
    void *block;
    (void)state;
    if (!has_markers())
        return;
    make_scene(1088);
    for (uint32_t round = 0; round < 64; round++) {
        pw_slab_hide_pages(heap);
        for (uint32_t i = 0; i < count; i++)
            if (!is_kept(i)) {
                assert_int_equal(pw_slab_take(heap, pw_class_for(1088), 1, &block), 1);
                make_live(block, 40);
                blocks[i] = block;
            }
        for (uint32_t i = 0; i < count; i++)
            if (!is_kept(i))
                drop_block(blocks[i]);
    }
    assert_int_equal(heap->pages_patience, 4);
    for (uint32_t round = 0; round < 64; round++)
        pw_slab_hide_pages(heap);
    assert_int_equal(heap->pages_patience, 0);
    pw_heap_close(heap);
    assert_true(heap->pages_at == 0 && heap->pages_hidden == 0 && heap->pages_returned == 0 && heap->pages_skipped == 0);
}

/* ---- others ---- */

static void a_child_of_fork_has_them_hidden_too(void **state)
{
    int status;
    uint64_t page;
    (void)state;
    if (!has_markers())
        return;
    make_scene(1088);
    pw_slab_hide_pages(heap);
    (void)first_hidden(&page);
    pid_t child = fork();
    if (child == 0) {
        void *block;
        for (uint32_t i = 0; i < count; i++)
            if (!is_kept(i) && pw_slab_take(heap, pw_class_for(1088), 1, &block) != 1)
                _exit(1);
        _exit(count_hidden() != 0 || validate()->count != 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    child = fork();
    if (child == 0) {
        (void)signal(SIGSEGV, SIG_DFL);
        (void)*(volatile char *)page;
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

enum { THREADS = 4, ROUNDS = 400, BATCH = 200 };
static _Atomic bool is_over;

static void *take_and_give(void *number)
{
    uint64_t random = 7 + (uintptr_t)number;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        void *mine[BATCH];
        uint32_t c = pw_class_for(sizes[pw_random_next(&random) % PW_ARRAY_SIZE(sizes)]);
        uint32_t got = pw_slab_take(heap, c, BATCH, mine);
        for (uint32_t i = 0; i < got; i++) {
            check_taken(mine[i]);
            make_live(mine[i], 0);
        }
        for (uint32_t i = 0; i < got; i++)
            drop_block(mine[i]);
    }
    return NULL;
}

static void *hide_and_look(void *unused)
{
    struct pw_image image = locked_image();
    static struct findings findings;
    (void)unused;
    while (!is_over) {
        heap->pages_patience = 0;
        pw_slab_hide_pages(heap);
        findings.count = 0;
        (void)pw_validate_all(&image, note_fault, &findings);
        CHECK(findings.count == 0, "%u faults", (unsigned)findings.count);
    }
    return NULL;
}

static void threads_use_what_others_hide_and_look_at(void **state)
{
    pthread_t threads[THREADS], looker;
    (void)state;
    start();
    is_over = false;
    assert_int_equal(pthread_create(&looker, NULL, hide_and_look, NULL), 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, (void *)i), 0);
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    is_over = true;
    assert_int_equal(pthread_join(looker, NULL), 0);
    assert_int_equal(check_shape(heap).in_use, 0);
    assert_nothing_found("in the end");
}

static int stop(void **state)
{
    (void)state;
    stop_heaps();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_pages_are_hidden_and_come_back_as_they_were),
        cmocka_unit_test(several_are_taken_at_once),
        cmocka_unit_test(blocks_that_nobody_had_are_hidden_too),
        cmocka_unit_test(a_page_that_was_written_to_is_not_hidden),
        cmocka_unit_test(a_damaged_header_keeps_its_pages),
        cmocka_unit_test(damage_in_the_tables_is_found_beside_hidden_pages),
        cmocka_unit_test(a_header_is_not_mended_when_its_neighbours_pages_are_shown),
        cmocka_unit_test(a_span_that_loses_its_size_is_hidden_whole_and_serves_another),
        cmocka_unit_test(a_span_with_a_write_beside_hidden_pages_stays),
        cmocka_unit_test(an_access_is_told_as_use_after_free_of_its_block),
        cmocka_unit_test(an_access_that_ran_on_from_a_live_block_is_told_of_that),
        cmocka_unit_test(an_access_to_a_block_that_nobody_had_is_not_told_for_sure),
        cmocka_unit_test(without_markers_nothing_is_hidden),
        cmocka_unit_test(locked_memory_is_left_alone),
        cmocka_unit_test(whichever_system_call_fails_no_block_is_lost),
        cmocka_unit_test(what_is_used_again_at_once_is_hidden_more_seldom),
        cmocka_unit_test(a_child_of_fork_has_them_hidden_too),
        cmocka_unit_test(threads_use_what_others_hide_and_look_at),
    };
    return cmocka_run_group_tests(tests, NULL, stop);
}
