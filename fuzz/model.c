/* model.c - the shadow model (model.h). */
#include "model.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

struct model model = {.foreign_blocks = SIZE_MAX};

/* Of a larger block the ends and a byte of some pages are filled and looked at. */
enum { WHOLE_BYTES = 4096, END_BYTES = 512, PAGE_BYTES = 4096, PLACES = 8 };

static size_t step_of(size_t size)
{
    return (size / PLACES / PAGE_BYTES + 1) * PAGE_BYTES;
}

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool all_are(const unsigned char *bytes, size_t count, unsigned char value)
{
    return count == 0 || (bytes[0] == value && memcmp(bytes, bytes + 1, count - 1) == 0);
}

/* The first `bytes` of what fill() left in a block of `size`. */
static bool holds(const unsigned char *block, size_t size, size_t bytes, unsigned char value)
{
    if (size <= WHOLE_BYTES)
        return all_are(block, bytes, value);
    for (size_t at = 0; at < bytes; at += step_of(size))
        if (block[at] != value)
            return false;
    size_t tail = size - END_BYTES;
    return all_are(block, least_of(END_BYTES, bytes), value) &&
           (bytes <= tail || all_are(block + tail, bytes - tail, value));
}

static void fill(unsigned char *block, size_t size, unsigned char value)
{
    if (size <= WHOLE_BYTES) {
        memset(block, value, size);
        return;
    }
    for (size_t at = 0; at < size; at += step_of(size))
        block[at] = value;
    memset(block, value, END_BYTES);
    memset(block + size - END_BYTES, value, END_BYTES);
}

/* An empty slot, at NULL, is apart from all. Without a branch: this is gone through for every block. */
static bool overlaps(const struct model_slot *slot, uintptr_t start, size_t bytes)
{
    uintptr_t others = (uintptr_t)slot->block;
    return (start < others + slot->size + (slot->size == 0)) & (others < start + bytes) & (others != 0);
}

static void check_apart(const unsigned char *block, size_t size)
{
    uintptr_t start = (uintptr_t)block;
    size_t bytes = size == 0 ? 1 : size;
    bool any = false;
    for (unsigned i = 0; i < MODEL_SLOTS; i++)
        any |= overlaps(&model.slots[i], start, bytes);
    for (unsigned i = 0; i < MODEL_SLOTS && any; i++)
        if (overlaps(&model.slots[i], start, bytes))
            fuzz_fail("two live blocks overlap: %p of %zu bytes, and %p of %zu", (const void *)block, size,
                      (void *)model.slots[i].block, model.slots[i].size);
}

void model_take(unsigned index, void *block, size_t size, size_t align, enum pwheap_family family,
                unsigned heap)
{
    struct model_slot *slot = &model.slots[index];
    /* Where damage was found before, blocks lie within 8 bytes of a guard page. */
    bool is_at_guard = ((uintptr_t)block + size + 7) / 8 * 8 % 4096 == 0;
    size_t least = align >= 16 ? align : is_at_guard && align <= 8 ? 8 : 16;
    FUZZ_CHECK((uintptr_t)block % least == 0, "%p is not aligned to %zu", block, least);
    check_apart(block, size);
    size_t usable = malloc_usable_size(block);
    FUZZ_CHECK(usable == size, "the usable size of a block of %zu bytes is %zu", size, usable);
    *slot = (struct model_slot){.block = block, .size = size, .align = align, .family = family,
                                .heap = (uint8_t)heap, .fill = ++model.next_fill};
    fill(slot->block, size, slot->fill);
}

void model_check(unsigned index, size_t bytes)
{
    const struct model_slot *slot = &model.slots[index];
    FUZZ_CHECK(holds(slot->block, slot->size, least_of(bytes, slot->size), slot->fill),
               "the contents of the block at %p, of %zu bytes once, changed", (void *)slot->block, slot->size);
}

