/* overflow.c - writes past the end of a block. */
#include "bugs.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <wchar.h>

/* The neighbours of a block are the program's own, so that a report is the same on every system. */
static char *between(size_t size)
{
    kept[0] = malloc(size); // BEFORE
    char *block = malloc(size); // ALLOC
    kept[1] = malloc(size); // AFTER
    return fill(block, size);
}

BUG(one_byte)
{
    char *block = between(200);
    block[200 - !wrong] = 'X';
    free(block); // HERE
}

BUG(seven_bytes)
{
    char *block = between(201);
    memset(block + 201 - 7 * !wrong, 'X', 7);
    free(block); // HERE
}

BUG(one_zero)
{
    char *block = between(204);
    strcpy(block, wrong ? "a string of 204 characters ................................................................"
                          "....................................................................................."
                          "............................end" : "short");
    free(block); // HERE
}

BUG(wide_character)
{
    wchar_t *block = (wchar_t *)between(50 * sizeof(wchar_t));
    block[50 - !wrong] = L'X';
    free(block); // HERE
}

BUG(far_in_the_slack)
{
    char *block = between(130);
    block[wrong ? 130 + 20 : 129] = 'X';
    free(block); // HERE
}

/* Above 512 bytes sizes grow in larger steps: there is room between the 16 bytes and the last 16. */
BUG(between_zone_and_tail)
{
    char *block = between(529);
    block[wrong ? 529 + 20 : 528] = 'X';
    free(block); // HERE
}

/* Of such a block that byte is none of the last 16. */
BUG(sixteenth_byte)
{
    char *block = between(529);
    block[wrong ? 544 : 528] = 'X';
    free(block); // HERE
}

BUG(last_bytes_of_the_zone)
{
    char *block = between(193), *next = kept[1];
    *(wrong ? next - 11 : block + 192) = 'X';
    free(block); // HERE
}

BUG(into_the_next_block)
{
    char *block = between(200);
    memset(block + 200 - 100 * !wrong, 'X', 100);
    free(block); // HERE
}

BUG(mapped_one_byte)
{
    char *block = fill(malloc(20000), 20000); // ALLOC
    block[20000 - !wrong] = 'X'; // STORE
    free(block); // HERE
}

BUG(mapped_far)
{
    char *block = fill(malloc(20000), 20000); // ALLOC
    block[wrong ? 20000 + 300 : 19999] = 'X'; // STORE
    free(block); // HERE
}

BUG(mapped_guard)
{
    char *block = fill(malloc(100000), 100000); // ALLOC
    size_t end = wrong ? ((size_t)100000 / 4096 + 16) * 4096 : 99999;
    for (size_t i = 99999; i <= end; i += 4096 / 2)
        block[i] = 'X'; // HERE
    free(block);
}

BUG(found_by_realloc)
{
    char *block = between(200);
    block[200 - !wrong] = 'X';
    free(realloc(block, 5000)); // HERE
}

BUG(found_by_realloc_in_place)
{
    char *block = between(200);
    block[200 - !wrong] = 'X';
    free(realloc(block, 201)); // HERE
}

/* The realloc is libc's, within a call that is checked. */
BUG(found_in_getline)
{
    char text[300], *block = between(200);
    memset(text, 'T', sizeof text);
    FILE *file = fmemopen(text, sizeof text, "r");
    size_t room = 200;
    block[200 - !wrong] = 'X';
    getline(&block, &room, file); // HERE
    fclose(file);
    free(block);
}

BUG(found_by_next)
{
    char *block = between(240);
    block[240 - !wrong] = 'X';
    free(kept[1]); // HERE
}

BUG(mapped_found_by_realloc_in_place)
{
    char *block = fill(malloc(20000), 20000); // ALLOC
    block[20000 - !wrong] = 'X'; // STORE
    free(realloc(block, 20001)); // HERE
}

BUG(mapped_found_by_realloc)
{
    char *block = fill(malloc(20000), 20000); // ALLOC
    block[20000 - !wrong] = 'X'; // STORE
    free(realloc(block, 3000)); // HERE
}

