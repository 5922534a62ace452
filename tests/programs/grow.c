/*
 * grow.c - a program for `heapdump top`: one place holds much and stays, one holds many blocks and stays,
 * one grows by a mebibyte for each line on stdin, and one shrinks.
 */
#include "common.h"

static void *keep[64], *many[20000];

static void hold_much(void)
{
    for (int i = 0; i < 5; i++)
        keep[i] = malloc(2 * MIB);
}

static void hold_many(void)
{
    for (size_t i = 0; i < 20000; i++)
        many[i] = malloc(16);
}

static void grow(void)
{
    static int next = 10;
    CHECK(next < 64);
    keep[next++] = malloc(MIB);
}

static void shrink(bool begins)
{
    static void *block;
    if (begins)
        block = malloc(3 * MIB);
    else
        free(block), block = NULL;
}

int main(void)
{
    char letter;
    hold_much();
    hold_many();
    shrink(true);
    CHECK(write(1, "ready\n", 6) == 6);
    while (read(0, &letter, 1) == 1) {
        if (letter == 'g')
            grow();
        else if (letter == 's')
            shrink(false);
        else if (letter == 'q')
            break;
        CHECK(write(1, "done\n", 5) == 5);
    }
    _exit(0);
}
