/* plant.c - the misuses (plant.h), one function each. */
#include "plant.h"

#include "names.h"

#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>

enum { FREED_BYTES_WATCHED = 64 }; /* of a freed block, at level fast */

static void expect(struct plant *plant, const char *kind, const void *address, const void *block)
{
    plant->kind = kind;
    plant->address = address;
    plant->block = block;
}

static void expect_place(struct plant *plant, enum pwheap_relation relation, size_t offset)
{
    plant->knows_offset = true;
    plant->relation = relation;
    plant->offset = offset;
}

static sigjmp_buf after_fault;

static void leave_fault(int number)
{
    (void)number;
    siglongjmp(after_fault, 1);
}

bool plant_survives(void (*touch)(void *context), void *context)
{
    struct sigaction action = {.sa_handler = leave_fault}, old;
    volatile bool survives = false;
    sigaction(SIGSEGV, &action, &old);
    if (sigsetjmp(after_fault, 1) == 0) {
        touch(context);
        survives = true;
    }
    sigaction(SIGSEGV, &old, NULL);
    return survives;
}

struct damage {
    struct plant *plant;
    unsigned char *at;
    const void *link;
};

static void do_damage(void *context)
{
    const struct damage *damage = context;
    struct plant *plant = damage->plant;
    unsigned char *at = damage->at;
    if (damage->link != NULL) {
        plant->word_before = *(volatile uint64_t *)at;
        *(volatile uint64_t *)at = (uint64_t)damage->link;
        plant->word = (uint64_t *)at;
    } else {
        plant->before = *(volatile unsigned char *)at;
        *(volatile unsigned char *)at = (unsigned char)(plant->before ^ (plant->place | 1));
        plant->damaged = at;
    }
}

/* What is at `at` is about to be damaged, by `link` if it isn't NULL; where that is a guard page, the fault is the report. */
static void damage_with(struct plant *plant, unsigned char *at, const void *link)
{
    struct damage damage = {plant, at, link};
    (void)plant_survives(do_damage, &damage);
}

static void damage(struct plant *plant, unsigned char *at)
{
    damage_with(plant, at, NULL);
}

static void overflow(struct plant *plant, struct model_slot *slot)
{
    size_t offset = plant->place >> 7;
    damage(plant, slot->block + slot->size + offset);
    expect(plant, "heap-buffer-overflow", slot->block + slot->size + offset, slot->block);
    expect_place(plant, PWHEAP_RELATION_AFTER, offset);
}

static void underflow(struct plant *plant, struct model_slot *slot)
{
    /* What lies before a mapped block is a guard, or another mapping. */
    if (slot->size > 8192 || slot->align > 1024)
        return;
    damage(plant, slot->block - 1);
    expect(plant, "heap-buffer-underflow", slot->block - 1, slot->block);
    expect_place(plant, PWHEAP_RELATION_BEFORE, 1);
}

/* So much is freed that all that was freed before leaves the quarantine (FUZZ_OPTIONS). */
static void pass_quarantine(void)
{
    enum { BLOCKS = 800, BYTES = 3500 };
    static void *volatile block;
    for (unsigned i = 0; i < BLOCKS; i++) {
        block = malloc(BYTES);
        free(block);
    }
}

static bool is_cached(const void *block)
{
    static struct pwheap_description described;
    return pwheap_describe(block, &described) && described.block.address == block &&
           described.block.state == PWHEAP_STATE_CACHED;
}

/* Blocks of its size are asked for until it is its turn: whoever is given it has looked at it before. */
static void use_again(size_t size)
{
    enum { MOST = 512 };
    static void *blocks[MOST];
    unsigned count = 0;
    while (count < MOST && seen.count == 0)
        blocks[count++] = malloc(size);
    while (count > 0) {
        free(blocks[--count]);
        blocks[count] = NULL;
    }
}

/* What a freed node of a list may be linked to: a live block, or the node itself. */
static const void *any_block(const void *freed)
{
    for (unsigned i = 0; i < MODEL_SLOTS; i++)
        if (model.slots[i].block != NULL && model.slots[i].align <= 1)
            return model.slots[i].block;
    return freed;
}

