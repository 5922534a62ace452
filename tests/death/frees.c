/* frees.c - free of what can't be freed: again, never allocated, inside of a block. */
#include "bugs.h"

#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

static int global[64];

static char *between(size_t size)
{
    kept[0] = malloc(size); // BEFORE
    char *block = malloc(size); // ALLOC
    kept[1] = malloc(size); // AFTER
    return fill(block, size);
}

BUG(twice)
{
    char *block = between(200);
    free(block); // FREE
    if (wrong)
        free(block); // AGAIN
}

BUG(twice_much_later)
{
    char *block = between(200);
    free(block); // FREE
    churn(100000, 40);
    if (wrong)
        free(block); // AGAIN
}

/* What can't be had empties no quarantine: no room that could be made is enough. */
BUG(twice_after_impossible_requests)
{
    volatile size_t much = (size_t)1 << 50;
    char *block = between(200);
    free(block); // FREE
    if (malloc(much) != NULL || calloc(much, 3) != NULL || memalign(much, 10) != NULL || realloc(kept[0], much) != NULL)
        exit(99);
    if (wrong)
        free(block); // AGAIN
}

BUG(twice_mapped)
{
    char *block = fill(malloc(30000), 30000); // ALLOC
    free(block); // FREE
    if (wrong)
        free(block); // AGAIN
}

BUG(twice_large)
{
    char *block = malloc(5000000); // ALLOC
    free(block); // FREE
    if (wrong)
        free(block); // AGAIN
}

BUG(realloc_of_freed)
{
    char *block = between(200);
    free(block); // FREE
    if (wrong)
        block = realloc(block, 300); // AGAIN
}

BUG(usable_size_of_freed)
{
    char *block = between(200);
    free(block); // FREE
    if (wrong)
        malloc_usable_size(block); // AGAIN
}

static void free_object(void *block)
{
    delete_object(block); // FREE
}

BUG(delete_twice)
{
    char *block = new_object(200); // ALLOC
    free_object(block);
    if (wrong)
        delete_object(block); // AGAIN
}

BUG(after_realloc_moved)
{
    char *block = between(200);
    kept[2] = realloc(block, 5000); // FREE
    free(wrong ? block : kept[2]); // AGAIN
}

BUG(stack)
{
    char local[64];
    free(wrong ? local : malloc(1)); // HERE
}

BUG(argument)
{
    free(wrong ? program_invocation_name : malloc(1)); // HERE
}

BUG(environment)
{
    free(wrong ? getenv("PWHEAP_CHECK") : malloc(1)); // HERE
}

BUG(global_variable)
{
    free(wrong ? (void *)&global[3] : malloc(1)); // HERE
}

static __thread char of_each_thread[64];

BUG(thread_local_variable)
{
    free(wrong ? &of_each_thread[8] : malloc(1)); // HERE
}

BUG(thread_local_variable_of_libc)
{
    free(wrong ? (void *)&errno : malloc(1)); // HERE
}

static void *tell_own(void *place)
{
    free(malloc(1)); /* threads are known by their allocations */
    *(char **)place = &of_each_thread[16];
    (void)pause();
    return NULL;
}

BUG(thread_local_variable_of_another)
{
    static char *volatile place;
    pthread_t thread;
    if (pthread_create(&thread, NULL, tell_own, (void *)&place) != 0)
        abort();
    while (place == NULL)
        (void)sched_yield();
    free(wrong ? place : malloc(1)); // HERE
}

BUG(string_constant)
{
    free(wrong ? (void *)"constant" : malloc(1)); // HERE
}

BUG(mapping)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    free(wrong ? page : malloc(1)); // HERE
}

BUG(number_one)
{
    free(wrong ? (void *)1 : malloc(1)); // HERE
}

BUG(not_canonical)
{
    free(wrong ? (void *)0x4141414141414141 : malloc(1)); // HERE
}

BUG(unmapped)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page, 4096);
    free(wrong ? page : malloc(1)); // HERE
}

BUG(no_access)
{
    void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    free(wrong ? page : malloc(1)); // HERE
}

BUG(edge_of_region)
{
    char *block = malloc(100);
    void *edge = (void *)((uintptr_t)block & ~(uintptr_t)0x1ffffff);
    free(wrong ? edge : block); // HERE
}

/* A block so large that its region went with it. */
BUG(gone_region)
{
    char *block = malloc((size_t)1 << 30); // ALLOC
    free(block); // FREE
    if (wrong)
        free(block + 4096); // AGAIN
}

BUG(interior)
{
    char *block = between(200);
    free(wrong ? block + 8 : block); // HERE
}

BUG(interior_granule)
{
    char *block = between(200);
    free(wrong ? block + 64 : block); // HERE
}

BUG(interior_mapped)
{
    char *block = fill(malloc(30000), 30000); // ALLOC
    free(wrong ? block + 4096 : block); // HERE
}

BUG(interior_of_freed)
{
    char *block = between(200);
    free(block); // FREE
    if (wrong)
        free(block + 8); // AGAIN
}

BUG(past_the_end)
{
    char *block = between(200);
    free(wrong ? block + 205 : block); // HERE
}

BUG(realloc_interior)
{
    char *block = between(200);
    free(realloc(wrong ? block + 16 : block, 100)); // HERE
}
