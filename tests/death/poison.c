/* poison.c - pointers that are read from freed memory and followed. */
#include "bugs.h"

struct object {
    struct object *next;
    void (*method)(struct object *object);
    char rest[200];
};

static void method(struct object *object)
{
    object->rest[0] = 1;
}

static struct object *make(bool wrong)
{
    struct object *object = malloc(sizeof *object); // ALLOC
    object->next = object;
    object->method = method;
    if (wrong)
        free(object); // FREE
    return object;
}

BUG(poison_read)
{
    struct object *object = make(wrong);
    volatile char seen = object->next->rest[5]; // HERE
    (void)seen;
}

BUG(poison_write)
{
    struct object *object = make(wrong);
    object->next->rest[5] = 'X'; // HERE
}

/* From one of two freed blocks: which, nothing tells. */
BUG(poison_read_of_two)
{
    struct object *one = make(wrong), *other = make(wrong);
    volatile char seen = (one < other ? one : other)->next->rest[5]; // HERE
    (void)seen;
}

BUG(poison_free)
{
    struct object *object = make(wrong);
    free(object->next); // HERE
}

BUG(poison_call)
{
    struct object *object = make(wrong);
    object->method(object); // HERE
}

/* As compilers that optimise do it, and ours here doesn't: no register ever holds the target. */
#ifdef __x86_64__
_Static_assert(offsetof(struct object, method) == 8, "call_from_memory says so");
static __attribute__((naked, noinline)) void call_from_memory(struct object *object)
{
    __asm__("push %rdi; .cfi_adjust_cfa_offset 8; call *8(%rdi); pop %rdi; .cfi_adjust_cfa_offset -8; ret"); // HERE
}
#else
static __attribute__((noinline)) void call_from_memory(struct object *object)
{
    object->method(object); // HERE
}
#endif

BUG(poison_call_from_memory)
{
    call_from_memory(make(wrong));
}

BUG(zone_call_from_memory)
{
    struct object *object = (struct object *)fill(malloc(16 - 8 * (size_t)wrong), 8); // ALLOC
    if (!wrong)
        object = make(false);
    call_from_memory(object);
}

/* -- Read from beside a block: an array that nobody ended */

static struct object **make_array(size_t count)
{
    struct object **all = malloc(count * sizeof *all); // ARRAY
    for (size_t i = 0; i < count; i++)
        all[i] = make(false);
    return all;
}

BUG(zone_read)
{
    struct object **all = make_array(10), **last = all + 9 + wrong;
    volatile char seen = (*last)->rest[5]; // HERE
    (void)seen;
}

BUG(zone_read_before)
{
    struct object **all = make_array(10), **first = all - wrong;
    first[0]->rest[5] = 'X'; // HERE
}

/* As a call leaves it that has ended: a register that calls need not keep points behind some block. */
#ifdef __x86_64__
#define LEFT_BEHIND(block) __asm__ volatile("lea 80(%0), %%r11" : : "r"(block) : "r11")
#else
#define LEFT_BEHIND(block) (void)(block)
#endif

BUG(zone_read_by_index)
{
    struct object **all = make_array(10);
    char *another = malloc(80);
    for (int i = 0; i < 10 + wrong; i++) {
        LEFT_BEHIND(another);
        all[i]->method(all[i]); // HERE
    }
}

BUG(zone_free)
{
    struct object **all = make_array(10);
    for (int i = 0; i < 10 + wrong; i++)
        free(all[i]); // HERE
}
