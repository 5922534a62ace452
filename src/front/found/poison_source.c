/*
 * poison_source.c - see poison_source.h
 *
 * The pointer that was followed is gone, it is but poison; the one to the freed block that it was read from mostly is
 * still in a register, or on the stack, if the compiler keeps variables there. It is told as probable: registers and
 * stacks hold old values, too. Where they lead to several freed blocks nothing is told.
 */
#include "front/found/poison_source.h"

#include "front/state.h"
#include "os/memory.h"
#include "os/signal_context.h"

enum { POISON_REACH = 4096, FRAME_WORDS = 64 };

bool pw_poison_is(uint64_t value)
{
    return pw_root.level >= PW_LEVEL_FAST && value - pw_root.free_fill_word + POISON_REACH < 2 * POISON_REACH;
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
    return 0;
}

struct search {
    struct pw_block_info block; /* the first freed one that was found */
    uint64_t offset;            /* of the pointer to it */
    bool is_one;                /* no other was found */
};

/* A FREE block is not told of: what was freed there may have been merged since. */
static bool is_freed(const struct pw_block_info *block)
{
    bool was_had = (block->flags & PW_HEAP_ZEROED) == 0 && !block->is_renewed;
    return block->known && block->sealed &&
           (block->state == PW_STATE_QUARANTINED || (block->state == PW_STATE_CACHED && was_had));
}

static void look(struct search *search, const uint64_t *values, size_t count)
{
    struct pw_image image = pw_image_self();
    struct pw_block_info block;
    for (size_t i = 0; i < count; i++) {
        if (pw_page_map_entry(values[i]) == 0 || !pw_inspect_address(&image, values[i], &block) ||
            !is_freed(&block) || values[i] < block.address || values[i] - block.address >= block.size)
            continue;
        search->is_one = !search->block.known || (search->is_one && search->block.address == block.address);
        if (search->block.known)
            continue;
        search->block = block;
        search->offset = values[i] - block.address;
    }
}

/* The words from the top of the stack on; fewer where it ends. */
static void look_at_stack(struct search *search, uint64_t top)
{
    const uint64_t *words = (const uint64_t *)PW_ALIGN_UP(top, (uint64_t)sizeof *words);
    size_t count = FRAME_WORDS;
    while (count > 0 && !pw_os_is_readable(words, count * sizeof *words))
        count /= 2;
    look(search, words, count);
}

void pw_poison_blame(const void *signal_context, struct pw_fault *fault)
{
    struct search search = {.is_one = false};
    struct pw_image image = pw_image_self();
    uint64_t registers[PW_OS_MAX_REGISTERS];
    look(&search, registers, pw_os_context_registers(signal_context, registers));
    look_at_stack(&search, pw_os_context_stack(signal_context));
    if (!search.is_one)
        return;
    fault->block = search.block;
    fault->relation = PW_RELATION_INSIDE;
    fault->offset = search.offset;
    pw_inspect_neighbours(&image, &fault->block, &fault->before, &fault->after);
}
