/* mismatch.c - blocks given back as what they are not. */
#include "bugs.h"

#define MISMATCH(name, make, good, bad)                                                            \
    BUG(name)                                                                                      \
    {                                                                                              \
        void *block = made_by_##make();                                                            \
        if (wrong)                                                                                 \
            given_to_##bad(block);                                                                 \
        else                                                                                       \
            given_to_##good(block);                                                                \
    }

static void *made_by_malloc(void)
{
    return malloc(200); // MALLOC
}

static void *made_by_new(void)
{
    return new_object(200); // NEW
}

static void *made_by_new_array(void)
{
    return new_array(200); // NEW[]
}

static void given_to_free(void *block)
{
    free(block); // FREE
}

static void given_to_delete(void *block)
{
    delete_object(block); // DELETE
}

static void given_to_delete_array(void *block)
{
    delete_array(block); // DELETE[]
}

MISMATCH(malloc_delete, malloc, free, delete)
MISMATCH(malloc_delete_array, malloc, free, delete_array)
MISMATCH(new_free, new, delete, free)
MISMATCH(new_delete_array, new, delete, delete_array)
MISMATCH(new_array_free, new_array, delete_array, free)
MISMATCH(new_array_delete, new_array, delete_array, delete)

BUG(new_realloc)
{
    void *block = made_by_new();
    if (wrong)
        given_to_free(realloc(block, 300)); // HERE
    else
        given_to_delete(block);
}

BUG(mapped_new_free)
{
    void *block = new_object(100000); // ALLOC
    if (wrong)
        free(block); // HERE
    else
        delete_object(block);
}

BUG(wrong_size)
{
    void *block = new_object(200); // ALLOC
    delete_sized(block, wrong ? 208 : 200); // HERE
}

BUG(wrong_size_array)
{
    void *block = new_array(200); // ALLOC
    delete_array_sized(block, wrong ? 8 : 200); // HERE
}

BUG(wrong_size_mapped)
{
    void *block = new_object(50000); // ALLOC
    delete_sized(block, wrong ? 49999 : 50000); // HERE
}

BUG(wrong_alignment)
{
    void *block = new_aligned(200, 256); // ALLOC
    delete_aligned(block, wrong ? (size_t)1 << 30 : 256); // HERE
}

BUG(smaller_alignment)
{
    void *block = new_aligned(200, 256); // ALLOC
    delete_aligned(block, wrong ? 64 : 256); // HERE
}

BUG(no_alignment)
{
    void *block = new_aligned(200, 256); // ALLOC
    if (wrong)
        delete_object(block); // HERE
    else
        delete_aligned(block, 256);
}

BUG(no_alignment_mapped)
{
    void *block = new_aligned(50000, 8192); // ALLOC
    if (wrong)
        delete_object(block); // HERE
    else
        delete_aligned(block, 8192);
}

BUG(smaller_alignment_mapped)
{
    void *block = new_aligned(50000, 8192); // ALLOC
    delete_aligned(block, wrong ? 4096 : 8192); // HERE
}

BUG(alignment_of_unaligned)
{
    void *block = new_object(200); // ALLOC
    if (wrong)
        delete_aligned(block, 256); // HERE
    else
        delete_object(block);
}

BUG(wrong_free_sized)
{
    void *block = malloc(200); // ALLOC
    free_sized(block, wrong ? 20 : 200); // HERE
}

BUG(wrong_free_aligned_sized)
{
    void *block = aligned_alloc(128, 256); // ALLOC
    free_aligned_sized(block, 128, wrong ? 128 : 256); // HERE
}

/* An array of objects with destructors, which begins with their count. */
BUG(array_deleted_as_object)
{
    char *block = new_array(8 + 3 * 24); // ALLOC
    if (wrong)
        delete_object(block + 8); // HERE
    else
        delete_array(block);
}

BUG(deleted_as_second_base)
{
    char *block = new_object(48); // ALLOC
    delete_object(block + 16 * wrong); // HERE
}
