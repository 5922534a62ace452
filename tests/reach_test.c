/* reach_test.c - which blocks are reached, direct, indirect (image/reach.h): against a plain closure over random graphs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "reach_fixture.h"

#include <stdlib.h>
#include <string.h>

/* ---- random graphs ---- */

struct graph {
    uint64_t seed;
    uint32_t count;
    struct pw_block_info blocks[MOST_BLOCKS];
    bool leads[MOST_BLOCKS][MOST_BLOCKS]; /* then closed under "leads to one that leads to" */
    bool is_reached[MOST_BLOCKS];
    uint64_t roots[MOST_BLOCKS];
    uint32_t root_count;
};

static char *arena;
static const struct pw_image image = {.view = view};

static void make_blocks(struct graph *graph, uint64_t *state)
{
    uint64_t at = (uint64_t)arena;
    graph->count = (uint32_t)(next_random(state) % MOST_BLOCKS) + 1;
    memset(arena, 0, ARENA_BYTES);
    for (uint32_t i = 0; i < graph->count; i++) {
        uint64_t size = next_random(state) % (next_random(state) % 8 == 0 ? 12000 : 100);
        at += next_random(state) % 3 * 16;
        graph->blocks[i] = (struct pw_block_info){.known = true,
                                                  .sealed = true,
                                                  .state = PW_STATE_LIVE,
                                                  .address = at,
                                                  .size = size,
                                                  .block_size = PW_ALIGN_UP(size + 1, (uint64_t)16)};
        at += graph->blocks[i].block_size;
    }
    assert_true(at < (uint64_t)arena + ARENA_BYTES);
}

/* A pointer to anywhere in a block. */
static uint64_t pointer_to(const struct pw_block_info *block, uint64_t *state)
{
    return block->address + (block->size > 0 ? next_random(state) % block->size : 0);
}

static void make_pointers(struct graph *graph, uint64_t *state)
{
    uint64_t pointers = next_random(state) % (2 * graph->count + 1);
    for (uint64_t i = 0; i < pointers; i++) {
        uint32_t from = (uint32_t)(next_random(state) % graph->count), to = (uint32_t)(next_random(state) % graph->count);
        uint64_t words = graph->blocks[from].size / 8;
        if (words == 0)
            continue;
        uint64_t *place = (uint64_t *)graph->blocks[from].address + next_random(state) % words;
        if (*place != 0)
            continue;
        *place = pointer_to(&graph->blocks[to], state);
        graph->leads[from][to] = true;
    }
    graph->root_count = (uint32_t)(next_random(state) % 4);
    for (uint32_t i = 0; i < graph->root_count; i++) {
        uint32_t to = (uint32_t)(next_random(state) % graph->count);
        graph->roots[i] = pointer_to(&graph->blocks[to], state);
        graph->is_reached[to] = true;
    }
}

/* S. Warshall's closure, 1962. */
static void close_graph(struct graph *graph)
{
    for (uint32_t k = 0; k < graph->count; k++)
        for (uint32_t i = 0; i < graph->count; i++)
            for (uint32_t j = 0; graph->leads[i][k] && j < graph->count; j++)
                graph->leads[i][j] = graph->leads[i][j] || graph->leads[k][j];
    bool roots[MOST_BLOCKS];
    memcpy(roots, graph->is_reached, sizeof roots);
    for (uint32_t i = 0; i < graph->count; i++)
        for (uint32_t j = 0; roots[i] && j < graph->count; j++)
            graph->is_reached[j] = graph->is_reached[j] || graph->leads[i][j];
}

/* Lost, and every other lost block that leads to it is on a ring with it, and behind it in memory. */
static uint32_t expected_mark(const struct graph *graph, uint32_t index)
{
    if (graph->is_reached[index])
        return PW_REACH_REACHED;
    for (uint32_t i = 0; i < graph->count; i++) {
        if (i == index || graph->is_reached[i] || !graph->leads[i][index])
            continue;
        if (!graph->leads[index][i] || i < index)
            return PW_REACH_INDIRECT;
    }
    return PW_REACH_DIRECT;
}

