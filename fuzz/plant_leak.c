/* plant_leak.c - lost blocks (plant.h). */
#include "plant.h"

#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum { LOST = 4, STACK_BYTES = 1 << 16 };

/* Allocated on a stack of its own, which is emptied then, so that their addresses are nowhere but here, inverted. */
static struct {
    uintptr_t inverted[LOST];
    size_t bytes;
} lost;
static ucontext_t here, there;
static unsigned char stack[STACK_BYTES] __attribute__((aligned(64)));

static void lose(void)
{
    for (unsigned i = 0; i < LOST; i++)
        lost.inverted[i] = ~(uintptr_t)calloc(1, lost.bytes + i);
}

static void lose_elsewhere(void)
{
    memset(&there, 0, sizeof there);
    (void)getcontext(&there);
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = sizeof stack;
    there.uc_link = &here;
    makecontext(&there, lose, 0);
    (void)swapcontext(&here, &there);
    memset(stack, 0, sizeof stack);
    memset(&there, 0, sizeof there);
    memset(&here, 0, sizeof here);
}

static bool is_lost(const void *address)
{
    bool any = false;
    for (unsigned i = 0; i < LOST; i++)
        any |= lost.inverted[i] == ~(uintptr_t)address;
    return any;
}

/* Some copy of one's address may lie on a stack from before, but not of all. */
void plant_leak(struct plant *plant)
{
    if (!plant->may_be_dear)
        return;
    lost.bytes = 40u + plant->place * 9u;
    lose_elsewhere();
    plant->kind = "memory-leak";
    fuzz_coverage_off();
    size_t told = pwheap_leak_check();
    fuzz_coverage_on();
    (void)told; /* the callback has taken them */
    FUZZ_CHECK(seen.count == 0 || is_lost(seen.address), "%p is told as lost, which is none of those that are:\n%s", seen.address,
               seen.text);
    for (unsigned i = 0; i < LOST; i++)
        free((void *)~lost.inverted[i]);
}
