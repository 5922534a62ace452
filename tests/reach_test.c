/*
 * reach_test.c - which blocks are reached, direct, indirect: against a plain closure over random graphs;
 * which memory is searched; suppressions; sums by stack.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "image/reach.h"
#include "image/roots.h"
#include "image/sites.h"
#include "image/suppress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- memory for what is tested ---- */

enum { MOST_TAKEN = 4096, MOST_BLOCKS = 64, ARENA_BYTES = 1 << 20 };
static struct {
    void *address;
    size_t bytes;
} taken[MOST_TAKEN];
static size_t taken_count;

/* Mapped, for most of it is never touched. */
static void *take(size_t bytes)
{
    void *address = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (taken_count == MOST_TAKEN || address == MAP_FAILED)
        return NULL;
    (void)madvise(address, bytes, MADV_NOHUGEPAGE); /* to be zeroed for the one word that is used */
    taken[taken_count].address = address;
    taken[taken_count++].bytes = bytes;
    return address;
}

static void give_back(void)
{
    while (taken_count > 0) {
        taken_count--;
        (void)munmap(taken[taken_count].address, taken[taken_count].bytes);
    }
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1DULL;
}

/* The page that can't be read; 0: all can. */
static uint64_t unreadable;

static const void *view(void *context, uint64_t address, uint64_t bytes, void *scratch)
{
    (void)context;
    if (unreadable != 0 && address < unreadable + PW_PAGE_BYTES && address + bytes > unreadable)
        return NULL;
    return memcpy(scratch, (const void *)address, bytes);
}

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

/* ---- roots ---- */

struct selected {
    struct {
        uint64_t start, end;
    } all[32];
    uint32_t count;
};

static void note_selected(void *context, uint64_t start, uint64_t end, uint32_t mapping)
{
    struct selected *selected = context;
    (void)mapping;
    assert_true(selected->count < PW_ARRAY_SIZE(selected->all));
    selected->all[selected->count].start = start;
    selected->all[selected->count++].end = end;
}

static void select_from(const struct pw_root_mapping *mappings, uint32_t count, const struct pw_root_thread *threads,
                        uint32_t thread_count, struct pw_own_range *own, uint64_t own_count, struct selected *selected)
{
    static struct pw_root root;
    root = (struct pw_root){.own_ranges = (uint64_t)own, .own_range_count = own_count};
    struct pw_image roots_image = {.root = &root, .view = view};
    struct pw_roots roots = {.image = &roots_image,
                             .mappings = mappings,
                             .mapping_count = count,
                             .threads = threads,
                             .thread_count = thread_count,
                             .map = take,
                             .select = note_selected,
                             .context = selected};
    selected->count = 0;
    assert_true(pw_roots_select(&roots));
    give_back();
}

static void assert_selected(const struct selected *selected, uint32_t index, uint64_t start, uint64_t end)
{
    assert_true(index < selected->count);
    assert_int_equal(selected->all[index].start, start);
    assert_int_equal(selected->all[index].end, end);
}

static void what_the_program_can_write_to_is_searched_and_what_is_the_librarys_is_not(void **state)
{
    enum { R = PW_ROOT_READ, RW = PW_ROOT_READ | PW_ROOT_WRITE, S = PW_ROOT_SHARED };
    static const struct pw_root_mapping mappings[] = {
        {.start = 0x10000, .end = 0x20000, .access = R, .file = 1},      /* code's constants */
        {.start = 0x20000, .end = 0x21000, .access = R, .file = 1},      /* RELRO */
        {.start = 0x21000, .end = 0x24000, .access = RW, .file = 1},     /* data */
        {.start = 0x30000, .end = 0x40000, .access = RW},                /* anonymous */
        {.start = 0x50000, .end = 0x60000, .access = RW | S, .file = 2}, /* a file's own pages */
        {.start = 0x60000, .end = 0x70000, .access = RW | S, .file = 3, .is_memory = true},
        {.start = 0x70000, .end = 0x71000, .access = R}, /* sealed */
        {.start = 0x80000, .end = 0x90000, .access = 0},
    };
    struct pw_own_range own[] = {{0x38000, 0x39000}, {0x33000, 0x34000}, {0x34000, 0}, {0x2f000, 0x31000}, {0, 0}};
    struct selected selected;
    (void)state;
    select_from(mappings, PW_ARRAY_SIZE(mappings), NULL, 0, own, PW_ARRAY_SIZE(own), &selected);
    assert_int_equal(selected.count, 7);
    assert_selected(&selected, 0, 0x20000, 0x21000);
    assert_selected(&selected, 1, 0x21000, 0x24000);
    assert_selected(&selected, 2, 0x31000, 0x33000);
    assert_selected(&selected, 3, 0x34000, 0x38000);
    assert_selected(&selected, 4, 0x39000, 0x40000);
    assert_selected(&selected, 5, 0x60000, 0x70000);
    assert_selected(&selected, 6, 0x70000, 0x71000);
}