static void check_graph(struct graph *graph)
{
    struct pw_reach reach = {.image = &image, .map = take};
    assert_true(pw_reach_begin(&reach));
    for (uint32_t i = 0; i < graph->count; i++)
        assert_true(pw_reach_add(&reach, &graph->blocks[i]));
    assert_int_equal(reach.count, graph->count);
    pw_reach_range(&reach, (uint64_t)graph->roots, (uint64_t)(graph->roots + graph->root_count));
    pw_reach_finish(&reach);
    for (uint32_t i = 0; i < graph->count; i++)
        if (pw_reach_block(&reach, i)->mark != expected_mark(graph, i))
            fail_msg("seed %llu: block %u of %u is marked %u, not %u", (unsigned long long)graph->seed, i,
                     graph->count, (unsigned)pw_reach_block(&reach, i)->mark, expected_mark(graph, i));
    give_back();
}

static void marks_are_those_of_a_plain_closure_over_random_graphs(void **state)
{
    static struct graph graph;
    (void)state;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        uint64_t random = seed * 0x9E3779B97F4A7C15u;
        memset(&graph, 0, sizeof graph);
        graph.seed = seed;
        make_blocks(&graph, &random);
        make_pointers(&graph, &random);
        close_graph(&graph);
        check_graph(&graph);
    }
}

/* ---- single questions ---- */

static void add_block(struct pw_reach *reach, uint64_t address, uint64_t size, uint8_t state, enum pw_family family)
{
    assert_true(pw_reach_add(reach, &(struct pw_block_info){.known = true,
                                                            .sealed = true,
                                                            .state = state,
                                                            .family = family,
                                                            .address = address,
                                                            .size = size,
                                                            .block_size = size + 16}));
}

static void a_word_is_a_pointer_to_a_block_from_its_first_to_its_last_byte(void **state)
{
    static const uint64_t slot = PW_SLOT_BYTES;
    struct pw_reach reach = {.image = &image, .map = take};
    (void)state;
    assert_true(pw_reach_begin(&reach));
    add_block(&reach, slot - 4096 * 3, 0, PW_STATE_LIVE, PW_FAMILY_MALLOC);
    add_block(&reach, slot - 8192, 5 * slot + 10000, PW_STATE_LIVE, PW_FAMILY_MALLOC);
    add_block(&reach, 6 * slot + 8192, 1, PW_STATE_LIVE, PW_FAMILY_MALLOC);
    static const struct {
        uint64_t word;
        uint32_t block;
    } words[] = {{0, PW_REACH_NO_BLOCK},
                 {UINT64_MAX, PW_REACH_NO_BLOCK},
                 {slot - 4096 * 3 - 1, PW_REACH_NO_BLOCK},
                 {slot - 4096 * 3, 0},
                 {slot - 4096 * 3 + 1, PW_REACH_NO_BLOCK},
                 {slot - 8193, PW_REACH_NO_BLOCK},
                 {slot - 8192, 1},
                 {slot, 1},
                 {3 * slot + 77, 1},
                 {6 * slot - 1, 1},
                 {6 * slot + 1807, 1},
                 {6 * slot + 1808, PW_REACH_NO_BLOCK},
                 {6 * slot + 8192, 2},
                 {6 * slot + 8193, PW_REACH_NO_BLOCK},
                 {100 * slot, PW_REACH_NO_BLOCK}};
    for (size_t i = 0; i < PW_ARRAY_SIZE(words); i++)
        assert_int_equal(pw_reach_find(&reach, words[i].word), words[i].block);
    reach.starts_only = true;
    assert_int_equal(pw_reach_find(&reach, slot), PW_REACH_NO_BLOCK);
    assert_int_equal(pw_reach_find(&reach, slot - 8192), 1);
    give_back();
}