BUG(mapped_found_at_exit)
{
    char *block = kept[2] = fill(malloc(20000), 20000); // ALLOC
    block[20000 - !wrong] = 'X'; // STORE
    exit(0); // HERE
}

BUG(found_at_exit)
{
    char *block = between(200);
    kept[2] = block;
    block[200 - !wrong] = 'X';
}

BUG(found_by_exit_function)
{
    char *block = between(200);
    kept[2] = block;
    block[200 - !wrong] = 'X';
    exit(0); // HERE
}

BUG(found_by_validate)
{
    char *block = between(200);
    kept[2] = block;
    block[200 - !wrong] = 'X';
    pwheap_validate(); // HERE
    _Exit(0);
}

BUG(found_by_patrol)
{
    char *block = between(200);
    kept[2] = block;
    block[200 - !wrong] = 'X';
    for (int i = 0; i < 10000; i++)
        free(malloc(100)); // HERE
    _Exit(0);
}

BUG(found_every_n)
{
    char *block = between(200);
    kept[2] = block;
    block[200 - !wrong] = 'X';
    for (int i = 0; i < 100; i++)
        free(malloc(3000)); // HERE
    _Exit(0);
}

BUG(found_before_abort)
{
    char *block = between(200);
    kept[2] = block;
    block[200 - !wrong] = 'X';
    abort(); // HERE
}

static volatile int *volatile nowhere;

BUG(found_at_a_crash)
{
    char *block = between(200);
    kept[2] = block;
    block[200 - !wrong] = 'X';
    *nowhere = 1; // HERE
}

/* Over the zones of six blocks. */
BUG(many_at_a_crash)
{
    for (int i = 0; i < 6; i++) {
        char *block = malloc(200); // ALLOC
        kept[2 + i] = block;
        block[200 - !wrong] = 'X';
    }
    *nowhere = 1; // HERE
}

static void leave(int number)
{
    _exit(number);
}

BUG(crash_is_handled)
{
    signal(SIGSEGV, leave);
    found_at_a_crash(wrong);
}

/* Behind the last block of its size, in memory that nobody had yet. */
BUG(far_into_fresh)
{
    kept[0] = malloc(1000); // BEFORE
    char *block = malloc(1000); // ALLOC
    kept[1] = block;
    if (wrong)
        for (int i = 0; i < 8; i++)
            block[1300 + i] = 'X';
    pwheap_validate(); // HERE
    free(block);
}

/* The block that it was meant for is gone by the time somebody looks. */
BUG(far_from_a_freed_block)
{
    char *block = malloc(1000);
    if (wrong)
        for (int i = 0; i < 8; i++)
            block[1300 + i] = 'X';
    free(block);
    pwheap_validate(); // HERE
}

BUG(nobody_looks)
{
    char *block = between(200);
    kept[2] = block;
    block[200 - !wrong] = 'X';
    _Exit(0);
}

BUG(calloc_block)
{
    char *block = calloc(10, 20); // ALLOC
    block[200 - !wrong] = 'X';
    free(block); // HERE
}

BUG(aligned_block)
{
    char *block = aligned_alloc(1024, 200); // ALLOC
    fill(block, 200);
    block[200 - !wrong] = 'X';
    free(block); // HERE
}

BUG(empty_block)
{
    char *block = malloc(0); // ALLOC
    if (wrong)
        block[0] = 'X';
    free(block); // HERE
}

/* Every large program has one: who asked is its caller. */
__attribute__((noinline)) void *xmalloc(size_t size)
{
    void *block = malloc(size); // MALLOC
    if (block == NULL)
        abort();
    return block;
}

__attribute__((noinline)) char *make_name(void)
{
    return fill(xmalloc(24), 24); // ALLOC
}

BUG(by_xmalloc)
{
    char *block = make_name();
    kept[0] = make_name();
    block[23 + wrong] = 'X';
    free(block); // HERE
}