static void of_stacks_what_is_above_the_stack_pointer_is_searched(void **state)
{
    enum { PAGES = 16 };
    char *memory = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    uint64_t at = (uint64_t)memory;
    struct pw_root_mapping mappings[] = {
        {.start = at, .end = at + 0x1000},                                                         /* a guard */
        {.start = at + 0x1000, .end = at + 0x6000, .access = PW_ROOT_READ | PW_ROOT_WRITE},         /* a stack in use */
        {.start = at + 0x6000, .end = at + 0x7000},
        {.start = at + 0x7000, .end = at + 0xc000, .access = PW_ROOT_READ | PW_ROOT_WRITE},         /* of a thread that is gone */
        {.start = at + 0xd000, .end = at + 0x10000, .access = PW_ROOT_READ | PW_ROOT_WRITE, .is_stack = true},
    };
    uint64_t used = at + 0x5800, gone = at + 0xb840;
    ((uint64_t *)used)[0] = ((uint64_t *)used)[2] = used;
    ((uint64_t *)gone)[0] = ((uint64_t *)gone)[2] = gone;
    struct pw_root_thread threads[] = {{at + 0xf000, 0x1234}, {at + 0x4000, used}};
    struct selected selected;
    (void)state;
    select_from(mappings, PW_ARRAY_SIZE(mappings), threads, 2, NULL, 0, &selected);
    assert_int_equal(selected.count, 3);
    assert_selected(&selected, 0, at + 0x4000 - 128, at + 0x6000);
    assert_selected(&selected, 1, gone, at + 0xc000);
    assert_selected(&selected, 2, at + 0xf000 - 128, at + 0x10000);
    /* A thread that runs elsewhere (a coroutine's stack) leaves its own one whole. */
    threads[1].sp = 0x1000;
    select_from(mappings, PW_ARRAY_SIZE(mappings), threads, 2, NULL, 0, &selected);
    assert_selected(&selected, 0, at + 0x1000, at + 0x6000);
    /* Where a thread pointer is not known, no stack is taken for one that is left. */
    threads[1].pointer = 0;
    select_from(mappings, PW_ARRAY_SIZE(mappings), threads, 2, NULL, 0, &selected);
    assert_selected(&selected, 1, at + 0x7000, at + 0xc000);
    (void)munmap(memory, PAGES * 4096);
}

/* ---- suppressions ---- */

static bool matches(const char *pattern, const char *name)
{
    static struct pw_suppressions suppressions;
    char line[256];
    (void)snprintf(line, sizeof line, "leak:%s\n", pattern);
    pw_suppressions_read(&suppressions, line, strlen(line));
    assert_int_equal(suppressions.count, 1);
    return pw_suppressions_match(&suppressions, name, strlen(name)) != NULL;
}

static void a_template_is_a_part_of_the_name_with_stars_and_anchors(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool is_match;
    } cases[] = {{"abc", "xabcx", true},      {"abc", "ab", false},        {"a*c", "xabbcx", true},
                 {"a*c", "cba", false},       {"^abc", "abcx", true},      {"^abc", "xabc", false},
                 {"abc$", "xabc", true},      {"abc$", "abcx", false},     {"^abc$", "abc", true},
                 {"^abc$", "abcabc", false},  {"^a*c$", "abcabc", true},   {"^a*c$", "abca", false},
                 {"a*b*c", "a1b2c", true},    {"a*b*c", "a1c2b", false},   {"*", "", true},
                 {"^$", "", true},            {"^$", "a", false},          {"^*a", "bca", true},
                 {"ab*b$", "ab", false},      {"ab*b$", "abb", true},      {"**x**", "x", true},
                 {"std::vector<int>", "f(std::vector<int>)", true}};
    (void)state;
    for (size_t i = 0; i < PW_ARRAY_SIZE(cases); i++)
        if (matches(cases[i].pattern, cases[i].name) != cases[i].is_match)
            fail_msg("%s, %s", cases[i].pattern, cases[i].name);
}

