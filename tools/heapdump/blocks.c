/* blocks.c - see blocks.h */
#include "blocks.h"

#include "message.h"

enum { BLOCKS_A_LOOK = 4096 };

/* A region's place among all, for the bar. */
double blocks_fraction(struct target *target, uint64_t address)
{
    const struct pw_image *image = target_image(target);
    struct pw_region region;
    double all = 0, before = 0;
    for (uint32_t i = 1; i < image->root->region_count; i++) {
        if (!pw_image_region(image, i, &region))
            continue;
        uint64_t bytes = (uint64_t)region.limit << region.shift;
        all += (double)bytes;
        if (address >= region.base)
            before += (double)least(address - region.base, bytes);
    }
    return all > 0 ? before / all : 1;
}

struct walk {
    struct target *target;
    bool (*visit)(void *context, const struct pw_block_info *block);
    void *context;
    uint64_t count;
};

static bool visit_block(void *context, const struct pw_block_info *block)
{
    struct walk *walk = context;
    if (++walk->count % BLOCKS_A_LOOK == 0 && progress_is_due())
        progress_set(blocks_fraction(walk->target, block->address));
    return walk->visit(walk->context, block);
}

uint64_t blocks_walk(struct target *target, const char *what,
                     bool (*visit)(void *context, const struct pw_block_info *block), void *context)
{
    struct walk walk = {.target = target, .visit = visit, .context = context};
    progress_start(what);
    uint64_t count = pw_image_walk(target_image(target), visit_block, &walk);
    progress_end();
    return count;
}

bool block_was_freed(const struct pw_block_info *block)
{
    return block->state != PW_STATE_LIVE && block->state != PW_STATE_PENDING;
}

bool block_has_thread(const struct pw_block_info *block)
{
    return block->has_evidence && block->number != 0;
}

const char *block_state_text(const struct pw_block_info *block)
{
    return block->sealed ? pw_state_name(block->state) : "damaged";
}

const char *block_family_text(const struct pw_block_info *block)
{
    bool is_aligned = (block->flags & PW_HEAP_ALIGNED) != 0 && block->family == PW_FAMILY_MALLOC;
    return is_aligned ? "aligned" : pw_family_name(block->family);
}

const char *block_flag(const struct pw_block_info *block, unsigned n)
{
    static const struct {
        uint8_t flag;
        const char *name;
    } flags[] = {{PW_HEAP_MAPPED, "mapped"}, {PW_HEAP_GUARDED, "guarded"}, {PW_HEAP_ZEROED, "zeroed"},
                 {PW_HEAP_ALIGNED, "aligned"}, {PW_HEAP_RIGHT, "right"}, {PW_HEAP_POISONED, "poisoned"}};
    for (size_t i = 0; i < PW_ARRAY_SIZE(flags); i++)
        if ((block->flags & flags[i].flag) != 0 && n-- == 0)
            return flags[i].name;
    return block->is_hidden && n == 0 ? "hidden" : NULL;
}

static void thread_json(struct target *target, struct json *json, const char *name, bool is_known,
                        uint32_t ordinal)
{
    if (!is_known) {
        json_null(json, name);
        return;
    }
    json_object(json, name);
    json_number(json, "id", ordinal);
    json_string(json, "name", target_thread_name(target, ordinal));
    json_object_end(json);
}

void block_json(struct target *target, struct json *json, const struct pw_block_info *block)
{
    bool has_thread = block_has_thread(block);
    json_address(json, "addr", block->address);
    json_number(json, "size", block->size);
    json_number(json, "block_size", block->block_size);
    json_string(json, "state", pw_state_name(block->state));
    json_bool(json, "sealed", block->sealed);
    json_string(json, "family", block_family_text(block));
    json_array(json, "flags");
    for (unsigned n = 0; block_flag(block, n) != NULL; n++)
        json_string(json, NULL, block_flag(block, n));
    json_array_end(json);
    json_number(json, "heap", block->heap);
    json_number(json, "region", block->region);
    thread_json(target, json, "thread", has_thread, block->alloc_thread);
    thread_json(target, json, "free_thread", has_thread && block->free_stack != 0, block->free_thread);
    json_number(json, "seq", block->has_evidence ? block->number : 0);
}
