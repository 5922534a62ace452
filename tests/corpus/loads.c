/* loads.c - loads beside a block, and from a freed one: only a page guard sees those. */
#include "corpus.h"

//@ kind=heap-buffer-overflow relation=after offset=0 size=n access=read n=16,64,1024 d=1,8,64
CASE(load_loop)
{
    char *block = calloc(n, 1); // ALLOC
    for (size_t i = 0; i < n + d; i++)
        sink += (size_t)block[i]; // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=d-1 size=n access=read n=16,64 d=1,8,16
CASE(load_at)
{
    char *block = calloc(n, 1); // ALLOC
    sink += (size_t)block[n - 1 + d]; // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=4*(d-1) size=4*n access=read n=4,32 d=1,2
CASE(load_ints)
{
    int *block = calloc(n, sizeof *block); // ALLOC
    sink += (size_t)block[n - 1 + d]; // ACCESS
    free(block);
}

struct record {
    int number;
    char name[12];
};

//@ kind=heap-buffer-overflow relation=after offset=16*(d-1) size=16*n access=read n=1,8 d=1,2
CASE(load_structs)
{
    struct record *block = calloc(n, sizeof *block); // ALLOC
    sink += (size_t)block[n - 1 + d].number; // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 size=4*n access=read n=4,8 d=1
CASE(load_wide)
{
    wchar_t *block = calloc(n, sizeof *block); // ALLOC
    for (size_t i = 0; i < n + d; i++)
        sink += (size_t)block[i]; // ACCESS
    free(block);
}

//@ kind=heap-buffer-underflow relation=before offset=d size=n access=read n=16 d=1,8,16 open=thorough
CASE(load_before)
{
    char *block = calloc(n, 1); // ALLOC
    sink += (size_t)block[0 - d]; // ACCESS
    free(block);
}

//@ kind=heap-buffer-underflow relation=before offset=d size=n access=read n=4096 d=1,8,16
CASE(load_before_page)
{
    char *block = calloc(n, 1); // ALLOC
    sink += (size_t)block[0 - d]; // ACCESS
    free(block);
}

//@ kind=heap-buffer-underflow relation=before offset=d size=n access=read n=20000,100000 d=1,100 open=thorough
CASE(load_before_mapped)
{
    char *block = calloc(n, 1); // ALLOC
    sink += (size_t)block[0 - d]; // ACCESS
    free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=read n=16,100,4096 d=0
CASE(load_freed)
{
    char *block = calloc(n, 1); // ALLOC
    if (wrong)
        free(block); // FREE
    sink += (size_t)block[0]; // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=0 size=n access=read n=16,100 d=0
CASE(load_freed_far)
{
    char *block = calloc(n, 1); // ALLOC
    if (wrong)
        free(block); // FREE
    churn(100000, n);
    sink += (size_t)block[0]; // ACCESS
    if (!wrong)
        free(block);
}

//@ kind=heap-use-after-free relation=inside offset=d size=n access=read n=200000,1000000 d=0,100
CASE(load_freed_mapped)
{
    char *block = calloc(n, 1); // ALLOC
    if (wrong)
        free(block); // FREE
    sink += (size_t)block[d]; // ACCESS
    if (!wrong)
        free(block);
}

struct node {
    struct node *next;
    int number;
};

//@ kind=heap-use-after-free relation=inside offset=0 size=16 access=read n=16 d=0
CASE(load_member_of_freed)
{
    struct node *first = calloc(1, sizeof *first); // ALLOC
    if (wrong)
        free(first); // FREE
    sink += (size_t)first->next; // ACCESS
    if (!wrong)
        free(first);
}

//@ kind=poison-dereference relation=None offset=0 size=0 access=read n=16 d=0 options=guard_site_blocks=0
CASE(load_through_freed)
{
    struct node *last = calloc(1, sizeof *last);
    struct node *first = malloc(sizeof *first);
    first->next = last;
    if (wrong)
        free(first);
    sink += (size_t)first->next->number; // ACCESS
    if (!wrong)
        free(first);
    free(last);
}