static void after_free(struct plant *plant, struct model_slot *slot)
{
    struct model_slot old = *slot;
    size_t reach = old.size < FREED_BYTES_WATCHED ? old.size : FREED_BYTES_WATCHED;
    if (reach == 0 || old.size > 65536 || old.family == PWHEAP_FAMILY_INSTANCE)
        return; /* what large blocks held is taken away; an instance's goes to its bins at once */
    program_free(plant->slot, 0);
    bool is_late = plant->place >= 192 && plant->may_be_dear && old.family == PWHEAP_FAMILY_MALLOC && old.align == 1;
    if (is_late)
        pass_quarantine();
    if (is_late && !is_cached(old.block))
        return; /* merged with others: nobody looks at it then */
    size_t offset = plant->place % reach;
    bool is_link = (plant->place & 64) != 0 && offset % sizeof(void *) == 0 && offset + sizeof(void *) <= reach;
    damage_with(plant, old.block + offset, is_link ? any_block(old.block) : NULL);
    expect(plant, "heap-use-after-free", old.block + offset, old.block);
    expect_place(plant, PWHEAP_RELATION_INSIDE, offset);
    if (is_late)
        use_again(old.size);
}

static void release_badly(unsigned how, void *pointer)
{
    if (how % 3 == 0)
        free(pointer);
    else if (how % 3 == 1)
        FUZZ_CHECK(realloc(pointer, 100) == NULL, "realloc of what is no block answers one");
    else
        FUZZ_CHECK(malloc_usable_size(pointer) == 0, "what is no block has a usable size");
}

/*
 * Of a block that went home and was merged with others it is told that it is probably that, and not what block it was; where
 * its memory was given back to the system, nobody knows of any block.
 */
static void double_free(struct plant *plant, struct model_slot *slot)
{
    enum { LEAST_OF_BINS = 5000 };
    struct model_slot old = *slot;
    if (old.family == PWHEAP_FAMILY_INSTANCE)
        return; /* perhaps merged, and then it is nobody's */
    program_free(plant->slot, 0);
    bool is_late = plant->place >= 192 && plant->may_be_dear && old.size >= LEAST_OF_BINS && old.size < 16000 && old.align == 1;
    if (is_late)
        (void)malloc_trim(0);
    expect(plant, "double-free", old.block, is_late ? NULL : old.block);
    plant->or_kind = is_late ? "bad-free" : NULL;
    release_badly(plant->place, old.block);
}

static void bad_free(struct plant *plant)
{
    static char global[256];
    char local[256];
    char *pointer = plant->place % 2 == 0 ? global : local;
    pointer += plant->place / 2 % 8 * 16;
    expect(plant, "bad-free", pointer, NULL);
    release_badly(plant->place / 16, pointer);
}

static void interior(struct plant *plant, struct model_slot *slot)
{
    if (slot->size < 2)
        return;
    size_t offset = 1 + plant->place * (size_t)257 % (slot->size - 1);
    expect(plant, "interior-free", slot->block + offset, slot->block);
    expect_place(plant, PWHEAP_RELATION_INSIDE, offset);
    release_badly(plant->place, slot->block + offset);
}

/* A release that is told may have been done all the same. */
static void drop_if_gone(unsigned slot)
{
    static struct pwheap_description described;
    if (!pwheap_describe(model.slots[slot].block, &described) ||
        described.block.state != PWHEAP_STATE_LIVE || described.block.address != model.slots[slot].block)
        model_drop(slot);
}

static void family(struct plant *plant, struct model_slot *slot)
{
    void *block = slot->block;
    if (slot->family == PWHEAP_FAMILY_INSTANCE || slot->align > 1)
        return;
    expect(plant, "alloc-dealloc-mismatch", block, block);
    if (slot->family != PWHEAP_FAMILY_MALLOC)
        free(block);
    else if (plant->place % 2 == 0)
        delete_one(block);
    else
        delete_array(block);
    drop_if_gone(plant->slot);
}

