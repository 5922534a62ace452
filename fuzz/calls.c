/* calls.c - the operations of a program that allocate and release, each with what it must answer. */
#include "calls.h"

#include "names.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

enum { ERRNO_BEFORE = 4711, RUN_OF_ONE = 4 /* so many calls in a run count as an operation */ };
/* What a program may ask for in blocks above the small ones: their pages cost most of the time. */
enum { PAGE_BYTES = 4096, SMALL_BYTES = 16384, LARGEST_BYTES = 1 << 24, MOST_BIG_BYTES = 1 << 19 };

/* Bins, the small threshold, pages, what realloc moves, and what no heap can give. */
static const size_t edges[] = {
    0,    16,   32,    48,    64,    80,    128,   192,    256,    512,    1008,   1024,
    2048, 4096, 4064,  8192,  12288, 14336, 16384, 16320,  20480,  32768,  65536,  131072,
    135168, 262144, 1 << 20, 3 << 20, PTRDIFF_MAX, SIZE_MAX,
};

static size_t take_edge(struct program *program)
{
    struct fuzz_input *input = &program->input;
    uint8_t choice = fuzz_byte(input);
    if (choice >= 128) {
        size_t size = (size_t)(choice & 63) << 8 | fuzz_byte(input);
        return program->has_big ? size : size % PAGE_BYTES;
    }
    /* Three of four times one of the small ones. */
    size_t count = sizeof edges / sizeof edges[0];
    size_t at = choice % 4 != 0 ? choice / 4 % 20u : choice / 4 % count;
    return edges[at] + (size_t)(ptrdiff_t)(int8_t)fuzz_byte(input);
}

/* Not what is small, and not what can't be had at all. */
static bool is_big(size_t bytes)
{
    return bytes > SMALL_BYTES && bytes <= LARGEST_BYTES;
}

/* May there be another block of so many bytes? */
static bool may_be_big(struct program *program, size_t bytes)
{
    if (!is_big(bytes))
        return true;
    program->big_bytes += bytes;
    return program->has_big && program->big_bytes <= MOST_BIG_BYTES;
}

size_t program_take_size(struct program *program)
{
    size_t size = take_edge(program);
    return may_be_big(program, size) ? size : size % SMALL_BYTES;
}

/* Of how many elements of `size` bytes each; one, where more would be a big block, and there are none. */
static size_t take_count(struct program *program, size_t size, unsigned most)
{
    size_t count = fuzz_byte(&program->input) % (most + 1), bytes;
    bool would_be_big = !__builtin_mul_overflow(size, count, &bytes) && is_big(bytes);
    return would_be_big && !program->has_big ? 1 : count;
}

static bool is_possible(size_t size)
{
    return size <= PTRDIFF_MAX;
}

/* A call has answered: NULL only where that may be, and errno changed only then. */
static bool got(const struct program *program, const void *block, size_t size)
{
    if (block == NULL) {
        FUZZ_CHECK(program->maps_fail || !is_possible(size) || size > (size_t)1 << 40,
                   "no memory for %zu bytes, and nothing fails", size);
        FUZZ_CHECK(errno == ENOMEM, "NULL for %zu bytes, and errno is %d", size, errno);
        return false;
    }
    FUZZ_CHECK(is_possible(size), "a block of %zu bytes", size);
    FUZZ_CHECK(errno == ERRNO_BEFORE, "a call that went well set errno to %d", errno);
    return true;
}

void program_free(unsigned index, unsigned form)
{
    struct model_slot slot = model.slots[index];
    if (slot.block == NULL)
        return;
    model_check(index, SIZE_MAX);
    model_drop(index);
    errno = ERRNO_BEFORE;
    if (slot.family == PWHEAP_FAMILY_INSTANCE)
        pwheap_heap_free(model.heaps[slot.heap], slot.block);
    else if (slot.family == PWHEAP_FAMILY_NEW_ARRAY)
        form % 2 == 0 ? delete_array(slot.block) : delete_array_sized(slot.block, slot.size);
    else if (slot.family == PWHEAP_FAMILY_NEW && slot.align > 1)
        delete_aligned(slot.block, slot.align);
    else if (slot.family == PWHEAP_FAMILY_NEW)
        form % 2 == 0 ? delete_one(slot.block) : delete_sized(slot.block, slot.size);
    else if (form % 4 == 1 && slot.align == 1)
        free_sized(slot.block, slot.size);
    else if (form % 4 == 1)
        free_aligned_sized(slot.block, slot.align, slot.size);
    else if (form % 4 == 2)
        cfree(slot.block);
    else if (form % 4 == 3)
        FUZZ_CHECK(realloc(slot.block, 0) == NULL, "realloc to 0 bytes answers a block");
    else
        free(slot.block);
    FUZZ_CHECK(errno == ERRNO_BEFORE, "a release set errno to %d", errno);
}

