/*
 * report_samples.h - a little world for the tests of reports: two modules, a few stacks, three
 * threads, and one fault of every kind but memory-leak, made by hand. What trace answers is faked here (the tests
 * don't link src/trace), so that every address and name is the same in each run.
 */
#ifndef PW_TESTS_REPORT_SAMPLES_H
#define PW_TESTS_REPORT_SAMPLES_H

#include "diag/report.h"
#include "trace/depot.h"
#include "trace/modules.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define DEMO 0x555500000000u
#define LIBC 0x7ffff7c00000u
#define BLOCK 0x7f1200000440u

static struct pw_module sample_modules[] = {
    {.start = DEMO, .end = DEMO + 0x100000, .bias = DEMO, .build_id_len = 20,
     .build_id = {0xb5, 0x0a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18},
     .path = "/home/ada/demo/build/demo"},
    {.start = LIBC, .end = LIBC + 0x200000, .bias = LIBC, .path = "/usr/lib/x86_64-linux-gnu/libc.so.6"},
    {.path = ""}, /* of the library itself: set by the tests that want it to have one */
};

static const struct {
    uint64_t start;
    const char *name;
} sample_functions[] = {{DEMO + 0x1000, "main"},       {DEMO + 0x1200, "parse_line"},
                        {DEMO + 0x1400, "make_table"}, {DEMO + 0x1600, "drop_table"},
                        {DEMO + 0x1800, "worker_run"}, {LIBC + 0x98000, "strdup"},
                        {LIBC + 0x27000, "__libc_start_call_main"},
                        {DEMO + 0x1a00, "_ZNSt6vectorIiSaIiEE17_M_realloc_insertEv"}};

/* Stacks of the depot: id i is the i-th. */
static const uint64_t sample_stacks[][4] = {
    {DEMO + 0x1434, DEMO + 0x1056, LIBC + 0x270ca},               /* 1: make_table */
    {DEMO + 0x1678, DEMO + 0x1899, 0x7fffdead0000},               /* 2: drop_table in a worker, from a JIT */
    {LIBC + 0x9801a, DEMO + 0x1234, DEMO + 0x1056, LIBC + 0x270ca}, /* 3: strdup */
    {LIBC + 0x9801a, DEMO + 0x1a10, DEMO + 0x1a20, DEMO + 0x1234},  /* 4: std::vector's in parse_line */
};

const struct pw_module *pw_modules_find(uint64_t address)
{
    for (size_t i = 0; i < PW_ARRAY_SIZE(sample_modules); i++)
        if (address >= sample_modules[i].start && address < sample_modules[i].end)
            return &sample_modules[i];
    return NULL;
}

bool pw_modules_function(uint64_t address, char *name, size_t size, uint64_t *offset)
{
    for (size_t i = 0; i < PW_ARRAY_SIZE(sample_functions); i++) {
        *offset = address - sample_functions[i].start;
        if (*offset < 0x200)
            return snprintf(name, size, "%s", sample_functions[i].name) > 0;
    }
    return false;
}

static int refreshes;
void pw_modules_refresh(void)
{
    refreshes++;
}

size_t pw_depot_get(uint32_t id, uint64_t *frames, size_t max)
{
    size_t count = 0;
    if (id == 0 || id > PW_ARRAY_SIZE(sample_stacks))
        return 0;
    while (count < 4 && count < max && sample_stacks[id - 1][count] != 0) {
        frames[count] = sample_stacks[id - 1][count];
        count++;
    }
    return count;
}

static struct pw_thread_image sample_threads[] = {{.name = "demo"}, {.name = "worker-1"}, {.name = ""}};
static _Atomic uint32_t sample_thread_count = PW_ARRAY_SIZE(sample_threads);

static struct pw_report_config sample_config(enum pw_report_format format, enum pw_level level)
{
    return (struct pw_report_config){.format = format,
                                     .color = PW_COLOR_NEVER,
                                     .level = level,
                                     .print_summary = true,
                                     .threads = sample_threads,
                                     .thread_count = &sample_thread_count};
}