static void a_file_of_suppressions_has_comments_and_bad_lines(void **state)
{
    static struct pw_suppressions suppressions;
    static const char text[] = "# all of it\n\n  leak:one  \r\nleak:two\nrace:three\nleak:\nleak:four";
    (void)state;
    pw_suppressions_read(&suppressions, text, sizeof text - 1);
    assert_int_equal(suppressions.count, 3);
    assert_int_equal(suppressions.bad_line, 5);
    assert_int_equal(suppressions.all[0].length, 3);
    assert_memory_equal(suppressions.all[2].pattern, "four", 4);
    pw_suppressions_read(&suppressions, "", 0);
    assert_int_equal(suppressions.count, 0);
}

/* ---- sites ---- */

static void sites_are_sums_by_stack_the_largest_first(void **state)
{
    static struct pw_site all[16];
    struct pw_sites sites = {.all = all, .capacity = PW_ARRAY_SIZE(all)};
    (void)state;
    pw_sites_add(&sites, 1, 7, 0x1000, 10);
    pw_sites_add(&sites, 0, 7, 0x2000, 20);
    pw_sites_add(&sites, 0, 9, 0x3000, 30);
    pw_sites_add(&sites, 0, 7, 0x4000, 25);
    pw_sites_add(&sites, 0, 0, 0x5000, 8);
    pw_sites_add(&sites, 0, 0, 0x6000, 9);
    pw_sites_sort(&sites);
    static const struct pw_site expected[] = {{7, 0, 0, 45, 2, 0x2000},
                                              {9, 0, 0, 30, 1, 0x3000},
                                              {0, 0, 9, 9, 1, 0x6000},
                                              {0, 0, 8, 8, 1, 0x5000},
                                              {7, 1, 0, 10, 1, 0x1000}};
    assert_int_equal(sites.count, PW_ARRAY_SIZE(expected));
    for (size_t i = 0; i < PW_ARRAY_SIZE(expected); i++) {
        assert_int_equal(all[i].stack, expected[i].stack);
        assert_int_equal(all[i].kind, expected[i].kind);
        assert_int_equal(all[i].size, expected[i].size);
        assert_int_equal(all[i].bytes, expected[i].bytes);
        assert_int_equal(all[i].blocks, expected[i].blocks);
        assert_int_equal(all[i].first, expected[i].first);
    }
}

static void what_has_no_room_is_counted(void **state)
{
    static struct pw_site all[16];
    struct pw_sites sites = {.all = all, .capacity = PW_ARRAY_SIZE(all)};
    (void)state;
    for (uint32_t stack = 1; stack <= 100; stack++)
        pw_sites_add(&sites, 0, stack, stack, 10);
    assert_int_equal(sites.count, 12);
    assert_int_equal(sites.rest_blocks, 88);
    assert_int_equal(sites.rest_bytes, 880);
}

/* Of a table that is memory of its own: most of it is never touched, and so is no memory yet. */
static void a_large_table_is_touched_only_near_its_sites(void **state)
{
    enum { CAPACITY = 65536, STACKS = 5, BYTES = CAPACITY * sizeof(struct pw_site), PAGES = BYTES / 4096 };
    static unsigned char present[PAGES];
    struct pw_site *all = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct pw_sites sites = {.all = all, .capacity = CAPACITY};
    (void)state;
    assert_ptr_not_equal(all, MAP_FAILED);
    (void)madvise(all, BYTES, MADV_NOHUGEPAGE);
    for (uint32_t stack = 1; stack <= STACKS; stack++)
        pw_sites_add(&sites, 0, stack, stack, stack);
    pw_sites_sort(&sites);
    for (uint32_t i = 0; i < STACKS; i++)
        assert_int_equal(all[i].stack, STACKS - i);
    assert_int_equal(mincore(all, BYTES, present), 0);
    unsigned touched = 0;
    for (unsigned i = 0; i < PAGES; i++)
        touched += present[i] & 1u;
    assert_in_range(touched, 1, PAGES / 8);
    munmap(all, BYTES);
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
        cmocka_unit_test(what_the_program_can_write_to_is_searched_and_what_is_the_librarys_is_not),
        cmocka_unit_test(of_stacks_what_is_above_the_stack_pointer_is_searched),
        cmocka_unit_test(a_template_is_a_part_of_the_name_with_stars_and_anchors),
        cmocka_unit_test(a_file_of_suppressions_has_comments_and_bad_lines),
        cmocka_unit_test(sites_are_sums_by_stack_the_largest_first),
        cmocka_unit_test(what_has_no_room_is_counted),
        cmocka_unit_test(a_large_table_is_touched_only_near_its_sites),
    };
    return cmocka_run_group_tests(tests, make_arena, NULL);
}