void model_check_zero(const void *block, size_t bytes)
{
    FUZZ_CHECK(holds(block, bytes, bytes, 0), "calloc's block of %zu bytes at %p is not zero", bytes, block);
}

void model_drop(unsigned slot)
{
    model.slots[slot].block = NULL;
}

void model_drop_heap(unsigned heap)
{
    for (unsigned i = 0; i < MODEL_SLOTS; i++)
        if (model.slots[i].family == PWHEAP_FAMILY_INSTANCE && model.slots[i].heap == heap)
            model.slots[i].block = NULL;
    model.heaps[heap] = NULL;
}

unsigned model_count(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < MODEL_SLOTS; i++)
        count += model.slots[i].block != NULL;
    return count;
}

struct walk {
    uint64_t seen; /* a bit a slot */
    size_t foreign;
    unsigned count;
    uint8_t slots[MODEL_SLOTS]; /* those that are not empty, by address */
};
_Static_assert(MODEL_SLOTS <= 64, "a bit a slot");

static int by_address(const void *a, const void *b)
{
    const unsigned char *one = model.slots[*(const uint8_t *)a].block, *other = model.slots[*(const uint8_t *)b].block;
    return (one > other) - (one < other);
}

static void sort_slots(struct walk *walk)
{
    for (unsigned i = 0; i < MODEL_SLOTS; i++)
        if (model.slots[i].block != NULL)
            walk->slots[walk->count++] = (uint8_t)i;
    qsort(walk->slots, walk->count, sizeof walk->slots[0], by_address); /* so few are sorted without malloc */
}

static const unsigned char *end_of(const struct model_slot *slot)
{
    return slot->block + (slot->size == 0 ? 1 : slot->size);
}

/* The first of walk->slots that ends behind an address. */
static unsigned first_behind(const struct walk *walk, const unsigned char *address)
{
    unsigned low = 0;
    for (unsigned high = walk->count; low < high;) {
        unsigned middle = (low + high) / 2;
        if (end_of(&model.slots[walk->slots[middle]]) <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool compare(void *context, const struct pwheap_block *block)
{
    struct walk *walk = context;
    const unsigned char *address = block->address, *end = address + block->block_size;
    bool is_ours = false;
    for (unsigned at = first_behind(walk, address); at < walk->count; at++) {
        unsigned i = walk->slots[at];
        const struct model_slot *slot = &model.slots[i];
        if (slot->block >= end)
            break;
        FUZZ_CHECK(slot->block == block->address && block->state == PWHEAP_STATE_LIVE &&
                       block->size == slot->size && block->family == slot->family,
                   "the walk has a block %p, %zu bytes, state %d, family %d, where %p has %zu bytes, family %d",
                   block->address, block->size, (int)block->state, (int)block->family, (void *)slot->block,
                   slot->size, (int)slot->family);
        FUZZ_CHECK((walk->seen >> i & 1) == 0, "the walk has the block %p twice", block->address);
        walk->seen |= (uint64_t)1 << i;
        is_ours = true;
    }
    walk->foreign += !is_ours && block->state == PWHEAP_STATE_LIVE;
    return true;
}

void model_walk(void)
{
    struct walk walk = {.seen = 0};
    sort_slots(&walk);
    pwheap_walk(compare, &walk);
    for (unsigned i = 0; i < MODEL_SLOTS; i++)
        FUZZ_CHECK(model.slots[i].block == NULL || (walk.seen >> i & 1) != 0,
                   "the walk lacks the block of %zu bytes at %p", model.slots[i].size,
                   (void *)model.slots[i].block);
    if (model.foreign_blocks == SIZE_MAX)
        model.foreign_blocks = walk.foreign;
    FUZZ_CHECK(walk.foreign == model.foreign_blocks,
               "the walk has %zu live blocks that nobody owns, %zu more than before", walk.foreign,
               walk.foreign - model.foreign_blocks);
}