static struct pw_block_info sample_block(uint8_t state, uint64_t address, uint64_t size, uint32_t alloc_stack,
                                         uint32_t free_stack)
{
    return (struct pw_block_info){.known = true, .sealed = true, .state = state, .address = address,
                                  .size = size, .block_size = (size + 16 + 63) / 64 * 64, .region = 1,
                                  .granule = 17, .has_evidence = true, .free_thread = free_stack != 0,
                                  .number = 17, .alloc_stack = alloc_stack, .free_stack = free_stack};
}

/* found by free() in parse_line of main, in T0; the block is 24 live bytes. */
static struct pw_fault sample_fault(enum pw_kind kind)
{
    struct pw_fault fault = {.kind = kind, .operation = PW_OP_FREE, .is_certain = true, .address = BLOCK,
                             .pc = DEMO + 0x1234, .relation = PW_RELATION_INSIDE, .frame_count = 3,
                             .frames = {DEMO + 0x1234, DEMO + 0x1056, LIBC + 0x270ca}};
    fault.block = sample_block(PW_STATE_LIVE, BLOCK, 24, 1, 0);
    fault.before = sample_block(PW_STATE_LIVE, BLOCK - 128, 100, 3, 0);
    fault.before.number = 16;
    fault.after = sample_block(PW_STATE_FREE, BLOCK + 64, 48, 0, 0);
    fault.after.has_evidence = false;
    return fault;
}

/* `bytes` found from `start` on in a window of 64 bytes at `window`; known from byte `known` of it on. */
static void sample_damage(struct pw_fault *fault, uint64_t window, uint32_t known, uint64_t start,
                          const void *bytes, size_t length)
{
    struct pw_damage *damage = &fault->damage;
    *damage = (struct pw_damage){.start = start, .length = length, .damaged = length, .window = window,
                                 .window_bytes = PW_DAMAGE_WINDOW};
    for (uint32_t i = 0; i < PW_DAMAGE_WINDOW; i++) {
        damage->is_known[i] = i >= known;
        damage->expected[i] = (uint8_t)(0x91 + 29 * (i % 8));
        damage->found[i] = i >= known ? damage->expected[i] : (uint8_t)"the quick brown fox jumps"[i % 25];
    }
    memcpy(damage->found + (start - window), bytes, length);
    fault->address = start;
}

static void sample_poison(struct pw_fault *fault)
{
    for (uint32_t i = 0; i < PW_DAMAGE_WINDOW; i++)
        if (fault->damage.found[i] == fault->damage.expected[i] || !fault->damage.is_known[i])
            fault->damage.found[i] = fault->damage.expected[i] = 0xef;
        else
            fault->damage.expected[i] = 0xef;
}

/* -- One of each: the names are those of the golden files. */

static struct pw_fault overflow(void)
{
    struct pw_fault fault = sample_fault(PW_KIND_OVERFLOW);
    sample_damage(&fault, BLOCK + 16, 8, BLOCK + 24, "ABCD", 5);
    fault.relation = PW_RELATION_AFTER;
    return fault;
}

static struct pw_fault overflow_one_zero(void)
{
    struct pw_fault fault = sample_fault(PW_KIND_OVERFLOW);
    sample_damage(&fault, BLOCK + 16, 8, BLOCK + 24, "", 1);
    fault.relation = PW_RELATION_AFTER;
    fault.is_certain = false;
    fault.operation = PW_OP_QUARANTINE;
    fault.block.alloc_stack = 3;
    return fault;
}

static struct pw_fault overflow_fast(void)
{
    struct pw_fault fault = overflow();
    fault.block.has_evidence = fault.before.has_evidence = false;
    return fault;
}

