/* leaks.c - blocks that nothing leads to any more when the program ends. */
#include "corpus.h"

/* So that no word of the stack or of a register still holds an address. */
static __attribute__((noinline)) void forget(void)
{
    volatile char bytes[8192];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = 0;
    sink = (size_t)bytes[100];
}

struct node {
    struct node *next, *other;
    char bytes[32];
};

static __attribute__((noinline)) void make_direct(size_t n, bool wrong)
{
    char *block = malloc(n); // ALLOC
    kept[0] = wrong ? NULL : block;
}

//@ kind=memory-leak size=n n=10,100,20000,200000 d=0 options=detect_leaks=1
CASE(leak_direct)
{
    make_direct(n, wrong); // ALLOC comes before
    forget();
}

static __attribute__((noinline)) struct node *make_list(size_t n)
{
    struct node *first = NULL;
    for (size_t i = 0; i < n; i++) {
        struct node *node = calloc(1, sizeof *node);
        node->next = first;
        first = node;
    }
    return first;
}

static __attribute__((noinline)) void make_indirect(size_t n, bool wrong)
{
    struct node *first = make_list(n);
    kept[0] = wrong ? NULL : first;
}

//@ kind=memory-leak size=48*n n=1,5,100 d=0 options=detect_leaks=1
CASE(leak_list)
{
    make_indirect(n, wrong);
    forget();
}

static __attribute__((noinline)) void lose_tail(size_t n, bool wrong)
{
    struct node *first = make_list(n);
    kept[0] = first;
    if (wrong)
        first->next = NULL;
}

//@ kind=memory-leak size=48*(n-1) n=2,5,100 d=0 options=detect_leaks=1
CASE(leak_tail)
{
    lose_tail(n, wrong);
    forget();
}

static __attribute__((noinline)) void make_cycle(size_t n, bool wrong)
{
    struct node *last = make_list(n), *first = last;
    while (last->next != NULL)
        last = last->next;
    last->next = first;
    kept[0] = wrong ? NULL : first;
}

//@ kind=memory-leak size=48*n n=1,2,10 d=0 options=detect_leaks=1
CASE(leak_cycle)
{
    make_cycle(n, wrong);
    forget();
}

static __attribute__((noinline)) void overwrite(size_t n, bool wrong)
{
    kept[0] = malloc(n); // ALLOC
    kept[wrong ? 0 : 1] = malloc(n);
}

//@ kind=memory-leak size=n n=10,100 d=0 options=detect_leaks=1
CASE(leak_overwritten)
{
    overwrite(n, wrong);
    forget();
}

static __attribute__((noinline)) void fail_realloc(size_t n, bool wrong)
{
    char *block = malloc(n); // ALLOC
    char *moved = realloc(block, wrong ? (size_t)-1 : 2 * n);
    kept[0] = moved;
}

//@ kind=memory-leak size=n n=10,100 d=0 options=detect_leaks=1
CASE(leak_failed_realloc)
{
    fail_realloc(n, wrong);
    forget();
}

static void *leak_body(void *argument)
{
    kept[1] = malloc((size_t)argument);
    kept[1] = NULL;
    return NULL;
}

//@ kind=memory-leak size=n n=10,100 d=0 options=detect_leaks=1
CASE(leak_in_thread)
{
    if (wrong)
        in_thread(leak_body, (void *)n);
    forget();
}
