/* stack.c - see stack.h */
#include "image/stack.h"

/* Where the walk along a stack is: so many frames are there, and the next one is the `skip`th of `id`. */
struct walk {
    uint32_t id;
    size_t skip, got, count;
};

/* What never changes of it, which lies before what threads may write at this moment. */
static bool read_head(pw_stack_read *read, void *context, uint32_t id, struct pw_stack *stack)
{
    return read(context, id, 0, stack, offsetof(struct pw_stack, is_known));
}

/* Is it one that can have the frames which are still to come? */
static bool is_sound(const struct pw_stack *stack, const struct walk *walk)
{
    return stack->count <= PW_MAX_FRAMES && stack->own > 0 && stack->own <= stack->count &&
           walk->skip + walk->count - walk->got <= stack->count;
}

/* What the stack itself has of them, and on to the one that has the others, if any are to come: *stack is its head then. */
static bool step(pw_stack_read *read, void *context, struct pw_stack *stack, struct walk *walk, uint64_t *frames)
{
    uint64_t rest;
    size_t own = stack->own > walk->skip ? stack->own - walk->skip : 0, missing = walk->count - walk->got;
    size_t taken = own < missing ? own : missing;
    if (taken > 0 && !read(context, walk->id, offsetof(struct pw_stack, frames) + walk->skip * sizeof *frames,
                           &frames[walk->got], taken * sizeof *frames))
        return false;
    walk->got += taken;
    walk->skip += taken;
    if (walk->got == walk->count)
        return true;
    if (!read(context, walk->id, offsetof(struct pw_stack, frames) + stack->own * sizeof *frames, &rest, sizeof rest) ||
        rest == 0 || rest >= walk->id)
        return false;
    walk->skip = walk->skip - stack->own + stack->skip;
    walk->id = (uint32_t)rest;
    return read_head(read, context, walk->id, stack);
}

size_t pw_stack_frames(pw_stack_read *read, void *context, uint32_t id, uint64_t frames[PW_MAX_FRAMES],
                       uint64_t *hash)
{
    struct pw_stack stack;
    if (id == 0 || !read_head(read, context, id, &stack))
        return 0;
    struct walk walk = {.id = id, .count = stack.count};
    *hash = stack.hash;
    /* Every stack on the way has at least one of the frames. */
    for (size_t steps = 0; steps < PW_MAX_FRAMES && walk.got < walk.count; steps++)
        if (!is_sound(&stack, &walk) || !step(read, context, &stack, &walk, frames))
            return 0;
    return walk.got == walk.count ? walk.count : 0;
}