static void what_may_be_in_use_is_searched_and_never_lost(void **state)
{
    struct pw_reach reach = {.image = &image, .map = take};
    uint64_t *words = (uint64_t *)arena;
    uint64_t at = (uint64_t)arena;
    struct pw_block_info damaged = {
        .known = true, .state = 0x77, .address = at + 400, .size = 64, .block_size = 64};
    (void)state;
    memset(arena, 0, ARENA_BYTES);
    words[0] = at + 500;
    words[16] = at + 600;
    words[32] = at + 700;
    words[50] = at + 800;
    assert_true(pw_reach_begin(&reach));
    add_block(&reach, at, 64, PW_STATE_RETIRED, PW_FAMILY_MALLOC);
    add_block(&reach, at + 128, 64, PW_STATE_LIVE, PW_FAMILY_INSTANCE);
    add_block(&reach, at + 256, 64, PW_STATE_PENDING, PW_FAMILY_MALLOC);
    add_block(&reach, at + 352, 20, PW_STATE_QUARANTINED, PW_FAMILY_MALLOC); /* nobody's */
    assert_true(pw_reach_add(&reach, &damaged));
    for (uint64_t i = 5; i <= 8; i++)
        add_block(&reach, at + 100 * i, 20, PW_STATE_LIVE, PW_FAMILY_NEW);
    assert_int_equal(reach.count, 8);
    pw_reach_finish(&reach);
    for (uint32_t i = 0; i < reach.count; i++)
        assert_int_equal(pw_reach_block(&reach, i)->mark, PW_REACH_REACHED);
    give_back();
}

static void a_dead_block_that_is_asked_for_is_found_but_leads_nowhere_and_is_never_lost(void **state)
{
    uint64_t *words = (uint64_t *)arena;
    uint64_t at = (uint64_t)arena;
    struct pw_reach reach = {.image = &image, .map = take, .dead = at + 128};
    (void)state;
    for (int is_pointed = 0; is_pointed < 2; is_pointed++) {
        memset(arena, 0, ARENA_BYTES);
        words[0] = is_pointed ? at + 130 : 0;
        words[16] = at + 256;
        assert_true(pw_reach_begin(&reach));
        add_block(&reach, at, 64, PW_STATE_LIVE, PW_FAMILY_MALLOC);
        add_block(&reach, at + 96, 16, PW_STATE_QUARANTINED, PW_FAMILY_MALLOC);
        add_block(&reach, at + 128, 64, PW_STATE_QUARANTINED, PW_FAMILY_MALLOC);
        add_block(&reach, at + 256, 64, PW_STATE_LIVE, PW_FAMILY_MALLOC);
        assert_int_equal(reach.count, 3);
        pw_reach_value(&reach, at, 7);
        pw_reach_finish(&reach);
        assert_int_equal(pw_reach_block(&reach, 0)->mark, PW_REACH_REACHED);
        assert_int_equal(pw_reach_block(&reach, 1)->mark, is_pointed ? PW_REACH_REACHED : PW_REACH_LOST);
        assert_int_equal(pw_reach_block(&reach, 1)->place, is_pointed ? at : 0);
        assert_int_equal(pw_reach_block(&reach, 2)->mark, PW_REACH_DIRECT);
        give_back();
    }
}

static void a_page_that_cant_be_read_hides_no_other(void **state)
{
    struct pw_reach reach = {.image = &image, .map = take};
    uint64_t at = (uint64_t)arena;
    (void)state;
    memset(arena, 0, ARENA_BYTES);
    *(uint64_t *)(arena + 4096 + 8) = at + 0x10000;
    *(uint64_t *)(arena + 8192) = at + 0x10100;
    unreadable = at + 4096;
    assert_true(pw_reach_begin(&reach));
    add_block(&reach, at + 0x10000, 16, PW_STATE_LIVE, PW_FAMILY_MALLOC);
    add_block(&reach, at + 0x10100, 16, PW_STATE_LIVE, PW_FAMILY_MALLOC);
    pw_reach_range(&reach, at, at + 0x8000);
    unreadable = 0;
    assert_int_equal(pw_reach_block(&reach, 0)->mark, PW_REACH_LOST);
    assert_int_equal(pw_reach_block(&reach, 1)->mark, PW_REACH_REACHED);
    give_back();
}

