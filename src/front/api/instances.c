/*
 * instances.c - heaps of one's own (pwheap.h). An instance is one of pw_heaps of which only its owner
 * takes; its blocks bear a family of their own, so that free() and the caches let them alone.
 */
#include "front/entry.h"
#include "front/guarded/guarded.h"
#include "front/hot.h"
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
    if (heap == NULL)
        return;
    pw_guarded_forget((struct pw_heap *)heap);
    pw_heap_close((struct pw_heap *)heap);
}

static void *take(struct pw_cache *cache, struct pw_heap *heap, size_t size, const struct pw_call *call)
{
    uint32_t stack = pw_stack_of(cache, call);
    void *block = pw_guards_are_on ? pw_guarded_acquire(cache, heap, size, 1, stack, call) : NULL;
    if (block == NULL)
        block = pw_take_from(heap, size, 1, false, cache->thread, cache->allocations + 1, stack, call);
    if (block == NULL)
        return NULL;
    if (++cache->allocations == cache->chores_at)
        pw_chores(cache, call);
    pw_note(cache, (uint64_t)block, size, stack, call->operation, false);
    return block;
}

PW_PUBLIC void *pwheap_heap_malloc(struct pwheap_heap *heap, size_t size)
{
    struct pw_call call = PW_CALL(PW_OP_MALLOC, PW_FAMILY_INSTANCE);
    struct pw_cache *cache = pw_thread_open();
    void *block = NULL;
    if (pw_enter(cache)) {
        block = take(cache, (struct pw_heap *)heap, size, &call);
        pw_leave(cache);
    }
    if (block == NULL)
        errno = ENOMEM;
    return block;
}

static void give_back(struct pw_block block, void *pointer)
{
    if (pw_is_guarded(block))
        pw_guarded_settle(block);
    else
        pw_heap_free(pointer);
}

static void release_guarded(struct pw_cache *cache, const void *pointer, const struct pw_call *call)
{
    uint64_t entry;
    struct pw_handle handle = pw_gate(pointer, &entry);
    if (handle.header == NULL)
        pw_found_bad_pointer(pointer, call);
    else
        pw_guarded_release(cache, pw_block_at(entry, handle.address), handle.word, call);
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
    bool is_guarded = block.region != NULL && pw_is_guarded(block);
    if (entered && is_guarded)
        release_guarded(cache, pointer, &call);
    else if (pw_claim(pointer, &call))
        give_back(block, pointer);
    if (entered)
        pw_leave(cache);
}