static void sized(struct plant *plant, struct model_slot *slot)
{
    void *block = slot->block;
    size_t other = slot->size + 1 + plant->place;
    if (slot->family == PWHEAP_FAMILY_INSTANCE || slot->align > 1)
        return;
    expect(plant, "sized-delete-mismatch", block, block);
    if (slot->family == PWHEAP_FAMILY_MALLOC)
        free_sized(block, other);
    else if (slot->family == PWHEAP_FAMILY_NEW)
        delete_sized(block, other);
    else
        delete_array_sized(block, other);
    drop_if_gone(plant->slot);
}

static void header(struct plant *plant, struct model_slot *slot)
{
    uint64_t *word = plant_header_word(slot->block);
    if (word == NULL)
        return;
    plant->word = word;
    plant->word_before = *word;
    *word ^= (uint64_t)1 << plant->place % 32; /* magic and seal */
    plant->is_delayed = false;                 /* a program that goes on may write it anew */
    expect(plant, "header-corruption", slot->block, slot->block);
}

static void impossible(struct plant *plant)
{
    static volatile size_t half = (SIZE_MAX >> 1) + 2;
    void *block = NULL;
    (void)pwheap_option_set("allocator_may_return_null", "0");
    if (plant->what == PLANT_CALLOC) {
        plant->kind = "calloc-overflow";
        block = calloc(half, 2);
    } else if (plant->what == PLANT_TOO_BIG) {
        plant->kind = "allocation-size-too-big";
        block = malloc(half + plant->place);
    } else {
        plant->kind = "invalid-alignment";
        FUZZ_CHECK(posix_memalign(&block, 24, 100) == EINVAL, "an alignment of 24 is taken");
    }
    (void)pwheap_option_set("allocator_may_return_null", "1");
    FUZZ_CHECK(block == NULL, "an impossible request gives %p", block);
}

static void poison(struct plant *plant, struct model_slot *slot)
{
    unsigned char *volatile *freed = (void *)slot->block;
    unsigned char *volatile pointer = NULL;
    struct sigaction action = {.sa_handler = leave_fault}, old;
    if (slot->size < sizeof *freed || slot->size > 4096 || slot->family == PWHEAP_FAMILY_INSTANCE)
        return;
    program_free(plant->slot, 0);
    sigaction(SIGSEGV, &action, &old);
    if (sigsetjmp(after_fault, 1) == 0) {
        pointer = *freed;
        fuzz_fail("memory at %p, the fill of freed memory, can be read: %d", (void *)pointer, *pointer);
    }
    sigaction(SIGSEGV, &old, NULL);
    /* A freed block that had guards faults by itself. */
    plant->kind = pointer == NULL ? "heap-use-after-free" : "poison-dereference";
}

void plant_misuse(struct plant *plant)
{
    static void (*const misuses[])(struct plant *plant, struct model_slot *slot) = {
        [PLANT_OVERFLOW] = overflow, [PLANT_UNDERFLOW] = underflow, [PLANT_AFTER_FREE] = after_free,
        [PLANT_DOUBLE_FREE] = double_free, [PLANT_INTERIOR] = interior, [PLANT_FAMILY] = family,
        [PLANT_SIZE] = sized, [PLANT_HEADER] = header, [PLANT_POISON] = poison, [PLANT_OVERLAP] = plant_overlap,
        [PLANT_LIBC] = plant_libc, [PLANT_COUNT] = NULL,
    };
    struct model_slot *slot = &model.slots[plant->slot];
    if (plant->what == PLANT_BAD_FREE)
        bad_free(plant);
    else if (plant->what == PLANT_CALLOC || plant->what == PLANT_TOO_BIG || plant->what == PLANT_ALIGNMENT)
        impossible(plant);
    else if (plant->what == PLANT_LEAK)
        plant_leak(plant);
    else if (misuses[plant->what] != NULL && slot->block != NULL)
        misuses[plant->what](plant, slot);
}

void plant_mend(struct plant *plant)
{
    if (plant->damaged != NULL)
        *plant->damaged = plant->before;
    if (plant->word != NULL)
        *plant->word = plant->word_before;
    plant->damaged = NULL;
    plant->word = NULL;
}