/* Only the arena is there. */
static uint64_t next_in_arena(void *context, uint64_t at, uint64_t end)
{
    uint64_t start = (uint64_t)arena;
    (void)context;
    if (at >= start + ARENA_BYTES)
        return end;
    return at > start ? at : start < end ? start : end;
}

static const void *view_arena(void *context, uint64_t address, uint64_t bytes, void *scratch)
{
    bool is_there = next_in_arena(context, address, UINT64_MAX) == address;
    return is_there ? memcpy(scratch, (const void *)address, bytes) : NULL;
}

/* Page by page these would be 2^36 looks. */
static void a_range_that_is_not_there_is_passed_over_at_once(void **state)
{
    const struct pw_image arena_image = {.root = image.root, .view = view_arena};
    struct pw_reach reach = {.image = &arena_image, .map = take, .next_memory = next_in_arena};
    uint64_t at = (uint64_t)arena;
    (void)state;
    memset(arena, 0, ARENA_BYTES);
    *(uint64_t *)(arena + ARENA_BYTES - 8) = at + 0x10000;
    assert_true(pw_reach_begin(&reach));
    add_block(&reach, at + 0x10000, 16, PW_STATE_LIVE, PW_FAMILY_MALLOC);
    pw_reach_range(&reach, 4096, (uint64_t)1 << 48);
    assert_int_equal(pw_reach_block(&reach, 0)->mark, PW_REACH_REACHED);
    give_back();
}

static void blocks_out_of_order_or_of_no_sense_are_left_out(void **state)
{
    struct pw_reach reach = {.image = &image, .map = take};
    (void)state;
    assert_true(pw_reach_begin(&reach));
    add_block(&reach, 0x10000, 64, PW_STATE_LIVE, PW_FAMILY_MALLOC);
    add_block(&reach, 0x10000, 64, PW_STATE_LIVE, PW_FAMILY_MALLOC);
    add_block(&reach, 0x8000, 64, PW_STATE_LIVE, PW_FAMILY_MALLOC);
    add_block(&reach, (uint64_t)1 << 50, 64, PW_STATE_LIVE, PW_FAMILY_MALLOC);
    add_block(&reach, 0x20000, (uint64_t)1 << 60, PW_STATE_LIVE, PW_FAMILY_MALLOC);
    assert_int_equal(reach.count, 1);
    give_back();
}

/* Behind them the index of pages has no entries. */
static void a_block_that_reaches_out_of_the_address_space_is_left_out(void **state)
{
    struct pw_reach reach = {.image = &image, .map = take};
    uint64_t end = (uint64_t)1 << PW_ADDRESS_BITS;
    (void)state;
    assert_true(pw_reach_begin(&reach));
    add_block(&reach, end - 128, 63, PW_STATE_LIVE, PW_FAMILY_MALLOC);
    add_block(&reach, end - 64, (uint64_t)1 << (PW_ADDRESS_BITS - 1), PW_STATE_LIVE, PW_FAMILY_MALLOC);
    assert_int_equal(reach.count, 1);
    assert_int_equal(pw_reach_find(&reach, end - 128), 0);
    assert_int_equal(pw_reach_find(&reach, end + (end >> 2)), PW_REACH_NO_BLOCK);
    give_back();
}

static int make_arena(void **state)
{
    (void)state;
    arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return arena == MAP_FAILED;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_are_those_of_a_plain_closure_over_random_graphs),
        cmocka_unit_test(a_word_is_a_pointer_to_a_block_from_its_first_to_its_last_byte),
        cmocka_unit_test(what_may_be_in_use_is_searched_and_never_lost),
        cmocka_unit_test(a_dead_block_that_is_asked_for_is_found_but_leads_nowhere_and_is_never_lost),
        cmocka_unit_test(a_page_that_cant_be_read_hides_no_other),
        cmocka_unit_test(a_range_that_is_not_there_is_passed_over_at_once),
        cmocka_unit_test(blocks_out_of_order_or_of_no_sense_are_left_out),
        cmocka_unit_test(a_block_that_reaches_out_of_the_address_space_is_left_out),
    };
    return cmocka_run_group_tests(tests, make_arena, NULL);
}
