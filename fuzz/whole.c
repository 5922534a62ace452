/*
 * whole.c - operations on the whole heap: trim, leaks, snapshots, differences, figures, fork, the list, a flood. Each
 * costs as much as thousands of calls, so a program does one of them at most, and only one that looks, the dearest only one
 * that is patient (program.c).
 */
#include "calls.h"

#include "heap/heap.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool swallow(void *context, const struct pwheap_error *error)
{
    (void)context;
    return error->text_length > 0;
}

/* What was hidden, so that no address of it is anywhere. */
static struct {
    unsigned slots[2];
    uintptr_t inverted[2]; /* their blocks' addresses */
    uintptr_t kept[2];     /* what a pointer stands in the place of */
    bool is_ring, is_ignored;
} hidden;

/* A slot at or after another that has room for a pointer. */
static unsigned slot_with_room(unsigned slot)
{
    for (unsigned i = 0; i < MODEL_SLOTS; i++, slot = (slot + 1) % MODEL_SLOTS)
        if (model.slots[slot].block != NULL && model.slots[slot].size >= sizeof(void *))
            return slot;
    return MODEL_SLOTS;
}

/* False: there is no block. Nothing of it is left in registers or on the part of the stack that is searched. */
static __attribute__((noinline)) bool hide(unsigned first, uint8_t how)
{
    unsigned slot = slot_with_room(first), other = slot_with_room((slot + 1) % MODEL_SLOTS);
    if (slot == MODEL_SLOTS)
        return false;
    hidden.is_ring = how % 4 == 1 && other != slot;
    hidden.is_ignored = how % 4 == 2;
    hidden.slots[0] = slot;
    hidden.slots[1] = other;
    if (hidden.is_ignored)
        FUZZ_CHECK(pwheap_ignore(model.slots[slot].block), "a live block can't be ignored");
    for (unsigned i = 0; i < (hidden.is_ring ? 2 : 1); i++)
        hidden.inverted[i] = ~(uintptr_t)model.slots[hidden.slots[i]].block;
    for (unsigned i = 0; i < 2 && hidden.is_ring; i++) { /* each points at the other */
        void *other_block = model.slots[hidden.slots[1 - i]].block;
        memcpy(&hidden.kept[i], model.slots[hidden.slots[i]].block, sizeof hidden.kept[i]);
        memcpy(model.slots[hidden.slots[i]].block, &other_block, sizeof other_block);
    }
    model.slots[slot].block = NULL;
    if (hidden.is_ring)
        model.slots[other].block = NULL;
    return true;
}

static void show(void)
{
    for (unsigned i = 0; i < (hidden.is_ring ? 2 : 1); i++) {
        struct model_slot *slot = &model.slots[hidden.slots[i]];
        slot->block = (unsigned char *)~hidden.inverted[i];
        if (hidden.is_ring)
            memcpy(slot->block, &hidden.kept[i], sizeof hidden.kept[i]);
    }
}

/*
 * With the only pointers to one block, or to two that point at each other, hidden these, or nothing, are leaks: some copy
 * of an address may lie on a stack. What is to be ignored is none.
 */
static void look_for_leaks(struct program *program)
{
    static const char *const formats[] = {"text", "asan", "json"};
    uint8_t choice = fuzz_byte(&program->input), how = fuzz_byte(&program->input);
    if (program->plant != NULL || !hide(choice % MODEL_SLOTS, how))
        return; /* corrupt.c has a callback of its own */
    (void)pwheap_option_set("report_format", formats[choice / MODEL_SLOTS % 3]);
    (void)pwheap_set_error_callback(swallow, NULL);
    size_t leaks = pwheap_leak_check();
    show();
    (void)pwheap_set_error_callback(NULL, NULL);
    FUZZ_CHECK(leaks <= (hidden.is_ignored ? 0u : hidden.is_ring ? 2u : 1u), "%zu leaks, and %s", leaks,
               hidden.is_ignored ? "the only one is ignored" : "the pointers to one or two were hidden");
}