static struct pw_fault overflow_access(void)
{
    struct pw_fault fault = sample_fault(PW_KIND_OVERFLOW);
    fault.operation = PW_OP_ACCESS;
    fault.access = PW_ACCESS_WRITE;
    fault.access_size = 4;
    fault.address = BLOCK + 24;
    fault.relation = PW_RELATION_AFTER;
    fault.block.flags = PW_HEAP_MAPPED | PW_HEAP_GUARDED;
    return fault;
}

static struct pw_fault underflow(void)
{
    struct pw_fault fault = sample_fault(PW_KIND_UNDERFLOW);
    uint32_t value = 42;
    sample_damage(&fault, BLOCK - 48, 0, BLOCK - 4, &value, sizeof value);
    fault.damage.damaged = 3;
    fault.relation = PW_RELATION_BEFORE;
    fault.offset = 4;
    return fault;
}

static struct pw_fault use_after_free(void)
{
    struct pw_fault fault = sample_fault(PW_KIND_USE_AFTER_FREE);
    uint64_t pointer = DEMO + 0x1200;
    sample_damage(&fault, BLOCK, 0, BLOCK + 8, &pointer, sizeof pointer);
    sample_poison(&fault);
    fault.operation = PW_OP_PATROL;
    fault.thread = 2;
    fault.offset = 8;
    fault.block = sample_block(PW_STATE_QUARANTINED, BLOCK, 48, 1, 2);
    return fault;
}

static struct pw_fault use_after_free_access(void)
{
    struct pw_fault fault = use_after_free();
    fault.damage = (struct pw_damage){0};
    fault.operation = PW_OP_ACCESS;
    fault.access = PW_ACCESS_READ;
    fault.access_size = 8;
    return fault;
}

static struct pw_fault double_free(void)
{
    struct pw_fault fault = sample_fault(PW_KIND_DOUBLE_FREE);
    fault.block = sample_block(PW_STATE_QUARANTINED, BLOCK, 48, 1, 2);
    return fault;
}

static struct pw_fault bad_free(void)
{
    struct pw_fault fault = sample_fault(PW_KIND_BAD_FREE);
    fault.address = 0x7ffd4c8a1230;
    fault.relation = PW_RELATION_NONE;
    fault.block = fault.before = fault.after = (struct pw_block_info){0};
    fault.place = "the stack of this thread";
    return fault;
}

static struct pw_fault bad_free_wild(void)
{
    struct pw_fault fault = bad_free();
    fault.place = NULL;
    return fault;
}

static struct pw_fault interior_free(void)
{
    struct pw_fault fault = sample_fault(PW_KIND_INTERIOR_FREE);
    fault.address = BLOCK + 8;
    fault.offset = 8;
    return fault;
}

static struct pw_fault family_mismatch(void)
{
    struct pw_fault fault = sample_fault(PW_KIND_FAMILY_MISMATCH);
    fault.block.family = PW_FAMILY_NEW_ARRAY;
    fault.released_as = PW_FAMILY_MALLOC;
    return fault;
}

static struct pw_fault size_mismatch(void)
{
    struct pw_fault fault = sample_fault(PW_KIND_SIZE_MISMATCH);
    fault.operation = PW_OP_DELETE;
    fault.block.family = fault.released_as = PW_FAMILY_NEW;
    fault.given_size = 16;
    fault.given_alignment = 32;
    return fault;
}

static struct pw_fault overlap(void)
{
    struct pw_fault fault = sample_fault(PW_KIND_OVERLAP);
    fault.operation = PW_OP_NONE;
    fault.access = PW_ACCESS_WRITE;
    fault.access_size = 16;
    fault.damage.start = BLOCK + 4;
    return fault;
}

static struct pw_fault header(void)
{
    struct pw_fault fault = sample_fault(PW_KIND_HEADER);
    fault.broken_rule = "the next block does not point back to it";
    fault.block.sealed = false;
    fault.block.state = 0x77;
    return fault;
}

