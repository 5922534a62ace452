/* frames.c - see frames.h; built with -DPREFIX=with_fp and -DPREFIX=without_fp */
#include "trace/frames.h"

#include <alloca.h>

#define PASTE(prefix, name) prefix##_##name
#define EXPAND(prefix, name) PASTE(prefix, name)
#define FRAMES(name) EXPAND(PREFIX, name)
#define KEEP(pointer) __asm__ volatile("" ::"r"(pointer) : "memory")

void FRAMES(recurse)(int depth, action *act, void *argument)
{
    if (depth <= 1)
        act(argument);
    else
        FRAMES(recurse)(depth - 1, act, argument);
    KEEP(argument);
}

void FRAMES(tree)(int depth, action *act, void *argument)
{
    act(argument);
    if (depth <= 0)
        return;
    FRAMES(tree)(depth - 1, act, argument);
    act(argument);
    FRAMES(tree)(depth - 1, act, argument);
    act(argument);
}

void FRAMES(alloca)(size_t bytes, action *act, void *argument)
{
    char *room = alloca(bytes);
    KEEP(room);
    act(argument);
    KEEP(room);
}

void FRAMES(realigned)(size_t bytes, action *act, void *argument)
{
    _Alignas(64) char room[64];
    char *more = alloca(bytes);
    KEEP(room);
    KEEP(more);
    act(argument);
    KEEP(room);
}

void FRAMES(registers)(int a, action *act, void *argument)
{
    int b = a * 3, c = a * 5, d = a * 7, e = a * 11, f = a * 13, g = a * 17;
    __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f), "+r"(g));
    act(argument);
    __asm__ volatile("" ::"r"(a), "r"(b), "r"(c), "r"(d), "r"(e), "r"(f), "r"(g));
}

struct deeper {
    unsigned seed;
    int depth;
    action *act;
    void *argument;
};

static void go_deeper(void *argument)
{
    struct deeper *deeper = argument;
    FRAMES(mixture)(deeper->seed, deeper->depth, deeper->act, deeper->argument);
    KEEP(deeper);
}

void FRAMES(mixture)(unsigned seed, int depth, action *act, void *argument)
{
    struct deeper deeper = {
        .seed = seed * 1103515245u + 12345u, .depth = depth - 1, .act = act, .argument = argument};
    unsigned choice = seed >> 24;
    if (depth <= 0)
        act(argument);
    else if (choice % 4 == 0)
        FRAMES(alloca)(16 + choice * 8, go_deeper, &deeper);
    else if (choice % 4 == 1)
        FRAMES(realigned)(16 + choice, go_deeper, &deeper);
    else if (choice % 4 == 2)
        FRAMES(registers)((int)choice, go_deeper, &deeper);
    else
        FRAMES(recurse)(1 + (int)choice % 3, go_deeper, &deeper);
    KEEP(&deeper);
}