/* An empty slot, by the next byte. */
static unsigned take_empty(struct program *program)
{
    unsigned slot = fuzz_byte(&program->input) % MODEL_SLOTS;
    program_free(slot, 0);
    errno = ERRNO_BEFORE;
    return slot;
}

void call_malloc(struct program *program)
{
    unsigned slot = take_empty(program);
    size_t size = program_take_size(program);
    void *block = malloc(size);
    if (got(program, block, size))
        model_take(slot, block, size, 1, PWHEAP_FAMILY_MALLOC, 0);
}

void call_calloc(struct program *program)
{
    unsigned slot = take_empty(program);
    size_t size = program_take_size(program), count = take_count(program, size, 4);
    size_t bytes;
    bool overflows = __builtin_mul_overflow(size, count, &bytes);
    void *block = calloc(count, size);
    if (!got(program, block, overflows ? SIZE_MAX : bytes))
        return;
    model_check_zero(block, bytes);
    model_take(slot, block, bytes, 1, PWHEAP_FAMILY_MALLOC, 0);
}

/* What realloc answered for a slot. */
static void after_realloc(struct program *program, unsigned slot, void *block, size_t size)
{
    struct model_slot old = model.slots[slot];
    if (!got(program, block, size)) {
        if (old.block != NULL)
            model_check(slot, SIZE_MAX);
        return;
    }
    if (old.block != NULL) {
        model.slots[slot].block = block;
        model_check(slot, size);
        model_drop(slot);
    }
    model_take(slot, block, size, 1, PWHEAP_FAMILY_MALLOC, 0);
}

/* A slot that realloc may be given: empty, or malloc's. */
static unsigned take_malloced(struct program *program)
{
    unsigned slot = fuzz_byte(&program->input) % MODEL_SLOTS;
    if (model.slots[slot].family != PWHEAP_FAMILY_MALLOC)
        program_free(slot, 0);
    errno = ERRNO_BEFORE;
    return slot;
}

void call_realloc(struct program *program)
{
    unsigned slot = take_malloced(program);
    size_t size = program_take_size(program);
    bool releases = size == 0 && model.slots[slot].block != NULL;
    void *block = realloc(model.slots[slot].block, size);
    if (!releases) {
        after_realloc(program, slot, block, size);
        return;
    }
    FUZZ_CHECK(block == NULL && errno == ERRNO_BEFORE, "realloc to 0 bytes answers %p, errno %d", block, errno);
    model_drop(slot);
}

void call_reallocarray(struct program *program)
{
    unsigned slot = take_malloced(program);
    size_t size = program_take_size(program), count = take_count(program, size, 4);
    size_t bytes;
    bool overflows = __builtin_mul_overflow(size, count, &bytes);
    if (size == 0 || count == 0)
        return; /* as realloc */
    void *block = reallocarray(model.slots[slot].block, count, size);
    after_realloc(program, slot, block, overflows ? SIZE_MAX : bytes);
}

/* The alignment, or one that doesn't give the block pages of its own, where there may be none of those. */
static size_t allowed_align(struct program *program, size_t align)
{
    return align < PAGE_BYTES || may_be_big(program, SMALL_BYTES + align) ? align : PAGE_BYTES / 4;
}

static void *aligned_block(unsigned form, size_t align, size_t size)
{
    void *block = NULL;
    switch (form) {
    case 0:
        return aligned_alloc(align, size);
    case 1:
        return memalign(align, size);
    default: /* leaves errno alone */
        if (posix_memalign(&block, align < sizeof(void *) ? sizeof(void *) : align, size) != 0)
            errno = ENOMEM;
        return block;
    }
}

void call_aligned(struct program *program)
{
    unsigned slot = take_empty(program);
    size_t size = program_take_size(program);
    uint8_t how = fuzz_byte(&program->input);
    size_t align = allowed_align(program, (size_t)1 << how % 17);
    bool is_valloc = how >= 252 && program->has_big;
    void *block = is_valloc ? valloc(size) : aligned_block(how / 17 % 3, align, size);
    if (is_valloc)
        align = PAGE_BYTES;
    /* free_aligned_sized is told the alignment that posix_memalign was. */
    if (!is_valloc && how / 17 % 3 == 2 && align < sizeof(void *))
        align = sizeof(void *);
    if (got(program, block, size))
        model_take(slot, block, size, align, PWHEAP_FAMILY_MALLOC, 0);
}

