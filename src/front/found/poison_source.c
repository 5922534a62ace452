/*
 * poison_source.c - see poison_source.h
 *
 * The pointer that was followed is gone, it is but poison; the one to the freed block that it was read from mostly is
 * still in a register, or on the stack, if the compiler keeps variables there. It is told as probable: registers and
 * stacks hold old values, too. Where they lead to several freed blocks nothing is told. The same of a pointer that was
 * read from beside a block, with those that point there.
 */
#include "front/found/poison_source.h"

#include "front/state.h"
#include "image/pattern.h"
#include "os/memory.h"
#include "os/signal_context.h"

enum { POISON_REACH = 4096, FRAME_WORDS = 64, NEAR_WORDS = 16, BESIDE_REACH = 16 };

bool pw_poison_is(uint64_t value)
{
    return pw_root.level >= PW_LEVEL_FAST && value - pw_root.free_fill_word + POISON_REACH < 2 * POISON_REACH;
}

/* Compilers call a function of an object's from where it lies: no register has the target. In the heap, or 0. */
static uint64_t branch_slot(const void *signal_context)
{
    uint64_t slot = pw_os_context_branch(signal_context);
    bool is_there = pw_page_map_entry(slot) != 0 && pw_os_is_readable((const void *)slot, sizeof slot);
    return is_there ? slot : 0;
}

static uint64_t branch_target(const void *signal_context)
{
    uint64_t slot = branch_slot(signal_context);
    return slot != 0 ? pw_load64((const void *)slot) : 0;
}

uint64_t pw_poison_find(const void *signal_context, uint64_t address)
{
    uint64_t registers[PW_OS_MAX_REGISTERS];
    size_t count = pw_os_context_registers(signal_context, registers);
    if (pw_poison_is(address))
        return address;
    for (size_t i = 0; i < count; i++)
        if (pw_poison_is(registers[i]))
            return registers[i];
    uint64_t target = branch_target(signal_context);
    return pw_poison_is(target) ? target : 0;
}

/* The pattern of zones is no address that a processor takes: each of its bytes is above 0x7f. */
bool pw_poison_is_zone(uint64_t value)
{
    return pw_root.level >= PW_LEVEL_FAST && value - pw_root.zone_pattern + POISON_REACH < 2 * POISON_REACH;
}

uint64_t pw_poison_find_zone(const void *signal_context, uint64_t address, bool is_no_address)
{
    uint64_t registers[PW_OS_MAX_REGISTERS];
    size_t count = pw_os_context_registers(signal_context, registers);
    if (pw_poison_is_zone(address))
        return address;
    for (size_t i = 0; is_no_address && i < count; i++)
        if (pw_poison_is_zone(registers[i]))
            return registers[i];
    uint64_t target = is_no_address ? branch_target(signal_context) : 0;
    return pw_poison_is_zone(target) ? target : 0;
}

struct search {
    bool (*fits)(const struct pw_image *image, uint64_t value, struct search *found);
    struct pw_block_info block; /* the first that was found; in `found`: the one that the value leads to */
    enum pw_relation relation;  /* of the pointer to it */
    uint64_t offset;
    bool is_one; /* no other was found */
};

/* A FREE block is not told of: what was freed there may have been merged since. */
static bool is_freed(const struct pw_block_info *block)
{
    bool was_had = (block->flags & PW_HEAP_ZEROED) == 0 && !block->is_renewed;
    return block->known && block->sealed &&
           (block->state == PW_STATE_QUARANTINED || (block->state == PW_STATE_CACHED && was_had));
}

static bool is_in_freed(const struct pw_image *image, uint64_t value, struct search *found)
{
    const struct pw_block_info *block = &found->block;
    if (!pw_inspect_address(image, value, &found->block) || !is_freed(block) || value < block->address ||
        value - block->address >= block->size)
        return false;
    found->relation = PW_RELATION_INSIDE;
    found->offset = value - block->address;
    return true;
}

static bool is_live(const struct pw_block_info *block)
{
    return block->known && block->sealed && block->state == PW_STATE_LIVE;
}

/* In the words behind a live block, or before one, of which the pointer may have been read. */
static bool is_beside_live(const struct pw_image *image, uint64_t value, struct search *found)
{
    struct pw_block_info *block = &found->block;
    if (value % sizeof value != 0)
        return false;
    if (pw_inspect_address(image, value, block) && is_live(block) && value >= block->address + block->size) {
        found->relation = PW_RELATION_AFTER;
        found->offset = value - (block->address + block->size);
        if (found->offset < BESIDE_REACH)
            return true;
    }
    if (!pw_inspect_address(image, value + BESIDE_REACH, block) || !is_live(block) || block->address <= value)
        return false;
    found->relation = PW_RELATION_BEFORE;
    found->offset = block->address - value;
    return found->offset <= BESIDE_REACH;
}

static void look(struct search *search, const uint64_t *values, size_t count)
{
    struct pw_image image = pw_image_self();
    struct search found;
    for (size_t i = 0; i < count; i++) {
        if (pw_page_map_entry(values[i]) == 0 || !search->fits(&image, values[i], &found))
            continue;
        search->is_one = !search->block.known || (search->is_one && search->block.address == found.block.address);
        if (search->block.known)
            continue;
        search->block = found.block;
        search->relation = found.relation;
        search->offset = found.offset;
    }
}

/* The words from the top of the stack on, fewer where it ends; of pointers beside blocks the nearest to the top. */
static void look_at_stack(struct search *search, uint64_t top)
{
    const uint64_t *words = (const uint64_t *)PW_ALIGN_UP(top, (uint64_t)sizeof *words);
    size_t count = FRAME_WORDS;
    while (count > 0 && !pw_os_is_readable(words, count * sizeof *words))
        count /= 2;
    size_t step = search->fits == is_beside_live ? NEAR_WORDS : FRAME_WORDS;
    for (size_t done = 0; done < count && (done == 0 || !search->block.known); done += step)
        look(search, words + done, count - done < step ? count - done : step);
}

bool pw_poison_is_jump(const void *signal_context, const struct pw_fault *fault)
{
    uint64_t slot = branch_slot(signal_context);
    return slot != 0 && pw_load64((const void *)slot) == fault->address;
}

/* All that may lead to the block that the pointer came from. */
static void look_everywhere(struct search *search, const void *signal_context, bool is_zone)
{
    uint64_t registers[PW_OS_MAX_REGISTERS];
    size_t count = pw_os_context_registers(signal_context, registers);
    for (size_t i = 0; i < count; i++)
        if (!is_zone || (pw_os_kept_registers() >> i & 1) != 0) /* ours point beside blocks, and are left in the others */
            look(search, &registers[i], 1);
    uint64_t below = is_zone ? pw_os_context_below_stack(signal_context) : 0;
    look_at_stack(search, pw_os_context_stack(signal_context) - below);
}

void pw_poison_blame(const void *signal_context, struct pw_fault *fault)
{
    struct search search = {.fits = fault->is_zone ? is_beside_live : is_in_freed};
    struct pw_image image = pw_image_self();
    uint64_t slot = branch_slot(signal_context);
    if (pw_poison_is_jump(signal_context, fault))
        look(&search, &slot, 1);
    if (!search.block.known)
        look_everywhere(&search, signal_context, fault->is_zone);
    if (!search.is_one)
        return;
    fault->block = search.block;
    fault->relation = search.relation;
    fault->offset = search.offset;
    pw_inspect_neighbours(&image, &fault->block, &fault->before, &fault->after);
}
