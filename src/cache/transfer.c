/* transfer.c - see transfer.h */
#include "cache/transfer.h"

#include "base/lock.h"
#include "heap/slab.h"

enum { CLASSES = PW_CLASSES, LOCKS = 16, FEWEST = 32 };

struct stack {
    void **blocks;
    _Atomic uint32_t count; /* changed with the lock held, glanced at without */
    uint32_t capacity;
};

static struct stack stacks[PW_TRANSFER_HEAPS][CLASSES];
PW_WRITTEN_IN_FORK static struct pw_lock locks[PW_TRANSFER_HEAPS][LOCKS];

static uint32_t capacity_of(uint32_t block_class, uint32_t most)
{
    uint32_t bytes = pw_class_bytes[block_class];
    if (bytes == 0)
        return 0; /* the heap is not set up */
    return most / bytes > FEWEST ? most / bytes : FEWEST;
}

bool pw_transfer_init(uint32_t most, void *(*map)(size_t bytes))
{
    size_t total = 0;
    for (uint32_t block_class = 1; block_class <= CLASSES; block_class++)
        total += capacity_of(block_class, most);
    void **places = map(PW_ALIGN_UP(PW_TRANSFER_HEAPS * total * sizeof *places, (size_t)PW_PAGE_BYTES));
    for (uint32_t block_class = 1; places != NULL && block_class <= CLASSES; block_class++) {
        uint32_t capacity = capacity_of(block_class, most);
        for (uint32_t heap = 0; heap < PW_TRANSFER_HEAPS; heap++, places += capacity)
            stacks[heap][block_class - 1] = (struct stack){.blocks = places, .capacity = capacity};
    }
    return places != NULL;
}

static uint32_t count_of(const struct stack *stack)
{
    return atomic_load_explicit(&stack->count, memory_order_relaxed);
}

uint32_t pw_transfer_put(uint32_t heap, uint32_t block_class, void *const *blocks, uint32_t count)
{
    if (heap >= PW_TRANSFER_HEAPS)
        return 0;
    struct stack *stack = &stacks[heap][block_class - 1];
    struct pw_lock *lock = &locks[heap][block_class % LOCKS];
    pw_lock_acquire(lock);
    uint32_t there = count_of(stack), room = stack->capacity - there;
    if (count > room)
        count = room;
    for (uint32_t i = 0; i < count; i++)
        stack->blocks[there + i] = blocks[i];
    atomic_store_explicit(&stack->count, there + count, memory_order_relaxed);
    pw_lock_release(lock);
    return count;
}

uint32_t pw_transfer_take(uint32_t heap, uint32_t block_class, void **blocks, uint32_t want)
{
    if (heap >= PW_TRANSFER_HEAPS)
        return 0;
    struct stack *stack = &stacks[heap][block_class - 1];
    struct pw_lock *lock = &locks[heap][block_class % LOCKS];
    if (count_of(stack) == 0)
        return 0; /* perhaps just filled by another: as if we had come before */
    pw_lock_acquire(lock);
    uint32_t there = count_of(stack), count = want < there ? want : there;
    for (uint32_t i = 0; i < count; i++)
        blocks[i] = stack->blocks[there - count + i];
    atomic_store_explicit(&stack->count, there - count, memory_order_relaxed);
    pw_lock_release(lock);
    return count;
}

void pw_transfer_before_fork(void)
{
    for (uint32_t i = 0; i < PW_TRANSFER_HEAPS * LOCKS; i++)
        pw_lock_acquire(&locks[i / LOCKS][i % LOCKS]);
}

void pw_transfer_after_fork(void)
{
    for (uint32_t i = PW_TRANSFER_HEAPS * LOCKS; i-- > 0;)
        pw_lock_release(&locks[i / LOCKS][i % LOCKS]);
}