static struct pw_fault calloc_overflow(void)
{
    struct pw_fault fault = sample_fault(PW_KIND_CALLOC_OVERFLOW);
    fault.operation = PW_OP_CALLOC;
    fault.relation = PW_RELATION_NONE;
    fault.address = 0;
    fault.access_size = UINT64_MAX / 2;
    fault.given_size = 24;
    fault.block = fault.before = fault.after = (struct pw_block_info){0};
    return fault;
}

static struct pw_fault size_too_big(void)
{
    struct pw_fault fault = calloc_overflow();
    fault.kind = PW_KIND_SIZE_TOO_BIG;
    fault.operation = PW_OP_MALLOC;
    fault.access_size = 0;
    fault.given_size = UINT64_MAX - 15;
    return fault;
}

static struct pw_fault bad_alignment(void)
{
    struct pw_fault fault = size_too_big();
    fault.kind = PW_KIND_BAD_ALIGNMENT;
    fault.operation = PW_OP_ALIGNED;
    fault.given_alignment = 24;
    return fault;
}

static struct pw_fault poison(void)
{
    struct pw_fault fault = bad_free();
    fault.kind = PW_KIND_POISON;
    fault.operation = PW_OP_ACCESS;
    fault.access = PW_ACCESS_READ;
    fault.address = 0xefefefefefefeff7;
    fault.place = NULL;
    fault.is_passed_on = true;
    return fault;
}

struct sample {
    const char *name; /* of the golden files */
    struct pw_fault (*make)(void);
    enum pw_level level;
};

static const struct sample samples[] = {
    {"heap-buffer-overflow", overflow, PW_LEVEL_FULL},
    {"heap-buffer-overflow-one-zero", overflow_one_zero, PW_LEVEL_FULL},
    {"heap-buffer-overflow-fast", overflow_fast, PW_LEVEL_FAST},
    {"heap-buffer-overflow-access", overflow_access, PW_LEVEL_GUARD},
    {"heap-buffer-underflow", underflow, PW_LEVEL_FULL},
    {"heap-use-after-free", use_after_free, PW_LEVEL_FULL},
    {"heap-use-after-free-access", use_after_free_access, PW_LEVEL_GUARD},
    {"double-free", double_free, PW_LEVEL_FULL},
    {"bad-free", bad_free, PW_LEVEL_FAST},
    {"bad-free-wild", bad_free_wild, PW_LEVEL_FAST},
    {"interior-free", interior_free, PW_LEVEL_FULL},
    {"alloc-dealloc-mismatch", family_mismatch, PW_LEVEL_FULL},
    {"sized-delete-mismatch", size_mismatch, PW_LEVEL_FULL},
    {"overlapping-copy", overlap, PW_LEVEL_FULL},
    {"header-corruption", header, PW_LEVEL_FULL},
    {"calloc-overflow", calloc_overflow, PW_LEVEL_FAST},
    {"allocation-size-too-big", size_too_big, PW_LEVEL_FAST},
    {"invalid-alignment", bad_alignment, PW_LEVEL_FAST},
    {"poison-dereference", poison, PW_LEVEL_FULL},
};

/* -- What a report says: taken by a callback, which keeps it from being printed. */
static char captured[4 * 1024 * 1024];
static struct pwheap_error captured_error;

static bool capture(void *context, const struct pwheap_error *error)
{
    (void)context;
    assert_true(error->text_length < sizeof captured);
    assert_int_equal(strlen(error->text), error->text_length);
    memcpy(captured, error->text, error->text_length + 1);
    captured_error = *error;
    return true;
}

static inline const char *report_of(const struct pw_report_config *config, const struct pw_fault *fault)
{
    pw_report_init(config);
    captured[0] = '\0';
    pwheap_error_callback before = pw_report_set_callback(capture, NULL, NULL);
    assert_false(pw_report(fault));
    (void)pw_report_set_callback(before, NULL, NULL);
    return captured;
}

#endif
