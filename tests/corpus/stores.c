/* stores.c - stores beside a block. At full the zone tells of them when the block is freed, or at exit. */
#include "corpus.h"

//@ kind=heap-buffer-overflow relation=after offset=0 upto=d size=n n=10,100,1000 d=1,2,4,8,16,31 late
CASE(store_loop)
{
    char *block = malloc(n); // ALLOC
    for (size_t i = 0; i < n + d; i++)
        block[i] = 1; // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=d-1 size=n n=10,40 d=1,2,8,16,24 late
CASE(store_at)
{
    char *block = malloc(n); // ALLOC
    block[n - 1 + d] = 1; // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=d-1 size=n n=64 d=64,1000
CASE(store_far)
{
    char *block = malloc(n); // ALLOC
    kept[0] = malloc(200000);
    block[n - 1 + d] = 1; // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=d-1 size=n n=64 d=100000 access=write
CASE(store_very_far)
{
    char *block = malloc(n); // ALLOC
    kept[0] = malloc(200000);
    block[n - 1 + d] = 1; // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 upto=4*d size=4*n n=5,25 d=1,2,4 late
CASE(store_ints)
{
    int *block = malloc(n * sizeof *block); // ALLOC
    for (size_t i = 0; i < n + d; i++)
        block[i] = (int)i; // ACCESS
    free(block);
}

struct record {
    int number;
    char name[8];
};

//@ kind=heap-buffer-overflow relation=after offset=0 upto=12*d size=12*n n=1,3,20 d=1,2 late
CASE(store_structs)
{
    struct record *block = malloc(n * sizeof *block); // ALLOC
    for (size_t i = 0; i < n + d; i++)
        block[i].number = 7; // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 upto=d size=12 n=12 d=1,2,4 late
CASE(store_member_array)
{
    struct record *block = malloc(sizeof *block); // ALLOC
    for (size_t i = 0; i < 8 + d; i++)
        block->name[i] = 'x'; // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 upto=8*d size=8*n n=1,10 d=1,2,3 late
CASE(store_pointers)
{
    void **block = calloc(n, sizeof *block); // ALLOC
    for (size_t i = 0; i < n + d; i++)
        block[i] = many; // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 upto=8*d size=8*n n=3,10 d=1,2 late
CASE(store_doubles)
{
    double *block = malloc(n * sizeof *block); // ALLOC
    for (size_t i = 0; i < n + d; i++)
        block[i] = 0.5; // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 upto=4*d size=4*n n=5,30 d=1,2,4 late
CASE(store_wide)
{
    wchar_t *block = malloc(n * sizeof *block); // ALLOC
    for (size_t i = 0; i < n + d; i++)
        block[i] = L'x'; // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 upto=d size=n n=10,17 d=1 late
CASE(store_terminator)
{
    char *block = malloc(n); // ALLOC
    size_t length = n - 1 + d;
    for (size_t i = 0; i < length; i++)
        block[i] = 'x'; // ACCESS
    block[length] = '\0'; // ACCESS
    free(block);
}

struct holder {
    size_t size;
    char *bytes;
};

//@ kind=heap-buffer-overflow relation=after offset=0 upto=d size=n n=10,100 d=1,8 late
CASE(store_through_member)
{
    struct holder *holder = malloc(sizeof *holder);
    holder->bytes = malloc(n); // ALLOC
    holder->size = n + d;
    for (size_t i = 0; i < holder->size; i++)
        holder->bytes[i] = 1; // ACCESS
    free(holder->bytes);
    free(holder);
}

static void store_one(char *place)
{
    *place = 1; // ACCESS
}

//@ kind=heap-buffer-overflow relation=after offset=d-1 size=n n=10,100 d=1,8 late
CASE(store_through_function_pointer)
{
    void (*volatile store)(char *) = store_one;
    char *block = malloc(n); // ALLOC
    store(block + n - 1 + d);
    free(block);
}

static void for_each(char *bytes, size_t count, void (*callback)(char *))
{
    for (size_t i = 0; i < count; i++)
        callback(bytes + i);
}

//@ kind=heap-buffer-overflow relation=after offset=0 upto=d size=n n=10,100 d=1,8 late
CASE(store_in_callback)
{
    char *block = malloc(n); // ALLOC
    for_each(block, n + d, store_one);
    free(block);
}

static void *store_body(void *argument)
{
    struct holder *holder = argument;
    holder->bytes[holder->size - 1] = 1; // ACCESS
    return NULL;
}

//@ kind=heap-buffer-overflow relation=after offset=d-1 size=n n=10,100 d=1,8 late
CASE(store_in_thread)
{
    struct holder holder = {n + d, malloc(n)}; // ALLOC
    in_thread(store_body, &holder);
    free(holder.bytes);
}

struct vector {
    size_t count, room;
    int *items;
};

static void push(struct vector *vector, int item, size_t d)
{
    if (vector->count == vector->room + d) {
        vector->room *= 2;
        vector->items = realloc(vector->items, vector->room * sizeof(int));
    }
    vector->items[vector->count++] = item; // ACCESS
}

//@ kind=heap-buffer-overflow relation=after offset=0 upto=4*d size=4*n n=4,16 d=1 late
CASE(store_in_container)
{
    struct vector vector = {0, n, malloc(n * sizeof(int))}; // ALLOC
    for (size_t i = 0; i < n + d; i++)
        push(&vector, 1, d);
    free(vector.items);
}

//@ kind=heap-buffer-overflow relation=after offset=0 upto=d size=n n=10,100,1000,100000 d=1 late
CASE(store_never_freed)
{
    char *block = malloc(n); // ALLOC
    kept[0] = block;
    for (size_t i = 0; i < n + d; i++)
        block[i] = 1; // ACCESS
}

//@ kind=heap-buffer-overflow relation=after offset=d-1 size=n n=17000,100000,1000000 d=1,8 late
CASE(store_mapped)
{
    char *block = malloc(n); // ALLOC
    block[n - 1 + d] = 1; // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=d-1 size=n n=17000,100000 d=4000 access=write
CASE(store_mapped_far)
{
    char *block = malloc(n); // ALLOC
    block[n - 1 + d] = 1; // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=d-1 size=n n=17000,100000 d=5000,50000 access=write
CASE(store_mapped_over_guard)
{
    char *block = malloc(n); // ALLOC
    block[n - 1 + d] = 1; // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 upto=d size=n n=10,100 d=1,4 late
CASE(store_shrunk)
{
    char *block = malloc(n + 50);
    block = realloc(block, n); // ALLOC
    for (size_t i = 0; i < n + d; i++)
        block[i] = 1; // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 upto=d size=n n=10,100 d=1,4 late
CASE(store_grown)
{
    char *block = malloc(5);
    block = realloc(block, n); // ALLOC
    for (size_t i = 0; i < n + d; i++)
        block[i] = 1; // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 upto=d size=n n=10,100 d=1,4 late
CASE(store_zeroed)
{
    char *block = calloc(n, 1); // ALLOC
    for (size_t i = 0; i < n + d; i++)
        block[i] = 1; // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 upto=d size=n n=100,256 d=1,8 late
CASE(store_aligned)
{
    char *block = aligned_alloc(256, n); // ALLOC
    for (size_t i = 0; i < n + d; i++)
        block[i] = 1; // ACCESS
    free(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 upto=d size=n n=10,100 d=1,8 late
CASE(store_new_array)
{
    char *block = new_array(n); // ALLOC
    for (size_t i = 0; i < n + d; i++)
        block[i] = 1; // ACCESS
    delete_array(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 upto=d size=n n=8,24 d=4,8 late
CASE(store_new_object)
{
    char *block = new_object(n); // ALLOC
    for (size_t i = 0; i < n + d; i++)
        block[i] = 1; // ACCESS
    delete_object(block);
}

//@ kind=heap-buffer-overflow relation=after offset=0 upto=d size=0 n=0 d=1,8 late
CASE(store_zero_sized)
{
    char *block = malloc(n); // ALLOC
    for (size_t i = 0; i < d; i++)
        block[i] = 1; // ACCESS
    free(block);
}

//@ kind=heap-buffer-underflow relation=before offset=d size=n n=10,100 d=1,2,4,8,16 late
CASE(store_before)
{
    char *block = malloc(n); // ALLOC
    block[0 - d] = 1; // ACCESS
    free(block);
}

//@ kind=heap-buffer-underflow relation=before offset=d size=n n=10,100 d=1,8,16 late
CASE(store_before_loop)
{
    char *block = malloc(n); // ALLOC
    for (char *at = block + n - 1; at >= block - d; at--)
        *at = 1; // ACCESS
    free(block);
}

//@ kind=heap-buffer-underflow relation=before offset=4*d size=4*n n=5,25 d=1,2,4 late
CASE(store_before_ints)
{
    int *block = malloc(n * sizeof *block); // ALLOC
    block[0 - d] = 1; // ACCESS
    free(block);
}

//@ kind=heap-buffer-underflow relation=before offset=12*d size=12*n n=3,20 d=1 late
CASE(store_before_structs)
{
    struct record *block = malloc(n * sizeof *block); // ALLOC
    block[0 - d].number = 1; // ACCESS
    free(block);
}

//@ kind=heap-buffer-underflow relation=before offset=d size=n n=10,100 d=1,8 late
CASE(store_before_never_freed)
{
    char *block = malloc(n); // ALLOC
    kept[0] = block;
    block[0 - d] = 1; // ACCESS
}

static void *store_before_body(void *argument)
{
    ((char *)argument)[0] = 1; // ACCESS
    return NULL;
}

//@ kind=heap-buffer-underflow relation=before offset=d size=n n=10,100 d=1,8 late
CASE(store_before_in_thread)
{
    char *block = malloc(n); // ALLOC
    in_thread(store_before_body, block - d);
    free(block);
}

//@ kind=heap-buffer-underflow relation=before offset=d size=n n=20000,100000 d=1,100 late
CASE(store_before_mapped)
{
    char *block = malloc(n); // ALLOC
    block[0 - d] = 1; // ACCESS
    free(block);
}
