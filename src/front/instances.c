/*
 * instances.c - heaps of one's own (pwheap.h). An instance is one of pw_heaps of which only its owner
 * takes; its blocks bear a family of their own, so that free() and the caches let them alone.
 */
#include "front/entry.h"
#include "pwheap/pwheap.h"

#include <errno.h>

PW_PUBLIC struct pwheap_heap *pwheap_heap_create(void)
{
    struct pw_heap *heap = pw_start() ? pw_heap_open() : NULL;
    if (heap == NULL)
        errno = ENOMEM;
    return (struct pwheap_heap *)heap;
}

PW_PUBLIC void pwheap_heap_destroy(struct pwheap_heap *heap)
{
    if (heap != NULL)
        pw_heap_close((struct pw_heap *)heap);
}

PW_PUBLIC void *pwheap_heap_malloc(struct pwheap_heap *heap, size_t size)
{
    struct pw_call call = PW_CALL(PW_OP_MALLOC, PW_FAMILY_INSTANCE);
    struct pw_cache *cache = pw_thread_open();
    void *block = NULL;
    if (pw_enter(cache)) {
        uint32_t stack = pw_stack_of(cache, &call);
        block = pw_take_from((struct pw_heap *)heap, size, 1, false, cache->thread,
                             ++cache->allocations, stack, &call);
        pw_leave(cache);
    }
    if (block == NULL)
        errno = ENOMEM;
    return block;
}

PW_PUBLIC void pwheap_heap_free(struct pwheap_heap *heap, void *pointer)
{
    struct pw_call call = PW_CALL(PW_OP_FREE, PW_FAMILY_INSTANCE);
    struct pw_cache *cache = pw_thread_open();
    if (pointer == NULL || !pw_check_release(pointer, &call, PW_ANY_SIZE, PW_ANY_ALIGN))
        return;
    struct pw_block block = pw_heap_find((uint64_t)pointer);
    if (block.region != NULL && &pw_heaps[block.region->heap] != (struct pw_heap *)heap) {
        struct pw_fault fault = {.kind = PW_KIND_BAD_FREE, .is_certain = true};
        fault.address = (uint64_t)pointer;
        fault.place = "a block of another heap";
        pw_found(&fault, &call);
        return;
    }
    bool entered = pw_enter(cache);
    if (pw_claim(pointer, &call))
        pw_heap_free(pointer);
    if (entered)
        pw_leave(cache);
}
