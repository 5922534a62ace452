/* frees.c - stores to freed blocks, and frees that are none. */
#include "corpus.h"

#include <sys/mman.h>

//@ kind=heap-use-after-free relation=inside offset=n//2 size=n n=16,100,4096 d=0 late
CASE(freed_store)
{
    char *block = malloc(n); // ALLOC
    if (wrong)
        free(block); // FREE
    block[n / 2] = 1; // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=n//2 size=n n=16,100,4096 d=1000 late
CASE(freed_store_then_others)
{
    char *block = malloc(n); // ALLOC
    if (wrong)
        free(block); // FREE
    block[n / 2] = 1; // ACCESS
    churn(1000, 64);
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=n//2 size=n n=16,100 d=0 late
CASE(freed_store_far)
{
    char *block = malloc(n); // ALLOC
    if (wrong)
        free(block); // FREE
    churn(100000, n);
    block[n / 2] = 1; // ACCESS
    if (!wrong)
        free(block);
}

struct node {
    struct node *next;
    int number;
};

//@ kind=heap-use-after-free relation=inside offset=8 size=16 n=16 d=0 late
CASE(freed_store_member)
{
    struct node *node = malloc(sizeof *node); // ALLOC
    if (wrong)
        free(node); // FREE
    node->number = 1; // ACCESS
    if (!wrong)
        free(node);
}

static void *store_body(void *argument)
{
    *(char *)argument = 1; // ACCESS
    return NULL;
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n n=16,100 d=0 late
CASE(freed_store_in_thread)
{
    char *block = malloc(n); // ALLOC
    if (wrong)
        free(block); // FREE
    in_thread(store_body, block);
    if (!wrong)
        free(block);
}

static void *free_body(void *argument)
{
    free(argument); // FREE
    return NULL;
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n n=16,100 d=0 late
CASE(freed_in_thread)
{
    char *block = malloc(n); // ALLOC
    if (wrong)
        in_thread(free_body, block);
    block[0] = 1; // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=1 size=n n=20,200 d=0 late
CASE(moved_store)
{
    char *block = malloc(n); // ALLOC
    char *moved = realloc(block, 5000); // FREE
    (wrong ? block : moved)[1] = 1; // ACCESS
    free(moved);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=write n=200000,1000000 d=0
CASE(freed_store_mapped)
{
    char *block = malloc(n); // ALLOC
    if (wrong)
        free(block); // FREE
    block[0] = 1; // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=double-free relation=inside offset=0 size=n n=10,100,5000,20000,200000 d=0
CASE(twice)
{
    char *block = malloc(n); // ALLOC
    free(block); // FREE
    if (wrong)
        free(block); // ACCESS
}

//@ kind=double-free relation=inside offset=0 size=n n=10,100,5000 d=0
CASE(twice_with_others_between)
{
    char *block = malloc(n); // ALLOC
    free(block); // FREE
    churn(1000, n);
    if (wrong)
        free(block); // ACCESS
}

//@ kind=double-free relation=inside offset=0 size=n n=10,100 d=0
CASE(twice_far)
{
    char *block = malloc(n); // ALLOC
    free(block); // FREE
    churn(100000, n);
    if (wrong)
        free(block); // ACCESS
}

//@ kind=double-free relation=inside offset=0 size=n n=10,100 d=0
CASE(twice_in_threads)
{
    char *block = malloc(n); // ALLOC
    in_thread(free_body, block); // FREE comes before
    if (wrong)
        free(block); // ACCESS
}

//@ kind=double-free relation=inside offset=0 size=n n=10,100 d=0
CASE(twice_by_realloc)
{
    char *block = malloc(n); // ALLOC
    char *moved = realloc(block, 9000); // FREE
    free(wrong ? block : moved); // ACCESS
}

//@ kind=double-free relation=inside offset=0 size=n n=10,100 d=0
CASE(realloc_of_freed)
{
    char *block = malloc(n); // ALLOC
    free(block); // FREE
    kept[0] = realloc(wrong ? block : NULL, 50); // ACCESS
}

//@ kind=double-free relation=inside offset=0 size=n n=8,24 d=0
CASE(deleted_twice)
{
    char *block = new_object(n); // ALLOC
    delete_object(block); // FREE
    if (wrong)
        delete_object(block); // ACCESS
}

struct owner {
    char *bytes;
};

static void owner_close(struct owner *owner)
{
    free(owner->bytes);
}

//@ kind=double-free relation=inside offset=0 size=n n=10,100 d=0
CASE(two_owners)
{
    struct owner one = {malloc(n)}, other = one; // ALLOC
    owner_close(&one);
    if (wrong)
        owner_close(&other);
}

//@ kind=interior-free relation=inside offset=d size=n n=100,5000,50000 d=1,8,16,64
CASE(interior)
{
    char *block = malloc(n); // ALLOC
    free(block + d); // ACCESS
}

//@ kind=interior-free relation=inside offset=d size=n n=100 d=16
CASE(interior_realloc)
{
    char *block = malloc(n); // ALLOC
    kept[0] = realloc(block + d, 200); // ACCESS
}

//@ kind=bad-free relation=None offset=0 size=0 n=16 d=0
CASE(stack)
{
    char bytes[64];
    void *volatile block = wrong ? bytes + n : malloc(n);
    free(block); // ACCESS
}

//@ kind=bad-free relation=None offset=0 size=0 n=0,16 d=0
CASE(global)
{
    void *volatile block = wrong ? many + n : malloc(n);
    free(block); // ACCESS
}

//@ kind=bad-free relation=None offset=0 size=0 n=0 d=0
CASE(literal)
{
    void *volatile block = wrong ? (void *)"a string" : malloc(n);
    free(block); // ACCESS
}

//@ kind=bad-free relation=None offset=0 size=0 n=0 d=0
CASE(function)
{
    void *volatile block = wrong ? (void *)churn : malloc(n);
    free(block); // ACCESS
}

//@ kind=bad-free relation=None offset=0 size=0 n=16,4096,1000000007 d=0
CASE(unmapped)
{
    void *volatile block = wrong ? (void *)n : malloc(16);
    free(block); // ACCESS
}

//@ kind=bad-free relation=None offset=0 size=0 n=0,64 d=0
CASE(foreign_mapping)
{
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *volatile block = wrong ? pages + n : malloc(n);
    free(block); // ACCESS
}

//@ kind=bad-free relation=None offset=0 size=0 n=16 d=0
CASE(realloc_of_stack)
{
    char bytes[64];
    void *volatile block = wrong ? bytes : malloc(n);
    kept[0] = realloc(block, 100); // ACCESS
}

#define MISMATCH(name, give, take, right)                                                          \
    CASE(name)                                                                                     \
    {                                                                                              \
        char *block = give;                                                                        \
        if (wrong)                                                                                 \
            take;                                                                                  \
        else                                                                                       \
            right;                                                                                 \
    }

//@ kind=alloc-dealloc-mismatch relation=inside offset=0 size=n n=8,100,20000 d=0
MISMATCH(malloc_delete, malloc(n), delete_object(block), free(block)) // ALLOC ACCESS

//@ kind=alloc-dealloc-mismatch relation=inside offset=0 size=n n=8,100,20000 d=0
MISMATCH(malloc_delete_array, malloc(n), delete_array(block), free(block)) // ALLOC ACCESS

//@ kind=alloc-dealloc-mismatch relation=inside offset=0 size=n n=8,100,20000 d=0
MISMATCH(new_free, new_object(n), free(block), delete_object(block)) // ALLOC ACCESS

//@ kind=alloc-dealloc-mismatch relation=inside offset=0 size=n n=8,100,20000 d=0
MISMATCH(new_delete_array, new_object(n), delete_array(block), delete_object(block)) // ALLOC ACCESS

//@ kind=alloc-dealloc-mismatch relation=inside offset=0 size=n n=8,100,20000 d=0
MISMATCH(new_array_delete, new_array(n), delete_object(block), delete_array(block)) // ALLOC ACCESS

//@ kind=alloc-dealloc-mismatch relation=inside offset=0 size=n n=8,100,20000 d=0
MISMATCH(new_array_free, new_array(n), free(block), delete_array(block)) // ALLOC ACCESS

//@ kind=alloc-dealloc-mismatch relation=inside offset=0 size=n n=8,100 d=0
MISMATCH(new_realloc, new_object(n), kept[0] = realloc(block, 60), delete_object(block)) // ALLOC ACCESS

//@ kind=sized-delete-mismatch relation=inside offset=0 size=n n=8,100,20000 d=1,4
CASE(sized_delete)
{
    char *block = new_object(n); // ALLOC
    delete_sized(block, n - d); // ACCESS
}

//@ kind=sized-delete-mismatch relation=inside offset=0 size=n n=8,100 d=8
CASE(sized_delete_array)
{
    char *block = new_array(n); // ALLOC
    delete_array_sized(block, n + d); // ACCESS
}