/* A file that begins as a core does, or none. By the path that is given, or that the options say; perhaps without contents. */
static void make_snapshot(struct program *program)
{
    uint8_t how = fuzz_byte(&program->input);
    char path[64], head[4] = "";
    snprintf(path, sizeof path, "/dev/shm/pwheap-fuzz.%ld", (long)getpid());
    (void)pwheap_option_set("dump_content", how % 2 != 0 ? "1" : "0");
    int result = pwheap_dump(how / 2 % 2 != 0 ? path : NULL), fd = open(path, O_RDONLY | O_CLOEXEC);
    FUZZ_CHECK((result == 0) == (fd >= 0), "a snapshot answers %d, and its file %s there", result, fd < 0 ? "isn't" : "is");
    FUZZ_CHECK(result == 0 || program->maps_fail || errno == ENOSPC, "no snapshot, errno %d", errno);
    FUZZ_CHECK(fd < 0 || (read(fd, head, 4) == 4 && head[0] == 0x7f && head[1] == 'E'), "a snapshot is no ELF file");
    if (fd >= 0)
        close(fd);
    unlink(path);
}

/* What is allocated after a checkpoint, and nothing else, is told as the difference. */
static void tell_difference(const struct program *program)
{
    void *kept[5];
    unsigned count = 0;
    struct pwheap_checkpoint *before = pwheap_checkpoint();
    if (before == NULL) {
        FUZZ_CHECK(errno == ENOTSUP || program->maps_fail, "no checkpoint, errno %d", errno);
        return;
    }
    for (unsigned i = 0; i < 5; i++)
        count += (kept[i] = malloc(100 + i)) != NULL;
    size_t blocks = pwheap_diff(before, NULL, NULL);
    for (unsigned i = 0; i < 5; i++)
        free(kept[i]);
    /* A mapping that fails, and there is no answer, or blocks have no number. */
    FUZZ_CHECK(blocks == count || (program->maps_fail && blocks < count), "%zu blocks since a checkpoint, and there are %u",
               blocks, count);
    FUZZ_CHECK(pwheap_diff(before, NULL, NULL) == 0, "blocks since a checkpoint that were freed");
    pwheap_checkpoint_free(before);
}

static void count_all(const struct program *program)
{
    static struct pwheap_statistics figures;
    pwheap_stats(&figures);
    size_t wanted = model.foreign_blocks + model_count();
    FUZZ_CHECK(program->is_damaged || figures.live_blocks == wanted, "the figures have %zu live blocks of %zu",
               (size_t)figures.live_blocks, wanted);
    (void)mallinfo2();
}

/* In a child the heap is as it was, and goes on; so it does in the parent. */
static void go_on_in_child(const struct program *program)
{
    pid_t child = fork();
    if (child == 0) {
        void *blocks[40];
        for (unsigned i = 0; i < 40; i++)
            blocks[i] = malloc(i * i * 20);
        for (unsigned i = 0; i < 40; i++)
            free(blocks[i]);
        model_walk();
        FUZZ_CHECK(program->is_damaged || pwheap_validate() == 0, "damages in a child, and nothing was damaged");
        _exit(0);
    }
    int status = 0;
    FUZZ_CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0, "a child ended with %#x", (unsigned)status);
}

struct list {
    uint64_t end; /* of the block before */
    size_t live, blocks;
};

static bool count_listed(void *context, struct pw_block block)
{
    struct list *list = context;
    uint64_t address = pw_block_address(block);
    FUZZ_CHECK(address >= list->end, "the list has the block at %#llx behind one that ends at %#llx",
               (unsigned long long)address, (unsigned long long)list->end);
    list->end = pw_block_end(block);
    list->blocks++;
    list->live += pw_region_fields(block.region, block.granule).state == PW_STATE_LIVE;
    return true;
}

/* The allocator's own list is in address order, without overlaps, and has the blocks that are live. */
static void list_all(const struct program *program)
{
    struct list list = {.end = 0};
    size_t wanted = model.foreign_blocks + model_count();
    pw_heap_list(count_listed, &list);
    FUZZ_CHECK(program->is_damaged || list.live == wanted, "%zu live blocks of %zu in the list of %zu", list.live, wanted,
               list.blocks);
}