void call_new(struct program *program)
{
    unsigned slot = take_empty(program);
    size_t size = program_take_size(program);
    uint8_t form = fuzz_byte(&program->input);
    bool may_fail = program->maps_fail || size > (size_t)16 << 20; /* no C++ library is there to throw */
    enum pwheap_family family = form % 2 == 0 ? PWHEAP_FAMILY_NEW : PWHEAP_FAMILY_NEW_ARRAY;
    size_t align = 1;
    void *block;
    if (form % 8 == 4) {
        align = allowed_align(program, (size_t)16 << form / 8 % 9);
        block = new_aligned_quiet(size, align, "");
    } else if (may_fail || form % 8 > 4) {
        block = form % 2 == 0 ? new_quiet(size, "") : new_array_quiet(size, "");
    } else {
        block = form % 2 == 0 ? new_one(size) : new_array(size);
    }
    if (block == NULL)
        errno = ENOMEM; /* C++ promises nothing of it */
    if (got(program, block, size))
        model_take(slot, block, size, align, family, 0);
}

void call_free(struct program *program)
{
    unsigned slot = fuzz_byte(&program->input) % MODEL_SLOTS;
    program_free(slot, fuzz_byte(&program->input));
}

void call_heap_malloc(struct program *program)
{
    unsigned slot = take_empty(program);
    unsigned heap = fuzz_byte(&program->input) % MODEL_HEAPS;
    size_t size = program_take_size(program);
    if (model.heaps[heap] == NULL)
        return;
    void *block = pwheap_heap_malloc(model.heaps[heap], size);
    if (got(program, block, size))
        model_take(slot, block, size, 1, PWHEAP_FAMILY_INSTANCE, heap);
}

/* A value that the compiler does not know: it has opinions on alignments that it sees. */
static size_t hidden(size_t value)
{
    volatile size_t kept = value;
    return kept;
}

void call_impossible(struct program *program)
{
    static volatile size_t over = PTRDIFF_MAX; /* not for the compiler to see */
    void *block = NULL;
    int wanted = ENOMEM;
    errno = ERRNO_BEFORE;
    switch (fuzz_byte(&program->input) % 8) {
    case 0:
        block = malloc(over + 1);
        break;
    case 1:
        block = calloc(over, 3);
        break;
    case 2:
        block = reallocarray(NULL, over / 2, 8);
        break;
    case 3:
        block = pvalloc(over * 2);
        break;
    case 4:
        block = valloc(over + 100);
        break;
    case 5:
        FUZZ_CHECK(posix_memalign(&block, 24, 10) == EINVAL, "posix_memalign takes an alignment of 24");
        wanted = ERRNO_BEFORE;
        break;
    case 6:
        block = memalign(hidden(SIZE_MAX), 10);
        wanted = EINVAL;
        break;
    default: /* more than there are addresses; or what there is no memory for, so that all that is cached goes back first */
        block = aligned_alloc(hidden((size_t)1 << (program->looks ? 46 : 62)), 16);
        break;
    }
    FUZZ_CHECK(block == NULL && errno == wanted, "an impossible request: %p, errno %d", block, errno);
}

void call_fill_run(struct program *program)
{
    unsigned slot = fuzz_byte(&program->input);
    size_t size = program_take_size(program);
    unsigned count = fuzz_byte(&program->input) % 32;
    program->operations += count / RUN_OF_ONE;
    for (unsigned i = 0; i < count; i++) {
        unsigned index = (slot + i) % MODEL_SLOTS;
        program_free(index, 0);
        errno = ERRNO_BEFORE;
        void *block = malloc(size);
        if (got(program, block, size))
            model_take(index, block, size, 1, PWHEAP_FAMILY_MALLOC, 0);
    }
}

void call_free_run(struct program *program)
{
    unsigned slot = fuzz_byte(&program->input), count = fuzz_byte(&program->input) % MODEL_SLOTS;
    program->operations += count / RUN_OF_ONE;
    for (unsigned i = 0; i < count; i++)
        program_free((slot + i) % MODEL_SLOTS, i);
}