/* A block so large that its pages are moved when it grows; some of them are looked at. */
static void grow_by_moving(const struct program *program)
{
    enum { BYTES = 5 << 20, GROWN_BYTES = 40 << 20, STEP = 300001 };
    unsigned char *block = malloc(BYTES);
    void *behind = malloc(BYTES); /* in its way */
    for (unsigned i = 0; block != NULL && i < BYTES; i += STEP)
        block[i] = (unsigned char)(i / STEP + 1);
    unsigned char *grown = realloc(block, GROWN_BYTES);
    FUZZ_CHECK(grown != NULL || program->maps_fail, "a block can't grow to %d bytes, and nothing fails", GROWN_BYTES);
    for (unsigned i = 0; block != NULL && grown != NULL && i < BYTES; i += STEP)
        FUZZ_CHECK(grown[i] == (unsigned char)(i / STEP + 1), "byte %u of a block that grew to %d changed", i, GROWN_BYTES);
    free(grown == NULL ? block : grown);
    free(behind);
}

/* Nothing that is free is kept: what else is given back a quarter of a second later goes at once. */
static void keep_nothing(struct pw_heap_limits *usual)
{
    *usual = pw_heap_limits;
    pw_heap_limits.purge_interval_ns = 0;
    pw_heap_limits.dirty_pages = pw_heap_limits.overdue_pages = 0;
    pw_heap_limits.dirty_small_bytes = pw_heap_limits.overdue_small_bytes = 0;
    pw_heap_limits.dirty_spans = pw_heap_limits.overdue_spans = 0;
}

/* So much at once that what is free then is given back; in either order, of spans or of bins, early or late, or when it is asked for. */
static void fill_and_empty(struct program *program)
{
    enum { BLOCKS = 6000, SMALL_BYTES = 1000, BIN_BYTES = 10000, BIG_BYTES = 300000, BIG_ONE_IN = 100, HUGE_BYTES = 1100 << 20 };
    static void *blocks[BLOCKS];
    uint8_t how = fuzz_byte(&program->input);
    size_t small_bytes = (how & 2) == 0 ? SMALL_BYTES : BIN_BYTES;
    unsigned count = BLOCKS / (unsigned)(small_bytes / SMALL_BYTES);
    struct pw_heap_limits usual = pw_heap_limits;
    if ((how & 4) != 0)
        keep_nothing(&usual);
    for (unsigned i = 0; i < count; i++)
        if ((blocks[i] = malloc(i % BIG_ONE_IN == 0 ? BIG_BYTES : small_bytes)) != NULL)
            *(volatile char *)blocks[i] = 1;
    for (unsigned i = 0; i < count; i++) {
        unsigned at = how % 2 == 0 ? i : count - 1 - i;
        free(blocks[at]);
        blocks[at] = NULL;
    }
    if ((how & 8) != 0)
        (void)malloc_trim(0);
    free(malloc(HUGE_BYTES)); /* a region of its own */
    grow_by_moving(program);
    pw_heap_limits = usual;
}

static bool is_dearest(unsigned which)
{
    return which == 1 || which == 2 || which == 5 || which == 7;
}

static void do_whole(struct program *program, unsigned which)
{
    switch (which) {
    case 0:
        (void)malloc_trim(0);
        break;
    case 1:
        look_for_leaks(program);
        break;
    case 2:
        make_snapshot(program);
        break;
    case 3:
        tell_difference(program);
        break;
    case 5:
        go_on_in_child(program);
        break;
    case 6:
        list_all(program);
        break;
    case 7:
        fill_and_empty(program);
        break;
    default:
        count_all(program);
    }
}

void call_whole(struct program *program)
{
    unsigned which = fuzz_byte(&program->input) % 8u;
    if (!(is_dearest(which) ? program->is_patient : program->looks) || program->wholes++ > 0)
        return;
    fuzz_coverage_off();
    do_whole(program, which);
    fuzz_coverage_on();
}
